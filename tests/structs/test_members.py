"""Any structure, field by field: the same places as the layout in use has, and as stock symbol tables have."""

from __future__ import annotations

import json
import lzma
import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from structs import builds
from structs.families import LAYOUTS
from structs.isf import from_isf
from structs.layout import Build, MissingField
from structs.members import OTHER_ENTRIES, Asked, UnknownName, asked, cut_short, members, types_of
from structs.mending import BETWEEN, CODE, Anchor, mending
from structs.places import FACTS, NEIGHBOUR, SYMBOLS, Place
from tests.strategies import NAMES

SHARED = Path(__file__).resolve().parents[2].parent / "shared"
TABLES = sorted((SHARED / "isf" / "windows" / "ntkrnlmp.pdb").glob("*.json.xz"))
OWN = builds.load("x64-22621-382")


def walked(build: Build, structure: str, path: str) -> dict[str, Any]:
    """A member at a dotted path, its offset from the structure's start; step by step, without our own walk."""
    here, offset, member = structure, 0, {}
    for name in path.split("."):
        member = types_of(build)[here]["fields"][name]
        offset, here = offset + member["offset"], member["type"].partition("[")[0]
    return {**member, "offset": offset}


@pytest.mark.parametrize("name", NAMES)
def test_where_the_declarations_have_a_field_the_facts_have_it_at_the_same_place(name: str) -> None:
    """Of every layout that ships, every declared field; and each field that is declared is among those shown."""
    build, count = builds.load(name), 0
    for structure in set(build.sizes) - build.natural:
        shown = members(build, Asked(structure))
        assert {each.field for each in shown if each.declared} == set(LAYOUTS[structure].fields)
        for each in shown:
            if each.declared and each.place is not None:
                told = walked(build, structure, each.path)
                assert (told["offset"], build.places[structure][each.field]) == (each.place.offset, each.place)
                if told.get("bit") is not None:
                    assert (told["bit"], told["bits"]) == (each.place.bit, each.place.bits)
                assert each.source == FACTS
                count += 1
    assert count > 250


@pytest.mark.skipif(not TABLES, reason="the stock symbol tables are not at hand")
@pytest.mark.proves("stock", "x64-14393", "x64-17763", "x64-19041")
@pytest.mark.parametrize("path", TABLES, ids=lambda path: path.stem[:8])
def test_every_field_lies_where_volatilitys_own_symbol_table_has_it(path: Path) -> None:
    """All structures and fields, bit positions too, with nothing of the table read by us but its JSON."""
    guid, _, age = path.name.partition(".")[0].partition("-")
    build = builds.by_pdb(guid, int(age))
    assert build is not None
    assert not build.estimated
    table = json.loads(lzma.decompress(path.read_bytes()))["user_types"]
    count = 0
    for structure in types_of(build):
        if "." in structure or structure in ("_KPRCB",):
            continue  # symbols number unnamed structures; of _KPRCB the facts lack most
        assert table[structure]["size"] == types_of(build)[structure]["size"], structure
        for each in members(build, Asked(structure), 0):
            theirs = lifted(table, structure).get(each.path)
            if each.place is None or theirs is None or "." in each.path:
                assert "." in each.path or each.place is None or structure in ("_KPRCB",), (structure, each)
                continue
            kind = theirs["type"]
            bits = (kind["bit_position"], kind["bit_length"]) if kind["kind"] == "bitfield" else (None, None)
            if not each.declared or each.place.bit is None or bits != (None, None):
                assert (theirs["offset"], *bits) == (each.place.offset, each.place.bit, each.place.bits), each
            count += 1
    assert count > 3000


def lifted(table: dict[str, Any], structure: str) -> dict[str, Any]:
    """Fields of a structure of a stock table, with those of its unnamed unions."""
    found: dict[str, Any] = {}
    pending = list(table[structure]["fields"].items())
    while pending:
        name, member = pending.pop()
        if not name.startswith("unnamed_"):
            found.setdefault(name, member)
            continue
        inner = table[member["type"]["name"]]["fields"]
        pending += [(n, {**m, "offset": m["offset"] + member["offset"]}) for n, m in inner.items()]
    return found


@pytest.mark.skipif(not TABLES, reason="the stock symbol tables are not at hand")
def test_of_a_users_symbol_table_every_structure_is_known() -> None:
    """Those that no facts have as well, by the table's own words."""
    table = json.loads(lzma.decompress(TABLES[0].read_bytes()))
    build = from_isf(table, "mine.json")
    assert "BATTERY_REPORTING_SCALE" not in types_of(OWN)
    found = members(build, asked(build, "battery_reporting_scale"), 2)
    assert {each.source for each in found} == {SYMBOLS}
    first = members(build, Asked("_EPROCESS"))
    assert next(each.type for each in first if each.path == "ActiveProcessLinks") == "_LIST_ENTRY"
    assert next(each.type for each in first if each.path == "ImageFileName") == "u8[15]"
    assert next(each.type for each in first if each.path == "Session") == "_MM_SESSION_SPACE*"
    assert not any(each.path.startswith("unnamed_") for each in first)


def test_nested_structures_are_opened_as_deep_as_is_asked() -> None:
    for depth in range(4):
        found = members(OWN, Asked("_EPROCESS"), depth)
        assert max(each.level for each in found) == depth
        for each in found:
            if each.place is not None and each.path:
                assert walked(OWN, "_EPROCESS", each.path)["offset"] == each.place.offset
        places = [each.place.offset for each in found if each.place is not None and not each.level]
        assert places == sorted(places)


def test_a_member_that_is_a_structure_is_shown_by_itself() -> None:
    want = asked(OWN, "nt!eprocess.VM")
    assert want == Asked("_EPROCESS", "Vm")
    found = members(OWN, want)
    start = walked(OWN, "_EPROCESS", "Vm")["offset"]
    assert {each.path for each in found if each.path.count(".") == 1} == {
        f"Vm.{name}" for name in types_of(OWN)["_MMSUPPORT_FULL"]["fields"]
    }
    assert min(each.place.offset for each in found if each.place) == start
    assert [each.path for each in members(OWN, asked(OWN, "_EPROCESS.Pcb.Header.Type"))] == ["Pcb.Header.Type"]


def test_a_field_is_found_by_the_name_that_the_other_views_have_for_it() -> None:
    assert asked(OWN, "_EPROCESS.DirectoryTableBase") == Asked("_EPROCESS", "Pcb.DirectoryTableBase")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("_EPROCES", "no structure is named '_EPROCES'; near it are _EPROCESS"),
        ("vad", "no structure is named 'vad'; near it are _MMVAD"),
        ("_NOSUCH", "no structure is named '_NOSUCH'"),
        ("_EPROCESS.ActivProcessLinks", "_EPROCESS has no field 'ActivProcessLinks'; near it are ActiveProcessLinks"),
        ("_EPROCESS.Vm.Nothing", "_EPROCESS.Vm has no field 'Nothing'"),
        ("_EPROCESS.UniqueProcessId.Low", "_EPROCESS.UniqueProcessId has no field 'Low'"),
    ],
)
def test_a_name_that_there_is_not_is_answered_in_one_line_with_those_that_come_near(name: str, words: str) -> None:
    with pytest.raises(UnknownName) as told:
        asked(OWN, name)
    assert str(told.value).startswith(words)
    assert "\n" not in str(told.value)


@given(st.text(max_size=40))
def test_any_text_is_a_name_or_refused(text: str) -> None:
    try:
        want = asked(OWN, text)
    except UnknownName:
        return
    assert members(OWN, want)


def test_a_structure_that_only_the_declarations_have_is_shown_by_them() -> None:
    found = members(OWN, asked(OWN, "_CSR_PROCESS"))
    assert {each.source for each in found} == {"a compiler's alignment"}
    assert not any(each.path for each in found)


def test_a_structure_that_this_build_lacks_is_refused() -> None:
    old = builds.load("x86-2600-5512")
    with pytest.raises(MissingField):
        members(old, Asked(missing(old)))


def missing(build: Build) -> str:
    """A declared structure that a layout lacks."""
    return next(name for name in LAYOUTS if name not in build.sizes)


def test_of_a_structure_that_is_cut_short_that_is_known() -> None:
    assert cut_short(OWN, "_KPRCB")
    assert not cut_short(OWN, "_EPROCESS")


def test_in_a_mended_layout_undeclared_fields_move_with_those_around_them_and_say_what_they_rest_on() -> None:
    """Two anchors 0x10 further: what lies between them follows; behind the last one it is a guess."""
    at = {
        name: Place(member["offset"], member["size"]) for name, member in types_of(OWN)["_EPROCESS"]["fields"].items()
    }
    anchors = [Anchor(at[name], 0x10, CODE) for name in ("UniqueProcessId", "CreateTime")]
    build = replace(OWN, estimated=True, mendings={"_EPROCESS": mending(anchors, 22621, 22621)})
    found = {each.path: each for each in members(build, Asked("_EPROCESS")) if not each.declared}
    assert (found["RundownProtect"].place.offset, found["RundownProtect"].source) == (
        at["RundownProtect"].offset + 0x10,
        BETWEEN,
    )
    assert found["QuotaBlock"].place.offset == at["QuotaBlock"].offset + 0x10
    assert found["QuotaBlock"].source == NEIGHBOUR
    inner = {each.path: each for each in members(build, Asked("_KPROCESS"))}
    assert inner["DirectoryTableBase"].source == NEIGHBOUR


def test_what_stands_behind_a_page_table_entry_is_doubtful_in_a_layout_without_pae() -> None:
    """And what the declarations read is not, for it was compared."""
    build = builds.with_entries(builds.load("x86-7601-23418"), 8)
    with_pae = {each.path: each.place for each in members(builds.load("x86-7601-24000"), Asked("_MMPFN"))}
    found = members(build, Asked("_MMPFN"))
    for each in found:
        assert each.source == OTHER_ENTRIES or each.place == with_pae[each.path]
    assert any(each.source == OTHER_ENTRIES for each in found)
    assert all(each.source == FACTS for each in members(build, Asked("_EPROCESS")) if each.declared and each.place)


def test_a_table_that_nests_structures_in_a_circle_is_bounded() -> None:
    """And fields at places that cannot be are left out."""
    types = {
        "_EPROCESS": {"size": 8, "kind": "s", "fields": {"ImageFileName": {"offset": 0, "size": 15, "type": "u8[15]"}}},
        "_RING": {
            "size": 8,
            "kind": "s",
            "fields": {
                **{f"Next{n}": {"offset": 0, "size": 8, "type": "_RING"} for n in range(9)},
                "Far": {"offset": -4, "size": 4, "type": "u32"},
                "Odd": {"offset": "x", "size": 4, "type": "u32"},
            },
        },
    }
    build = builds.from_types(types, "x64", 0, "mine")
    found = members(build, Asked("_RING"), random.Random(1).randint(100, 1000))
    assert len(found) <= 1 << 15
    assert not any("Far" in each.path or "Odd" in each.path for each in found)
