// Reads cases or a page from standard input, and prints what the page's own modules make of it.
import { readFileSync } from "node:fs";
import { Column } from "../../process_anatomy/report/script/columns.js";
import { unsealed } from "../../process_anatomy/report/script/packs.js";
import { Rows } from "../../process_anatomy/report/script/rows.js";
import { fill } from "../../process_anatomy/report/script/words.js";

const given = readFileSync(0, "utf-8");
const plain = (value) => (typeof value === "bigint" ? `n${value}` : value);

const tasks = {
  columns: () =>
    JSON.parse(given).map(({ packed, count, kind }) => {
      const column = new Column(packed, count, kind);
      return Array.from({ length: count }, (_, row) => plain(column.get(row)));
    }),
  words: () => JSON.parse(given).map(({ template, facts }) => fill(template, (name) => facts[name])),
  page: async () => {
    const part = (id) => unsealed(given.match(new RegExp(`id="pack-${id}">([^<]*)<`))[1]);
    const about = await part("about");
    const found = {};
    for (const view of about.views) {
      const rows = new Rows(view, await part(view.name), about.notes);
      found[view.name] = Array.from({ length: rows.count }, (_, row) => ({
        depth: rows.depth(row),
        cells: rows.record(row),
        absent: Object.fromEntries(rows.columns.map(({ name }) => [name, rows.reason(row, name)]).filter(([, why]) => why)),
        told: ["brief", "full", "analogy"].map((level) => rows.explanation(row, level)),
      }));
    }
    return found;
  },
};
process.stdout.write(JSON.stringify(await tasks[process.argv[2]]()));
