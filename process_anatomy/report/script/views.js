// The page of a view: all its rows, and the page that finds words in every view.

import { el, link, section } from "./dom.js";
import { parse, matching } from "./filter.js";
import { grid } from "./grid.js";
import { lacking } from "./overview.js";
import { routeText } from "./route.js";

const FEW = 8;

/** The list of all views. */
export function allViews(app) {
  const lines = app.about.views.map((view) =>
    el(
      "tr",
      { "data-view": view.name },
      el("th", { scope: "row" }, link(routeText("view", [view.name]), view.name)),
      el("td", { class: "number" }, view.count.toLocaleString("en")),
      el("td", {}, view.title),
    ),
  );
  return [
    section(
      "views",
      "Views",
      el(
        "table",
        { class: "small" },
        el("thead", {}, el("tr", {}, ["view", "rows", "what it shows"].map((name) => el("th", { scope: "col" }, name)))),
        el("tbody", {}, lines),
      ),
    ),
  ];
}

export async function viewPage(app, [name, chosen]) {
  if (!app.declared(name)) return allViews(app);
  const rows = await app.rows(name);
  const numbers = app.filtered(rows);
  const all = app.sought.columns === "all";
  const telling = rows.telling().length;
  const count = numbers.length === rows.count ? `${rows.count}` : `${numbers.length} of ${rows.count}`;
  return [
    section(
      "view",
      name,
      el("p", { class: "told" }, rows.declared.title),
      el("p", { id: "count", role: "status", "data-shown": numbers.length, "data-rows": rows.count }, `${count} rows; ${telling} of ${rows.columns.length} columns say something.`),
      rows.declared.problems.map((line) => el("p", { class: "problem" }, line)),
      el("p", {}, link(routeText("view", [name], { ...app.sought, columns: all ? "" : "all" }), all ? "the telling columns" : "all columns")),
      rows.count
        ? grid(app, rows, numbers, { first: chosen === undefined ? undefined : Number(chosen), indent: name === "vads", all, mark: app.marks(rows) })
        : lacking(rows),
    ),
  ];
}

/** Rows of every view that hold some words. */
export async function findPage(app) {
  const terms = parse(app.sought.q ?? "");
  if (!terms.length) return [section("find", "Search", el("p", {}, "Write words into the field of search: rows of every view that hold all of them are shown here."))];
  const found = [];
  for (const { name, count } of app.about.views) {
    if (!count) continue;
    const rows = await app.rows(name);
    const numbers = matching(rows, terms, app.pids());
    if (numbers.length) found.push([rows, numbers]);
  }
  const total = found.reduce((sum, [, numbers]) => sum + numbers.length, 0);
  return [
    section(
      "find",
      `Rows with ${app.sought.q}`,
      el("p", { id: "count", role: "status", "data-shown": total }, `${total} rows of ${found.length} views.`),
      found.map(([rows, numbers]) => [
        el("h3", {}, link(routeText("view", [rows.name], app.sought), `${rows.name} (${numbers.length})`)),
        grid(app, rows, numbers.slice(0, FEW), { title: `${rows.name} with ${app.sought.q}` }),
      ]),
    ),
  ];
}
