// The rows of a view: cells, reasons and explanations by row, each column unpacked when it is first asked for.

import { Column, cellText } from "./columns.js";
import { fill, template } from "./words.js";

export class Rows {
  /**
   * @param declared how the view is declared: name, title, component, columns
   * @param packed its rows, as report/gathered.py packs them
   * @param notes notes by id
   */
  constructor(declared, packed, notes) {
    this.declared = declared;
    this.name = declared.name;
    this.count = packed.count;
    this.columns = declared.columns.filter((column) => column.name in packed.cells);
    this.packed = packed;
    this.notes = notes;
    this.byName = new Map(declared.columns.map((column) => [column.name, column]));
    this.unpacked = new Map();
  }

  kept(key, packed, count = this.count, kind = "") {
    if (!this.unpacked.has(key)) this.unpacked.set(key, new Column(packed, count, kind));
    return this.unpacked.get(key);
  }

  column(name) {
    return this.kept(`cell ${name}`, this.packed.cells[name], this.count, this.byName.get(name).kind);
  }

  has(name) {
    return name in this.packed.cells;
  }

  value(row, name) {
    return this.column(name).get(row);
  }

  text(row, name) {
    return cellText(this.value(row, name), this.byName.get(name));
  }

  /** Why a cell has no fact; null where it has one, or needs none. */
  reason(row, name) {
    const why = this.packed.absent[name];
    return why ? this.kept(`absent ${name}`, why).get(row) : null;
  }

  depth(row) {
    return this.kept("depths", this.packed.depths).get(row) ?? 0;
  }

  /** Names of the columns that tell most, as the view declares them; of all that say something where all are wanted. */
  shownNames(all) {
    const telling = this.telling().map(({ name }) => name);
    return all ? telling : this.declared.telling.filter((name) => telling.includes(name));
  }

  /** Columns in which some row says something, or says why it does not. */
  telling() {
    return this.columns.filter(({ name }) => !this.column(name).empty || name in this.packed.absent);
  }

  /** The id of the note that a row is explained by; empty where there is none. */
  noteOf(row) {
    return this.kept("notes", this.packed.told.notes).get(row) ?? "";
  }

  /** What a row says of itself at a level. */
  explanation(row, level) {
    if (level === "off") return "";
    const { told } = this.packed;
    const key = this.noteOf(row);
    if (!key) return this.kept("plain", told.plain).get(row) ?? "";
    const before = this.kept("before", told.before).get(row) ?? "";
    const after = this.kept("after", told.after).get(row) ?? "";
    const sober = level === "analogy" ? "" : this.kept("sober", told.sober).get(row) ?? "";
    return before + fill(template(this.notes[key], level), (name) => this.fact(row, key, name)) + after + sober;
  }

  fact(row, key, name) {
    const packed = this.packed.told.facts[key][name];
    if (packed.form === "column") return this.text(row, packed.column);
    return this.kept(`fact ${key} ${name}`, packed, 0).get(this.placeOf(row, key));
  }

  /** The place of a row among those that have the same note. */
  placeOf(row, key) {
    if (!this.notePlaces) {
      const notes = this.kept("notes", this.packed.told.notes);
      const counts = new Map();
      this.notePlaces = new Int32Array(this.count);
      for (let i = 0; i < this.count; i += 1) {
        const note = notes.get(i);
        const before = counts.get(note) ?? 0;
        this.notePlaces[i] = before;
        counts.set(note, before + 1);
      }
    }
    return this.notePlaces[row];
  }

  /** The rows of a process, in their order. */
  of(pid, column = "PID") {
    if (!this.has(column)) return [];
    const key = `index ${column}`;
    if (!this.unpacked.has(key)) {
      const index = new Map();
      const cells = this.column(column);
      for (let row = 0; row < this.count; row += 1) {
        const value = cells.get(row);
        if (!index.has(value)) index.set(value, []);
        index.get(value).push(row);
      }
      this.unpacked.set(key, index);
    }
    return this.unpacked.get(key).get(pid) ?? [];
  }

  /** A row as an object of texts, for pages that name their columns. */
  record(row) {
    return Object.fromEntries(this.columns.map(({ name }) => [name, this.text(row, name)]));
  }
}
