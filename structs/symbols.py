"""From a kernel's type information to the places of our declarations.

Type information comes in one plain shape, whatever tool wrote it::

    {structure: {"size": bytes, "fields": {field: {"offset", "size", "type"[, "bit", "bits"]}}}}

where ``type`` is the name of another structure if the field is one, so that a dotted path such as
``u.VadFlags.Protection`` can be followed through nested structures and unions.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from structs.layout import Layout, Place

Types = Mapping[str, Mapping[str, Any]]


def place_of(types: Types, structure: str, path: str) -> Place | None:
    """The place of a dotted path inside a structure, or ``None`` where the types have no such path."""
    offset = 0
    fields = types[structure]["fields"]
    first, *rest = path.split(".")
    names = [first, *rest]
    for step, name in enumerate(names):
        member = fields.get(name)
        if member is None:
            return None
        offset += member["offset"]
        if step == len(names) - 1:
            return Place(offset, member["size"], member.get("bit"), member.get("bits"))
        nested = types.get(member["type"].partition("[")[0])  # of an array, the first
        if nested is None:
            return None
        fields = nested["fields"]
    return None


def places_of(types: Types, layout: Layout, pointer_size: int) -> dict[str, Place] | None:
    """Each declared field's place, leaving out those that the types do not have.

    Returns ``None`` where the types lack the whole structure, or have it without any declared field.
    """
    if layout.name not in types:
        return None
    found: dict[str, Place] = {}
    for field in layout.fields:
        for path in layout.paths(field):
            place = place_of(types, layout.name, path)
            if place is not None and (
                place.bit is not None or layout.fields[field].type.fits(place.size, pointer_size)
            ):
                found[field] = place
                break
    return found or None


def collect(
    types: Types, layouts: Iterable[Layout], pointer_size: int
) -> tuple[dict[str, int], dict[str, dict[str, Place]]]:
    """Sizes and places of all ``layouts`` that the types know, ready for a :class:`structs.layout.Build`."""
    sizes: dict[str, int] = {}
    places: dict[str, dict[str, Place]] = {}
    for layout in layouts:
        found = places_of(types, layout, pointer_size)
        if found is not None:
            sizes[layout.name] = types[layout.name]["size"]
            places[layout.name] = found
    return sizes, places
