// The first page: what was found, who runs, how much could be read.

import { el, link, section } from "./dom.js";
import { routeText } from "./route.js";
import { COMPLETENESS } from "./sections.js";
import { forest } from "./tree.js";

const SHOWN = 100;

/** A text in which each address leads to what lies there. */
export function withLinks(text, pid) {
  return text.split(/(0x[0-9a-f]{4,})/).map((piece, i) => {
    if (i % 2 === 0) return piece;
    const kernel = piece.length > 14;
    return link(kernel || pid === null ? routeText("find", [], { q: piece }) : routeText("process", [pid, "address-space", piece]), piece);
  });
}

/** A finding, with its evidence. */
export function finding(app, rows, row) {
  const pid = rows.value(row, "PID");
  const evidence = (rows.value(row, "Evidence") ?? []).map((text) => el("li", {}, withLinks(text, pid)));
  const level = app.level() === "off" ? "brief" : app.level();
  const severity = rows.text(row, "Severity");
  const technique = rows.text(row, "Technique");
  return el(
    "article",
    { class: `finding ${severity}`, "data-rule": rows.text(row, "Rule"), "data-severity": severity, "data-row": row },
    el(
      "h3",
      {},
      el("span", { class: "mark" }, severity),
      " ",
      pid === null ? "the image as a whole" : link(routeText("process", [pid]), `${rows.text(row, "Process")} (${pid})`),
      " ",
      link(routeText("view", ["findings", row]), rows.text(row, "Rule")),
    ),
    el("p", { class: "told" }, rows.explanation(row, level)),
    evidence.length ? el("details", {}, el("summary", {}, `Evidence (${evidence.length})`), el("ul", {}, evidence)) : null,
    el("p", { class: "innocent" }, `Innocent causes: ${rows.text(row, "Innocent")}.${technique ? ` ATT&CK ${technique}.` : ""}`),
  );
}

function findings(app, rows, numbers) {
  const shown = numbers.slice(0, SHOWN).map((row) => finding(app, rows, row));
  const rest = numbers.length - shown.length;
  const words = numbers.length ? null : el("p", {}, "Nothing was found that does not fit together, in what could be read.");
  return section(
    "findings",
    `Findings (${numbers.length})`,
    words,
    rows.declared.problems.map((line) => el("p", { class: "problem" }, line)),
    shown,
    rest > 0 ? el("p", {}, link(routeText("view", ["findings"]), `${rest} more in the table of findings`)) : null,
  );
}

/** What is known of each process, for boxes of the tree. */
function boxes(app, tables) {
  const { processes, tokens, creation } = tables;
  const states = new Map();
  for (let row = 0; row < creation.count; row += 1) states.set(creation.value(row, "PID"), creation.text(row, "ParentState"));
  const found = [];
  for (let row = 0; row < processes.count; row += 1) {
    const pid = processes.value(row, "PID");
    const token = tokens.of(pid).find((at) => tokens.value(at, "TID") === null);
    const text = (name) => (token === undefined ? "" : tokens.text(token, name));
    found.push({
      pid,
      row,
      parent: ["alive", "ended"].includes(states.get(pid)) ? processes.value(row, "PPID") : null,
      name: processes.text(row, "ImageFileName") || "name not known",
      user: text("Account") || text("UserName") || text("User") || "user not known",
      integrity: text("Integrity") || "integrity not known",
      hidden: (processes.value(row, "SeenBy") ?? []).length === 0,
      ended: processes.value(row, "ExitTime") !== null,
    });
  }
  return found;
}

function node(app, one, level = 1) {
  const found = app.findingsOf(one.pid);
  const marks = found.map(([severity, count]) => el("span", { class: `mark ${severity}`, title: `${count} ${severity}` }, `${count} ${severity}`));
  const states = [one.hidden ? "hidden" : "", one.ended ? "ended" : "", ...app.familiar(one.pid)].filter(Boolean);
  const wanted = app.wanted(one.pid);
  const box = el(
    "a",
    {
      class: ["process-box", ...states, wanted ? "" : "dim"].filter(Boolean).join(" "),
      href: routeText("process", [one.pid ?? ""]),
      "data-pid": one.pid ?? "",
      "data-hidden": one.hidden ? "yes" : null,
    },
    el("strong", {}, one.name),
    el("span", { class: "pid" }, one.pid === null ? "no id" : ` ${one.pid}`),
    el("span", { class: "who" }, ` ${one.user}, ${one.integrity}`),
    one.hidden ? el("span", { class: "mark hidden" }, "hidden") : null,
    one.ended ? el("span", { class: "mark" }, "ended") : null,
    marks,
  );
  const below = one.children.length && level < 64 ? el("ul", {}, one.children.map((child) => node(app, child, level + 1))) : null;
  return el("li", {}, box, below);
}

function completeness(app, rows) {
  if (!rows.count) return section("completeness", "How much could be read", lacking(rows));
  const lines = Object.values(COMPLETENESS).filter((name) => rows.has(name)).map((name) => {
    const counts = new Map();
    for (let row = 0; row < rows.count; row += 1) {
      const state = rows.text(row, name);
      counts.set(state, (counts.get(state) ?? 0) + 1);
    }
    const cells = ["whole", "part", "not", "none"].map((state) => el("td", { class: `state-${state}` }, counts.get(state) ?? 0));
    return el("tr", {}, el("th", { scope: "row" }, link(routeText("view", ["completeness"]), name)), cells);
  });
  const heads = ["whole", "part", "not", "none"].map((state) => el("th", { scope: "col", title: app.note(`component-state/${state}`)?.brief }, state));
  return section(
    "completeness",
    "How much could be read",
    el("table", { class: "small" }, el("caption", {}, "Processes by how much of each component could be read"),
      el("thead", {}, el("tr", {}, el("th", { scope: "col" }, "component"), heads)), el("tbody", {}, lines)),
  );
}

/** Why a view has no rows. */
export function lacking(rows) {
  const words = rows.declared.problems.length ? rows.declared.problems : ["The image holds none."];
  return el("div", { class: "lacking", "data-lacking": rows.name }, words.map((line) => el("p", {}, line)));
}

export async function overview(app) {
  const [processes, tokens, creation, found, complete] = await Promise.all(
    ["processes", "tokens", "creation", "findings", "completeness"].map((name) => app.rows(name)),
  );
  const image = app.about.image;
  const all = boxes(app, { processes, tokens, creation });
  const hidden = all.filter((one) => one.hidden).length;
  const facts = [
    ["Windows", image.windows],
    ["layout", image.layout],
    ["taken", image.captured || "not known"],
    ["processes", `${processes.count}${hidden ? `, ${hidden} of them hidden from the active list` : ""}`],
  ];
  const alarms = [...(image.doubt ? [`Do not trust the rows: ${image.doubt}`] : []), ...image.doubts];
  return [
    section(
      "image",
      "The image",
      alarms.map((line) => el("p", { class: "alarm" }, line)),
      el("dl", { class: "facts wide" }, facts.map(([name, value]) => [el("dt", {}, name), el("dd", {}, value)])),
    ),
    findings(app, found, app.filtered(found)),
    section(
      "tree",
      `Processes (${processes.count})`,
      processes.count ? el("ul", { class: "tree", "aria-label": "Processes below their parents" }, forest(all).map((one) => node(app, one))) : lacking(processes),
    ),
    completeness(app, complete),
    missing(app),
  ];
}

function missing(app) {
  const lost = app.about.views.filter((view) => !view.count && view.problems.length);
  const told = app.about.views.filter((view) => view.count && view.problems.length);
  const line = (view) => el("li", {}, link(routeText("view", [view.name]), view.name), `: ${view.problems.join("; ")}`);
  if (!lost.length && !told.length) return null;
  return section(
    "missing",
    "What is missing",
    lost.length ? [el("p", {}, "These views have no rows:"), el("ul", { id: "missing-views" }, lost.map(line))] : null,
    told.length ? [el("p", {}, "Something was wrong with lists and trees as a whole:"), el("ul", { id: "odd-views" }, told.map(line))] : null,
  );
}
