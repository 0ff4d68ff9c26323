"""Views over an image 40 % of whose private pages are compressed: what they show, count, and say of its source."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from process_anatomy.absent import Absent
from process_anatomy.findings.rules import decompressed
from process_anatomy.memory.software_entries import Stores
from process_anatomy.views.creation import STORED
from process_anatomy.views.image import Image
from process_anatomy.walk.across.tables import Tables
from process_anatomy.walk.program.compressed_parts import PARTS
from tests.compression import kernel, pages, stored
from tests.walk.damaged import kernel_of

pytest.importorskip("pyfwnt", reason="the library that decompresses Xpress is not installed")

BUILD = "x64-19041-3324"
PAGE = 0x1000


@pytest.fixture(scope="module")
def tables() -> Tables:
    return Tables(kernel(BUILD))


def held() -> set[tuple[int, int]]:
    """Process id and address of the pages that the store has, by the truth."""
    return {(page["pid"], page["va"]) for page in pages(stored(BUILD)) if page["crc32"] is not None}


def test_pages_and_vads_count_the_pages_of_the_truth(tables: Tables) -> None:
    """Those whose entries lead nowhere count as pages of a page file, as their entries say."""
    expected = Counter(pid for pid, _ in held())
    shown = Counter[int]()
    for row in tables.pages.rows:
        assert isinstance(row.process.pid, int)
        shown[row.process.pid] += row.compressed
    assert +shown == expected
    by_node = tables.compressed_pages
    assert sum(by_node.values()) == expected.total()
    ranges = {row.address: row for row in tables.vads.rows}
    for address, count in by_node.items():
        row = ranges[address]
        assert isinstance(row.start, int)
        assert isinstance(row.end, int)
        inside = [va for pid, va in held() if pid == row.process.pid and row.start <= va <= row.end]
        assert count == len(inside)


def test_what_a_process_keeps_of_itself_is_that_of_the_truth_and_says_where_it_came_from(tables: Tables) -> None:
    """Strings of PEBs and environments, from compressed pages and from others alike."""
    truth = {process["pid"]: process for process in stored(BUILD).truth["processes"]}
    found = Counter[str]()
    for peb, parts in zip(tables.pebs, tables.compressed_parts, strict=True):
        own = truth[peb.process.pid] if isinstance(peb.process.pid, int) else {}
        if "command_line" not in own or peb.bits != 64:
            continue
        assert peb.command_line == own["command_line"]
        assert peb.current_directory == own["current_directory"]
        places = dict(zip(PARTS, (peb.address, peb.parameters, peb.environment, peb.ldr), strict=True))
        for part, at in places.items():
            assert isinstance(at, int)
            assert (part in parts) == ((peb.process.pid, at & -PAGE) in held())
        found.update(parts)
    assert found["PEB"]
    assert found["process parameters"]
    variables = {(v.peb.process.pid, v.name): v.value for v in tables.environments if v.peb.bits == 64}
    for process in truth.values():
        for name, value in process.get("environment", {}).items():
            assert variables[process["pid"], name] == value


def test_working_sets_count_compressed_pages_by_themselves(tables: Tables) -> None:
    """As the truth has them; they are neither in memory nor in transition."""
    expected = Counter(pid for pid, _ in held())
    shown = {row.process.pid: row.compressed for row in tables.working_sets}
    assert {pid: count for pid, count in shown.items() if not isinstance(count, Absent) and count} == expected
    for process in stored(BUILD).truth["processes"]:
        row = next(row for row in tables.working_sets if row.process.pid == process["pid"])
        own = process["working_set"]
        assert (row.resident, row.transition) == (own["resident"], own["transition"])


def test_creation_says_whose_command_line_was_decompressed(tables: Tables) -> None:
    """By the page that the parameters lie in, as the truth has it."""
    parameters = {peb.process.pid: peb.parameters for peb in tables.pebs if peb.bits == 64}
    expected = {pid for pid, at in parameters.items() if isinstance(at, int) and (pid, at & -PAGE) in held()}
    rows = Image(tables.kernel).view("creation", explain="off")
    assert {row["PID"] for row in rows if STORED in row["Evidence"]} == expected
    assert expected


class Kept(io.BytesIO):
    """A file that is written to memory."""

    preferred_filename = ""


def test_an_image_is_dumped_with_its_compressed_pages(tmp_path: Path) -> None:
    """A page of a program that was written to, and then compressed: its entry leads to the store."""
    image, page = stored(BUILD), next(page for page in pages(stored(BUILD)) if page["crc32"] is not None)
    process = next(each for each in image.truth["processes"] if each["pid"] == page["pid"])
    base = process["image_base"]
    whole = kernel(BUILD).space.through(process["dtb"]).read(page["va"], PAGE)  # type: ignore[attr-defined]
    assert whole is not None
    frames = {number: bytearray(octets) for number, octets in image.physical.items()}
    target = base + 2 * PAGE
    at, index = entry_at(frames, process["dtb"], target)
    source, other = entry_at(frames, process["dtb"], page["va"])
    frames[at][index : index + 8] = frames[source][other : other + 8]
    own = kernel_of(image, {number: bytes(octets) for number, octets in frames.items()})
    written: dict[str, Kept] = {}

    @contextmanager
    def output(start: str, name: object, ending: str) -> Iterator[Kept]:
        written[start] = file = Kept()
        file.preferred_filename = f"{start}.{name}.{ending}"
        yield file

    opened = Image(own)
    rows = list(opened.view("images", pid=page["pid"], explain="off", output=output, dump=True))
    row = next(row for row in rows if row["Base"] == base)
    assert row["PagesMissing"] < row["Pages"]
    data = written[f"pid.{page['pid']}.{base:#x}"].getvalue()
    assert data[2 * PAGE : 3 * PAGE] == whole


def entry_at(frames: dict[int, bytearray], root: int, address: int) -> tuple[int, int]:
    """Frame and place of the lowest entry of an address, by the tables in the frames."""
    table = root
    for shift in (39, 30, 21):
        index = 8 * (address >> shift & 0x1FF)
        table = int.from_bytes(frames[table // PAGE][index : index + 8], "little") & 0xFFFFFFFFFF000
    return table // PAGE, 8 * (address >> 12 & 0x1FF)


def test_evidence_that_names_a_decompressed_page_says_so(tables: Tables) -> None:
    """Addresses of a process's own memory, in hexadecimal; others are left alone."""
    page = next(page for page in pages(stored(BUILD)) if page["crc32"] is not None)
    process = next(process for process in tables.processes if process.pid == page["pid"])
    evidence = (f"something at {page['va'] + 0x18:#x}", f"node {0xFFFF_8000_0000_1000:#x}", "id 0x10")
    assert decompressed(tables, process, evidence) == (f"read from the compression store: {page['va'] + 0x18:#x}",)
    assert decompressed(tables, process, evidence[1:]) == ()
    assert decompressed(tables, None, evidence) == ()


def test_without_the_store_the_same_strings_are_absent_and_nothing_is_counted() -> None:
    """Nothing else gives those pages."""
    own = kernel_of(stored(BUILD))
    own.space.software.stores = Stores()  # type: ignore[attr-defined]
    own.space.software._below.stores = own.space.software.stores  # type: ignore[attr-defined]
    bare = Tables(own)
    assert bare.compressed_pages == {}
    assert not any(bare.compressed_parts)
    told = [peb.command_line for peb in bare.pebs]
    assert sum(isinstance(line, str) for line in told) < sum(
        isinstance(peb.command_line, str) for peb in Tables(kernel(BUILD)).pebs
    )
