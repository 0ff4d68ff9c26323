"""A layout from a symbol table of Volatility's, which a user brings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from structs import builds
from structs.families import LAYOUTS
from structs.handle import HANDLE_TABLE_ENTRY
from structs.layout import Build, LayoutError
from structs.machines import BY_POINTER_SIZE

SAME_EVERYWHERE = tuple(LAYOUTS[name] for name in ("_SID", "_CM_KEY_NODE", "_CM_KEY_VALUE"))
"""Structures that files hold as memory does, so that no Windows may change them."""
SIZE_LIMIT = 0x10000
"""Bytes of a structure at the most; the largest that is declared has a few thousand."""
POINTERS = 8
"""Pointers to pointers, and arrays of arrays, that the name of a type is made of at the most."""
UNNAMED_LIMIT = 1 << 12
"""Unnamed unions of one structure that are opened; a table that nests them in a circle ends here."""


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
        build = replace(builds.from_types(types, BY_POINTER_SIZE[pointer].name, 0, origin), pdb=_isf_pdb(isf))
        _refuse_absurd(build)
        _refuse_impossible(build)
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


def _refuse_impossible(build: Build) -> None:
    """Raise where a structure that files hold too lies otherwise than in files, or leaves no room for its fields."""
    known = next(each for each in map(builds.load, builds.names()) if each.pointer_size == build.pointer_size)
    for layout in SAME_EVERYWHERE:
        if layout in build and layout in known:
            for name, place in build[layout].places.items():
                if place != known[layout].places.get(name, place):
                    raise LayoutError(f"{build.name} has {layout.name}.{name} where no Windows has it")
    for name, places in build.places.items():
        for field, place in places.items():
            if place.offset + place.size > build.sizes[name]:
                raise LayoutError(f"{build.name} has {name}.{field} beyond the end of {name}")
    if HANDLE_TABLE_ENTRY in build and build[HANDLE_TABLE_ENTRY].sizeof != 2 * build.pointer_size:
        raise LayoutError(f"{build.name} has handle entries of {build[HANDLE_TABLE_ENTRY].sizeof} bytes")


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
