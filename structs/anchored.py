"""A layout read anew with places that are known of its kernel; see :mod:`structs.mending` for how."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from structs.layout import Build
from structs.mending import Anchor, Mending, mending, without_overlaps
from structs.places import NEIGHBOUR, Place

Added = Mapping[str, Mapping[str, tuple[str, Place]]]
"""Structure to fields that a layout lacks, each with what its place rests on."""


def with_anchors(
    build: Build, whole: Build, anchors: Mapping[str, Iterable[Anchor]], number: int | None, added: Added | None = None
) -> Build:
    """A layout with fields where they are known to lie, and the others moved with these.

    Args:
        build: the layout, which may have been mended before; what is known now counts more.
        whole: the layout that ships which it was mended from.
        anchors: structure to what is known, by places in ``whole``.
        number: the kernel's build number, where it is known.
        added: fields that ``whole`` lacks.
    """
    places, sizes = dict(build.places), dict(build.sizes)
    sources, mendings = dict(build.sources), dict(build.mendings)
    for name, known in anchors.items():
        before = mendings[name].anchors if name in mendings else ()
        merged = {anchor.place: anchor for anchor in (*before, *known)}
        mendings[name] = mending(merged.values(), whole.number, number)
        if name not in whole.places:
            continue
        old = {field: told for field, told in _added(build, whole, name).items() if field not in whole.places[name]}
        found = {**mendings[name].placed(whole.places[name]), **old, **(added or {}).get(name, {})}
        end = _end(mendings[name], whole.sizes[name])
        inside = {field: told for field, told in found.items() if end is None or _behind(told[1]) <= end}
        places[name] = without_overlaps(inside)  # what would lie behind the end, this kernel does not have
        sources[name] = {field: found[field][0] for field in places[name]}
        sizes[name] = max(end or whole.sizes[name], *map(_behind, places[name].values()))
    return replace(build, places=places, sizes=sizes, sources=sources, mendings=mendings, _bound={})


def demoted(build: Build) -> Build:
    """A mended layout as that of another kernel, which it was not mended for: all of it is a neighbour's."""
    mendings = {
        name: Mending(tuple(anchor._replace(source=NEIGHBOUR) for anchor in how.anchors), how.near)
        for name, how in build.mendings.items()
    }
    sources = {name: dict.fromkeys(told, NEIGHBOUR) for name, told in build.sources.items()}
    return replace(build, estimated=True, sources=sources, mendings=mendings)


def _added(build: Build, whole: Build, name: str) -> dict[str, tuple[str, Place]]:
    """The fields that a mended layout has and the one that it was mended from has not."""
    more = build.places.get(name, {}).keys() - whole.places[name].keys()
    return {field: (build.source(name, field), build.places[name][field]) for field in more}


def _end(how: Mending, size: int) -> int | None:
    """Bytes of a structure once mended, where its end is known to lie."""
    return next((size + anchor.by for anchor in how.anchors if anchor.place == Place(size, 0)), None)


def _behind(place: Place) -> int:
    return place.offset + place.size
