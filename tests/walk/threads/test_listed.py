"""Threads: what the kernel keeps of them and where they start, against answer keys that are not ours and our own."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from process_anatomy.absent import NOT_APPLICABLE, Absent
from process_anatomy.errors import Error
from process_anatomy.filetime import moment
from process_anatomy.forge import Image, forge
from process_anatomy.forge.cast.lab import LAB
from process_anatomy.kernel.identify import Kernel
from process_anatomy.notes.explainer import Explainer
from process_anatomy.notes.thread_rows import thread_note
from process_anatomy.volatility import open_path
from process_anatomy.walk.across.starts import (
    DRIVER,
    IMAGE,
    NO_DRIVER,
    NOTHING,
    PRIVATE_EXECUTABLE,
    REUSED,
    UNKNOWN,
    Starts,
    starts,
    thread_starts,
)
from process_anatomy.walk.across.tables import Tables
from process_anatomy.walk.address_space.vads import VadTable, vads
from process_anatomy.walk.processes.listed import processes
from process_anatomy.walk.program.drivers import drivers
from process_anatomy.walk.threads.facts import ThreadFacts, thread_facts
from process_anatomy.walk.threads.listed import threads
from structs.ethread import ETHREAD
from structs.peb import LDR_DATA_TABLE_ENTRY
from structs.vad import MMVAD_SHORT
from tests.generations import NEWER, OLDER, lab
from tests.walk.damaged import GARBAGE, Editor, kernel_of, listed_truth, process_truth, spoiled, without

IMAGES = ["win10-19041", "srv2019-17763", "srv2016-14393", "win7-7601-x86-pae", "winxp-2600-pae"]
DUMPS = [
    "triage-x64-17763-011620-8250-proxyrule.dmp",
    "triage-x64-19041-022121-rizin.dmp",
    "triage-x64-19041-083125-notmyfault.dmp",
    "triage-x64-19041-102622-12546-daimuvg.dmp",
    "triage-x64-9600-111317-47781-criticalrocket.dmp",
]


def everything(kernel: Kernel) -> list[Starts]:
    """Every thread of an image, and where it starts."""
    listed = processes(kernel).rows
    facts = thread_facts(kernel, threads(kernel, listed))
    return thread_starts(kernel, facts, vads(kernel, listed), drivers(kernel))


def expected(process: dict[str, Any], thread: dict[str, Any]) -> tuple[Any, ...]:
    """A thread of an answer key."""
    token = thread["impersonation_token"]
    return (
        process["pid"],
        thread["ethread"],
        thread["state"],
        thread["wait_reason"],
        thread["priority"],
        thread["base_priority"],
        instant(thread["create_time"]),
        instant(thread.get("exit_time")),
        thread["exit_status"],
        thread["start"],
        thread["win32_start"],
        thread["teb"],
        thread["cross_thread_flags"],
        thread["name"],
        token and token["va"],
        process["eprocess"],
    )


def found(row: ThreadFacts) -> tuple[Any, ...]:
    """The same facts of a row."""
    thread = row.thread
    return (
        thread.process.pid,
        thread.address,
        row.state_number,
        row.reason_number,
        row.priority,
        row.base_priority,
        moment(row.create_time),
        moment(row.exit_time),
        row.exit_status,
        row.start,
        row.win32_start,
        row.teb,
        row.flags,
        row.name if isinstance(row.name, str) else None,
        thread.client_token if isinstance(thread.client_token, int) else None,
        row.owner,
    )


def instant(text: str | None) -> datetime | None:
    """A time of an answer key."""
    return datetime.fromisoformat(text.replace("Z", "+00:00")) if text else None


@pytest.fixture(scope="module", params=IMAGES)
def answered(
    request: pytest.FixtureRequest, foreign: Callable[[str], Path], truth: Callable[[str], dict[str, Any]]
) -> tuple[Kernel, dict[str, Any], list[Starts]]:
    """A foreign image, its answer key, and its threads."""
    kernel = open_path(str(foreign(f"{request.param}.raw")))
    return kernel, truth(request.param), everything(kernel)


def test_every_thread_says_what_the_answer_key_says(answered: tuple[Kernel, dict[str, Any], list[Starts]]) -> None:
    """Sixteen facts of each thread, and nothing odd about any."""
    _, answers, rows = answered
    told = {row.facts.thread.tid: found(row.facts) for row in rows}
    assert told == {t["tid"]: expected(p, t) for p in answers["processes"] for t in p["threads"]}
    assert len(rows) == len(told) > 70
    assert [row.facts.problems for row in rows if row.facts.problems] == []


def test_every_start_lies_in_the_range_and_file_of_the_answer_key(
    answered: tuple[Kernel, dict[str, Any], list[Starts]],
) -> None:
    """By a search of the test's own through the answer key's VADs and drivers."""
    kernel, answers, rows = answered
    by_pid = {process["pid"]: process.get("vads", []) for process in answers["processes"]}
    compared = 0
    homeless = set()
    for row in rows:
        for start in (row.start, row.win32):
            address = start.address
            assert isinstance(address, int)
            if address >= kernel.system_start:
                (driver,) = [m for m in answers["kernel_modules"] if m["base"] <= address < m["base"] + m["size"]]
                assert (start.kind, start.path) == (DRIVER, driver["path"])
            else:
                pid = row.facts.thread.process.pid
                assert isinstance(pid, int)
                vads_there = [v for v in by_pid[pid] if v["start"] <= address <= v["end"]]
                if not vads_there:  # smss.exe of the 32-bit images begins in kernel32.dll, which it has not mapped
                    assert address == 0 or start.kind == NOTHING or row.facts.ended
                    homeless.add((row.facts.thread.process.name, row.alarm))
                    continue
                (vad,) = [v for v in vads_there if len(vads_there) == 1 or v["file"]]  # one 32-bit program has two
                assert start.vad is not None
                assert (start.kind, start.vad.address) == (IMAGE, vad["node"])
                assert (start.path, start.protection) == (vad["file"], vad["protection"])
            compared += 1
        assert row.alarm == NOT_APPLICABLE or row.start.kind == NOTHING
    odd = {("smss.exe", "NO MEMORY RANGE"), ("System", NOT_APPLICABLE)}
    assert homeless == (odd if kernel.build.pointer_size == 4 else set())
    assert compared > 0.8 * 2 * len(rows)


def test_drivers_are_those_of_the_answer_key(answered: tuple[Kernel, dict[str, Any], list[Starts]]) -> None:
    kernel, answers, _ = answered
    table = drivers(kernel)
    assert [(d.base, d.address, d.name, d.path, d.size) for d in table.rows] == [
        (m["base"], m["entry"], m["name"], m["path"], m["size"]) for m in answers["kernel_modules"]
    ]
    assert (table.problems, table.whole) == ((), True)
    assert all(driver.problems == () for driver in table.rows)
    for driver in table.rows:
        assert isinstance(driver.base, int)
        assert isinstance(driver.size, int)
        assert table.find(driver.base) is table.find(driver.base + driver.size - 1) is driver
        assert table.find(driver.base - 1) is not driver
        assert table.find(driver.base + driver.size) is not driver


@pytest.fixture(scope="module")
def image() -> Image:
    """The lab image."""
    return forge(LAB, 11)


@pytest.fixture
def edit(image: Image) -> Editor:
    """The lab image, ready to be damaged."""
    return Editor(image)


def of_thread(rows: list[Starts], tid: int) -> Starts:
    """The row of a thread."""
    (row,) = [row for row in rows if row.facts.thread.tid == tid]
    return row


@pytest.mark.parametrize("build", NEWER + OLDER)
def test_the_labs_threads_are_those_of_its_answer_key(build: str) -> None:
    """States, suspensions, ends and starts of each kind, in every layout."""
    made = lab(build)
    rows = everything(kernel_of(made))
    told = {row.facts.thread.tid: (*found(row.facts), row.facts.suspend_count) for row in rows}
    truth = [(p, t) for p in listed_truth(made.truth) for t in p["threads"]]
    assert told == {t["tid"]: (*expected(p, t), t["suspend_count"]) for p, t in truth}
    assert [row.facts.problems for row in rows if row.facts.problems] == []
    alarms = {row.facts.thread.tid: row.alarm for row in rows if isinstance(row.alarm, str)}
    victim = [t["tid"] for t in process_truth(made, "notepad.exe")["threads"]]
    assert alarms == {victim[2]: "PRIVATE EXECUTABLE MEMORY", victim[3]: "NO MEMORY RANGE"}
    assert {"Waiting", "Running", "Ready", "Terminated", "Initialized"} == {row.facts.state for row in rows}
    system = process_truth(made, "System")["threads"]
    assert [of_thread(rows, t["tid"]).start.name for t in system] == ["ntoskrnl.exe"] * 3 + ["afd.sys"]


def test_a_thread_of_a_process_that_ended_is_kept(image: Image) -> None:
    """Its address space is gone, so where it started cannot be told, and that is no alarm."""
    (thread,) = process_truth(image, "update.exe")["threads"]
    row = of_thread(everything(kernel_of(image)), thread["tid"])
    assert (row.facts.state, row.facts.ended, row.facts.exit_status) == ("Terminated", True, 1)
    assert row.facts.wait_reason == NOT_APPLICABLE
    assert isinstance(row.facts.exit_time, int)
    assert (row.start.kind, row.start.reason) == (UNKNOWN, "the process has ended, and its address space with it")
    assert row.alarm == NOT_APPLICABLE


def test_flags_are_named_by_the_build(image: Image) -> None:
    rows = everything(kernel_of(image))
    hidden = process_truth(image, "notepad.exe")["threads"][2]
    flags = ("ThreadInserted", "HideFromDebugger", "ThreadIoPriority=2", "ThreadPagePriority=5")
    assert of_thread(rows, hidden["tid"]).facts.flag_names == flags


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("Process", 0xFFFF800000000000, "says that 0xffff800000000000 owns it"),
        ("UniqueThread", 7, "no thread has the id 0x7"),
        ("State", 77, "no thread is in state 77"),
        ("WaitReason", 200, "no thread waits for reason 200"),
        ("Priority", 99, "no thread has priority 99"),
        ("KernelStack", 0xFFFF800000000000, "its kernel stack pointer 0xffff800000000000 lies outside its stack"),
        ("StackLimit", 0xFFFFFFFFFFFFF000, "not above its limit 0xfffffffffffff000"),
        ("Teb", 0xFFFF800000001000, "its TEB at 0xffff800000001000 is no user address"),
        ("ThreadName", 0x1000, "its name at 0x1000 is no kernel address"),
    ],
)
def test_what_no_thread_has_is_told(field: str, value: int, words: str, image: Image, edit: Editor) -> None:
    """One line each, on that thread."""
    victim = process_truth(image, "notepad.exe")["threads"][0]
    edit.set(ETHREAD, victim["ethread"], field, value)
    rows = [row for row in everything(kernel_of(image, edit.frames)) if row.facts.problems]
    assert [row.facts.thread.address for row in rows] == [victim["ethread"]]
    assert len(rows[0].facts.problems) == 1
    assert words in rows[0].facts.problems[0]


def test_a_start_in_a_range_that_no_driver_has_is_told(image: Image, edit: Editor) -> None:
    """Kernel code outside every driver is what a rootkit's thread looks like."""
    thread = process_truth(image, "System")["threads"][0]
    edit.set(ETHREAD, thread["ethread"], "StartAddress", 0xFFFF900000001000)
    row = of_thread(everything(kernel_of(image, edit.frames)), thread["tid"])
    assert (row.start.kind, row.alarm) == (NO_DRIVER, "NO DRIVER")


def test_no_alarm_rests_on_a_list_of_drivers_that_is_cut(image: Image, edit: Editor) -> None:
    """With the list of drivers broken, an address outside what is left of it is not known."""
    entries = [module["entry"] for module in image.truth["kernel_modules"]]
    for entry in entries[2:4]:
        edit.set(LDR_DATA_TABLE_ENTRY, entry, "InLoadOrderLinks", 0x10)
    kernel = kernel_of(image, edit.frames)
    table = drivers(kernel)
    assert not table.whole
    assert "drivers: the forward list ends at" in table.problems[0]
    (row,) = starts(kernel, [(processes(kernel).rows[0], 0xFFFF900000001000)], vads(kernel, ()), table)
    assert (row.kind, row.reason) == (UNKNOWN, "the list of drivers could not be followed whole")


def test_no_alarm_rests_on_a_tree_that_is_cut(image: Image, edit: Editor) -> None:
    """A VAD that cannot be reached may hold the address."""
    victim = process_truth(image, "notepad.exe")
    edit.set(MMVAD_SHORT, victim["vad_root"], "Right", 0xFFFF800000000001)
    row = of_thread(everything(kernel_of(image, edit.frames)), victim["threads"][3]["tid"])
    assert row.alarm != "PRIVATE EXECUTABLE MEMORY"
    unknown = {NOTHING: "", UNKNOWN: "the VAD tree of the process could not be read whole"}
    assert (row.win32.kind, row.win32.reason) == (UNKNOWN, unknown[UNKNOWN])


def test_a_page_that_may_be_executed_counts_whatever_its_range_was_asked_for(image: Image, edit: Editor) -> None:
    """VirtualProtect changes pages, not the protection that the range was reserved with."""
    victim = process_truth(image, "notepad.exe")
    injected = next(v for v in victim["vads"] if v["protection"] == "PAGE_EXECUTE_READWRITE")
    _, shift, mask = edit.build[MMVAD_SHORT].bits["Protection"]
    place = injected["node"] + edit.build[MMVAD_SHORT].offset("Protection")
    flags = int.from_bytes(edit.space.read(place, 4) or b"", "little")
    edit.set(MMVAD_SHORT, injected["node"], "Protection", flags & ~(mask << shift) | 4 << shift)
    row = of_thread(everything(kernel_of(image, edit.frames)), victim["threads"][2]["tid"])
    assert (row.win32.protection, row.win32.executable, row.win32.kind) == ("PAGE_READWRITE", True, PRIVATE_EXECUTABLE)


@pytest.mark.parametrize("name", DUMPS)
@pytest.mark.proves("real")
def test_the_thread_of_a_real_dump_makes_sense(name: str, shared: Path) -> None:
    """One thread of a real Windows: it was running, and its numbers, stack and flags contradict nothing."""
    kernel = open_path(shared / "real" / name)
    listed = processes(kernel).rows
    (row,) = thread_facts(kernel, threads(kernel, listed))
    assert row.problems == ()
    assert row.state == "Running"
    assert isinstance(row.flag_names, tuple)
    assert "ThreadInserted" in row.flag_names
    assert isinstance(row.base_priority, int)
    assert 0 <= row.base_priority <= 31
    assert (row.exit_time, row.suspend_count, row.ended) == (NOT_APPLICABLE, 0, False)
    (placed,) = explained(kernel)
    assert placed.facts == row
    kernels_own = row.thread.process.pid == 4
    assert placed.start.kind == (DRIVER if kernels_own else REUSED if "47781" in name else UNKNOWN)
    assert placed.win32.kind == (DRIVER if kernels_own else UNKNOWN)
    assert placed.alarm == NOT_APPLICABLE


def test_a_real_threads_name_is_read(shared: Path) -> None:
    """A browser names the threads of its pools."""
    kernel = open_path(shared / "real" / "triage-x64-19041-102622-12546-daimuvg.dmp")
    (row,) = explained(kernel)
    assert (row.facts.thread.process.name, row.facts.thread.tid) == ("opera.exe", 12112)
    assert row.facts.name == "ThreadPoolSingleThreadCOMSTASharedForegroundBlocking2"
    assert "the VAD tree of the process could not be read whole" in row.problems[0]


def test_an_idle_thread_is_told_as_one_of_another_process(shared: Path) -> None:
    """The processor was idle: process id 0, thread id 0, but the address space of System."""
    kernel = open_path(shared / "real" / "triage-x64-9600-111217-27671-criticalrocket.dmp")
    (row,) = thread_facts(kernel, threads(kernel, processes(kernel).rows))
    assert (row.thread.tid, row.state) == (0, "Running")
    assert row.problems == ()
    assert (row.thread.process.pid, row.thread.process.name) == (0, "Idle")
    assert row.owner == row.thread.process.address
    assert row.attached == kernel.system


def test_an_address_in_overlapping_ranges_is_the_images(image: Image) -> None:
    """Ranges never overlap in a sound tree; where they do, none hides the other from a search."""
    kernel = kernel_of(image)
    listed = processes(kernel).rows
    whole = vads(kernel, listed)
    first = next(row for row in whole.rows if row.vad_type == "VadImageMap" and row.process.pid == 5212)
    assert isinstance(first.start, int)
    wide = first._replace(start=first.start - 0x10000, end=first.start + (1 << 32), vad_type="VadNone", address=1)
    same = first._replace(end=first.start + (1 << 30), vad_type="VadNone", address=2)
    table = VadTable((same, first, wide), ())
    asked = [first.start, first.start - 1, first.start + (1 << 31), first.start + (1 << 33)]
    found = starts(kernel, [(first.process, address) for address in asked], table, drivers(kernel))
    assert [row.vad.address if row.vad else 0 for row in found] == [first.address, 1, 1, 0]


THREAD_FACTS = [field.name for field in dataclasses.fields(ThreadFacts) if field.name not in ("thread", "problems")]


def explained(kernel: Kernel) -> list[Starts]:
    """Every thread, each row explained."""
    found = Tables(kernel).starts
    explain = Explainer("full")
    assert all(explain(thread_note, row, explain.library) for row in found)
    return found


@pytest.fixture(scope="module")
def undamaged(image: Image) -> Callable[[], list[Starts]]:
    """The threads of the whole image (a function, so that a failing example does not print them)."""
    whole = explained(kernel_of(image))
    return lambda: whole


@settings(max_examples=8, deadline=None)
@given(missing=st.sets(st.integers(0, 1 << 16), min_size=1, max_size=25))
def test_missing_pages_never_give_a_wrong_thread_or_a_false_alarm(
    missing: set[int], image: Image, undamaged: Callable[[], list[Starts]]
) -> None:
    """Each fact is what it was, or absent with a reason; a start is placed as before, or not known with a reason."""
    frames = without(image, missing)
    try:
        kernel = kernel_of(image, frames)
    except Error:
        return  # the kernel itself could not be identified, and said so
    found = explained(kernel)
    known = {row.facts.thread.address: row for row in undamaged()}
    for row in found:
        before = known[row.facts.thread.address]
        for name in THREAD_FACTS:
            now, then = getattr(row.facts, name), getattr(before.facts, name)
            assert now == then or (isinstance(now, Absent) and (now.reason or isinstance(then, Absent))), name
        for start, was in ((row.start, before.start), (row.win32, before.win32)):
            assert start.kind == was.kind or (start.kind == UNKNOWN and start.reason)
        assert row.alarm == NOT_APPLICABLE or row.alarm == before.alarm
    gone = known.keys() - {row.facts.thread.address for row in found}
    assert not gone or Tables(kernel).threads.problems or len(processes(kernel).rows) < len(listed_truth(image.truth))


@settings(max_examples=8, deadline=None)
@given(damage=st.dictionaries(st.integers(0, 1 << 16), st.sampled_from(range(len(GARBAGE))), min_size=1, max_size=12))
def test_garbage_never_breaks_the_walk_of_threads(damage: dict[int, int], image: Image) -> None:
    frames = spoiled(image, damage)
    try:
        kernel = kernel_of(image, frames)
    except Error:
        return
    assert len(explained(kernel)) < 1000


WILD = [0, 8, 0x1000, (1 << 64) - 16, 0xFFFF800000000000, 0x7FFE0000, -1]


@settings(max_examples=20, deadline=None)
@given(
    writes=st.lists(
        st.tuples(
            st.integers(0, 1 << 10),
            st.sampled_from(["ThreadListEntry", "Process", "StartAddress", "Win32StartAddress", "ThreadName", "Teb"]),
            st.sampled_from(WILD),
        ),
        min_size=1,
        max_size=5,
    )
)
def test_any_overwritten_pointer_leaves_the_other_processes_threads(
    writes: list[tuple[int, str, int]], image: Image, undamaged: Callable[[], list[Starts]]
) -> None:
    """Wild links and links into other lists (-1): every untouched process's threads are as they were, and it ends."""
    edit = Editor(image)
    every = [(p["pid"], t["ethread"]) for p in listed_truth(image.truth) for t in p["threads"]]
    touched: set[int] = set()
    for number, field, value in writes:
        pid, thread = every[number % len(every)]
        place = edit.build[ETHREAD].place(field)
        other_pid, other = every[(number * 7 + 3) % len(every)]
        target = other + edit.build[ETHREAD].offset("ThreadListEntry") if value == -1 else value
        edit.write(thread + place.offset, target.to_bytes(8, "little"))
        touched |= {pid, other_pid}
    found = explained(kernel_of(image, edit.frames))
    left = [row.facts for row in found if row.facts.thread.process.pid not in touched]
    assert left == [row.facts for row in undamaged() if row.facts.thread.process.pid not in touched]
    assert len(found) < 3 * len(every)
