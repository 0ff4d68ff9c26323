"""The kernel's own code as a witness: what its functions say of fields, and what a layout gets that they contradict."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from process_anatomy.forge import LAB, Image, forge
from process_anatomy.kernel.accessors import code_checks, code_witnesses
from process_anatomy.kernel.identify import Kernel
from process_anatomy.kernel.observations import Outcome
from process_anatomy.kernel.selfproof import Verdict
from process_anatomy.memory.view import View, addresses_of
from process_anatomy.walk.across.selfcheck import selfcheck, trust
from structs import builds
from structs.eprocess import EPROCESS
from structs.layout import Build, Place
from tests.generations import lab
from tests.walk.damaged import PAGE, Editor, kernel_of


@pytest.fixture(scope="module")
def image() -> Image:
    """A forged machine whose kernel has the functions."""
    return forge(LAB, 23)


def through(kernel: Kernel, build: Build) -> Kernel:
    """The same kernel read with another layout."""
    return Kernel(View(kernel.space, build), kernel.number, kernel.base, kernel.size, kernel.pdb, kernel.system)


def moved(build: Build, *fields: str, estimated: bool) -> Build:
    """A layout in which fields of _EPROCESS lie eight bytes behind their place."""
    places = dict(build.places[EPROCESS.name])
    for field in fields:
        place = places[field]
        places[field] = Place(place.offset + 8, place.size, place.bit, place.bits)
    whole = {**build.places, EPROCESS.name: places}
    return replace(build, places=whole, estimated=estimated, _bound={})


def test_what_a_real_kernels_functions_read_is_read_of_the_same_functions(shared: Path) -> None:
    """Of 19041: offset, width and bit of each fact whose field is declared."""
    facts = json.loads((shared / "facts" / "accessors.json").read_text())["accessors"]
    kernel = kernel_of(lab("x64-19041-3324"))
    said = {each.accessor.function: each for each in code_witnesses(kernel)}
    compared = 0
    for fact in facts:
        each = said.get(fact["function"])
        if each is None or fact["how"].startswith("compared") or "first one" in fact["how"] or "second" in fact["how"]:
            continue
        compared += 1
        if fact["how"] == "address":
            assert (each.offset, each.bits) == (fact["offset"], None)
            continue
        assert each.bits is not None
        start, length = each.bits
        if fact["bit"] is not None:
            assert start == 8 * fact["offset"] + fact["bit"]
        else:
            assert 8 * fact["offset"] <= start < start + length <= 8 * (fact["offset"] + fact["size"])
    assert compared > 25


@pytest.mark.parametrize("name", ["x64-26100-1742", "x64-14393-0", "x64-7601-24540", "x86-19041-0", "x86-2600-5512"])
def test_every_generation_of_kernel_bears_its_layout_out(name: str) -> None:
    """All that the layout has of what the functions give, and nothing against it."""
    kernel = kernel_of(lab(name))
    checks = list(code_checks(code_witnesses(kernel), kernel.build))
    assert sum(check.outcome is Outcome.FITS for check in checks) > 12
    silent = {check.told for check in checks if check.outcome is not Outcome.FITS}
    old = {"PsGetThreadCreateTime is of another form, or cannot be read"}  # before Vista it shares its bits
    assert silent == (old if "2600" in name else set())


def test_the_self_check_names_each_function_and_what_it_reads(image: Image) -> None:
    """As a witness of its field."""
    proof = selfcheck(kernel_of(image))
    said = {check.told for check in proof.checks if check.id == "kernel-code"}
    assert "PsGetProcessImageFileName adds 0x5a8" in said
    assert "PsIsThreadImpersonating reads 0x560, bit 3" in said
    assert proof.verdict is Verdict.EXACT


def test_a_layout_that_was_only_chosen_is_not_trusted_where_one_function_contradicts_it(image: Image) -> None:
    """A field that nothing else is told of: the code alone says where it lies."""
    kernel = kernel_of(image)
    right = trust(through(kernel, moved(kernel.build, estimated=True)))
    assert right.verdict is Verdict.CONSISTENT
    wrong = trust(through(kernel, moved(kernel.build, "SequenceNumber", estimated=True)))
    assert wrong.verdict is Verdict.DOUBTFUL
    assert "_EPROCESS.SequenceNumber" in wrong.reason


def test_a_patched_function_does_not_take_the_trust_from_a_published_layout(image: Image) -> None:
    """It is shown as failing, and where it lies."""
    edit = Editor(image)
    kernel = kernel_of(image)
    address = kernel.image.export("PsGetProcessJob")
    assert address is not None
    edit.write(address, bytes.fromhex("488b8188000000c3"))
    proof = selfcheck(kernel_of(image, edit.frames))
    found = next(check for check in proof.checks if check.told.startswith("PsGetProcessJob "))
    assert (found.outcome, found.first) == (Outcome.MOSTLY, address)
    assert proof.verdict is Verdict.EXACT


@pytest.mark.parametrize("damage", ["hooked", "garbage", "missing"])
def test_code_that_is_hooked_or_gone_says_nothing(damage: str, image: Image) -> None:
    """Neither for nor against: no exception, no wrong place."""
    edit, kernel = Editor(image), kernel_of(image)
    address = kernel.image.export("PsGetProcessPeb")
    assert address is not None
    if damage == "hooked":
        edit.write(address, bytes.fromhex("e900000070"))
    elif damage == "garbage":
        edit.write(address, bytes.fromhex("0606060606060606"))
    else:
        where = edit.space.translate(addresses_of([address])).physical
        del edit.frames[int(where[0]) // PAGE]
    later = kernel_of(image, edit.frames)
    found = next(each for each in code_witnesses(later) if each.accessor.function == "PsGetProcessPeb")
    assert (found.offset, found.bits) == (None, None)
    assert (found.outside is not None) is (damage == "hooked")
    check = next(c for c in code_checks([found], later.build))
    assert (check.passed, check.failed, check.unreadable) == (0, 0, 1)
    assert selfcheck(later).verdict is Verdict.EXACT


def test_a_build_that_nobody_knows_takes_the_layout_that_its_own_code_names(
    image: Image, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its number and its PDB are hidden: of all layouts, one in which every field is where the code looks."""
    monkeypatch.setattr(builds, "by_pdb", lambda *_: None)
    monkeypatch.setattr(builds, "by_number", lambda *_: None)
    kernel = kernel_of(image)
    assert kernel.build.estimated
    checks = list(code_checks(code_witnesses(kernel), kernel.build))
    assert {check.outcome for check in checks} == {Outcome.FITS}
