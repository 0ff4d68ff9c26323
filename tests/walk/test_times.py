"""Times that Windows cannot have written are absent with the reason, and nothing is concluded from them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from process_anatomy.absent import Absent, Kind
from process_anatomy.filetime import EARLIEST, LATEST, moment, moment_text, written
from process_anatomy.views.image import Image
from process_anatomy.volatility import open_path

NONE = [1, 0x7FFF_FFFF_FFFF_FFFF, (1 << 64) - 1, EARLIEST - 1, LATEST]


@pytest.mark.parametrize("value", NONE)
def test_what_no_running_system_can_have_is_no_time(value: int) -> None:
    """One tick, the highest number, minus one, before 1985, after 2186."""
    found = written(value)
    assert found == Absent(Kind.IMPLAUSIBLE, f"{value:#x} is no time that Windows could have written")
    assert moment(value) is None
    assert moment_text(value) == ""


@given(st.integers(EARLIEST, LATEST - 1))
def test_a_time_that_can_be_is_left_as_it_is(value: int) -> None:
    """From 1985 to 2186, to the microsecond."""
    assert written(value) == value
    found = moment(value)
    assert found is not None
    assert datetime(1985, 1, 1, tzinfo=timezone.utc) <= found < datetime(2187, 1, 1, tzinfo=timezone.utc)


def test_no_time_and_a_reason_that_is_known_stay() -> None:
    """Zero stands where there is no time; what could not be read has its own reason."""
    gone = Absent(Kind.UNREADABLE, "no page")
    assert written(0) == 0
    assert written(gone) is gone


@pytest.fixture(scope="module")
def image(case: Callable[[str], Path]) -> Image:
    """780 was created at 0x7fff..., 804 at -1 and ended at 1."""
    return Image(open_path(case("procs.raw")))


def test_processes_tell_such_times_as_absent_with_the_reason(image: Image) -> None:
    """Nobody ended in 1601, nor before they were created."""
    rows = {row["PID"]: row for row in image.view("processes")}
    assert rows[780]["CreateTime"] is None
    assert "0x7fffffffffffffff is no time" in rows[780].absent["CreateTime"]
    assert rows[804]["CreateTime"] is None
    assert rows[804]["ExitTime"] is None
    assert rows[804]["Problems"] == [
        "create_time: 0xffffffffffffffff is no time that Windows could have written",
        "exit_time: 0x1 is no time that Windows could have written",
    ]
    for row in rows.values():
        told = f"{row['Explanation']} {row['Problems']}"
        assert "1601" not in told
        assert "ended before it was created" not in told


def test_a_parent_is_neither_older_nor_newer_by_such_times(image: Image) -> None:
    """The relation stays, and whose is older is not claimed; the reason is told in its row."""
    rows = {row["PID"]: row for row in image.view("creation")}
    for pid in (780, 804):
        assert rows[pid]["ParentState"] == "alive"
        assert "parent services.exe (564) is alive; whether it is older cannot be told" in rows[pid]["Evidence"]
        assert any("is no time that Windows could have written" in problem for problem in rows[pid]["Problems"])
    others = [row["Evidence"] for row in rows.values() if row["PPID"] == 564 and row["CreateTime"] is not None]
    assert sum("parent services.exe (564) is alive and older" in evidence for evidence in others) > 3


def test_no_finding_rests_on_such_times(image: Image) -> None:
    """Neither "ended" nor "reused" is concluded of them."""
    about = [row["Rule"] for row in image.view("findings") if row["PID"] in (780, 804)]
    assert not set(about) & {"reused-parent", "ended-but-running", "chosen-parent"}


def test_the_cross_view_tells_the_reason_of_an_exit_time_that_is_none(image: Image) -> None:
    """And does not call the process ended."""
    rows = {row["PID"]: row for row in image.view("crossview")}
    assert rows[804]["Exit Time"] is None
    assert "0x1 is no time" in rows[804].absent["Exit Time"]
    assert rows[804]["Verdict"] != "ended"
