"""Pages and regions of forged images: what was made odd is told; damage gives no wrong answer and no endless walk."""

from __future__ import annotations

import time
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from process_anatomy.errors import Error
from process_anatomy.forge import LAB, Image, forge
from process_anatomy.kernel.identify import Kernel
from process_anatomy.memory.address_space import AddressSpace
from process_anatomy.memory.view import addresses_of
from process_anatomy.notes import Level
from process_anatomy.notes.explainer import Explainer
from process_anatomy.notes.page_rows import page_note
from process_anatomy.walk.across.regions import regions
from process_anatomy.walk.address_space.page_entries import entries_of, software_of
from process_anatomy.walk.address_space.page_ranges import NO_VAD, Ranges
from process_anatomy.walk.address_space.page_row import PageRow
from process_anatomy.walk.address_space.pages import PageTable, pages
from process_anatomy.walk.address_space.sections import sections
from process_anatomy.walk.address_space.vad_checks import checks
from process_anatomy.walk.address_space.vads import vads
from process_anatomy.walk.processes.listed import processes
from structs.section import CONTROL_AREA, SUBSECTION
from structs.vad import MMVAD, MMVAD_SHORT
from tests.walk.damaged import GARBAGE, PAGE, Editor, kernel_of, listed_truth, memory_of, process_truth

COUNTS = ("valid", "large", "transition", "prototype", "pagefile", "demand_zero", "untouched", "unknown")
MASK = 0x2000_0000_0000


@pytest.fixture(scope="module", params=[0, MASK], ids=["plain", "flipped"])
def image(request: pytest.FixtureRequest) -> Image:
    """The lab image, with entries that are not valid as they are, and with bits flipped."""
    return forge(replace(LAB, invalid_pte_mask=request.param), 11)


@pytest.fixture
def edit(image: Image) -> Editor:
    """The lab image, ready to be damaged."""
    return Editor(image)


def table_of(kernel: Kernel) -> PageTable:
    """The pages of all processes."""
    listed = processes(kernel).rows
    trees = vads(kernel, listed).rows
    return pages(kernel, listed, trees, regions(kernel, listed, trees).rows, sections(kernel, trees))


def span(row: PageRow) -> int:
    """Pages of a row's range."""
    assert isinstance(row.start, int)
    assert isinstance(row.end, int)
    return (row.end + 1 - row.start) >> 12


def test_what_was_made_odd_is_told_and_nothing_else(image: Image) -> None:
    """The forged image's own list of odd pages is what rows tell."""
    rows = table_of(kernel_of(image)).rows
    odd: list[tuple[int, str, int, str, int]] = []
    written: set[object] = set()
    for row in rows:
        if row.beyond:
            odd.append((row.process.pid, "beyond", row.start, "RWX", row.beyond))  # type: ignore[arg-type]
        if isinstance(row.private, int) and row.private and row.own_code:
            odd.append((row.process.pid, "private-copy", row.start, "R-X", row.private))  # type: ignore[arg-type]
        elif isinstance(row.private, int) and row.private:
            written.add(row.process.pid)
        if row.kind == "no-vad" and row.region != ("KUSER_SHARED_DATA",):
            odd.append((row.process.pid, "uncovered", row.start, "R-X", row.valid))  # type: ignore[arg-type]
    expected = [
        (
            p["pid"],
            page["kind"],
            page["va"] if page["kind"] != "private-copy" else page["va"] - PAGE,  # the row starts with the image
            page["rights"],
            page["pages"],
        )
        for p in listed_truth(image.truth)
        for page in p.get("odd_pages", ())
    ]
    assert sorted(odd) == sorted(expected)
    assert expected
    assert written == {ring["csrss_pid"] for ring in image.truth["csr"]}, "the data of csrsrv.dll were written to"
    assert {row.strange for row in rows} == {0}


def test_states_are_those_of_the_answer_key(image: Image) -> None:
    """Each listed page lies in a range that counts its state, and each range accounts for all of its pages."""
    rows = table_of(kernel_of(image)).rows
    states = {
        "valid": "valid", "large": "large", "transition": "transition", "demand-zero": "demand_zero",
        "guard-demand-zero": "demand_zero", "pagefile": "pagefile", "vad-demand-zero": "untouched",
        "prototype-valid": "prototype", "prototype-vad-transition": "prototype", "prototype-not-resident": "prototype",
    }  # fmt: skip
    for process in listed_truth(image.truth):
        mine = [row for row in rows if row.process.pid == process["pid"] and row.kind == "vad"]
        for row in mine:
            assert sum(getattr(row, name) for name in COUNTS) == span(row)
        for page in process.get("pages", ()):
            found = next(row for row in mine if row.start <= page["va"] <= row.end)  # type: ignore[operator]
            assert getattr(found, states[page["state"]]) > 0
            assert page["state"] != "guard-demand-zero" or found.guard == 1
            if page["note"].endswith("locale.nls"):
                assert (found.valid, found.prototype, found.resident) == (1, 3, 3)


def test_the_flipped_bits_are_found_without_symbols(image: Image) -> None:
    """The mask that the answer key names, from all processes and from one."""
    kernel = kernel_of(image)
    space = kernel.space
    assert isinstance(space, AddressSpace)
    roots = addresses_of([p.dtb for p in processes(kernel).rows if isinstance(p.dtb, int)])
    software_of(space).learn(roots)
    assert software_of(space).flips.mask == image.truth["invalid_pte_mask"]


def test_paged_out_processes_are_unknown_not_empty(image: Image) -> None:
    """Where the upper tables are in a page file, every page is unknown and the row says why."""
    rows = table_of(kernel_of(image)).rows
    gone = {p["pid"] for p in listed_truth(image.truth) if p.get("memory") == "paged-out" and not p["exited"]}
    mine = [row for row in rows if row.process.pid in gone and row.kind == "vad"]
    assert all(row.unknown == span(row) and row.untouched == 0 and row.problems for row in mine)


def test_regions_are_those_of_the_answer_key(image: Image) -> None:
    """PEB, TEBs, stacks, heaps and images by the generator's notes."""
    kernel = kernel_of(image)
    listed = processes(kernel).rows
    trees = vads(kernel, listed).rows
    names = dict(zip([(t.process.pid, t.start) for t in trees], regions(kernel, listed, trees).rows, strict=True))
    seen: set[str] = set()
    for process in listed_truth(image.truth):
        if process.get("memory") != "all":
            continue
        for vad in process["vads"]:
            name = names[process["pid"], vad["start"]]
            seen.update(name)
            assert ("PEB" in name) == ("TEB" in name) == (vad["note"] == "PEB and TEBs")
            assert ("stack" in name) == (vad["note"] in ("stack", "32-bit stack"))
            assert ("image" in name) == (vad["type"] == "VadImageMap")
            assert ("heap" in name) == (vad["note"] == "heap")
            assert ("mapped file" in name) == (vad["file"] is not None and vad["type"] != "VadImageMap")
    assert {"KUSER_SHARED_DATA", "hypervisor shared page", "stack", "heap", "shared memory", "private"} <= seen


def test_stacks_and_tebs_are_told_with_the_threads_that_they_are_of(image: Image) -> None:
    """By the answer key's TEBs; each stack is of one thread that has a TEB."""
    kernel = kernel_of(image)
    listed = processes(kernel).rows
    trees = vads(kernel, listed).rows
    whose = dict(zip([(t.process.pid, t.start) for t in trees], regions(kernel, listed, trees).threads, strict=True))
    stacks = 0
    for process in listed_truth(image.truth):
        if process.get("memory") != "all":
            continue
        tids = sorted(thread["tid"] for thread in process["threads"] if thread["teb"])
        of_stacks: list[object] = []
        for vad in process["vads"]:
            own = whose[process["pid"], vad["start"]]
            told = set(own.get("TEB", ()))
            assert told == {
                thread["tid"]
                for thread in process["threads"]
                if any(vad["start"] <= teb <= vad["end"] for teb in (thread["teb"], thread["teb32"]) if teb)
            }
            if vad["note"] == "stack":
                assert len(own["stack"]) == 1
                of_stacks += own["stack"]
        assert sorted(map(int, map(str, of_stacks))) == tids
        stacks += len(of_stacks)
    assert stacks > 10


def test_sections_are_told(image: Image) -> None:
    """Flags, parts and file objects of images, files and shared memory; none of private memory."""
    kernel = kernel_of(image)
    trees = vads(kernel, processes(kernel).rows).rows
    for vad, section in zip(trees, sections(kernel, trees), strict=True):
        if vad.private == 1:
            assert not isinstance(section.control_area, int)
        elif vad.vad_type == "VadImageMap":
            assert (section.flags, section.problems) == ("Image,File", ())
            assert isinstance(section.subsections, int)
            assert section.subsections > 1
        else:
            assert section.flags == ("File" if isinstance(vad.file, str) else "Commit")
            assert isinstance(section.file_object, int) == isinstance(vad.file, str)


def test_a_chain_of_subsections_that_loops_ends(image: Image, edit: Editor) -> None:
    """The count is absent, and nothing else of the section is."""
    kernel = kernel_of(image)
    trees = vads(kernel, processes(kernel).rows).rows
    number = next(n for n, v in enumerate(trees) if v.vad_type == "VadImageMap")
    pointer = kernel.view.parse(MMVAD, trees[number].address)["Subsection"]
    edit.set(SUBSECTION, pointer, "NextSubsection", pointer)
    damaged = kernel_of(image, edit.frames)
    section = sections(damaged, trees)[number]
    assert "does not end" in str(section.subsections)
    assert section.flags == "Image,File"


def test_a_section_that_counts_no_view_is_told(image: Image, edit: Editor) -> None:
    """This VAD is a view, so the count cannot be 0."""
    kernel = kernel_of(image)
    trees = vads(kernel, processes(kernel).rows).rows
    number = next(n for n, v in enumerate(trees) if v.vad_type == "VadImageMap")
    area = sections(kernel, trees)[number].control_area
    assert isinstance(area, int)
    edit.set(CONTROL_AREA, area, "NumberOfMappedViews", 0)
    assert "counts no view" in sections(kernel_of(image, edit.frames), trees)[number].problems[0]


def test_balances_are_those_of_a_tree(image: Image, edit: Editor) -> None:
    """An undisturbed tree has no problem; a balance that no tree has, or that is not this tree's, is told."""
    kernel = kernel_of(image)
    trees = vads(kernel, processes(kernel).rows).rows
    assert {problem for check in checks(kernel, trees) for problem in check.problems} == set()
    leaf = next(n for n, v in enumerate(trees) if v.depth > 2)
    parent = kernel.view.parse(MMVAD_SHORT, trees[leaf].address)["ParentValue"]
    for bits, words in ((2, "its balance is one that no tree has"), ((parent + 1) & 1, "its branches differ by")):
        edit.set(MMVAD_SHORT, trees[leaf].address, "ParentValue", parent & ~3 | (bits or 3))
        damaged = kernel_of(image, edit.frames)
        rows = vads(damaged, processes(damaged).rows).rows
        told = [check.problems for check in checks(damaged, rows) if check.problems]
        assert len(told) == 1
        assert words in told[0][0]


def test_ranges_that_overlap_are_told_by_both(image: Image, edit: Editor) -> None:
    """A node that is stretched over its neighbour: both say so, and each page is counted once."""
    victim = process_truth(image, "cmd.exe")
    ranges = sorted(victim["vads"], key=lambda v: v["start"])
    first, second = next((a, b) for a, b in pairwise(ranges) if b["start"] - a["end"] < 1 << 24)
    low = (second["start"] >> 12) & 0xFFFFFFFF
    assert first["start"] >> 44 == second["start"] >> 44
    edit.set(MMVAD_SHORT, first["node"], "EndingVpn", low)
    kernel = kernel_of(image, edit.frames)
    trees = vads(kernel, processes(kernel).rows).rows
    told = {v.address for v, c in zip(trees, checks(kernel, trees), strict=True) if c.problems}
    assert told == {first["node"], second["node"]}
    assert any("counted once" in p for row in table_of(kernel).rows for p in row.problems)


def test_a_range_outside_user_space_is_told(image: Image, edit: Editor) -> None:
    """Addresses that no program can have, below the kernel's half."""
    node = process_truth(image, "cmd.exe")["vads"][-1]["node"]
    edit.write(node + edit.build[MMVAD_SHORT].offset("EndingVpnHigh"), b"\x0f")
    kernel = kernel_of(image, edit.frames)
    trees = vads(kernel, processes(kernel).rows).rows
    found = next(c for v, c in zip(trees, checks(kernel, trees), strict=True) if v.address == node)
    assert "its range lies outside user space" in found.problems


def test_tables_that_point_at_themselves_end(image: Image) -> None:
    """A root whose entries all lead back to it gives a bounded number of entries, quickly."""
    root = 0x40_0000
    page = (np.full(512, root | 0x67, dtype="<u8")).tobytes()
    space = AddressSpace(memory_of({root // PAGE: page}, 1 << 30), root)
    start = time.perf_counter()
    found = entries_of(space, addresses_of([root]), 1 << 20)
    assert found.cut
    assert 1 << 20 <= len(found.place) < 1 << 22
    assert time.perf_counter() - start < 20


def test_gaps_cover_what_a_lost_table_would_map(image: Image) -> None:
    """Without the root nothing is known; with one lower table gone, its part."""
    process = process_truth(image, "cmd.exe")
    frames = {n: f for n, f in image.physical.items() if n != process["dtb"] // PAGE}
    space = AddressSpace(memory_of(frames, image.memory_size), process["dtb"])
    assert entries_of(space, addresses_of([process["dtb"]])).gaps == ((0, 1 << 47),)


@given(
    st.lists(st.tuples(st.integers(0, 400), st.integers(0, 60)), max_size=30),
    st.lists(st.tuples(st.integers(0, 500), st.sampled_from([1, 1, 1, 16])), max_size=40),
)
def test_every_page_belongs_to_one_range(spans: list[tuple[int, int]], mapped: list[tuple[int, int]]) -> None:
    """Ranges touch and never overlap, whatever the VADs; joined entries keep their pages."""
    first = addresses_of([a << 12 for a, _ in spans])
    last = addresses_of([(a + n + 1 << 12) - 1 for a, n in spans])
    ranges = Ranges(first, last, np.zeros(len(spans), dtype=np.int64), 1, 1 << 24)
    assert ranges.start[0] == 0
    assert ranges.end[-1] == (1 << 24) - 1
    assert (ranges.start[1:] == ranges.end[:-1] + np.uint64(1)).all()
    count = np.array([n for _, n in mapped], dtype=np.int64)
    pick, where, pages_of = ranges.join(np.array([a << 12 for a, _ in mapped], dtype=np.uint64), count)
    for number, (first, size) in enumerate(mapped):
        assert pages_of[pick == number].sum() == size
        for page in range(first, first + size):
            holders = [a for a, n in spans if a <= page <= a + n]
            owner = ranges.owner[np.searchsorted(ranges.end, np.uint64(page << 12), "left")]
            assert (owner == NO_VAD) == (not holders)
            assert owner == NO_VAD or spans[owner][0] <= page <= sum(spans[owner])
    assert len(where) == len(pick)


@settings(deadline=None, max_examples=12, suppress_health_check=list(HealthCheck))
@given(st.data())
def test_damage_ends_and_never_gives_a_wrong_answer(image: Image, data: st.DataObject) -> None:
    """Frames lost or spoiled: the walk ends, every row adds up, and every row can be explained."""
    frames: dict[int, bytes] = dict(image.physical)
    spoil = data.draw(st.sampled_from([*GARBAGE, None]))
    for frame in data.draw(st.lists(st.sampled_from(sorted(frames)), min_size=1, max_size=60, unique=True)):
        if spoil is None:
            del frames[frame]
        else:
            frames[frame] = spoil(frames[frame])
    try:
        kernel = kernel_of(image, frames)
    except Error:
        return
    start = time.perf_counter()
    rows = table_of(kernel).rows
    assert time.perf_counter() - start < 60
    explain = [Explainer(level.value) for level in Level if level is not Level.OFF]
    for row in rows:
        check_row(row)
        assert all(e(page_note, row, e.library) for e in explain)


def check_row(row: PageRow) -> None:
    """What is true of any row."""
    numbers: dict[str, Any] = {name: getattr(row, name) for name in COUNTS}
    assert all(value >= 0 for value in numbers.values())
    if isinstance(row.start, int) and isinstance(row.end, int) and not row.problems and row.end < 1 << 47:
        assert sum(numbers.values()) == span(row) or row.kind == "no-vad" or row.end < row.start
    assert row.beyond <= row.valid + row.large
    assert row.resident <= row.valid + row.large + row.transition + row.prototype
