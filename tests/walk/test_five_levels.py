"""The kernel for page tables of five levels: found, recognised, and read like any other.

No image of such a machine is public, and no layout of its kernel.  That it packs handle entries in its own way is
a fact of all its files that are known; that four levels do not reach all of its memory is the processor's.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest

from process_anatomy.absent import Absent, Kind
from process_anatomy.errors import ImageError
from process_anatomy.findings import Severity, judged
from process_anatomy.forge import Image, forge, write_bitmap_dump, write_raw
from process_anatomy.forge.cast.intrusion import INTRUSION
from process_anatomy.forge.kernel.image import EXPORT_RVA
from process_anatomy.kernel.candidates import NAME_PLACE
from process_anatomy.kernel.handle_entries import UNPROVED
from process_anatomy.kernel.identify import identify
from process_anatomy.kernel.root_search import find_kernel
from process_anatomy.kernel.selfproof import Verdict
from process_anatomy.memory.paging import LA57, X64
from process_anatomy.views import image as opened
from process_anatomy.views.all import exported
from process_anatomy.volatility.cells import BITS, grid
from process_anatomy.volatility.opening import FIVE_LEVELS, open_path
from process_anatomy.walk.across.selfcheck import selfcheck
from process_anatomy.walk.across.tables import Tables
from process_anatomy.walk.handles.opened import handles
from process_anatomy.walk.processes.listed import processes
from structs import builds
from structs.eprocess import EPROCESS
from structs.handle import HANDLE_TABLE, HANDLE_TABLE_ENTRY
from tests.walk.damaged import Editor, kernel_of, memory_of, process_truth
from tests.walk.test_generations import SCENARIO, agrees_with_the_answer_key

BUILD = "x64-26100-1742"
REACH = 0xFFFF_8000_0000_0000
"""The lowest address of the upper half that four levels translate."""


@cache
def wide() -> Image:
    """A tampered machine with page tables of five levels, forged once."""
    return forge(INTRUSION, 31, BUILD, five_levels=True)


def test_the_lab_on_five_levels_is_read_as_its_answer_key_has_it() -> None:
    """Its file is named, its layout an estimate that nothing contradicts, and objects lie beyond four levels."""
    made = forge(build=BUILD, five_levels=True)
    kernel = kernel_of(made)
    assert str(kernel.file) == "ntkrla57 26100.1742"
    assert kernel.build.estimated
    assert kernel.build.places[EPROCESS.name] == builds.load(BUILD).places[EPROCESS.name]
    entry = kernel.build[HANDLE_TABLE_ENTRY]
    assert (entry.place("ObjectPointerBits").bit, entry.place("Attributes").bit) == (11, 8)
    agrees_with_the_answer_key(made, kernel, tagged=True)
    assert all(LA57.system_start < row.address < REACH for row in processes(kernel).rows)
    assert selfcheck(kernel).verdict is Verdict.CONSISTENT


def test_every_view_tells_what_it_tells_of_a_machine_with_four_levels() -> None:
    """Every column that has cells without a fact has them there too, for reasons of the same kinds.

    What lies where differs, and with it what chance decides: who has which file open, say.
    """
    four, five = (forge(SCENARIO, 31, BUILD, five_levels=more) for more in (False, True))

    def lacking(made: Image, name: str) -> set[tuple[str, Kind]]:
        rows = opened.Image(kernel_of(made)).view(name).rows()
        return {(column, cell.kind) for _, cells in rows for column, cell in cells.items() if isinstance(cell, Absent)}

    for name in set(exported()) - {"selfcheck"}:
        assert lacking(five, name) == lacking(four, name), name


def test_rules_find_what_the_answer_key_names_and_nothing_else() -> None:
    tables = Tables(kernel_of(wide()), hidden=True)
    found = {(row.process.pid, row.rule) for row in judged(tables, Severity.LOW).findings if row.process}
    told = {(p["pid"], rule) for p in wide().truth["processes"] for rule in p["findings"]}
    assert told <= found
    four = Tables(kernel_of(forge(INTRUSION, 31, BUILD)), hidden=True)
    assert found == {(row.process.pid, row.rule) for row in judged(four, Severity.LOW).findings if row.process}


def test_it_is_found_without_being_told_and_is_nothing_to_a_walk_of_four_levels() -> None:
    memory = memory_of(wide().physical, wide().memory_size)
    with pytest.raises(ImageError):
        identify(memory, wide().truth["dtb"], mode=X64)
    frames = {frame: page for frame, page in wide().physical.items() if frame >= 0x100}  # no start block of processors
    for said in (None, wide().truth["dtb"]):
        kernel = find_kernel(memory_of(frames, wide().memory_size), said=said)
        assert kernel is not None
        assert (kernel.space.root, kernel.space.mode) == (wide().truth["dtb"], LA57)  # type: ignore[attr-defined]


def test_how_handles_are_packed_is_what_leads_to_objects_not_what_the_name_says() -> None:
    """A kernel for four levels whose export directory has the other's name; the two have as many letters."""
    made = forge(build=BUILD)
    edit, base = Editor(made), made.truth["kernel_base"]
    place = edit.space.read(base + EXPORT_RVA + NAME_PLACE, 4)
    assert place is not None
    edit.write(base + int.from_bytes(place, "little"), b"ntkrla57.exe")
    kernel = kernel_of(made, edit.frames)
    assert kernel.build[HANDLE_TABLE_ENTRY].place("ObjectPointerBits").bit == 20
    assert any(line.startswith("handle entries hold the pointer from bit 20 on") for line in kernel.evidence)


def test_handles_that_lead_nowhere_in_any_way_are_absent_with_the_reason() -> None:
    """The entries of every process moved by twelve bits."""
    edit, kernel = Editor(wide()), kernel_of(wide())
    for process in wide().truth["processes"]:
        table = process["object_table"]
        code = kernel.view.parse(HANDLE_TABLE, table)["TableCode"] if table else None
        for handle in process["handles"] if isinstance(code, int) else ():
            edit.write(code + 4 * handle["handle"], (handle["object"] << 15 & (1 << 64) - 1).to_bytes(8, "little"))
    found = kernel_of(wide(), edit.frames)
    rows = handles(found, processes(found).rows)
    assert UNPROVED in found.evidence
    assert not rows.rows
    assert any(UNPROVED in problem for table in rows.tables for problem in table.problems)


def test_where_system_has_no_handles_another_process_tells() -> None:
    edit = Editor(wide())
    edit.set(EPROCESS, process_truth(wide(), "System")["eprocess"], "ObjectTable", 0)
    assert kernel_of(wide(), edit.frames).build[HANDLE_TABLE_ENTRY].place("ObjectPointerBits").bit == 11


def test_opening_says_in_one_line_that_stock_plugins_cannot_read_it(tmp_path: Path) -> None:
    """Through the stackers of Volatility, which take its top table for one of four levels; addresses have 57 bits."""
    for ending, write in ((".raw", write_raw), (".dmp", write_bitmap_dump)):
        path = tmp_path / f"wide{ending}"
        write(wide(), path)
        kernel = open_path(path)
        assert FIVE_LEVELS in kernel.doubts
        assert kernel.space.mode is LA57  # type: ignore[attr-defined]
    asked = opened.Image(kernel).view("processes", pid=4)
    shown: list[int] = []
    grid(asked.view, asked.rows(), LA57.bits).populate(lambda node, _: shown.append(node.values[3]), None)
    system = process_truth(wide(), "System")["eprocess"]
    assert shown == [system & (1 << 57) - 1]
    assert shown != [system & (1 << BITS) - 1]


def test_four_levels_are_what_they_were() -> None:
    """The kernel for four levels packs handles as its layout says, and asks nobody."""
    kernel = kernel_of(forge(build=BUILD))
    assert kernel.build[HANDLE_TABLE_ENTRY].place("ObjectPointerBits").bit == 20
    assert not any("handle entries" in line for line in kernel.evidence)
