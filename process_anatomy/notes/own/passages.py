"""A note as passages: what stands under each heading, in each row of a table, and in each block that has an id."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from process_anatomy.notes.own.files import NoteFile
from process_anatomy.notes.own.syntax import COMMENT, EMBED, LINK, MARK, tokens

if TYPE_CHECKING:
    from markdown_it.token import Token

SECTION, ROW, BLOCK, PICTURE = "section", "table row", "block id", "embed"
"""Kinds of passages."""
ANALOGIES = re.compile(r"\b(analog(y|ies)|translation|metaphor)\b", re.IGNORECASE)
"""Says of a section that its words are an analogy, in its heading or its first words."""
ONLY_SAYS_SO = re.compile(r"(note: *)?this is (just |only )?an analogy\.?", re.IGNORECASE)
BLOCK_ID = re.compile(r"(?:^|\s)\^([A-Za-z0-9-]+)\s*$")
TAG = re.compile(r"(?<!\S)#[\w/-]*[^\W\d][\w/-]*")
ADDRESS_ONLY = re.compile(r"<?https?://\S+>?")
CALLOUT = re.compile(r"\[!([\w-]+)\][+-]? *(.*)", re.DOTALL)
TERM_MARKS = ("code_inline", LINK)
OPEN, CLOSE = ("strong_open", "em_open"), ("strong_close", "em_close")


@dataclass(slots=True)
class Passage:
    """Words of a note that may explain a term.

    Attributes:
        kind: what of the note it is: a section, a table row, a block with an id, an embed.
        file: name of the file.
        section: heading that it stands under, empty above the first.
        line: number of its first line, from one.
        key: what is matched with terms: the heading, the first cell, the id of the block, the file that is embedded.
        parts: what it says, as plain text, one for each paragraph; none where it says nothing itself.
        analogy: its words are an analogy.
        marked: what is set off in it, as code, bold, marked or as a link.
        table: number of the table that a row is of, from zero, within the file.
        links: addresses that stand alone in it.
    """

    kind: str
    file: str
    section: str
    line: int
    key: str
    parts: list[str] = field(default_factory=list)
    analogy: bool = False
    marked: list[str] = field(default_factory=list)
    table: int = -1
    links: list[str] = field(default_factory=list)

    def add(self, words: str) -> None:
        """Put words behind those that it has."""
        if ADDRESS_ONLY.fullmatch(words):
            self.links.append(words.strip("<>"))
        elif words:
            self.parts.append(words)

    @property
    def words(self) -> str:
        """All that it says."""
        return " ".join(self.parts)

    @property
    def place(self) -> str:
        """Where it stands: file, heading and line."""
        return ", ".join(part for part in (self.file, self.section, f"line {self.line}") if part)


def passages(file: NoteFile) -> list[Passage]:
    """What a file of a note says, in its order.

    Raises:
        OwnNoteError: what parses Markdown is not installed.
    """
    return _Reader(file.name).read(tokens(file.text))


class _Reader:
    """Goes through the tokens of a file once."""

    def __init__(self, name: str) -> None:
        self._name = name
        stem = name.rpartition("/")[2].rpartition(".")[0]
        self._section = Passage(SECTION, name, "", 1, stem)
        self._found = [self._section]
        self._above: list[tuple[int, bool]] = []
        self._tables = 0
        self._last = Passage(BLOCK, name, "", 1, "")

    def read(self, found: Sequence[Token]) -> list[Passage]:
        at = 0
        while at < len(found):
            token = found[at]
            if token.type == "heading_open":
                self._heading(int(token.tag[1:]), *_plain(found[at + 1]), _line(token))
                at += 2
            elif token.type == "table_open":
                end = next(i for i in range(at, len(found)) if found[i].type == "table_close")
                self._rows(found[at : end + 1])
                at = end
            elif token.type == "inline":
                self._paragraph(token)
            at += 1
        return [each for each in self._found if each is not self._found[0] or each.words]

    def _heading(self, level: int, text: str, marked: list[str], line: int) -> None:
        name = BLOCK_ID.search(text)
        text = BLOCK_ID.sub("", text)
        while self._above and self._above[-1][0] >= level:
            self._above.pop()
        analogy = bool(ANALOGIES.search(text)) or any(each for _, each in self._above)
        self._above.append((level, analogy))
        self._section = Passage(SECTION, self._name, text, line, text, analogy=analogy, marked=marked)
        self._found.append(self._section)
        if name:
            self._section.key, self._section.kind = name[1], BLOCK

    def _paragraph(self, token: Token) -> None:
        """A paragraph, an item of a list or a callout: words of the section that it stands in."""
        text, marked = _plain(token)
        embeds = [each.content for each in token.children or () if each.type == EMBED]
        self._found += [Passage(PICTURE, self._name, self._section.section, _line(token), each) for each in embeds]
        callout = CALLOUT.fullmatch(text)
        if callout:
            kind, (title, _, rest) = str(callout[1]), str(callout[2]).partition("\n")
            inner = Passage(SECTION, self._name, self._section.section, _line(token), title.strip() or kind)
            inner.analogy = self._section.analogy or bool(ANALOGIES.search(f"{kind} {title}"))
            inner.marked = marked
            inner.add(_joined(rest))
            self._found.append(inner)
            return
        name = BLOCK_ID.search(text)
        words = _joined(BLOCK_ID.sub("", text))
        if name and not words:
            self._name_last(name[1])
        elif name:
            block = Passage(BLOCK, self._name, self._section.section, _line(token), name[1], [words])
            block.analogy = self._section.analogy
            self._found.append(block)
        else:
            if ONLY_SAYS_SO.fullmatch(words):
                self._section.analogy = True
                if self._above:
                    self._above[-1] = (self._above[-1][0], True)
                return
            self._section.add(words)
            self._section.marked += marked
            self._last = Passage(BLOCK, self._name, "", _line(token), "", [words] if words else [])

    def _name_last(self, name: str) -> None:
        """An id alone on a line is that of the block before it: of a paragraph, or of a table as a whole."""
        last = self._last
        block = Passage(BLOCK, self._name, self._section.section, last.line, name, list(last.parts))
        block.analogy = self._section.analogy
        self._found.append(block)

    def _rows(self, found: Sequence[Token]) -> None:
        """Each row below the head of a table: the first cell names what the others say something of."""
        heads: list[str] = []
        cells: list[tuple[str, list[str]]] = []
        for token in found:
            if token.type == "tr_open":
                cells, line = [], _line(token)
            elif token.type == "inline":
                cells.append(_plain(token))
            elif token.type == "tr_close" and not heads:
                heads = [text for text, _ in cells]
            elif token.type == "tr_close" and cells:
                row = Passage(ROW, self._name, self._section.section, line, cells[0][0], table=self._tables)
                row.analogy = self._section.analogy
                row.marked = [mark for _, marks in cells[1:] for mark in marks]
                words = _joined(_told(heads[1:], [text for text, _ in cells[1:]]))
                name = BLOCK_ID.search(words)
                if name:
                    row.key, row.kind, words = name[1], BLOCK, BLOCK_ID.sub("", words)
                row.add(words)
                self._found.append(row)
        rows = [each for each in self._found if each.table == self._tables]
        self._last = Passage(BLOCK, self._name, "", _line(found[0]), "", ["; ".join(each.words for each in rows)])
        self._tables += 1


def _told(heads: list[str], cells: list[str]) -> str:
    """What the cells behind the first say: more than one of them behind the heads of their columns."""
    named = len(cells) > 1
    pairs = zip(heads, cells, strict=False)
    return "; ".join(f"{head}: {text}" if named and head else text for head, text in pairs if text)


def _line(token: Token) -> int:
    return token.map[0] + 1 if token.map else 1


def _joined(text: str) -> str:
    """Text on one line, without tags."""
    return " ".join(TAG.sub("", text).split())


def _plain(token: Token) -> tuple[str, list[str]]:
    """The text of an inline token, its lines parted by line feeds, and what is set off in it."""
    text, marked = "", []
    opened: list[int] = []
    mark: int | None = None
    for each in token.children or ():
        if each.type in TERM_MARKS:
            marked.append(each.content)
            text += each.content
        elif each.type in ("text", "text_special"):
            text += each.content
        elif each.type in ("softbreak", "hardbreak"):
            text += "\n"
        elif each.type in OPEN:
            opened.append(len(text))
        elif each.type in CLOSE and opened:
            marked.append(text[opened.pop() :])
        elif each.type == MARK:
            if mark is None:
                mark = len(text)
            else:
                marked.append(text[mark:])
                mark = None
    return text.strip(), marked


def sentences(text: str) -> Iterator[str]:
    """The sentences of a text, each with the mark that ends it."""
    yield from (each.strip() for each in re.split(r"(?<=[.!?])\s+(?=[A-Z\[(\"'`])", text) if each.strip())


__all__ = ["BLOCK", "COMMENT", "PICTURE", "ROW", "SECTION", "Passage", "passages", "sentences"]
