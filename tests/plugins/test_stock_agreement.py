"""Stock Volatility, with symbol tables that we do not need, says the same.

The differences that are known are listed in docs/agreement.md, with who is right; nothing else may differ.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ROOT, Vol

IMAGES = ["win10-19041.raw", "srv2019-17763.raw", "srv2016-14393.raw", "sample"]
STOCK_MISNAMES = {"S-1-5-19", "S-1-5-20", "S-1-5-17", "S-1-15-2-1"}
"""SIDs to which the stock plugin gives a wrong name: docs/agreement.md says which."""
SAMPLE = ROOT / "samples" / "lab-win11-22621.dmp"


@pytest.fixture(scope="module", params=IMAGES)
def case(request: pytest.FixtureRequest) -> tuple[Path, Path]:
    """An image and the folder with its symbol table for the stock plugins."""
    if request.param == "sample":
        return SAMPLE, ROOT / "samples" / "symbols"
    foreign: Callable[[str], Path] = request.getfixturevalue("foreign")
    symbols: Callable[[str], Path] = request.getfixturevalue("published_symbols")
    return foreign(request.param), symbols(request.param)


def both(vol: Vol, case: tuple[Path, Path], stock: str, ours: str) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Rows of a stock plugin and of ours over the same image."""
    image, symbols = case
    theirs = vol("-s", symbols, "-r", "json", "-f", image, stock).rows
    return theirs, vol("-r", "json", "-f", image, ours).rows


def part(rows: list[dict[str, Any]], columns: list[str]) -> list[tuple[Any, ...]]:
    """The columns of the rows, in an order that does not depend on the tool's."""
    return sorted((tuple(row[column] for column in columns) for row in rows), key=repr)


def test_pslist_says_the_same(vol: Vol, case: tuple[Path, Path]) -> None:
    """Processes agree in every column of pslist; it rounds times down to seconds and cannot count handles."""
    theirs, ours = both(vol, case, "windows.pslist", "windows.anatomy.processes")
    columns = ["PID", "PPID", "ImageFileName", "Offset(V)", "Threads", "SessionId", "Wow64", "CreateTime", "ExitTime"]
    for row in ours:
        for column in ("CreateTime", "ExitTime"):
            row[column] = row[column] and row[column].split(".", 1)[0].split("+", 1)[0]
    for row in theirs:
        assert row["Handles"] is None
        for column in ("CreateTime", "ExitTime"):
            row[column] = row[column] and row[column].split(".", 1)[0].split("+", 1)[0]
    assert theirs
    assert part(ours, columns) == part(theirs, columns)


def test_vadinfo_says_the_same(vol: Vol, case: tuple[Path, Path]) -> None:
    """VADs agree in every column of vadinfo but `File output`, which belongs to dumping."""
    theirs, ours = both(vol, case, "windows.vadinfo", "windows.anatomy.vads")
    columns = [c for c in theirs[0] if c != "File output"]
    assert part(ours, columns) == part(theirs, columns)


def test_privileges_says_the_same(vol: Vol, case: tuple[Path, Path]) -> None:
    """Privileges of processes agree in every column of the stock plugin, which does not know threads' tokens."""
    theirs, ours = both(vol, case, "windows.privileges", "windows.anatomy.privileges")
    assert theirs
    primary = [row for row in ours if row["TID"] is None]
    assert part(primary, list(theirs[0])) == part(theirs, list(theirs[0]))


def test_getsids_lists_the_same_sids(vol: Vol, case: tuple[Path, Path]) -> None:
    """Our rows of the kinds user and group are the stock rows, in the same order within each process."""
    theirs, ours = both(vol, case, "windows.getsids", "windows.anatomy.groups")
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


def test_cmdline_says_the_same(vol: Vol, case: tuple[Path, Path]) -> None:
    """Our 64-bit rows have the stock command lines; what is absent there is absent here."""
    theirs, ours = both(vol, case, "windows.cmdline", "windows.anatomy.peb")
    assert any(row["Args"] for row in theirs)
    native = [{**row, "Args": row["CommandLine"]} for row in ours if row["Bits"] == 64]
    columns = ["PID", "Process", "Args"]
    assert part(native, columns) == part(theirs, columns)


def test_envars_says_the_same(vol: Vol, case: tuple[Path, Path]) -> None:
    """Our 64-bit rows are the stock ones, but for hidden names and empty values, which it leaves out.

    Its Block is the address of the pointer to the block, in the parameters; ours is the block's.
    """
    theirs, ours = both(vol, case, "windows.envars", "windows.anatomy.envars")
    assert theirs
    kept = [r for r in ours if r["Bits"] == 64 and r["Value"] and not (r["Variable"] or "=").startswith("=")]
    columns = ["PID", "Process", "Variable", "Value"]
    assert part(kept, columns) == part(theirs, columns)


def by_process(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows by process, in their own order within each."""
    return sorted(rows, key=lambda row: row["PID"])


def test_sessions_says_the_same(vol: Vol, case: tuple[Path, Path]) -> None:
    """The session of each process, its start, and the names in its environment."""
    theirs, ours = both(vol, case, "windows.sessions", "windows.anatomy.processes")
    image, _ = case
    names: dict[int, dict[str, str]] = {}
    for row in vol("-r", "json", "-f", image, "windows.anatomy.envars").rows:
        if row["Bits"] == 64 and row["Variable"]:
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
    assert len({row["Session ID"] for row in theirs}) == 3, "none, 0 and 1"
    assert part(told, list(theirs[0])) == part(theirs, list(theirs[0]))


def test_pstree_says_the_same(vol: Vol, case: tuple[Path, Path]) -> None:
    """Ids of processes and parents, the audited path, and the command line; pstree's place in a tree is its PPID."""
    theirs, ours = both(vol, case, "windows.pstree", "windows.anatomy.creation")
    for row in ours:
        row["Cmd"] = row["CommandLine"]
    columns = ["PID", "PPID", "ImageFileName", "Offset(V)", "Cmd"]
    assert theirs
    assert part(ours, columns) == part(theirs, columns)
