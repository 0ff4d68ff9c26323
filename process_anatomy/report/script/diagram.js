// The note's diagram of a process: the drawing that lies in the page once, with the process's own facts in it.

import { shown } from "./columns.js";
import { routeText } from "./route.js";
import { COMPONENTS } from "./sections.js";

const sectionOf = (part) => ({ address: "address-space", process: "" })[part] ?? part;

/** The drawing with facts; each part leads to its section and says what it is where the pointer rests. */
export function diagram(app, facts) {
  const drawn = document.getElementById("diagram").content.firstElementChild.cloneNode(true);
  drawn.id = "diagram-drawn";
  drawn.setAttribute("aria-label", shown(facts.title));
  for (const each of drawn.querySelectorAll("[data-if]")) if (!facts[each.dataset.if]) each.remove();
  for (const each of drawn.querySelectorAll("[data-fact]")) each.textContent = shown(String(facts[each.dataset.fact] ?? ""));
  for (const each of drawn.querySelectorAll("[data-note]")) each.textContent = app.note(each.dataset.note)?.brief ?? "";
  for (const each of drawn.querySelectorAll("a[data-part]")) {
    const section = sectionOf(each.dataset.part);
    each.setAttribute("href", routeText("process", section ? [facts.pid, section] : [facts.pid]));
    const heading = each.querySelector(".heading")?.textContent ?? facts.name;
    each.setAttribute("aria-label", `${heading}: its section`);
    for (const event of ["mouseenter", "focus"]) each.addEventListener(event, () => app.explainNote(COMPONENTS[section]));
  }
  return drawn;
}
