import assert from "node:assert/strict";
import test from "node:test";
import { sorts } from "../../../process_anatomy/report/script/familiar.js";
import { Rows } from "../../../process_anatomy/report/script/rows.js";

/** A view of rows that are objects. */
function view(name, all, names) {
  const columns = names.map((each) => ({ name: each, kind: "text", meaning: "", source: "", hexadecimal: false, separator: "; " }));
  const runs = (values) => values.flatMap((value) => (value === null ? [0, 1] : [1, 0]));
  const cells = names.map((each) => {
    const values = all.map((row) => row[each] ?? null);
    const present = values.filter((value) => value !== null);
    return [each, { form: "choice", values: present, steps: present.map((_, i) => (i ? 1 : 0)), runs: runs(values) }];
  });
  return new Rows({ name, columns }, { count: all.length, depths: { form: "same", value: 0 }, cells: Object.fromEntries(cells), absent: {}, told: {} }, {});
}

const sorted = (process, token = {}, threads = [], findings = []) =>
  sorts({
    processes: view("processes", [{ PID: 8, ...process }], ["PID", "ExitTime"]),
    tokens: view("tokens", [{ PID: 8, ...token }], ["PID", "TID", "User", "Elevation", "PackageName", "SessionId"]),
    threads: view("threads", threads.map((each) => ({ PID: 8, ...each })), ["PID", "State", "WaitReason"]),
    findings: view("findings", findings.map((Rule) => ({ PID: 8, Rule })), ["PID", "Rule"]),
  }).get(8);

const asleep = { State: "Waiting", WaitReason: "Suspended" };
const waiting = { State: "Waiting", WaitReason: "UserRequest" };
const ended = { State: "Terminated" };

test("a process is suspended where each thread that has not ended waits to be resumed", () => {
  assert.equal(sorted({}, {}, [asleep, asleep, ended]), "live-suspended");
  assert.equal(sorted({}, {}, [asleep, waiting]), "live-own");
  assert.equal(sorted({}, {}, [ended]), "live-own");
  assert.equal(sorted({}, {}, []), "live-own");
});

test("the first sort that fits counts, an end before a debugger, a debugger before a suspension", () => {
  const system = { User: "S-1-5-18", SessionId: 0 };
  assert.equal(sorted({ ExitTime: "then" }, system, [asleep], ["debugged"]), "live-ended");
  assert.equal(sorted({}, system, [asleep], ["debugged", "x"]), "live-debugged");
  assert.equal(sorted({}, system, [asleep], ["hidden-debugger"]), "live-suspended");
  assert.equal(sorted({}, { ...system, Elevation: "full" }, [waiting]), "live-elevated");
  assert.equal(sorted({}, system, [waiting]), "live-system");
  assert.equal(sorted({}, { User: "S-1-5-19", SessionId: 0 }, [waiting]), "live-service");
  assert.equal(sorted({}, { PackageName: "App", Elevation: "full" }, [waiting]), "live-immersive");
});

test("the token of a thread says nothing of its process", () => {
  assert.equal(sorted({}, { TID: 12, User: "S-1-5-18", SessionId: 0 }, [waiting]), "live-own");
});
