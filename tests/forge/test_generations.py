"""Every generation of Windows that is forged: stock Volatility, with the table that lies beside it, finds its truth."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from process_anatomy.forge import LAB, Image, forge
from process_anatomy.forge.__main__ import write_all
from structs import builds
from structs.handle import HANDLE_TABLE_ENTRY
from tests.forge.test_forged_for_memprocfs import assert_agreement
from tests.forge.test_forged_for_volatility import (
    SHOWN,
    Stock,
    by_text,
    expected_processes,
    expected_vads,
    found_modules,
    found_processes,
    found_vads,
    listed_modules,
)
from tests.generations import GENERATIONS
from tests.walk.damaged import listed_truth

SHOWN_PROCESSES = {4, 124, 388, 512, 728, 3920, 4476, 5212, 5588, 6044}
SCENARIO = replace(LAB, cast=tuple(actor for actor in LAB.cast if actor.pid in SHOWN_PROCESSES))
"""The lab without most of what differs from its neighbours in no structure: stock Volatility's handles take long."""
FEW = replace(SCENARIO, cast=tuple(replace(actor, handles=min(actor.handles, 6)) for actor in SCENARIO.cast))
TWO_LEVELS = {"x86-2600-5512", "x64-7601-24540", "x64-19041-0"}
"""Where explorer.exe has as many handles as in the lab, in a table of two levels."""
WITNESSED = [
    "x86-6000-16386", "x64-6000-16386", "x86-7601-17514", "x64-7601-17514", "x64-9200-16384", "x64-9600-16384",
    "x64-10240-16384", "x64-17763-0", "x64-20348-288", "x64-22000-1", "x64-26100-1742",
]  # fmt: skip
"""Layouts whose kernel MemProcFS knows by its PDB."""
PROTECTED, PROTECT_FROM_CLOSE = 1, 0x2000000
"""Attribute of a handle, and the bit above its rights that says so up to Windows 7; stock Volatility shows it there."""


LOST = "x64-9200-16384"
"""Windows 8 keeps 45 bits of an object's address in a handle; stock Volatility does not extend them with the sign, so
it finds no object at all.  MemProcFS does (see below)."""
LISTED = """
import json, sys
import memprocfs
vmm = memprocfs.Vmm(["-device", sys.argv[1], "-disable-symbolserver", "-disable-symbols", "-waitinitialize"])
print("ANSWER" + json.dumps({p.pid: [p.ppid, p.dtb, p.eprocess] for p in vmm.process_list()}))
"""
FOLDER = Path(__file__).parent / "stock"
Several = Callable[[Path], dict[str, list[dict[str, Any]]]]


@dataclass(frozen=True)
class Made:
    """A forged image of one generation, and where it lies."""

    image: Image
    path: Path

    @property
    def cast(self) -> list[dict[str, Any]]:
        """The truth of the processes on the active list."""
        return listed_truth(self.image.truth)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Made]:
    """Name of a layout to its image, forged and written once."""
    kept: dict[str, Made] = {}

    def of(build: str) -> Made:
        if build not in kept:
            image = forge(SCENARIO if build in TWO_LEVELS else FEW, build=build)
            path, *_ = write_all(image, tmp_path_factory.mktemp(build), "lab")
            kept.clear()
            kept[build] = Made(image, path)
        return kept[build]

    return of


@pytest.fixture(scope="session")
def several(vol: Callable[..., Any]) -> Several:
    """What stock plugins say of an image, with the symbol table that lies beside it: plugin to rows."""

    def run(image: Path) -> dict[str, list[dict[str, Any]]]:
        answer = vol("-p", FOLDER, "-s", image.parent / "symbols", "-r", "json", "-f", image, "several.Several")
        assert answer.status == 0, answer.err
        rows: dict[str, list[dict[str, Any]]] = {}
        for row in answer.rows:
            rows.setdefault(row["Plugin"], []).append(json.loads(row["Row"]))
        return {name: rows.get(name, []) for name in ("pslist", "vadinfo", "privileges", "handles", "dlllist")}

    return run


def expected_handles(made: Made) -> list[Any]:
    old = "Object" in builds.load(made.image.truth["arguments"]["build"])[HANDLE_TABLE_ENTRY]
    return by_text(
        (
            p["pid"], h["handle"], h["object"] & SHOWN, h["type"],
            h["access"] | PROTECT_FROM_CLOSE * (old and h["attributes"] & PROTECTED), h["name"],
        )
        for p in made.cast
        for h in p["handles"]
    )  # fmt: skip


@pytest.mark.parametrize("build", GENERATIONS)
@pytest.mark.proves("stock")
def test_stock_volatility_finds_the_truth(build: str, made: Callable[[str], Made], several: Several) -> None:
    """Processes, VADs, privileges, handles and modules, row for row."""
    forged = made(build)
    rows = several(forged.path)
    assert found_processes(rows["pslist"]) == expected_processes(forged.cast)
    assert found_vads(rows["vadinfo"]) == expected_vads(forged.image.truth)
    told = by_text((r["PID"], r["Privilege"], r["Attributes"].lower()) for r in rows["privileges"] if r["Attributes"])
    assert told == by_text((p["pid"], *pair) for p in forged.cast for pair in p["token"]["privilege_names"].items())
    assert found_modules(rows["dlllist"]) == listed_modules(forged.image.truth)
    names = ("Type", "GrantedAccess", "Name")
    handles = by_text(
        (r["PID"], r["HandleValue"], r["Offset"] & SHOWN, *(r[name] for name in names)) for r in rows["handles"]
    )
    assert handles == ([] if build == LOST else expected_handles(forged))


@pytest.mark.parametrize("build", WITNESSED)
@pytest.mark.proves("memprocfs")
def test_memprocfs_finds_the_truth(build: str, tmp_path: Path, memprocfs: Callable[[str, Path, str], Any]) -> None:
    image = forge(build=build)
    path, *_ = write_all(image, tmp_path, "lab", "raw")
    assert_agreement(image, path, memprocfs)


@pytest.mark.parametrize("build", ["x86-2600-2180", "x86-2600-5512", "x86-3790-1830"])
def test_memprocfs_finds_the_processes_of_kernels_that_it_does_not_know(
    build: str, tmp_path: Path, memprocfs: Callable[[str, Path, str], Any]
) -> None:
    """Without the PDB it has no VADs and threads of XP and Server 2003, and finds no process in x64 ones at all."""
    image = forge(build=build)
    path, *_ = write_all(image, tmp_path, "lab", "raw")
    answer = memprocfs(LISTED, path, "{}")
    truth = listed_truth(image.truth)
    assert answer == {str(p["pid"]): [p["ppid"], p["dtb"], p["eprocess"]] for p in truth}


def test_what_came_later_is_in_neither_image_nor_truth_of_an_older_windows() -> None:
    xp, vista, seven, eight = (
        forge(build=build).truth for build in ("x86-2600-5512", "x86-6000-16386", "x86-7601-24000", "x64-9200-16384")
    )
    tokens = {truth["build"]: [p["token"] for p in truth["processes"]] for truth in (xp, vista, seven, eight)}
    assert {(t["integrity"], t["elevation_type"], t["mandatory_policy"]) for t in tokens[2600]} == {(None,) * 3}
    assert {p["session"] for p in xp["processes"]} == {None, 0}
    assert not {"wininit.exe", "dwm.exe", "Registry", "CalculatorApp.exe"} & {p["name"] for p in xp["processes"]}
    assert not [sid for t in tokens[2600] for sid in t["sids"] if sid["sid"].startswith(("S-1-16-", "S-1-5-80-"))]
    assert max(max(t["privileges"].values()) for t in tokens[2600]).bit_length() <= 31
    assert (xp["logon_sessions"], xp["csr"], xp["ways"], xp["csd_version"]) == ([], [], [], 0x300)
    assert all(t["integrity"] for t in tokens[6000])
    assert not any(t["security_attributes"] or t["package"] or t["claims"] for t in tokens[6000])
    assert any(t["security_attributes"] for t in tokens[7601])
    assert [t["package"] for t in tokens[9200] if t["package"]]
    for truth in (xp, vista, seven, eight):
        assert not any(p["protection"] for p in truth["processes"])
        assert truth["object_header_cookie"] == 0
    assert any(p["wow64"] for p in eight["processes"])
    assert not any(p["wow64"] for truth in (xp, vista, seven) for p in truth["processes"])


@pytest.mark.parametrize(("build", "pae"), [("x86-9200-16384", False), ("x64-7601-24000", True)])
def test_a_mode_that_a_kernel_does_not_have_is_refused(build: str, pae: bool) -> None:
    with pytest.raises(ValueError, match="physical address extension"):
        forge(build=build, pae=pae)


def test_the_same_kernel_is_forged_in_both_modes() -> None:
    wide, plain = forge(SCENARIO, build="x86-2600-5512", pae=True), forge(SCENARIO, build="x86-2600-5512", pae=False)
    names = ("ntkrnlpa.pdb", "ntoskrnl.pdb")
    for image, name, step in zip((wide, plain), names, (0x20, 0x1000), strict=True):
        assert image.truth["pdb"] == name
        assert image.symbols["metadata"]["windows"]["pdb"]["database"] == name
        assert all(p["dtb"] % step == 0 for p in image.truth["processes"])
    assert any(p["dtb"] % 0x1000 for p in wide.truth["processes"])


@pytest.mark.parametrize("form", ["raw", "crash"])
def test_a_32_bit_image_is_read_in_every_container(form: str, tmp_path: Path, stock: Stock) -> None:
    image = forge(FEW, build="x86-7601-24000")
    path, *_ = write_all(image, tmp_path, "lab", form)
    assert found_processes(stock(path, "windows.pslist")) == expected_processes(listed_truth(image.truth))
