"""Which layout applies: by PDB GUID, by build number, or the nearest build, marked as estimated."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cache
from importlib.resources import files
from typing import Any, cast

from structs.families import LAYOUTS
from structs.handle import FIVE_LEVEL_PLACES, HANDLE_TABLE_ENTRY
from structs.later_sizes import LATER_SIZES
from structs.layout import Build, LayoutError, Place
from structs.machines import BY_POINTER_SIZE, KERNELS
from structs.section import SEGMENT
from structs.symbols import Types, collect

UNPUBLISHED = [layout for layout in LAYOUTS.values() if layout.widths]
SIZE_LIMIT = 0x10000
"""Bytes of a structure at the most; the largest that is declared has a few thousand."""
POINTERS = 8
"""Pointers to pointers, and arrays of arrays, that the name of a type is made of at the most."""
UNNAMED_LIMIT = 1 << 12
"""Unnamed unions of one structure that are opened; a table that nests them in a circle ends here."""


def _read(name: str) -> Any:
    return json.loads(files("structs").joinpath("offsets", f"{name}.json").read_text("utf-8"))


@cache
def _index() -> dict[str, dict[str, Any]]:
    return cast("dict[str, dict[str, Any]]", _read("builds"))


@cache
def names() -> list[str]:
    """The names of every layout that ships, for instance ``x64-19041-3324``, sorted."""
    folder = files("structs").joinpath("offsets")
    stems = (entry.name.removesuffix(".json") for entry in folder.iterdir() if entry.name.startswith("x"))
    return sorted(stems)


@cache
def load(name: str) -> Build:
    """One layout that ships, by its name.

    Raises:
        LayoutError: no such layout ships.
    """
    if name not in names():
        raise LayoutError(f"no layout is named {name}")
    data = _read(name)
    build = _build(
        name,
        data["arch"],
        data["build"],
        {structure: entry[0] for structure, entry in data["structs"].items()},
        {
            structure: {field: Place(*place) for field, place in entry[1].items()}
            for structure, entry in data["structs"].items()
        },
    )
    return replace(build, later_sizes=LATER_SIZES.get(name, {}))


def offsets(structure: str, fields: Sequence[str]) -> Iterator[tuple[int, tuple[int, ...]]]:
    """Pointer size and offsets of some fields of a structure, of each layout that has them all; it loads none."""
    for name in names():
        data = _read(name)
        places = data["structs"].get(structure, (0, {}))[1]
        if all(field in places for field in fields):
            yield data["pointer_size"], tuple(places[field][0] for field in fields)


def _build(
    name: str, arch: str, number: int, sizes: dict[str, int], places: dict[str, dict[str, Place]], origin: str = ""
) -> Build:
    """A build of what its symbols tell, and of the structures that no kernel's public symbols describe."""
    pointer_size = KERNELS[arch].pointer_size
    missing = [layout for layout in UNPUBLISHED if layout.name not in sizes]
    for layout in missing:
        sizes[layout.name], places[layout.name] = layout.natural(pointer_size)
    natural = frozenset(layout.name for layout in missing)
    return Build(name, arch, number, pointer_size, sizes, places, origin=origin, natural=natural)


def base_of(build: Build) -> Build:
    """The layout that ships which a layout was mended from; the layout itself where it is none of these."""
    name = build.base or build.name
    return load(name) if name in names() else build


def by_pdb(guid: str, age: int) -> Build | None:
    """The layout of the kernel with this PDB, or ``None`` where the PDB is not known.

    The layout is marked as estimated where the facts only say which layout comes closest.

    Args:
        guid: 32 hexadecimal digits, capital letters.
        age: the PDB's age.
    """
    entry = _read("pdbs").get(f"{guid}-{age}")
    if entry is None:
        return None
    name, proved, _ = entry
    origin = f"kernel PDB {guid}-{age}"
    if not proved:
        origin += ", nearest layout known for it"
    return replace(load(name), estimated=not proved, origin=origin)


def published_pdbs(name: str) -> Iterator[tuple[str, int]]:
    """GUID and age of each PDB that is known to have exactly the layout with this name, in order."""
    for pdb, (layout, proved, *_) in sorted(_read("pdbs").items()):
        if layout == name and proved:
            guid, _, age = pdb.partition("-")
            yield guid, int(age)


def of_kernel(arch: str, number: int) -> int:
    """The build of the kernel files that a Windows of this number runs, for instance 19041 for 19045."""
    return int(_index()["aliases"].get(arch, {}).get(str(number), number))


def by_number(arch: str, number: int, revision: int | None = None) -> Build | None:
    """The layout of a build number, or ``None`` where no layout of that build ships.

    Args:
        arch: ``x64`` or ``x86``.
        number: NtBuildNumber, for instance 19045 (served by the layouts of 19041).
        revision: the update build revision if it is known; without it the newest layout of the build
            is taken and marked as estimated, for an update may have moved fields that no layout here shows.
            So it is with a revision that is newer than any that the facts were taken from.
    """
    if arch not in KERNELS:
        return None
    number = of_kernel(arch, number)
    entries = _index()[arch].get(str(number))
    if not entries:
        return None
    if revision is None:
        return replace(load(entries[-1][0]), estimated=True, origin=f"build number {number}, update unknown")
    chosen = next((name for name, start in reversed(entries) if start <= revision), entries[0][0])
    later = revision > int(_index()["seen"][arch][str(number)])
    origin = f"build number {number}, revision {revision}" + (", newer than the newest known" if later else "")
    return replace(load(chosen), estimated=later, origin=origin)


def without_pae(build: Build) -> bool:
    """Whether a 32-bit layout was made for kernels without PAE, whose page-table entries have half the width.

    What holds such entries (_SEGMENT) lies elsewhere in a kernel with PAE.
    """
    return build.name in _index()["without PAE"]


def nearest(arch: str, number: int) -> Iterator[Build]:
    """Every build's newest layout, nearest build number first, all marked as estimated.

    The caller proves each against the memory before it believes one.
    """
    known = _index()[arch] if arch in KERNELS else {}
    numbers = sorted((int(n) for n in known), key=lambda n: (abs(n - number), -n))
    for candidate in numbers:
        for name, _ in reversed(known[str(candidate)]):
            yield replace(load(name), estimated=True, origin=f"build {number} is not known, nearest is {candidate}")


def with_entries(build: Build, size: int) -> Build:
    """The layout of the same kernel where page-table entries have another size, as 32-bit kernels with PAE have.

    Layouts of 32-bit Windows XP to 7 were made of kernels without it.  Of what is declared, only _SEGMENT keeps
    entries before other fields, up to Windows Server 2003: a template, and at its end the first prototype entry.

    Source: the two kernels of Windows 7 among the layouts (x86-7601-23418 without PAE, x86-7601-24000 with it), which
    differ in nothing else that is declared; a C compiler's alignment.
    """
    build = replace(build, other_entries=size == 8 and build.pointer_size == 4 and without_pae(build))
    segment = build.places.get(SEGMENT.name, {})
    template = segment.get("SegmentPteTemplate")
    if template is None or template.size == size:
        return build
    more = size - template.size
    places = {
        name: replace(place, offset=place.offset + more) if place.offset > template.offset else place
        for name, place in segment.items()
    } | {"SegmentPteTemplate": replace(template, size=size)}
    sizes = {**build.sizes, SEGMENT.name: build.sizes[SEGMENT.name] + 2 * more}
    return replace(build, sizes=sizes, places={**build.places, SEGMENT.name: places}, _bound={})


def with_five_levels(build: Build) -> Build:
    """The layout as the kernel for page tables of five levels packs the entries of its handle tables.

    What is published of layouts was taken from kernels for four levels, so that it is an estimate.
    """
    entry = build.places.get(HANDLE_TABLE_ENTRY.name, {})
    if build.pointer_size != 8 or not entry.keys() >= FIVE_LEVEL_PLACES.keys():
        return build
    places = {**build.places, HANDLE_TABLE_ENTRY.name: {**entry, **FIVE_LEVEL_PLACES}}
    return replace(build, places=places, _bound={})


def wow64(number: int) -> Build:
    """The layout of what 32-bit processes keep in their own memory, on a 64-bit Windows of this build number.

    The x86 layout of the same build, else the nearest: user-mode structures hardly ever differ.
    """
    return by_number("x86", number) or next(nearest("x86", number))


def from_types(types: Types, arch: str, number: int, origin: str) -> Build:
    """A layout from a kernel's type information (see :mod:`structs.symbols`), for instance a user's symbol table.

    Raises:
        LayoutError: the types hold no process structure, so they are not a kernel's.
    """
    sizes, places = collect(types, LAYOUTS.values(), KERNELS[arch].pointer_size)
    if "_EPROCESS" not in sizes:
        raise LayoutError(f"{origin} describes no _EPROCESS, so it is not a Windows kernel's symbol table")
    return replace(_build(origin, arch, number, sizes, places, origin), types=types)


def from_isf(isf: Mapping[str, Any], origin: str) -> Build:
    """A layout from a Volatility symbol table (its JSON, already parsed).

    Raises:
        LayoutError: the table is not one of a Windows kernel.
    """
    try:
        pointer = isf["base_types"]["pointer"]["size"]
        sizes = {name: base["size"] for name, base in isf["base_types"].items()}
        sizes |= {name: user["size"] for name, user in isf["user_types"].items()}
        sizes |= {name: sizes[enum["base"]] for name, enum in isf.get("enums", {}).items()}
        types = {
            name: {
                "size": user["size"],
                "kind": "u" if user.get("kind") == "union" else "s",
                "fields": {f: _isf_field(m, sizes, pointer, isf["base_types"]) for f, m in user["fields"].items()},
            }
            for name, user in isf["user_types"].items()
        }
        if pointer not in BY_POINTER_SIZE:
            raise LayoutError(f"{origin} has pointers of {pointer} bytes")
        for fields in types.values():
            _lift_unnamed(types, fields)
        build = replace(from_types(types, BY_POINTER_SIZE[pointer].name, 0, origin), pdb=_isf_pdb(isf))
        _refuse_absurd(build)
        for layout in LAYOUTS.values():
            if layout in build:
                build[layout].struct.sizeof()  # a place that cannot be is refused here, not when it is read
    except (KeyError, TypeError, AttributeError, ValueError, OverflowError) as error:
        raise LayoutError(f"{origin} is not a Volatility symbol table: {error!r}") from None
    return build


def _isf_pdb(isf: Mapping[str, Any]) -> str:
    """Name, GUID and age of the PDB that a symbol table says it was made of, empty where it says none."""
    told = isf.get("metadata", {}).get("windows", {}).get("pdb", {})
    names = (told.get("database"), told.get("GUID"), told.get("age"))
    return "" if None in names else f"{names[0]} {str(names[1]).upper()}-{names[2]}"


def _refuse_absurd(build: Build) -> None:
    """Raise where a size or a place is no whole number, or larger than any structure is."""
    for name, size in build.sizes.items():
        numbers = [size]
        for place in build.places[name].values():
            numbers += [n for n in (place.offset, place.size, place.bit, place.bits) if n is not None]
        if any(type(number) is not int or not 0 <= number <= SIZE_LIMIT for number in numbers):
            raise LayoutError(f"{build.name} gives {name} sizes or offsets that no structure has")


def _isf_field(
    member: Mapping[str, Any], sizes: Mapping[str, int], pointer: int, base: Mapping[str, Any]
) -> dict[str, Any]:
    kind = member["type"]
    plain: dict[str, Any] = {"offset": member["offset"]}
    if kind["kind"] == "bitfield":
        plain |= {"bit": kind["bit_position"], "bits": kind["bit_length"]}
        kind = kind["type"]
    return plain | {"type": _isf_type(kind, base), "size": _isf_size(kind, sizes, pointer)}


def _isf_type(kind: Mapping[str, Any], base: Mapping[str, Any]) -> str:
    """A type as the published facts write it: u32, _LIST_ENTRY, void*, enum:_NAME, u8[15]."""
    after = ""
    for _ in range(POINTERS):  # of pointers to pointers, arrays of arrays
        if kind["kind"] == "pointer":
            after, kind = "*" + after, kind["subtype"]
        elif kind["kind"] == "array":
            after, kind = f"[{int(kind['count'])}]{after}", kind["subtype"]
        else:
            break
    name = str(kind.get("name", ""))
    known = base.get(name)
    if kind["kind"] == "function":
        name = "func" if after else "func*"
    elif kind["kind"] == "enum":
        name = f"enum:{name}"
    elif kind["kind"] == "base" and known is not None and known.get("kind") in ("int", "char", "bool", "float"):
        letter = "f" if known["kind"] == "float" else "i" if known.get("signed") else "u"
        name = f"{letter}{8 * int(known['size'])}"
    return name + after


def _isf_size(kind: Mapping[str, Any], sizes: Mapping[str, int], pointer: int) -> int:
    if kind["kind"] in ("pointer", "function"):
        return pointer
    if kind["kind"] == "array":
        return int(kind["count"]) * _isf_size(kind["subtype"], sizes, pointer)
    return sizes.get(kind["name"], 0)


def _lift_unnamed(types: Mapping[str, Any], structure: dict[str, Any]) -> None:
    """Give a structure the members of its unnamed unions, as if they were its own."""
    pending = [member for name, member in structure["fields"].items() if name.startswith("unnamed_")]
    for _ in range(UNNAMED_LIMIT):
        if not pending:
            return
        union = pending.pop()
        for name, member in types.get(union["type"], {"fields": {}})["fields"].items():
            lifted = member | {"offset": union["offset"] + member["offset"]}
            if name.startswith("unnamed_"):
                pending.append(lifted)
            else:
                structure["fields"].setdefault(name, lifted)
