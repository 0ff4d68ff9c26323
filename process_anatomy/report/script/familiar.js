// What processes are to those who know live tools: the sorts that System Informer colours, the first that fits.

const SYSTEM = "S-1-5-18";
const DEBUGGED = "debugged";

/** Whether not one thread of a process goes on: each that has not ended waits to be resumed. */
function suspended(threads, pid) {
  const there = threads.of(pid).filter((row) => threads.text(row, "State") !== "Terminated");
  return there.length > 0 && there.every((row) => threads.text(row, "State") === "Waiting" && /^(Wr)?Suspended$/.test(threads.text(row, "WaitReason")));
}

/**
 * The class of each process, by its id.
 * @param tables the views processes, tokens, threads, findings
 */
export function sorts({ processes, tokens, threads, findings }) {
  const debugged = new Set();
  for (let row = 0; row < findings.count; row += 1) {
    if (findings.text(row, "Rule") === DEBUGGED) debugged.add(findings.value(row, "PID"));
  }
  const found = new Map();
  for (let row = 0; row < processes.count; row += 1) {
    const pid = processes.value(row, "PID");
    const token = tokens.of(pid).find((at) => tokens.value(at, "TID") === null);
    const text = (name) => (token === undefined ? "" : tokens.text(token, name));
    const kinds = [
      processes.value(row, "ExitTime") !== null ? "live-ended" : "",
      debugged.has(pid) ? "live-debugged" : "",
      suspended(threads, pid) ? "live-suspended" : "",
      text("PackageName") ? "live-immersive" : "",
      text("Elevation") === "full" ? "live-elevated" : "",
      text("User") === SYSTEM ? "live-system" : "",
      token !== undefined && tokens.value(token, "SessionId") === 0 ? "live-service" : "",
      "live-own",
    ];
    found.set(pid, kinds.find(Boolean));
  }
  return found;
}
