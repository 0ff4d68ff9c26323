"""Whether a layout fits: exact ones, wrong ones, damaged memory, and the choice among layouts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from process_anatomy.errors import ImageError
from process_anatomy.forge import LAB, Image, forge
from process_anatomy.kernel import choice, identify
from process_anatomy.kernel.identify import Kernel
from process_anatomy.kernel.layout_checks import self_mapped
from process_anatomy.kernel.observations import Check, Outcome, Sample
from process_anatomy.kernel.selfproof import Proof, Verdict
from process_anatomy.memory.address_space import AddressSpace
from process_anatomy.memory.view import View, addresses_of
from process_anatomy.notes import default
from process_anatomy.views.image import Image as Views
from process_anatomy.volatility import open_path
from process_anatomy.walk.across.selfcheck import selfcheck, trust
from structs import builds
from structs.debugger import KDBG_PLACES, statements
from structs.eprocess import EPROCESS
from tests.conftest import SHARED
from tests.walk.damaged import GARBAGE, Editor, kernel_of, spoiled, without

EXACT = ["win10-19041", "srv2019-17763", "srv2016-14393", "winxp-2600-pae"]
FOREIGN = [*EXACT, "win7-7601-x86-pae"]


@pytest.fixture(scope="module")
def image() -> Image:
    """The lab image."""
    return forge(LAB, 23)


@pytest.fixture(scope="module")
def opened(foreign: Callable[[str], Path]) -> Callable[[str], Kernel]:
    """Name of a foreign image to its kernel, opened once."""
    kept: dict[str, Kernel] = {}

    def of(name: str) -> Kernel:
        if name not in kept:
            kept[name] = open_path(foreign(f"{name}.raw"))
        return kept[name]

    return of


def through(kernel: Kernel, name: str) -> Kernel:
    """The same kernel, read through another layout that is said to be its own."""
    build = builds.load(name)
    return Kernel(View(kernel.space, build), kernel.number, kernel.base, kernel.size, kernel.pdb, kernel.system)


@pytest.mark.parametrize("name", FOREIGN)
@pytest.mark.proves("foreign")
def test_the_right_layout_fits_a_foreign_image_in_every_field(name: str, opened: Callable[[str], Kernel]) -> None:
    """Nothing fails but what the generator placed so: one pair of VADs that overlap."""
    kernel = opened(name)
    proof = selfcheck(kernel)
    assert proof.verdict is (Verdict.EXACT if name in EXACT else Verdict.CONSISTENT)
    assert trust(kernel).verdict is proof.verdict
    unsure = {check.id: check for check in proof.checks if check.outcome is not Outcome.FITS}
    assert unsure.keys() <= {
        "vad-order",
        "kernel-code",
        "kernel-thread",
        "kernel-types",
    }  # there is no code in these kernels
    assert not any(check.failed for check in proof.checks if check.id == "kernel-code")
    assert proof.failed <= 1
    assert proof.passed > 1500
    assert {"system-id", "self-map", "sid-revision", "vad-parent", "handle-object"} <= {c.id for c in proof.checks}


@pytest.mark.parametrize(
    ("name", "wrong", "field"),
    [
        ("win10-19041", "x64-22621-382", "_ETHREAD.Process"),
        ("win10-19041", "x64-20348-288", "_ETHREAD.Teb"),
        ("win10-19041", "x64-22000-1", "_ETHREAD.InitialStack"),
        ("srv2019-17763", "x64-15063-0", "_ETHREAD.UniqueThread"),
        ("srv2016-14393", "x64-14393-0", "_EPROCESS.ExitStatus"),
        ("srv2016-14393", "x64-10586-0", "_EPROCESS.ExitTime"),
        ("srv2016-14393", "x64-18362-0", "_EPROCESS.CreateTime"),
        ("winxp-2600-pae", "x86-3790-1830", "_EPROCESS.UniqueProcessId"),
        ("win7-7601-x86-pae", "x86-6000-16386", "_EPROCESS.UniqueProcessId"),
    ],
)
def test_a_layout_of_a_neighbour_is_not_trusted_and_the_field_is_named(
    name: str, wrong: str, field: str, opened: Callable[[str], Kernel]
) -> None:
    """The quick look of every plugin sees it too."""
    kernel = through(opened(name), wrong)
    proof = selfcheck(kernel)
    assert proof.verdict is Verdict.DOUBTFUL
    assert field in {check.about for check in proof.wrong}
    assert trust(kernel).verdict is Verdict.DOUBTFUL
    assert trust(kernel).reason.startswith("the layout does not fit this image: _E")
    for check in proof.wrong:
        assert check.first is not None
        assert check.problem.startswith(f"{check.about} does not lie where the layout has it")


@settings(max_examples=8, deadline=None)
@given(damage=st.dictionaries(st.integers(0, 1 << 16), st.integers(0, len(GARBAGE) - 1), max_size=25))
def test_damaged_memory_is_no_wrong_layout(damage: dict[int, int], image: Image) -> None:
    """Some pages are zeros, noise or reversed: whatever was read, the layout of this very kernel stays trusted."""
    try:
        kernel = kernel_of(image, spoiled(image, damage))
    except ImageError:
        return
    proof = selfcheck(kernel)
    assert trust(kernel).verdict is not Verdict.DOUBTFUL
    assert proof.verdict is not Verdict.DOUBTFUL, proof.reason


@settings(max_examples=6, deadline=None)
@given(missing=st.sets(st.integers(0, 1 << 16), max_size=400))
@example(missing={29})  # on which headers of objects end
def test_memory_that_is_missing_is_no_wrong_layout(missing: set[int], image: Image) -> None:
    """What cannot be read counts neither way."""
    try:
        kernel = kernel_of(image, without(image, missing))
    except ImageError:
        return
    proof = selfcheck(kernel)
    assert not proof.wrong
    assert all(check.failed == 0 for check in proof.checks)


def test_a_few_objects_that_were_tampered_with_are_counted_and_the_layout_stays_trusted(image: Image) -> None:
    """Two processes get an id that no process has; the first of them is told."""
    edit = Editor(image)
    chosen = [p for p in image.truth["processes"] if p["in_active_list"]][5:7]
    for process in chosen:
        edit.set(EPROCESS, process["eprocess"], "UniqueProcessId", 0x4241)
    proof = selfcheck(kernel_of(image, edit.frames))
    check = next(check for check in proof.checks if check.id == "process-id")
    assert (check.failed, check.outcome) == (2, Outcome.MOSTLY)
    structure = kernel_of(image).build[EPROCESS]
    assert check.first == chosen[0]["eprocess"] + structure.offset("UniqueProcessId")
    assert proof.verdict is Verdict.EXACT


def test_records_of_nothing_but_zeros_were_not_read() -> None:
    """An outcome depends on what was told, not on what was asked."""
    check = Check("process-id", "_EPROCESS", "UniqueProcessId", "system", 0, 0, 9, None)
    assert check.outcome is Outcome.UNKNOWN
    assert replace(check, failed=2).outcome is Outcome.MOSTLY  # two objects are too few to tell
    assert replace(check, failed=2, decisive=True).outcome is Outcome.WRONG
    assert replace(check, failed=3, passed=3).outcome is Outcome.MOSTLY
    assert replace(check, failed=4, passed=3, pages=(1, 2)).outcome is Outcome.WRONG
    assert replace(check, failed=40, passed=3, pages=(3, 2)).outcome is Outcome.MOSTLY
    assert replace(check, failed=40, pages=(0, 1)).outcome is Outcome.MOSTLY  # one page has one vote


def test_an_estimated_layout_of_which_hardly_anything_could_be_read_is_not_trusted() -> None:
    """One that facts name is: they prove it."""
    told = Check("process-id", "_EPROCESS", "UniqueProcessId", "system", 1, 0, 0, None)
    assert Proof((told,), False).verdict is Verdict.EXACT
    assert Proof((told,), True).verdict is Verdict.DOUBTFUL
    assert "only 1 checks" in Proof((told,), True).reason
    assert Proof((told,) * 8, True).verdict is Verdict.CONSISTENT


@pytest.mark.parametrize("name", FOREIGN)
def test_a_kernel_of_an_unknown_build_is_read_through_the_layout_that_fits_best(
    name: str, opened: Callable[[str], Kernel], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither PDB nor build number is known: of all layouts one of the right build is chosen, and marked."""
    kernel = opened(name)
    assert isinstance(kernel.space, AddressSpace)
    monkeypatch.setattr(choice.builds, "by_pdb", lambda guid, age: None)
    monkeypatch.setattr(identify, "build_number", lambda space, image: 12345)
    space = kernel.space
    found = identify.identify(space.memory, space.root, None, space.mode)
    assert found.build.number == kernel.build.number
    assert found.build.places[EPROCESS.name] == kernel.build.places[EPROCESS.name]
    assert found.build.estimated
    assert trust(found).verdict is Verdict.CONSISTENT


@pytest.mark.parametrize("name", FOREIGN)
def test_page_tables_map_themselves_in_every_process_and_nothing_else_does(
    name: str, opened: Callable[[str], Kernel], truth: Callable[[str], dict[str, Any]]
) -> None:
    """The roots of the answer key do; pages that are no roots do not."""
    space = opened(name).space
    assert isinstance(space, AddressSpace)
    roots = [p["dtb"] for p in truth(name)["processes"] if not p["exited"]]
    assert self_mapped(space, addresses_of(roots))[0].all()
    header = space.translate(addresses_of([opened(name).base])).physical
    assert not self_mapped(space, header)[0].any()


def test_every_check_has_its_note_and_every_note_is_of_a_check(image: Image, opened: Callable[[str], Kernel]) -> None:
    """The foreign images and the lab show all of them."""
    shown = {check.id for name in FOREIGN for check in selfcheck(opened(name)).checks}
    shown |= {check.id for check in selfcheck(kernel_of(image)).checks}
    assert {f"layout-check/{name}" for name in shown} == set(default().ids("layout-check/"))


def test_the_checks_end_where_lists_never_do(image: Image) -> None:
    """A ring that leads back to its middle is walked once."""
    edit = Editor(image)
    rows = [p for p in image.truth["processes"] if p["in_active_list"]]
    links = kernel_of(image).build[EPROCESS].offset("ActiveProcessLinks")
    edit.set(EPROCESS, rows[8]["eprocess"], "ActiveProcessLinks", rows[3]["eprocess"] + links)
    kernel = kernel_of(image, edit.frames)
    assert len(Sample(kernel, 1 << 14).links) == len(rows) - 1  # the one without a way back ends both directions
    assert trust(kernel).verdict is Verdict.EXACT


WITHOUT_LAYOUT = {"triage-x64-26100-082325-12593-01-trimmed.dmp"}
"""Dumps of kernels whose layout is known by the size of a structure alone: an estimated one is consistent."""
FAILING = {
    "triage-x64-19041-ef-trimmed.dmp": {"exit-status"},
}
"""Checks that fail: of five processes of this one, one had an exit status and no time of its end when the machine
stopped.
"""
REAL = sorted(path.name for path in (SHARED / "real").glob("triage-x64-*.dmp"))


@pytest.mark.proves("real")
@pytest.mark.parametrize("name", REAL)
def test_the_layout_of_a_real_dump_fits_in_every_field_that_it_holds(name: str, shared: Path) -> None:
    """Crash dumps of real machines: what the kernel tells debuggers, its process and its thread; nothing fails."""
    kernel = open_path(shared / "real" / name)
    proof = selfcheck(kernel)
    fits = Verdict.CONSISTENT if name in WITHOUT_LAYOUT else Verdict.EXACT
    assert (proof.verdict, trust(kernel).verdict) == (fits, fits)
    assert {check.id for check in proof.checks if check.failed} == FAILING.get(name, set())
    assert proof.passed > 20


@pytest.mark.parametrize("name", REAL[:1] + REAL[-1:])
def test_what_a_real_kernel_tells_debuggers_refutes_a_wrong_layout(name: str, shared: Path) -> None:
    """One statement of the kernel itself is enough."""
    kernel = open_path(shared / "real" / name)
    wrong = Kernel(
        View(kernel.space, builds.load("x64-22621-382")), kernel.number, kernel.base, kernel.size, None, kernel.system,
        (), kernel.crash,
    )  # fmt: skip
    assert selfcheck(wrong).verdict is Verdict.DOUBTFUL
    assert "debugger-offset" in {check.id for check in selfcheck(wrong).wrong}


def test_vads_of_another_make_are_trusted_by_nobody(image: Image) -> None:
    """A node's fields lie elsewhere than the layout has them, all else fits: every view goes by the same verdict."""
    kernel = kernel_of(image)
    assert not trust(kernel).reason
    build = kernel.build
    node = dict(build.places["_MMVAD_SHORT"])
    node["StartingVpn"], node["EndingVpn"] = node["EndingVpn"], node["StartingVpn"]
    places = {**build.places, "_MMVAD_SHORT": node}
    other = Kernel(
        View(kernel.space, replace(build, places=places, _bound={})),
        kernel.number, kernel.base, kernel.size, kernel.pdb, kernel.system,
    )  # fmt: skip
    assert trust(other).reason == "the layout does not fit this image: _MMVAD_SHORT.StartingVpn"
    assert "_MMVAD_SHORT.StartingVpn" in selfcheck(other).reason
    assert Views(other).doubt == trust(other).reason
    assert Views(kernel).doubt == ""


def test_a_field_that_a_users_table_lacks_is_not_checked_against_the_debugger_block() -> None:
    """Nothing is said of it; what the block says of the others still counts."""
    build = builds.load("x64-19041-0")
    threads = {name: place for name, place in build.places["_ETHREAD"].items() if name != "ApcStateProcess"}
    poorer = replace(build, places={**build.places, "_ETHREAD": threads}, _bound={})
    block = {member: build.places[layout.name][field].offset for layout, field, member in KDBG_PLACES}
    assert [statement.field for statement in statements(block, poorer) if not statement.agrees] == ["ApcStateProcess"]
    assert not any(statement.contradicts for statement in statements(block, poorer))
    assert len(list(statements(block, build))) == len(KDBG_PLACES)


@pytest.mark.parametrize("name", ["triage-x64-26100-7a-trimmed.dmp", "triage-x64-9600-111317-47781-criticalrocket.dmp"])
def test_a_small_dump_is_checked_by_the_thread_that_it_holds_and_no_fact_is_claimed(name: str, shared: Path) -> None:
    """Its build number and debugger block name the layout; that is what is said."""
    rows = {row["Check"]: row for row in Views(open_path(shared / "real" / name)).view("selfcheck")}
    for check in ("thread-process", "thread-owner-id", "thread-id"):
        assert (rows[check]["Result"], rows[check]["Passed"]) == ("fits", 1)
    told = rows["verdict"]["Explanation"]
    assert "build number" in told
    assert "Published facts" not in told
