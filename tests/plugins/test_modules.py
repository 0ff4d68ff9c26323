"""Modules and images of images that we did not make: answer keys, stock Volatility and MemProcFS say the same."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from pathlib import Path
from typing import Any

import pefile
import pytest

from process_anatomy.memory.address_space import AddressSpace
from process_anatomy.volatility import open_path
from process_anatomy.walk.processes.listed import processes
from tests.conftest import Stock, Vol

Foreign = Callable[[str], Path]
Truth = Callable[[str], dict[str, Any]]
NAMES = ["win10-19041", "srv2019-17763", "srv2016-14393"]
LOADERS = {"64": "modules", "32": "modules32"}
"""Bits of a loader to the answer key's name of its modules."""
ASK = """
import json, sys
import memprocfs
vmm = memprocfs.Vmm(["-device", sys.argv[1], "-disable-symbolserver", "-disable-symbols", "-waitinitialize"])
answer = {}
for process in vmm.process_list():
    answer[process.pid] = [
        [m.base, m.name, m.image_size & ~(1 << 32)] for m in process.module_list() if m.base < 1 << 47
    ]
print("ANSWER" + json.dumps(answer))
"""


@pytest.fixture(params=NAMES)
def name(request: pytest.FixtureRequest) -> str:
    """A foreign image, without its ending."""
    return str(request.param)


def listed(vol: Vol, image: Path) -> list[dict[str, Any]]:
    """Our rows."""
    return vol("-r", "json", "-f", image, "windows.anatomy.modules").rows


def expected_modules(truth: dict[str, Any]) -> Iterable[tuple[dict[str, Any], str, dict[str, Any]]]:
    """Each module of an answer key: process, bits of the loader, module."""
    for process in truth["processes"]:
        for bits, key in LOADERS.items():
            for module in process.get(key) or []:
                yield process, bits, module


def test_modules_are_those_of_the_answer_key(name: str, vol: Vol, foreign: Foreign, truth: Truth) -> None:
    """Base, size, entry point, names, file and time stamp of every module of both loaders; nothing disagrees."""
    rows = listed(vol, foreign(f"{name}.raw"))
    columns = ("PID", "Base", "Size", "EntryPoint", "Name", "Path", "MappedPath", "TimeDateStamp")
    actual = [(bits, *(row[c] for c in columns)) for row in rows if row["Bits"] for bits in row["Bits"].split(",")]
    expected = [
        (bits, p["pid"], m["base"], m["size"], m["entry"], m["name"], m["path"], m["file"], m["timestamp"])
        for p, bits, m in expected_modules(truth(name))
    ]
    assert sorted(actual) == sorted(expected)
    assert {row["Header"] for row in rows if row["Bits"]} == {"agrees"}
    assert {row["Problems"] for row in rows} == {None}
    assert [(row["PID"], row["Name"], row["State"]) for row in rows if not row["Bits"]] == [
        (4, "ntdll.dll", "no-loader")
    ]


def test_every_mapped_image_of_the_answer_key_has_its_row(name: str, vol: Vol, foreign: Foreign, truth: Truth) -> None:
    """One row for each image that is mapped, and no other."""
    rows = listed(vol, foreign(f"{name}.raw"))
    expected = [
        (p["pid"], v["start"], v["file"])
        for p in truth(name)["processes"]
        for v in p["vads"]
        if v["type"] == "VadImageMap"
    ]
    assert sorted((row["PID"], row["Base"], row["MappedPath"]) for row in rows) == sorted(expected)


def test_dlllist_says_the_same(
    name: str, vol: Vol, stock_plugin: Stock, foreign: Foreign, published_symbols: Foreign
) -> None:
    """Every column that both have; dlllist has two rows where both loaders list a module, and no 32-bit LoadCount."""
    image = foreign(f"{name}.raw")
    theirs = stock_plugin(image, published_symbols(name), "windows.dlllist")
    columns = ["PID", "Process", "Base", "Size", "Name", "Path", "LoadCount"]
    ours = [
        row | {"LoadCount": row["LoadCount"] if bits == "64" else None}
        for row in listed(vol, image)
        for bits in (row["Bits"] or "").split(",")
        if bits
    ]
    assert theirs
    assert part(ours, columns) == part(theirs, columns)
    assert len(theirs) == 213
    native = {(row["PID"], row["Base"]) for row in ours if row["LoadTime"]}
    assert len(native) == 207
    assert {k: v[:19] for k, v in times(ours).items()} == {
        k: v for k, v in times(reversed(theirs)).items() if k in native
    }


def times(rows: Iterable[dict[str, Any]]) -> dict[tuple[int, int], str]:
    """Load times by process and base; stock Volatility cuts them to seconds, and misreads those of 32-bit entries."""
    told = [row for row in rows if row["LoadTime"]]
    return {(row["PID"], row["Base"]): datetime.fromisoformat(row["LoadTime"]).isoformat()[:19] for row in told}


def part(rows: list[dict[str, Any]], columns: list[str]) -> list[tuple[Any, ...]]:
    """The columns of the rows, in an order that does not depend on the tool's."""
    return sorted((tuple(row[column] for column in columns) for row in rows), key=repr)


def test_ldrmodules_says_the_same(name: str, vol: Vol, foreign: Foreign, published_symbols: Foreign) -> None:
    """The same bases, files and lists, but for what ldrmodules leaves out: docs/agreement.md."""
    image = foreign(f"{name}.raw")
    theirs = vol("-s", published_symbols(name), "-r", "json", "-f", image, "windows.malware.ldrmodules").rows
    columns = ["Process", "Base", "InLoad", "InInit", "InMem", "MappedPath"]
    stock = [(row["Pid"], *(row[c] for c in columns)) for row in theirs]
    ours = [(row["PID"], *(row[c] for c in columns)) for row in listed(vol, image)]
    only_ours = set(ours) - set(stock)
    only_stock = set(stock) - set(ours)
    assert only_stock == set()
    assert only_ours == set()


def test_memprocfs_says_the_same(name: str, vol: Vol, foreign: Foreign, memprocfs: Callable[[str, Path], Any]) -> None:
    """Bases, names and sizes of the modules of every process; MemProcFS renames the 64-bit ntdll of 32-bit ones."""
    image = foreign(f"{name}.raw")
    answer = memprocfs(ASK, image)
    ours: dict[int, list[Any]] = {}
    for row in listed(vol, image):
        if row["Bits"]:
            ours.setdefault(row["PID"], []).append([row["Base"], row["Name"].lower(), row["Size"]])
    theirs = {
        int(pid): sorted([base, label.lower().removeprefix("_64-"), size] for base, label, size in rows)
        for pid, rows in answer.items()
        if rows
    }
    assert {pid: sorted(rows) for pid, rows in ours.items()} == theirs


def test_programs_are_those_of_the_answer_key(name: str, vol: Vol, foreign: Foreign, truth: Truth) -> None:
    """Base, file, size, entry point, time stamp and check sum of every executable program."""
    rows = vol("-r", "json", "-f", foreign(f"{name}.raw"), "windows.anatomy.images").rows
    columns = ("PID", "Base", "Path", "Size", "EntryPoint", "TimeDateStamp", "Checksum")
    expected = [
        (p["pid"], m["base"], m["file"], m["size"], m["entry"], m["timestamp"], m["checksum"])
        for p in truth(name)["processes"]
        for m in (p.get("modules") or [])
        if m["base"] == p["image_base"]
    ]
    assert expected
    assert sorted(tuple(row[c] for c in columns) for row in rows) == sorted(expected)
    assert {row["Role"] for row in rows} == {"program"}
    assert {row["Problems"] for row in rows} == {None}


def test_every_module_has_the_check_sum_of_the_answer_key(name: str, vol: Vol, foreign: Foreign, truth: Truth) -> None:
    """All modules of all processes, of both loaders."""
    rows = vol("-r", "json", "-f", foreign(f"{name}.raw"), "windows.anatomy.images", "--all").rows
    expected = {(p["pid"], m["base"]): (m["checksum"], m["timestamp"]) for p, _, m in expected_modules(truth(name))}
    actual = {(row["PID"], row["Base"]): (row["Checksum"], row["TimeDateStamp"]) for row in rows}
    assert {key: value for key, value in actual.items() if key[0] != 4} == expected


def test_a_dumped_image_holds_the_pages_of_the_process(
    vol: Vol, foreign: Foreign, published_symbols: Foreign, truth: Truth, tmp_path: Path
) -> None:
    """Byte for byte what the engine's own space gives page by page, and what stock Volatility's layer writes."""
    image = foreign("srv2019-17763.raw")
    pid = next(p["pid"] for p in truth("srv2019-17763")["processes"] if p["name"] == "notepad.exe")
    row = vol("-r", "json", "-o", tmp_path, "-f", image, "windows.anatomy.images", "--pid", pid, "--dump").rows[0]
    assert row["File output"] == f"pid.{pid}.{row['Base']:#x}.notepad.exe.img"
    data = (tmp_path / row["File output"]).read_bytes()
    assert len(data) == row["Size"] == 4096 * row["Pages"]
    kernel = open_path(image)
    process = next(p for p in processes(kernel).rows if p.pid == pid)
    assert isinstance(kernel.space, AddressSpace)
    assert isinstance(process.dtb, int)
    own = AddressSpace(kernel.space.memory, process.dtb)
    pages = [own.read(row["Base"] + start, 4096) for start in range(0, row["Size"], 4096)]
    assert b"".join(page or bytes(4096) for page in pages) == data
    assert pages.count(None) == row["PagesMissing"]
    symbols = published_symbols("srv2019-17763")
    where = ("--pid", pid, "--address", row["Base"], "--dump")
    vol("-s", symbols, "-o", tmp_path, "-f", image, "windows.vadinfo", *where)
    stock = next(tmp_path.glob(f"pid.{pid}.vad.*.dmp")).read_bytes()
    assert stock[: len(data)] == data


def test_facts_are_those_that_pefile_finds_in_the_dumped_image(vol: Vol, foreign: Foreign, tmp_path: Path) -> None:
    """Our structure-by-structure reading equals pefile's own over the file, where no page is missing."""
    image = foreign("win10-19041.raw")
    row = vol("-r", "json", "-o", tmp_path, "-f", image, "windows.anatomy.images", "--pid", 2764, "--dump").rows[0]
    data = bytearray((tmp_path / row["File output"]).read_bytes())
    for section in pefile.PE(data=bytes(data), fast_load=True).sections:
        section.PointerToRawData, section.SizeOfRawData = section.VirtualAddress, section.Misc_VirtualSize
        packed = section.__pack__()
        data[section.get_file_offset() : section.get_file_offset() + len(packed)] = packed
    pe = pefile.PE(data=bytes(data))
    assert row["Imphash"] == pe.get_imphash()
    assert row["Imports"] == sum(len(library.imports) for library in pe.DIRECTORY_ENTRY_IMPORT)
    strings = pe.FileInfo[0][0].StringTable[0].entries
    for column in ("CompanyName", "FileVersion", "OriginalFilename"):
        assert row[column] == strings[column.encode()].decode()
    assert row["Machine"] == "x64"
    assert row["EntrySection"] == ".text"


def test_a_module_by_name_and_an_unknown_name(vol: Vol, foreign: Foreign) -> None:
    """`--module` takes a file name in any case; a name that no process has is told in one line."""
    image = foreign("win10-19041.raw")
    rows = vol("-r", "json", "-f", image, "windows.anatomy.images", "--pid", 2888, "--module", "NTDLL.dll").rows
    assert [(row["Name"], row["Machine"]) for row in rows] == [("ntdll.dll", "x64"), ("ntdll.dll", "x86")]
    answer = vol("-r", "json", "-f", image, "windows.anatomy.images", "--module", "no-such.dll")
    assert (answer.status, answer.out) == (1, "")
    assert "no module is named no-such.dll" in answer.err.splitlines()[-1]
