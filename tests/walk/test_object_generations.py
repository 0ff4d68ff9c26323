"""Objects, handles, ids, drivers and views in every generation of Windows, against answer keys and under damage."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from process_anatomy.absent import Absent
from process_anatomy.errors import Error
from process_anatomy.forge import Image, forge
from process_anatomy.forge.cast.hiding import HIDING
from process_anatomy.kernel.handle_entries import EntryForm
from process_anatomy.kernel.identify import Kernel
from process_anatomy.kernel.image import KernelImage
from process_anatomy.kernel.objects import FIRST_POINTED, object_headers, object_types
from process_anatomy.kernel.variables import Variables, variables
from process_anatomy.memory.view import addresses_of
from process_anatomy.walk.across.completeness import HANDLES, NONE, WHOLE
from process_anatomy.walk.across.tables import Tables
from process_anatomy.walk.crossview.crossings import CrossTable, crossview
from process_anatomy.walk.crossview.sightings import CSR
from process_anatomy.walk.crossview.verdicts import HIDDEN, REMNANT
from process_anatomy.walk.handles.opened import handles
from process_anatomy.walk.handles.tables import cid_table
from process_anatomy.walk.processes.listed import processes
from process_anatomy.walk.processes.scan import scan
from process_anatomy.walk.program import drivers as driver_walk
from process_anatomy.walk.program.drivers import drivers
from structs import builds
from structs.eprocess import EPROCESS
from structs.handle import HANDLE_TABLE, HANDLE_TABLE_ENTRY
from structs.object import OBJECT_HEADER, OBJECT_TYPE
from tests.walk.crossview.test_crossings import TRUTH
from tests.walk.damaged import GARBAGE, Editor, kernel_of, listed_truth, process_truth, spoiled, without
from tests.walk.handles.test_opened import value

NARROW = ("winxp-2600-pae", "win7-7601-x86-pae")
GENERATIONS = [
    "x86-2600-2180", "x86-3790-1830", "x86-6000-16386", "x64-7601-24000", "x64-9200-16384", "x86-19041-0",
]  # fmt: skip
"""Plain 32-bit paging, service packs with other places, headers with types and with indexes, packed entries of 29 and
41 bits; 44 bits and the cookie of x64 are what all other tests go by."""
POINTED = ("x86-2600-2180", "x86-3790-1830", "x86-6000-16386")
"""Those whose headers hold the address of the object's type."""
TYPES_TO_CONFUSE = [0, 1, 0x80000000, 0xFFFFFFF8]


@pytest.fixture(scope="module", params=GENERATIONS)
def image(request: pytest.FixtureRequest) -> Image:
    """The lab with hidden processes, of one generation."""
    return forge(HIDING, 13, request.param)


@pytest.fixture(scope="module")
def kernel(image: Image) -> Kernel:
    """Its kernel."""
    return kernel_of(image)


@pytest.fixture(scope="module")
def table(kernel: Kernel) -> CrossTable:
    """Its cross-view."""
    return crossview(kernel)


@pytest.fixture(scope="module")
def old() -> Image:
    """The lab on Windows XP SP2, which is the oldest that is read."""
    return forge(HIDING, 13, GENERATIONS[0])


def test_the_types_are_those_of_the_answer_key(image: Image, kernel: Kernel) -> None:
    """By table, by directory; headers name them by address, by index, or by index and cookie."""
    types = object_types(kernel)
    assert {row.name: index for index, row in types.rows.items()} == image.truth["object_types"]
    assert types.problems == ()
    assert types.cookie == (image.truth["object_header_cookie"] or None)
    assert min(types.rows) == (FIRST_POINTED if image.truth["arguments"]["build"] in POINTED else 2)


def test_every_handle_is_that_of_the_answer_key(image: Image, kernel: Kernel) -> None:
    """Value, object, type, access, name, attributes and path; no problem is made up."""
    whole = handles(kernel, processes(kernel).rows)
    found = {
        (r.process.pid, r.value): (r.object, value(r.type), r.access, value(r.target.name), r.attributes, r.target.full)
        for r in whole.rows
    }
    told = {
        (p["pid"], h["handle"]): (h["object"], h["type"], h["access"], h["name"], h["attributes"])
        for p in listed_truth(image.truth)
        for h in p["handles"]
    }
    assert {key: facts[:-1] for key, facts in found.items()} == told
    paths = {(p["pid"], h["handle"]): h["path"] for p in listed_truth(image.truth) for h in p["handles"] if h["path"]}
    assert paths == {key: found[key][-1] for key in paths}
    assert whole.problems == ()
    assert [row.problems for row in whole.rows if row.problems] == []
    assert {bool(row.protect) for row in whole.rows} == {bool(row.inherit) for row in whole.rows} == {True, False}


def test_ids_and_drivers_are_those_of_the_answer_key(image: Image, kernel: Kernel) -> None:
    """The head of the list of drivers is where the export says, and is found without it."""
    ids = cid_table(kernel)
    listed = zip(ids.entries.value.tolist(), ids.entries.object.tolist(), strict=True)
    assert {str(number): at for number, at in listed} == image.truth["cid_table"]
    assert ids.problems == ()
    modules = drivers(kernel)
    assert [(row.base, row.name) for row in modules.rows] == [
        (row["base"], row["name"]) for row in image.truth["kernel_modules"]
    ]
    assert modules.whole
    assert modules.problems == ()


def test_the_scan_finds_every_process_and_thread_but_the_one_without_a_header(image: Image, kernel: Kernel) -> None:
    """In units of the pool, by pointers of the kernel's width."""
    found = scan(kernel)
    there = {p["eprocess"] for p in image.truth["processes"] if p["seen_by"]["scan"]}
    assert {row.address for row in found.processes} == there
    owners = {t["ethread"]: p["eprocess"] for p in image.truth["processes"] for t in p["threads"]}
    seen = {row.address: row.owner for row in found.threads}
    # a page holds the whole of a real thread of this size; the forge lets some lie across two that are not neighbours
    across = {at for at in owners if at % 0x1000 == 0x1000 - 2 * kernel.build.pointer_size}
    assert seen.items() <= owners.items()
    assert owners.keys() - seen.keys() <= across
    assert all(row.in_place and not row.doubts for row in found.processes + found.threads)


def test_each_view_sees_what_the_answer_key_says(image: Image, table: CrossTable) -> None:
    """Of every process, hidden or not; only the hidden are called so."""
    rows = {row.process.address: row for row in table.rows}
    assert rows.keys() == {p["eprocess"] for p in image.truth["processes"]}
    for process in image.truth["processes"]:
        for view, name in TRUTH.items():
            expected, seen = process["seen_by"][name], rows[process["eprocess"]].views[view]
            if expected is None:
                assert isinstance(seen, Absent) or view == CSR, (process["name"], view)
            else:
                assert seen is expected, (process["name"], view)
    assert {row.process.name for row in table.rows if row.verdict == HIDDEN} == {
        "shade.exe", "shade-2.exe", "halfway.exe", "noheader.exe", "noid.exe",
    }  # fmt: skip


def test_a_table_counts_all_of_its_handles_only_up_to_windows_7(image: Image, kernel: Kernel) -> None:
    """Since Windows 8 it counts some, and a table that was read without a problem is whole whatever it counts."""
    rows = {row.process.pid: row.components[HANDLES] for row in Tables(kernel).completeness.rows}
    for process in listed_truth(image.truth):
        part, count = rows[process["pid"]], len(process["handles"])
        assert (part.state, part.found, part.expected) == (NONE if process["exited"] else WHOLE, count, count)


@pytest.mark.parametrize("name", NARROW)
def test_drivers_of_foreign_images_are_found_without_an_export(
    name: str, opened: Callable[[str], Kernel], truth: Callable[[str], dict[str, Any]]
) -> None:
    """Base, size, name, path and place, in load order; the head lies where the symbol says."""
    kernel, answers = opened(name), truth(name)
    found = drivers(kernel)
    assert [(r.base, r.size, r.name, r.path, r.address) for r in found.rows] == [
        (m["base"], m["size"], m["name"], m["path"], m["entry"]) for m in answers["kernel_modules"]
    ]
    assert found.problems == ()
    assert driver_walk._head(kernel) == answers["symbols"]["PsLoadedModuleList"]


def test_without_the_kernels_variables_there_are_no_drivers_and_it_is_said(
    old: Image, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The reason counts the pages that were looked at."""
    kernel = kernel_of(old)
    words = variables(kernel)
    none = Variables(np.zeros_like(words.words), words.pages, len(words.pages), "")
    monkeypatch.setattr(driver_walk, "variables", lambda _: none)
    monkeypatch.setattr(KernelImage, "export", lambda *_: None)
    found = drivers(kernel)
    assert (found.rows, found.whole) == ((), False)
    assert f"({len(words.pages)} of them cannot be read)" in found.problems[0]


def plain(at: int, access: int, flags: int) -> tuple[int, int]:
    """The words of an entry of 32 bits, or of 64 before Windows 8: flags below the address and above the rights."""
    return at | 1 | flags & 6, access | (flags & 1) << 25


def packed(kept: int) -> Callable[[int, int, int], tuple[int, int]]:
    """The words of an entry of 64 bits that keeps so many bits of the address, with the flags right below them."""
    return lambda at, access, flags: (1 | flags << 61 - kept | (at >> 4 & (1 << kept) - 1) << 64 - kept, access)


FORMS: dict[str, tuple[int, Callable[[int, int, int], tuple[int, int]]]] = {
    "x86-2600-5512": (0x80000000, plain),
    "x64-7601-24000": (0xFFFFF80000000000, plain),
    "x86-19041-0": (0x80000000, plain),
    "x64-9200-16384": (0xFFFFF80000000000, packed(41)),
    "x64-22621-382": (0xFFFF800000000000, packed(44)),
}
"""Layout to where system space begins, and how an entry is written."""


@pytest.mark.parametrize("name", FORMS)
@settings(max_examples=50, deadline=None)
@given(data=st.data())
def test_entries_of_every_form_are_taken_apart_as_they_were_put_together(name: str, data: st.DataObject) -> None:
    """Object, rights, and each of the three attributes."""
    structure = builds.load(name)[HANDLE_TABLE_ENTRY]
    size = structure.build.pointer_size
    lowest, written = FORMS[name]
    unit = 2 * size
    at = data.draw(st.integers(lowest // unit, ((1 << 8 * size) - unit) // unit)) * unit
    access, flags = data.draw(st.integers(0, 0x1FFFFFF)), data.draw(st.integers(0, 7))
    octets = b"".join(word.to_bytes(size, "little") for word in written(at, access, flags))
    records = np.frombuffer(octets, dtype=np.uint8).view(structure.dtype)
    form = EntryForm(structure)
    assert [int(form.pointers(records)[0]), int(form.access(records)[0]), int(form.attributes(records)[0])] == [
        at, access, flags,
    ]  # fmt: skip


@pytest.mark.parametrize("stored", TYPES_TO_CONFUSE)
def test_an_object_whose_type_is_no_type_has_a_reason(stored: int, old: Image) -> None:
    """Its header points at nothing, or at something else; every other object keeps its type."""
    edit = Editor(old)
    victim = process_truth(old, "notepad.exe")
    header = victim["eprocess"] - edit.build[OBJECT_HEADER].offset("Body")
    edit.set(OBJECT_HEADER, header, "Type", stored)
    kernel = kernel_of(old, edit.frames)
    headers = object_headers(kernel, addresses_of([victim["eprocess"], kernel.system]))
    wrong, right = headers.type_names()
    assert right == "Process"
    assert isinstance(wrong, Absent)
    assert f"its type would be at {stored:#x}, where none is" in wrong.reason


def test_types_that_the_table_lost_are_found_in_their_directory(old: Image) -> None:
    """One was taken out, and the table ends there; the directory has them all, and it is told."""
    edit = Editor(old)
    before = object_types(kernel_of(old))
    assert isinstance(before.table, int)
    gone = before.table + edit.build.pointer_size * before.index_of("Mutant")
    edit.write(gone, bytes(edit.build.pointer_size))
    found = object_types(kernel_of(old, edit.frames))
    assert found.rows == before.rows
    assert any("which the directory of types holds" in problem for problem in found.problems)


def test_a_type_that_is_spoiled_costs_only_its_objects_their_type(old: Image) -> None:
    """Its name is gone; all other types are as before."""
    edit = Editor(old)
    before = object_types(kernel_of(old))
    victim = before.rows[before.index_of("Event")]
    edit.set(OBJECT_TYPE, victim.address, "Name", 0)
    found = object_types(kernel_of(old, edit.frames))
    assert found.rows == {index: row for index, row in before.rows.items() if row.name != "Event"}
    assert found.problems


def test_a_copy_whose_place_in_memory_is_also_a_virtual_address_is_read_where_it_lies(old: Image) -> None:
    """With more than 2 GB of memory the numbers of physical and of kernel addresses are the same."""
    edit = Editor(old)
    victim, system = process_truth(old, "notepad.exe"), process_truth(old, "System")
    page, place = victim["eprocess"] & ~0xFFF, system["eprocess"] & ~0xFFF
    for step in range(0, 0x2000, 0x1000):
        edit.frames[(place + step) // 0x1000] = edit.space.read(page + step, 0x1000) or bytes(0x1000)
    start = place + victim["eprocess"] % 0x1000  # its pointer to handles is made to lead to that virtual address
    field = start + edit.build[EPROCESS].offset("ObjectTable")
    spoilt = bytearray(edit.frames[field // 0x1000])
    spoilt[field % 0x1000 : field % 0x1000 + 4] = start.to_bytes(4, "little")
    edit.frames[field // 0x1000] = bytes(spoilt)
    big = replace(old, memory_size=place + 0x2000)
    kernel = kernel_of(big, edit.frames)
    table = crossview(kernel)
    (row,) = [row for row in table.rows if row.verdict == REMNANT and row.process.pid == victim["pid"]]
    assert row.physical == start
    assert row.process.handles == kernel.view.parse(HANDLE_TABLE, start)["HandleCount"]
    assert row.process.name == victim["name"]
    assert row.process.dtb == victim["dtb"]
    assert "copy of the process at" in row.problems[0]


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(damage=st.dictionaries(st.integers(0, 1 << 16), st.sampled_from(range(len(GARBAGE))), min_size=1, max_size=12))
def test_garbage_in_an_old_image_never_breaks_a_walk(damage: dict[int, int], old: Image) -> None:
    """Every walk ends; what could not be told has a reason."""
    try:
        kernel = kernel_of(old, spoiled(old, damage))
    except Error:
        return  # the kernel itself could not be identified, and said so
    whole = handles(kernel, processes(kernel).rows)
    assert all(isinstance(row.type, str) or row.problems for row in whole.rows)
    table = crossview(kernel)
    assert all(set(row.views) for row in table.rows)
    modules = drivers(kernel)
    assert modules.rows or modules.problems


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(missing=st.sets(st.integers(0, 1 << 16), min_size=1, max_size=25))
def test_missing_pages_of_an_old_image_never_give_a_wrong_handle(missing: set[int], old: Image) -> None:
    """Each row is one of the answer key's, or has facts that are absent, with the reason told."""
    try:
        kernel = kernel_of(old, without(old, missing))
    except Error:
        return
    known = {(p["eprocess"], h["handle"]): h for p in old.truth["processes"] for h in p["handles"]}
    for row in handles(kernel, processes(kernel).rows).rows:
        handle = known[row.process.address, row.value]
        assert (row.object, row.access) == (handle["object"], handle["access"])
        assert row.problems or (row.type == handle["type"] and value(row.target.name) == handle["name"])
