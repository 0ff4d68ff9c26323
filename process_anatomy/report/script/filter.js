// Finds rows: words anywhere in a row, or in one column (`Type:File`), all of which must be there.

import { cellText } from "./columns.js";

/** A query as terms: each a word in small letters, and the column that it is sought in, null for any. */
export function parse(query) {
  const found = [];
  for (const [, column, quoted, plain] of query.matchAll(/(?:([\p{L}_][\p{L}\d_()]*):)?(?:"([^"]*)"|(\S+))/gu)) {
    const word = quoted ?? plain;
    found.push({ column: column ?? null, word: word.toLowerCase(), number: numberOf(word) });
  }
  return found;
}

function numberOf(word) {
  if (/^0x[0-9a-f]+$/i.test(word) || /^\d+$/.test(word)) {
    const exact = BigInt(word);
    return exact <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(exact) : exact;
  }
  return null;
}

/** A test of rows for one term: texts by their choices, of which each is looked at once; numbers whole. */
function tester(rows, declared, term) {
  const column = rows.column(declared.name);
  if (column.choice) {
    const hits = column.values.map((value) => {
      if (typeof value === "number" || typeof value === "bigint") return value === term.number;
      return cellText(value, declared).toLowerCase().includes(term.word);
    });
    return hits.includes(true) ? (row) => hits[column.choice(row)] === true : null;
  }
  if (declared.kind === "time") return (row) => cellText(column.get(row), declared).includes(term.word);
  return term.number === null ? null : (row) => column.get(row) === term.number;
}

function names(column, asked) {
  return column.name.toLowerCase().replace(/\s/g, "") === asked.toLowerCase();
}

/**
 * The numbers of the rows that hold every term, in order.
 * @param pids only rows of these processes; null for all
 */
export function matching(rows, terms, pids = null) {
  const tests = [];
  for (const term of terms) {
    const asked = term.column ? rows.columns.filter((column) => names(column, term.column)) : rows.columns;
    const sought = asked.length || !term.column ? term : { ...term, word: `${term.column}:${term.word}`.toLowerCase() };
    const found = (asked.length ? asked : rows.columns)
      .map((column) => tester(rows, column, sought))
      .filter((test) => test);
    if (!found.length) return [];
    tests.push(found);
  }
  if (pids && rows.has("PID")) {
    const cells = rows.column("PID");
    tests.unshift([(row) => pids.has(cells.get(row))]);
  }
  const kept = [];
  for (let row = 0; row < rows.count; row += 1) {
    if (tests.every((any) => any.some((test) => test(row)))) kept.push(row);
  }
  return kept;
}

const compare = (a, b) => (a < b ? -1 : a > b ? 1 : 0);

/** Row numbers in the order of a column; rows without a value last. */
export function sorted(rows, numbers, name, down) {
  const column = rows.column(name);
  const kind = rows.byName.get(name).kind;
  const key = (value) => (kind === "time" ? value[0] * 86400e6 + value[1] : Array.isArray(value) ? value.join() : value);
  const keys = new Map(numbers.map((row) => [row, column.get(row)]));
  return [...numbers].sort((a, b) => {
    const [left, right] = [keys.get(a), keys.get(b)];
    if (left === null || right === null) return left === right ? a - b : left === null ? 1 : -1;
    return (down ? -1 : 1) * compare(key(left), key(right)) || a - b;
  });
}
