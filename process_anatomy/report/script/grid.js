// A list of rows of any length as a table: only what is in sight is in the page.

import { el, add, link } from "./dom.js";
import { sorted } from "./filter.js";
import { routeText } from "./route.js";

const HEIGHT = 26;
const SAMPLE = 200;
const [NARROWEST, WIDEST] = [5, 46];
const BEYOND = 6;
/** What a row says of itself has so much room on paper, and twice as much on a screen. */
const EXPLAINED = 45;
const DEEPEST = 12;
/** Rows that paper has of one table at the most. */
const PRINTED = 1000;
const OF_PROCESS = /^(PID|PPID|CreatorPID|TargetPID|ClientPID)$/;
export const EXPLANATION = "Explanation";

/** Characters that a column takes, from its name and the first rows. */
function width(rows, numbers, name) {
  let longest = name.length + 2;
  for (const row of numbers.slice(0, SAMPLE)) longest = Math.max(longest, rows.text(row, name).length);
  return Math.min(WIDEST, Math.max(NARROWEST, longest)) + 2;
}

/**
 * A table of rows.
 * @param app the page
 * @param rows of a view
 * @param numbers those that are shown, in order
 * @param options columns: names, those that the view declares to tell most if left out; all: every column; chosen: told the row that is chosen;
 *   first: row that is chosen at first; lines: how many are in sight; title: for screen readers; mark: classes of a row;
 *   indent: rows are shown as deep as they lie
 */
export function grid(app, rows, numbers, options = {}) {
  const names = (options.columns ?? rows.shownNames(options.all)).filter((name) => rows.has(name));
  const explains = app.level() !== "off";
  const columns = explains ? [...names, EXPLANATION] : names;
  const deep = options.indent ? DEEPEST : 0;
  const letters = names.map((name) => width(rows, numbers, name));
  const widths = letters.map((each, i) => `${each + (i ? 0 : deep)}ch`);
  let order = numbers;
  let sorting = null;
  let down = false;
  let place = Math.max(0, order.indexOf(options.first ?? -1));
  let drawn = "";
  let printing = false;

  const body = el("div", { class: "rows", role: "rowgroup" });
  const head = el("div", { class: "row heads", role: "row", "aria-rowindex": 1 });
  const box = el(
    "div",
    {
      class: "grid",
      role: "grid",
      tabindex: "0",
      "data-view": rows.name,
      "data-count": numbers.length,
      "aria-rowcount": numbers.length + 1,
      "aria-colcount": columns.length,
      "aria-label": options.title ?? rows.declared.title,
      on: { scroll: draw, keydown: key, click: chosen, dblclick: opened },
    },
    head,
    body,
  );
  box.style.setProperty("--columns", [...widths, ...(explains ? [`${2 * EXPLAINED}ch`] : [])].join(" "));
  box.style.setProperty("--printed", [...letters, ...(explains ? [EXPLAINED] : [])].map((each) => `minmax(0, ${each}fr)`).join(" "));
  box.style.setProperty("--lines", Math.min(options.lines ?? 28, numbers.length + 2));
  box.select = (row) => select(order.indexOf(row), false);
  box.print = print;
  heads();

  function heads() {
    head.replaceChildren();
    columns.forEach((name, i) => {
      const declared = rows.byName.get(name);
      const direction = name === sorting ? (down ? "descending" : "ascending") : "none";
      const label = el(
        "button",
        { type: "button", tabindex: "-1", title: declared?.meaning ?? "", "data-sort": name, disabled: name === EXPLANATION },
        name,
        name === sorting ? (down ? " ▾" : " ▴") : null,
      );
      head.append(
        el("span", { role: "columnheader", class: "cell", "aria-colindex": i + 1, "aria-sort": direction }, label),
      );
    });
  }

  function cell(row, name, i) {
    const options_ = { role: "gridcell", class: "cell", "aria-colindex": i + 1, "data-column": name };
    if (name === EXPLANATION) return el("span", { ...options_, class: "cell words" }, rows.explanation(row, app.level()));
    const reason = rows.reason(row, name);
    if (reason) return el("span", { ...options_, class: "cell absent", title: reason }, "–");
    const text = rows.text(row, name);
    const made = el("span", { ...options_, title: text.length > WIDEST ? text.slice(0, 2000) : null });
    if (options.indent && i === 0) {
      made.append(el("span", { "aria-hidden": "true", class: `deep deep-${Math.min(rows.depth(row), DEEPEST)}` }));
    }
    if (OF_PROCESS.test(name) && text) made.append(link(routeText("process", [text]), text));
    else add(made, [text.slice(0, 1000)]);
    return made;
  }

  /** Shows all rows, as paper has them, or those in sight again; says how many are too many for paper. */
  function print(on) {
    printing = on;
    const rest = order.length - PRINTED;
    if (on && rest > 0) box.dataset.left = `${rest} more rows are not printed: the page has them all.`;
    else delete box.dataset.left;
    draw();
  }

  function draw() {
    const from = printing ? 0 : Math.max(0, Math.floor(box.scrollTop / HEIGHT) - BEYOND);
    const room = printing ? PRINTED : Math.ceil((box.clientHeight || 900) / HEIGHT) + 2 * BEYOND;
    const to = Math.min(order.length, from + room);
    const state = `${from} ${to} ${place} ${sorting} ${down} ${printing}`;
    if (state === drawn) return;
    drawn = state;
    body.style.setProperty("height", `${order.length * HEIGHT}px`);
    const made = [];
    for (let at = from; at < to; at += 1) {
      const row = order[at];
      const line = el(
        "div",
        {
          class: ["row", at === place ? "chosen" : "", ...(options.mark?.(row) ?? [])].filter(Boolean).join(" "),
          role: "row",
          id: `${rows.name}-row-${row}`,
          "data-row": row,
          "data-place": at,
          "aria-rowindex": at + 2,
          "aria-selected": at === place,
        },
        columns.map((name, i) => cell(row, name, i)),
      );
      line.style.setProperty("top", `${at * HEIGHT}px`);
      made.push(line);
    }
    body.replaceChildren(...made);
    if (order.length) box.setAttribute("aria-activedescendant", `${rows.name}-row-${order[place]}`);
  }

  function select(at, told = true) {
    if (!order.length || at < 0) return;
    place = Math.min(order.length - 1, at);
    const top = place * HEIGHT;
    const room = box.clientHeight - 2 * HEIGHT;
    if (top < box.scrollTop) box.scrollTop = top;
    else if (top > box.scrollTop + room) box.scrollTop = top - room;
    draw();
    if (told) tell();
  }

  function tell() {
    app.explain(rows, order[place]);
    options.chosen?.(order[place]);
  }

  function key(event) {
    const page = Math.max(1, Math.floor(box.clientHeight / HEIGHT) - 2);
    const moves = {
      ArrowDown: place + 1, ArrowUp: Math.max(0, place - 1), PageDown: place + page, PageUp: Math.max(0, place - page),
      Home: 0, End: order.length - 1,
    };
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    if (event.key in moves) {
      event.preventDefault();
      select(moves[event.key]);
    } else if (event.key === "Enter" && event.target === box) {
      opened();
    }
  }

  function opened() {
    const row = order[place];
    if (row !== undefined && rows.has("PID")) location.hash = routeText("process", [rows.text(row, "PID")]);
  }

  function chosen(event) {
    const name = event.target.closest("button[data-sort]")?.dataset.sort;
    if (name) {
      [sorting, down] = sorting === name ? (down ? [null, false] : [name, true]) : [name, false];
      order = sorting ? sorted(rows, numbers, sorting, down) : numbers;
      heads();
      draw();
      head.querySelector(`[data-sort="${CSS.escape(name)}"]`)?.focus();
      return;
    }
    const line = event.target.closest("[data-place]");
    if (line && !event.target.closest("a")) select(Number(line.dataset.place));
  }

  requestAnimationFrame(() => {
    draw();
    if (options.first !== undefined) select(place);
  });
  draw();
  return box;
}
