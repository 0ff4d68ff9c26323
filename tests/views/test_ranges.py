"""The bytes of ranges: shown, and written to files, beside the forge's truth and another reader of the same memory."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from process_anatomy import open_image
from process_anatomy.command.places import into
from process_anatomy.command.program import main
from process_anatomy.errors import RequestError
from process_anatomy.views.image import Image
from process_anatomy.views.ranges import MOST_SHOWN, MOST_WRITTEN, PAGE
from process_anatomy.volatility import open_path
from tests.conftest import SAMPLE

INJECTED, UNREAD, LIBRARY = 0x15943A40000, 0x5C53400000, 0x7FFD6BED0000
"""Ranges of process 5212 of the sample: code that was put there, a stack of which no page is there, and helper.dll."""
PID = 5212


@pytest.fixture(scope="module")
def sample() -> Image:
    return open_image(SAMPLE)


def memory(address: int, size: int) -> bytes:
    """The same bytes, a page at a time, through the reader of single addresses."""
    kernel = open_path(SAMPLE)
    dtb = json.loads((SAMPLE.parent / "lab-win11-22621.truth.json").read_text("utf-8"))
    (root,) = (process["dtb"] for process in dtb["processes"] if process["pid"] == PID)
    own = kernel.space.through(root)
    return b"".join(own.read(address + place, PAGE) or bytes(PAGE) for place in range(0, size, PAGE))


def ranges(sample: Image, **options: Any) -> list[Any]:
    return list(sample.view("vads", pid=PID, **options))


def test_the_range_that_holds_an_address_is_shown_with_its_first_bytes(sample: Image) -> None:
    (row,) = ranges(sample, address=INJECTED + 0x2345, bytes=40)
    assert (row["Start VPN"], row.depth) == (INJECTED, 0)
    shown = " ".join(line[6:53] for line in row["Bytes"]).split()
    assert bytes.fromhex("".join(shown)) == memory(INJECTED, PAGE)[:40]
    assert row["Bytes"][0] == "0000  fc 48 83 e4 f0 e8 00 00 00 00 20 74 68 69 73 20  .H........ this"
    assert len(row["Bytes"]) == 3
    assert ranges(sample, address=0x1000) == []


def test_bytes_that_are_not_in_the_image_are_no_zeros(sample: Image) -> None:
    (row,) = ranges(sample, address=UNREAD, bytes=17)
    assert (row["Bytes"], row.absent["Bytes"]) == (None, "no page is mapped here")
    assert row["Problems"] == ["Bytes: no page is mapped here"]
    (row,) = ranges(sample, address=LIBRARY, bytes=PAGE + 17)
    assert row["Bytes"][-2] == "1000  " + " ".join(["??"] * 16) + "  " + "?" * 16
    assert row["Bytes"][-1].split() == ["1010", "??", "?"]
    assert row["Problems"] == ["Bytes: 1 of 2 pages could not be read: no page is mapped here"]
    assert " ".join(line[6:53] for line in row["Bytes"][:256]) == memory(LIBRARY, PAGE).hex(" ")


def test_nothing_is_shown_or_written_unasked(sample: Image) -> None:
    for row in ranges(sample):
        assert (row["Bytes"], row["File output"]) == (None, "Disabled")


def test_a_file_holds_the_whole_range_with_zeros_where_a_page_is_missing_and_says_so(
    sample: Image, tmp_path: Path
) -> None:
    rows = ranges(sample, mapped="helper.dll", dump=True, output=into(tmp_path / "case"))
    (row,) = rows
    (file,) = (tmp_path / "case").iterdir()
    assert file.name == "pid.5212.vad.0x7ffd6bed0000-0x7ffd6c0cffff.notepad.exe.dmp"
    assert row["File output"] == str(file)
    assert file.read_bytes() == memory(LIBRARY, 512 * PAGE)
    assert "File output: 511 of 512 pages could not be read, and are zeros in the file" in row["Problems"]
    (again,) = ranges(sample, address=LIBRARY, dump=True, output=into(tmp_path / "case"))
    assert again["File output"] == str(file.with_name(file.name.replace("ffff.", "ffff-1.")))


def test_a_range_without_a_page_gives_no_file(sample: Image, tmp_path: Path) -> None:
    (row,) = ranges(sample, address=UNREAD, dump=True, output=into(tmp_path))
    assert row["File output"] is None
    assert row["Problems"] == ["File output: none of its 128 pages could be read"]
    assert list(tmp_path.iterdir()) == []


def test_what_cannot_be_written_is_told_in_its_row(sample: Image, tmp_path: Path, monkeypatch: Any) -> None:
    (tmp_path / "mine").write_text("a file, and no folder")
    (row,) = ranges(sample, address=INJECTED, dump=True, output=into(tmp_path / "mine"))
    assert row["File output"] is None
    assert row.absent["File output"].startswith("the range could not be written: ")
    monkeypatch.setattr("process_anatomy.views.ranges.MOST_WRITTEN", PAGE)
    (row,) = ranges(sample, address=INJECTED, dump=True, output=into(tmp_path))
    assert "larger than" in row.absent["File output"]
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]
    assert MOST_WRITTEN == 1 << 30


def test_all_files_together_have_a_limit(sample: Image, tmp_path: Path, monkeypatch: Any) -> None:
    """What is over it is told in its row, the smaller ones that still have room are written, nothing is cut."""
    monkeypatch.setattr("process_anatomy.views.memory_files.LEAST", 1 << 20)
    monkeypatch.setattr("process_anatomy.views.memory_files.TIMES", 0)
    rows = ranges(sample, dump=True, output=into(tmp_path))
    refused = [row for row in rows if "File output" in row.absent]
    assert {row.absent["File output"] for row in refused} == {
        "the range could not be written: all files together would have more than 1 MiB, the limit for this image"
    }
    written = {Path(str(row["File output"])): row for row in rows if row["File output"]}
    assert written.keys() == set(tmp_path.iterdir())
    assert all(path.stat().st_size == row["End VPN"] + 1 - row["Start VPN"] for path, row in written.items())
    assert sum(path.stat().st_size for path in written) <= 1 << 20


@pytest.mark.parametrize("count", [0, -1, MOST_SHOWN + 1])
def test_more_bytes_than_a_row_shows_are_refused_in_one_line(count: int, sample: Image) -> None:
    with pytest.raises(RequestError, match=f"--bytes takes 1 to 65536, not {count}"):
        ranges(sample, bytes=count)


def test_files_need_a_place(sample: Image) -> None:
    with pytest.raises(RequestError, match="no place to write ranges to"):
        ranges(sample, dump=True)


def test_the_command_shows_bytes_as_lines_and_names_the_file(capsys: Any, tmp_path: Path) -> None:
    asked = ["vads", "--pid", str(PID), "--set", f"address={INJECTED:#x}", "--set", "bytes=32", "--set", "dump=yes"]
    assert main(["show", str(SAMPLE), *asked, "-o", str(tmp_path)]) == 0
    out = capsys.readouterr().out
    assert "\n      0010  69 73 20 70 72 61 63 74 69 63 65 2c 20 6e 6f 74  is practice, not\n" in out
    assert "File output: " in out
    (file,) = tmp_path.iterdir()
    assert file.stat().st_size == 4 * PAGE
