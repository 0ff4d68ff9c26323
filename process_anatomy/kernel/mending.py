"""A layout of another build, mended by what the kernel's own code says of where fields lie."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping
from dataclasses import replace

from process_anatomy.kernel.accessors import CodeWitness
from structs.layout import Build, Place

CODE, BETWEEN, GUESSED = range(3)
SOURCES = ("the kernel's code", "between fields of the kernel's code", "its neighbour")
"""What the place of a field rests on, surest first."""
FARTHEST = 0x400
"""Bytes that a field moves from one build to the next at the most."""


def mended(build: Build, said: Iterable[CodeWitness]) -> Build:
    """A layout with the fields where the kernel's code looks for them, and the others moved with these.

    What lies between two fields that the code moves by the same distance kept order and distance, and moves with them.
    Any other field moves with the one next to it of those that the code places, which is a guess: where it would then
    lie upon a field that is surer, the layout lacks it.

    Args:
        build: of the nearest build.
        said: by the kernel's own functions.

    Returns:
        The same layout where the code contradicts none of it.  Else its origin says how many fields were moved.
    """
    places, sizes = dict(build.places), dict(build.sizes)
    sources: dict[str, dict[str, str]] = {}
    counts = [0, 0, 0]
    for name, anchors in _anchors(build, said).items():
        if any(anchors.values()):
            found = _placed(build.places[name], anchors)
            places[name] = _without_overlaps(found)
            sizes[name] = max(sizes[name], *(place.offset + place.size for place in places[name].values()))
            sources[name] = {field: SOURCES[rank] for field, (rank, _) in found.items() if field in places[name]}
            for field, (rank, place) in found.items():
                counts[rank] += place != build.places[name][field]
    if not any(counts):
        return build
    words = (
        f"{counts[CODE]} fields moved to where the kernel's own code looks for them, {counts[BETWEEN]} between these"
        f" with them, {counts[GUESSED]} beside these by a guess"
    )
    origin = f"{build.origin}; {words}"
    return replace(build, places=places, sizes=sizes, origin=origin, estimated=True, sources=sources, _bound={})


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


def _placed(places: Mapping[str, Place], anchors: Mapping[str, int]) -> dict[str, tuple[int, Place]]:
    """Where each field lies with the anchors moved, and how sure that is."""
    ordered = sorted((places[field].offset, by) for field, by in anchors.items())
    ordered = [(0, 0), *ordered]  # what a structure begins with stays where it is
    found: dict[str, tuple[int, Place]] = {}
    for field, place in places.items():
        here = bisect_right(ordered, (place.offset, FARTHEST)) - 1
        low = ordered[max(here, 0)]
        high = ordered[here + 1] if here + 1 < len(ordered) else None
        if field in anchors:
            found[field] = CODE, _moved(place, anchors[field])
        elif high is not None and (low[1] == high[1] or low[0] == place.offset):
            found[field] = BETWEEN, _moved(place, low[1])
        else:
            near = low if high is None or place.offset - low[0] <= high[0] - place.offset else high
            found[field] = GUESSED, _moved(place, near[1])
    return found


def _without_overlaps(found: Mapping[str, tuple[int, Place]]) -> dict[str, Place]:
    """The places, surest first, without those that lie upon one before them."""
    kept: dict[str, Place] = {}
    for field, (_, place) in sorted(found.items(), key=lambda item: item[1][0]):
        if place.offset >= 0 and not any(_meet(place, other) for other in kept.values()):
            kept[field] = place
    return kept


def _meet(one: Place, other: Place) -> bool:
    """Whether two places share a byte; of two parts of the same unit, a bit."""
    if one.bit is not None and other.bit is not None and (one.offset, one.size) == (other.offset, other.size):
        return one.bit < other.bit + (other.bits or 0) and other.bit < one.bit + (one.bits or 0)
    return one.offset < other.offset + other.size and other.offset < one.offset + one.size


def _moved(place: Place, by: int) -> Place:
    return replace(place, offset=place.offset + by)
