"""What rows are read on: how wide it is, which signs it can show, whether it has colours, and text that fits it."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from typing import TextIO
from unicodedata import combining, east_asian_width

NARROWEST, FIXED = 40, 80
"""Characters of a line at the least, and where the output is no terminal, as a file or a pipe is none."""
BRANCHES = "│├└─"
PLAIN_BRANCHES = "|+`-"
"""Signs that a tree is drawn with: a line that goes on, a branch, the last branch, and what leads to its row."""
MORE, PLAIN_MORE = "…", "..."
"""Stands where text is cut."""
PARTED = re.compile(r"(?<=[\\/|,;&_])")
"""Places in a long word where a line may end: behind what parts paths, flags, names and lists."""
BOLD, DIM, ALARM = "1", "2", "33"
"""Colours and weights by their number: https://www.xfree86.org/current/ctlseqs.html, Character Attributes."""


@dataclass(frozen=True, slots=True)
class Screen:
    """Where rows are shown.

    Attributes:
        width: characters of a line.
        colour: it shows colours and weights.
        drawn: its letters have lines to draw with, and an ellipsis.
    """

    width: int
    colour: bool = False
    drawn: bool = True

    @property
    def branches(self) -> str:
        """The signs that a tree is drawn with, in the order of :data:`BRANCHES`."""
        return BRANCHES if self.drawn else PLAIN_BRANCHES

    @property
    def more(self) -> str:
        """What stands where text is cut."""
        return MORE if self.drawn else PLAIN_MORE

    def marked(self, text: str, *marks: str) -> str:
        """Text in colours or weights, as it is where there are none."""
        return f"\x1b[{';'.join(marks)}m{text}\x1b[0m" if self.colour and marks and text else text

    def cut(self, text: str, most: int, said: str = "") -> str:
        """Text of so many characters at the most; what was cut is told.

        Args:
            text: the text.
            most: characters that stay.
            said: how to see it whole.
        """
        if len(text) <= most:
            return text
        return f"{text[:most]}{self.more} ({len(text):,} characters{f'; {said}' if said else ''})"


def screen_of(stream: TextIO | None = None, environment: Mapping[str, str] = os.environ) -> Screen:
    """The screen that a stream writes to: a terminal, or anything else, of a fixed width and without colours.

    ``COLUMNS`` says another width, ``NO_COLOR`` with any value that there are to be no colours (https://no-color.org).

    Args:
        stream: standard output where it is left out.
        environment: the variables that are asked.
    """
    output = sys.stdout if stream is None else stream
    terminal = False
    with suppress(AttributeError, ValueError):  # what a notebook or a test puts there, or a stream that is closed
        terminal = output.isatty()
    width = FIXED
    said = environment.get("COLUMNS", "")
    if said.isascii() and said.isdigit() and int(said[:6]):
        width = int(said[:6])
    elif terminal:
        with suppress(AttributeError, ValueError, OSError):
            width = os.get_terminal_size(output.fileno()).columns or FIXED
    colour = terminal and not environment.get("NO_COLOR") and environment.get("TERM") != "dumb"
    return Screen(max(width, NARROWEST), colour, _has_lines(getattr(output, "encoding", None)))


def _has_lines(encoding: str | None) -> bool:
    """Whether an encoding has the signs that trees are drawn with, and the ellipsis."""
    try:
        (BRANCHES + MORE).encode(encoding or "utf-8")
    except (UnicodeEncodeError, LookupError):
        return False
    return True


@lru_cache(4096)
def _places(letter: str) -> int:
    """How many places of a terminal a letter takes: an East Asian one two, a mark above others none."""
    return 0 if combining(letter) else 2 if east_asian_width(letter) in "WF" else 1


def length(text: str) -> int:
    """How many places of a terminal text takes."""
    return len(text) if text.isascii() else sum(map(_places, text))


def padded(text: str, width: int, right: bool = False) -> str:
    """Text with spaces up to a width, in front of it where it stands on the right."""
    space = " " * max(width - length(text), 0)
    return space + text if right else text + space


def wrapped(text: str, width: int) -> list[str]:
    """Text in lines that end between words; a word that is longer than a line ends behind a sign that parts it.

    Spaces within a line stay as they are.

    Args:
        text: the text, without ends of lines.
        width: places of a line.
    """
    lines: list[str] = []
    line = ""
    for word in text.split(" "):
        for number, piece in enumerate(_pieces(word, width)):
            joined = f"{line}{'' if number or not line else ' '}{piece}"
            if length(joined) > width:
                lines += [line.rstrip(" ")] if line.strip(" ") else []
                joined = piece
            line = joined
    return [*lines, line.rstrip(" ")] if line.strip(" ") else lines


def _pieces(word: str, width: int) -> Iterator[str]:
    """A word whole where it fits a line, otherwise in pieces that do."""
    if length(word) <= width:
        yield word
        return
    for part in PARTED.split(word):
        start = total = 0
        for place, letter in enumerate(part):
            total += _places(letter)
            if total > width and place > start:
                yield part[start:place]
                start, total = place, _places(letter)
        if part[start:]:
            yield part[start:]
