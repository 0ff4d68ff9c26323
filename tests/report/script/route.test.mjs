import assert from "node:assert/strict";
import test from "node:test";
import { parseRoute, routeText } from "../../../process_anatomy/report/script/route.js";
import { forest } from "../../../process_anatomy/report/script/tree.js";

test("a place can be linked to and is found again, whatever is sought", () => {
  for (const [page, rest, sought] of [
    ["view", ["vads", "17"], { q: "a&b=c #%/?" }],
    ["process", ["5212", "threads"], {}],
    ["glossary", ["term", "vad"], { pid: "4", finding: "high" }],
  ]) {
    assert.deepEqual(parseRoute(routeText(page, rest, sought)), { page, rest, sought });
  }
});

test("no place is the overview, and what is no address is taken as it is", () => {
  assert.equal(parseRoute("").page, "overview");
  assert.equal(parseRoute("#%zz").page, "%zz");
  assert.deepEqual(parseRoute("#view?evil=1").sought, {});
});

test("processes lie below their parents, and no circle of ids loses one", () => {
  const rows = [[4, null], [8, 4], [12, 16], [16, 12], [20, 20], [24, 99]].map(([pid, parent]) => ({ pid, parent }));
  const flat = (nodes) => nodes.flatMap((node) => [node.pid, ...flat(node.children)]);
  const roots = forest(rows);
  assert.deepEqual(flat(roots).sort((a, b) => a - b), [4, 8, 12, 16, 20, 24]);
  assert.deepEqual(roots.map((node) => node.pid), [4, 16, 20, 24]);
});
