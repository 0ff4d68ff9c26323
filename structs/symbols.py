"""From a kernel's type information to the places of our declarations.

Type information comes in one plain shape, whatever tool wrote it::

    {structure: {"size": bytes, "fields": {field: {"offset", "size", "type"[, "bit", "bits"]}}}}

where ``type`` is the name of another structure if the field is one, so that a dotted path such as
``u.VadFlags.Protection`` can be followed through nested structures and unions.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from structs.field_types import Bytes, FieldType, FileTime
from structs.layout import Layout, Place

Types = Mapping[str, Mapping[str, Any]]


def member_of(types: Types, structure: str, path: str) -> dict[str, Any] | None:
    """The member at a dotted path inside a structure, its offset counted from the structure's start.

    ``None`` where the types have no such path.
    """
    offset = 0
    fields = types[structure]["fields"]
    *way, last = path.split(".")
    for name in way:
        member = fields.get(name)
        if member is None:
            return None
        offset += member["offset"]
        nested = types.get(member["type"].partition("[")[0])  # of an array, the first
        if nested is None:
            return None
        fields = nested["fields"]
    member = fields.get(last)
    return None if member is None else {**member, "offset": offset + member["offset"]}


def place_of(types: Types, structure: str, path: str) -> Place | None:
    """The place of a dotted path inside a structure, or ``None`` where the types have no such path."""
    member = member_of(types, structure, path)
    return None if member is None else _place(member)


def _place(member: Mapping[str, Any]) -> Place:
    return Place(member["offset"], member["size"], member.get("bit"), member.get("bits"))


def places_of(types: Types, layout: Layout, pointer_size: int) -> dict[str, Place] | None:
    """Each declared field's place, leaving out those that the types do not have.

    Returns ``None`` where the types lack the whole structure, or have it without any declared field.
    """
    if layout.name not in types:
        return None
    found: dict[str, Place] = {}
    for field in layout.fields:
        named = declared_member(types, layout, field, pointer_size)
        if named is not None:
            found[field] = _place(named[1])
    return found or None


def declared_member(types: Types, layout: Layout, field: str, pointer_size: int) -> tuple[str, dict[str, Any]] | None:
    """The path under which the types keep a declared field, and the member as it is read; ``None`` where they do not.

    The types have the structure.
    """
    kind = layout.fields[field].type
    for path in layout.paths(field):
        member = member_of(types, layout.name, path)
        if member is not None and kind != Bytes:
            member = _first_element(member)
        if member is not None and _readable(member, kind, pointer_size):
            return path, _above_bits(types[layout.name]["fields"], member) if kind is FileTime else member
    return None


def _above_bits(fields: Mapping[str, Any], member: dict[str, Any]) -> dict[str, Any]:
    """A time as it is, or what bit-fields in its lowest bits leave of it.

    A thread of Windows XP counts its nested faults in the lowest three bits of the time of its creation.
    """
    here = (other for other in fields.values() if other["offset"] == member["offset"] and other.get("bits"))
    taken = max((other["bit"] + other["bits"] for other in here), default=0)
    return member | {"bit": taken, "bits": 8 * member["size"] - taken} if taken else member


def _first_element(member: dict[str, Any]) -> dict[str, Any]:
    """A member as it is, or the first element where it is an array (of page-table roots, before Windows Vista)."""
    _, bracket, count = member["type"].partition("[")
    if not bracket:
        return member
    return member | {"size": member["size"] // max(int(count.partition("]")[0] or 1), 1)}


def _readable(member: Mapping[str, Any], kind: FieldType, pointer_size: int) -> bool:
    """Whether a member can be read as the declared type: a path may name something else in another build."""
    if member.get("bit") is not None:
        return True
    return kind.fits(member["size"], pointer_size)


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
