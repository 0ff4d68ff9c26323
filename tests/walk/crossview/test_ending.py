"""Cross-view: processes that are ending, lists that pass somebody over, where csrss.exe's library lies."""

from __future__ import annotations

import pytest

from process_anatomy.findings import findings
from process_anatomy.forge import LAB, Image, forge
from process_anatomy.forge.cast.hiding import HIDING
from process_anatomy.views.image import Image as Opened
from process_anatomy.walk.across.tables import Tables
from process_anatomy.walk.crossview.client_ids import CID, beside_the_list
from process_anatomy.walk.crossview.crossings import Crossing, crossview
from process_anatomy.walk.crossview.sightings import CSRSS_HANDLES
from process_anatomy.walk.crossview.verdicts import CONSISTENT, HIDDEN
from process_anatomy.walk.handles.tables import handle_tables
from process_anatomy.walk.processes.listed import processes
from structs.eprocess import EPROCESS
from structs.ethread import ETHREAD
from structs.layout import Layout
from tests.walk.damaged import Editor, kernel_of, process_truth

VICTIM = "notepad.exe"
LIBRARY = "\\Windows\\System32\\csrsrv.dll".encode("utf-16-le")


@pytest.fixture(scope="module")
def image() -> Image:
    """The lab image."""
    return forge(LAB, 23)


@pytest.fixture
def edit(image: Image) -> Editor:
    """The lab image, ready to be changed."""
    return Editor(image)


@pytest.fixture(scope="module")
def hiding() -> Image:
    """The lab with hidden processes."""
    return forge(HIDING, 5)


def flag(edit: Editor, layout: Layout, address: int, field: str) -> None:
    """Set a flag of a structure."""
    place = edit.build[layout].place(field)
    data = edit.space.read(address + place.offset, place.size)
    assert data is not None
    assert place.bit is not None
    edit.set(layout, address, field, int.from_bytes(data, "little") | 1 << place.bit)


def forgotten(image: Image, edit: Editor) -> int:
    """Let no csrss.exe have a handle to the victim any more; its address."""
    address: int = process_truth(image, VICTIM)["eprocess"]
    kernel = kernel_of(image)
    rows = processes(kernel).rows
    entries = handle_tables(kernel, rows).entries
    for owner, target, entry in zip(
        entries.owner.tolist(), entries.object.tolist(), entries.entry.tolist(), strict=True
    ):
        if target == address and rows[owner].name == "csrss.exe":
            edit.write(entry, bytes(16))
    return address


def row_at(image: Image, edit: Editor, address: int) -> Crossing:
    """The row of the process at an address."""
    return next(row for row in crossview(kernel_of(image, edit.frames)).rows if row.process.address == address)


def test_a_program_that_csrss_forgot_is_hidden_from_it_while_it_runs(image: Image, edit: Editor) -> None:
    """Nothing explains that."""
    row = row_at(image, edit, forgotten(image, edit))
    assert row.verdict == HIDDEN
    assert row.hidden_from == (CSRSS_HANDLES,)


@pytest.mark.parametrize("sign", ["process", "threads"])
def test_a_process_whose_last_thread_is_ending_is_not_hidden(sign: str, image: Image, edit: Editor) -> None:
    """It says that it is exiting, or each of its threads says that it ends: csrss.exe has forgotten it by then."""
    address = forgotten(image, edit)
    if sign == "process":
        flag(edit, EPROCESS, address, "ProcessExiting")
    else:
        for thread in process_truth(image, VICTIM)["threads"]:
            flag(edit, ETHREAD, thread["ethread"], "Terminated")
    row = row_at(image, edit, address)
    assert (row.verdict, row.hidden_from) == (CONSISTENT, ())
    assert [absence.reason for absence in row.absences if absence.view == CSRSS_HANDLES] == ["ending"]


def test_a_process_off_the_list_stays_hidden_though_it_says_that_it_is_ending(hiding: Image) -> None:
    """What is ending is on the list, both ways."""
    edit = Editor(hiding)
    address = process_truth(hiding, "shade.exe")["eprocess"]
    flag(edit, EPROCESS, address, "ProcessExiting")
    row = row_at(hiding, edit, address)
    assert (row.verdict, row.confidence) == (HIDDEN, "high")


def test_only_the_process_that_one_direction_passes_over_is_told(hiding: Image) -> None:
    """It explains what its neighbours say of each other, for it lies between them: they are not accused."""
    tables = Tables(kernel_of(hiding), hidden=True)
    assert [row.process.name for row in tables.crossings.rows if row.hidden_from == ("Forward",)] == ["halfway.exe"]
    expected = {p["pid"]: set(p["findings"]) for p in hiding.truth["processes"]}
    told = [found for found in findings(tables) if found.rule == "smear" and found.process is not None]
    assert [f.process.pid for f in told if f.process and "smear" not in expected[f.process.pid]] == []
    assert sum(any("point back" in line for line in row.problems) for row in tables.listed.rows) == 2


def test_what_the_table_of_ids_holds_beside_the_list_is_named(hiding: Image) -> None:
    """Of those that run; who took itself out of the table too, other views find."""
    kernel = kernel_of(hiding)
    unlisted = {p["eprocess"] for p in hiding.truth["processes"] if not p["in_active_list"] and not p["exited"]}
    in_table = {p["eprocess"] for p in hiding.truth["processes"] if p["seen_by"]["cid"]}
    rows = beside_the_list(kernel, processes(kernel))
    assert {row.address for row in rows} == unlisted & in_table
    assert {row.name for row in rows} == {"shade.exe"}
    assert CID in next(r for r in crossview(kernel).rows if r.process.name == "shade.exe").views


@pytest.mark.parametrize("view", ["tokens", "privileges", "handles", "vads", "threads", "creation"])
def test_a_view_names_whom_it_leaves_out(view: str, hiding: Image) -> None:
    """In one line, without a search of memory; where ids are named, nobody is left out without a word."""
    asked = Opened(kernel_of(hiding)).view(view)
    shade = process_truth(hiding, "shade.exe")["pid"]
    assert not [row for row in asked.rows() if row[1]["PID"] == shade]
    (line,) = (problem for problem in asked.problems if "table of process ids" in problem)
    assert f"shade.exe ({shade})" in line


def test_a_view_of_a_machine_without_hidden_processes_has_nothing_to_name(image: Image) -> None:
    """Nor has one that is asked for some processes."""
    gone = Editor(image)
    kernel = kernel_of(image, gone.frames)
    visible = [p for p in image.truth["processes"] if p["in_active_list"]]
    named = Opened(kernel).view("tokens", pid=[visible[0]["pid"]])
    list(named.rows())
    assert not [problem for problem in named.problems if "table of process ids" in problem]


def test_csrss_finds_its_library_by_the_loaders_list_where_no_vad_names_it(image: Image, edit: Editor) -> None:
    """The file's name is gone from the kernel's memory; the ring and its rows are the same."""
    before = Tables(kernel_of(image)).csrss
    changed = 0
    for frame, data in edit.frames.items():
        at = data.find(LIBRARY)
        if at >= 0 and data[at - 2 : at] != b":\0":
            edit.frames[frame] = data[:at] + bytes(len(LIBRARY)) + data[at + len(LIBRARY) :]
            changed += 1
    assert changed
    tables = Tables(kernel_of(image, edit.frames))
    assert not [row for row in tables.vads.rows if isinstance(row.file, str) and row.file.endswith("csrsrv.dll")]
    assert [(root.library, root.variable, root.node) for root in tables.csrss.roots] == [
        (root.library, root.variable, root.node) for root in before.roots
    ]
    assert len(tables.csrss.rows) == len(before.rows) > 0
