"""MemProcFS, which shares nothing with Volatility, says the same of the foreign images.

The differences that are known are listed in docs/agreement.md.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from process_anatomy.volatility import open_path
from tests.conftest import Vol
from tests.in_process import Rows, rows_of

ASK = """
import json, sys
import memprocfs
vmm = memprocfs.Vmm(["-device", sys.argv[1], "-disable-symbolserver", "-disable-symbols", "-waitinitialize"])
answer, contexts = {}, {}
for process in vmm.process_list():
    try:
        vads = [[vad["start"], vad["end"]] for vad in process.maps.vad()]
    except RuntimeError:
        vads = None
    token = [process.sid, process.luid, process.session, int(process.integrity)]
    def text(name):
        try:
            return vmm.vfs.read(f"/pid/{process.pid}/token/{name}", 1 << 16, 0).decode().splitlines()[2:]
        except RuntimeError:
            return []
    sids = [line.split()[-1] for line in text("sid-all.txt") if line.strip()]
    held = {line.split()[2]: line.split()[1] for line in text("privileges.txt") if line.strip()}
    acting = {thread["tid"]: thread["va-impersonation-token"] for thread in process.maps.thread()}
    contexts[process.pid] = [sids, held, {tid: at for tid, at in acting.items() if at}]
    answer[process.pid] = [process.ppid, process.eprocess, process.dtb, process.is_wow64, token, vads]
print("ANSWER" + json.dumps([answer, contexts]))
"""
X86 = ["winxp-2600-pae.raw", "win7-7601-x86-pae.raw"]
"""Images that are opened once for all plugins, for Volatility takes seconds to find their page tables."""
Ask = Callable[[str], Rows]
WITHOUT_PRIVILEGES = {"winxp-2600-pae.raw"}
"""Images of a Windows whose privileges, impersonation and environments MemProcFS does not tell of."""
LOW_48 = (1 << 48) - 1
LEVELS = ["unknown", "untrusted", "low", "medium", "medium-plus", "high", "system", "protected"]
"""MemProcFS's numbers for integrity levels."""
WITHOUT_MAP = {"MemCompression"}
"""Processes for which MemProcFS's VAD call fails (it needs a section view)."""


@pytest.fixture(scope="module", params=["win10-19041.raw", "srv2019-17763.raw", "srv2016-14393.raw", *X86])
def name(request: pytest.FixtureRequest) -> str:
    """A foreign image's file name."""
    return str(request.param)


@pytest.fixture(scope="module")
def ask(name: str, vol: Vol, foreign: Callable[[str], Path]) -> Ask:
    """Name of a plugin to its rows over the image."""
    if name in X86:
        kernel = open_path(foreign(name))
        return lambda plugin: rows_of(kernel, plugin)
    return lambda plugin: vol("-r", "json", "-f", foreign(name), f"windows.anatomy.{plugin}").rows


@pytest.mark.proves("memprocfs")
def test_processes_and_vads_are_the_same(
    name: str, ask: Ask, foreign: Callable[[str], Path], memprocfs: Callable[[str, Path], Any]
) -> None:
    """Ids, addresses, page-table roots and WOW64 of processes; users and ids of tokens; ranges of VADs."""
    image = foreign(name)
    answer, contexts = memprocfs(ASK, image)
    processes = ask("processes")
    ranges: dict[int, list[list[Any]]] = {row["PID"]: [] for row in processes}
    for row in ask("vads"):
        ranges[row["PID"]].append([row["Start VPN"], row["End VPN"]])
    listed = ask("tokens")
    tokens = {row["PID"]: row for row in listed if row["TID"] is None}
    running = [row for row in processes if row["ExitTime"] is None]
    assert {row["PID"] for row in running} == {int(pid) for pid in answer}
    compared = 0
    for row in running:
        ppid, eprocess, dtb, wow64, token, vads = answer[str(row["PID"])]
        own = tokens[row["PID"]]
        level = LEVELS.index(own["Integrity"] or LEVELS[0])
        assert [own["User"], own["TokenId"], own["SessionId"], level] == token
        assert [row["PPID"], row["Offset(V)"], row["DTB"], row["Wow64"]] == [ppid, eprocess & LOW_48, dtb, wow64]
        if row["ImageFileName"] in WITHOUT_MAP:
            continue
        assert sorted(ranges[row["PID"]]) == sorted(vads)
        compared += len(vads)
    assert compared > (300 if name in X86 else 600)
    mine = contexts_of(ask, 0 if name in X86 else 0xFFFF << 48, {row["PID"] for row in running})
    if name in WITHOUT_PRIVILEGES:
        assert not any(held or acting for _, held, acting in contexts.values())
        mine = {pid: [sids, {}, {}] for pid, (sids, _, _) in mine.items()}
    assert contexts == mine


def contexts_of(ask: Ask, half: int, running: set[int]) -> dict[str, list[Any]]:
    """SIDs and privileges of primary tokens, and the addresses of threads' tokens, in MemProcFS's words.

    Args:
        ask: our plugins.
        half: bits of a kernel address that the plugins do not show.
        running: ids of the processes that are compared.
    """
    found: dict[str, list[Any]] = {str(pid): [[], {}, {}] for pid in running}
    for row in ask("groups"):
        if row["PID"] in running and row["TID"] is None and row["Kind"] in ("user", "group"):
            found[str(row["PID"])][0].append(row["SID"])
    for row in ask("privileges"):
        if row["PID"] in running and row["TID"] is None and row["Attributes"]:
            letters = {"Enabled": "e", "Present": "p", "Default": "d"}
            held = row["Attributes"].split(",")
            found[str(row["PID"])][1][row["Privilege"]] = "".join(
                letter if name in held else "-" for name, letter in letters.items()
            )
    for row in ask("tokens"):
        if row["PID"] in running and row["TID"] is not None:
            found[str(row["PID"])][2][str(row["TID"])] = row["Offset"] | half
    return found


ASK_BLOCKS = """
import json, sys
import memprocfs
vmm = memprocfs.Vmm(["-device", sys.argv[1], "-disable-symbolserver", "-disable-symbols", "-waitinitialize"])
answer = {}
for process in vmm.process_list():
    def text(name):
        try:
            return vmm.vfs.read(f"/pid/{process.pid}/win-{name}.txt", 1 << 16, 0).decode()
        except RuntimeError:
            return ""
    threads = {t["tid"]: [t["va-teb"], t["va-stackbase"], t["va-stacklimit"]] for t in process.maps.thread()}
    blocks = [process.peb, process.peb32]
    answer[process.pid] = [blocks, text("cmdline"), text("curdir"), text("title"), text("environment"), threads]
print("ANSWER" + json.dumps(answer))
"""


@pytest.mark.proves("memprocfs")
def test_blocks_in_user_space_are_the_same(
    name: str, ask: Ask, foreign: Callable[[str], Path], memprocfs: Callable[[str, Path], Any]
) -> None:
    """Addresses of PEBs, 32-bit ones too, what they say, environments, and the stacks that TEBs tell."""
    image = foreign(name)
    answer = memprocfs(ASK_BLOCKS, image)
    found: dict[int, dict[int, dict[str, Any]]] = {}
    bits = 32 if name in X86 else 64
    for row in ask("peb"):
        found.setdefault(row["PID"], {})[row["Bits"]] = row
    variables: dict[int, list[str]] = {}
    for row in ask("envars"):
        if row["Bits"] == bits:
            variables.setdefault(row["PID"], []).append(f"{row['Variable']}={row['Value']}")
    threads: dict[int, dict[str, list[int]]] = {}
    for row in ask("tebs"):
        facts = [row["TEB"] or 0, row["StackBase"] or 0, row["StackLimit"] or 0]
        threads.setdefault(row["PID"], {})[str(row["TID"])] = facts
    for pid, (blocks, line, folder, title, environment, stacks) in answer.items():
        mine = found[int(pid)]
        assert [mine[b]["PEB"] or 0 if b in mine else 0 for b in (bits, 32 if bits == 64 else 0)] == blocks
        native = mine[bits]
        assert [native[c] or "" for c in ("CommandLine", "CurrentDirectory", "WindowTitle")] == [line, folder, title]
        assert name in WITHOUT_PRIVILEGES or variables.get(int(pid), []) == environment.splitlines()
        assert threads[int(pid)] == stacks
    assert sum(len(mine) == 2 for mine in found.values()) == (0 if name in X86 else 1)
    assert len(answer) > (15 if name in X86 else 30)
