"""Images whose page tables Volatility does not find, and page files beside an image, as a user meets them."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from process_anatomy.memory.address_space import AddressSpace
from process_anatomy.memory.page_files import PageFiles
from process_anatomy.memory.physical import MappedMemory
from process_anatomy.memory.sweep import sweep
from process_anatomy.volatility.opening import open_path
from process_anatomy.walk.processes.listed import processes
from tests.conftest import SAMPLE, Vol

PAGE = 0x1000


@dataclass(frozen=True)
class Unmarked:
    """An image in which no page table maps itself, so that Volatility's stacker gives up.

    Attributes:
        path: where it is.
        root: of System's page tables.
        pids: ids of its processes.
    """

    path: Path
    root: int
    pids: frozenset[int]


@pytest.fixture(scope="module")
def unmarked(tmp_path_factory: pytest.TempPathFactory) -> Unmarked:
    kernel = open_path(SAMPLE)
    assert isinstance(kernel.space, AddressSpace)
    memory = kernel.space.memory.memory if isinstance(kernel.space.memory, PageFiles) else kernel.space.memory
    assert isinstance(memory, MappedMemory)
    octets = bytearray(SAMPLE.read_bytes())
    for pages, contents in sweep(memory):
        entries = contents.view("<u8")
        own = ((entries & np.uint64(0x0000_FFFF_FFFF_F000)) == pages[:, None]) & (entries & np.uint64(1) != 0)
        for row, index in zip(*(numbers.tolist() for numbers in np.nonzero(own)), strict=True):
            at = int(memory.locate(pages[row : row + 1], PAGE)[0]) + 8 * index
            octets[at : at + 8] = bytes(8)
    path = tmp_path_factory.mktemp("unmarked") / "image.dmp"
    path.write_bytes(octets)
    return Unmarked(path, kernel.space.root, frozenset(row.pid for row in processes(kernel).rows))


def test_our_plugins_work_where_the_stock_stacker_gives_up(unmarked: Unmarked, vol: Vol) -> None:
    assert vol("-r", "json", "-f", unmarked.path, "windows.pslist").status != 0
    answer = vol("-r", "json", "-f", unmarked.path, "windows.anatomy.processes", "--explain", "off")
    assert {row["PID"] for row in answer.rows} == unmarked.pids


def test_the_user_may_say_where_the_page_tables_are(unmarked: Unmarked, vol: Vol) -> None:
    ask = ("-r", "json", "-f", unmarked.path, "windows.anatomy.processes", "--explain", "off", "--dtb")
    assert {row["PID"] for row in vol(*ask, hex(unmarked.root)).rows} == unmarked.pids
    wrong = vol(*ask, "0x5000")
    assert (wrong.status, wrong.out) == (1, "")
    assert wrong.err.strip().endswith("--dtb: the page tables at 0x5000 lead to no Windows kernel")
    assert vol(*ask, "here").err.strip().endswith("--dtb takes a number, not 'here'")


def test_a_page_in_a_page_file_that_was_given_is_read(
    winxp: Path, vol: Vol, truth: Callable[[str], dict[str, Any]], tmp_path: Path
) -> None:
    space = open_path(winxp).space
    process, address = next(
        (process, page["va"])
        for process in truth("winxp-2600-pae")["processes"]
        for page in process.get("pages") or []
        if page["state"] == "pagefile"
    )
    place = re.fullmatch(r".*page (0x[0-9a-f]+) of number 0", space.through(process["dtb"]).why(address))  # type: ignore[attr-defined]
    assert place
    with (tmp_path / "pagefile.sys").open("wb") as file:
        file.seek(int(place[1], 16) * PAGE)
        file.write(b"\x34\x12".ljust(PAGE, b"\0"))
    ask = ("windows.anatomy.dt", "--pid", process["pid"], "--structure", "_FILE_OBJECT", "--address", hex(address))
    rows = vol("--single-swap-locations", (tmp_path / "pagefile.sys").as_uri(), "-r", "json", "-f", winxp, *ask).rows
    assert (rows[0]["Field"], rows[0]["Value"], rows[0]["Problems"]) == ("Type", "0x1234 (4660)", None)
    without = vol("-r", "json", "-f", winxp, *ask).rows
    assert (rows[0]["Field"], without[0]["Value"]) == ("Type", None)
    assert f"the page is in a page file: page {place[1]} of number 0" in without[0]["Problems"]
