// The margin: what the chosen row says, in full: its explanation, each cell with what the column means, each reason.

import { el, link } from "./dom.js";
import { routeText } from "./route.js";

/** Shows a row of a view in the margin. */
export function rowMargin(app, rows, row) {
  const level = app.level();
  const note = app.note(rows.noteOf(row));
  const facts = rows.columns
    .filter(({ name }) => rows.value(row, name) !== null || rows.reason(row, name))
    .map((column) => {
      const reason = rows.reason(row, column.name);
      const text = rows.text(row, column.name);
      const value = reason ? el("em", { class: "absent" }, reason) : text || "nothing";
      return [el("dt", { title: `${column.meaning} (${column.source})` }, column.name), el("dd", {}, value)];
    });
  const told = level === "off" ? null : el("p", { class: "told", "data-level": level }, rows.explanation(row, level));
  return [
    el("h2", { id: "margin-title" }, link(routeText("view", [rows.name, row]), `${rows.name}, row ${row + 1}`)),
    told,
    note && level !== "off" ? el("p", { class: "source" }, `${note.title}. Source: ${note.source}`) : null,
    el("dl", { class: "facts" }, facts.flat()),
  ];
}

/** Shows a note of the glossary in the margin. */
export function noteMargin(app, key) {
  const note = app.note(key);
  const level = app.level();
  if (!note || level === "off") return [];
  const words = [level === "analogy" ? note.analogy : null, level === "brief" ? note.brief : note.full || note.brief];
  return [
    el("h2", { id: "margin-title" }, link(routeText("glossary", key.split("/")), note.title)),
    words.filter(Boolean).map((text, i) => el("p", { class: level === "analogy" && i === 0 ? "told analogy" : "told" }, text)),
    el("p", { class: "source" }, `Source: ${note.source}`),
  ];
}
