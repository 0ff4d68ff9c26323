"""Threads of the lab: stock Volatility and MemProcFS find what the answer key says, in every state."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from process_anatomy.forge import Image
from tests.walk.damaged import listed_truth

Stock = Callable[[Path, str], list[dict[str, Any]]]
SHOWN = (1 << 48) - 1
EPOCH = datetime(1601, 1, 1, tzinfo=timezone.utc)
ASK = """
import json, sys
import memprocfs
vmm = memprocfs.Vmm(["-device", sys.argv[1], "-disable-symbolserver", "-disable-symbols", "-waitinitialize"])
names = ("pid", "va-ethread", "state", "waitreason", "priority", "basepriority", "exitstatus", "va-teb", "va-start",
         "va-win32start", "time-create", "time-exit", "va-impersonation-token")
answer = {t["tid"]: [t[name] for name in names] for p in vmm.process_list() for t in p.maps.thread()}
print("ANSWER" + json.dumps(answer))
"""


def filetime(text: str | None) -> int:
    """A time of the answer key as Windows counts it, 0 for none."""
    return (
        (datetime.fromisoformat(text.replace("Z", "+00:00")) - EPOCH) // timedelta(microseconds=1) * 10 if text else 0
    )


def test_stock_volatility_finds_every_thread(stock: Stock, image: Image, container: Callable[[str], Path]) -> None:
    """Of the listed processes: ids, starts, times, and the file of the range that a start lies in."""
    found = {row["Offset"]: row for row in stock(container("crash"), "windows.threads")}
    for process in listed_truth(image.truth):
        for thread in process["threads"]:
            row = found.pop(thread["ethread"] & SHOWN)
            assert (row["PID"], row["TID"]) == (process["pid"], thread["tid"])
            starts = thread["start"] & SHOWN, thread["win32_start"] & SHOWN
            assert (row["StartAddress"], row["Win32StartAddress"]) == starts
            assert filetime(row["CreateTime"]) == filetime(thread["create_time"])
            if thread["exit_time"]:
                assert filetime(row["ExitTime"]) == filetime(thread["exit_time"])
            if process["pid"] != 4:
                (file,) = {v["file"] for v in process["vads"] if v["start"] <= starts[1] <= v["end"]} or {None}
                assert row["Win32StartPath"] == file
    assert not found


def test_memprocfs_finds_every_thread(
    image: Image, container: Callable[[str], Path], memprocfs: Callable[[str, Path], Any]
) -> None:
    """Thirteen facts of each thread of the listed processes that run."""
    answer = memprocfs(ASK, container("raw"))
    for process in listed_truth(image.truth):
        for thread in process["threads"]:
            if process["exited"]:
                continue
            expected = [
                process["pid"],
                thread["ethread"],
                thread["state"],
                thread["wait_reason"],
                thread["priority"],
                thread["base_priority"],
                thread["exit_status"],
                thread["teb"],
                thread["start"],
                thread["win32_start"],
                filetime(thread["create_time"]),
                filetime(thread["exit_time"]),
                thread["impersonation_data"] & ~7,  # also what is only left over
            ]
            assert answer.pop(str(thread["tid"])) == expected
    assert set(answer) <= {str(t["tid"]) for p in image.truth["processes"] if p["exited"] for t in p["threads"]}
