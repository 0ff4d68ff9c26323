"""The forged registry: what must be true of its cells, and that stock Volatility reads the same as the answer key."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from process_anatomy.forge import Image, forge
from process_anatomy.forge.__main__ import write_all
from process_anatomy.forge.registry.cells import BIN, BIN_HEADER, Contents
from process_anatomy.forge.registry.hives import SOFTWARE, SYSTEM, Hive
from process_anatomy.forge.security.contexts import USER
from structs import builds

BUILDS = ["x64-9600-16384", "x64-17763-0", "x64-22621-382"]
SHOWN = (1 << 48) - 1
SERVICES = "ControlSet001\\Services"
PROFILE_LIST = "Microsoft\\Windows NT\\CurrentVersion\\ProfileList"
Ask = Callable[..., list[dict[str, Any]]]


@pytest.fixture(scope="module", params=BUILDS)
def made(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Image, Path]:
    """An image of each build and its file, with the symbol table beside it."""
    image = forge(build=request.param)
    return image, write_all(image, tmp_path_factory.mktemp(request.param), "lab")[0]


@pytest.fixture(scope="module")
def ask(vol: Callable[..., Any], made: tuple[Image, Path]) -> Ask:
    """Rows of a stock plugin about the image."""

    def run(*arguments: str) -> list[dict[str, Any]]:
        path = made[1]
        answer = vol("-s", path.parent / "symbols", "-r", "json", "-f", path, *arguments)
        assert answer.status == 0, answer.err
        rows: list[dict[str, Any]] = json.loads(answer.out)
        return [row for top in rows for row in flattened(top)]

    return run


def flattened(row: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield row
    for child in row["__children"]:
        yield from flattened(child)


def text_of(row: dict[str, Any]) -> str:
    """The text that a row shows in quotation marks."""
    data: str = row["Data"]
    return data[1:-1]


def test_stock_volatility_lists_the_hives(made: tuple[Image, Path], ask: Ask) -> None:
    found = [(row["Offset"], row["FileFullPath"]) for row in ask("windows.registry.hivelist")]
    assert found == [
        (hive["address"] & SHOWN, hive["file_user_name"] or hive["hive_root_path"]) for hive in made[0].truth["hives"]
    ]


def test_stock_volatility_prints_every_service_with_its_values(made: tuple[Image, Path], ask: Ask) -> None:
    system = made[0].truth["hives"][0]["address"] & SHOWN
    rows = ask("windows.registry.printkey", "--offset", str(system), "--key", SERVICES, "--recurse")
    found: dict[str, dict[str, str | None]] = {
        row["Name"]: {"account": None, "image_path": None} for row in rows if row["Type"] == "Key"
    }
    columns = {"ObjectName": "account", "ImagePath": "image_path"}
    for row in rows:
        if row["Name"] in columns:
            found[row["Key"].rpartition("\\")[2]][columns[row["Name"]]] = text_of(row)
    assert found == made[0].truth["services"]
    assert not any(row["Volatile"] for row in rows)


def test_stock_volatility_prints_the_profile_list(made: tuple[Image, Path], ask: Ask) -> None:
    software = made[0].truth["hives"][1]["address"] & SHOWN
    rows = ask("windows.registry.printkey", "--offset", str(software), "--key", PROFILE_LIST, "--recurse")
    found = {row["Key"].rpartition("\\")[2]: text_of(row) for row in rows if row["Name"] == "ProfileImagePath"}
    assert found == made[0].truth["profiles"]


def test_stock_volatility_tells_the_volatile_key_from_the_stable_ones(made: tuple[Image, Path], ask: Ask) -> None:
    system = made[0].truth["hives"][0]["address"] & SHOWN
    rows = ask("windows.registry.printkey", "--offset", str(system))
    assert [(row["Name"], row["Volatile"]) for row in rows if row["Type"] == "Key"] == [
        ("ControlSet001", False),
        ("Select", False),
        ("CurrentControlSet", True),
    ]


def test_stock_volatility_names_the_user_from_the_profile_list(made: tuple[Image, Path], ask: Ask) -> None:
    rows = ask("windows.getsids")
    assert {row["Name"] for row in rows if row["SID"] == USER} == {"student"}


def test_since_windows_10_1803_software_is_mapped_in_the_process_registry(made: tuple[Image, Path]) -> None:
    truth = made[0].truth
    system, software = truth["hives"]
    assert system["mapped_in_pid"] is None
    assert system["bins"] >> 47
    if truth["build"] < 17134:
        assert software["mapped_in_pid"] is None
        assert software["bins"] >> 47
    else:
        registry = next(p for p in truth["processes"] if p["pid"] == software["mapped_in_pid"])
        assert registry["name"] == "Registry"
        assert any(vad["start"] < software["bins"] < vad["end"] for vad in registry["vads"])


@pytest.mark.parametrize("hive", [SYSTEM, SOFTWARE], ids=lambda hive: hive.name)
def test_bins_are_full_of_cells_that_follow_each_other(hive: Hive) -> None:
    contents = Contents(builds.load("x64-22621-382"), hive, 0)
    assert contents.root == BIN_HEADER
    for storage in contents.storages:
        data = storage.bins()
        assert len(data) % BIN == 0
        for start in range(0, len(data), BIN):
            assert struct.unpack_from("<4sII", data, start) == (b"hbin", start, BIN)
            here = start + BIN_HEADER
            while here < start + BIN:
                size = abs(struct.unpack_from("<i", data, here)[0])
                assert size >= 8
                assert size % 8 == 0
                here += size
            assert here == start + BIN


def test_some_cell_lies_across_two_blocks() -> None:
    data = Contents(builds.load("x64-22621-382"), SYSTEM, 0).storages[0].bins()
    here, starts = BIN_HEADER, []
    while here < BIN:
        starts.append(here)
        here += abs(struct.unpack_from("<i", data, here)[0])
    assert 0x1000 not in starts
