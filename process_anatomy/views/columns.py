"""Columns of a table of text: which of them a line has room for, how wide they are, and their lines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from process_anatomy.views.screen import length, padded, wrapped

GAP = 2
"""Spaces between columns."""
SHARE, LEAST = 0.4, 24
"""Part of a line that a column takes at first, at the most, and places that any may take."""
LINES = 3
"""Lines of a cell; one that needs more stands below its row."""
BELOW = "below"
"""Stands in the place of such a cell."""


class Place(NamedTuple):
    """A column that a line has room for.

    Attributes:
        name: of the column.
        width: its places.
        right: its texts stand on the right.
    """

    name: str
    width: int
    right: bool


class Table(NamedTuple):
    """The columns of rows.

    Attributes:
        places: the columns that a line has room for, in their order.
        below: the names of those that it has no room for.
    """

    places: tuple[Place, ...]
    below: frozenset[str]

    @property
    def width(self) -> int:
        """Places of a line."""
        return sum(place.width + GAP for place in self.places) - GAP if self.places else 0

    @property
    def names(self) -> str:
        """The line that names the columns."""
        return _joined([padded(place.name, place.width, place.right) for place in self.places])

    def stands_below(self, name: str, text: str) -> bool:
        """Whether a fact has no room in its row."""
        width = next((place.width for place in self.places if place.name == name), 0)
        return bool(text) and (name in self.below or length(text) > LINES * width)

    def lines(self, cells: Mapping[str, str], front: str = "", under: str = "") -> list[str]:
        """The lines of a row: one, and more where a text is longer than its column.

        Args:
            cells: its texts by column.
            front: what stands in front of it.
            under: what stands in front of its further lines.
        """
        columns: list[list[str]] = []
        for number, place in enumerate(self.places):
            first = "" if number else front
            text = cells.get(place.name, "")
            room = place.width - (0 if number else max(length(front), length(under)))
            text = BELOW if self.stands_below(place.name, text) else text
            parts = wrapped(text, max(room, 1)) or [""]
            rest = [("" if number else under) + part for part in parts[1:]]
            columns.append([padded(part, place.width, place.right) for part in (first + parts[0], *rest)])
        height = max(map(len, columns), default=0)
        lines = []
        for row in range(height):
            blank = [padded("" if number else under, place.width) for number, place in enumerate(self.places)]
            lines.append(_joined([column[row] if row < len(column) else blank[n] for n, column in enumerate(columns)]))
        return lines


def _joined(cells: Sequence[str]) -> str:
    return (" " * GAP).join(cells).rstrip()


def table_of(
    heads: Sequence[tuple[str, bool]], rows: Sequence[Mapping[str, str]], fronts: Sequence[str], room: int
) -> Table:
    """The columns of rows that a line has room for, the first of them first.

    A column in which no row has a text is none; one whose texts are longer than its part of the line, as most of them
    are, stands below, as do those for which nothing is left.

    Args:
        heads: names of columns in their order, and whether their texts stand on the right.
        rows: the texts of each row by column.
        fronts: what stands in front of each row.
        room: places of a line.
    """
    most = max(int(room * SHARE), LEAST)
    ahead = max(map(length, fronts), default=0)
    places: list[Place] = []
    wanted: list[int] = []
    below: set[str] = set()
    left = room
    for name, right in heads:
        sizes = [length(row[name]) for row in rows if row.get(name)]
        if not sizes:
            continue
        if any("\n" in row.get(name, "") for row in rows):
            below.add(name)
            continue
        ahead_of = 0 if places else ahead
        natural = ahead_of + max(length(name), *sizes)
        width = min(natural, ahead_of + most)
        typical = sorted(sizes)[(len(sizes) - 1) // 2]
        if places and width > left >= max(typical, length(name)):
            width = left  # the few that are longer take several lines
        if places and (typical > most or width > left):
            below.add(name)
            continue
        width = min(width, room)
        places.append(Place(name, width, right and not ahead_of))
        wanted.append(natural)
        left -= width + GAP
    spare = max(left + GAP, 0)
    for number, (place, natural) in enumerate(zip(places, wanted, strict=True)):
        more = min(max(natural - place.width, 0), spare)
        places[number] = place._replace(width=place.width + more)
        spare -= more
    return Table(tuple(places), frozenset(below))
