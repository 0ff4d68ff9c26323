import assert from "node:assert/strict";
import test from "node:test";
import { matching, parse, sorted } from "../../../process_anatomy/report/script/filter.js";
import { Rows } from "../../../process_anatomy/report/script/rows.js";

const column = (name, kind, more = {}) => ({ name, kind, meaning: "", source: "", hexadecimal: false, separator: "; ", ...more });
const nothing = { form: "same", value: null };
const rows = new Rows(
  {
    name: "handles",
    columns: [column("PID", "integer"), column("Type", "text"), column("Object", "address", { hexadecimal: true }), column("Rights", "list of texts")],
  },
  {
    count: 4,
    depths: { form: "same", value: 0 },
    cells: {
      PID: { form: "whole", steps: [4, 0, 4, 0] },
      Type: { form: "choice", values: ["File", "Process"], steps: [0, 1, -1, 1] },
      Object: { form: "wide", high: [1, 0, 0, 0xfffffffe], low: [16, 1, 1, 1] },
      Rights: { form: "choice", values: [["READ", "WRITE"]], steps: [0, 0], runs: [2, 2] },
    },
    absent: {},
    told: { notes: nothing, facts: {}, before: nothing, after: nothing, sober: nothing, plain: nothing },
  },
  {},
);
const found = (query, pids = null) => matching(rows, parse(query), pids);

test("all words must be there, in capital or small letters, in any column", () => {
  assert.deepEqual(found(""), [0, 1, 2, 3]);
  assert.deepEqual(found("file"), [0, 2]);
  assert.deepEqual(found("PROCESS write"), [1]);
  assert.deepEqual(found("pipe"), []);
});

test("a word can be sought in one column, and what names none is a word itself", () => {
  assert.deepEqual(found("Type:process"), [1, 3]);
  assert.deepEqual(found("Rights:process"), []);
  assert.deepEqual(found("Nothing:process"), []);
  assert.deepEqual(parse('Name:"a b" c').map(({ column, word }) => [column, word]), [["Name", "a b"], [null, "c"]]);
});

test("numbers are found whole, by value, beyond what a number holds too", () => {
  assert.deepEqual(found("8"), [2, 3]);
  assert.deepEqual(found("0x100000011"), [1]);
  assert.deepEqual(found("0xffffffff00000013"), [3]);
  assert.deepEqual(found("0x10000001"), []);
});

test("processes are filters of their own", () => {
  assert.deepEqual(found("file", new Set([8])), [2]);
  assert.deepEqual(found("", new Set()), []);
});

test("rows are sorted by a column both ways, those without a value last, equal ones as they were", () => {
  assert.deepEqual(sorted(rows, [0, 1, 2, 3], "Type", false), [0, 2, 1, 3]);
  assert.deepEqual(sorted(rows, [0, 1, 2, 3], "Type", true), [1, 3, 0, 2]);
  assert.deepEqual(sorted(rows, [0, 1, 2, 3], "Rights", true), [0, 1, 2, 3]);
  assert.deepEqual(sorted(rows, [3, 2, 1, 0], "Object", false), [0, 1, 2, 3]);
});
