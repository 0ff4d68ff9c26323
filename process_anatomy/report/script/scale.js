// The scale of the address map: every range by its bytes, long gaps and a few very long ranges shortened.

const MEGABYTE = 2 ** 20;
const GAP = 0.012; // of the whole, what a shortened gap takes
const LONGEST = 16 * MEGABYTE;

/** How many bytes of a range are shown at the most: a few giants would leave nothing of the others. */
export function cap(lengths) {
  const ordered = [...lengths].sort((a, b) => a - b);
  return Math.max(LONGEST, 4 * (ordered[Math.floor(ordered.length * 0.9)] ?? 0));
}

/**
 * Ranges in the order of their addresses, each with its place on the map, in bytes that are shown.
 * @param ranges objects with start and end, the last byte's address; those without are left out
 * @returns pieces (the range, at, length, cut: shortened), gaps (at, length, bytes, cut), and total
 */
export function laid(ranges) {
  const known = ranges
    .filter(({ start, end }) => start !== null && end !== null && end >= start)
    .map((range) => ({ ...range, start: Number(range.start), end: Number(range.end) }))
    .sort((a, b) => a.start - b.start || a.end - b.end);
  const most = cap(known.map(({ start, end }) => end - start + 1));
  const sum = known.reduce((all, { start, end }) => all + Math.min(most, end - start + 1), 0);
  const gap = Math.max(1, sum * GAP);
  const pieces = [];
  const gaps = [];
  let at = 0;
  let reached = null;
  for (const range of known) {
    const bytes = reached === null ? 0 : range.start - reached;
    if (bytes > 0) {
      const length = Math.min(bytes, gap);
      gaps.push({ at, length, bytes, cut: bytes > gap });
      at += length;
    }
    const whole = range.end - range.start + 1;
    const length = Math.min(most, whole);
    pieces.push({ ...range, at, length, cut: whole > most });
    at += length;
    reached = Math.max(reached ?? 0, range.end + 1);
  }
  return { pieces, gaps, total: Math.max(1, at) };
}

/** The place on the map of an address in a piece, in bytes that are shown. */
export function placeOf(piece, address) {
  const share = (Number(address) - piece.start) / (piece.end - piece.start + 1);
  return piece.at + share * piece.length;
}

/** The piece under a place; of several that are too narrow to be told apart, the nearest. */
export function pieceAt(pieces, place, reach) {
  let best = null;
  for (const piece of pieces) {
    const away = place < piece.at ? piece.at - place : Math.max(0, place - piece.at - piece.length);
    if (away <= reach && (best === null || away < best.away)) best = { piece, away };
  }
  return best?.piece ?? null;
}

/** A size in the largest unit of which there is one. */
export function sizeText(bytes) {
  let [size, unit] = [bytes, 0];
  while (size >= 1024 && unit < 4) [size, unit] = [size / 1024, unit + 1];
  return `${unit ? size.toFixed(1) : size} ${["bytes", "KB", "MB", "GB", "TB"][unit]}`;
}
