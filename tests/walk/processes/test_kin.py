"""Kin: which process an id meant, by sequence numbers, the active list and times, in that order."""

from __future__ import annotations

import json
import lzma
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from process_anatomy.absent import Absent, Kind
from process_anatomy.forge import LAB, Image, forge
from process_anatomy.kernel.identify import Kernel, identify
from process_anatomy.memory.paging import X64
from process_anatomy.memory.physical import MappedMemory, Run
from process_anatomy.volatility import open_path
from process_anatomy.walk.across.tables import Tables
from process_anatomy.walk.processes.kin import Kin, Relative
from process_anatomy.walk.processes.listed import Process
from structs.eprocess import EPROCESS
from tests.walk.damaged import Editor, kernel_of, process_truth

GONE = Absent(Kind.IMPLAUSIBLE, "no time")
SMALL = ["triage-x64-19041-102622-15671-daimuvg.dmp", "triage-x64-9600-111317-27812-criticalrocket.dmp"]
LISTED = ("forward", "backward")


def made(pid: int, time: int | Absent, sequence: int = 0, seen_by: tuple[str, ...] = LISTED, ppid: int = 8) -> Process:
    """A process of which only its age is of interest."""
    return Process(
        address=0x1000 * pid, pid=pid, ppid=ppid, name="p.exe", threads=1, handles=1, session=1, wow64=False,
        create_time=time, exit_time=Absent(Kind.NOT_APPLICABLE), dtb=0x1000, peb=0x1000, vad_root=0, token=0,
        protection=(0, 0), minimal=False, image_path="", seen_by=seen_by, problems=(), sequence=sequence,
    )  # fmt: skip


def of(parent: Process, child: Process, *order: Process, cut: bool = False) -> Relative:
    """The parent of a process, where the list has them in an order."""
    return Kin(order, cut).relative(parent.pid, child)


def test_a_later_process_with_the_parents_id_is_newer_where_list_and_times_agree() -> None:
    """Nothing is doubtful in it."""
    parent, child = made(8, 200), made(12, 100)
    assert of(parent, child, child, parent) == Relative(8, None, "newer")
    assert of(parent, replace_time(child, 300), replace_time(child, 300), parent).state == "alive"


def replace_time(process: Process, time: int | Absent) -> Process:
    """The same process with another time of creation."""
    return made(int(str(process.pid)), time, int(str(process.sequence)))


def test_a_clock_that_was_set_back_makes_no_parent_newer() -> None:
    """The list has the parent before its child: it stays the parent, in doubt."""
    parent, child = made(8, 200), made(12, 100)
    found = of(parent, child, parent, child)
    assert (found.process, found.state) == (parent, "alive")
    assert "before it" in found.doubt


def test_times_alone_tell_with_doubt_what_is_on_no_list() -> None:
    """As of a process that was taken off the list."""
    parent, child = made(8, 200, seen_by=()), made(12, 100)
    found = of(parent, child, child, parent)
    assert (found.state, found.doubt) == ("newer", "only the times tell")


@pytest.mark.parametrize("times", [(GONE, 100), (200, GONE), (GONE, GONE)])
@pytest.mark.parametrize("first", [True, False])
def test_a_time_that_is_absent_decides_nothing(times: tuple[int | Absent, int | Absent], first: bool) -> None:
    """Whatever the list says, the parent is no other process for that."""
    parent, child = made(8, times[0]), made(12, times[1])
    found = of(parent, child, *((parent, child) if first else (child, parent)))
    assert found.process is parent
    assert bool(found.doubt) is not first


def test_sequence_numbers_decide_against_list_and_times() -> None:
    """They rise with the list but for one process that was linked in elsewhere."""
    crowd = [made(100 + 4 * number, 50, number + 1) for number in range(20)]
    parent, child = made(8, 200, 30), made(12, 100, 40)
    assert of(parent, child, *crowd, child, parent) == Relative(8, parent, "alive")
    later = made(8, 100, 50)
    assert of(later, child, *crowd, later, child) == Relative(8, None, "newer")


@pytest.mark.parametrize("numbers", [[7] * 20, list(range(20, 0, -1)), [0] * 20])
def test_sequence_numbers_that_count_nothing_are_not_believed(numbers: list[int]) -> None:
    """All the same, falling along the list, or none: list and times decide."""
    crowd = [made(100 + 4 * place, 50, number) for place, number in enumerate(numbers)]
    parent, child = made(8, 100, 90), made(12, 200, 80)
    assert of(parent, child, *crowd, parent, child).state == "alive"


def test_a_process_is_not_its_own_parent() -> None:
    """Another with its id may be."""
    child = made(8, 100, ppid=8)
    assert of(child, child, child).state == "not found"


def test_a_parent_that_is_not_on_a_cut_list_is_unknown() -> None:
    """It may be in the part that is missing; on a whole list it is not found."""
    child = made(12, 100)
    assert of(made(8, 1), child, child, cut=True).state == "unknown"
    assert of(made(8, 1), child, child).state == "not found"


def test_a_list_that_is_broken_both_ways_is_cut_and_says_so_of_parents() -> None:
    """One that is broken in one direction is whole by the other."""
    image = forge(LAB, 23)
    links = forge_links(image)
    one, both = Editor(image), Editor(image)
    one.write(links, (0x41414141).to_bytes(8, "little"))
    both.write(links, (0x41414141).to_bytes(8, "little") * 2)
    assert not Tables(kernel_of(image, one.frames)).listed.cut
    tables = Tables(kernel_of(image, both.frames))
    assert tables.listed.cut
    states = {row.parent.state for row in tables.creations}
    assert "unknown" in states
    assert "not found" not in states
    lines = [line for row in tables.creations if row.parent.state == "unknown" for line in row.evidence]
    assert any("the list of processes is cut" in line for line in lines)


def forge_links(image: Image) -> int:
    """Address of a link in the middle of the list."""
    victim = process_truth(image, "explorer.exe")
    return int(victim["eprocess"]) + kernel_of(image).build[EPROCESS].offset("ActiveProcessLinks")


@pytest.mark.parametrize("name", SMALL)
@pytest.mark.proves("real")
def test_parents_in_real_small_dumps_are_unknown_or_there(name: str, shared: Path) -> None:
    """A small dump never holds the whole list."""
    tables = Tables(open_path(shared / "real" / name))
    states = {tables.kin.relative(process.ppid, process).state for process in tables.listed.rows}
    assert states <= {"unknown", "none", "alive", "ended"}


@pytest.fixture(scope="module")
def case(shared: Path) -> Callable[[str], Kernel]:
    """Name of a situation from the field to the kernel in it."""
    base = bytearray(lzma.decompress((shared / "cases" / "base-19041.raw.xz").read_bytes()))
    root = json.loads(lzma.decompress((shared / "cases" / "base-19041.truth.json.xz").read_bytes()))["dtb"]

    def kernel(name: str) -> Kernel:
        memory = bytearray(base)
        for at, octets in json.loads((shared / "cases" / f"{name}.json").read_text())["patches"]:
            memory[at : at + len(octets) // 2] = bytes.fromhex(octets)
        return identify(MappedMemory(np.frombuffer(memory, np.uint8), [Run(0, len(memory), 0)]), root, mode=X64)

    return kernel


def test_no_parent_is_newer_after_the_clock_was_set_back(case: Callable[[str], Kernel]) -> None:
    """Two hours, after services.exe had started: all relatives stay, those with contradicting times in doubt."""
    tables = Tables(case("clock"))
    rows = tables.creations
    assert not any(row.parent.state == "newer" or row.method == "reused-parent" for row in rows)
    assert sum(bool(row.parent.doubt) for row in rows) == 16
    assert {row.verdict for row in tables.crossings.rows} == {"consistent", "ended"}


def test_impossible_facts_of_processes_hide_nobody(case: Callable[[str], Kernel]) -> None:
    """Ids and times that are none, parents of each other: each is told in its own row, and no process is hidden."""
    tables = Tables(case("procs"))
    rows = {row.process.address: row for row in tables.crossings.rows}
    assert len(rows) == 37
    assert not any(row.verdict in ("hidden", "remnant", "smeared") for row in rows.values())
    idle = [row for row in rows.values() if any(absence.reason == "idle" for absence in row.absences)]
    assert idle == []
