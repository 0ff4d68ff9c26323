"""Stock Volatility and MemProcFS say the same of threads; their known limits are in docs/agreement.md."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from process_anatomy.absent import Absent
from process_anatomy.kernel.identify import Kernel
from process_anatomy.volatility import open_path
from process_anatomy.walk.processes.listed import processes
from process_anatomy.walk.threads.facts import ThreadFacts, thread_facts
from process_anatomy.walk.threads.listed import threads
from structs.ethread import ETHREAD
from tests.conftest import Stock, Vol

IMAGE = "win10-19041.raw"
SAME = ["Offset", "PID", "TID", "StartAddress", "Win32StartAddress"]
ASK = """
import json, sys
import memprocfs
vmm = memprocfs.Vmm(["-device", sys.argv[1], "-disable-symbolserver", "-disable-symbols", "-waitinitialize"])
names = ("pid", "va-ethread", "state", "waitreason", "priority", "basepriority", "exitstatus", "va-teb", "va-start",
         "va-win32start", "time-create", "time-exit", "va-impersonation-token", "va-stacklimit-kernel")
answer = {t["tid"]: [t[name] for name in names] for p in vmm.process_list() for t in p.maps.thread()}
print("ANSWER" + json.dumps(answer))
"""


@pytest.fixture(scope="module")
def ours(vol: Vol, foreign: Callable[[str], Path]) -> list[dict[str, Any]]:
    """Our threads of a foreign image."""
    return vol("-r", "json", "-f", foreign(IMAGE), "windows.anatomy.threads").rows


@pytest.mark.parametrize("plugin", ["windows.threads", "windows.thrdscan"])
@pytest.mark.proves("stock", "x64-19041")
def test_stock_volatility_says_the_same(
    plugin: str,
    ours: list[dict[str, Any]],
    stock_plugin: Stock,
    foreign: Callable[[str], Path],
    published_symbols: Callable[[str], Path],
) -> None:
    """Row for row, every column of the stock plugins; but it cuts times to seconds, and reads links as exit times."""
    theirs = stock_plugin(foreign(IMAGE), published_symbols(IMAGE), plugin)
    known = {row["Offset"]: row for row in ours}
    assert len(theirs) == len(known) == len(ours) > 200
    for row in theirs:
        mine = known[row["Offset"]]
        assert [mine[name] for name in SAME] == [row[name] for name in SAME]
        assert mine["CreateTime"][:19] == row["CreateTime"][:19]
        # none of these threads has ended, and the place of ExitTime holds an empty list's links
        assert mine["ExitTime"] is None
        assert row["ExitTime"] is None or row["ExitTime"].startswith("1600-")
        for path in ("StartPath", "Win32StartPath"):
            if row["PID"] == 4 or mine[path.replace("Path", "In")] == "driver":
                assert row[path] is None
                assert mine[path].endswith((".exe", ".sys", ".dll"))
            else:
                assert mine[path] == row[path]


def test_our_columns_tell_what_the_stock_ones_leave_out(ours: list[dict[str, Any]]) -> None:
    assert {row["Win32StartIn"] for row in ours} == {"image", "driver"}
    assert {row["Alarm"] for row in ours} == {None}
    assert {row["Problems"] for row in ours} == {None}
    assert [row["TID"] for row in ours if row["ImpersonationToken"] is not None] != []
    assert {row["State"] for row in ours} == {"Waiting", "Running"}
    assert all((row["WaitReason"] is None) == (row["State"] == "Running") for row in ours)
    assert all(row["Explanation"].startswith(f"Thread {row['TID']}") for row in ours)
    assert all(f" of {row['Process']}" in row["Explanation"] for row in ours)  # behind its name, where it has one


def number(value: int | Absent) -> int:
    """A fact as MemProcFS gives it: zero where there is none."""
    return 0 if isinstance(value, Absent) else value


def created(kernel: Kernel, row: ThreadFacts) -> int:
    """The time of creation as it stands in its field."""
    return number(row.create_time) << (kernel.build[ETHREAD].place("CreateTime").bit or 0)


@pytest.mark.parametrize(
    "name", ["win10-19041", "srv2019-17763", "srv2016-14393", "win7-7601-x86-pae", "winxp-2600-pae"]
)
@pytest.mark.proves("memprocfs")
def test_memprocfs_says_the_same(
    name: str, foreign: Callable[[str], Path], memprocfs: Callable[[str, Path], Any]
) -> None:
    """Fourteen facts of each thread; but XP's times of creation with three bits too many, and nobody who acts there."""
    image = foreign(f"{name}.raw")
    kernel = open_path(str(image))
    mine = {}
    for row in thread_facts(kernel, threads(kernel, processes(kernel).rows)):
        token = number(row.thread.client_token) if "ImpersonationData" in kernel.build[ETHREAD] else 0
        facts = [row.thread.process.pid, row.thread.address, row.state_number, row.reason_number, row.priority]
        facts += [row.base_priority, row.exit_status, row.teb, row.start, row.win32_start, created(kernel, row)]
        mine[str(row.thread.tid)] = [
            *facts,
            number(row.exit_time),
            token,
            row.stack_limit,
        ]
    assert mine == memprocfs(ASK, image)
