"""Zeros where a running process must have something are damage that is told, not an absence that is believed."""

from __future__ import annotations

from typing import Any

import pytest

from process_anatomy.forge import LAB, Image, forge
from process_anatomy.kernel.identify import Kernel
from process_anatomy.kernel.observations import Outcome
from process_anatomy.kernel.selfproof import debugger_checks
from process_anatomy.walk.across.completeness import NOT, PART
from process_anatomy.walk.across.tables import Tables
from structs.debugger import Statement
from structs.eprocess import EPROCESS
from structs.ethread import ETHREAD
from structs.handle import HANDLE_TABLE
from structs.object import OBJECT_HEADER
from structs.token import TOKEN
from structs.vad import MMVAD_SHORT
from tests.walk.damaged import PAGE, Editor, kernel_of, process_truth

NAME = "notepad.exe"


@pytest.fixture(scope="module")
def image() -> Image:
    """The lab image."""
    return forge(LAB, 17)


@pytest.fixture(scope="module")
def victim(image: Image) -> dict[str, Any]:
    """The answer key's entry of the process whose fields are overwritten."""
    return process_truth(image, NAME)


def tables(image: Image, edit: Editor, pid: int) -> Tables:
    """What is told of one process after an edit."""
    return Tables(kernel_of(image, edit.frames), frozenset({pid}))


def test_a_whole_image_has_none_of_these_problems(image: Image) -> None:
    """No process of it lacks anything, and every environment ends where its size says."""
    found = Tables(kernel_of(image))
    assert not any("it runs, but" in line for row in found.processes for line in row.problems)
    assert not any("it runs, but" in line for line in (*found.vads.problems, *found.programs_in_memory.problems))
    assert not any("zero" in line for line in (*found.handles().problems, *found.access.problems))
    assert not any("the environment ends here" in line for row in found.environments for line in row.problems)


@pytest.mark.parametrize(
    ("field", "what", "component"),
    [
        ("VadRoot", "VAD tree", "AddressSpace"),
        ("ObjectTable", "handle table", "Handles"),
        ("Token", "token", "SecurityContext"),
        ("SectionBaseAddress", "program", "Program"),
    ],
)
def test_a_running_process_without_a_part_of_it_has_a_problem(
    image: Image, victim: dict[str, Any], field: str, what: str, component: str
) -> None:
    """The row of the process says what it lacks, and the component is neither whole nor said not to be there."""
    edit = Editor(image)
    edit.set(EPROCESS, victim["eprocess"], field, 0)
    found = tables(image, edit, victim["pid"])
    assert f"it runs, but has no {what}: that field is zero" in found.processes[0].problems
    (row,) = found.completeness.rows
    assert row.components[component].state in (NOT, PART)
    assert row.components[component].obstacles


def test_lost_parts_are_told_where_their_rows_would_be(image: Image, victim: dict[str, Any]) -> None:
    """The tables of ranges, handles and programs say that they miss a process."""
    edit = Editor(image)
    for field in ("VadRoot", "ObjectTable", "SectionBaseAddress"):
        edit.set(EPROCESS, victim["eprocess"], field, 0)
    found, pid = tables(image, edit, victim["pid"]), victim["pid"]
    assert f"process {pid}: it runs, but its VadRoot is zero: its VADs are not known" in found.vads.problems
    assert victim["eprocess"] in found.vads.broken
    assert any("its ObjectTable is zero" in line for line in found.handles().problems)
    problems = found.programs_in_memory.problems
    assert f"process {pid}: it runs, but the kernel names no place of its program" in problems


def test_a_blank_page_of_handles_is_told(image: Image, victim: dict[str, Any]) -> None:
    """The table counts more handles than are found, and one of its pages holds nothing."""
    kernel = kernel_of(image)
    records = kernel.view.parse(EPROCESS, victim["eprocess"])
    code = kernel.view.parse(HANDLE_TABLE, records["ObjectTable"])["TableCode"]
    leaf = code & ~3
    if code & 3:
        leaf = kernel.view.pointer(leaf) or 0
    edit = Editor(image)
    edit.write(leaf, bytes(PAGE))
    found = tables(image, edit, victim["pid"])
    assert any("a page of handles holds zeros only" in line for line in found.handles().problems)
    (row,) = found.completeness.rows
    handles = row.components["Handles"]
    assert handles.state in (NOT, PART)
    assert handles.expected > handles.found


def test_a_handle_to_a_blank_object_is_counted(image: Image) -> None:
    """A thread of which the page holds zeros only loses its type, and the handles to it are not dropped in silence."""
    whole = Tables(kernel_of(image))
    handle = next(row for row in whole.handles(frozenset({"Thread"})).rows)
    kernel = whole.kernel
    edit = Editor(image)
    size = kernel.build[OBJECT_HEADER].sizeof + kernel.build[ETHREAD].sizeof
    edit.write(handle.header, bytes(size))
    found = Tables(kernel_of(image, edit.frames))
    some = found.handles(frozenset({"Thread"}))
    lost = sum(row.object == handle.object for row in whole.handles().rows)
    assert f"{lost} handles are not shown, because the types of their objects could not be told" in some.problems
    untold = [row for row in found.handles().rows if row.object == handle.object]
    assert len(untold) == lost
    assert all("its header holds zeros only" in " ".join(row.problems) for row in untold)
    assert any("are not shown" in line for line in found.access.problems)


@pytest.mark.parametrize("place", [0, 40])
def test_an_environment_that_ends_before_its_size_is_told(image: Image, victim: dict[str, Any], place: int) -> None:
    """A zero as its first character, or an empty string in its midst."""
    kernel = kernel_of(image)
    own = kernel.space.through(victim["dtb"])
    peb = Tables(kernel, frozenset({victim["pid"]})).pebs[0]
    assert isinstance(peb.environment, int)
    assert own.read(peb.environment, 4)
    edit = Editor(image)
    edit.write(peb.environment + place, bytes(4), victim["dtb"])
    rows = tables(image, edit, victim["pid"]).environments
    assert "the environment ends here" in rows[-1].problems[0]


def test_a_luid_that_is_a_kernel_address_is_none(image: Image, victim: dict[str, Any]) -> None:
    """LUIDs count up from the start of the system."""
    kernel = kernel_of(image)
    token = Tables(kernel, frozenset({victim["pid"]})).tokens[0].address
    assert isinstance(token, int)
    edit = Editor(image)
    edit.set(TOKEN, token, "OriginatingLogonSession", 0xFFFFE28E27460000)
    origin = tables(image, edit, victim["pid"]).tokens[0].origin
    assert str(origin) == "0xffffe28e27460000 is a kernel address, no LUID"


def test_a_layout_without_a_field_is_not_contradicted() -> None:
    """What a user's table lacks cannot be checked; what it has otherwise does not fit."""
    lacking, wrong = Statement("_ETHREAD", "ApcStateProcess", 0xB8, None), Statement("_ETHREAD", "Teb", 0xF0, 0xE8)
    first, second = debugger_checks([lacking, wrong])
    assert (first.outcome, second.outcome) == (Outcome.UNKNOWN, Outcome.WRONG)


@pytest.mark.parametrize(("number", "outside"), [(7601, False), (9600, True)])
def test_a_range_below_64_kb_is_judged_by_the_windows(
    image: Image, victim: dict[str, Any], number: int, outside: bool
) -> None:
    """Up to Windows 7 a program could ask for the first page; later none can."""
    kernel = kernel_of(image)
    first = Tables(kernel, frozenset({victim["pid"]})).vads.rows[0]
    edit = Editor(image)
    edit.set(MMVAD_SHORT, first.address, "StartingVpn", 0)
    edit.set(MMVAD_SHORT, first.address, "StartingVpnHigh", 0)
    edited = kernel_of(image, edit.frames)
    other = Kernel(
        edited.view, number, edited.base, edited.size, edited.pdb, edited.system, edited.evidence, edited.crash
    )
    checks = Tables(other, frozenset({victim["pid"]})).vad_checks
    assert any("its range lies outside user space" in check.problems for check in checks) is outside
