import assert from "node:assert/strict";
import test from "node:test";
import { Column, cellText, momentText, shown, whole } from "../../../process_anatomy/report/script/columns.js";

const all = (packed, count, kind) => Array.from({ length: count }, (_, row) => new Column(packed, count, kind).get(row));

test("steps become numbers, and runs say where there are none", () => {
  assert.deepEqual(all({ form: "whole", steps: [5, 1, -3], runs: [0, 1, 2, 2, 1] }, 6), [null, 5, 6, null, null, 3]);
});

test("two halves are one number, exact beyond what a number holds", () => {
  assert.equal(whole(0, 0xffffffff), 0xffffffff);
  assert.equal(whole(0xffffd9bf, 0xd4a117b0), 0xffffd9bfd4a117b0n);
  const packed = { form: "wide", high: [0xffffffff, -0xffffffff], low: [0xfffffff0, -0xffffffee] };
  assert.deepEqual(all(packed, 2), [0xfffffffffffffff0n, 2]);
});

test("a value that all rows have is told once, also one beyond what a number holds", () => {
  assert.deepEqual(all({ form: "same", value: "x" }, 2), ["x", "x"]);
  assert.deepEqual(all({ form: "same", value: null }, 2), [null, null]);
  assert.deepEqual(all({ form: "same", value: { high: 0xffffffff, low: 1 } }, 1), [0xffffffff00000001n]);
});

test("moments are told to the second and in UTC, before 1970 too", () => {
  assert.equal(momentText([19677, 32812000000]), "2023-11-16 09:06:52");
  assert.equal(momentText([-1, 86399999999]), "1969-12-31 23:59:59");
});

test("cells are written as their columns say", () => {
  const plain = { kind: "integer", hexadecimal: false };
  assert.equal(cellText(null, plain), "");
  assert.equal(cellText(255, { ...plain, hexadecimal: true }), "0xff");
  assert.equal(cellText(0xffffd9bfd4a117b0n, { kind: "address", hexadecimal: true }), "0xffffd9bfd4a117b0");
  assert.equal(cellText(true, { kind: "boolean" }), "yes");
  assert.equal(cellText(["a", "b"], { kind: "list of texts", separator: "; " }), "a; b");
});

test("nothing that acts on a page or an eye stays in a text", () => {
  assert.equal(shown("a\u202eb\u0000c\ud800d\u001b[31m\n"), "a\\u202eb\\x00c\\ud800d\\x1b[31m\\n");
  assert.equal(shown("<b>&\"'日本 \u{1f600}"), "<b>&\"'日本 \u{1f600}");
});
