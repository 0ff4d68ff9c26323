"""Working sets: counted by the forge, by stock Volatility's page map and by us, whole and damaged."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from volatility3.framework import contexts
from volatility3.framework.layers import intel, physical
from volatility3.framework.symbols.windows import WindowsKernelIntermedSymbols

from process_anatomy.absent import NOT_APPLICABLE, Absent, Kind
from process_anatomy.errors import Error
from process_anatomy.forge import LAB, Image, forge
from process_anatomy.forge.address_space.working_sets import ENTRIES_BEHIND_LIST
from process_anatomy.forge.memory.system_space import LIST_ADDRESS
from process_anatomy.kernel.identify import Kernel
from process_anatomy.memory.address_space import AddressSpace
from process_anatomy.memory.physical import MappedMemory, Run
from process_anatomy.notes.explainer import Explainer
from process_anatomy.notes.working_set_rows import working_set_note
from process_anatomy.volatility import open_path
from process_anatomy.walk.address_space import working_sets as module
from process_anatomy.walk.address_space.working_sets import OTHER, SAME, WorkingSet, census, working_sets
from process_anatomy.walk.processes.listed import processes
from structs.eprocess import EPROCESS
from tests.walk.damaged import (
    GARBAGE,
    PAGE,
    Editor,
    kernel_of,
    listed_truth,
    memory_of,
    process_truth,
    spoiled,
    without,
)

WITH_ENTRIES = ["x64-9600-16384", "x64-9600-17415", "x64-10240-16384", "x64-14393-0"]
WITHOUT = ["x64-15063-0", "x64-17763-0", "x64-19041-0", "x64-22621-382", "x64-26100-1742"]
FIRST_RELEASE = "x64-9600-16384"
"""Windows 8.1 before Update 1: narrower counters, no leaf size, another shape of list."""
FOREIGN = ["win10-19041", "srv2019-17763", "srv2016-14393"]
LOW_48 = (1 << 48) - 1
COUNTED = ("resident", "large", "transition", "tables")


@pytest.fixture(scope="module")
def image() -> Image:
    """The lab image."""
    return forge(LAB, 11)


@pytest.fixture(scope="module")
def old() -> Image:
    """The lab under a Windows that keeps a list of entries in process-specific system space."""
    return forge(LAB, 11, "x64-10240-16384")


def sets(kernel: Kernel) -> dict[int, WorkingSet]:
    """Working sets by process id."""
    rows = working_sets(kernel, processes(kernel).rows)
    return {row.process.pid: row for row in rows if isinstance(row.process.pid, int)}


@pytest.mark.parametrize("build", [*WITH_ENTRIES, *WITHOUT])
def test_every_number_is_that_of_the_answer_key(build: str) -> None:
    """Counters, page tables and list of every process, in every generation of the structures."""
    forged = forge(LAB, 5, build)
    found = sets(kernel_of(forged))
    for process in listed_truth(forged.truth):
        row, truth = found[process["pid"]], process["working_set"]
        assert (row.size, row.peak) == (truth["size"], truth["peak"])
        assert row.leaf_size == truth["leaf"] or build == FIRST_RELEASE
        assert (row.minimum, row.maximum, row.page_faults) == (50, 345, truth["faults"])
        numbers = (row.resident, row.large, row.transition, row.tables)
        assert numbers == (truth["resident"], truth["large"], truth["transition"], truth["page_tables"])
        assert row.list_address == (truth["list"] or NOT_APPLICABLE)
        assert row.problems == ()
        if build in WITHOUT:
            assert isinstance(row.entries, Absent)
            assert row.entries.kind is Kind.NOT_IN_BUILD
        elif truth["list"]:
            assert row.entries == truth["list_entries"]
        if truth["list"] and process["pid"] != 4:
            assert row.through_another == (OTHER if truth["own_space"] else SAME)


def test_the_list_is_valid_only_within_the_context_of_its_process(old: Image) -> None:
    """One address, as many lists as processes; none of them is read through another."""
    kernel = kernel_of(old)
    found = sets(kernel)
    alive = [row for row in found.values() if isinstance(row.list_address, int)]
    assert {row.list_address for row in alive} == {LIST_ADDRESS}
    assert len(alive) > 10
    assert {row.through_another for row in alive if row.process.pid != 4} == {OTHER}
    space = kernel.space
    assert isinstance(space, AddressSpace)
    pages = {
        space.translate(
            np.array([LIST_ADDRESS], dtype=np.uint64), np.array([row.process.dtb], dtype=np.uint64)
        ).physical[0]
        for row in alive
    }
    assert len(pages) == len(alive)


@pytest.mark.parametrize("name", FOREIGN)
def test_stock_volatility_maps_as_many_user_pages(
    name: str, foreign: Callable[[str], Path], truth: Callable[[str], dict[str, Any]]
) -> None:
    """Its page map of a process has the pages that we count: valid, large and in transition."""
    path = foreign(f"{name}.raw")
    octets = np.memmap(path, dtype=np.uint8, mode="r")
    memory = MappedMemory(octets, [Run(0, len(octets), 0)])
    roots = [process["dtb"] for process in truth(name)["processes"]]
    found = census(AddressSpace(memory, roots[0]), np.array(roots, dtype=np.uint64))
    expected = [user_pages(path, root) for root in roots]
    assert (found.resident + found.large + found.transition).tolist() == expected
    assert sum(expected) > 1000
    assert not found.missing.any()


def user_pages(path: Path, root: int) -> int:
    """Pages of 4 KB that stock Volatility's layer maps below the kernel half."""
    context = contexts.Context()
    context.config["file.location"] = path.as_uri()
    context.add_layer(physical.FileLayer(context, "file", "memory"))
    context.config["intel.memory_layer"] = "memory"
    context.config["intel.page_map_offset"] = root
    layer = intel.WindowsIntel32e(context, "intel", "primary")
    sizes = [length for _, length, _, _, _ in layer.mapping(0, 1 << 47, ignore_errors=True)]
    context.layers["memory"].destroy()
    return sum(sizes) // PAGE


PUBLISHED = {
    "x64-19041-3324": "606FF669409B00F7FC8C61A9C1670129-1",
    "x64-17763-2686": "105E35CDD9BB308C18A176AB5BB37CE3-1",
    "x64-14393-5006": "A7449C875EBB4212836E5D82F31221E8-1",
}
"""Builds to the published symbol table of their kernel."""


@pytest.mark.parametrize("build", PUBLISHED)
def test_stock_volatility_reads_the_same_counters_through_published_symbols(
    build: str, shared: Path, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """Each counter of each process, by its Windows name, from a symbol table that is not ours."""
    table = shared / "isf" / "windows" / "ntkrnlmp.pdb" / f"{PUBLISHED[build]}.json.xz"
    if not table.is_file():
        pytest.skip(f"the symbol table {table.name} is not beside the checkout")
    forged = forge(LAB, 5, build)
    path = tmp_path / "image.raw"
    with path.open("wb") as file:
        file.truncate(forged.memory_size)
        for frame, content in forged.physical.items():
            file.seek(frame * PAGE)
            file.write(content)
    context = contexts.Context()
    context.config["file.location"] = path.as_uri()
    context.add_layer(physical.FileLayer(context, "file", "memory"))
    context.config["intel.memory_layer"] = "memory"
    context.config["intel.page_map_offset"] = forged.truth["dtb"]
    context.add_layer(intel.WindowsIntel32e(context, "intel", "primary"))
    context.symbol_space.append(WindowsKernelIntermedSymbols(context, "symbols", "nt", table.as_uri()))
    request.addfinalizer(context.layers["memory"].destroy)
    compared = 0
    for row in sets(kernel_of(forged)).values():
        stock = context.object("nt!_EPROCESS", layer_name="primary", offset=row.process.address)
        counts = stock.Vm.Instance
        assert row.size == counts.WorkingSetSize
        assert row.leaf_size == counts.WorkingSetLeafSize
        assert row.peak == counts.PeakWorkingSetSize
        assert row.minimum == counts.MinimumWorkingSetSize
        assert row.maximum == counts.MaximumWorkingSetSize
        assert row.page_faults == counts.PageFaultCount
        assert row.private_pages == stock.NumberOfPrivatePages
        assert row.commit_charge == stock.CommitCharge
        assert row.commit_peak == stock.CommitChargePeak
        assert (row.nonpaged_quota, row.paged_quota) == tuple(stock.ProcessQuotaUsage)
        assert (row.nonpaged_peak, row.paged_peak) == tuple(stock.ProcessQuotaPeak)
        assert row.peak_virtual_size == stock.PeakVirtualSize
        address = int(counts.VmWorkingSetList)
        assert isinstance(row.list_address, Absent) is (address == 0)
        assert address == 0 or row.list_address & LOW_48 == address & LOW_48
        compared += row.size != 0
    context.layers["memory"].destroy()
    assert compared > 15


def test_real_dumps_keep_the_list_where_it_is_said_to_be(shared: Path) -> None:
    """In process-specific space in Windows 8.1, in the pool since; the leaf size never exceeds the size."""
    addresses: dict[int, set[int]] = {}
    counted = 0
    for path in sorted((shared / "real").glob("triage-x64-*.dmp")):
        kernel = open_path(path)
        for row in working_sets(kernel, processes(kernel).rows):
            if isinstance(row.list_address, int):
                addresses.setdefault(kernel.build.number, set()).add(row.list_address)
            if isinstance(row.size, int) and isinstance(row.leaf_size, int):
                assert row.leaf_size <= row.size
                counted += 1
            assert isinstance(row.resident, Absent)
            assert row.resident.kind is Kind.NOT_IN_DUMP
            assert Explainer("full")(working_set_note, row)
    assert addresses.pop(9600) == {LIST_ADDRESS}
    assert addresses.keys() == {17763, 19041, 26100}
    assert all(address >> 39 != LIST_ADDRESS >> 39 for found in addresses.values() for address in found)
    assert counted > 8


def test_page_tables_that_are_not_in_the_image_are_told(image: Image) -> None:
    """Without a table the count is too low, and the row says so; without the root there is none."""
    victim = process_truth(image, "explorer.exe")
    frames = dict(image.physical)
    root = frames[victim["dtb"] // PAGE]
    table = next(e for e in struct.unpack("<512Q", root)[:256] if e) >> 12 & 0xFFFFFFFFF
    del frames[table]
    row = sets(kernel_of(image, frames))[victim["pid"]]
    assert isinstance(row.resident, int)
    assert row.resident < victim["working_set"]["resident"]
    assert any("page tables are not in the image" in problem for problem in row.problems)
    del frames[victim["dtb"] // PAGE]
    row = sets(kernel_of(image, frames))[victim["pid"]]
    assert isinstance(row.resident, Absent)
    assert any("the root of its page tables is not in the image" in problem for problem in row.problems)


def test_page_tables_that_point_at_themselves_are_counted_up_to_a_limit(
    image: Image, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A root whose every entry is itself would be four levels of 512 tables; the walk ends and says so."""
    monkeypatch.setattr(module, "TABLES_PER_PROCESS", 4096)
    victim = process_truth(image, "notepad.exe")
    frames = dict(image.physical)
    frames[victim["dtb"] // PAGE] = struct.pack("<Q", victim["dtb"] | 7) * 512
    found = sets(kernel_of(image, frames))
    row = found[victim["pid"]]
    assert any("the rest is not counted" in problem for problem in row.problems)
    others = {p["pid"]: p["working_set"] for p in listed_truth(image.truth) if p["pid"] != victim["pid"]}
    assert all(row.resident == others[pid]["resident"] for pid, row in found.items() if pid != victim["pid"])


@pytest.mark.parametrize("address", [0x1000, 0x7FFE0000, 0x8000_0000_0000_0000])
def test_a_list_that_is_no_kernel_address_is_told(address: int, image: Image) -> None:
    """User and non-canonical addresses."""
    edit = Editor(image)
    victim = process_truth(image, "notepad.exe")
    edit.set(EPROCESS, victim["eprocess"], "VmWorkingSetList", address)
    row = sets(kernel_of(image, edit.frames))[victim["pid"]]
    assert isinstance(row.through_another, Absent)
    assert row.problems


@pytest.mark.parametrize(
    ("offset", "value"),
    [
        (0x10, 1 << 40),
        (0x20, 0),
        (0x1F0, 0x1000),
        (0x1F0, LIST_ADDRESS + ENTRIES_BEHIND_LIST + 4),
        (0x1F0, 0xFFFF_FFFF_FFFF_FFF8),
    ],
)
def test_a_list_that_does_not_prove_itself_is_not_believed(offset: int, value: int, old: Image) -> None:
    """LastEntry, LastInitializedWsle and Wsle that cannot be."""
    victim = process_truth(old, "notepad.exe")
    frames = dict(old.physical)
    own = AddressSpace(memory_of(frames, old.memory_size), victim["dtb"])
    place = int(own.translate(np.array([LIST_ADDRESS], dtype=np.uint64)).physical[0])
    page = bytearray(frames[place // PAGE])
    struct.pack_into("<Q", page, place % PAGE + offset, value)
    frames[place // PAGE] = bytes(page)
    row = sets(kernel_of(old, frames))[victim["pid"]]
    assert isinstance(row.entries, Absent)
    assert row.entries.kind is Kind.NOT_PROVED
    assert any("does not look like a working set list" in problem for problem in row.problems)


@pytest.mark.parametrize("build", ["x64-10240-16384", "x64-22621-382"])
@settings(max_examples=6, deadline=None)
@given(missing=st.sets(st.integers(0, 1 << 16), min_size=1, max_size=25))
def test_missing_pages_never_give_a_wrong_value(build: str, missing: set[int]) -> None:
    """Each fact is what it was, too low with a problem, or absent with a reason."""
    forged = LABS.setdefault(build, forge(LAB, 11, build))
    frames = without(forged, missing)
    try:
        found = sets(kernel_of(forged, frames))
    except Error:
        return  # the kernel itself could not be identified, and said so
    truth = {p["pid"]: p["working_set"] for p in listed_truth(forged.truth)}
    for pid, row in found.items():
        known = truth[pid]
        pairs = [(row.size, known["size"]), (row.leaf_size, known["leaf"]), (row.peak, known["peak"])]
        assert all(isinstance(value, Absent) or value == expected for value, expected in pairs)
        for name, key in zip(COUNTED, ("resident", "large", "transition", "page_tables"), strict=True):
            value = getattr(row, name)
            if isinstance(value, int):
                assert value == known[key] or (value < known[key] and row.problems)
        if isinstance(row.entries, int):
            assert row.entries == known["list_entries"] or (row.entries < known["list_entries"] and row.problems)


LABS: dict[str, Image] = {}
"""Forged labs by build, made once."""


@settings(max_examples=6, deadline=None)
@given(damage=st.dictionaries(st.integers(0, 1 << 16), st.sampled_from(range(len(GARBAGE))), min_size=1, max_size=12))
def test_garbage_never_breaks_the_walk(damage: dict[int, int]) -> None:
    """Random bytes over random places: the walk ends and every row can be explained."""
    forged = LABS.setdefault("x64-10240-16384", forge(LAB, 11, "x64-10240-16384"))
    frames = spoiled(forged, damage)
    try:
        kernel = kernel_of(forged, frames)
    except Error:
        return
    explain = Explainer("full")
    for row in working_sets(kernel, processes(kernel).rows):
        assert explain(working_set_note, row)


@pytest.mark.parametrize("name", FOREIGN)
def test_the_plugin_shows_every_process_of_a_foreign_image(
    name: str, vol: Callable[..., Any], foreign: Callable[[str], Path], truth: Callable[[str], dict[str, Any]]
) -> None:
    """One row each, without problems; the machine that made the image left the counters zero and made no list."""
    rows = vol("-r", "json", "-f", foreign(f"{name}.raw"), "windows.anatomy.workingset").rows
    listed = [process["pid"] for process in truth(name)["processes"] if process["in_active_list"]]
    assert sorted(row["PID"] for row in rows) == sorted(listed)
    assert {row["Problems"] for row in rows} == {None}
    assert {row["WorkingSetList"] for row in rows} == {None}
    assert all(row["Explanation"] for row in rows)
    assert sum(row["Resident"] > 10 for row in rows) > 15
