"""A range of a device far behind all memory, as core files of virtual machines hold one, voids no check of roots."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from process_anatomy.forge import Image, forge
from process_anatomy.forge.cast.hiding import HIDING
from process_anatomy.kernel.layout_checks import process_checks
from process_anatomy.kernel.observations import Sample
from process_anatomy.volatility import open_path
from process_anatomy.walk.crossview.crossings import crossview
from process_anatomy.walk.processes.objects_in_memory import Judge, header_size
from process_anatomy.walk.processes.scan import scan
from structs.eprocess import EPROCESS
from tests.walk.damaged import PAGE, Editor, kernel_of
from tests.walk.garbage import pool

VIDEO, VIDEO_SIZE = 0xE000_0000, 2 << 20
"""Where the video memory of a virtual machine lies, and bytes of it."""
HOLE = 0x4000_0000
"""Behind all memory, and before that."""
CORE, LOADED, X86_64 = 4, 1, 62
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")
"""Volatility checks its table of ELF by a schema with what jsonschema calls old, and takes a warning for a fault."""


def write_core(path: Path, image: Image, frames: Mapping[int, bytes], video: bytes) -> Path:
    """A core file of 64 bits: a segment for each run of memory, and one for what a device has."""
    ranges = [(first * PAGE, count * PAGE) for first, count in image.runs] + [(VIDEO, len(video))]
    places = [PAGE + sum(size for _, size in ranges[:number]) for number in range(len(ranges))]
    head = struct.pack(
        "<16sHHIQQQIHHHHHH", b"\x7fELF\2\1\1", CORE, X86_64, 1, 0, 64, 0, 0, 64, 56, len(ranges), 64, 0, 0
    )
    with path.open("wb") as file:
        file.write(head)
        for place, (start, size) in zip(places, ranges, strict=True):
            file.write(struct.pack("<IIQQQQQQ", LOADED, 7, place, 0, start, size, size, 0))
        for place, (start, size) in zip(places, ranges, strict=True):
            for frame in range(start // PAGE, (start + size) // PAGE):
                if frame in frames:
                    file.seek(place + frame * PAGE - start)
                    file.write(frames[frame])
        file.seek(places[-1])
        file.write(video)
    return path


@pytest.fixture(scope="module")
def image() -> Image:
    """The lab with hidden processes."""
    return forge(HIDING, 5)


def like_a_process(image: Image, root: int) -> bytes:
    """What begins as a process does, has none of its lists, and this page-table root."""
    kernel = kernel_of(image)
    structure, size = kernel.build[EPROCESS], header_size(kernel)
    block = bytearray(structure.sizeof)
    threads = structure.offset("ThreadListHeadPcb")
    for field, value in {"HeaderType": 3, "HeaderSize": size or 0, "DirectoryTableBase": root}.items():
        place = structure.place(field)
        block[place.offset : place.offset + place.size] = value.to_bytes(place.size, "little")
    struct.pack_into("<QQ", block, threads, image.truth["processes"][0]["eprocess"], kernel.base)
    return bytes(block)


def test_a_core_file_with_video_memory_has_the_processes_of_the_memory_alone(image: Image, tmp_path: Path) -> None:
    """It is full of what looks like pool blocks of processes, and of what has a root where nothing is."""
    garbage = bytearray(pool(VIDEO_SIZE))
    for place in range(0, VIDEO_SIZE, 0x10000):
        fake = like_a_process(image, HOLE + place)
        garbage[place : place + len(fake)] = fake
    kernel = open_path(write_core(tmp_path / "guest.elf", image, image.physical, bytes(garbage)))
    table, alone = crossview(kernel), crossview(kernel_of(image))
    assert [(r.process.address, r.physical, r.verdict, r.views) for r in table.rows] == [
        (r.process.address, r.physical, r.verdict, r.views) for r in alone.rows
    ]


@pytest.mark.parametrize("root", [HOLE, VIDEO])
def test_what_has_its_root_where_nothing_is_is_not_asked_for_more(
    root: int, image: Image, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A root before the last byte of the image may be one where the image holds it, and nowhere else."""
    video = like_a_process(image, root).ljust(VIDEO_SIZE, b"\0")
    kernel = open_path(write_core(tmp_path / "guest.elf", image, image.physical, video))
    asked: list[bytes] = []
    proved = Judge.proved

    def noted(judge: Judge, octets: np.ndarray[Any, Any], *rest: Any) -> Any:
        asked.extend(row.tobytes() for row in octets)
        return proved(judge, octets, *rest)

    monkeypatch.setattr(Judge, "proved", noted)
    scan(kernel)
    assert (like_a_process(image, root) in asked) == (root == VIDEO)


def test_a_root_that_the_image_does_not_hold_is_no_proof_of_a_layout(image: Image, tmp_path: Path) -> None:
    """It is not counted as right because something lies behind it, nor as wrong, for a part may be missing."""
    edit = Editor(image)
    victim = next(p for p in image.truth["processes"] if p["name"] == "explorer.exe")
    counts = []
    for name, root in (("right", victim["dtb"]), ("hole", HOLE)):
        edit.set(EPROCESS, victim["eprocess"], "DirectoryTableBase", root)
        path = write_core(tmp_path / f"{name}.elf", image, edit.frames, bytes(VIDEO_SIZE))
        checks = process_checks(Sample(open_path(path), 1 << 10), quick=False)
        (check,) = [check for check in checks if check.id == "page-table-root"]
        counts.append((check.passed, check.failed, check.unreadable))
    (passed, failed, unread), hole = counts
    assert hole == (passed - 1, failed, unread + 1)
