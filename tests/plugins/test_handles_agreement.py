"""Stock Volatility and MemProcFS say the same of handles; where they do not, it is known who is right."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from process_anatomy.absent import Absent
from process_anatomy.volatility import open_path
from process_anatomy.walk.handles.opened import Handle, handles
from process_anatomy.walk.processes.listed import processes
from process_anatomy.walk.processes.scan import scan
from process_anatomy.walk.program.drivers import drivers
from tests.conftest import Stock, Vol

LOW_48 = (1 << 48) - 1
IMAGE = "win10-19041.raw"
NARROW = ("winxp-2600-pae.raw", "win7-7601-x86-pae.raw")
FAR = 0x80000
"""Handle values from here on need a table of three levels, which stock Volatility walks for a minute and miscounts."""
SHARED_COLUMNS = ("PID", "Process", "Offset", "HandleValue", "Type", "GrantedAccess", "Name")
Rows = list[dict[str, Any]]

ASK = """
import json, sys
import memprocfs
vmm = memprocfs.Vmm(["-device", sys.argv[1], "-disable-symbolserver", "-disable-symbols", "-waitinitialize"])
answer = {}
for process in vmm.process_list():
    answer[process.pid] = [
        [h["handle"], h["va-object"], h["access"], h["type"], h["tag"]] for h in process.maps.handle()
    ]
print("ANSWER" + json.dumps(answer))
"""


@pytest.fixture(scope="module")
def mine(vol: Vol, foreign: Callable[[str], Path]) -> Rows:
    """Our rows."""
    answer = vol("-r", "json", "-f", foreign(IMAGE), "windows.anatomy.handles")
    assert answer.status == 0, answer.err
    return answer.rows


def rows(listed: Rows) -> Counter[tuple[Any, ...]]:
    """The columns that both have."""
    return Counter(tuple(row[name] for name in SHARED_COLUMNS) for row in listed)


@pytest.mark.proves("stock", "x64-19041")
def test_stock_handles_are_ours_but_for_what_it_is_known_to_get_wrong(
    mine: Rows, stock_plugin: Stock, foreign: Callable[[str], Path], published_symbols: Callable[[str], Path],
    truth: Callable[[str], dict[str, Any]],
) -> None:  # fmt: skip
    """It leaves out objects whose encoded type index is 0; a table of three levels is not asked of it."""
    far = {row["PID"] for row in mine if row["HandleValue"] >= FAR}
    assert far
    near = [row for row in mine if row["PID"] not in far]
    asked = ("--pid", *(str(pid) for pid in sorted({row["PID"] for row in near})))
    theirs = stock_plugin(foreign(IMAGE), published_symbols(IMAGE), "windows.handles", *asked)
    stock, ours = rows(theirs), rows(near)
    answers = truth(IMAGE.split(".", 1)[0])
    cookie, types = answers["object_header_cookie"], answers["object_types"]
    body = 0x30

    def skipped(row: tuple[Any, ...]) -> bool:
        return types[row[4]] ^ cookie ^ (row[2] - body >> 8 & 0xFF) == 0

    left_out = set(ours - stock)
    assert left_out
    assert all(map(skipped, left_out))
    assert not stock - ours
    assert len(near) == len(theirs) + len(left_out)


@pytest.mark.parametrize("name", ["win10-19041.raw", "srv2019-17763.raw", "srv2016-14393.raw"])
@pytest.mark.proves("memprocfs")
def test_memprocfs_has_the_same_handles(
    name: str, vol: Vol, foreign: Callable[[str], Path], memprocfs: Callable[[str, Path], Any]
) -> None:
    """Value, object, access and type, but for the tables of three levels, of which it reads 512 leaves."""
    image = foreign(name)
    answer = memprocfs(ASK, image)
    listed = vol("-r", "json", "-f", image, "windows.anatomy.handles").rows
    ours = Counter(
        (row["PID"], row["HandleValue"], row["Offset"], row["GrantedAccess"], row["Type"])
        for row in listed
        if row["HandleValue"] < FAR
    )
    theirs = Counter(
        (int(pid), value, at & LOW_48, access, kind)
        for pid, handles in answer.items()
        for value, at, access, kind, _ in handles
    )
    assert ours == theirs
    assert len(listed) > sum(theirs.values())


def told(image: Path) -> list[Handle]:
    """The handles of all processes, as the engine has them."""
    kernel = open_path(image)
    return list(handles(kernel, processes(kernel).rows).rows)


def named(name: str | Absent) -> str:
    """A target's name as stock tells it: of one without a name, nothing."""
    return "" if isinstance(name, Absent) else name


def test_stock_handles_processes_threads_and_drivers_of_xp_are_ours(
    stock_plugin: Stock, foreign: Callable[[str], Path], published_symbols: Callable[[str], Path]
) -> None:
    """Every column of handles; the places in physical memory, which stock scans tell before Windows 10."""
    image = foreign(NARROW[0])
    stock = partial(stock_plugin, image, published_symbols(NARROW[0]))
    ours = Counter(
        (r.process.pid, r.process.name, r.object, r.value, r.type, r.access, named(r.target.name)) for r in told(image)
    )
    assert ours == Counter(
        (r["PID"], r["Process"], r["Offset"], r["HandleValue"], r["Type"], r["GrantedAccess"], r["Name"] or "")
        for r in stock("windows.handles")
    )
    kernel = open_path(image)
    found = scan(kernel)
    assert {row["Offset(V)"] for row in stock("windows.psscan")} == {row.physical for row in found.processes}
    assert {row["Offset"] for row in stock("windows.thrdscan")} == {row.physical for row in found.threads}
    assert [
        (row["Offset"], row["Base"], row["Size"], row["Name"], row["Path"]) for row in stock("windows.modules")
    ] == [(row.address, row.base, row.size, row.name, row.path) for row in drivers(kernel).rows]


@pytest.mark.parametrize("name", NARROW)
def test_memprocfs_has_the_same_handles_of_32_bit_windows(
    name: str, foreign: Callable[[str], Path], memprocfs: Callable[[str, Path], Any]
) -> None:
    """Value, object and access; of XP, whose headers it does not take apart without symbols, no type."""
    image = foreign(name)
    theirs = Counter((int(pid), *row[:3], row[3]) for pid, listed in memprocfs(ASK, image).items() for row in listed)
    typed = any(row[-1] for row in theirs)
    assert typed is ("win7" in name)
    assert theirs == Counter((r.process.pid, r.value, r.object, r.access, r.type if typed else "") for r in told(image))


def test_filters_and_explanations_work_from_the_command_line(vol: Vol, foreign: Callable[[str], Path]) -> None:
    """--type as --pid: comma separated or repeated, in any case; a type that there is not ends in one line."""
    image = foreign(IMAGE)
    answer = vol("-r", "json", "-f", image, "windows.anatomy.handles", "--type", "token,KEY", "--type", "Job")
    assert {row["Type"] for row in answer.rows} == {"Token", "Key", "Job"}
    assert all(row["Explanation"] for row in answer.rows)
    named = {row["Target"] for row in answer.rows}
    assert "\\REGISTRY\\MACHINE\\SYSTEM\\Setup" in named
    assert "primary token of Local System (S-1-5-18)" in named
    wrong = vol("-r", "json", "-f", image, "windows.anatomy.handles", "--type", "Sprocket")
    assert (wrong.status, wrong.out) == (1, "")
    assert wrong.err.splitlines()[-1].startswith(
        "windows.anatomy.handles: no object type is called 'Sprocket'; this Windows has: ALPC Port, "
    )


def test_access_of_a_clean_image_shows_who_holds_whom_and_no_way_up(vol: Vol, foreign: Callable[[str], Path]) -> None:
    """csrss.exe holds the processes of its session; nobody holds somebody above."""
    listed = vol("-r", "json", "-f", foreign(IMAGE), "windows.anatomy.access").rows
    assert "csrss.exe" in {row["Process"] for row in listed}
    assert {row["Upwards"] for row in listed} == {False}
    assert all(row["Explanation"] and row["Powers"] and row["TargetIntegrity"] for row in listed)
    assert json.dumps(listed)
