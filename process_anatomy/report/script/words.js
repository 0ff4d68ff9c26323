// Makes sentences of templates and facts, as process_anatomy/notes/library.py does.
// A fact is a text; words of ours in place of a fact are a list of one text, and get a capital where they begin a sentence.

const LEVELS = { brief: ["brief"], full: ["full", "brief"], analogy: ["analogy", "brief"] };

/** The template of a note at a level; empty where rows say nothing. */
export function template(note, level) {
  const found = (LEVELS[level] ?? []).find((name) => note[name]);
  return found ? note[found] : "";
}

/** A template as literals and names in turn: [literal, name, literal, ..., literal]. */
export function parts(text) {
  const found = [""];
  for (const piece of text.split(/(\{\{|\}\}|\{\w+\})/)) {
    if (piece === "{{" || piece === "}}") found[found.length - 1] += piece[0];
    else if (/^\{\w+\}$/.test(piece)) found.push(piece.slice(1, -1), "");
    else found[found.length - 1] += piece;
  }
  return found;
}

const beginning = /(?:^|[.!?] )\{(\w+)\}/g;
const ours = (fact) => Array.isArray(fact);
const text = (fact) => (ours(fact) ? fact[0] : String(fact));
const capital = (word) => {
  const [first = ""] = word; // a letter, which may be a pair of surrogates
  return first.toUpperCase() + word.slice(first.length);
};

/** A template with its facts in place. `fact` gives the fact of a name. */
export function fill(source, fact) {
  const pieces = parts(source);
  const facts = new Map();
  for (let i = 1; i < pieces.length; i += 2) facts.set(pieces[i], fact(pieces[i]));
  const plain = pieces.map((piece, i) => (i % 2 ? text(facts.get(piece)) : piece)).join("");
  const begins = [...source.matchAll(beginning)].map((match) => match[1]);
  if (!plain.includes("..") && !begins.some((name) => ours(facts.get(name)))) return plain;
  let told = "";
  let ended = false;
  pieces.forEach((piece, i) => {
    if (i % 2 === 0) {
      told += ended && piece.startsWith(".") ? piece.slice(1) : piece;
      return;
    }
    const word = text(facts.get(piece));
    const first = told === "" || /[.!?] $/.test(told);
    told += ours(facts.get(piece)) && first ? capital(word) : word;
    ended = word.endsWith(".");
  });
  return told;
}
