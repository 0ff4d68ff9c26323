"""Values of a scenario's file, each checked where it is taken: kind, range, and whether anybody knows the key."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from process_anatomy.forge.scenarios.declared import Range, Source
from process_anatomy.forge.scenarios.lines import Place, line_at

NUMBERED = {"users", "services", "programs", "traces"}
SIZES = {"KB": 10, "MB": 20, "GB": 30}
BLOCK = 4 << 20
LEAST_MEMORY, MOST_MEMORY = 32 << 20, 1 << 40
SIZE_WORDS = 'size like "64 MB" or "4 GB": from 32 MB to 1024 GB, a multiple of 4 MB'
MANY = 400


def one_of(known: Iterable[str]) -> str:
    """Names, as a sentence lists what is allowed."""
    return ", ".join(sorted(known))


def nearest(word: str, known: Iterable[str]) -> str:
    """A hint at what may be meant."""
    close = difflib.get_close_matches(word, list(known), 1)
    return f" (did you mean {close[0]}?)" if close else ""


def size_of(written: str) -> int:
    """Bytes of a size that is written with a unit; zero for one that no machine has."""
    number, _, unit = written.partition(" ")
    size = int(number) << SIZES[unit] if number.isdecimal() and unit in SIZES else 0
    return size if not size % BLOCK and LEAST_MEMORY <= size <= MOST_MEMORY else 0


class Table:
    """A table of a scenario's file, with the places of what it holds.

    Args:
        file: the file.
        lines: places of tables and keys to their lines.
        place: where this table stands.
        values: what it holds.
        known: what it may hold.
    """

    def __init__(
        self, file: Path, lines: Mapping[Place, int], place: Place, values: Any, known: Iterable[str] | None
    ) -> None:
        self.file, self.lines, self.place = file, lines, place
        if not isinstance(values, dict):
            raise self.source().error(f"{self.what} must be a table")
        self.values = values
        for key in values if known is not None else ():
            if key not in (allowed := [*(known or ())]):
                hint = nearest(key, allowed)
                raise self.source(key).error(f"{self.what} has no key {key!r}{hint}; it may have {one_of(allowed)}")

    @property
    def what(self) -> str:
        """What the table is called in messages."""
        names = [part for part in self.place if isinstance(part, str)]
        if not names:
            return "a scenario"
        return f"[[{names[0]}]]" if names[0] in NUMBERED and len(self.place) > 1 else f"[{'.'.join(names)}]"

    def source(self, *place: str | int) -> Source:
        """Where a key of it stands."""
        return Source(self.file, line_at(dict(self.lines), (*self.place, *place)))

    def wrong(self, key: str, wanted: str) -> Exception:
        """The error for a value of the wrong kind."""
        return self.source(key).error(f"{key} is {self.values[key]!r}; it must be {wanted}")

    def text(self, key: str, usual: str = "", choices: Iterable[str] | None = None) -> str:
        """A string."""
        value = self.values.get(key, usual)
        if not isinstance(value, str):
            raise self.wrong(key, "a string")
        if choices is not None and key in self.values and value not in (allowed := [*choices]):
            raise self.source(key).error(
                f"{key} is {value!r}{nearest(value, allowed)}; it may be {one_of(allowed)}"
            )  # fmt: skip
        return value

    def words(self, key: str, usual: tuple[str, ...] = ()) -> tuple[str, ...]:
        """A string or an array of strings."""
        value = self.values.get(key, usual)
        found = (value,) if isinstance(value, str) else tuple(value) if isinstance(value, (list, tuple)) else ()
        if key in self.values and (not found or not all(isinstance(each, str) and each for each in found)):
            raise self.wrong(key, "a string or an array of strings, none of them empty")
        return found

    def truth(self, key: str, usual: bool = False) -> bool:
        """True or false."""
        value = self.values.get(key, usual)
        if not isinstance(value, bool):
            raise self.wrong(key, "true or false")
        return value

    def number(self, key: str, usual: int, low: int, high: int) -> int:
        """A whole number between two others."""
        value = self.values.get(key, usual)
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            raise self.wrong(key, f"a whole number from {low} to {high}")
        return value

    def share(self, key: str) -> float:
        """A number from 0 to 1."""
        value = self.values.get(key, 0)
        if not isinstance(value, (int, float)) or isinstance(value, bool) or not 0 <= value <= 1:
            raise self.wrong(key, "a number from 0 to 1")
        return float(value)

    def range(self, key: str, usual: Range, low: int, high: int = MANY) -> Range:
        """A whole number, or an array of the least and the most."""
        value = self.values.get(key, list(usual))
        pair = [value, value] if isinstance(value, int) and not isinstance(value, bool) else value
        whole = isinstance(pair, list) and len(pair) == 2
        if not whole or not all(isinstance(each, int) and low <= each <= high for each in pair) or pair[0] > pair[1]:
            raise self.wrong(key, f"a whole number from {low} to {high}, or [least, most] of such")
        return pair[0], pair[1]

    def size(self, key: str, usual: int) -> int:
        """Bytes, written with a unit."""
        if key not in self.values:
            return usual
        written = self.values[key]
        size = size_of(written) if isinstance(written, str) else 0
        if not size:
            raise self.wrong(key, f"a {SIZE_WORDS}")
        return size
