"""Images whose page tables Volatility does not find, and page files beside an image, as a user meets them."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from process_anatomy.volatility.opening import open_path
from tests.conftest import Vol
from tests.kernel.test_root_search import copy_of, without_self_maps

PAGE = 0x1000


@pytest.fixture(scope="module")
def unmarked(foreign: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An image in which no page table maps itself, so that Volatility's stacker gives up."""
    path = tmp_path_factory.mktemp("unmarked") / "image.raw"
    without_self_maps(copy_of(foreign, "srv2016-14393")).tofile(path)
    return path


def test_our_plugins_work_where_the_stock_stacker_gives_up(
    unmarked: Path, vol: Vol, truth: Callable[[str], dict[str, Any]]
) -> None:
    stock = vol("-r", "json", "-f", unmarked, "windows.pslist")
    assert stock.status != 0
    answer = vol("-r", "json", "-f", unmarked, "windows.anatomy.processes", "--explain", "off")
    assert {row["PID"] for row in answer.rows} == {p["pid"] for p in truth("srv2016-14393")["processes"]}


def test_the_user_may_say_where_the_page_tables_are(
    unmarked: Path, vol: Vol, truth: Callable[[str], dict[str, Any]]
) -> None:
    answers = truth("srv2016-14393")
    ask = ("-r", "json", "-f", unmarked, "windows.anatomy.processes", "--explain", "off", "--dtb")
    assert len(vol(*ask, hex(answers["dtb"])).rows) == len(answers["processes"])
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
    assert (rows[0]["Field"], rows[0]["Value"], rows[0]["Problems"]) == ("Type", "0x1234", None)
    without = vol("-r", "json", "-f", winxp, *ask).rows
    assert (rows[0]["Field"], without[0]["Value"]) == ("Type", None)
    assert f"the page is in a page file: page {place[1]} of number 0" in without[0]["Problems"]
