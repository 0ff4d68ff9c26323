"""On which line of a TOML file a table or a key stands.

The standard library's reader keeps no places, and tomlkit, which keeps comments and spaces, tells none either; so the
few forms that keys have are found here, in a text that the reader has accepted already.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

HEADER = re.compile(r"\s*(\[\[?)\s*([^\[\]]+?)\s*\]\]?\s*(?:#.*)?$")
KEY = re.compile(r"""\s*((?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*')(?:\s*\.\s*(?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*'))*)\s*=""")
TRIPLE = ('"""', "'''")

Place = tuple[str | int, ...]
"""Where something stands: names of tables and keys, and numbers of tables in arrays from 0."""


def lines_of(text: str) -> dict[Place, int]:
    """The line, from 1 on, of every table and key of a TOML text; what stands inside inline tables has its key's."""
    found: dict[Place, int] = {(): 1}
    counts: dict[Place, int] = {}
    table: Place = ()
    for number, line in _statements(text):
        if header := HEADER.match(line):
            table = _parts(header[2])
            if header[1] == "[[":
                counts[table] = counts.get(table, -1) + 1
                table = (*table, counts[table])
            elif table[:-1] in counts:  # a table of the last one of an array
                table = (*table[:-1], counts[table[:-1]], table[-1])
            found.setdefault(table, number)
        elif key := KEY.match(line):
            found.setdefault((*table, *_parts(key[1])), number)
    return found


def line_at(found: dict[Place, int], place: Place) -> int:
    """The line of a place, or of the nearest one around it."""
    while place not in found:
        place = place[:-1]
    return found[place]


def _parts(written: str) -> Place:
    return tuple(part.strip().strip("\"'") for part in written.split("."))


def _statements(text: str) -> Iterator[tuple[int, str]]:
    """Lines on which a statement begins: not those inside a string or an array of several lines."""
    closing, depth = "", 0
    for number, line in enumerate(text.splitlines(), 1):
        if not closing and not depth:
            yield number, line
            if HEADER.match(line):
                continue
        closing, depth = _after(line, closing, depth)


def _after(line: str, closing: str, depth: int) -> tuple[str, int]:
    """What is still open behind a line: the end that a long string waits for, and how many brackets."""
    at = 0
    while at < len(line):
        if closing:
            end = line.find(closing, at)
            if end < 0:
                return closing, depth
            at, closing = end + 3, ""
        elif line[at : at + 3] in TRIPLE:
            closing, at = line[at : at + 3], at + 3
        elif line[at] in "\"'":
            at = _string_end(line, at)
        elif line[at] == "#":
            break
        else:
            depth += (line[at] in "[{") - (line[at] in "]}")
            at += 1
    return closing, max(depth, 0)


def _string_end(line: str, at: int) -> int:
    """Behind a string of one line that begins here."""
    quote, at = line[at], at + 1
    while at < len(line) and line[at] != quote:
        at += 1 + (line[at] == "\\" and quote == '"')
    return at + 1
