"""A layout of another build, mended by the kernel's own code: what it says is right, the rest is marked as a guess."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from process_anatomy.kernel.accessors import CodeWitness, code_checks, code_witnesses
from process_anatomy.kernel.mending import mended
from process_anatomy.kernel.observations import Outcome
from process_anatomy.kernel.selfproof import Verdict
from process_anatomy.walk.across.selfcheck import trust
from process_anatomy.walk.processes.listed import processes
from structs import builds
from structs.accessors import ACCESSORS
from structs.families import LAYOUTS
from structs.layout import Build
from structs.mending import BETWEEN, CODE, NEIGHBOUR
from tests.generations import lab
from tests.kernel.hidden_builds import compared, hidden
from tests.walk.damaged import listed_truth

OWN = builds.load("x64-19041-3324")


def said(build: Build, by: dict[str, int]) -> list[CodeWitness]:
    """What functions would say of a kernel in which these fields lie so many bytes behind where a layout has them."""
    found = []
    for each in ACCESSORS:
        place = build.places[each.layout.name].get(each.field)
        if place is not None and place.bits is None:
            offset = place.offset + by.get(each.field, 0)
            found.append(CodeWitness(each, 0, offset, (8 * offset, 8 * place.size), None))
    return found


def test_a_layout_that_the_code_bears_out_stays_as_it_is() -> None:
    """It is estimated no more than before, and what the code bears out is kept."""
    found = mended(OWN, said(OWN, {}))
    assert (found.places, found.sizes, found.estimated, found.origin) == (
        OWN.places,
        OWN.sizes,
        OWN.estimated,
        OWN.origin,
    )
    assert found.source("_EPROCESS", "Peb") == CODE
    assert mended(OWN, []) == OWN


def test_what_lies_between_two_fields_that_moved_alike_moves_with_them() -> None:
    """And what its place rests on is kept."""
    every = {each.field: 0x10 for each in ACCESSORS if each.layout.name == "_EPROCESS"}
    found = mended(OWN, said(OWN, every))
    own, new = OWN.places["_EPROCESS"], found.places["_EPROCESS"]
    assert new["Peb"].offset == own["Peb"].offset + 0x10
    assert new["Token"].offset == own["Token"].offset + 0x10
    assert new["DirectoryTableBase"] == own["DirectoryTableBase"]
    told = found.sources["_EPROCESS"]
    assert (told["Peb"], told["Token"], told["DirectoryTableBase"]) == (CODE, BETWEEN, NEIGHBOUR)
    assert found.estimated
    assert "moved to where the kernel's own code looks" in found.origin
    assert found.places["_TOKEN"] == OWN.places["_TOKEN"]


@settings(max_examples=150, deadline=None)
@given(
    st.dictionaries(
        st.sampled_from([each.field for each in ACCESSORS]), st.integers(-0x500, 0x500) | st.sampled_from([8, 0x10]),
        max_size=12,
    )
)  # fmt: skip
def test_whatever_the_code_says_the_layout_can_be_read_with(by: dict[str, int]) -> None:
    """No two fields share a byte, none leaves its structure, and where the code looks there is the field."""
    found = mended(OWN, said(OWN, by))
    for name in found.sources:
        structure = found[LAYOUTS[name]]
        assert structure.sizeof >= OWN.sizes[name]
        for field, source in found.sources[name].items():
            if source == CODE:
                assert found.places[name][field].offset == OWN.places[name][field].offset + by.get(field, 0)


@pytest.mark.parametrize("name", ["x64-26100-1742", "x64-19041-3324", "x64-18362-476", "x64-14393-5006"])
def test_a_build_that_nobody_knows_is_read_right_where_its_code_says_so(name: str) -> None:
    """Its number, its PDB and all layouts of it are hidden: far more is right than in the nearest layout as it is."""
    image, truth = lab(name), builds.load(name)
    kernel = hidden(image, truth.number)
    before, _ = compared(builds.load(kernel.build.name), truth)
    after, wrong = compared(kernel.build, truth)
    assert after > before + 20
    assert wrong[CODE] == wrong[BETWEEN] == 0
    assert {check.outcome for check in code_checks(code_witnesses(kernel), kernel.build)} == {Outcome.FITS}
    assert trust(kernel).verdict is Verdict.CONSISTENT
    rows = processes(kernel).rows
    assert [(row.pid, row.address) for row in rows] == [(p["pid"], p["eprocess"]) for p in listed_truth(image.truth)]
