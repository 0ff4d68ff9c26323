"""Views over an image 40 % of whose private pages are compressed: what they show, count, and say of its source."""

from __future__ import annotations

from collections import Counter

import pytest

from process_anatomy.findings.rules import decompressed
from process_anatomy.memory.software_entries import Stores
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
