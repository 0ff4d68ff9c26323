"""Kernels of which only some facts are published: a few sizes and offsets each, without types.

Such a layout is the nearest whole one with the facts put over it (:mod:`structs.anchored`).  Facts of a PDB count for
that PDB; sets of facts of kernel files (:mod:`structs.kernel_files`) for each file that has the set.

Source: the partial layouts and the kernel fields of the facts (``scripts/import_layouts.py``).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.resources import files
from typing import Any, NamedTuple, cast

from structs.families import LAYOUTS
from structs.mending import PARTIAL, Anchor
from structs.places import Place
from structs.symbols import Types

Facts = Mapping[str, int]
"""``_STRUCTURE`` to its size, and ``_STRUCTURE.Field`` to its offset, in bytes."""


class PartialLayout(NamedTuple):
    """A layout of partial facts.

    Attributes:
        of: name of the nearest layout, which may be one of partial facts itself.
        number: build number of the kernel.
        facts: what is known.
    """

    of: str
    number: int
    facts: Facts


@cache
def _data() -> dict[str, Any]:
    text = files("structs").joinpath("offsets", "partial.json").read_text("utf-8")
    return cast("dict[str, Any]", json.loads(text))


@cache
def names() -> list[str]:
    """The name of each layout of partial facts, for instance ``x64-28000-p1``, sorted."""
    return sorted(_data()["layouts"])


@cache
def named(name: str) -> PartialLayout:
    """One of them; ``KeyError`` where there is none of that name."""
    of, number, values = _data()["layouts"][name]
    if isinstance(values, int):
        return PartialLayout(of, number, of_set(values))
    facts = {fact: value for fact, value in zip(_data()["facts"], values, strict=True) if value is not None}
    return PartialLayout(of, number, facts)


def kinds() -> list[str]:
    """Every fact that some partial layout has, sorted."""
    return cast("list[str]", _data()["facts"])


def of_set(number: int) -> Facts:
    """The facts of a set of kernel files; none where there is no such set."""
    return cast("Facts", _data()["sets"].get(str(number), {}))


def anchors(types: Types, facts: Facts, source: str = PARTIAL) -> dict[str, list[Anchor]]:
    """Structure to what the facts say of it, and of structures that lie in it at a place that is known.

    Args:
        types: of the layout that is mended; facts of fields that it lacks are left out.
        facts: sizes and offsets.
        source: what they are.
    """
    found: dict[str, list[Anchor]] = {}
    for fact, value in facts.items():
        name, _, field = fact.partition(".")
        structure = types.get(name)
        if structure is None:
            continue
        if not field:
            size = structure["size"]
            found.setdefault(name, []).append(Anchor(Place(size, 0), value - size, source))
        elif field in structure["fields"]:
            member = structure["fields"][field]
            place = Place(member["offset"], member["size"], member.get("bit"), member.get("bits"))
            found.setdefault(name, []).append(Anchor(place, value - place.offset, source))
    for owner in LAYOUTS:
        inner = list(_lifted(types, facts, owner, found))
        if inner:
            found[owner] = [*found.get(owner, []), *inner]
    return found


def _lifted(types: Types, facts: Facts, owner: str, known: Mapping[str, list[Anchor]]) -> Iterator[Anchor]:
    """What is known of the structures within a structure, where it is known where these lie."""
    for name, member in types.get(owner, {"fields": {}})["fields"].items():
        start, kind = member["offset"], member["type"]
        at = 0 if start == 0 else facts.get(f"{owner}.{name}")
        if kind == owner or at is None:
            continue
        for place, by, source in known.get(kind, ()):
            inner = Place(place.offset + start, place.size, place.bit, place.bits)
            yield Anchor(inner, by + at - start, source)


def contradictions(types: Types, facts: Facts) -> int:
    """How many places of a layout the facts contradict, and how many sizes."""
    return sum(anchor.by != 0 for each in anchors(types, facts).values() for anchor in each)


def lacking(types: Types, facts: Facts, structure: str) -> Iterator[tuple[str, int]]:
    """Declared fields of a structure that the facts have and the layout lacks, with their offsets.

    Also those of a structure that it begins with, as an _EPROCESS does with its _KPROCESS.
    """
    for field in LAYOUTS[structure].fields:
        for path in LAYOUTS[structure].paths(field):
            outer, _, name = path.rpartition(".")
            member = types[structure]["fields"].get(outer) if outer else {"offset": 0, "type": structure}
            if member is None or member["offset"]:
                continue
            owner = str(member["type"])
            if f"{owner}.{name}" in facts and name not in types.get(owner, {"fields": {}})["fields"]:
                yield field, facts[f"{owner}.{name}"]
