"""The Windows subsystem's list of processes: exact on images that are not ours, whole and damaged in the lab."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from process_anatomy.absent import Absent, Kind
from process_anatomy.errors import Error, RequestError
from process_anatomy.forge import Image, forge
from process_anatomy.forge.cast.lab import LAB
from process_anatomy.kernel.identify import Kernel
from process_anatomy.notes.explainer import Explainer
from process_anatomy.notes.thread_rows import csr_gap_note, csr_note
from process_anatomy.volatility import open_path
from process_anatomy.walk.crossview.csr_processes import CsrProcess, CsrTable, csrss
from process_anatomy.walk.crossview.csr_proofs import FACTS
from process_anatomy.walk.crossview.csr_roots import own_handle
from process_anatomy.walk.processes.listed import processes
from structs import builds
from structs.csr import CSR_PROCESS, CSR_THREAD
from structs.eprocess import EPROCESS
from tests.generations import BEFORE_VISTA, NEWER, OLDER, lab
from tests.walk.damaged import GARBAGE, PAGE, Editor, kernel_of, listed_truth, process_truth, spoiled, without

IMAGES = ["win10-19041", "srv2019-17763", "srv2016-14393"]
PUBLISHED = {
    "ClientId": (0x0, 0x0), "ListLink": (0x10, 0x8), "ThreadList": (0x20, 0x10), "NtSession": (0x30, 0x18),
    "ClientPort": (0x38, 0x1C), "ClientViewBase": (0x40, 0x20), "ClientViewBounds": (0x48, 0x24),
    "ProcessHandle": (0x50, 0x28), "SequenceNumber": (0x58, 0x2C), "Flags": (0x5C, 0x30),
    "DebugFlags": (0x60, 0x34), "ReferenceCount": (0x64, 0x38), "ProcessGroupId": (0x68, 0x3C),
    "ProcessGroupSequence": (0x6C, 0x40), "LastMessageSequence": (0x70, 0x44),
    "NumOutstandingMessages": (0x74, 0x48), "ShutdownLevel": (0x78, 0x4C), "ShutdownFlags": (0x7C, 0x50),
    "Luid": (0x80, 0x54), "ServerDllPerProcessData": (0x88, 0x5C),
}  # fmt: skip
"""Offsets of _CSR_PROCESS as debuggers show them: for x64 in "Debugging CSRSS" (Microsoft Learn), for x86 in Windows
Internals."""

HIDES = "no process on the active list is that which its handle leads to: it has ended, or it hides"


def everything(kernel: Kernel) -> CsrTable:
    """The lists of an image, each row explained."""
    table = csrss(kernel, processes(kernel).rows)
    explain = Explainer("full")
    assert all(explain(csr_note, row, 1) for row in table.rows)
    assert all(explain(csr_gap_note, root) for root in table.roots)
    return table


@pytest.fixture(scope="module")
def image() -> Image:
    """The lab image."""
    return forge(LAB, 11)


@pytest.fixture
def edit(image: Image) -> Editor:
    """The lab image, ready to be damaged."""
    return Editor(image)


@pytest.fixture(scope="module")
def undamaged(image: Image) -> Callable[[], CsrTable]:
    """The lists of the whole image (a function, so that a failing example does not print them)."""
    whole = everything(kernel_of(image))
    return lambda: whole


def damaged(image: Image, edit: Editor) -> CsrTable:
    """The lists of the image as it was damaged."""
    return everything(kernel_of(image, edit.frames))


def told(table: CsrTable) -> list[dict[str, Any]]:
    """A table in the form of an answer key."""
    return [
        {
            "CsrRootProcess_va": root.variable,
            "csrsrv_base": root.library,
            "csrss_pid": root.process.pid,
            "ring": [{"pid": row.pid, "va": row.address} for row in table.rows if row.server is root.process],
            "session": root.process.session,
        }
        for root in table.roots
    ]


@pytest.mark.parametrize("pointer", [8, 4])
def test_the_layout_is_the_one_that_debuggers_show(pointer: int) -> None:
    build = builds.load("x64-19041-0" if pointer == 8 else "x86-7601-24000")
    structure = build[CSR_PROCESS]
    for name, offsets in PUBLISHED.items():
        field = "UniqueProcess" if name == "ClientId" else name
        assert structure.offset(field) == offsets[pointer == 4], name
    expected = (0x0, 0x8, 0x18, 0x28, 0x38, 0x40, 0x48) if pointer == 8 else (0x0, 0x8, 0x10, 0x18, 0x20, 0x24, 0x28)
    fields = ("CreateTime", "Link", "HashLinks", "UniqueProcess", "Process", "ThreadHandle", "Flags")
    assert tuple(build[CSR_THREAD].offset(field) for field in fields) == expected


@pytest.mark.parametrize("name", IMAGES)
def test_the_rings_are_those_of_the_answer_key(
    name: str, foreign: Callable[[str], Path], truth: Callable[[str], dict[str, Any]]
) -> None:
    """Library, variable and every node of both sessions, in ring order; every node is tied to its process."""
    kernel, answers = open_path(str(foreign(f"{name}.raw"))), truth(name)
    table = everything(kernel)
    expected = [{k: v for k, v in ring.items() if k != "CsrRootProcess_rva"} for ring in answers["csr"]]
    assert told(table) == expected
    assert [ring["session"] for ring in expected] == [0, 1]
    assert (table.problems, [row.problems for row in table.rows if row.problems]) == ((), [])
    assert len(table.whole) == 2
    known = {process["pid"]: process for process in answers["processes"]}
    handles = {p["pid"]: {h["handle"]: h["object"] for h in p["handles"]} for p in answers["processes"]}
    for row in table.rows:
        assert isinstance(row.pid, int)
        assert row.process is not None
        process = known[row.pid]
        assert row.process.address == process["eprocess"]
        assert row.session == process["session"]
        assert row.luid == process["token"]["authentication_id"]
        if row.root:
            assert (row.handle, row.process) == (own_handle(kernel), row.server)
        else:
            assert (row.tied_by, row.target) == (("pid", "handle"), process["eprocess"])
            assert handles[row.server.pid][row.handle] == process["eprocess"]  # type: ignore[index]
    for root in table.roots:
        numbers = [row.sequence for row in table.rows if row.server is root.process]
        assert numbers == list(range(1, len(numbers) + 1))


@pytest.mark.parametrize("build", [name for name in NEWER + OLDER if name not in BEFORE_VISTA])
def test_the_labs_rings_are_those_of_its_answer_key(build: str) -> None:
    """Every proved fact of every node and thread, in every layout; the hidden process is reached by its handle."""
    made = lab(build)
    table = everything(kernel_of(made))
    assert table.problems == ()
    rows = {row.address: row for row in table.rows}
    listed = {p["pid"] for p in listed_truth(made.truth)}
    for ring in made.truth["csr"]:
        for node in ring["ring"]:
            row = rows.pop(node["va"])
            assert (row.pid, row.tid, row.handle) == (node["pid"], node["tid"], node["handle"])
            known = node["pid"] in listed
            assert row.tied_by == (("pid",) if row.root else ("pid", "handle") if known else ("handle",))
            assert (row.sequence, row.flags, row.luid) == (node["sequence"], node["flags"], node["luid"])
            threads = [(t.tid, t.address, t.handle, t.pid, t.node) for t in row.threads]
            assert threads == [(t["tid"], t["va"], t["handle"], node["pid"], node["va"]) for t in node["threads"]]
            assert row.problems == (() if known else (HIDES,))
            assert (row.session, row.server.pid) == (ring["session"], ring["csrss_pid"])
            assert row.shutdown_level == 0x280
    assert not rows
    assert [row.flag_names for row in table.rows if row.process and row.process.name == "cmd.exe"] == [
        "CreateNewGroup IsConsoleApp"
    ]


def odd_rows(image: Image, edit: Editor) -> list[CsrProcess]:
    """The rows with problems, but for that of the process which the lab took off the list."""
    known = {p["pid"] for p in image.truth["processes"]} - {p["pid"] for p in listed_truth(image.truth)}
    return [row for row in damaged(image, edit).rows if row.problems and row.pid not in known]


def ring_truth(image: Image, session: int) -> tuple[dict[str, Any], int]:
    """The answer key's ring of a session, and the page-table root of its csrss.exe."""
    ring = next(ring for ring in image.truth["csr"] if ring["session"] == session)
    return ring, next(p["dtb"] for p in image.truth["processes"] if p["pid"] == ring["csrss_pid"])


def test_a_ring_that_loops_into_its_middle_gives_every_node(image: Image, edit: Editor) -> None:
    ring, dtb = ring_truth(image, 1)
    nodes = [node["va"] for node in ring["ring"]]
    link = edit.build[CSR_PROCESS].offset("ListLink")
    edit.write(nodes[-1] + link, (nodes[4] + link).to_bytes(8, "little"), dtb)
    table = damaged(image, edit)
    assert {row.address for row in table.rows if row.session == 1} == set(nodes)
    assert table.problems == (
        f"csrss.exe {ring['csrss_pid']}: the forward list loops at {nodes[-1] + link:#x}: back to {nodes[4] + link:#x}",
    )
    assert len(table.whole) == 1


def test_a_ring_that_is_cut_is_followed_from_both_ends(image: Image, edit: Editor) -> None:
    """The node behind the cut is reached backwards, and the row says which way saw it."""
    ring, dtb = ring_truth(image, 1)
    nodes = [node["va"] for node in ring["ring"]]
    link = edit.build[CSR_PROCESS].offset("ListLink")
    edit.write(nodes[5] + link, bytes(16), dtb)
    table = damaged(image, edit)
    rows = {row.address: row for row in table.rows if row.session == 1}
    assert set(rows) == set(nodes)
    assert rows[nodes[3]].seen_by == ("forward",)
    assert rows[nodes[8]].seen_by == ("backward",)
    assert len(table.problems) == 2


def test_a_ring_that_leads_into_the_kernel_is_not_believed(image: Image, edit: Editor) -> None:
    """csrss.exe's page tables map the kernel too, but no CSR_PROCESS lies there."""
    ring, dtb = ring_truth(image, 0)
    last = ring["ring"][-1]["va"] + edit.build[CSR_PROCESS].offset("ListLink")
    kernel_link = process_truth(image, "notepad.exe")["eprocess"] + edit.build[EPROCESS].offset("ActiveProcessLinks")
    edit.write(last, kernel_link.to_bytes(8, "little"), dtb)
    table = damaged(image, edit)
    assert all(row.address < 1 << 47 for row in table.rows)
    assert any("which is no user address" in problem for problem in table.problems)


def test_a_node_of_a_process_that_is_not_listed_is_told(image: Image, edit: Editor) -> None:
    ring, dtb = ring_truth(image, 1)
    edit.set(CSR_PROCESS, ring["ring"][3]["va"], "UniqueProcess", 7777 * 4, dtb)
    (row,) = odd_rows(image, edit)
    assert (row.address, row.process) == (ring["ring"][3]["va"], None)
    assert row.problems[0] == "no process on the active list has the id 31108: it has ended, or it hides"


def test_a_process_that_was_unlinked_is_reached_through_its_handle(image: Image, edit: Editor) -> None:
    """Off the kernel's list, but csrss.exe still holds a handle to it: the entry leads to the process object."""
    victim = process_truth(image, "notepad.exe")
    inside = edit.build[EPROCESS].offset("ActiveProcessLinks")
    own = victim["eprocess"] + inside
    data = edit.space.read(own, 16) or b""
    following, before = int.from_bytes(data[:8], "little"), int.from_bytes(data[8:], "little")
    edit.write(before, following.to_bytes(8, "little"))
    edit.write(following + 8, before.to_bytes(8, "little"))
    (row,) = odd_rows(image, edit)
    assert row.process is not None
    assert (row.pid, row.process.address, row.process.name) == (victim["pid"], victim["eprocess"], "notepad.exe")
    assert (row.tied_by, row.target) == (("handle",), victim["eprocess"])
    assert any("it has ended, or it hides" in problem for problem in row.problems)


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("UniqueProcess", 5213, "no process has the id 0x145d"),
        ("UniqueProcess", 716, "its process is in session 0, but this csrss.exe serves session 1"),
        ("Luid", 0x1234, "it names logon session 0x1234, the process's token"),
        ("ProcessHandle", 7, "0x7 is no handle"),
        ("NtSession", 0x5000, "its session structure is 0x5000, that of the others"),
    ],
)
def test_what_contradicts_a_node_is_told(field: str, value: int, words: str, image: Image, edit: Editor) -> None:
    """One damaged node does not disprove the layout of the others."""
    ring, dtb = ring_truth(image, 1)
    edit.set(CSR_PROCESS, ring["ring"][2]["va"], field, value, dtb)
    rows = odd_rows(image, edit)
    assert [row.address for row in rows] == [ring["ring"][2]["va"]]
    assert any(words in problem for problem in rows[0].problems)


def test_fields_that_the_memory_does_not_prove_are_absent(image: Image, edit: Editor) -> None:
    """With logon sessions elsewhere than the layout says, nothing between them and the sequence is believed."""
    ring, dtb = ring_truth(image, 1)
    for node in ring["ring"]:
        edit.set(CSR_PROCESS, node["va"], "Luid", 0x99, dtb)
    rows = [row for row in damaged(image, edit).rows if row.session == 1]
    listed = {p["pid"] for p in listed_truth(image.truth)}
    for row in rows:
        assert isinstance(row.sequence, int)
        assert isinstance(row.handle, int)
        for value in (row.luid, row.flags, row.references, row.shutdown_level):
            assert isinstance(value, Absent)
            assert value.kind is Kind.NOT_PROVED
        assert row.problems == (() if row.pid in listed else (HIDES,))


def test_threads_tell_only_their_ids_where_handles_lie_elsewhere(image: Image, edit: Editor) -> None:
    """As in Windows XP, whose entries have the same links and ids and other things behind them."""
    ring, dtb = ring_truth(image, 1)
    for node in ring["ring"]:
        edit.set(CSR_PROCESS, node["va"], "ProcessHandle", 0x10001, dtb)
    rows = [row for row in damaged(image, edit).rows if row.session == 1]
    assert {row.address for row in rows} == {node["va"] for node in ring["ring"]}
    told = {(t.tid, t.address) for row in rows for t in row.threads}
    assert told == {(t["tid"], t["va"]) for node in ring["ring"] for t in node["threads"]}
    for row in rows:
        for value in (row.handle, row.target, *(fact for t in row.threads for fact in (t.handle, t.flags))):
            assert isinstance(value, Absent)
            assert value.kind is Kind.NOT_PROVED


def test_a_process_that_only_has_the_name_keeps_no_ring(image: Image, edit: Editor) -> None:
    """It is told as a csrss.exe without csrsrv.dll; the real ones are found as ever."""
    victim = process_truth(image, "notepad.exe")
    edit.write(victim["eprocess"] + edit.build[EPROCESS].offset("ImageFileName"), b"csrss.exe\0\0")
    table = damaged(image, edit)
    assert len(table.roots) == 3
    assert [root.process.pid for root in table.roots if isinstance(root.node, Absent)] == [victim["pid"]]
    assert "csrsrv.dll is not mapped" in table.problems[0]


def test_a_library_that_is_paged_out_is_told(image: Image, edit: Editor) -> None:
    """Without the page of CsrRootProcess there is no way in, and the reason says so."""
    ring, dtb = ring_truth(image, 0)
    own = Editor(image)
    space = type(own.space)(own.space.memory, dtb)
    frame = int(space.translate(_addresses(ring["CsrRootProcess_va"])).physical[0]) // PAGE
    del edit.frames[frame]
    table = damaged(image, edit)
    (root,) = [root for root in table.roots if isinstance(root.node, Absent)]
    assert "no pointer in the writable data of csrsrv.dll leads to a CSR_PROCESS" in str(root.node)
    assert "pages cannot be read" in str(root.node)
    assert {row.session for row in table.rows} == {1}


def test_a_header_that_is_missing_does_not_hide_the_ring(image: Image, edit: Editor) -> None:
    """Then the whole library is searched."""
    ring, dtb = ring_truth(image, 0)
    space = type(edit.space)(edit.space.memory, dtb)
    del edit.frames[int(space.translate(_addresses(ring["csrsrv_base"])).physical[0]) // PAGE]
    assert len({row.server.pid for row in damaged(image, edit).rows}) == 2


def _addresses(*values: int) -> Any:
    from process_anatomy.memory.view import addresses_of

    return addresses_of(values)


def test_a_small_dump_holds_no_list(shared: Path) -> None:
    kernel = open_path(shared / "real" / "triage-x64-19041-022121-rizin.dmp")
    with pytest.raises(RequestError, match="a small dump holds no process's own memory"):
        csrss(kernel, processes(kernel).rows)


def bears_out(row: CsrProcess, before: CsrProcess) -> bool:
    """Whether every fact of a row is what it was, or absent with a reason."""
    values = [(getattr(row, fact), getattr(before, fact)) for fact in ("pid", "tid", *FACTS)]
    return all(now == then or (isinstance(now, Absent) and bool(now.reason)) for now, then in values)


@settings(max_examples=12, deadline=None)
@given(missing=st.sets(st.integers(0, 1 << 16), min_size=1, max_size=25))
def test_missing_pages_never_give_a_wrong_node(
    missing: set[int], image: Image, undamaged: Callable[[], CsrTable]
) -> None:
    """Each node is what it was, or absent with a reason; a ring that was not read whole says so."""
    frames = without(image, missing)
    try:
        kernel = kernel_of(image, frames)
    except Error:
        return  # the kernel itself could not be identified, and said so
    table = everything(kernel)
    known = {(row.server.address, row.address): row for row in undamaged().rows}
    for row in table.rows:
        assert bears_out(row, known[row.server.address, row.address])
    for root in table.roots:
        nodes = {row.address for row in table.rows if row.server is root.process}
        before = {row.address for row in undamaged().rows if row.server.address == root.process.address}
        assert nodes == before or table.problems


@settings(max_examples=12, deadline=None)
@given(damage=st.dictionaries(st.integers(0, 1 << 16), st.sampled_from(range(len(GARBAGE))), min_size=1, max_size=12))
def test_garbage_never_breaks_the_walk(damage: dict[int, int], image: Image) -> None:
    frames = spoiled(image, damage)
    try:
        kernel = kernel_of(image, frames)
    except Error:
        return
    assert len(everything(kernel).rows) < 1000


@settings(max_examples=20, deadline=None)
@given(
    writes=st.lists(
        st.tuples(
            st.integers(0, 24),
            st.sampled_from(["ListLink", "ThreadList", "UniqueProcess", "ProcessHandle", "Luid", "SequenceNumber"]),
            st.sampled_from([0, 8, 0x1000, (1 << 64) - 8, 0xFFFF800000000000, 0x7FFE0000, -1]),
        ),
        min_size=1,
        max_size=6,
    )
)
def test_any_overwritten_pointers_leave_the_undamaged_nodes(
    writes: list[tuple[int, str, int]], image: Image, undamaged: Callable[[], CsrTable]
) -> None:
    """Wild links, loops onto other nodes (-1), false ids: every untouched session is as it was, and the walk ends."""
    edit = Editor(image)
    nodes = [
        (node["va"], ring_truth(image, ring["session"])[1], ring)
        for ring in image.truth["csr"]
        for node in ring["ring"]
    ]
    touched = set()
    for number, field, value in writes:
        node, dtb, ring = nodes[number % len(nodes)]
        place = edit.build[CSR_PROCESS].place(field)
        target = nodes[(number * 7 + 3) % len(nodes)][0] + 0x10 if value == -1 else value
        edit.write(
            node + place.offset,
            (target & (1 << 8 * min(place.size, 8)) - 1).to_bytes(min(place.size, 8), "little"),
            dtb,
        )
        touched.add(ring["session"])
    table = damaged(image, edit)
    for session in {0, 1} - touched:
        assert [r for r in told(table) if r["session"] == session] == [
            r for r in told(undamaged()) if r["session"] == session
        ]
    assert len(table.rows) < 200
