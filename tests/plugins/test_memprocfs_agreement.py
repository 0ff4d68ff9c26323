"""MemProcFS, which shares nothing with Volatility, says the same of the foreign images.

The differences that are known are listed in docs/agreement.md.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Vol

ASK = """
import json, sys
import memprocfs
vmm = memprocfs.Vmm(["-device", sys.argv[1], "-disable-symbolserver", "-disable-symbols", "-waitinitialize"])
answer = {}
for process in vmm.process_list():
    try:
        vads = [[vad["start"], vad["end"]] for vad in process.maps.vad()]
    except RuntimeError:
        vads = None
    token = [process.sid, process.luid, process.session, int(process.integrity)]
    answer[process.pid] = [process.ppid, process.eprocess, process.dtb, process.is_wow64, token, vads]
print("ANSWER" + json.dumps(answer))
"""
LOW_48 = (1 << 48) - 1
LEVELS = ["unknown", "untrusted", "low", "medium", "medium-plus", "high", "system", "protected"]
"""MemProcFS's numbers for integrity levels."""
WITHOUT_MAP = {"MemCompression"}
"""Processes for which MemProcFS's VAD call fails (it needs a section view)."""


@pytest.mark.parametrize("name", ["win10-19041.raw", "srv2019-17763.raw", "srv2016-14393.raw"])
def test_processes_and_vads_are_the_same(
    name: str, vol: Vol, foreign: Callable[[str], Path], memprocfs: Callable[[str, Path], Any]
) -> None:
    """Ids, addresses, page-table roots and WOW64 of processes; users and ids of tokens; ranges of VADs."""
    image = foreign(name)
    answer = memprocfs(ASK, image)
    processes = vol("-r", "json", "-f", image, "windows.anatomy.processes").rows
    ranges: dict[int, list[list[Any]]] = {row["PID"]: [] for row in processes}
    for row in vol("-r", "json", "-f", image, "windows.anatomy.vads").rows:
        ranges[row["PID"]].append([row["Start VPN"], row["End VPN"]])
    tokens = {row["PID"]: row for row in vol("-r", "json", "-f", image, "windows.anatomy.tokens").rows}
    running = [row for row in processes if row["ExitTime"] is None]
    assert {row["PID"] for row in running} == {int(pid) for pid in answer}
    compared = 0
    for row in running:
        ppid, eprocess, dtb, wow64, token, vads = answer[str(row["PID"])]
        mine = tokens[row["PID"]]
        assert [mine["User"], mine["TokenId"], mine["SessionId"], LEVELS.index(mine["Integrity"])] == token
        assert [row["PPID"], row["Offset(V)"], row["DTB"], row["Wow64"]] == [ppid, eprocess & LOW_48, dtb, wow64]
        if row["ImageFileName"] in WITHOUT_MAP:
            continue
        assert sorted(ranges[row["PID"]]) == sorted(vads)
        compared += len(vads)
    assert compared > 600
