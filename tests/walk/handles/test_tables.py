"""Handle tables of one, two and three levels, and the table of ids, against answer keys and under damage."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from process_anatomy.absent import Absent
from process_anatomy.forge import LAB, Image, forge
from process_anatomy.kernel.identify import Kernel
from process_anatomy.walk.handles.opened import handles
from process_anatomy.walk.handles.tables import HandleTables, cid_table, handle_tables
from process_anatomy.walk.processes.listed import processes
from structs.handle import HANDLE_TABLE
from tests.walk.damaged import Editor, kernel_of, listed_truth, process_truth

FOREIGN = ("win10-19041", "srv2019-17763", "srv2016-14393", "winxp-2600-pae", "win7-7601-x86-pae")
NARROW = ("winxp-2600-pae", "win7-7601-x86-pae")
Row = tuple[Any, ...]


@pytest.fixture(scope="module")
def image() -> Image:
    """The lab image."""
    return forge(LAB, 29)


@pytest.fixture
def edit(image: Image) -> Editor:
    """The lab image, ready to be damaged."""
    return Editor(image)


def walked(kernel: Kernel) -> tuple[HandleTables, dict[int, set[Row]]]:
    """All tables, and the handles of each process: value, object, access."""
    listed = processes(kernel).rows
    tables = handle_tables(kernel, listed)
    found: dict[int, set[Row]] = {row.pid: set() for row in listed if isinstance(row.pid, int)}
    e = tables.entries
    for owner, *facts in zip(e.owner.tolist(), e.value.tolist(), e.object.tolist(), e.access.tolist(), strict=True):
        pid = listed[owner].pid
        assert isinstance(pid, int)
        assert tuple(facts) not in found[pid]
        found[pid].add(tuple(facts))
    return tables, found


def expected(truth: dict[str, Any]) -> dict[int, set[Row]]:
    """The handles of each process, as an answer key has them."""
    return {
        p["pid"]: {(h["handle"], h["object"], h["access"]) for h in p.get("handles", ())} for p in listed_truth(truth)
    }


@pytest.mark.parametrize("name", FOREIGN)
def test_handles_and_ids_of_foreign_images_are_those_of_the_answer_key(
    name: str, opened: Callable[[str], Kernel], truth: Callable[[str], dict[str, Any]]
) -> None:
    """Every handle of tables of one, two and three levels (values beyond 0x80000), and every process and thread id.

    Up to Windows 7 a table counts all of its handles.
    """
    kernel, answers = opened(name), truth(name)
    tables, found = walked(kernel)
    assert found == expected(answers)
    levels = {table.levels for table in tables.tables if isinstance(table.levels, int)}
    assert levels == ({1, 2} if name in NARROW else {1, 2, 3})
    assert max(value for rows in found.values() for value, _, _ in rows) > (0x800 if name in NARROW else 0x80000)
    exact = [(table.count, table.found) for table in tables.tables if table.exact]
    assert len(exact) == (len([p for p in answers["processes"] if not p["exited"]]) if name in NARROW else 0)
    assert all(count == number for count, number in exact)
    assert not any(table.problems for table in tables.tables)
    ids = cid_table(kernel)
    listed = zip(ids.entries.value.tolist(), ids.entries.object.tolist(), strict=True)
    assert {str(number): at for number, at in listed} == answers["cid_table"]
    assert ids.problems == ()


@pytest.mark.parametrize("build", ["x64-9600-16384", "x64-10240-16384", "x64-26100-1742"])
def test_handles_of_forged_images_are_those_of_the_answer_key(build: str) -> None:
    """From Windows 8.1 to 11."""
    made = forge(LAB, 7, build)
    kernel = kernel_of(made)
    _, found = walked(kernel)
    assert found == expected(made.truth)
    ids = cid_table(kernel)
    listed = zip(ids.entries.value.tolist(), ids.entries.object.tolist(), strict=True)
    assert {str(number): at for number, at in listed} == made.truth["cid_table"]


@pytest.mark.parametrize("code", [0x1000, 0x7FFE0001, 0xFFFFFFFFFFFFF003, 0xFFFF800000000001, 0xFFFFFFFFFFFFFFF0])
def test_a_wild_table_code_costs_one_table_and_is_told(code: int, image: Image, edit: Editor) -> None:
    """User addresses, a level that there is not, unmapped and odd addresses."""
    victim = process_truth(image, "explorer.exe")
    edit.set(HANDLE_TABLE, victim["object_table"], "TableCode", code)
    tables, found = walked(kernel_of(image, edit.frames))
    assert found == expected(image.truth) | {victim["pid"]: set()}
    told = [table for table in tables.tables if table.problems]
    assert [table.address for table in told] == [victim["object_table"]]


def test_a_table_that_is_no_table_is_told(image: Image, edit: Editor) -> None:
    """It belongs to another process."""
    victim, other = process_truth(image, "explorer.exe"), process_truth(image, "notepad.exe")
    edit.set(HANDLE_TABLE, victim["object_table"], "UniqueProcessId", other["pid"])
    tables, found = walked(kernel_of(image, edit.frames))
    assert found == expected(image.truth)
    told = [problem for table in tables.tables for problem in table.problems]
    assert told == [f"its handle table says that it belongs to process {other['pid']}"]


def test_a_page_of_pointers_that_points_at_one_page_again_and_again_is_read_once(image: Image, edit: Editor) -> None:
    """The shortest way to 130,000 handles."""
    victim = process_truth(image, "explorer.exe")
    code = edit.space.read(victim["object_table"] + edit.build[HANDLE_TABLE].offset("TableCode"), 8)
    assert code is not None
    assert code[0] & 3 == 1
    top = int.from_bytes(code, "little") & ~3
    leaf = edit.space.read(top, 8)
    assert leaf is not None
    edit.write(top, leaf * 512)
    tables, found = walked(kernel_of(image, edit.frames))
    assert found[victim["pid"]] == {row for row in expected(image.truth)[victim["pid"]] if row[0] < 0x400}
    assert any("511 pages of its handle table were reached before" in p for t in tables.tables for p in t.problems)


def test_a_table_of_three_levels_that_points_at_itself_ends(image: Image, edit: Editor) -> None:
    """Every pointer of every level leads back to the top."""
    victim = process_truth(image, "explorer.exe")
    where = victim["object_table"] + edit.build[HANDLE_TABLE].offset("TableCode")
    code = edit.space.read(where, 8)
    assert code is not None
    top = int.from_bytes(code, "little") & ~3
    edit.write(top, top.to_bytes(8, "little") * 512)
    edit.write(where, (top | 2).to_bytes(8, "little"))
    tables, found = walked(kernel_of(image, edit.frames))
    assert len(found[victim["pid"]]) < 256
    assert {p: v for p, v in found.items() if p != victim["pid"]} == {
        p: v for p, v in expected(image.truth).items() if p != victim["pid"]
    }
    assert any(table.problems for table in tables.tables)


def test_a_table_shared_by_two_processes_is_shown_for_both(image: Image, edit: Editor) -> None:
    """A stolen table stays with its owner; the thief's row says whose it is."""
    victim, thief = process_truth(image, "explorer.exe"), process_truth(image, "notepad.exe")
    code = edit.space.read(victim["object_table"] + edit.build[HANDLE_TABLE].offset("TableCode"), 8)
    assert code is not None
    edit.set(HANDLE_TABLE, thief["object_table"], "TableCode", int.from_bytes(code, "little"))
    _, found = walked(kernel_of(image, edit.frames))
    assert found[thief["pid"]] == found[victim["pid"]] == expected(image.truth)[victim["pid"]]


def test_ids_are_found_by_another_process_where_systems_entry_is_gone(image: Image, edit: Editor) -> None:
    """The table is known by any process that it leads to; without one it is absent, with the reason."""
    whole = cid_table(kernel_of(image))
    system = int(whole.entries.entry[whole.entries.value.tolist().index(4)])
    edit.write(system, bytes(8))
    kernel = kernel_of(image, edit.frames)
    alone = cid_table(kernel)
    assert isinstance(alone.address, Absent)
    assert alone.problems
    found = cid_table(kernel, processes(kernel).rows)
    assert found.address == whole.address
    assert set(found.entries.value.tolist()) == set(whole.entries.value.tolist()) - {4}


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_damaged_tables_never_cost_another_process_its_handles(data: st.DataObject, image: Image) -> None:
    """Any bytes in the pages of one process's table: it ends, and all other tables are whole."""
    edit = Editor(image)
    victim = process_truth(image, "explorer.exe")
    where = victim["object_table"] + edit.build[HANDLE_TABLE].offset("TableCode")
    code = int.from_bytes(edit.space.read(where, 8) or b"", "little")
    top = code & ~3
    leaf = int.from_bytes(edit.space.read(top, 8) or b"", "little")
    for _ in range(data.draw(st.integers(1, 8))):
        page = data.draw(st.sampled_from([top, leaf]))
        pointer = data.draw(st.one_of(st.sampled_from([top, leaf, 0]), st.integers(0, (1 << 64) - 1)))
        edit.write(page + 8 * data.draw(st.integers(0, 511)), pointer.to_bytes(8, "little"))
    if data.draw(st.booleans()):
        edit.write(where, (top | data.draw(st.integers(0, 3))).to_bytes(8, "little"))
    _, found = walked(kernel_of(image, edit.frames))
    del found[victim["pid"]]
    assert found == {pid: rows for pid, rows in expected(image.truth).items() if pid != victim["pid"]}


def test_a_page_full_of_wild_entries_is_kept_with_reasons_in_no_time(image: Image, edit: Editor) -> None:
    """Each entry stays a row that says that there is no object; the other tables are whole."""
    victim = process_truth(image, "explorer.exe")
    where = victim["object_table"] + edit.build[HANDLE_TABLE].offset("TableCode")
    top = int.from_bytes(edit.space.read(where, 8) or b"", "little") & ~3
    leaf = int.from_bytes(edit.space.read(top, 8) or b"", "little")
    wild = b"".join((((7 * slot << 20) | 1) << 8 | 1).to_bytes(8, "little") + b"\xff" * 8 for slot in range(256))
    edit.write(leaf, wild)
    kernel = kernel_of(image, edit.frames)
    started = time.monotonic()
    rows = [row for row in handles(kernel, processes(kernel).rows).rows if row.process.pid == victim["pid"]]
    assert time.monotonic() - started < 10
    mine = [row for row in rows if row.value < 0x400]
    assert len(mine) == 255
    assert all(isinstance(row.type, Absent) and row.problems for row in mine)
    assert {row.access for row in mine} == {0x1FFFFFF}
    assert {row.value for row in rows if row.value >= 0x400} == {
        h["handle"] for h in victim["handles"] if h["handle"] >= 0x400
    }


def test_attributes_are_told_apart(image: Image, edit: Editor) -> None:
    """Protected from closing, inherited, audited: a bit each."""
    victim = process_truth(image, "notepad.exe")
    kernel = kernel_of(image)
    entries = {
        row.value: row for row in handles(kernel, processes(kernel).rows).rows if row.process.pid == victim["pid"]
    }
    value, row = next(iter(entries.items()))
    low = int.from_bytes(edit.space.read(row.entry, 8) or b"", "little")
    for bits, expected_flags in ((1, (True, False, False)), (2, (False, True, False)), (4, (False, False, True))):
        edit.write(row.entry, (low & ~(7 << 17) | bits << 17).to_bytes(8, "little"))
        kernel = kernel_of(image, edit.frames)
        found = handles(kernel, [p for p in processes(kernel).rows if p.pid == victim["pid"]]).rows
        changed = next(each for each in found if each.value == value)
        assert (changed.protect, changed.inherit, changed.audit) == expected_flags
        assert changed.object == row.object
