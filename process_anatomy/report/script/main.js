// Puts the page together: unpacks what is known of the image, and shows the part that the address names.

import { add, el, link } from "./dom.js";
import { matching, parse } from "./filter.js";
import { sorts } from "./familiar.js";
import { glossary } from "./glossary.js";
import { noteMargin, rowMargin } from "./margin.js";
import { overview } from "./overview.js";
import { part } from "./packs.js";
import { processPage } from "./process.js";
import { parseRoute, routeText } from "./route.js";
import { Rows } from "./rows.js";
import { COMPONENTS } from "./sections.js";
import { allViews, findPage, viewPage } from "./views.js";

const SEVERITIES = ["critical", "high", "medium", "low", "info"];
const PAGES = { overview, view: viewPage, views: allViews, find: findPage, glossary, process: processPage };
const NAVIGATION = [
  ["overview", "Overview"],
  ["view/processes", "Processes"],
  ["view/findings", "Findings"],
  ["views", "All views"],
  ["glossary", "Glossary"],
];
const KEYS = { o: "overview", p: "view/processes", f: "view/findings", v: "views", g: "glossary" };
const field = (id) => document.getElementById(id);

/** What pages ask of the whole. */
class App {
  constructor(about) {
    this.about = about;
    this.known = new Map();
    this.sought = {};
    this.byPid = new Map();
    this.kinds = new Map();
  }

  level() {
    return field("level").value;
  }

  note(key) {
    return Object.hasOwn(this.about.notes, key ?? "") ? this.about.notes[key] : null;
  }

  declared(name) {
    return this.about.views.find((view) => view.name === name) ?? null;
  }

  rows(name) {
    if (!this.known.has(name)) {
      this.known.set(name, part(name).then((packed) => new Rows(this.declared(name), packed, this.about.notes)));
    }
    return this.known.get(name);
  }

  /** Severities of a process's findings with their counts, the gravest first; those of healthy systems are left out. */
  findingsOf(pid) {
    const counts = this.byPid.get(pid) ?? new Map();
    return SEVERITIES.filter((each) => each !== "info" && counts.has(each)).map((each) => [each, counts.get(each)]);
  }

  familiar(pid) {
    const sort = field("familiar").checked ? this.kinds.get(pid) : undefined;
    return sort ? [sort] : [];
  }

  /** The processes that the filters leave; null for all. */
  pids() {
    const { pid, finding } = this.sought;
    if (!pid && !finding) return null;
    const least = SEVERITIES.indexOf(finding);
    const some = finding ? [...this.byPid].filter(([, counts]) => [...counts.keys()].some((each) => SEVERITIES.indexOf(each) <= least)).map(([each]) => each) : [...this.all];
    return new Set(pid ? some.filter((each) => String(each) === pid) : some);
  }

  wanted(pid) {
    const pids = this.pids();
    return pids === null || pids.has(pid);
  }

  filtered(rows) {
    return matching(rows, parse(this.sought.q ?? ""), this.pids());
  }

  /** Classes of rows that are processes. */
  marks(rows) {
    return rows.name === "processes" ? (row) => this.familiar(rows.value(row, "PID")) : null;
  }

  explain(rows, row) {
    this.margin = () => rowMargin(this, rows, row);
    this.drawMargin();
  }

  explainNote(key) {
    if (!this.note(key)) return;
    this.margin = () => noteMargin(this, key);
    this.drawMargin();
  }

  drawMargin() {
    const made = [];
    const holder = field("margin");
    add({ append: (...each) => made.push(...each) }, this.margin?.() ?? [el("p", {}, "Choose a row: what it says is explained here.")]);
    holder.replaceChildren(...made);
  }

  /** Sorts processes as live tools do, once, where the reader wants their colours. */
  async sort() {
    if (!field("familiar").checked || this.kinds.size) return;
    const names = ["processes", "tokens", "threads", "findings"];
    const found = await Promise.all(names.map((name) => this.rows(name)));
    this.kinds = sorts(Object.fromEntries(names.map((name, i) => [name, found[i]])));
  }

  /** Who the processes are, and what was found about them. */
  async learn() {
    const [processes, found] = await Promise.all(["processes", "findings"].map((name) => this.rows(name)));
    for (let row = 0; row < found.count; row += 1) {
      const counts = this.byPid.get(found.value(row, "PID")) ?? new Map();
      const severity = found.text(row, "Severity");
      counts.set(severity, (counts.get(severity) ?? 0) + 1);
      this.byPid.set(found.value(row, "PID"), counts);
    }
    this.all = [];
    for (let row = 0; row < processes.count; row += 1) {
      const pid = processes.value(row, "PID");
      this.all.push(pid);
    }
    const choices = this.all.map((pid, row) => el("option", { value: pid ?? "" }, `${processes.text(row, "ImageFileName")} (${pid})`));
    field("by-process").append(...choices);
    const severities = SEVERITIES.slice(0, -1).map((each) => el("option", { value: each }, `${each} or graver`));
    field("by-finding").append(...severities);
  }

  /** Goes to a section, for eyes and for screen readers. */
  jump(id) {
    field(id)?.scrollIntoView();
    field(`${id}-title`)?.focus({ preventScroll: true });
  }

  async show() {
    const { page, rest, sought } = parseRoute(location.hash);
    if (page !== this.page || rest[0] !== this.rest?.[0]) this.margin = null;
    this.sought = sought;
    this.page = page;
    this.rest = rest;
    for (const [id, name] of [["query", "q"], ["by-process", "pid"], ["by-finding", "finding"]]) {
      if (document.activeElement !== field(id)) field(id).value = sought[name] ?? "";
    }
    for (const each of field("pages").querySelectorAll("a")) {
      const here = each.dataset.page === [page, ...rest].slice(0, 2).join("/") || each.dataset.page === page;
      if (here) each.setAttribute("aria-current", "page");
      else each.removeAttribute("aria-current");
    }
    const turn = Symbol(page);
    this.turn = turn;
    const made = [];
    await this.sort();
    add({ append: (...each) => made.push(...each) }, await (Object.hasOwn(PAGES, page) ? PAGES[page] : overview)(this, rest));
    if (this.turn !== turn) return;
    field("main").replaceChildren(...made);
    field("main").dataset.page = page;
    field("main").dataset.at = location.hash;
    if (page === "glossary" && rest.length) {
      field(`note-${rest.join("/")}`)?.scrollIntoView();
      this.explainNote(rest.join("/"));
    } else if (page === "overview" && rest.length) {
      this.jump(rest[0]);
    } else if (page === "process" && rest.length > 1) {
      this.jump(rest[1]);
      if (rest.length === 2) this.explainNote(COMPONENTS[rest[1]]);
    } else {
      window.scrollTo(0, 0);
    }
    this.drawMargin();
  }
}

/** A word that the browser keeps for this page, where it keeps any. */
function remembered(name, value) {
  try {
    if (value !== undefined) localStorage.setItem(`anatomy-${name}`, value);
    return localStorage.getItem(`anatomy-${name}`);
  } catch {
    return null;
  }
}

function controls(app) {
  let waiting = 0;
  const seek = () => {
    const sought = { ...app.sought, q: field("query").value.trim(), pid: field("by-process").value, finding: field("by-finding").value };
    const page = app.page === "process" || app.page === "glossary" || (app.page === "overview" && sought.q !== (app.sought.q ?? "")) ? ["find", []] : [app.page, app.rest.slice(0, 1)];
    location.hash = routeText(page[0], page[1], sought);
  };
  field("query").addEventListener("input", () => {
    clearTimeout(waiting);
    waiting = setTimeout(seek, 200);
  });
  field("search").addEventListener("submit", (event) => {
    event.preventDefault();
    seek();
  });
  for (const id of ["by-process", "by-finding"]) field(id).addEventListener("change", seek);
  field("level").value = remembered("level") ?? (app.about.level === "off" ? "off" : app.about.level);
  field("level").addEventListener("change", () => {
    remembered("level", field("level").value);
    app.show();
  });
  const dress = () => {
    document.documentElement.dataset.theme = field("theme").value;
  };
  field("theme").value = remembered("theme") ?? "";
  dress();
  field("theme").addEventListener("change", () => {
    remembered("theme", field("theme").value);
    dress();
  });
  field("familiar").checked = remembered("familiar") === "yes";
  field("familiar").addEventListener("change", () => {
    remembered("familiar", field("familiar").checked ? "yes" : "no");
    app.show();
  });
  document.addEventListener("keydown", (event) => {
    if (event.altKey || event.ctrlKey || event.metaKey || event.target.closest("input, select, textarea")) return;
    if (event.key === "/") {
      event.preventDefault();
      field("query").focus();
    } else if (event.key in KEYS) location.hash = `#${KEYS[event.key]}`;
  });
  window.addEventListener("beforeprint", () => {
    for (const each of document.querySelectorAll("details")) each.open = true;
    for (const each of document.querySelectorAll(".grid")) each.print(true);
  });
  window.addEventListener("afterprint", () => {
    for (const each of document.querySelectorAll(".grid")) each.print(false);
  });
  window.addEventListener("hashchange", () => app.show());
}

async function start() {
  const begun = performance.now();
  const app = new App(await part("about"));
  add(field("pages"), NAVIGATION.map(([page, name]) => {
    const made = link(`#${page}`, name);
    made.dataset.page = page;
    return made;
  }));
  await app.learn();
  controls(app);
  await app.show();
  document.documentElement.dataset.ready = "yes";
  document.documentElement.dataset.readyMs = String(Math.round(performance.now() - begun));
}

start();
