"""Kernels of which only some facts are published: these are right, and what rests on a neighbour says so."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from structs import builds, kernel_files, partial
from structs.families import LAYOUTS
from structs.members import Asked, members
from structs.mending import BETWEEN, PARTIAL, SOURCES, settled
from structs.places import FACTS, NEIGHBOUR
from structs.published import published
from tests.strategies import NAMES
from tests.structs.hidden_layouts import as_unknown, others_right_and_wrong, right_and_wrong

SHARED = Path(__file__).resolve().parents[2].parent / "shared"
FOLDER = SHARED / "facts" / "layouts-partial"
needs_facts = pytest.mark.skipif(not FOLDER.is_dir(), reason="the published facts are not at hand")
OF_PDBS = [name for name in partial.names() if "-p" in name]


def key(name: str) -> str:
    """Processor and build number of a layout."""
    return "-".join(name.split("-")[:2])


SEVERAL = Counter(map(key, NAMES))
NEWEST = sorted({key(name): name for name in NAMES}.values())


def test_partial_layouts_are_of_builds_without_a_whole_one_as_well() -> None:
    numbers = {partial.named(name).number for name in partial.names()}
    assert numbers >= {25398, 26100, 28000, 29531}
    assert not set(partial.names()) & set(NAMES)
    assert {name for name in OF_PDBS if name.startswith("x64-28000")} == {f"x64-28000-p{n}" for n in (1, 2, 3)}


@needs_facts
@pytest.mark.parametrize("name", OF_PDBS)
def test_every_fact_that_is_published_of_a_kernel_is_in_its_layout_and_rests_on_that(name: str) -> None:
    """Sizes and places, of structures that are declared and of those that only `dt` shows."""
    build, told = builds.load(name), json.loads((FOLDER / f"{name}.json").read_text())
    assert build.estimated
    compared = 0
    for structure, facts in told["structs"].items():
        if structure not in published(build.base):
            continue
        if "size" in facts and structure in build.sizes:
            assert build.sizes[structure] == facts["size"], structure
        shown = {each.path: each for each in members(build, Asked(structure))}
        for field, place in facts["fields"].items():
            if field in shown:
                each = shown[field]
                assert each.place is not None
                assert each.place.offset == place["offset"], (structure, field)
                assert each.source == (PARTIAL if settled(builds.base_of(build).number, build.number) else NEIGHBOUR)
                compared += 1
    assert compared > 50
    assert all(layout in build and build[layout].struct.sizeof() for layout in LAYOUTS.values() if layout in build)


@needs_facts
@pytest.mark.parametrize("name", OF_PDBS)
def test_a_pdb_that_only_partial_facts_are_published_of_gives_its_layout(name: str) -> None:
    told = json.loads((FOLDER / f"{name}.json").read_text())
    for pdb in told["pdbs"]:
        build = builds.by_pdb(*pdb.split("-")[:1], int(pdb.split("-")[1]))
        assert build is not None
        assert (build.name, build.estimated) == (name, True)
        assert "facts of this kernel over the layout" in build.origin
    assert set(builds.published_pdbs(name)) == {(p.split("-")[0], int(p.split("-")[1])) for p in told["pdbs"]}


@pytest.mark.parametrize(
    ("name", "same"), [(n, same) for n in NEWEST for same in (True, False) if not same or SEVERAL[key(n)] > 1]
)
def test_nothing_that_is_given_as_sure_is_wrong(name: str, same: bool) -> None:
    """Each build's newest layout made of its partial facts and a neighbour: a fact, or between two, is never wrong."""
    build = as_unknown(name, same)
    assert build is not None
    found = right_and_wrong(build, builds.load(name))
    assert {source for source, right in found if not right} <= {NEIGHBOUR}
    if settled(builds.base_of(build).number, builds.load(name).number):
        assert found[PARTIAL, True] > 40
        assert found[BETWEEN, True] > 40
    else:
        assert {source for source, _ in found} == {NEIGHBOUR}


@pytest.mark.parametrize("name", ["x64-22621-2428", "x64-19041-3324", "x86-19041-2965"])
def test_of_fields_that_no_declaration_reads_none_that_a_fact_places_is_wrong(name: str) -> None:
    build = as_unknown(name, False)
    assert build is not None
    found = others_right_and_wrong(build, name)
    assert found[PARTIAL, True] > 20
    assert not found[PARTIAL, False]


def test_facts_of_a_kernel_file_count_for_that_file_alone() -> None:
    """28000.1199 and 29602 are known by file: of the layout of the build these fields are then sure, no others."""
    for number, revision in ((28000, 1199), (29602, 1000)):
        file = kernel_files.by_version("ntoskrnl.exe", number, revision)
        if file is None:
            continue
        near = next(builds.nearest("x64", number))
        assert {near.source(s, f) for s, told in near.places.items() for f in told if s not in near.natural} == {
            NEIGHBOUR
        }
        build = builds.of_file(near, file)
        assert build.source("_EPROCESS", "ObjectTable") == PARTIAL
        assert build.source("_EPROCESS", "SectionObject") == PARTIAL
        assert build.source("_EPROCESS", "ImageFileName") == NEIGHBOUR
        assert build.places["_EPROCESS"]["ObjectTable"].offset == 0x300
        assert str(file) in build.origin
        assert builds.of_file(builds.load("x64-26100-1742"), file).sources == {}


def test_server_23h2_is_read_by_the_layout_that_its_files_facts_agree_with() -> None:
    """25398 lies nearer to 26100 by its number, but has its fields where 22621 has them."""
    file = kernel_files.by_version("ntoskrnl.exe", 25398, 887)
    assert file is not None
    found = list(builds.agreeing(builds.nearest("x64", 25398), file))
    assert found[0].name == "x64-25398-f8"
    assert builds.base_of(found[0]).number == 22621
    assert "x64-26100-1742" not in {build.name for build in found}
    build = builds.by_number("x64", 25398)
    assert build is not None
    assert build.places["_EPROCESS"]["ObjectTable"].offset == 0x570
    assert builds.by_number("x86", 25398) is None


def test_a_windows_of_an_enablement_package_has_the_facts_of_the_files_that_it_runs() -> None:
    """25H2 (26200) is read as 26100."""
    assert builds.by_number("x64", 26200) == builds.by_number("x64", 26100)


def test_a_whole_layout_rests_on_facts_alone() -> None:
    build = builds.load("x64-22621-382")
    told = {build.source(s, f) for s, fields in build.places.items() for f in fields if s not in build.natural}
    assert told == {FACTS}
    assert FACTS not in SOURCES
