"""A layout from a user's symbol table: whole, miniature and broken ones, and real ones against what ships."""

from __future__ import annotations

import copy
import json
import lzma
import random
from pathlib import Path
from typing import Any

import pytest

from structs import builds
from structs.families import LAYOUTS
from structs.isf import from_isf
from structs.layout import Build, LayoutError, Place
from tests.strategies import declared

SHARED = Path(__file__).resolve().parents[2].parent / "shared"
TABLES = sorted((SHARED / "isf").rglob("*.json.xz"))

POINTER = {"kind": "pointer", "subtype": {"kind": "struct", "name": "_TOKEN"}}
ULONG = {"kind": "base", "name": "unsigned long"}


def base(size: int) -> dict[str, Any]:
    return {"size": size, "signed": False, "kind": "int", "endian": "little"}


def miniature() -> dict[str, Any]:
    """A symbol table with one of each: pointer, array, enum, bit-field, nested, and unnamed unions in unions."""
    bits = {"kind": "bitfield", "bit_position": 3, "bit_length": 1, "type": ULONG}
    name = {"kind": "array", "count": 15, "subtype": {"kind": "base", "name": "unsigned char"}}
    return {
        "base_types": {"pointer": base(8), "unsigned long": base(4), "unsigned char": base(1), "long long": base(8)},
        "enums": {"_CLASS": {"base": "unsigned char", "size": 1, "constants": {"Idle": 1}}},
        "user_types": {
            "_EPROCESS": {
                "kind": "struct",
                "size": 0x100,
                "fields": {
                    "Pcb": {"offset": 0, "type": {"kind": "struct", "name": "_KPROCESS"}},
                    "UniqueProcessId": {"offset": 0x40, "type": POINTER},
                    "ActiveProcessLinks": {"offset": 0x48, "type": {"kind": "struct", "name": "_LIST_ENTRY"}},
                    "ImageFileName": {"offset": 0x58, "type": name},
                    "PriorityClass": {"offset": 0x67, "type": {"kind": "enum", "name": "_CLASS"}},
                    "Token": {"offset": 0x68, "type": {"kind": "struct", "name": "_EX_FAST_REF"}},
                    "unnamed_0": {"offset": 0x70, "type": {"kind": "union", "name": "__unnamed_1"}},
                    "DebugPort": {"offset": 0x90, "type": {"kind": "function"}},
                },
            },
            "_KPROCESS": {
                "kind": "struct",
                "size": 0x40,
                "fields": {"DirectoryTableBase": {"offset": 0x28, "type": {"kind": "base", "name": "long long"}}},
            },
            "_LIST_ENTRY": {
                "kind": "struct",
                "size": 16,
                "fields": {"Flink": {"offset": 0, "type": POINTER}, "Blink": {"offset": 8, "type": POINTER}},
            },
            "_EX_FAST_REF": {"kind": "struct", "size": 8, "fields": {"Object": {"offset": 0, "type": POINTER}}},
            "__unnamed_1": {
                "kind": "union",
                "size": 8,
                "fields": {
                    "Cookie": {"offset": 0, "type": ULONG},
                    "unnamed_1": {"offset": 4, "type": {"kind": "struct", "name": "__unnamed_2"}},
                },
            },
            "__unnamed_2": {"kind": "struct", "size": 4, "fields": {"ProcessExiting": {"offset": 0, "type": bits}}},
        },
        "symbols": {},
        "metadata": {},
    }


def test_a_symbol_table_gives_places_through_every_kind_of_type() -> None:
    build = from_isf(miniature(), "mini.json")
    assert (
        build.arch,
        build.pointer_size,
        build.number,
        build.estimated,
        build.origin,
    ) == ("x64", 8, 0, False, "mini.json")
    published = {name: size for name, size in build.sizes.items() if not LAYOUTS[name].widths}
    assert published == {"_EPROCESS": 0x100}
    assert {
        "DirectoryTableBase": Place(0x28, 8),
        "UniqueProcessId": Place(0x40, 8),
        "ActiveProcessLinks": Place(0x48, 16),
        "ImageFileName": Place(0x58, 15),
        "PriorityClass": Place(0x67, 1),
        "Token": Place(0x68, 8),
        "Cookie": Place(0x70, 4),
        "ProcessExiting": Place(0x74, 4, 3, 1),
        "DebugPort": Place(0x90, 8),
    } == build.places["_EPROCESS"]
    assert build[LAYOUTS["_EPROCESS"]].struct.sizeof() == 0x100


def test_the_pointers_of_a_symbol_table_tell_the_architecture() -> None:
    table = miniature()
    table["base_types"]["pointer"]["size"] = 4
    build = from_isf(table, "mini.json")
    assert (build.arch, build.pointer_size) == ("x86", 4)
    assert Place(0x40, 4) == build.places["_EPROCESS"]["UniqueProcessId"]


def test_a_member_of_the_structure_is_not_replaced_by_one_of_an_unnamed_union() -> None:
    table = miniature()
    table["user_types"]["_EPROCESS"]["fields"]["Cookie"] = {"offset": 0x20, "type": ULONG}
    assert Place(0x20, 4) == from_isf(table, "mini.json").places["_EPROCESS"]["Cookie"]


def test_unnamed_unions_that_hold_each_other_end() -> None:
    table = miniature()
    inner = table["user_types"]["__unnamed_2"]["fields"]
    inner["unnamed_0"] = {"offset": 0, "type": {"kind": "union", "name": "__unnamed_1"}}
    assert Place(0x74, 4, 3, 1) == from_isf(table, "mini.json").places["_EPROCESS"]["ProcessExiting"]


def test_unnamed_unions_may_bear_the_same_name_at_two_levels() -> None:
    table = miniature()
    fields = table["user_types"]["__unnamed_1"]["fields"]
    fields["unnamed_0"] = fields.pop("unnamed_1")
    assert Place(0x74, 4, 3, 1) == from_isf(table, "mini.json").places["_EPROCESS"].get("ProcessExiting")


def test_a_symbol_table_without_a_process_structure_is_refused() -> None:
    table = miniature()
    del table["user_types"]["_EPROCESS"]
    with pytest.raises(LayoutError, match=r"^mini\.json describes no _EPROCESS"):
        from_isf(table, "mini.json")


@pytest.mark.parametrize("size", [0, 2, 16, "8", None])
def test_a_symbol_table_with_pointers_of_another_width_is_refused(size: Any) -> None:
    table = miniature()
    table["base_types"]["pointer"]["size"] = size
    with pytest.raises(LayoutError, match=r"mini\.json has pointers of"):
        from_isf(table, "mini.json")


@pytest.mark.parametrize("table", [{}, [], None, 7, "text", {"base_types": {}}, {"base_types": None, "user_types": 1}])
def test_what_is_no_symbol_table_is_refused(table: Any) -> None:
    with pytest.raises(LayoutError, match=r"^mini\.json is not a Volatility symbol table"):
        from_isf(table, "mini.json")


def paths(node: Any, here: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The way to every value of a JSON tree."""
    inner = node.items() if isinstance(node, dict) else ()
    return [here] * bool(here) + [path for key, value in inner for path in paths(value, (*here, key))]


def outcome(table: Any) -> Build | LayoutError:
    try:
        return from_isf(table, "mini.json")
    except LayoutError as error:
        return error


def damaged(path: tuple[Any, ...], junk: Any, *, drop: bool = False) -> dict[str, Any]:
    table = copy.deepcopy(miniature())
    node: Any = table
    for key in path[:-1]:
        node = node[key]
    if drop:
        del node[path[-1]]
    else:
        node[path[-1]] = junk
    return table


@pytest.mark.parametrize("path", paths(miniature()), ids="/".join)
def test_a_symbol_table_that_lacks_any_one_thing_is_refused_or_still_read(path: tuple[Any, ...]) -> None:
    assert isinstance(outcome(damaged(path, None, drop=True)), (Build, LayoutError))


def test_a_symbol_table_with_values_of_the_wrong_type_is_refused_or_still_read() -> None:
    dice = random.Random(7)
    for path in paths(miniature()):
        for junk in (None, "x", [], {}, -1, 1.5, dice.getrandbits(70)):
            assert isinstance(outcome(damaged(path, junk)), (Build, LayoutError)), (path, junk)


@pytest.mark.skipif(not TABLES, reason="no symbol tables are at hand")
@pytest.mark.parametrize("path", TABLES, ids=lambda path: path.name.split(".")[0])
def test_a_real_symbol_table_gives_the_layout_that_ships_for_its_kernel(path: Path) -> None:
    with lzma.open(path, "rt", encoding="utf-8") as file:
        table = json.load(file)
    built = from_isf(table, path.name)
    guid, age = path.name.split(".")[0].split("-")
    shipped = builds.by_pdb(guid, int(age))
    assert shipped is not None
    assert (shipped.arch, shipped.pointer_size) == (built.arch, built.pointer_size)
    if shipped.estimated:
        # the facts say themselves that some differ, so only what leads to every process is compared
        fields = ("UniqueProcessId", "ActiveProcessLinks", "Token", "InheritedFromUniqueProcessId", "ImageFileName")
        pairs = [(shipped.places["_EPROCESS"][f], built.places["_EPROCESS"][f]) for f in fields]
        assert [known for known, _ in pairs] == [found for _, found in pairs]
    else:
        assert shipped.sizes == built.sizes
        assert shipped.places == built.places


@pytest.mark.skipif(not TABLES, reason="no symbol tables are at hand")
@pytest.mark.parametrize("path", TABLES, ids=lambda path: path.name.split(".")[0])
def test_every_declared_structure_of_a_real_symbol_table_can_be_bound(path: Path) -> None:
    with lzma.open(path, "rt", encoding="utf-8") as file:
        built = from_isf(json.load(file), path.name)
    bound = declared(built)
    assert built.sizes == {structure.name: structure.struct.sizeof() for structure in bound}


@pytest.mark.parametrize(
    ("structure", "field", "offset", "size"),
    [
        ("_SID", "SubAuthority", 0, 12),
        ("_SID", "SubAuthorityCount", 9, 12),
        ("_CM_KEY_NODE", "Name", 2, 80),
        ("_CM_KEY_NODE", "SubKeyCounts", 78, 80),
        ("_CM_KEY_VALUE", "Name", 0, 24),
        ("_HANDLE_TABLE_ENTRY", "GrantedAccessBits", 8, 12),
        ("_HANDLE_TABLE_ENTRY", "GrantedAccessBits", 8, 0),
        ("_EPROCESS", "Token", 0xFC, 0x100),
    ],
)
def test_small_structures_that_cannot_be_are_refused_before_anything_is_read(
    structure: str, field: str, offset: int, size: int
) -> None:
    """Each ended a view with an error of Python's, or had it read what lies elsewhere."""
    table = miniature()
    member = table["user_types"].get(structure, {"fields": {field: {"type": ULONG}}})["fields"][field]
    made = table["user_types"].setdefault(structure, {"kind": "struct", "size": size, "fields": {field: dict(member)}})
    made["size"], made["fields"][field]["offset"] = size, offset
    with pytest.raises(LayoutError, match=f"{structure}|handle entries"):
        from_isf(table, "mini.json")
