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
SAMPLE = ROOT / "samples" / "lab-win11-22621.dmp"


@pytest.fixture(scope="module", params=IMAGES)
def case(request: pytest.FixtureRequest) -> tuple[Path, Path]:
    """An image and the folder with its symbol table for the stock plugins."""
    if request.param == "sample":
        return SAMPLE, ROOT / "samples" / "symbols"
    foreign: Callable[[str], Path] = request.getfixturevalue("foreign")
    shared: Path = request.getfixturevalue("shared")
    return foreign(request.param), shared / "isf"


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
    """Privileges agree in every column of the stock plugin."""
    theirs, ours = both(vol, case, "windows.privileges", "windows.anatomy.privileges")
    assert theirs
    assert part(ours, list(theirs[0])) == part(theirs, list(theirs[0]))


def test_getsids_names_the_same_user_and_integrity(vol: Vol, case: tuple[Path, Path]) -> None:
    """The first SID that getsids lists for a process is our User, and its integrity SID our Integrity."""
    theirs, ours = both(vol, case, "windows.getsids", "windows.anatomy.tokens")
    levels = {4096: "low", 8192: "medium", 8448: "medium-plus", 12288: "high", 16384: "system"}
    users: dict[int, str] = {}
    integrities: dict[int, str] = {}
    for row in theirs:
        users.setdefault(row["PID"], row["SID"])
        if row["SID"].startswith("S-1-16-"):
            integrities[row["PID"]] = levels[int(row["SID"].rsplit("-", 1)[1])]
    assert {row["PID"]: row["User"] for row in ours} == users
    assert {row["PID"]: row["Integrity"] for row in ours} == integrities
