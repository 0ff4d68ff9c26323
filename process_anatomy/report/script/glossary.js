// The terms of the note and of the suite, each with its explanation and its analogy.

import { el, link, section } from "./dom.js";
import { routeText } from "./route.js";

const FAMILIES = [
  ["component", "The six components of a process"],
  ["term", "Terms"],
  ["region", "What memory is used for"],
  ["integrity", "Integrity levels"],
  ["severity", "Severities of findings"],
  ["component-state", "How much could be read"],
];

export function glossary(app) {
  return FAMILIES.map(([family, heading]) => {
    const notes = Object.entries(app.about.notes).filter(([key]) => key.startsWith(`${family}/`));
    const lines = notes.map(([key, note]) => [
      el("dt", { id: `note-${key}`, "data-note": key }, link(routeText("glossary", key.split("/")), note.title)),
      el(
        "dd",
        {},
        el("p", {}, note.full || note.brief),
        note.analogy && app.level() === "analogy" ? el("p", { class: "analogy" }, note.analogy) : null,
        el("p", { class: "source" }, `Source: ${note.source}${note.command ? `. Shown by ${note.command}` : ""}`),
      ),
    ]);
    return section(`glossary-${family}`, heading, el("dl", { class: "glossary" }, lines.flat()));
  });
}
