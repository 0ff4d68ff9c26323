"""Rows for programs: of every view in one form, so that rows of many views and of many images can be joined.

In front of a view's own columns stand the image and the moment it was taken, the number of the row, and of its parent
where rows form a tree; the columns with the process's id, its name and the address are named alike in every view.
Behind them stand the reasons of the cells without a fact.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import datetime
from functools import cache
from typing import NamedTuple

from process_anatomy.views.declaration import INTEGER, TEXT, TIME, Column, View
from process_anatomy.views.records import Record, Value

PID, PROCESS, ADDRESS = "pid", "process", "address"
ROW, PARENT, DEPTH = "row", "row_parent", "row_depth"
LEADING = (
    Column("image", TEXT, "which image: sha256: and its hash, or path: and the hash of its path", "the file"),
    Column("captured", TIME, "when the memory was taken", "_KUSER_SHARED_DATA.SystemTime, or a small dump's header"),
    Column(ROW, INTEGER, "number of the row in its view, from 0 on", "the order of the rows"),
    Column(PARENT, INTEGER, "number of the row that this one lies under, where rows form a tree", "the rows' tree"),
    Column(DEPTH, INTEGER, "how deep the row lies in that tree, 0 at its root", "the rows' tree"),
)
"""Columns in front of those of every view."""


class Place(NamedTuple):
    """Where a row stands among those of its view.

    Attributes:
        row: its number.
        parent: number of the row that it lies under; ``None`` at the root of a tree.
        depth: how deep it lies there.
    """

    row: int
    parent: int | None
    depth: int


class Places:
    """Gives rows their places, one after another."""

    def __init__(self) -> None:
        self._above: list[Place] = []
        self._count = 0

    def next(self, depth: int) -> Place:
        """The place of the next row, which lies so deep."""
        above = self._above
        while above and above[-1].depth >= depth:
            above.pop()
        place = Place(self._count, above[-1].row if above else None, depth)
        above.append(place)
        self._count += 1
        return place


class Origin(NamedTuple):
    """Where rows come from.

    Attributes:
        image: which image, in words; ``None`` where nobody says.
        captured: when its memory was taken; ``None`` where that is not known.
    """

    image: str | None
    captured: datetime | None


@cache
def flat(view: View) -> View:
    """A view with the columns of rows for programs."""
    alike = _alike(view)
    own = tuple(column._replace(name=alike.get(column.name, column.name)) for column in view.columns)
    process, address = alike.get(view.process, ""), alike.get(view.address, "")
    return replace(view, columns=(*LEADING, *own), process=process, address=address)


def _alike(view: View) -> dict[str, str]:
    """Names of columns of a view that are named alike in every view, and that name."""
    named = {"PID": PID, view.process: PROCESS, view.address: ADDRESS}
    return {name: to for name, to in named.items() if name in view.names}


def flat_records(
    view: View, rows: Iterable[Record], origin: Origin, places: Iterator[Place] | None = None
) -> Iterator[Record]:
    """Records of a view as rows of :func:`flat`.

    Args:
        view: the view.
        rows: its records.
        origin: where they come from.
        places: of the records, where they are not all that the view has.
    """
    alike, counted = _alike(view), Places()
    for row in rows:
        place = counted.next(row.depth) if places is None else next(places)
        leading: dict[str, Value] = {
            "image": origin.image,
            "captured": origin.captured,
            ROW: place.row,
            PARENT: place.parent,
            DEPTH: place.depth,
        }
        values = {alike.get(name, name): value for name, value in row.items()}
        yield Record(leading | values, row.depth, {alike.get(name, name): why for name, why in row.absent.items()})
