"""Smear: an image of two moments accuses nobody, and what was read when it was something else is not believed."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from process_anatomy.absent import Absent, Kind
from process_anatomy.findings import Severity, findings
from process_anatomy.forge import Image, forge
from process_anatomy.forge.cast.clean import BROKERS
from process_anatomy.kernel.identify import Kernel
from process_anatomy.memory.view import as_name
from process_anatomy.walk.across.tables import Tables
from process_anatomy.walk.crossview.crossings import crossview
from process_anatomy.walk.crossview.verdicts import HIDDEN
from process_anatomy.walk.handles.tables import cid_table
from process_anatomy.walk.processes.listed import processes
from structs.eprocess import EPROCESS
from structs.handle import HANDLE_TABLE
from structs.object import OBJECT_NAME_INFORMATION
from structs.section import CONTROL_AREA, FILE_OBJECT
from tests.walk.damaged import kernel_of, process_truth
from tests.walk.overlay import PAGE, Overlay
from tests.walk.smear import Machine, machine, made_up, told

DRAWS = [(3, draw) for draw in (0, 2, 5, 11, 19, 22)] + [(10, draw) for draw in (3, 5, 7, 8)]
"""Percent of pages and draw: each of these accused somebody once, for another cause."""


@pytest.fixture(scope="module")
def both() -> Machine:
    return machine()


@pytest.fixture(scope="module")
def image() -> Image:
    return forge(BROKERS)


@pytest.fixture(scope="module")
def clean(image: Image) -> Kernel:
    return kernel_of(image)


@pytest.fixture
def over(clean: Kernel) -> Overlay:
    return Overlay(clean)


def rules(kernel: Kernel) -> dict[str, list[str]]:
    """Rules that find something above info, each with the evidence of all that it found."""
    found: dict[str, list[str]] = {}
    for each in findings(Tables(kernel, hidden=True), Severity.LOW):
        found.setdefault(each.rule, []).extend(each.evidence)
    return found


def test_neither_moment_has_a_finding_by_itself(both: Machine) -> None:
    assert told(kernel_of(both.first)) == told(kernel_of(both.second)) == frozenset()


def test_the_moments_differ_in_most_pages_of_the_kernel(both: Machine) -> None:
    different = sum(both.first.physical[frame] != page for frame, page in both.shared.items())
    assert different > len(both.shared) * 3 // 4 > 100


@pytest.mark.parametrize(("percent", "draw"), DRAWS)
def test_no_finding_comes_from_smear(percent: float, draw: int, both: Machine) -> None:
    """Above info nothing is told but that there is smear."""
    kernel = both.smeared(percent, draw)
    assert kernel is not None
    assert made_up(kernel, frozenset()) == frozenset()


def test_a_session_that_the_token_does_not_know_is_not_judged(image: Image, over: Overlay) -> None:
    """csrss.exe of the first session seems to be in session 0: it is not called a twin of the one there."""
    servers = [p for p in image.truth["processes"] if p["name"] == "csrss.exe"]
    zero = next(p for p in servers if p["session"] == 0)
    pointer = over.whole.view.pointer(zero["eprocess"] + over.build[EPROCESS].offset("Session"))
    assert pointer is not None
    for process in image.truth["processes"]:
        if process["session"] == 1:
            over.set(EPROCESS, process["eprocess"], "Session", pointer)
    left = over.kernel()
    assert rules(left) == {}
    lines = [line for each in findings(Tables(left)) if each.rule == "not-judged" for line in each.evidence]
    assert any("its session is told in two ways: session space has 0, its token 1" in line for line in lines)


def leaf_of(over: Overlay, table: int) -> int:
    """The page of entries of a handle table of one level."""
    code = over.whole.view.pointer(table + over.build[HANDLE_TABLE].offset("TableCode"))
    assert code is not None
    return code & ~3


def test_a_page_of_the_table_of_ids_that_holds_nobody_hides_nobody(over: Overlay) -> None:
    """The whole page was something else when it was read; all that it should hold is missing at once."""
    table = cid_table(over.whole).address
    assert isinstance(table, int)
    code = over.whole.view.pointer(table + over.build[HANDLE_TABLE].offset("TableCode"))
    assert code is not None
    leaves = code & ~3
    second = over.whole.view.pointer(leaves + over.build.pointer_size)
    assert code & 3 == 1
    assert second is not None
    over.write(second, bytes(PAGE))
    left = over.kernel()
    assert "half-hidden-process" not in rules(left)
    assert [row for row in crossview(left).rows if row.verdict == HIDDEN] == []
    assert any("CID" in {a.view for a in row.absences if a.reason == "unreadable"} for row in crossview(left).rows)


def test_an_audited_name_that_no_file_can_have_is_none(image: Image, over: Overlay) -> None:
    """What lies where the name lay is no evidence of another program."""
    victim = process_truth(image, "sihost.exe")
    record = over.whole.view.pointer(victim["eprocess"] + over.build[EPROCESS].offset("SeAuditProcessCreationInfo"))
    assert record is not None
    text = over.whole.view.parse(OBJECT_NAME_INFORMATION, record)["Name"]
    over.write(text.Buffer, b"\1\0\2\0\3\0")
    left = over.kernel()
    row = next(row for row in processes(left).rows if row.pid == victim["pid"])
    assert isinstance(row.image_path, Absent)
    assert row.image_path.kind is Kind.IMPLAUSIBLE
    assert rules(left) == {}


@pytest.mark.parametrize("text", ["\\Device\\HarddiskVolume3\\a.exe", "Registry", "", "\u202eexe.txt", "\ud55c.exe"])
def test_every_name_that_a_file_can_have_stays(text: str) -> None:
    assert as_name(text) == text


def control_area(image: Image, kernel: Kernel) -> tuple[int, int]:
    """The control area and the file object of the program of notepad.exe."""
    tables = Tables(kernel)
    pid = process_truth(image, "notepad.exe")["pid"]
    base = next(row.base for row in tables.programs.values() if row.process.pid == pid)
    found = zip(tables.vads.rows, tables.sections, strict=True)
    section = next(s for vad, s in found if vad.process.pid == pid and vad.start == base)
    assert isinstance(section.control_area, int)
    assert isinstance(section.file_object, int)
    return section.control_area, section.file_object


def test_an_image_without_a_file_is_one_whose_control_area_says_that_it_is_an_image(
    image: Image, over: Overlay
) -> None:
    area, _ = control_area(image, over.whole)
    over.set(CONTROL_AREA, area, "FilePointer", 0)
    assert "image-without-file" in rules(over.kernel())
    over.set(CONTROL_AREA, area, "Flags", 0)
    assert rules(over.kernel()) == {}


def overwrite_the_type(over: Overlay, file: int) -> None:
    over.set(FILE_OBJECT, file, "Type", 3)


def overwrite_the_name(over: Overlay, file: int) -> None:
    text = over.whole.view.parse(FILE_OBJECT, file)["FileName"]
    over.write(text.Buffer, b"\1\0\2\0\3\0")


@pytest.mark.parametrize("damage", [overwrite_the_type, overwrite_the_name])
def test_what_is_no_file_object_names_no_other_program(
    damage: Callable[[Overlay, int], None], image: Image, over: Overlay
) -> None:
    _, file = control_area(image, over.whole)
    damage(over, file)
    tables = Tables(over.kernel())
    assert any(isinstance(vad.file, Absent) and vad.file.kind is Kind.IMPLAUSIBLE for vad in tables.vads.rows)
    assert rules(over.kernel()) == {}


def test_handles_that_another_has_to_itself_give_no_power_but_are_told(image: Image, over: Overlay) -> None:
    """The page of one's handle table holds what another's held: its process, its thread and its token."""
    holder, other = process_truth(image, "notepad.exe"), process_truth(image, "spoolsv.exe")
    page = over.space.read(leaf_of(over, other["object_table"]), PAGE)
    assert page is not None
    over.write(leaf_of(over, holder["object_table"]), page)
    left = over.kernel()
    doubted = [step for step in Tables(left).access.steps if step.doubted]
    assert {step.handle.process.pid for step in doubted} == {holder["pid"]}
    assert {step.kind for step in doubted} == {"Process", "Thread", "Token"}
    found = rules(left)
    assert found.keys() == {"smear"}
    assert sum("the target may have the same to itself" in line for line in found["smear"]) == len(doubted)
