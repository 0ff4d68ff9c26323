// A process, taken apart by the six components of the note.

import { diagram } from "./diagram.js";
import { el, link, section } from "./dom.js";
import { grid } from "./grid.js";
import { addressMap, rangeDetail } from "./map.js";
import { finding, lacking } from "./overview.js";
import { part } from "./packs.js";
import { routeText } from "./route.js";
import { COMPLETENESS, COMPONENTS, SECTIONS } from "./sections.js";

const LINES = 14;
const NEEDED = [
  "processes", "findings", "vads", "pages", "workingset", "images", "modules", "handles", "access", "tokens", "groups",
  "privileges", "claims", "dacls", "creation", "crossview", "csrss", "threads", "tebs", "peb", "envars", "completeness",
];
const STATES = { Default: "enabled by default", Enabled: "enabled", Present: "present, disabled" };

/** A table of the rows of a view that are about a process; why there are none, where there are none. */
function table(app, rows, numbers, heading, options = {}) {
  const more = link(routeText("view", [rows.name], { pid: app.rest[0] }), rows.name);
  const body = numbers.length ? grid(app, rows, numbers, { lines: LINES, ...options }) : none(rows);
  return el("div", { class: "part", "data-part": rows.name }, el("h3", {}, `${heading} (${numbers.length}), `, more), body);
}

function none(rows) {
  return rows.count || !rows.declared.problems.length ? el("p", { class: "lacking", "data-lacking": rows.name }, "None that could be read.") : lacking(rows);
}

/** Chosen facts of a row, with its explanation. */
function card(app, rows, row, names, heading) {
  const level = app.level() === "off" ? "brief" : app.level();
  const facts = names.filter((name) => rows.has(name)).map((name) => {
    const reason = rows.reason(row, name);
    const text = rows.text(row, name);
    return [el("dt", { title: rows.byName.get(name).meaning }, name), el("dd", {}, reason ? el("em", { class: "absent" }, reason) : text || "none")];
  });
  return el("div", { class: "card", "data-card": rows.name, "data-row": row },
    heading ? el("h3", {}, heading) : null, el("p", { class: "told" }, rows.explanation(row, level)), el("dl", { class: "facts" }, facts.flat()));
}

function addressSpace(app, t, pid, at) {
  const holder = el("div", { id: "range-holder" });
  const vads = t.vads.of(pid);
  let list = null;
  const map = vads.length || t.pages.of(pid).length
    ? addressMap(app, t, pid, (piece) => {
        holder.replaceChildren(rangeDetail(app, t, pid, piece));
        if (piece.row !== null) {
          app.explain(t.vads, piece.row);
          list?.querySelector(".grid")?.select(piece.row);
        }
      })
    : null;
  list = table(app, t.vads, vads, "VAD tree", { indent: true, columns: ["Start VPN", "End VPN", "Region", "Protection", "VadType", "Depth", "Balance", "Parent", "Offset", "CommitCharge", "File", "Problems"] });
  if (at && map) queueMicrotask(() => map.choose(Number(at)));
  return [map, holder, list, table(app, t.pages, t.pages.of(pid), "Pages"), t.workingset.of(pid).map((row) => card(app, t.workingset, row, ["WorkingSetSize", "PeakWorkingSetSize", "PrivatePages", "CommitCharge", "Resident", "Transition", "Compressed"], "Working set"))];
}

function program(app, t, pid) {
  return [
    t.images.of(pid).length ? t.images.of(pid).map((row) => card(app, t.images, row, ["Path", "Base", "Size", "EntryPoint", "EntrySection", "Machine", "CompanyName", "FileVersion", "Mitigations", "Sections", "PagesMissing", "Problems"], "The program in memory")) : none(t.images),
    table(app, t.modules, t.modules.of(pid), "Modules of the loader's three lists", { columns: ["Base", "Name", "InLoad", "InInit", "InMem", "State", "MappedPath", "Path", "Header", "Problems"] }),
  ];
}

function handles(app, t, pid) {
  const numbers = t.handles.of(pid);
  const holder = el("div", {});
  const counts = new Map();
  for (const row of numbers) counts.set(t.handles.text(row, "Type"), (counts.get(t.handles.text(row, "Type")) ?? 0) + 1);
  const columns = ["HandleValue", "Type", "Target", "Rights", "GrantedAccess", "Offset", "Problems"];
  const draw = (type) => {
    const wanted = type === null ? numbers : numbers.filter((row) => t.handles.text(row, "Type") === type);
    holder.replaceChildren(table(app, t.handles, wanted, type ?? "Handles", { columns }));
    for (const each of types.querySelectorAll("button")) each.setAttribute("aria-pressed", String(each.dataset.type === (type ?? "")));
  };
  const button = (type, name) => el("li", {}, el("button", { type: "button", "data-type": type ?? "", "aria-pressed": "false", on: { click: () => draw(type) } }, name));
  const ordered = [...counts].sort((a, b) => b[1] - a[1]);
  const types = el("ul", { class: "legend", id: "handle-types", "aria-label": "Types of handles" }, button(null, `all: ${numbers.length}`), ordered.map(([type, count]) => button(type, `${type || "type not known"}: ${count}`)));
  draw(null);
  return [types, holder, table(app, t.access, t.access.of(pid), "What it can touch")];
}

function token(app, t, pid) {
  const own = t.tokens.of(pid);
  const primary = own.filter((row) => t.tokens.value(row, "TID") === null);
  const level = app.level() === "off" ? "brief" : app.level();
  const states = Object.entries(STATES).map(([state, words]) => {
    const rows = t.privileges.of(pid).filter((row) => t.privileges.value(row, "TID") === null && stateOf(t.privileges.text(row, "Attributes")) === state);
    if (!rows.length) return null;
    const lines = rows.map((row) => el("li", { "data-privilege": t.privileges.text(row, "Privilege") }, el("strong", {}, t.privileges.text(row, "Privilege")), `: ${t.privileges.explanation(row, level)}`));
    return el("details", { open: state !== "Present", class: `privileges ${state.toLowerCase()}` }, el("summary", {}, `Privileges ${words} (${rows.length})`), el("ul", {}, lines));
  });
  return [
    primary.length ? primary.map((row) => card(app, t.tokens, row, ["Account", "UserName", "User", "Integrity", "Elevation", "SessionId", "Privileges", "Groups", "Virtualization", "UIAccess", "RestrictedSids", "PackageName", "Package", "Capabilities", "Claims", "SecurityAttributes", "TrustLevel", "MandatoryPolicy", "Source", "Flags"], "Primary token")) : none(t.tokens),
    states,
    table(app, t.groups, t.groups.of(pid), "Groups and capabilities", { columns: ["Name", "SID", "Kind", "Attributes", "Role", "TID", "Problems"] }),
    own.length > primary.length ? table(app, t.tokens, own.filter((row) => !primary.includes(row)), "Threads that act as another", { columns: ["TID", "Account", "User", "Integrity", "ImpersonationLevel"] }) : null,
    table(app, t.privileges, t.privileges.of(pid), "All privileges", { columns: ["Privilege", "Attributes", "TID", "Description"] }),
    table(app, t.claims, t.claims.of(pid), "Claims and attributes"),
    table(app, t.dacls, t.dacls.of(pid), "Default access list"),
  ];
}

/** The state of a privilege that its row's attributes name; empty for one that the token does not hold. */
export function stateOf(attributes) {
  const words = attributes.split(",").map((word) => word.trim());
  return Object.keys(STATES).find((state) => words.includes(state)) ?? "";
}

function identity(app, t, pid) {
  return [
    t.creation.of(pid).map((row) => card(app, t.creation, row, ["PPID", "Parent", "ParentState", "CreatorPID", "Creator", "Method", "Confidence", "TokenChanges", "Evidence", "CreateTime", "CommandLine", "Problems"], "How it was made")),
    chain(app, t, pid),
    t.crossview.of(pid).map((row) => card(app, t.crossview, row, ["Verdict", "Confidence", "HiddenFrom", "Absences", "Problems"], "Who sees it")),
    t.csrss.of(pid, "ClientPID").map((row) => card(app, t.csrss, row, ["PID", "SessionId", "Offset", "Threads", "ThreadIds", "Flags", "SequenceNumber", "TiedBy", "Problems"], "CSR_PROCESS, kept by csrss.exe")),
  ];
}

/** From the process to its parent, and on, as far as parents are there. */
function chain(app, t, pid) {
  const found = [];
  for (let at = pid; at !== null && found.length < 32 && !found.some((each) => each.pid === at);) {
    const row = t.creation.of(at)[0];
    if (row === undefined) break;
    const state = t.creation.text(row, "ParentState");
    found.push({ pid: at, row });
    at = state === "alive" || state === "ended" ? t.creation.value(row, "PPID") : null;
  }
  if (found.length < 2) return null;
  const items = found.map(({ pid: each, row }) => el("li", {}, link(routeText("process", [each]), `${t.creation.text(row, "ImageFileName")} (${each})`), ` ${t.creation.text(row, "Method")}`));
  return el("div", {}, el("h3", {}, "Its parents"), el("ol", { class: "chain", id: "chain" }, items));
}

function threads(app, t, pid) {
  return [
    table(app, t.threads, t.threads.of(pid), "Threads", { columns: ["TID", "State", "WaitReason", "Win32StartAddress", "Win32StartIn", "Win32StartPath", "Alarm", "SuspendCount", "CreateTime", "TEB", "Problems"] }),
    table(app, t.tebs, t.tebs.of(pid), "TEBs"),
  ];
}

function environment(app, t, pid) {
  return [
    t.peb.of(pid).length ? t.peb.of(pid).map((row) => card(app, t.peb, row, ["PEB", "Bits", "ImageBaseAddress", "ImagePath", "CommandLine", "CurrentDirectory", "WindowTitle", "DesktopInfo", "BeingDebugged", "GlobalFlags", "Heaps", "OSVersion", "Problems"], `PEB, ${t.peb.text(row, "Bits")} bits`)) : none(t.peb),
    table(app, t.envars, t.envars.of(pid), "Environment variables", { columns: ["Variable", "Value", "Block"] }),
  ];
}

export async function processPage(app, [asked = "", wanted = "", at = ""]) {
  const found = await Promise.all(NEEDED.map((name) => app.rows(name)));
  const t = Object.fromEntries(NEEDED.map((name, i) => [name, found[i]]));
  const pid = asked === "" ? null : Number(asked);
  const rows = t.processes.of(pid);
  if (!rows.length) return [section("process", "No such process", el("p", {}, `No process of the page has the id ${asked}.`))];
  const facts = (await part("diagrams")).filter((each) => each.pid === pid);
  const parts = { "address-space": addressSpace, program, handles, token, id: identity, threads, environment };
  const navigation = el("nav", { class: "sections", "aria-label": "Sections of the process" }, SECTIONS.map(([id, name]) => link(routeText("process", [asked, id]), name)));
  const order = app.all;
  const place = order.indexOf(pid);
  const beside = [["previous", order[place - 1]], ["next", order[place + 1]]].filter(([, each]) => each !== undefined && each !== null);
  const notes = t.findings.of(pid).map((row) => finding(app, t.findings, row));
  return [
    section(
      "process",
      `${t.processes.text(rows[0], "ImageFileName") || "name not known"} (${asked})`,
      beside.map(([name, each]) => [el("a", { href: routeText("process", [each]), id: `${name}-process` }, name), " "]),
      rows.map((row) => card(app, t.processes, row, ["ImagePath", "CreateTime", "ExitTime", "SessionId", "Protection", "Offset(V)", "DTB", "SeenBy", "Problems"])),
      navigation,
      facts.map((each) => el("div", { class: "drawing" }, diagram(app, each))),
    ),
    section("process-findings", `Findings (${notes.length})`, notes.length ? notes : el("p", {}, "Nothing was found about it that does not fit together, in what could be read.")),
    SECTIONS.map(([id, name]) => {
      const told = app.note(COMPONENTS[id]);
      const head = told && app.level() !== "off" ? el("p", { class: "told component" }, app.level() === "analogy" ? told.analogy : app.level() === "full" ? told.full : told.brief) : null;
      return section(id, name, head, obstacles(t.completeness, pid, id), parts[id](app, t, pid, wanted === id ? at : ""));
    }),
  ];
}

/** How much of a component could be read, and what stood in the way. */
function obstacles(rows, pid, id) {
  const name = COMPLETENESS[id];
  const row = rows.of(pid)[0];
  if (!name || row === undefined) return null;
  const ways = (rows.value(row, "Obstacles") ?? []).filter((text) => text.startsWith(`${name}:`));
  return el("p", { class: "source", "data-state": rows.text(row, name) }, `Read: ${rows.text(row, name)}${ways.length ? `. ${ways.join("; ")}` : ""}.`);
}
