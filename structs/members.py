"""Any structure as a debugger shows it: every field that symbols have, where the layout in use keeps it.

What the declarations read has its place in the layout, and is the same here; all other fields come from the published
facts of that layout, or from the user's symbol table, and move as the layout was mended.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from structs.families import LAYOUTS
from structs.layout import Build, MissingField
from structs.mending import BETWEEN, Mending
from structs.places import NEIGHBOUR, Place
from structs.published import TRUNCATED, published
from structs.symbols import Types, declared_member

DEEPEST = 16
"""Levels of nested structures that are opened at the most."""
MANY = 1 << 14
"""Fields of one structure that are given at the most; a table that nests structures in a circle ends here."""
FARTHEST = 1 << 24
"""Bytes from the start of a structure beyond which no field lies, whatever a user's table says."""
NEAR_NAMES = 5
ENTRY = "PTE"
"""In the name of every structure that is a page-table entry."""
OTHER_ENTRIES = "a kernel with smaller page-table entries"
"""What the place of a field rests on that such an entry stands before, in a layout of a kernel without PAE."""

DOUBTFUL = frozenset({NEIGHBOUR, OTHER_ENTRIES})
"""What a place rests on that is no better than a guess from another kernel."""


class UnknownName(Exception):
    """There is no structure, or no field, of that name; the message is one line with those that come near."""


class Asked(NamedTuple):
    """What of which structure.

    Attributes:
        structure: as the layout or the declarations spell it.
        path: the member that is asked for, dotted, as symbols have it; empty for the whole structure.
    """

    structure: str
    path: str = ""


@dataclass(frozen=True, slots=True)
class Member:
    """One field of a structure.

    Attributes:
        field: the name that the declaration of the structure has for it, else as symbols have it.
        path: the names that lead to it from the structure, dotted, as symbols have them; empty where they have it not.
        level: how many structures it lies in below the one that was asked for.
        place: from the start of the structure; ``None`` where this build does not have the field.
        type: as the facts write it (see their README), empty where symbols have it not.
        source: what its place rests on; empty without a place.
        declared: the declaration reads it.
    """

    field: str
    path: str
    level: int
    place: Place | None
    type: str
    source: str
    declared: bool

    @property
    def doubtful(self) -> bool:
        """Whether its place rests on nothing better than the layout of another kernel.

        Fields that no declaration reads are many more, and of these some lay wrong between two that are known.
        """
        return self.source in DOUBTFUL or (self.source == BETWEEN and not self.declared)


def types_of(build: Build) -> Types:
    """Every structure that is known of a layout's kernel, or of the one that it was mended from."""
    return published(build.base or build.name) if build.types is None else build.types


def cut_short(build: Build, structure: str) -> bool:
    """Whether the facts have only some of the fields of a structure."""
    return TRUNCATED in types_of(build).get(structure, {}).get("kind", "")


def asked(build: Build, name: str) -> Asked:
    """The structure, and the member of it, that a name means; case and the leading underscore do not matter.

    Args:
        build: the layout in use.
        name: ``_EPROCESS``, or ``_EPROCESS.Vm.Instance``, with a module in front as debuggers have it (``nt!``) or not.

    Raises:
        UnknownName: there is none.
    """
    first, _, rest = name.strip().rpartition("!")[2].partition(".")
    types = types_of(build)
    known = {each.lstrip("_").lower(): each for each in (*types, *LAYOUTS)}
    structure = known.get(first.lstrip("_").lower())
    if structure is None:
        raise UnknownName(f"no structure is named {first!r}{near(first, known.values())}")
    if not rest:
        return Asked(structure)
    path: list[str] = []
    here, parts = structure, rest.split(".")
    for at, part in enumerate(parts):
        fields = {field.lower(): field for field in _fields(types, here)}
        ours = _declared_path(build, structure, part) if not at and part.lower() not in fields else ""
        if not ours and part.lower() not in fields:
            raise UnknownName(f"{'.'.join([structure, *path])} has no field {part!r}{near(part, fields.values())}")
        path += [ours or fields[part.lower()]]
        here = "" if ours else types[here]["fields"][path[-1]]["type"]
    return Asked(structure, ".".join(path))


def near(name: str, known: Iterable[str]) -> str:
    """The names that come near one, in words; empty where none does."""
    plain = name.lstrip("_").lower()
    names = {each.lstrip("_").lower(): each for each in known}
    found = difflib.get_close_matches(plain, names, NEAR_NAMES, 0.75)
    found += [each for each in sorted(names, key=len) if plain and plain in each and each not in found]
    return f"; near it are {', '.join(names[each] for each in found[:NEAR_NAMES])}" if found else ""


def members(build: Build, want: Asked, depth: int = 0) -> list[Member]:
    """The fields of a structure in the order that they have in memory, nested ones below the one that holds them.

    Fields that the declaration reads and that lie deeper than that stand among them, under their whole path; those
    that this build does not have come last.

    Args:
        build: the layout in use.
        want: the structure, or the member whose fields are wanted; a member without fields is given itself.
        depth: levels of nested structures that are opened.

    Raises:
        MissingField: this build has no such structure.
    """
    types, structure = types_of(build), want.structure
    ours = _declared(build, structure)
    if structure not in types:
        if structure not in build.sizes:
            raise MissingField(structure, "", build.name)
        return _in_order(list(ours.values()))
    found: list[Member] = []
    by_path = {member.path: member for member in ours.values() if member.path}
    plain = list(_walk(types, structure, want.path, min(depth, DEEPEST)))
    seen = {path for path, *_ in plain}
    prefix = f"{want.path}." if want.path else ""
    deeper = [
        each for each in by_path.values() if each.path not in seen and each.path.startswith(prefix) and each.place
    ]
    places = _placed(build, structure, {path: place for path, _, place, _ in plain})
    for path, level, _, kind in plain:
        own = by_path.get(path)
        if own is not None:
            found.append(Member(own.field, path, level, own.place, kind, own.source, True))
        else:
            source, place = places[path]
            found.append(Member(path.removeprefix(prefix), path, level, place, kind, source, False))
    whole = _in_order([*found, *deeper]) if depth == 0 else _woven(found, deeper)
    return whole if want.path else [*whole, *(each for each in ours.values() if each.place is None)]


def _declared(build: Build, structure: str) -> dict[str, Member]:
    """The fields that the declaration of a structure has, with or without a place; none where it is not declared."""
    layout = LAYOUTS.get(structure)
    if layout is None:
        return {}
    types = types_of(build)
    found: dict[str, Member] = {}
    for field in layout.fields:
        place = build.place(structure, field)
        named = declared_member(types, layout, field, build.pointer_size) if structure in types else None
        path, kind = ("", "") if named is None else (named[0], str(named[1]["type"]))
        source = "" if place is None else build.source(structure, field)
        found[field] = Member(field, path, 0, place, kind, source, True)
    return found


def _declared_path(build: Build, structure: str, name: str) -> str:
    """The path of a field by the name that the declaration has for it; empty where it has none."""
    same = (each.path for each in _declared(build, structure).values() if each.field.lower() == name.lower())
    return next(same, "")


def _fields(types: Types, structure: str) -> Mapping[str, Mapping[str, Any]]:
    """The fields of a structure by name; none where it is not one, and none of them unnamed, whose own are lifted."""
    fields = types.get(structure, {"fields": {}})["fields"]
    return {
        name: member
        for name, member in fields.items()
        if not name.startswith("unnamed_") and _sane(member["offset"]) and _sane(member["size"])
    }


def _sane(number: object) -> bool:
    return type(number) is int and 0 <= number < FARTHEST


def _walk(types: Types, structure: str, path: str, depth: int) -> Iterator[tuple[str, int, Place, str]]:
    """Path, level, place as published, and type of each field below a path."""
    here, offset, way = structure, 0, path.split(".") if path else []
    member: Mapping[str, Any] = {}
    for name in way:
        member = _fields(types, here)[name]
        offset, here = offset + member["offset"], member["type"]
    if path and not _fields(types, here):
        yield path, 0, _place(member, offset - member["offset"]), member["type"]
        return
    count = 0
    pending = [(f"{path}." if path else "", 0, offset, here)]
    stack = [iter(_by_place(types, here))]
    while stack:
        step = next(stack[-1], None)
        if step is None or count >= MANY:
            stack.pop()
            pending.pop()
            continue
        prefix, level, start, _ = pending[-1]
        name, member = step
        count += 1
        yield prefix + name, level, _place(member, start), str(member["type"])
        if level < depth and _fields(types, member["type"]):
            pending.append((f"{prefix}{name}.", level + 1, start + member["offset"], member["type"]))
            stack.append(iter(_by_place(types, member["type"])))


def _by_place(types: Types, structure: str) -> list[tuple[str, Mapping[str, Any]]]:
    """The fields of a structure in the order of their places."""
    fields = _fields(types, structure).items()
    return sorted(fields, key=lambda item: (item[1]["offset"], item[1].get("bit") or 0))


def _place(member: Mapping[str, Any], start: int) -> Place:
    return Place(start + member["offset"], member["size"], member.get("bit"), member.get("bits"))


def _placed(build: Build, structure: str, places: Mapping[str, Place]) -> dict[str, tuple[str, Place]]:
    """Where fields lie in the layout in use that its facts have at these places, and what that rests on."""
    how = mending_of(build, structure)
    if how is not None:
        return how.placed(places)
    source = build.source(structure, "")
    doubtful = _other_entries(build, structure) if build.other_entries else ()
    return {
        path: (OTHER_ENTRIES if any(place.offset in each for each in doubtful) else source, place)
        for path, place in places.items()
    }


def _other_entries(build: Build, structure: str) -> list[range]:
    """What of a structure lies elsewhere where page-table entries are larger: from each entry to the next sure field.

    Source: the two kernels of Windows 7, x86-7601-23418 without PAE and x86-7601-24000 with it: only structures that
    hold such entries, and what stands behind these, differ for that reason.
    """
    types = types_of(build)
    if ENTRY in structure:
        return [range(types[structure]["size"])]
    sure = sorted(place.offset for place in build.places.get(structure, {}).values())
    ends = [*sure, types[structure]["size"]]
    entries = [m["offset"] for m in types[structure]["fields"].values() if _holds_entry(types, m["type"], DEEPEST)]
    return [range(start, next((end for end in ends if end > start), start + 1)) for start in entries]


def _holds_entry(types: Types, kind: str, depth: int) -> bool:
    """Whether a field of a type holds a page-table entry."""
    name = kind.partition("[")[0]
    if name not in types or not depth:
        return False
    inside = types[name]["fields"].values()
    return ENTRY in name or any(_holds_entry(types, each["type"], depth - 1) for each in inside)


def mending_of(build: Build, structure: str) -> Mending | None:
    """How the fields of a structure move in a mended layout: its own, or those of one that begins with it."""
    if structure in build.mendings or not build.mendings:
        return build.mendings.get(structure)
    types = types_of(build)
    for owner, how in build.mendings.items():
        fields = types.get(owner, {"fields": {}})["fields"].values()
        if any(member["type"] == structure and member["offset"] == 0 for member in fields):
            return how
    return None


def _in_order(found: list[Member]) -> list[Member]:
    """In the order of their places, those without one last."""
    return sorted(found, key=lambda each: (each.place is None, *_position(each.place)))


def _woven(found: list[Member], deeper: list[Member]) -> list[Member]:
    """Members of several levels, and before the first of the lowest level that lies behind it each that lies deeper."""
    whole = list(found)
    for each in sorted(deeper, key=lambda member: _position(member.place), reverse=True):
        behind = (at for at, one in enumerate(whole) if not one.level and _position(one.place) > _position(each.place))
        whole.insert(next(behind, len(whole)), each)
    return whole


def _position(place: Place | None) -> tuple[int, int]:
    return (place.offset, place.bit or 0) if place else (0, 0)
