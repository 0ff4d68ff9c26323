"""The intrusion is accepted by others: what was tampered with shows there too, and nothing else breaks."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from process_anatomy.forge import INTRUSION, Image, forge
from process_anatomy.forge.__main__ import write_all
from process_anatomy.forge.cast.older import cast_for
from process_anatomy.forge.traces.table import TRACES
from structs.builds import load
from tests.conftest import Vol
from tests.walk.damaged import listed_truth

MEMPROCFS = """
import json, sys, memprocfs
vmm = memprocfs.Vmm(["-device", sys.argv[1], "-disable-symbolserver", "-disable-symbols", "-waitinitialize"])
print("ANSWER", json.dumps([[p.pid, p.ppid, p.dtb, p.name] for p in vmm.process_list()]))
"""


@pytest.fixture(scope="module")
def image() -> Image:
    return forge(INTRUSION)


@pytest.fixture(scope="module")
def path(image: Image, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_all(image, tmp_path_factory.mktemp("intrusion"), "intrusion", "raw")[0]


def test_every_misfit_is_in_the_cast() -> None:
    """As the newest Windows of the layouts shows it: there a loader is blinded too."""
    cast = cast_for(load("x64-26100-1742"), INTRUSION.cast)
    assert {misfit for actor in cast for misfit in actor.misfits} == TRACES.keys()


def test_memprocfs_lists_the_processes_of_the_answer_key(
    image: Image, path: Path, memprocfs: Callable[[str, Path, str], Any]
) -> None:
    """Ids, parents and page tables; the one that says that it has ended is not shown by it."""
    known = {p["pid"]: p for p in listed_truth(image.truth)}
    answer = {pid: (ppid, dtb) for pid, ppid, dtb, _ in memprocfs(MEMPROCFS, path, "")}
    expected = {pid: (p["ppid"], p["dtb"]) for pid, p in known.items()}
    assert {pid: facts for pid, facts in answer.items() if pid in expected} == {
        pid: facts for pid, facts in expected.items() if pid in answer
    }
    assert len(answer) >= len(expected) - 1


def test_stock_volatility_lists_them_and_their_vads(image: Image, path: Path, vol: Vol) -> None:
    """Every process of the list, and as many VADs as the answer key has."""
    symbols = path.parent / "symbols"
    rows = vol("-s", symbols, "-r", "json", "-f", path, "windows.pslist").rows
    assert {row["PID"] for row in rows} == {p["pid"] for p in listed_truth(image.truth)}
    answer = vol("-s", symbols, "-r", "json", "-f", path, "windows.vadinfo", "--pid", "5000", "5080", "5200")
    expected = {p["pid"]: p["vads"] for p in image.truth["processes"] if p["pid"] in (5000, 5080, 5200)}
    found = [(row["PID"], row["Start VPN"], row["End VPN"]) for row in answer.rows]
    assert sorted(found) == sorted((pid, v["start"], v["end"]) for pid, vads in expected.items() for v in vads)


def test_the_intrusion_is_the_same_each_time(image: Image) -> None:
    again = forge(INTRUSION)
    assert again.physical == image.physical
    assert json.dumps(again.truth, sort_keys=True) == json.dumps(image.truth, sort_keys=True)
