// The address space of a process as a map on a canvas; the table below it has the same rows.

import { el, link } from "./dom.js";
import { filling, KINDS, STATES } from "./kinds.js";
import { routeText } from "./route.js";
import { laid, pieceAt, placeOf, sizeText } from "./scale.js";

const [BAND, TOP, STATE, HEIGHT] = [64, 26, 12, 146];
const REACH = 4;
const MOST = 2 ** 22;
const LABEL = 108;
const hex = (value) => `0x${value.toString(16)}`;

/** The ranges of a process: its VADs, and pages that none covers, with what the pages of each are in. */
export function rangesOf(vads, pages, pid) {
  const byStart = new Map();
  const uncovered = [];
  for (const row of pages ? pages.of(pid) : []) {
    if (pages.text(row, "Kind") === "vad") byStart.set(String(pages.value(row, "Start")), row);
    else uncovered.push({ row: null, page: row, start: pages.value(row, "Start"), end: pages.value(row, "End"), kind: "no VAD" });
  }
  const found = vads.of(pid).map((row) => {
    const kind = (vads.value(row, "Region") ?? ["unknown"])[0] ?? "unknown";
    const start = vads.value(row, "Start VPN");
    const page = byStart.get(String(start)) ?? null;
    return { row, page, start, end: vads.value(row, "End VPN"), kind: kind in KINDS ? kind : "unknown" };
  });
  return [...found, ...uncovered];
}

/** The shares of a range's pages in each state, in the order of STATES. */
function shares(pages, row) {
  if (row === null || !pages) return [];
  const counts = STATES.map(([, names]) => names.reduce((sum, name) => sum + (Number(pages.value(row, name)) || 0), 0));
  const all = counts.reduce((sum, count) => sum + count, 0);
  return all ? counts.map((count) => count / all) : [];
}

/**
 * The map.
 * @param tables the views vads, pages, threads, modules
 * @param chosen told the range that is chosen
 */
export function addressMap(app, tables, pid, chosen) {
  const { vads, pages, threads } = tables;
  const { pieces, gaps, total } = laid(rangesOf(vads, pages, pid));
  const starts = threads.of(pid).map((row) => threads.value(row, "Win32StartAddress")).filter((at) => at !== null).map(Number);
  const fills = new Map();
  let [zoom, from, selected, only] = [1, 0, -1, null];

  const canvas = el("canvas", {
    id: "address-map",
    role: "img",
    tabindex: "0",
    "data-ranges": pieces.length,
    "aria-label": `Map of ${pieces.length} ranges. Left and right choose one, plus and minus zoom. The table below has the same rows.`,
    on: { click: clicked, keydown: keyed, wheel: wheeled, mousemove: pointed },
  });
  const tip = el("p", { id: "map-tip", class: "source" }, "Choose a range to read what it is.");
  const scale = el("span", { id: "map-scale", class: "source" });
  const button = (id, name, act) => el("button", { type: "button", id, on: { click: act } }, name);
  const holder = el(
    "figure",
    { class: "map" },
    el("div", { class: "buttons" }, button("zoom-in", "zoom in", () => zoomed(2)), button("zoom-out", "zoom out", () => zoomed(0.5)), button("zoom-fit", "whole", () => fit()), scale),
    canvas,
    tip,
    legend(),
  );
  new ResizeObserver(draw).observe(canvas);
  holder.choose = (address) => choose(pieces.findIndex((piece) => address >= piece.start && address <= piece.end), true);

  function width() {
    return canvas.clientWidth || 800;
  }

  function x(place) {
    return ((place - from) / total) * zoom * width();
  }

  function held() {
    from = Math.max(0, Math.min(from, total - total / zoom));
  }

  function zoomed(by, around = selected < 0 ? from + total / zoom / 2 : pieces[selected].at + pieces[selected].length / 2) {
    const before = zoom;
    zoom = Math.max(1, Math.min(MOST, zoom * by));
    from = around - ((around - from) * before) / zoom;
    if (selected >= 0) from = pieces[selected].at + pieces[selected].length / 2 - total / zoom / 2;
    held();
    draw();
  }

  function fit() {
    [zoom, from] = [1, 0];
    draw();
  }

  function choose(at, moved = false) {
    if (at < 0 || at >= pieces.length) return;
    selected = at;
    const piece = pieces[at];
    const shownFrom = x(piece.at);
    if (moved && (shownFrom < 0 || shownFrom > width())) from = piece.at + piece.length / 2 - total / zoom / 2;
    held();
    draw();
    tip.textContent = words(piece);
    chosen(piece);
  }

  function words(piece) {
    return `${hex(piece.start)} to ${hex(piece.end)}: ${piece.kind}, ${sizeText(piece.end - piece.start + 1)}${piece.row === null ? "" : `, ${vads.text(piece.row, "Protection")}`}`;
  }

  function placeAt(event) {
    return from + (event.offsetX / width() / zoom) * total;
  }

  function under(event) {
    return pieceAt(pieces, placeAt(event), (REACH / width() / zoom) * total);
  }

  function clicked(event) {
    const piece = under(event);
    if (piece) choose(pieces.indexOf(piece));
  }

  function pointed(event) {
    const piece = under(event);
    canvas.title = piece ? words(piece) : "";
  }

  function wheeled(event) {
    if (!event.ctrlKey && !event.shiftKey) return;
    event.preventDefault();
    if (event.shiftKey) {
      from += (event.deltaY / width() / zoom) * total;
      held();
      draw();
    } else {
      const around = placeAt(event);
      selected = -1;
      zoomed(event.deltaY < 0 ? 1.5 : 1 / 1.5, around);
    }
  }

  function keyed(event) {
    const acts = {
      ArrowRight: () => choose(Math.min(pieces.length - 1, selected + 1), true),
      ArrowLeft: () => choose(Math.max(0, selected - 1), true),
      "+": () => zoomed(2),
      "-": () => zoomed(0.5),
      0: fit,
    };
    if (event.ctrlKey || event.metaKey || event.altKey || !(event.key in acts)) return;
    event.preventDefault();
    acts[event.key]();
  }

  function draw() {
    const context = canvas.getContext("2d");
    const dots = window.devicePixelRatio || 1;
    canvas.width = Math.round(width() * dots);
    canvas.height = HEIGHT * dots;
    context.scale(dots, dots);
    const style = getComputedStyle(canvas);
    const [ink, soft, alarm] = ["--ink", "--soft", "--alarm"].map((name) => style.getPropertyValue(name).trim());
    context.clearRect(0, 0, width(), HEIGHT);
    context.font = "11px system-ui, sans-serif";
    let labelled = -LABEL;
    for (const gap of gaps) if (gap.cut) jagged(context, x(gap.at) + ((gap.length / total) * zoom * width()) / 2, soft);
    pieces.forEach((piece, i) => {
      const left = x(piece.at);
      const wide = Math.max(1, (piece.length / total) * zoom * width());
      if (left > width() || left + wide < 0) return;
      const dim = only !== null && piece.kind !== only;
      context.globalAlpha = dim ? 0.15 : 1;
      if (!fills.has(piece.kind)) fills.set(piece.kind, filling(context, piece.kind));
      context.fillStyle = fills.get(piece.kind);
      context.fillRect(left, TOP, wide, BAND);
      states(context, piece, left, wide);
      marks(context, piece, left, wide, ink, alarm);
      if (piece.cut) jagged(context, left + wide / 2, ink);
      if (i === selected) {
        context.strokeStyle = ink;
        context.lineWidth = 3;
        context.strokeRect(left - 1.5, TOP - 2, wide + 3, BAND + STATE + 6);
        context.lineWidth = 1;
      }
      if (left > labelled + LABEL && left < width() - LABEL / 2) {
        context.fillStyle = soft;
        context.fillText(hex(piece.start), Math.max(0, left), TOP + BAND + STATE + 34);
        context.fillRect(left, TOP + BAND + STATE + 4, 1, 18);
        labelled = left;
      }
      context.globalAlpha = 1;
    });
    context.fillStyle = ink;
    for (const start of starts) {
      const piece = pieces.find((each) => start >= each.start && start <= each.end);
      if (piece) arrow(context, x(placeOf(piece, start)));
    }
    scale.textContent = ` ${sizeText(total / zoom)} are in sight; ×${zoom < 10 ? zoom.toFixed(1) : Math.round(zoom)}`;
  }

  function states(context, piece, left, wide) {
    let at = left;
    shares(pages, piece.page).forEach((share, i) => {
      context.fillStyle = STATES[i][2];
      context.fillRect(at, TOP + BAND + 2, share * wide, STATE);
      at += share * wide;
    });
  }

  function marks(context, piece, left, wide, ink, alarm) {
    const protection = piece.row === null ? "" : vads.text(piece.row, "Protection");
    const writes = protection.includes("EXECUTE_READWRITE") || piece.kind === "no VAD";
    if (protection.includes("EXECUTE") || piece.kind === "no VAD") {
      context.fillStyle = writes ? alarm : ink;
      context.fillRect(left, TOP - 5, wide, 4);
      if (writes) triangle(context, left + wide / 2, alarm);
    }
    if (piece.page !== null && pages.text(piece.page, "Disagreement")) {
      context.fillStyle = alarm;
      context.fillText("≠", left + Math.min(2, wide / 2), TOP - 14);
    }
  }

  function triangle(context, middle, colour) {
    context.fillStyle = colour;
    context.beginPath();
    context.moveTo(middle - 5, TOP - 7);
    context.lineTo(middle + 5, TOP - 7);
    context.lineTo(middle, TOP - 16);
    context.fill();
  }

  function arrow(context, middle) {
    context.beginPath();
    context.moveTo(middle, TOP + BAND + STATE + 4);
    context.lineTo(middle - 4, TOP + BAND + STATE + 14);
    context.lineTo(middle + 4, TOP + BAND + STATE + 14);
    context.fill();
  }

  function jagged(context, middle, colour) {
    context.strokeStyle = colour;
    context.beginPath();
    for (let i = 0; i <= 8; i += 1) context.lineTo(middle + (i % 2 ? 3 : -3), TOP + (i * BAND) / 8);
    context.stroke();
  }

  function legend() {
    const sums = new Map();
    for (const piece of pieces) {
      const [count, bytes] = sums.get(piece.kind) ?? [0, 0];
      sums.set(piece.kind, [count + 1, bytes + piece.end - piece.start + 1]);
    }
    const kinds = Object.keys(KINDS).filter((kind) => sums.has(kind)).map((kind) => {
      const [count, bytes] = sums.get(kind);
      const swatch = el("canvas", { width: 28, height: 14, "aria-hidden": "true" });
      const context = swatch.getContext("2d");
      context.fillStyle = filling(context, kind);
      context.fillRect(0, 0, 28, 14);
      const made = el("button", { type: "button", "aria-pressed": "false", "data-kind": kind, on: { click: () => press(kind) } }, swatch, ` ${kind}: ${count}, ${sizeText(bytes)}`);
      return el("li", {}, made);
    });
    const shades = STATES.map(([name, , colour]) => {
      const swatch = el("canvas", { width: 14, height: 10, "aria-hidden": "true" });
      const context = swatch.getContext("2d");
      context.fillStyle = colour;
      context.fillRect(0, 0, 14, 10);
      return el("li", {}, swatch, ` ${name}`);
    });
    return el(
      "figcaption",
      {},
      el("ul", { class: "legend", id: "map-kinds", "aria-label": "Kinds of memory" }, kinds),
      el("ul", { class: "legend", "aria-label": "The band below: states of pages" }, shades),
      el("p", { class: "source" }, "A line above: executable; ▲ writable as well, or without a VAD; ≠ page tables allow more than the VAD says; arrows below: threads start there; a jagged line: a gap or a range is shortened."),
    );
  }

  function press(kind) {
    only = only === kind ? null : kind;
    for (const each of holder.querySelectorAll("[data-kind]")) each.setAttribute("aria-pressed", String(each.dataset.kind === only));
    draw();
  }

  return holder;
}

/** The first bytes of a range, or why they are not known. */
function firstBytes(pages, page) {
  if (page === null) return "its page tables were not read";
  const reason = pages.reason(page, "Bytes");
  return reason ? el("em", { class: "absent" }, reason) : el("code", { class: "octets" }, pages.text(page, "Bytes"));
}

/** What is said of a range: its row, what lies in it, its first bytes. */
export function rangeDetail(app, tables, pid, piece) {
  const { vads, pages, threads, modules } = tables;
  const level = app.level() === "off" ? "brief" : app.level();
  const inside = (value) => value !== null && Number(value) >= piece.start && Number(value) <= piece.end;
  const threadsIn = threads.of(pid).filter((row) => inside(threads.value(row, "Win32StartAddress")));
  const modulesIn = modules.of(pid).filter((row) => inside(modules.value(row, "Base")));
  const names = piece.row === null ? [] : vads.value(piece.row, "Region") ?? [];
  const list = (heading, items) => (items.length ? el("li", {}, `${heading}: `, items.flatMap((item, i) => (i ? [", ", item] : [item]))) : null);
  const own = piece.page === null ? null : pages.value(piece.page, "CodeStart");
  const code = own === null || own === piece.start ? "" : pages.text(piece.page, "CodeBytes");
  const disagreement = piece.page === null ? "" : pages.text(piece.page, "Disagreement");
  return el(
    "div",
    { id: "range", "data-start": hex(piece.start), "data-kind": piece.kind },
    el("h3", {}, `${hex(piece.start)} to ${hex(piece.end)}`),
    piece.row === null ? null : el("p", { class: "told" }, vads.explanation(piece.row, level)),
    piece.page === null ? null : el("p", { class: "told" }, pages.explanation(piece.page, level)),
    el(
      "ul",
      {},
      list("used for", names),
      list("modules that begin here", modulesIn.map((row) => link(routeText("view", ["modules", row]), `${modules.text(row, "Name") || "no name"} (${modules.text(row, "State")})`))),
      list("threads that start here", threadsIn.map((row) => link(routeText("view", ["threads", row]), threads.text(row, "TID")))),
      disagreement ? el("li", { class: "alarm" }, `page tables and VAD disagree: ${disagreement}`) : null,
      el("li", { id: "first-bytes" }, "first bytes: ", firstBytes(pages, piece.page)),
      code ? el("li", {}, `first bytes of code, at ${pages.text(piece.page, "CodeStart")}: `, el("code", { class: "octets" }, code)) : null,
    ),
  );
}
