"""Stock Volatility, with symbol tables that we do not need, says the same.

The differences that are known are listed in docs/agreement.md, with who is right; nothing else may differ.
"""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from process_anatomy.volatility import open_path
from tests.conftest import ROOT, Stock, Vol
from tests.in_process import Rows, rows_of
from tests.stock_plugins import stock_rows

IMAGES = ["win10-19041.raw", "srv2019-17763.raw", "srv2016-14393.raw", "sample"]
STOCK_MISNAMES = {"S-1-5-19", "S-1-5-20", "S-1-5-17", "S-1-15-2-1"}
"""SIDs to which the stock plugin gives a wrong name: docs/agreement.md says which."""
SAMPLE = ROOT / "samples" / "lab-win11-22621.dmp"


X86 = ["winxp-2600-pae.raw", "win7-7601-x86-pae.raw"]
"""Images that are opened once for all plugins, for Volatility takes seconds to find their page tables."""
STOCK = ["pslist", "vadinfo", "privileges", "getsids", "cmdline", "envars", "sessions", "pstree", "dlllist", "threads"]
"""Stock plugins that the symbol tables of these images serve."""


@dataclass(frozen=True)
class Case:
    """An image that both are asked about.

    Attributes:
        stock: name of a stock plugin to its rows.
        ours: name of one of our plugins to its rows.
        bits: of the kernel's pointers.
    """

    stock: Callable[[str], Rows]
    ours: Callable[[str], Rows]
    bits: int


@pytest.fixture(scope="module", params=[*IMAGES, *X86])
def case(request: pytest.FixtureRequest, vol: Vol, stock_plugin: Stock) -> Case:
    """An image, asked about through the stock plugins and through ours."""
    if request.param == "sample":
        return through(vol, stock_plugin, SAMPLE, ROOT / "samples" / "symbols")
    foreign: Callable[[str], Path] = request.getfixturevalue("foreign")
    symbols: Callable[[str], Path] = request.getfixturevalue("published_symbols")
    if request.param not in X86:
        return through(vol, stock_plugin, foreign(request.param), symbols(request.param))
    kernel = open_path(foreign(request.param))
    theirs = stock_rows(foreign(request.param), symbols(request.param), [f"windows.{name}" for name in STOCK])
    return Case(lambda name: deepcopy(theirs[f"windows.{name}"]), lambda name: rows_of(kernel, name), 32)


def through(vol: Vol, stock_plugin: Stock, image: Path, symbols: Path) -> Case:
    """An image that `vol` itself is asked about."""
    return Case(
        lambda name: stock_plugin(image, symbols, f"windows.{name}"),
        lambda name: vol("-r", "json", "-f", image, f"windows.anatomy.{name}").rows,
        64,
    )


def part(rows: list[dict[str, Any]], columns: list[str]) -> list[tuple[Any, ...]]:
    """The columns of the rows, in an order that does not depend on the tool's."""
    return sorted((tuple(row[column] for column in columns) for row in rows), key=repr)


@pytest.mark.proves("stock")
def test_pslist_says_the_same(case: Case) -> None:
    """Processes agree in every column of pslist; it cuts times to seconds, and counts handles only on 32 bits."""
    theirs, ours = case.stock("pslist"), case.ours("processes")
    columns = ["PID", "PPID", "ImageFileName", "Offset(V)", "Threads", "SessionId", "Wow64", "CreateTime", "ExitTime"]
    for row in ours:
        for column in ("CreateTime", "ExitTime"):
            row[column] = row[column] and row[column].split(".", 1)[0].split("+", 1)[0]
    for row in theirs:
        assert case.bits == 32 or row["Handles"] is None
        for column in ("CreateTime", "ExitTime"):
            row[column] = row[column] and row[column].split(".", 1)[0].split("+", 1)[0]
    columns += ["Handles"] if case.bits == 32 else []
    assert theirs
    assert part(ours, columns) == part(theirs, columns)


@pytest.mark.proves("stock")
def test_vadinfo_says_the_same(case: Case) -> None:
    """VADs agree in every column of vadinfo but `File output`, which belongs to dumping."""
    theirs, ours = case.stock("vadinfo"), case.ours("vads")
    columns = [c for c in theirs[0] if c != "File output"]
    assert part(ours, columns) == part(theirs, columns)


@pytest.mark.proves("stock")
def test_privileges_says_the_same(case: Case) -> None:
    """Privileges of processes agree in every column of the stock plugin, which does not know threads' tokens."""
    theirs, ours = case.stock("privileges"), case.ours("privileges")
    assert theirs
    primary = [row for row in ours if row["TID"] is None]
    assert part(primary, list(theirs[0])) == part(theirs, list(theirs[0]))


@pytest.mark.proves("stock")
def test_getsids_lists_the_same_sids(case: Case) -> None:
    """Our rows of the kinds user and group are the stock rows, in the same order within each process."""
    theirs, ours = case.stock("getsids"), case.ours("groups")
    members = [row for row in ours if row["TID"] is None and row["Kind"] in ("user", "group")]
    columns = ["PID", "Process", "SID"]
    assert theirs
    assert [tuple(r[c] for c in columns) for r in by_process(members)] == [
        tuple(r[c] for c in columns) for r in by_process(theirs)
    ]
    for own, stock in zip(by_process(members), by_process(theirs), strict=True):
        if stock["Name"] not in (None, "", "-") and own["Name"] != stock["Name"]:
            same_service = own["Name"].lower() == stock["Name"].lower()  # its list has lower case, an image its own
            misnamed = own["SID"] in STOCK_MISNAMES or own["NameSource"] == "logon session"
            assert misnamed or same_service, (own["SID"], stock["Name"])


@pytest.mark.proves("stock")
def test_cmdline_says_the_same(case: Case) -> None:
    """Our rows of the native PEBs have the stock command lines; what is absent there is absent here."""
    theirs, ours = case.stock("cmdline"), case.ours("peb")
    assert any(row["Args"] for row in theirs)
    native = [{**row, "Args": row["CommandLine"]} for row in ours if row["Bits"] == case.bits]
    columns = ["PID", "Process", "Args"]
    assert part(native, columns) == part(theirs, columns)


@pytest.mark.proves("stock")
def test_envars_says_the_same(case: Case) -> None:
    """Our rows of the native PEBs are the stock ones, but for hidden names and empty values, which it leaves out.

    Its Block is the address of the pointer to the block, in the parameters; ours is the block's.
    """
    theirs, ours = case.stock("envars"), case.ours("envars")
    assert theirs
    kept = [r for r in ours if r["Bits"] == case.bits and r["Value"] and not (r["Variable"] or "=").startswith("=")]
    columns = ["PID", "Process", "Variable", "Value"]
    assert part(kept, columns) == part(theirs, columns)


def by_process(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows by process, in their own order within each."""
    return sorted(rows, key=lambda row: row["PID"])


@pytest.mark.proves("stock")
def test_sessions_says_the_same(case: Case) -> None:
    """The session of each process, its start, and the names in its environment."""
    theirs, ours = case.stock("sessions"), case.ours("processes")
    names: dict[int, dict[str, str]] = {}
    for row in case.ours("envars"):
        if row["Bits"] == case.bits and row["Variable"]:
            names.setdefault(row["PID"], {})[row["Variable"].lower()] = row["Value"] or ""
    told = []
    for row in ours:
        own = names.get(row["PID"], {})
        user = f"{own.get('userdomain', '')}/{own.get('username', '')}"
        told.append({
            "Session ID": row["SessionId"], "Session Type": own.get("sessionname"), "Process ID": row["PID"],
            "Process": row["ImageFileName"], "User Name": None if user == "/" else user,
            "Create Time": row["CreateTime"],
        })  # fmt: skip
    for row in (*theirs, *told):
        row["Create Time"] = row["Create Time"] and row["Create Time"].split(".", 1)[0].split("+", 1)[0]
    assert {row["Session ID"] for row in theirs} >= {None, 0}
    assert case.bits == 32 or len({row["Session ID"] for row in theirs}) == 3, "none, 0 and 1"
    assert part(told, list(theirs[0])) == part(theirs, list(theirs[0]))


@pytest.mark.proves("stock")
def test_pstree_says_the_same(case: Case) -> None:
    """Ids of processes and parents, the audited path, and the command line; pstree's place in a tree is its PPID."""
    theirs, ours = case.stock("pstree"), case.ours("creation")
    for row in ours:
        row["Cmd"] = row["CommandLine"]
    columns = ["PID", "PPID", "ImageFileName", "Offset(V)", "Cmd"]
    assert theirs
    assert part(ours, columns) == part(theirs, columns)


@pytest.mark.proves("stock")
def test_modules_and_threads_of_a_32_bit_windows_are_those_of_dlllist_and_threads(case: Case) -> None:
    """Every column of both but dlllist's `File output`; `threads` cuts times to seconds and names no driver.

    Those of 64-bit Windows are compared in files of their own.
    """
    if case.bits == 64:
        pytest.skip("test_modules and test_threads_agreement compare these")
    theirs, ours = case.stock("dlllist"), [row for row in case.ours("modules") if row["Bits"]]
    columns = [column for column in theirs[0] if column != "File output"]
    assert len(theirs) > 100
    assert part(ours, columns) == part(theirs, columns)
    theirs, ours = case.stock("threads"), case.ours("threads")
    for row in (*theirs, *ours):
        row["CreateTime"] = row["CreateTime"] and row["CreateTime"][:19]
    for row in ours:  # stock Volatility names no driver
        row |= {path: None for path in ("StartPath", "Win32StartPath") if row[path.replace("Path", "In")] == "driver"}
    assert len(theirs) > 70
    assert part(ours, list(theirs[0])) == part(theirs, list(theirs[0]))
