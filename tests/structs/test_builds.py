"""Which layout applies, and that the shipped layouts say what the published facts say."""

from __future__ import annotations

import json
import re
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from structs import builds, partial
from structs.families import LAYOUTS
from structs.field_types import Bytes, FileTime
from structs.layout import LayoutError, Place
from tests.strategies import NAMES, declared

SHARED = Path(__file__).resolve().parents[2].parent / "shared"
FACTS = SHARED / "facts" / "layouts"
INDEX = json.loads((Path(builds.__file__).parent / "offsets" / "builds.json").read_text())

needs_facts = pytest.mark.skipif(not FACTS.is_dir(), reason="the published facts are not at hand")


@lru_cache(maxsize=8)
def facts(name: str) -> dict[str, Any]:
    """Structures of a published layout: the inherited ones that it did not remove, and its own."""
    own = json.loads((FACTS / f"{name}.json").read_text())
    whole = dict(facts(own["inherits"].removesuffix(".json"))) if own.get("inherits") else {}
    for gone in own.get("removed", []):
        whole.pop(gone, None)
    return whole | own["structs"]


# what ships


def test_116_layouts_ship_and_each_says_in_its_name_what_it_holds() -> None:
    assert len(NAMES) == 116
    assert sorted(NAMES) == NAMES
    for name in NAMES:
        build = builds.load(name)
        arch, number, _ = re.fullmatch(r"(x64|x86)-(\d+)-(\d+)(?:-vol2)?", name).groups()
        assert (name, arch, int(number)) == (build.name, build.arch, build.number)
        assert {"x64": 8, "x86": 4}[arch] == build.pointer_size
        assert not build.estimated
        assert build.sizes.keys() == build.places.keys()
        assert LAYOUTS["_EPROCESS"] in build


@needs_facts
def test_the_layouts_that_ship_are_those_that_are_published() -> None:
    assert sorted(path.stem for path in FACTS.glob("x*.json")) == NAMES


def bits_of(known: dict[str, Any], fields: dict[str, Any]) -> tuple[int | None, int | None]:
    """Lowest bit and number of bits of a published field: of what it is said to be, or what smaller fields leave of it.

    Only one field shares its lowest bits: CreateTime of a thread, up to the first Server 2003.
    """
    if known.get("bit") is not None:
        return known["bit"], known["bits"]
    shared = fields.get("NestedFaultCount", {}).get("offset") == known["offset"]
    return (3, 61) if shared and known["size"] == 8 else (None, None)


@needs_facts
@pytest.mark.parametrize("name", NAMES)
def test_sizes_and_places_equal_the_published_facts(name: str) -> None:
    build, published = builds.load(name), facts(name)
    compared = 0
    for structure in declared(build):
        if structure.layout.widths:
            assert structure.name not in published
            continue
        assert published[structure.name]["size"] == structure.sizeof, structure.name
        fields = published[structure.name]["fields"]
        for field in structure.layout.fields:
            paths = structure.layout.paths(field)
            if any("." in path for path in paths):
                continue  # only fields of the structure itself are compared here
            known = next((fields[path] for path in paths if path in fields), None)
            if field in structure:
                place = structure.places[field]
                expected = known["offset"], known["size"], *bits_of(known, fields)
                assert expected == (place.offset, place.size, place.bit, place.bits), (structure.name, field)
                compared += 1
            elif known is not None:
                fits = structure.layout.fields[field].type.fits(known["size"], build.pointer_size)
                assert not fits, f"{structure.name}.{field} is published, but does not ship"
    assert compared > 80


@needs_facts
@pytest.mark.parametrize("name", NAMES)
def test_a_published_structure_does_not_ship_only_where_it_has_no_declared_field(name: str) -> None:
    build, published = builds.load(name), facts(name)
    for layout in LAYOUTS.values():
        if layout not in build and layout.name in published:
            assert not published[layout.name]["fields"].keys() & layout.fields.keys(), layout.name


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (
            "x64-19041-3324",
            {
                "DirectoryTableBase": Place(0x28, 8),
                "UniqueProcessId": Place(0x440, 8),
                "ActiveProcessLinks": Place(0x448, 16),
                "Token": Place(0x4B8, 8),
                "InheritedFromUniqueProcessId": Place(0x540, 8),
                "Peb": Place(0x550, 8),
                "ObjectTable": Place(0x570, 8),
                "ImageFileName": Place(0x5A8, 15),
                "VadRoot": Place(0x7D8, 8),
                "ProtectionType": Place(0x87A, 1, 0, 3),
                "ProtectionSigner": Place(0x87A, 1, 4, 4),
            },
        ),
        (
            "x64-7601-17514",
            {
                "DirectoryTableBase": Place(0x28, 8),
                "UniqueProcessId": Place(0x180, 8),
                "ActiveProcessLinks": Place(0x188, 16),
                "Token": Place(0x208, 8),
                "Peb": Place(0x338, 8),
                "ImageFileName": Place(0x2E0, 15),
                "VadRoot": Place(0x458, 8),
            },
        ),
        (
            "x86-2600-5512",
            {
                "UniqueProcessId": Place(0x84, 4),
                "ActiveProcessLinks": Place(0x88, 8),
                "Token": Place(0xC8, 4),
                "ImageFileName": Place(0x174, 16),
                "Peb": Place(0x1B0, 4),
                "VadRoot": Place(0x11C, 4),
            },
        ),
    ],
)
def test_the_process_structure_lies_where_debuggers_show_it(name: str, expected: dict[str, Place]) -> None:
    places = builds.load(name)[LAYOUTS["_EPROCESS"]].places
    assert expected == {field: places.get(field) for field in expected}


@pytest.mark.parametrize("name", ["x64-1-1", "", "../builds", "x64-19041-3324.json"])
def test_a_layout_that_does_not_ship_is_refused_by_name(name: str) -> None:
    with pytest.raises(LayoutError, match=f"no layout is named {re.escape(name)}"):
        builds.load(name)


def nested(types: dict[str, Any], structure: str, path: str, *, first: bool = True) -> Place | None:
    """The place of a dotted path in published facts; of an array its first element, if ``first``."""
    offset, member = 0, {"type": structure}
    for step in path.split("."):
        inner = types.get(member["type"].split("[")[0])
        if inner is None or step not in inner["fields"]:
            return None
        member = inner["fields"][step]
        offset += member["offset"]
    count = re.search(r"\[(\d+)\]", member["type"]) if first else None
    return Place(offset, member["size"] // int(count[1] if count else 1), member.get("bit"), member.get("bits"))


@needs_facts
@pytest.mark.parametrize("name", NAMES)
def test_fields_inside_nested_structures_equal_the_published_facts(name: str) -> None:
    build, published = builds.load(name), facts(name)
    for structure in declared(build):
        if structure.layout.widths:
            continue  # no public symbols describe it
        for field, place in structure.places.items():
            first = structure.layout.fields[field].type is not Bytes
            known = [nested(published, structure.name, path, first=first) for path in structure.layout.paths(field)]
            found = next(found for found in known if found)
            if structure.layout.fields[field].type is FileTime:
                there = published[structure.name]["fields"]
                found = Place(found.offset, found.size, *bits_of({"offset": found.offset, "size": found.size}, there))
            assert found == place, (structure.name, field)


@needs_facts
def test_every_declared_field_that_the_facts_have_ships() -> None:
    lost: dict[str, list[str]] = {}
    for name in NAMES:
        build, published = builds.load(name), facts(name)
        for structure in (s for s in declared(build) if not s.layout.widths):
            for field in structure.layout.fields.keys() - structure.places.keys():
                kind = structure.layout.fields[field].type
                paths = structure.layout.paths(field)
                known = [nested(published, structure.name, path, first=kind is not Bytes) for path in paths]
                if any(p and (p.bit is not None or kind.fits(p.size, build.pointer_size)) for p in known):
                    lost.setdefault(f"{structure.name}.{field}", []).append(name)
    assert lost == {}


@pytest.mark.parametrize("name", NAMES)
def test_the_page_table_root_of_a_process_is_one_number_as_wide_as_a_pointer(name: str) -> None:
    build = builds.load(name)
    place = build[LAYOUTS["_EPROCESS"]].places.get("DirectoryTableBase")
    assert place is not None
    assert build.pointer_size == place.size


# by PDB


@pytest.mark.parametrize(
    ("guid", "age", "name", "estimated"),
    [
        ("606FF669409B00F7FC8C61A9C1670129", 1, "x64-19041-3324", False),
        ("001C250786674BDE9C759A89614EBB93", 1, "x64-10240-17770", False),
        ("00625D7D36754CBEBA4533BA9A0F3FE2", 2, "x86-7601-17514", False),
        ("00D01401874F8CC3F5F5DA237013C16A", 1, "x64-26100-1742", False),
        ("01C19DB101A54518BF2F1E62165399B9", 1, "x64-17134-p1", True),
    ],
)
def test_a_known_pdb_gives_its_layout(guid: str, age: int, name: str, estimated: bool) -> None:
    build = builds.by_pdb(guid, age)
    assert build is not None
    assert (name, estimated) == (build.name, build.estimated)
    assert f"{guid}-{age}" in build.origin
    assert estimated is ("nearest" in build.origin)
    assert builds.load(name).places == build.places


@pytest.mark.parametrize(
    ("guid", "age"),
    [("606FF669409B00F7FC8C61A9C1670129", 2), ("606ff669409b00f7fc8c61a9c1670129", 1), ("0" * 32, 1), ("", 0)],
)
def test_an_unknown_pdb_gives_no_layout(guid: str, age: int) -> None:
    assert builds.by_pdb(guid, age) is None


def test_every_known_pdb_names_a_layout_that_ships() -> None:
    pdbs = json.loads((Path(builds.__file__).parent / "offsets" / "pdbs.json").read_text())
    assert len(pdbs) > 1000
    assert set() == {name for name, _, _, *_ in pdbs.values()} - set(NAMES)
    assert set() == {name for _, _, _, *other in pdbs.values() for name in other} - set(partial.names())
    assert [key for key in pdbs if not re.fullmatch(r"[0-9A-F]{32}-\d+", key)] == []


# by build number


@pytest.mark.parametrize(
    ("number", "expected"), [(19042, 19041), (19043, 19041), (19044, 19041), (19045, 19041), (22631, 22621)]
)
def test_a_build_that_shares_its_kernel_is_served_by_the_layouts_of_the_first(number: int, expected: int) -> None:
    build = builds.by_number("x64", number)
    assert build is not None
    assert expected == build.number
    assert builds.load(build.name).places == build.places


@pytest.mark.parametrize(
    ("number", "revision", "name", "estimated"),
    [
        (19045, 3324, "x64-19041-3324", False),
        (19045, 99999, "x64-19041-3324", True),
        (19045, 3323, "x64-19041-2251", False),
        (19041, 0, "x64-19041-0", False),
        (19041, 507, "x64-19041-0", False),
        (19041, 508, "x64-19041-508", False),
        (14393, 2188, "x64-14393-0", False),
        (14393, 2189, "x64-14393-4583", False),
        (10240, 0, "x64-10240-16384", False),
        (10240, 17738, "x64-10240-17770", False),
    ],
)
def test_a_revision_takes_the_newest_layout_that_starts_no_later(
    number: int, revision: int, name: str, estimated: bool
) -> None:
    """One that is newer than any known one may have moved fields, so that the layout is only estimated."""
    build = builds.by_number("x64", number, revision)
    assert build is not None
    assert (name, estimated) == (build.name, build.estimated)
    assert str(revision) in build.origin


@settings(max_examples=200)
@given(st.sampled_from([(a, n) for a in ("x64", "x86") for n in INDEX[a]]), st.integers(0, 30000))
def test_no_other_layout_of_the_build_would_start_nearer_below_the_revision(
    key: tuple[str, str], revision: int
) -> None:
    arch, number = key
    starts = dict(INDEX[arch][number])
    chosen = builds.by_number(arch, int(number), revision)
    assert chosen is not None
    below = [start for start in starts.values() if start <= revision]
    assert (max(below) if below else min(starts.values())) == starts[chosen.name]


def test_without_a_revision_the_newest_is_taken_and_marked() -> None:
    for arch in ("x64", "x86"):
        for number, entries in INDEX[arch].items():
            build = builds.by_number(arch, int(number))
            assert build is not None
            assert (entries[-1][0], True) == (build.name, build.estimated)


@pytest.mark.parametrize("number", [0, 1, 12345, 25397, -1])
@pytest.mark.parametrize("revision", [None, 0, 5])
def test_an_unknown_build_number_gives_no_layout(number: int, revision: int | None) -> None:
    assert builds.by_number("x64", number, revision) is None
    assert builds.by_number("x86", number, revision) is None


@pytest.mark.parametrize("arch", ["ARM64", "0x1c4", ""])
def test_an_unknown_architecture_gives_no_layout(arch: str) -> None:
    assert builds.by_number(arch, 22000) is None
    assert list(builds.nearest(arch, 22000)) == []


def test_layouts_of_kernels_without_pae_are_32_bit_ones_of_windows_xp_to_7() -> None:
    names = {build.name for build in map(builds.load, NAMES) if builds.without_pae(build)}
    assert {"x86-2600-2180", "x86-2600-5512", "x86-3790-0", "x86-7601-17514"} <= names
    assert {builds.load(name).arch for name in names} == {"x86"}
    assert "x86-7601-24000" not in names
    assert max(builds.load(name).number for name in names) == 7601


@settings(max_examples=80, deadline=None)
@given(st.sampled_from(["x64", "x86"]), st.integers(0, 70000))
def test_nearest_gives_every_layout_once_nearest_number_first_all_marked(arch: str, number: int) -> None:
    found = list(builds.nearest(arch, number))
    distances = [abs(build.number - number) for build in found]
    assert sorted(distances) == distances
    alone = [name for name in partial.names() if partial.named(name).number in (25398, 28000, 29531)]
    assert sorted(build.name for build in found) == sorted(n for n in (*NAMES, *alone) if n.startswith(arch))
    assert all(build.estimated and str(number) in build.origin for build in found)


def test_of_two_builds_equally_near_the_newer_comes_first_and_its_newest_layout_before_the_others() -> None:
    found = [build.name for build in builds.nearest("x64", (22000 + 22621) // 2)]
    assert found[0] == "x64-22000-2003"
    middle = [build.number for build in builds.nearest("x64", (7600 + 6002) // 2)]
    assert list(dict.fromkeys(middle))[:2] == [7600, 6002]
    of_19041 = [build.name for build in builds.nearest("x64", 19041) if build.number == 19041]
    assert [name for name, _ in reversed(INDEX["x64"]["19041"])] == of_19041


def test_a_mark_does_not_stick_to_the_layout_itself() -> None:
    assert next(builds.nearest("x64", 19041)).estimated
    assert not builds.load("x64-19041-3324").estimated
