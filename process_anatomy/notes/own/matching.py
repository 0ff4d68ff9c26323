"""Which of our notes each passage of the reader's note stands for, and what it then says in their place."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import NamedTuple

from process_anatomy.notes.library import Level, default
from process_anatomy.notes.own.files import OwnNoteError, note_files
from process_anatomy.notes.own.names import DEFINITIONS, analogy_of, block_of, plain_name, term_names, term_of
from process_anatomy.notes.own.passages import BLOCK, PICTURE, ROW, SECTION, Passage, passages, sentences

LONGEST, CUT = 2000, " …"
"""Characters of the reader's words that are quoted, and what ends them where more follow."""
MENTIONS = 2
"""Sentences that are quoted of a term that the note only mentions."""
BY_HEADING, BY_ROW, BY_BLOCK, BY_PLACE, BY_MENTION = "heading", "table row", "block id", "place in table", "mention"
"""How a passage was matched."""
DRAWN, IS_ANALOGY, EMPTY = "embed", "marks an analogy", "no words of its own"
NOTHING, LACKING = "unmatched", "not in the note"
"""What is said of a passage that stands for no note: it embeds another file, it only says that what it holds is an
analogy, it holds nothing but tables, or nothing was recognised; and of a note of ours that no passage stands for."""
WANTED = ("component", "term")
"""Families of which the check says what a note lacks."""


class Match(NamedTuple):
    """What became of a passage.

    Attributes:
        passage: it; ``None`` for a note of ours that the reader's lacks.
        how: how it was matched, or why it was not.
        key: id of the note that it stands for, empty where there is none.
    """

    passage: Passage | None
    how: str
    key: str = ""


class Quote(NamedTuple):
    """Words of the reader.

    Attributes:
        words: they themselves, one line; written by anybody.
        place: file, section and line.
    """

    words: str
    place: str

    @property
    def cited(self) -> str:
        """The words with the place that they are from."""
        return f"{self.words} ({self.place})"


@dataclass(slots=True)
class OwnNote:
    """The reader's note, matched with ours.

    Attributes:
        path: as it was given.
        matches: what became of each passage, in the order of the note.
        problem: what of it could not be read, one line; empty where all could.
    """

    path: str
    matches: list[Match]
    problem: str = ""
    _words: dict[tuple[str, bool], list[Passage]] = field(default_factory=dict)
    _mentions: dict[str, list[Quote]] = field(default_factory=dict)

    def quote(self, key: str, level: Level) -> Quote | None:
        """What the note says in the place of one of ours, ``None`` where it says nothing.

        Args:
            key: id of our note.
            level: a sentence, all of it, or its analogy.
        """
        found = self._words.get((key, level is Level.ANALOGY))
        if not found or level is Level.OFF:
            return None
        words = " ".join(each.words for each in found)
        if level is Level.BRIEF:
            words = next(sentences(words), words)
        return Quote(shortened(words), found[0].place)

    @property
    def speaks(self) -> bool:
        """Whether it says anything about what is explained here."""
        return bool(self._words or self._mentions)

    def how(self, key: str) -> str:
        """How the first passage that stands for one of our notes was matched; empty where none does."""
        return next((match.how for match in self.matches if match.key == key and match.how != BY_MENTION), "")

    def mentions(self, key: str) -> list[Quote]:
        """Sentences that mention what the note has no passage about."""
        return self._mentions.get(key, [])

    @property
    def keys(self) -> set[str]:
        """Ids of our notes that passages stand for."""
        return {key for key, _ in self._words}

    def lacking(self) -> Iterator[Match]:
        """Components and terms that are explained here and that the note neither explains nor mentions."""
        for family in WANTED:
            for key in default().ids(f"{family}/"):
                if key not in self.keys and key not in self._mentions:
                    yield Match(None, LACKING, key)


def shortened(words: str) -> str:
    """Words as far as they are quoted."""
    return words if len(words) <= LONGEST else words[: LONGEST - len(CUT)].rpartition(" ")[0] + CUT


def open_note(path: str | Path) -> OwnNote:
    """Read a note and match it with ours.

    Args:
        path: a Markdown file, or a folder with such files.

    Raises:
        OwnNoteError: it cannot be read, or what parses Markdown is not installed; one line says why.
    """
    found: list[Match] = []
    files, left_out = note_files(path)
    for file in files:
        found += _matched(passages(file))
    note = OwnNote(
        str(path), found, "; ".join(left_out[:1] + [f"{len(left_out) - 1} more like it"] * (left_out[1:] != []))
    )
    for match in found:
        if match.key and match.how != BY_MENTION and match.passage is not None:
            note._words.setdefault((match.key, match.passage.analogy), []).append(match.passage)
    known = note.keys
    note.matches = [_mentioning(note, match, known) for match in found]
    return note


def usable(path: str | Path | None) -> tuple[OwnNote | None, str]:
    """The note that is to be used, and what is to be said of it: ours are where it cannot be.

    Args:
        path: as the user gave it, ``None`` or empty where none was given.

    Returns:
        The note, ``None`` where there is none that says anything; and one line, empty where all is well.
    """
    if not path:
        return None, ""
    try:
        note = open_note(path)
    except OwnNoteError as error:
        return None, f"{error}; our own words are used"
    if note.speaks:
        return note, note.problem
    looked = f"no heading, table row or block id in it names a term ({len(note.matches)} looked at)"
    return None, f"the note {path}: {looked}; our own words are used"


def _matched(found: list[Passage]) -> list[Match]:
    """What each passage of a file stands for."""
    matches = [_match(each) for each in found]
    tables: dict[int, list[int]] = {}
    for place, match in enumerate(matches):
        if match.passage is not None and match.passage.table >= 0:
            tables.setdefault(match.passage.table, []).append(place)
    explained = [[matches[place].key for place in rows] for rows in tables.values()]
    orders = [keys for keys in explained if all(keys) and len(set(keys)) == len(keys)]
    for rows in tables.values():  # an analogy of another kind, told in the order of the terms
        passages_of = [matches[place].passage for place in rows]
        if any(matches[place].key for place in rows) or not all(each and each.analogy for each in passages_of):
            continue
        order = next((keys for keys in orders if len(keys) == len(rows)), None)
        for place, key in zip(rows, order or (), strict=False):
            matches[place] = Match(matches[place].passage, BY_PLACE, key)
    return matches


def _match(each: Passage) -> Match:
    if each.kind == PICTURE:
        return Match(each, DRAWN)
    if each.kind == BLOCK:
        key = block_of(each.key)
        return Match(each, BY_BLOCK, key) if key and each.words else Match(each, NOTHING)
    how = BY_ROW if each.kind == ROW else BY_HEADING
    key = (analogy_of(each.key) if each.analogy else "") or term_of(each.key)
    if not key and each.kind == SECTION and plain_name(each.key) in DEFINITIONS:
        key = term_of(each.file.rpartition("/")[2].rpartition(".")[0])
    if key and each.words:
        return Match(each, how, key)
    if each.analogy and not each.words:
        return Match(each, IS_ANALOGY)
    return Match(each, NOTHING if each.words or each.kind != SECTION else EMPTY)


@cache
def _distinct() -> tuple[Mapping[str, str], re.Pattern[str]]:
    """Names that mean a term wherever they stand: of several words, or as no word of English is written."""
    library = default()
    names: dict[str, str] = {}
    for family in WANTED:
        for key in library.ids(f"{family}/"):
            title = library[key].title
            for name in (re.sub(r"\s*\([^()]*\)\s*", " ", title).strip(), *re.findall(r"\(([^()]+)\)", title)):
                if " " in name or "_" in name or not name[1:].islower():
                    names.setdefault(name.casefold(), key)
    longest = sorted(names, key=len, reverse=True)
    return names, re.compile(rf"\b(?:{'|'.join(map(re.escape, longest))})s?\b", re.IGNORECASE)


def mentioned(sentence: str, marked: Iterable[str] = ()) -> dict[str, None]:
    """Ids of the components and terms that a sentence mentions, in its order.

    Args:
        sentence: it.
        marked: what is set off in the text that it is from, where single words are names too.
    """
    names, pattern = _distinct()
    found: dict[str, None] = {}
    for hit in pattern.findall(sentence):
        plain = hit.casefold()
        found[names.get(plain) or names[plain.removesuffix("s")]] = None
    for mark in marked:
        key = term_names().get(plain_name(mark), "")
        if key.startswith(WANTED) and len(mark) > 2 and mark in sentence:
            found[key] = None
    return found


def _mentioning(note: OwnNote, match: Match, known: set[str]) -> Match:
    """A match that stands for no note of its own may mention terms; they are quoted beside our words for them."""
    each = match.passage
    if each is None or not each.words or each.analogy:
        return match
    first = ""
    marked = list(dict.fromkeys(each.marked))[:100]
    for sentence in sentences(each.words):
        for key in mentioned(sentence, marked):
            first = first or key
            if key not in known and len(note._mentions.get(key, ())) < MENTIONS:
                note._mentions.setdefault(key, []).append(Quote(shortened(sentence), each.place))
    return Match(each, BY_MENTION, first) if first and match.how == NOTHING else match
