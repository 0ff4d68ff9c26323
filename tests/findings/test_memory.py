"""Executable memory that belongs where it is: what csrss.exe of Windows XP has for itself, and false twins of it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from process_anatomy.findings.memory import injected_code
from process_anatomy.forge import LAB, forge
from process_anatomy.walk.across.tables import Tables
from process_anatomy.walk.address_space.code import Code
from process_anatomy.walk.address_space.page_row import PageRow
from tests.walk.damaged import kernel_of

XP, SERVER_2003, WINDOWS_7 = 2600, 3790, 7601
SMALL_HEAP = bytes.fromhex("c8000000be010000ffeeffee00000000")
LARGE_HEAP = bytes(16) + bytes.fromhex("ffeeffee00000000")
RWX = "PAGE_EXECUTE_READWRITE"


@pytest.fixture(scope="module")
def tables() -> Tables:
    return Tables(kernel_of(forge(LAB, build="x86-2600-5512")))


def told(
    tables: Tables, name: str, start: int, head: bytes, private: int, number: int = XP, first: int | None = None
) -> int:
    """How many findings there are of a range of a process that can be written and run, and begins so."""
    process = next(p for p in tables.processes if p.name == name)
    vad = next(v for v in tables.vads.rows if v.process is process and v.vad_type == "VadNone")
    vad = vad._replace(start=start, end=start + 0xFFFF, protection=RWX, private=private)
    row = Code(process, PageRow(process, "vad", vad, (), start, start + 0xFFFF), first or start, head, ())
    judged: Any = SimpleNamespace(code=[row], number=number)
    return len(list(injected_code(judged)))


@pytest.mark.parametrize(("head", "number"), [(SMALL_HEAP, XP), (SMALL_HEAP, SERVER_2003), (LARGE_HEAP, SERVER_2003)])
def test_the_heap_that_csrss_shares_is_its_own(tables: Tables, head: bytes, number: int) -> None:
    assert told(tables, "csrss.exe", 0x7F6F0000, head, 0, number) == 0


def test_page_zero_of_csrss_is_its_own(tables: Tables) -> None:
    assert told(tables, "csrss.exe", 0, b"\x53\xff\x00\xf0" * 4, 1) == 0


def test_what_only_looks_like_it_is_told(tables: Tables) -> None:
    """Private memory, another process, another Windows, no heap's signature, or behind the heap's beginning."""
    at = 0x7F6F0000
    assert told(tables, "csrss.exe", at, SMALL_HEAP, 1) == 1
    assert told(tables, "lsass.exe", at, SMALL_HEAP, 0) == 1
    assert told(tables, "lsass.exe", 0, SMALL_HEAP, 0) == 1
    assert told(tables, "csrss.exe", at, SMALL_HEAP, 0, WINDOWS_7) == 1
    assert told(tables, "csrss.exe", at, bytes(8) + b"\x90" * 8, 0) == 1
    assert told(tables, "csrss.exe", at, SMALL_HEAP, 0, first=at + 0x1000) == 1


def test_a_payload_in_the_shared_heap_is_told(tables: Tables) -> None:
    assert told(tables, "csrss.exe", 0x7F6F0000, bytes.fromhex("fc4883e4f0e8") + SMALL_HEAP, 0) == 1
