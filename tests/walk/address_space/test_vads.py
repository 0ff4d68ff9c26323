"""VAD trees, sections, pages and working sets of every generation of Windows are those of the answer keys."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from process_anatomy.absent import Absent
from process_anatomy.errors import ImageError
from process_anatomy.forge import Image
from process_anatomy.kernel.identify import Kernel
from process_anatomy.volatility import open_path
from process_anatomy.walk.across.regions import regions
from process_anatomy.walk.address_space.page_row import PageRow
from process_anatomy.walk.address_space.pages import pages
from process_anatomy.walk.address_space.sections import file_headers, sections
from process_anatomy.walk.address_space.vad_checks import checks
from process_anatomy.walk.address_space.vads import SPLAY_DEPTH_LIMIT, Vad, vads
from process_anatomy.walk.address_space.working_sets import working_sets
from process_anatomy.walk.processes.listed import processes
from structs.builds import load, with_entries
from structs.eprocess import EPROCESS
from structs.section import SEGMENT
from structs.vad import MMVAD_SHORT
from tests.generations import OLDER, lab
from tests.walk.damaged import GARBAGE, Editor, kernel_of, listed_truth, spoiled

STATES = {
    "valid": "valid", "large": "large", "transition": "transition", "demand-zero": "demand_zero",
    "guard-demand-zero": "demand_zero", "pagefile": "pagefile", "vad-demand-zero": "untouched",
    "prototype-valid": "prototype", "prototype-vad-transition": "prototype", "prototype-not-resident": "prototype",
}  # fmt: skip
COUNTS = ("valid", "large", "transition", "prototype", "pagefile", "demand_zero", "untouched", "unknown")


@pytest.fixture(scope="module", params=OLDER)
def image(request: pytest.FixtureRequest) -> Image:
    """A forged image of each generation of the structures, in each format of page tables."""
    return lab(request.param)


@pytest.fixture(scope="module")
def kernel(image: Image) -> Kernel:
    """Its kernel."""
    return kernel_of(image)


@pytest.fixture(scope="module")
def rows(kernel: Kernel) -> tuple[Vad, ...]:
    """Its VADs."""
    table = vads(kernel, processes(kernel).rows)
    assert table.problems == ()
    assert not table.broken
    return table.rows


def stated(listed: Sequence[dict[str, Any]]) -> dict[tuple[int, int], tuple[Any, ...]]:
    """What an answer key says of every node, by process and address."""
    return {
        (p["pid"], v["node"]): (
            v["start"], v["end"], v["tag"], v["protection"], v["commit"], int(v["private"]), v["type"], v["file"],
        )
        for p in listed
        for v in p.get("vads", ())
    }  # fmt: skip


def found(rows: Sequence[Vad]) -> dict[tuple[int, int], tuple[Any, ...]]:
    """The same of ours; ``None`` for no file."""
    return {
        (row.process.pid, row.address): (
            row.start, row.end, row.tag, row.protection, row.commit, row.private, row.vad_type,
            None if isinstance(row.file, Absent) else row.file,
        )
        for row in rows
        if isinstance(row.process.pid, int)
    }  # fmt: skip


@pytest.mark.parametrize(
    ("fixture", "name", "number"), [("winxp", "winxp-2600-pae", 394), ("win7x86", "win7-7601-x86-pae", 442)]
)
def test_vads_of_32_bit_windows_are_those_of_the_answer_key(
    fixture: str, name: str, number: int, request: pytest.FixtureRequest, truth: Callable[[str], dict[str, Any]]
) -> None:
    """Every node of images that we did not make, with nothing odd; TEBs of XP have nodes with room for a section."""
    path: Path = request.getfixturevalue(fixture)
    kernel = open_path(path)
    table = vads(kernel, processes(kernel).rows)
    expected = stated(truth(name)["processes"])
    assert found(table.rows) == expected
    assert len(expected) == number
    assert {problem for row in table.rows for problem in row.problems} == set()
    assert {problem for check in checks(kernel, table.rows) for problem in check.problems} == set()
    backing = sections(kernel, table.rows)
    assert {problem for section in backing for problem in section.problems} == set()
    for row, section in zip(table.rows, backing, strict=True):
        assert isinstance(section.control_area, int) != (row.private == 1)
        kinds = {"VadImageMap": "Image,File"}.get(str(row.vad_type), "File" if isinstance(row.file, str) else "Commit")
        assert row.private == 1 or section.flags == kinds
        assert row.private == 1 or section.subsections == (6 if kinds == "Image,File" else 1)


def test_nodes_are_those_of_the_answer_key(image: Image, rows: tuple[Vad, ...]) -> None:
    """Every column that stock Volatility has of a node, its kind, and its parent."""
    listed = listed_truth(image.truth)
    assert found(rows) == stated(listed)
    parents = {(p["pid"], v["node"]): v["parent"] for p in listed for v in p.get("vads", ())}
    assert {(row.process.pid, row.address): row.parent for row in rows} == parents
    assert {problem for row in rows for problem in row.problems} == set()


def test_undamaged_trees_pass_every_check(image: Image, kernel: Kernel, rows: tuple[Vad, ...]) -> None:
    """Order, balance and counts of views; a splay tree's nodes, XP's alone, keep no balance."""
    told = checks(kernel, rows)
    assert {problem for check in told for problem in check.problems} == set()
    splay = image.truth["arguments"]["build"].startswith("x86-2600")
    assert {isinstance(check.balance, int) for check in told} == {not splay}
    counted = {p["pid"]: p["vad_count"] for p in listed_truth(image.truth) if p["vads"]}
    if "VadCount" in kernel.build[EPROCESS]:
        addresses = {row.process.address: row.process.pid for row in rows}
        for address, pid in addresses.items():
            assert kernel.view.parse(EPROCESS, address)["VadCount"] == counted[pid]
    else:
        assert splay


def test_sections_are_told_of_every_generation(kernel: Kernel, rows: tuple[Vad, ...]) -> None:
    """Control areas, parts and flags of what is mapped, nothing of private memory; files' headers of images."""
    backing = sections(kernel, rows)
    headers = file_headers(kernel, backing)
    for row, section, header in zip(rows, backing, headers, strict=True):
        assert section.problems == ()
        assert isinstance(section.control_area, int) != (row.private == 1)
        assert row.private == 1 or isinstance(section.subsections, int)
        if row.vad_type == "VadImageMap":
            assert not isinstance(header, Absent), row
            assert isinstance(section.flags, str)
            assert "Image" in section.flags
            assert isinstance(section.subsections, int)
            assert section.subsections > 1


def page_rows(kernel: Kernel, rows: Sequence[Vad]) -> tuple[PageRow, ...]:
    """The pages of all processes."""
    listed = processes(kernel).rows
    table = pages(kernel, listed, rows, regions(kernel, listed, rows).rows, sections(kernel, rows))
    assert table.problems == ()
    return table.rows


def test_pages_have_the_states_of_the_answer_key(image: Image, kernel: Kernel, rows: tuple[Vad, ...]) -> None:
    """Each listed page lies in a range that counts its state; of shared pages in memory, the octets are found."""
    told = page_rows(kernel, rows)
    compared = 0
    for process in listed_truth(image.truth):
        own = [row for row in told if row.process.pid == process["pid"] and row.kind == "vad"]
        for page in process.get("pages", ()):
            row = next(r for r in own if isinstance(r.start, int) and r.start <= page["va"] <= int(str(r.end)))
            assert getattr(row, STATES[page["state"]]) > 0, page
            assert page["state"] != "guard-demand-zero" or row.guard == 1
            if page["note"].endswith("locale.nls"):
                assert (row.valid, row.prototype, row.resident) == (1, 3, 3)
            compared += 1
    assert compared > 20


def test_only_what_was_made_odd_is_odd(image: Image, kernel: Kernel, rows: tuple[Vad, ...]) -> None:
    """Rights beyond the VAD are told where entries can forbid execution; where they cannot, all may be executed."""
    told = page_rows(kernel, rows)
    odd = {(p["pid"], page["kind"]) for p in listed_truth(image.truth) for page in p.get("odd_pages", ())}
    without = image.pointer_size == 4 and not image.truth["pae"]
    expected = {pid for pid, kind in odd if kind == "beyond"}
    assert {row.process.pid for row in told if row.beyond} == (set() if without else expected)
    assert expected
    assert {row.strange for row in told} == {0}
    loose = {row.process.pid for row in told if row.kind == "no-vad" and row.region != ("KUSER_SHARED_DATA",)}
    assert loose == {pid for pid, kind in odd if kind == "uncovered"}
    for row in told:
        if row.kind == "vad":
            assert isinstance(row.end, int)
            assert isinstance(row.start, int)
            assert sum(getattr(row, name) for name in COUNTS) == row.end + 1 - row.start >> 12


def test_working_sets_are_those_of_the_answer_key(image: Image, kernel: Kernel) -> None:
    """Pages by state and tables, counted in page tables of each format, and the kernel's own numbers."""
    expected = {p["pid"]: p["working_set"] for p in listed_truth(image.truth)}
    for row in working_sets(kernel, processes(kernel).rows):
        assert isinstance(row.process.pid, int)
        facts = expected[row.process.pid]
        names = {"resident": "resident", "large": "large", "transition": "transition", "tables": "page_tables"}
        assert {ours: getattr(row, ours) for ours in names} == {ours: facts[theirs] for ours, theirs in names.items()}
        assert row.size == facts["size"]
        assert isinstance(row.entries, Absent) == (facts["list_entries"] is None)
        assert facts["list_entries"] in (None, row.entries)
        assert row.problems == ()


def test_a_layout_fits_the_kernel_with_pae() -> None:
    """The segment of Windows XP and Server 2003 keeps an entry before its fields; the others keep none."""
    for name in ("x86-2600-5512", "x86-3790-1830"):
        plain = load(name)
        wide = with_entries(plain, 8)
        assert with_entries(plain, 4) is plain
        for field, more in {"ControlArea": 0, "SizeOfSegment": 0, "ImageInformation": 4, "PrototypePte": 4}.items():
            assert wide[SEGMENT].offset(field) == plain[SEGMENT].offset(field) + more
        assert wide[SEGMENT].sizeof == plain[SEGMENT].sizeof + 8
    for name in ("x86-6000-16386", "x86-7601-24000", "x64-3790-1830", "x64-22621-382"):
        assert with_entries(load(name), 8) is load(name) or "SegmentPteTemplate" not in load(name)[SEGMENT]


@pytest.fixture(scope="module")
def splay_image() -> Image:
    """Windows XP, without PAE."""
    return lab("x86-2600-2180")


def test_a_splay_tree_may_be_one_chain(splay_image: Image) -> None:
    """A tree as deep as it has nodes, as ranges made in ascending order leave it, is walked to its last node."""
    edit = Editor(splay_image)
    victim = next(p for p in splay_image.truth["processes"] if p["pid"] == 5212)
    nodes = [v["node"] for v in sorted(victim["vads"], key=lambda v: v["start"])]
    for number, node in enumerate(nodes):
        edit.set(MMVAD_SHORT, node, "Right", 0)
        edit.set(MMVAD_SHORT, node, "Left", nodes[number - 1] if number else 0)
        edit.set(MMVAD_SHORT, node, "Parent", nodes[number + 1] if number + 1 < len(nodes) else 0)
    edit.set(EPROCESS, victim["eprocess"], "VadRoot", nodes[-1])
    kernel = kernel_of(splay_image, edit.frames)
    table = vads(kernel, [row for row in processes(kernel).rows if row.pid == victim["pid"]])
    assert [row.address for row in table.rows] == nodes[::-1]
    assert [row.depth for row in table.rows] == list(range(len(nodes)))
    assert {row.problems for row in table.rows} == {()}
    assert len(nodes) < SPLAY_DEPTH_LIMIT


@pytest.mark.parametrize("build", ["x86-2600-2180", "x86-7601-24000"])
def test_a_root_that_names_another_parent_is_told(build: str) -> None:
    """The root of a tree without a table has no parent; below a table, it names the table's own node."""
    image = lab(build)
    edit = Editor(image)
    victim = next(p for p in image.truth["processes"] if p["pid"] == 5212)
    field = "Parent" if build == "x86-2600-2180" else "ParentValue"
    edit.set(MMVAD_SHORT, victim["vad_root"], field, victim["vad_root"] + 0x40)
    kernel = kernel_of(image, edit.frames)
    rows = vads(kernel, [row for row in processes(kernel).rows if row.pid == victim["pid"]]).rows
    expected = 0 if build == "x86-2600-2180" else victim["eprocess"] + kernel.build[EPROCESS].offset("VadRoot") - 8
    told = f"names {victim['vad_root'] + 0x40:#x} as its parent, but was reached from {expected:#x}"
    assert [row.problems for row in rows if row.problems] == [(told,)]
    assert rows[0].problems == (told,)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(damage=st.dictionaries(st.integers(0, 4000), st.integers(0, len(GARBAGE) - 1), min_size=1, max_size=12))
def test_damaged_frames_of_32_bit_windows_end_and_give_reasons(splay_image: Image, damage: dict[int, int]) -> None:
    """Trees, sections, pages and working sets of an image with spoiled frames are walked to an end, without errors."""
    try:
        kernel = kernel_of(splay_image, spoiled(splay_image, damage))
    except ImageError:
        return
    listed = processes(kernel).rows
    table = vads(kernel, listed)
    known = {(row.process.address, row.address) for row in table.rows}
    assert len(known) == len(table.rows)
    backing = sections(kernel, table.rows)
    assert len(checks(kernel, table.rows)) == len(backing) == len(table.rows)
    assert len(file_headers(kernel, backing)) == len(table.rows)
    assert len(working_sets(kernel, listed)) == len(listed)
    pages(kernel, listed, table.rows, regions(kernel, listed, table.rows).rows, backing)
