"""Stock Volatility and MemProcFS say the same of who sees which process; what differs is in docs/agreement.md."""

from __future__ import annotations

import string
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from process_anatomy.forge import forge
from process_anatomy.forge.__main__ import write_all
from process_anatomy.forge.cast.hiding import HIDING
from tests.conftest import ROOT, SAMPLE, Stock, Vol

IMAGES = ["srv2016-14393", "forged"]
LOW_48 = (1 << 48) - 1
STOCK_NAMES = set(string.ascii_letters + ". ")
"""Characters of the names that stock psxview does not drop."""
ASK = """
import json, sys
import memprocfs
vmm = memprocfs.Vmm(["-device", sys.argv[1], "-disable-symbolserver", "-disable-symbols", "-waitinitialize"])
print("ANSWER" + json.dumps([[p.pid, p.eprocess, p.name] for p in vmm.process_list()]))
"""


class Case(NamedTuple):
    """An image, and what our plugin says of it."""

    image: Path
    symbols: Path
    ours: list[dict[str, Any]]
    truth: dict[str, Any]


@pytest.fixture(scope="module", params=IMAGES)
def case(request: pytest.FixtureRequest, vol: Vol, tmp_path_factory: pytest.TempPathFactory) -> Case:
    """An image with its symbols for the stock plugins."""
    if request.param == "forged":
        made = forge(HIDING, 3)
        folder = tmp_path_factory.mktemp("hiding")
        image, symbols, truth = write_all(made, folder, "hiding", "raw")[0], folder / "symbols", made.truth
    else:
        foreign: Callable[[str], Path] = request.getfixturevalue("foreign")
        published: Callable[[str], Path] = request.getfixturevalue("published_symbols")
        image, symbols = foreign(f"{request.param}.raw"), published(f"{request.param}.raw")
        truth = request.getfixturevalue("truth")(request.param)
    return Case(image, symbols, vol("-r", "json", "-f", image, "windows.anatomy.crossview").rows, truth)


def seen(case: Case, view: str) -> set[int]:
    """Addresses of the processes that a view of ours sees."""
    return {row["Offset(Virtual)"] for row in case.ours if row[view] is True}


@pytest.mark.proves("stock")
def test_psscan_finds_the_same_processes(stock_plugin: Stock, case: Case) -> None:
    """Those that are hidden, have ended or were deleted, too."""
    theirs = {row["Offset(V)"] for row in stock_plugin(case.image, case.symbols, "windows.psscan")}
    assert theirs
    assert theirs == seen(case, "psscan")


@pytest.mark.proves("stock")
def test_psxview_says_the_same_of_every_process_that_it_does_not_drop(stock_plugin: Stock, case: Case) -> None:
    """Names with other characters than letters, dots and blanks are missing there, and here is none missing."""
    theirs = {row["Offset(Virtual)"]: row for row in stock_plugin(case.image, case.symbols, "windows.malware.psxview")}
    ours = {row["Offset(Virtual)"]: row for row in case.ours}
    assert theirs
    kept = {address for address, row in ours.items() if set(row["Name"]) <= STOCK_NAMES}
    assert theirs.keys() == kept
    for address, row in theirs.items():
        mine = ours[address]
        for column in ("Name", "PID", "psscan", "thrdscan"):
            assert mine[column] == row[column], (row["Name"], column)
        assert mine["Forward"] or mine["pslist"] == row["pslist"] or mine["Backward"]
        assert row["pslist"] <= mine["pslist"]
        assert row["csrss"] <= mine["csrss"]  # it does not decode headers whose type byte is zero
        assert (mine["Exit Time"] or "")[:19] == (row["Exit Time"] or "")[:19]


@pytest.mark.proves("stock")
def test_thrdscan_leads_to_the_same_owners(stock_plugin: Stock, case: Case) -> None:
    """Every process that a thread found by the stock plugin belongs to is one that a thread of ours names."""
    pids = {row["PID"] for row in stock_plugin(case.image, case.symbols, "windows.thrdscan")}
    assert pids
    assert pids == {row["PID"] for row in case.ours if row["thrdscan"] is True}


def test_memprocfs_lists_the_processes_that_the_active_list_holds(
    case: Case, memprocfs: Callable[[str, Path], Any]
) -> None:
    """By id, address and name; what its own list leaves out is hidden or gone, by our verdict."""
    theirs = {(pid, address & LOW_48) for pid, address, _ in memprocfs(ASK, case.image)}
    listed = {(row["PID"], row["Offset(Virtual)"]) for row in case.ours if row["Forward"] and row["Backward"]}
    everyone = {(row["PID"], row["Offset(Virtual)"]) for row in case.ours}
    running = {pair for pair in listed if not next(r for r in case.ours if r["PID"] == pair[0])["Exit Time"]}
    assert running <= theirs
    assert theirs <= everyone


def test_verdicts_are_those_of_the_answer_key(case: Case) -> None:
    """Nothing is hidden in a foreign image; of the forged one, what was hidden."""
    verdicts = {row["PID"]: row["Verdict"] for row in case.ours}
    for process in case.truth["processes"]:
        views = process.get("seen_by", {"forward": True, "backward": True, "cid": True, "scan": True})
        unseen = not all(views[name] for name in ("forward", "backward", "cid", "scan"))
        ended = process["exited"]
        expected = "remnant" if ended and unseen else "ended" if ended else "hidden" if unseen else "consistent"
        assert verdicts[process["pid"]] == expected


def test_a_hidden_process_can_be_asked_for_by_its_id(vol: Vol, case: Case) -> None:
    """Ids that no view has are refused in one line."""
    if "hiding" not in case.image.name:
        pytest.skip("nothing is hidden there")
    rows = vol("-r", "json", "-f", case.image, "windows.anatomy.crossview", "--pid", "7240").rows
    assert [row["Name"] for row in rows] == ["shade-2.exe"]
    answer = vol("-f", case.image, "windows.anatomy.crossview", "--pid", "31336")
    assert answer.status == 1
    assert "no view has a process with id 31336" in answer.err


def test_the_sample_has_one_hidden_process(vol: Vol) -> None:
    """Off the list in both directions, and in its place everywhere else; psxview of it says the same."""
    symbols = ROOT / "samples" / "symbols"
    ours = [row for row in vol("-r", "json", "-f", SAMPLE, "windows.anatomy.crossview").rows if not row["pslist"]]
    assert [(row["PID"], row["Name"], row["Verdict"], row["HiddenFrom"], row["Confidence"]) for row in ours] == [
        (7148, "shade.exe", "hidden", "Forward,Backward", "high")
    ]
    theirs = vol("-s", symbols, "-r", "json", "-f", SAMPLE, "windows.malware.psxview").rows
    (row,) = [row for row in theirs if not row["pslist"]]
    assert [row[name] for name in ("PID", "Name", "psscan", "thrdscan")] == [7148, "shade.exe", True, True]


def test_completeness_tells_the_counts(vol: Vol, case: Case) -> None:
    """As the engine, in cells."""
    rows = vol("-r", "json", "-f", case.image, "windows.anatomy.completeness", "--pid", "4").rows
    assert [(r["PID"], r["AddressSpace"], r["Program"], r["ProcessId"]) for r in rows] == [
        (4, "whole", "none", "whole")
    ]
    threads = next(p for p in case.truth["processes"] if p["pid"] == 4)["threads"]
    assert rows[0]["ThreadObjects"] == f"{len(threads)} of {len(threads)}"
    assert rows[0]["Explanation"]
