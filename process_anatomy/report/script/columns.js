// Unpacks columns as report/packing.py packs them, and writes cells as people read them.

const DAY = 86400000;
const MICROSECOND = 1000;

/** Running sums of steps, as numbers. */
function sums(steps) {
  const found = new Float64Array(steps.length);
  let sum = 0;
  for (let i = 0; i < steps.length; i += 1) {
    sum += steps[i];
    found[i] = sum;
  }
  return found;
}

/** For each row the place of its cell among those that hold something, -1 where it holds nothing. */
function places(runs, count) {
  const found = new Int32Array(count);
  let row = 0;
  let place = 0;
  let empty = false;
  for (const length of runs) {
    for (const end = row + length; row < end; row += 1) {
      found[row] = empty ? -1 : place;
      place += empty ? 0 : 1;
    }
    empty = !empty;
  }
  return found;
}

/** A number of two halves: exact, as a BigInt where a number would round it. */
export function whole(high, low) {
  return high < 2 ** 21 ? high * 2 ** 32 + low : (BigInt(high) << 32n) | BigInt(low);
}

/** Bytes, in hexadecimal, as the line of a dump: their place, they, and the letters that they would be. */
export function dumped(pairs) {
  const all = pairs.match(/../g);
  const letters = all.map((pair) => {
    const code = Number.parseInt(pair, 16);
    return code >= 0x20 && code <= 0x7e ? String.fromCharCode(code) : ".";
  });
  return `0000  ${all.join(" ").padEnd(47)}  ${letters.join("")}`.trimEnd();
}

/**
 * A column whose cells are asked for by row.  `values` are its different values where it is one of choices, and
 * `choice(row)` is the number of a row's value among them, -1 where it has none.
 */
export class Column {
  constructor(packed, count, kind = "") {
    this.form = packed.form ?? "same";
    this.kind = kind;
    const place = packed.runs ? places(packed.runs, count) : null;
    this.place = place ? (row) => place[row] : (row) => row;
    if (this.form === "same") {
      const value = packed.value ?? null;
      const wide = value !== null && typeof value === "object" && "high" in value;
      this.values = value === null ? [] : [wide ? whole(value.high, value.low) : value];
      this.choice = value === null ? () => -1 : () => 0;
    } else if (this.form === "choice") {
      const numbers = sums(packed.steps);
      this.values = packed.octets ? packed.values.map((pairs) => [dumped(pairs)]) : packed.values;
      this.choice = (row) => (this.place(row) < 0 ? -1 : numbers[this.place(row)]);
    } else if (this.form === "wide") {
      const [high, low] = [sums(packed.high), sums(packed.low)];
      this.at = (place) => whole(high[place], low[place]);
    } else if (this.form === "time") {
      const [days, rest] = [sums(packed.days), sums(packed.rest)];
      this.at = (place) => [days[place], rest[place]];
    } else {
      const numbers = sums(packed.steps);
      this.at = (place) => numbers[place];
    }
  }

  /** The value of a row, null where it has none. */
  get(row) {
    if (this.choice) {
      const choice = this.choice(row);
      return choice < 0 ? null : this.values[choice];
    }
    const place = this.place(row);
    return place < 0 ? null : this.at(place);
  }

  /** Whether no row has a value. */
  get empty() {
    return this.form === "same" && this.values.length === 0;
  }
}

/** A moment, [days, microseconds] since 1970, to the second and in UTC. */
export function momentText([days, rest]) {
  const date = new Date(days * DAY + Math.floor(rest / MICROSECOND));
  return Number.isNaN(date.getTime()) ? "" : date.toISOString().slice(0, 19).replace("T", " ");
}

/** A value as people read it; `declared` is the column that it is of. */
export function cellText(value, declared) {
  if (value === null || value === undefined) return "";
  if (declared.kind === "time") return momentText(value);
  if (Array.isArray(value)) return value.join(declared.separator);
  if (typeof value === "boolean") return value ? "yes" : "no";
  if (declared.hexadecimal && typeof value !== "string") {
    return value < 0 ? `-0x${(-value).toString(16)}` : `0x${value.toString(16)}`;
  }
  return String(value);
}

/** Backslashes before what becomes an escape, and of letters that look like one of ours. */
const NEAR_ESCAPES = /\\+(?=x[0-9a-f]{2}|u[0-9a-f]{4}|U[0-9a-f]{8}|(?! )[\p{C}\p{Z}])/gu;

/** Text in which everything that a page or a reader's eye would act on is an escape: what is printed is what is there. */
export function shown(text) {
  return text.replace(NEAR_ESCAPES, "$&$&").replace(/[\p{C}\p{Z}]/gu, (letter) => {
    if (letter === " ") return letter;
    const code = letter.codePointAt(0);
    const named = { 9: "\\t", 10: "\\n", 13: "\\r" }[code];
    if (named) return named;
    if (code < 0x100) return `\\x${code.toString(16).padStart(2, "0")}`;
    return code < 0x10000
      ? `\\u${code.toString(16).padStart(4, "0")}`
      : `\\U${code.toString(16).padStart(8, "0")}`;
  });
}
