"""A layout of one kernel made to serve another of which only some places are known.

Each known place is an anchor.  What lies inside one, or between two near ones that moved by the same distance, kept
order and distance and moves with them; any other field moves with the anchor next to it, which is a guess.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import NamedTuple

from structs.places import NEIGHBOUR, Place

__all__ = [
    "BETWEEN",
    "CODE",
    "NEIGHBOUR",
    "PARTIAL",
    "SOURCES",
    "Anchor",
    "Mending",
    "mending",
    "settled",
    "without_overlaps",
]

CODE = "the kernel's code"
PARTIAL = "partial facts of this kernel"
BETWEEN = "between fields that are known"
SOURCES = (CODE, PARTIAL, BETWEEN, NEIGHBOUR)
"""What the place of a field of a mended structure rests on, surest first."""
NEAR = 0x100
"""Bytes between two anchors, at the most, for what lies between them to count as more than a guess.

Measured over all layouts (`benchmarks/leave_one_out.py`): up to 0x150 bytes, no declared field lay wrong.
"""
SERVICED = 6000
"""The build from which on updates of a build moved fields only together (service packs before it changed them)."""
ALIGNED = (2, 4, 8)
"""Sizes of fields that lie at a multiple of their size."""
SETTLED = 10240
"""The build from which on fields between two that moved alike kept their order from build to build (the same)."""


class Anchor(NamedTuple):
    """A place that is known.

    Attributes:
        place: in the layout that is mended; without any byte where it is only a boundary, as a structure's end is.
        by: bytes that it lies further in this kernel.
        source: who says so.
    """

    place: Place
    by: int
    source: str


START = Anchor(Place(0, 0), 0, BETWEEN)
"""What a structure begins with stays where it is."""


class Mending(NamedTuple):
    """How the fields of one structure move.

    Attributes:
        anchors: in order of their places.
        near: bytes between two anchors at the most; see :data:`NEAR`.
    """

    anchors: tuple[Anchor, ...]
    near: int

    @property
    def moves(self) -> bool:
        """Whether any field lies elsewhere."""
        return any(anchor.by for anchor in self.anchors)

    def placed(self, places: Mapping[str, Place]) -> dict[str, tuple[str, Place]]:
        """Where each field lies, and what that rests on."""
        anchors = sorted((START, *self.anchors), key=lambda each: each.place.offset)
        starts = [each.place.offset for each in anchors]
        exact = {each.place: each for each in anchors if each.place.size}
        found: dict[str, tuple[str, Place]] = {}
        for field, place in places.items():
            here = bisect_right(starts, place.offset)
            low, high = anchors[here - 1], anchors[here] if here < len(anchors) else None
            own = exact.get(place)
            if own is not None:
                found[field] = own.source, moved(place, own.by)
            elif _end(place) <= _end(low.place):
                sure = self.near >= 0 and low.source != NEIGHBOUR
                found[field] = BETWEEN if sure else NEIGHBOUR, moved(place, low.by)
            elif high is not None and low.by == high.by:
                near = high.place.offset - _end(low.place) <= self.near and _end(place) <= high.place.offset
                sure = near and NEIGHBOUR not in (low.source, high.source)
                found[field] = BETWEEN if sure else NEIGHBOUR, moved(place, low.by)
            else:
                found[field] = NEIGHBOUR, moved(place, _guess(place, low, high))
        return found


def _guess(place: Place, low: Anchor, high: Anchor | None) -> int:
    """Bytes that a field moves by which lies between two anchors that moved by different distances.

    With the one next to it, but never with the structure's end, for structures grow there (of 1,396 such fields in all
    layouts 1,190 moved with the one before, and 23 with the end); and not to where its type would not be aligned.
    """
    if high is None or not high.place.size:
        return low.by
    near = place.offset - low.place.offset <= high.place.offset - place.offset
    unit = place.size if place.size in ALIGNED else 1
    return next((by for by in ((low.by, high.by) if near else (high.by, low.by)) if by % unit == 0), 0)


def mending(anchors: Iterable[Anchor], build: int, kernel: int | None) -> Mending:
    """How a structure of one build's layout is mended for a kernel.

    Args:
        anchors: what is known of it.
        build: build number of the layout.
        kernel: that of the kernel, ``None`` where it is not known.
    """
    near = NEAR if settled(build, kernel) else -1
    return Mending(tuple(sorted(anchors, key=lambda each: each.place.offset)), near)


def settled(build: int, kernel: int | None) -> bool:
    """Whether fields of a build's structures kept their order and kind in a kernel, as far as anybody has seen."""
    if kernel is None or min(kernel, build) < SERVICED:
        return False
    return kernel == build or min(kernel, build) >= SETTLED


def without_overlaps(found: Mapping[str, tuple[str, Place]]) -> dict[str, Place]:
    """The places, surest first, without those that lie upon one before them."""
    kept: dict[str, Place] = {}
    for field, (_, place) in sorted(found.items(), key=lambda item: SOURCES.index(item[1][0])):
        if place.offset >= 0 and not any(_meet(place, other) for other in kept.values()):
            kept[field] = place
    return kept


def moved(place: Place, by: int) -> Place:
    """The place so many bytes further."""
    return replace(place, offset=place.offset + by)


def _end(place: Place) -> int:
    return place.offset + place.size


def _meet(one: Place, other: Place) -> bool:
    """Whether two places share a byte; of two parts of the same unit, a bit."""
    if one.bit is not None and other.bit is not None and (one.offset, one.size) == (other.offset, other.size):
        return one.bit < other.bit + (other.bits or 0) and other.bit < one.bit + (one.bits or 0)
    return one.offset < _end(other) and other.offset < _end(one)
