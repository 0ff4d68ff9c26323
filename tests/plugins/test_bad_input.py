"""Bad input gets one line that says what is wrong, a status that is not 0, and never a traceback."""

from __future__ import annotations

import lzma
from collections.abc import Callable
from pathlib import Path

import pytest

from process_anatomy.errors import RequestError
from process_anatomy.volatility import opening
from tests.conftest import ROOT, Vol

SAMPLE = ROOT / "samples" / "lab-win11-22621.dmp"
PLUGINS = ["processes", "vads", "tokens", "groups", "privileges", "claims", "dacls", "creation", "dt"]


def arm64_header() -> bytes:
    """The first page of a kernel for ARM64."""
    page = bytearray(0x1000)
    page[:2], page[0x3C:0x40], page[0xF0:0xF4] = b"MZ", (0xF0).to_bytes(4, "little"), b"PE\0\0"
    for at, value in ((0x04, 0xAA64), (0x50, 0x104_7000), (0x5C, 1)):  # Machine, SizeOfImage, Subsystem
        page[0xF0 + at : 0xF0 + at + 4] = value.to_bytes(4, "little")
    return bytes(page)


BAD_FILES: dict[str, tuple[Callable[[], bytes], str]] = {
    "empty": (lambda: b"", "the file is empty"),
    "text": (lambda: b"hello, this is a text file\n" * 400, "this looks like a text file"),
    "zeros": (lambda: bytes(3 << 20), "it starts with nothing but zeros"),
    "minidump": (lambda: b"MDMP\x93\xa7" + bytes(8192), "a user-mode minidump"),
    "executable": (lambda: b"MZ" + bytes(8192), "this is an executable"),
    "linux": (lambda: bytes(1 << 20) + b"Linux version 6.1.0 (gcc)" + bytes(1 << 20), "this holds a Linux kernel"),
    "macos": (lambda: bytes(1 << 20) + b"Darwin Kernel Version 23.1.0" + bytes(1 << 20), "this holds a macOS kernel"),
    "arm64": (lambda: bytes(1 << 20) + arm64_header() + bytes(1 << 20), "this is Windows for ARM64"),
    "tiny": (lambda: b"\x01", "not a Windows memory image"),
    "truncated dump": (lambda: SAMPLE.read_bytes()[: SAMPLE.stat().st_size // 4], "truncated"),
    "dump without its end": (lambda: SAMPLE.read_bytes()[: -SAMPLE.stat().st_size // 10], "the file is truncated"),
    "resumed hibernation file": (lambda: b"WAKE" + bytes(1 << 20), "hibernation file of a system that was resumed"),
    "encrypted .zdmp": (lambda: b"ZDMP\0\1\0\0" + bytes(8) + b"\0\0\1\0\3\0\2\0" + bytes(8192), "(.zdmp) is encrypted"),
    "dump header only": (lambda: SAMPLE.read_bytes()[:0x1800], "cannot be read"),
}


def only_line(answer_err: str) -> str:
    """The one line of ours on standard error, behind Volatility's banner."""
    lines = [line for line in answer_err.splitlines() if line.strip() and not line.startswith("Volatility 3 Framework")]
    assert len(lines) == 1, answer_err
    return lines[0]


@pytest.mark.parametrize("name", BAD_FILES)
def test_a_file_that_is_no_image_is_told_in_one_line(name: str, vol: Vol, tmp_path: Path) -> None:
    """What the file looks like is said, and nothing is produced."""
    make, words = BAD_FILES[name]
    path = tmp_path / "input"
    path.write_bytes(make())
    answer = vol("-r", "json", "-f", path, "windows.anatomy.processes")
    assert (answer.status, answer.out) == (1, "")
    line = only_line(answer.err)
    assert words in line
    assert line.startswith("windows.anatomy.processes: ")


@pytest.mark.parametrize("plugin", PLUGINS)
def test_every_plugin_declines_a_text_file(plugin: str, vol: Vol, tmp_path: Path) -> None:
    """All plugins over an image say it the same way."""
    path = tmp_path / "notes.txt"
    path.write_text("nothing here\n" * 100)
    answer = vol("-r", "json", "-f", path, f"windows.anatomy.{plugin}")
    assert answer.status == 1
    assert only_line(answer.err).startswith(f"windows.anatomy.{plugin}: this looks like a text file")


def test_a_directory_is_told_in_one_line(vol: Vol, tmp_path: Path) -> None:
    """A directory is no image."""
    answer = vol("-r", "json", "-f", tmp_path, "windows.anatomy.processes")
    assert answer.status == 1
    assert only_line(answer.err).endswith("is a directory, not a memory image")


def test_a_missing_file_is_told(vol: Vol, tmp_path: Path) -> None:
    """Volatility itself says so, with status 2."""
    answer = vol("-f", tmp_path / "nowhere.raw", "windows.anatomy.processes")
    assert answer.status == 2
    assert "File does not exist" in answer.err
    assert "Traceback" not in answer.err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["windows.anatomy.processes", "--pid", "999999"], "no process has id 999999"),
        (["windows.anatomy.vads", "--pid", "4,999998,999999"], "no process has id 999998, 999999"),
        (["windows.anatomy.tokens", "--pid", "abc"], "--pid takes process ids, not 'abc'"),
        (["windows.anatomy.tokens", "--pid", "-4"], ""),
        (["windows.anatomy.dt", "--structure", "_NOSUCH"], "no structure is named '_NOSUCH'"),
        (["windows.anatomy.dt", "--address", "zz"], "--address takes a number, not 'zz'"),
        (["windows.anatomy.dt", "--structure", "_EPROCES"], "no structure is named '_EPROCES'; near it are _EPROCESS"),
        (["windows.anatomy.dt", "--structure", "_EPROCESS.Vmm"], "_EPROCESS has no field 'Vmm'; near it are Vm"),
        (["windows.anatomy.dt", "--depth", "all"], "--depth takes a number, not 'all'"),
        (["windows.anatomy.processes", "--isf", "/nowhere.json"], "cannot use the symbol table"),
        (["windows.anatomy.explain", "--about", "xyzzy"], "nothing is about 'xyzzy'"),
    ],
)
def test_a_question_without_an_answer_is_told_in_one_line(arguments: list[str], words: str, vol: Vol) -> None:
    """The image is fine, the question is not."""
    answer = vol("-r", "json", "-f", SAMPLE, *arguments)
    assert answer.status != 0
    assert answer.out == ""
    assert words in answer.err
    assert "Traceback" not in answer.err


def test_an_isf_that_is_no_symbol_table_is_told(vol: Vol, tmp_path: Path) -> None:
    """JSON that is no symbol table is named and declined."""
    table = tmp_path / "table.json"
    table.write_text('{"user_types": []}')
    answer = vol("-r", "json", "-f", SAMPLE, "windows.anatomy.processes", "--isf", table)
    assert answer.status == 1
    assert "is not a Volatility symbol table" in only_line(answer.err)


def test_a_symbol_table_that_unpacks_to_too_much_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opening, "ISF_LIMIT", 1 << 20)
    bomb = tmp_path / "bomb.json.xz"
    bomb.write_bytes(lzma.compress(b" " * (1 << 22)))
    with pytest.raises(RequestError, match=r"bomb\.json\.xz: it has more than 1,048,576 bytes"):
        opening.read_isf(str(bomb))


def test_an_address_without_memory_gives_rows_with_the_reason(vol: Vol) -> None:
    """`dt` at an address where nothing is keeps its rows and says why they are empty."""
    rows = vol("-r", "json", "-f", SAMPLE, "windows.anatomy.dt", "--address", "0xffff900000001000").rows
    assert rows
    assert {row["Value"] for row in rows if row["Offset"] is not None} == {None}
    assert all("no page is mapped here" in row["Problems"] for row in rows if row["Offset"] is not None)
