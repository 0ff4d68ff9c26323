"""Handle tables of real machines: what small crash dumps hold of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from process_anatomy.kernel.objects import object_headers
from process_anatomy.memory.view import addresses_of
from process_anatomy.volatility import open_path
from process_anatomy.walk.handles.opened import Handles, handles
from process_anatomy.walk.handles.tables import handle_tables
from process_anatomy.walk.processes.listed import processes

WITH_TABLE = "triage-x64-19041-022121-rizin.dmp"
"""A dump of Windows 10 19041 that holds a part of System's handles, and some of the objects."""


@pytest.fixture(scope="module")
def real(shared: Path) -> Path:
    """The folder of real dumps."""
    return shared / "real"


def read(path: Path) -> Handles:
    """The handles of a dump's processes."""
    kernel = open_path(path)
    return handles(kernel, processes(kernel).rows)


def test_the_first_handle_of_a_real_system_process_leads_to_itself(real: Path) -> None:
    """As Windows makes it, with every right; others lead to processes that the dump holds too."""
    kernel = open_path(real / WITH_TABLE)
    listed = processes(kernel).rows
    rows = handles(kernel, listed).rows
    first = rows[0]
    assert (first.process.pid, first.value, first.object, first.access) == (4, 4, kernel.system, 0x1FFFFF)
    known = {process.address: process.pid for process in listed}
    led = {known[row.object] for row in rows if row.object in known}
    assert len(led) > 1
    assert len(rows) > 50


@pytest.mark.parametrize(
    "name", sorted(f"triage-x64-19041-{n}.dmp" for n in ("100623-6156-ojusha", "102622-12000-daimuvg",
                                                         "102622-12546-daimuvg", "102622-15671-daimuvg"))
)  # fmt: skip
def test_handles_of_real_dumps_look_like_handles(name: str, real: Path) -> None:
    """Objects are aligned and in the kernel's half; rights are ones that Windows grants; what lacks has a reason."""
    found = read(real / name)
    assert len(found.rows) > 30
    assert all(row.object % 16 == 0 and row.object >> 47 == 0x1FFFF for row in found.rows)
    assert all(row.value % 4 == 0 and row.value % 0x400 for row in found.rows)
    assert all(row.access for row in found.rows)
    assert all(row.problems for row in found.rows)  # no dump holds the table of types
    usual = {0x1F0003, 0x1FFFFF, 0x20019, 0x804, 0x102A, 0x1, 0x1F0001, 0x120089, 0xF003F, 0x12019F, 0x100001}
    assert sum(row.access in usual for row in found.rows) > len(found.rows) / 3


def test_real_headers_bear_out_the_cookie(real: Path, truth: Callable[[str], dict[str, Any]]) -> None:
    """Objects held with the rights of events and of symbolic links lead to one cookie, by 19041's own indexes."""
    kernel = open_path(real / WITH_TABLE)
    rows = handles(kernel, processes(kernel).rows).rows
    headers = object_headers(kernel, addresses_of([row.object for row in rows]))
    indexes = truth("win10-19041")["object_types"]
    by_rights = {0x1F0003: indexes["Event"], 0xF0001: indexes["SymbolicLink"]}
    stored = headers.records.array("TypeIndex").tolist()
    there = [n for n, whole in enumerate(headers.records.whole.tolist()) if whole]
    assert {rows[n].access for n in there} == set(by_rights)
    cookies = {stored[n] ^ int(headers.addresses[n]) >> 8 & 0xFF ^ by_rights[rows[n].access] for n in there}
    assert len(cookies) == 1
    assert len({stored[n] for n in there}) > 2


def test_a_real_tables_first_list_does_not_count_all_of_its_handles(real: Path) -> None:
    """Machines with several processors have a count in each list of free entries, so a difference is nothing odd."""
    kernel = open_path(real / "triage-x64-19041-100623-6156-ojusha.dmp")
    table = handle_tables(kernel, processes(kernel).rows).tables[0]
    assert isinstance(table.address, int)
    lists = [kernel.space.read(table.address + 0x40 * number + 0x58, 4) for number in (1, 2)]
    assert table.count == 464
    assert [int.from_bytes(part or b"", "little", signed=True) for part in lists] == [294, -53]
    assert not any("counts" in problem for problem in table.problems)
