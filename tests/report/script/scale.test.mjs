import assert from "node:assert/strict";
import test from "node:test";
import { stateOf } from "../../../process_anatomy/report/script/process.js";
import { cap, laid, pieceAt, placeOf, sizeText } from "../../../process_anatomy/report/script/scale.js";

const KB = 1024;
const range = (start, length, more = {}) => ({ start, end: start + length - 1, ...more });

test("ranges are to one scale, in the order of their addresses, one behind the other", () => {
  const { pieces, gaps, total } = laid([range(0x9000, 8 * KB), range(0x1000, 4 * KB), range(0x2000, 4 * KB)]);
  assert.deepEqual(pieces.map(({ start, length, cut }) => [start, length, cut]), [[0x1000, 4096, false], [0x2000, 4096, false], [0x9000, 8192, false]]);
  assert.equal(pieces[1].at, 4096);
  assert.equal(gaps.length, 1);
  assert.equal(total, pieces[2].at + pieces[2].length);
});

test("a long gap is shortened and says so, a short one is not", () => {
  const { gaps } = laid([range(0, 1000 * KB), range(1001 * KB, 1000 * KB), range(2 ** 46, 4 * KB)]);
  assert.deepEqual(gaps.map(({ bytes, cut }) => [bytes, cut]), [[KB, false], [2 ** 46 - 2001 * KB, true]]);
  assert.equal(gaps[0].length, KB);
  assert.ok(gaps[1].length < 100 * KB);
});

test("a giant leaves room for the others, and what it has lost is marked", () => {
  const ranges = Array.from({ length: 20 }, (_, i) => range(i * 0x100000, 64 * KB));
  const { pieces, total } = laid([...ranges, range(2 ** 45, 2 ** 41)]);
  assert.ok(pieces.at(-1).cut);
  assert.ok(total < 2 ** 27);
  assert.equal(cap([4 * KB]), 16 * 1024 * KB);
});

test("ranges without bounds, or that overlap, or beyond 2^53, break nothing", () => {
  const { pieces, gaps, total } = laid([{ start: null, end: 5 }, { start: 9, end: null }, { start: 9, end: 3 }]);
  assert.deepEqual([pieces, gaps, total], [[], [], 1]);
  const odd = laid([range(0, 100), range(50, 100), { start: 0xffff800000000000n, end: 0xffff800000000fffn }]);
  assert.equal(odd.pieces.length, 3);
  assert.ok(odd.pieces.every(({ at, length }) => Number.isFinite(at) && length > 0));
});

test("the place of an address is in its range, and a place leads to the nearest range within reach", () => {
  const { pieces } = laid([range(0x1000, 4 * KB), range(0x100000, 4 * KB)]);
  assert.equal(placeOf(pieces[0], 0x1800), 2048);
  assert.equal(pieceAt(pieces, 10, 0).start, 0x1000);
  assert.equal(pieceAt(pieces, pieces[1].at - 3, 5).start, 0x100000);
  assert.equal(pieceAt(pieces, pieces[1].at - 30, 5), null);
});

test("sizes are told in the largest unit of which there is one", () => {
  assert.deepEqual([0, 1023, 4096, 2 ** 41].map(sizeText), ["0 bytes", "1023 bytes", "4.0 KB", "2.0 TB"]);
});

test("the state of a privilege is the strongest that its row names", () => {
  assert.deepEqual(["Present,Enabled,Default", "Present,Enabled", "Present", ""].map(stateOf), ["Default", "Enabled", "Present", ""]);
});
