"""What a file holds decides what is told, not its kind: real small dumps, and images of the field's own cases."""

from __future__ import annotations

import json
import lzma
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from process_anatomy.kernel.identify import Kernel
from process_anatomy.volatility import open_path
from tests.in_process import Rows, rows_of

EF, ENDING, IDLE, HANDLES = (
    "triage-x64-19041-ef-trimmed.dmp",
    "triage-x64-26100-7a-trimmed.dmp",
    "triage-x64-9600-111217-27671-criticalrocket.dmp",
    "triage-x64-19041-116_1-trimmed.dmp",
)
EXPLORER, PICO = 2840, 2928
ADDRESS = (1 << 48) - 1
"""Bits of an address that a cell shows."""


@pytest.fixture(scope="module")
def dump(shared: Path) -> Callable[[str], Kernel]:
    """The kernel of a real small dump, opened once."""
    known: dict[str, Kernel] = {}

    def opened(name: str) -> Kernel:
        if name not in known:
            path = shared / "real" / name
            if not path.exists():
                pytest.skip(f"{name} is not at hand (../shared/real)")
            known[name] = open_path(path)
        return known[name]

    return opened


@pytest.fixture(scope="module")
def case(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Kernel]:
    """The kernel of the cases' base image with the changes of one case."""
    packed = shared / "cases" / "base-19041.raw.xz"
    if not packed.exists():
        pytest.skip("the cases are not at hand (../shared/cases)")
    base = lzma.decompress(packed.read_bytes())

    def opened(name: str) -> Kernel:
        data = bytearray(base)
        for place, octets in json.loads((shared / "cases" / f"{name}.json").read_text())["patches"]:
            data[place : place + len(octets) // 2] = bytes.fromhex(octets)
        path = tmp_path_factory.mktemp(name) / f"{name}.raw"
        path.write_bytes(data)
        return open_path(path)

    return opened


def one(rows: Rows, **wanted: Any) -> dict[str, Any]:
    """The only row with these cells."""
    found = [row for row in rows if all(row[name] == value for name, value in wanted.items())]
    assert len(found) == 1, found
    return found[0]


@pytest.mark.proves("real", "x64-19041")
def test_user_memory_in_a_small_dump_is_read(dump: Callable[[str], Kernel]) -> None:
    """PEB and TEB of the process that ran, as `dt` reads them; what is missing of them says that it is."""
    kernel = dump(EF)
    peb = one(rows_of(kernel, "peb"), PID=3656)
    assert (peb["PEB"], peb["ImageBaseAddress"], peb["BeingDebugged"]) == (0x4063872000, 0x7FF60CD30000, False)
    assert (peb["Ldr"], peb["ProcessParameters"], peb["ProcessHeap"]) == (0x7FFAF2A7C4C0, 0x1C6FBC03630, 0x1C6FBAA0000)
    assert "image_path: 0x1c6fbc03c78: not in a small dump" in peb["Problems"]
    assert "keeps its PEB at 0x4063872000" in peb["Explanation"]
    fields = {row["Field"]: row for row in rows_of(kernel, "dt", structure="_PEB", pid=[3656])}
    assert fields["Ldr"]["Value"].startswith("0x7ffaf2a7c4c0")
    teb = one(rows_of(kernel, "tebs"), TID=4268)
    assert (teb["StackBase"], teb["StackLimit"], teb["ClientId"]) == (0x4063F00000, 0x4063EF8000, "3656.4268")


@pytest.mark.proves("real", "x64-19041")
def test_user_memory_of_a_small_dump_is_one_processs(dump: Callable[[str], Kernel]) -> None:
    """Another process of the list has its PEB in its own memory, of which the dump holds nothing."""
    kernel = dump(EF)
    for row in rows_of(kernel, "peb"):
        if row["PID"] != 3656:
            assert row["ImageBaseAddress"] is None
            assert "this small dump does not hold it" in row["Explanation"]
    roots = {row["PID"]: row["DTB"] for row in rows_of(kernel, "processes")}
    ours, others = (kernel.space.through(roots[pid]) for pid in (3656, 3616))
    assert ours.read(0x4063872000, 8) is not None
    assert others.read(0x4063872000, 8) is None
    assert others.read(kernel.system, 8) is not None


@pytest.mark.proves("real", "x64-19041")
def test_a_small_dumps_modules_programs_and_gaps_are_told(dump: Callable[[str], Kernel]) -> None:
    """Views that need user memory have rows, and no row claims that what the dump leaves out is not there."""
    kernel = dump(EF)
    (module,) = rows_of(kernel, "modules")
    assert (module["Base"], module["State"], module["MappedPath"]) == (0x7FFAEF6E0000, "no-loader", None)
    assert "MappedPath: " in module["Problems"]
    assert "no file" not in module["Explanation"]
    program = one(rows_of(kernel, "images"), PID=3656)
    assert "its VADs are not known" in program["Problems"]
    row = one(rows_of(kernel, "completeness"), PID=3656)
    assert (row["AddressSpace"], row["Program"]) == ("part", "part")
    assert "AddressSpace: the small dump holds 99061 bytes of its own memory" in row["Obstacles"]
    other = one(rows_of(kernel, "completeness"), PID=3616)
    assert "AddressSpace: the small dump holds nothing of its own memory" in other["Obstacles"]


@pytest.mark.proves("real", "x64-26100")
def test_a_thread_that_is_ending_still_runs(dump: Callable[[str], Kernel]) -> None:
    """Flagged as terminated with an exit time, and the processor's current thread; its TEB is gone already."""
    kernel = dump(ENDING)
    (thread,) = rows_of(kernel, "threads")
    assert (thread["State"], thread["ExitTime"][:19]) == ("Running", "2024-11-24T21:42:36")
    assert "is ending since 2024-11-24 21:42:36 UTC" in thread["Explanation"]
    assert "only its object is left" not in thread["Explanation"]
    (teb,) = rows_of(kernel, "tebs")
    assert teb["TEB"] is None
    assert "has no TEB any more" in teb["Explanation"]


@pytest.mark.proves("real", "x64-9600")
def test_a_processors_idle_thread_is_the_idle_processs(dump: Callable[[str], Kernel]) -> None:
    """It runs in whatever address space was used last, System's here."""
    kernel = dump(IDLE)
    (thread,) = rows_of(kernel, "threads")
    assert (thread["PID"], thread["TID"], thread["Process"]) == (0, 0, "Idle")
    assert thread["Attached"] == kernel.system & ADDRESS
    assert "Thread 0 of Idle (0)" in thread["Explanation"]
    assert "belongs to process" not in (thread["Problems"] or "")


@pytest.mark.proves("real", "x64-19041")
def test_handles_lead_to_objects_that_other_views_know(dump: Callable[[str], Kernel]) -> None:
    """No type can be read in the dump, but the crashed process and thread are what they are."""
    kernel = dump(EF)
    assert kernel.crash is not None
    rows = rows_of(kernel, "handles")
    told = {row["Type"] for row in rows}
    assert told >= {None, "Thread"}
    header = (kernel.crash.thread - 0x30) & ADDRESS
    led = [row for row in rows if row["Header"] == header]
    assert [(row["Type"], row["Name"]) for row in led] == [("Thread", "Tid 4268 Pid 3656")] * 3
    untold = next(row for row in rows if row["Type"] is None)
    assert "no object type could be read" in untold["Problems"]
    assert {row["Type"] for row in rows_of(kernel, "handles", type=["thread"])} == {"Thread"}


@pytest.mark.proves("real", "x64-19041")
def test_a_header_of_which_the_field_is_missing_has_no_vote(dump: Callable[[str], Kernel]) -> None:
    """Of four of five headers only the last bytes are in the dump; the one that has its TypeIndex is right."""
    check = one(rows_of(dump(EF), "selfcheck"), Check="object-type")
    assert (check["Passed"], check["Failed"], check["Unreadable"]) == (1, 0, 4)
    assert check["Result"] == "fits"


@pytest.mark.proves("real", "x64-19041")
def test_a_peb_whose_address_is_not_in_the_file_is_not_said_to_be_anywhere(dump: Callable[[str], Kernel]) -> None:
    """System and Registry (108) have none; of the others the dump holds too little to tell."""
    texts = {row["PID"]: row["Explanation"] for row in rows_of(dump(HANDLES), "peb")}
    assert texts.keys() == {4, 108, 368, 7096}
    assert all("has no PEB" in texts[pid] for pid in (4, 108))
    assert all(texts[pid].startswith("Whether ") for pid in (368, 7096))


def test_an_image_whose_file_cannot_be_read_is_an_image(case: Callable[[str], Kernel]) -> None:
    """Subsection, control area, file object or name unreadable, and a name of no characters."""
    kernel = case("vadf")
    rows = [row for row in rows_of(kernel, "vads", pid=[EXPLORER]) if row["VadType"] == "VadImageMap"]
    lost = [row for row in rows if row["File"] is None]
    assert len(lost) == 6
    for row in lost:
        assert "has an image mapped" in row["Explanation"]
        assert "its file's name not readable" in row["Explanation"]
        assert row["Problems"]
    modules = [row for row in rows_of(kernel, "modules", pid=[EXPLORER]) if row["MappedPath"] is None]
    assert len(modules) == 6
    for row in modules:
        assert "MappedPath: " in row["Problems"]
        assert "do not agree" not in row["Explanation"]
    assert not any(row["Rule"] == "image-without-file" for row in rows_of(kernel, "findings"))


def test_a_pico_process_runs_a_linux_program(case: Callable[[str], Kernel]) -> None:
    """It is minimal and has no name and no PEB, but a program runs in it."""
    kernel = case("pico")
    (row,) = rows_of(kernel, "processes", pid=[PICO])
    assert "is a pico process: a Linux program runs in it" in row["Explanation"]
    (peb,) = rows_of(kernel, "peb", pid=[PICO])
    assert "it is a pico process" in peb["Explanation"]
    (teb,) = rows_of(kernel, "tebs", pid=[PICO])
    assert "runs a program of another system" in teb["Explanation"] or teb["TEB"]
