// Makes elements. Every text goes through `shown`, and none is ever read as mark-up.

import { shown } from "./columns.js";

/**
 * An element.
 * @param attributes by name; `on` has listeners by event; null and false leave one out
 * @param children elements, texts, numbers, lists of these; null leaves one out
 */
export function el(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key === "on") {
      for (const [event, listener] of Object.entries(value)) made.addEventListener(event, listener);
    } else if (value !== null && value !== false && value !== undefined) {
      made.setAttribute(key, value === true ? "" : shown(String(value)));
    }
  }
  add(made, children);
  return made;
}

/** A text with places to break, if a word in it is so long that the browser would seek for seconds where to break it. */
function broken(text) {
  if (!/\S{256}/.test(text)) return [text];
  return text.match(/[^]{1,64}/gu).flatMap((piece) => [piece, document.createElement("wbr")]);
}

export function add(parent, children) {
  for (const child of children) {
    if (child === null || child === undefined || child === "") continue;
    if (Array.isArray(child)) add(parent, child);
    else parent.append(...(child instanceof Node ? [child] : broken(shown(String(child)))));
  }
}

/** A link to a place in the page. */
export function link(to, ...children) {
  return el("a", { href: to }, ...children);
}

/** A section of a page with a heading, which can be linked to. */
export function section(id, heading, ...children) {
  const title = el("h2", { id: `${id}-title`, tabindex: "-1" }, heading);
  return el("section", { id, "aria-labelledby": `${id}-title`, "data-section": id }, title, ...children);
}
