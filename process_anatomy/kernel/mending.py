"""A layout that is not this kernel's own, mended by what the kernel's own code says of where fields lie."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from process_anatomy.kernel.accessors import CodeWitness
from structs import builds
from structs.anchored import with_anchors
from structs.layout import Build
from structs.mending import BETWEEN, CODE, NEIGHBOUR, SOURCES, Anchor

FARTHEST = 0x400
"""Bytes that a field moves from one build to the next at the most."""


def mended(build: Build, said: Iterable[CodeWitness], number: int | None = None) -> Build:
    """A layout with the fields where the kernel's code looks for them, and the others moved with these.

    How, and what the place of each field then rests on, says :mod:`structs.mending`; a field that would lie upon one
    that is surer, the layout lacks.

    Args:
        build: of the nearest build, or of partial facts, which are anchors as well.
        said: by the kernel's own functions.
        number: the kernel's build number, where it is known.

    Returns:
        The same places where the code contradicts none.  Else the layout's origin says how many fields were moved.
    """
    whole = builds.base_of(build)
    anchors: dict[str, list[Anchor]] = {}
    moved = False
    for name, by_field in _anchors(build, said).items():
        at_first, now = whole.places[name], build.places[name]
        for field, by in by_field.items():
            if field in at_first:
                more = by + now[field].offset - at_first[field].offset
                anchors.setdefault(name, []).append(Anchor(at_first[field], more, CODE))
                moved = moved or by != 0
    found = with_anchors(build, whole, anchors, number or build.number)
    if not moved:
        return replace(build, sources=found.sources, mendings=found.mendings)
    counts = dict.fromkeys(SOURCES, 0)
    for name in anchors:
        for field, place in found.places[name].items():
            counts[found.source(name, field)] += place != build.places[name].get(field)
    words = (
        f"{counts[CODE]} fields moved to where the kernel's own code looks for them, {counts[BETWEEN]} between these"
        f" with them, {counts[NEIGHBOUR]} beside these by a guess"
    )
    return replace(found, origin=f"{build.origin}; {words}", estimated=True)


def _anchors(build: Build, said: Iterable[CodeWitness]) -> dict[str, dict[str, int]]:
    """Structure to field to the bytes that the code moves it by, of each field that the code is sure about."""
    anchors: dict[str, dict[str, int]] = {}
    for each in said:
        name, field = each.accessor.layout.name, each.accessor.field
        place = build.place(name, field)
        if place is None or each.offset is None or each.accessor.part:
            continue
        start = 8 * each.offset if each.bits is None else each.bits[0]
        by, odd = divmod(start - 8 * place.offset - (place.bit or 0), 8)
        if not odd and abs(by) <= FARTHEST and place.offset + by >= 0:
            anchors.setdefault(name, {})[field] = by
    return anchors
