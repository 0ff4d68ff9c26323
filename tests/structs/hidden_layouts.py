"""Whole layouts taken for unknown but for the facts that partial ones have: how right is what is made of them?"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from structs import builds, partial
from structs.layout import Build
from structs.members import Asked, members
from structs.published import published


def facts_of(name: str) -> dict[str, int]:
    """Of a whole layout, the facts that partial layouts have."""
    types, found = published(name), {}
    for fact in partial.kinds():
        structure, _, field = fact.partition(".")
        if structure in types and not field:
            found[fact] = types[structure]["size"]
        elif field in types.get(structure, {"fields": {}})["fields"]:
            found[fact] = types[structure]["fields"][field]["offset"]
    return found


def as_unknown(name: str, same: bool) -> Build | None:
    """A layout made of its own partial facts and the nearest other layout.

    Args:
        name: of the layout.
        same: the nearest of the same build number, else of another; ``None`` where there is none.
    """
    arch, number, _ = name.split("-")[:3]
    others = [
        n for n in builds.names() if n.startswith(f"{arch}-") and n != name and (n.split("-")[1] == number) == same
    ]
    if not others:
        return None
    facts = facts_of(name)

    def order(other: str) -> tuple[int, int]:
        return partial.contradictions(published(other), facts), abs(int(other.split("-")[1]) - int(number))

    near = builds.load(min(reversed(others), key=order))
    return builds.with_facts(replace(near, estimated=True, base=near.name, name="unknown"), facts, int(number))


def right_and_wrong(build: Build, truth: Build) -> Counter[tuple[str, bool]]:
    """Declared fields by what their place rests on, and whether it is right."""
    found = Counter[tuple[str, bool]]()
    for structure in build.places.keys() - build.natural:
        for field, place in build.places[structure].items():
            told = truth.place(structure, field)
            if told is not None:
                found[build.source(structure, field), (place.offset, place.bit) == (told.offset, told.bit)] += 1
    return found


def others_right_and_wrong(build: Build, name: str) -> Counter[tuple[str, bool]]:
    """The same of the fields that no declaration reads, of the structures that the facts are about."""
    found, types = Counter[tuple[str, bool]](), published(name)
    for structure in {fact.partition(".")[0] for fact in partial.kinds()} & types.keys():
        if structure not in published(build.base):
            continue
        for each in members(build, Asked(structure)):
            told = types[structure]["fields"].get(each.path)
            if told is not None and each.place is not None and not each.declared:
                found[each.source, (told["offset"], told.get("bit")) == (each.place.offset, each.place.bit)] += 1
    return found
