"""The same memory as Windows writes it to hiberfil.sys.

Only frames in use are written: Windows leaves out what is free.  All ways of packing a set take turns, so that whoever
reads the file has to know each of them.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from itertools import cycle
from pathlib import Path
from typing import BinaryIO

from process_anatomy.forge.memory.compressors import xpress, xpress_huffman
from process_anatomy.forge.memory.frames import PAGE
from process_anatomy.forge.parts.image import Image
from structs.hibernation import (
    LENGTH_AT,
    PAGE_SIZE_AT,
    RANGE_PAGES_BITS,
    RANGES_BITS,
    RESTORE_SETS,
    SET_PAGES,
    SIZE_BITS,
    header_length,
)

SMALLEST = 1 << 24
"""Bytes of the file at the least: Windows makes it as large as it may have to be, long before it writes to it."""
FIRST_SET = 7
"""Page of the file at which the set of the boot loader begins; header and state of the processor lie before it."""
WAYS = (0, 1, 2, 3)
"""Methods in the words of sets, in turn."""


def write_hibernation(image: Image, path: Path) -> None:
    """A hibernation file of the image's own Windows.

    Raises:
        ValueError: that Windows writes none in a form that is known.
    """
    build = image.truth["build"]
    length = header_length(build, image.pointer_size)
    places = RESTORE_SETS[length]
    frames = sorted(image.physical)
    half = -(-len(frames) // 2)
    header = bytearray(PAGE)
    word = "<Q" if places.pointer_size == 8 else "<I"
    with path.open("wb") as file:
        file.seek(FIRST_SET * PAGE)
        _write_sets(image, file, frames[:half], places.pointer_size)
        kernel = -(-file.tell() // PAGE)
        file.seek(kernel * PAGE)
        _write_sets(image, file, frames[half:], places.pointer_size)
        file.truncate(max(SMALLEST, -(-file.tell() // PAGE) * PAGE))
        struct.pack_into("<4sI", header, 0, b"HIBR", 1)
        struct.pack_into("<I", header, LENGTH_AT, length)
        struct.pack_into("<I", header, PAGE_SIZE_AT[places.pointer_size], PAGE)
        struct.pack_into(
            "<Q", header, PAGE_SIZE_AT[places.pointer_size] + (8 if word == "<Q" else 4), image.system_time
        )
        struct.pack_into("<Q", header, places.loader_pages, half)
        struct.pack_into(word, header, places.boot_page, FIRST_SET)
        struct.pack_into(word, header, places.kernel_page, kernel)
        struct.pack_into("<QQ", header, places.kernel_pages - 8, half, len(frames) - half)
        struct.pack_into(word, header, places.highest_page, image.memory_size // PAGE - 1)
        file.seek(0)
        file.write(header)


def _write_sets(image: Image, file: BinaryIO, frames: list[int], pointer_size: int) -> None:
    """Compression sets of some frames, from where the file is."""
    for method, ranges in zip(cycle(WAYS), _grouped(frames)):
        content = b"".join(image.physical[frame] for first, count in ranges for frame in range(first, first + count))
        packed = xpress_huffman(content) if method else xpress(content)
        if len(packed) >= len(content):
            packed = content
        file.write(struct.pack("<I", len(ranges) | len(packed) << RANGES_BITS | method << RANGES_BITS + SIZE_BITS))
        for first, count in ranges:
            file.write((first << RANGE_PAGES_BITS | count - 1).to_bytes(pointer_size, "little"))
        file.write(packed)


def _grouped(frames: list[int]) -> Iterator[list[tuple[int, int]]]:
    """Frames that are packed together: ranges of first frame and number."""
    for at in range(0, len(frames), SET_PAGES):
        ranges: list[tuple[int, int]] = []
        for frame in frames[at : at + SET_PAGES]:
            if ranges and sum(ranges[-1]) == frame:
                ranges[-1] = (ranges[-1][0], ranges[-1][1] + 1)
            else:
                ranges.append((frame, 1))
        yield ranges
