"""Every generation of Windows that is forged: stock Volatility, with the table that lies beside it, finds its truth."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from process_anatomy.forge import LAB, Image, forge
from process_anatomy.forge.__main__ import write_all
from structs import builds
from structs.handle import HANDLE_TABLE_ENTRY
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
from tests.walk.damaged import listed_truth

GENERATIONS = [
    "x86-2600-2180", "x86-2600-5512", "x86-3790-1830", "x64-3790-1830", "x86-6000-16386", "x64-6000-16386",
    "x86-7601-24000", "x64-7601-24000", "x64-9200-16384", "x86-9600-16384", "x64-9600-16384", "x64-10240-16384",
    "x64-14393-0", "x64-17763-0", "x86-19041-0", "x64-19041-0", "x64-20348-288", "x64-22000-1", "x64-22621-382",
    "x64-26100-1742",
]  # fmt: skip
SHOWN_PROCESSES = {4, 124, 512, 596, 672, 716, 728, 868, 3920, 4476, 5212, 5588, 6044, 6276}
SCENARIO = replace(LAB, cast=tuple(actor for actor in LAB.cast if actor.pid in SHOWN_PROCESSES))
"""The lab without most of what differs from its neighbours in no structure: stock Volatility's handles take long."""
PROTECTED, PROTECT_FROM_CLOSE = 1, 0x2000000
"""Attribute of a handle, and the bit above its rights that says so up to Windows 7; stock Volatility shows it there."""


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
            image = forge(SCENARIO, build=build)
            path, *_ = write_all(image, tmp_path_factory.mktemp(build), "lab", "raw")
            kept.clear()
            kept[build] = Made(image, path)
        return kept[build]

    return of


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
def test_stock_volatility_finds_the_truth(build: str, made: Callable[[str], Made], stock: Stock) -> None:
    """Processes, VADs, privileges, handles and modules, row for row."""
    forged = made(build)
    assert found_processes(stock(forged.path, "windows.pslist")) == expected_processes(forged.cast)
    assert found_vads(stock(forged.path, "windows.vadinfo")) == expected_vads(forged.image.truth)
    rows = stock(forged.path, "windows.privileges")
    privileges = by_text((r["PID"], r["Privilege"], r["Attributes"].lower()) for r in rows if r["Attributes"])
    assert privileges == by_text(
        (p["pid"], *pair) for p in forged.cast for pair in p["token"]["privilege_names"].items()
    )
    handles = stock(forged.path, "windows.handles")
    names = ("PID", "HandleValue", "Offset", "Type", "GrantedAccess", "Name")
    found = by_text((r[names[0]], r[names[1]], r[names[2]] & SHOWN, *(r[n] for n in names[3:])) for r in handles)
    assert found == expected_handles(forged)
    assert found_modules(stock(forged.path, "windows.dlllist")) == listed_modules(forged.image.truth)
