// Kinds of memory on the map: a colour and a pattern each, so that neither alone has to tell them apart.

/** By the first name that a view gives a range; colours differ in lightness too. */
export const KINDS = {
  image: ["#2f6db5", "solid"],
  "mapped file": ["#57b4a4", "upright"],
  "shared memory": ["#a8b3bd", "grid"],
  heap: ["#c4612e", "dots"],
  stack: ["#7fa534", "level"],
  PEB: ["#5b3a8c", "cross"],
  TEB: ["#9b7cc4", "cross"],
  "process parameters": ["#d98ab0", "dots"],
  "API set map": ["#3f8f87", "rising"],
  "subsystem shared memory": ["#8894a0", "rising"],
  KUSER_SHARED_DATA: ["#e6c9d6", "level"],
  "hypervisor shared page": ["#e6c9d6", "upright"],
  private: ["#e3b34c", "falling"],
  "no VAD": ["#b3261e", "cross"],
  unknown: ["#777777", "falling"],
};

/** The states of pages, from what is in memory to what never was; the darker, the nearer. */
export const STATES = [
  ["resident", ["Valid", "Large"], "#1b3a5c"],
  ["in transition", ["Transition"], "#44719f"],
  ["shared page, in memory or in its file", ["Prototype"], "#6f9cc4"],
  ["compressed", ["Compressed"], "#8c6bb1"],
  ["paged out", ["Pagefile"], "#d08a3c"],
  ["zeros, not yet touched", ["DemandZero"], "#c9d3dd"],
  ["never touched", ["Untouched"], "#edf1f5"],
  ["not known", ["Unknown"], "#b3261e"],
];

const lines = {
  solid: () => {},
  upright: (c) => stroke(c, [[2, 0, 2, 8], [6, 0, 6, 8]]),
  level: (c) => stroke(c, [[0, 2, 8, 2], [0, 6, 8, 6]]),
  grid: (c) => stroke(c, [[4, 0, 4, 8], [0, 4, 8, 4]]),
  rising: (c) => stroke(c, [[0, 8, 8, 0]]),
  falling: (c) => stroke(c, [[0, 0, 8, 8]]),
  cross: (c) => stroke(c, [[0, 0, 8, 8], [0, 8, 8, 0]]),
  dots: (c) => {
    c.fillRect(1, 1, 2, 2);
    c.fillRect(5, 5, 2, 2);
  },
};

function stroke(context, paths) {
  context.beginPath();
  for (const [x1, y1, x2, y2] of paths) {
    context.moveTo(x1, y1);
    context.lineTo(x2, y2);
  }
  context.stroke();
}

/** What fills ranges of a kind. */
export function filling(context, kind) {
  const [colour, pattern] = KINDS[kind] ?? KINDS.unknown;
  const tile = document.createElement("canvas");
  tile.width = 8;
  tile.height = 8;
  const inside = tile.getContext("2d");
  inside.fillStyle = colour;
  inside.fillRect(0, 0, 8, 8);
  inside.strokeStyle = "rgba(255,255,255,0.65)";
  inside.fillStyle = "rgba(255,255,255,0.75)";
  lines[pattern](inside);
  return context.createPattern(tile, "repeat");
}
