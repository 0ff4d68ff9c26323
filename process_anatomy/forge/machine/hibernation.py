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
    BLOCK_ALIGNMENT,
    BLOCK_HEADER,
    BLOCK_MARK,
    BLOCK_PAGES_BITS,
    LENGTH_AT,
    PAGE_SIZE_AT,
    RANGE_PAGES_BITS,
    RANGES_BITS,
    RESTORE_SETS,
    SET_PAGES,
    SIZE_BITS,
    TABLES,
    RestoreSets,
    Tables,
    header_length,
)

SMALLEST = 1 << 24
"""Bytes of the file at the least: Windows makes it as large as it may have to be, long before it writes to it."""
FIRST_SET = 7
"""Page of the file at which the set of the boot loader begins; header and state of the processor lie before it."""
FIRST_TABLE = 3
"""Page of the file that the first table of Windows 7 is in."""
WAYS = (0, 1, 2, 3)
"""Methods in the words of sets, in turn."""


def write_hibernation(image: Image, path: Path) -> None:
    """A hibernation file of the image's own Windows.

    Raises:
        ValueError: that Windows writes none in a form that is known.
    """
    length = header_length(image.truth["build"], image.pointer_size)
    header = bytearray(PAGE)
    with path.open("wb") as file:
        if length in RESTORE_SETS:
            _write_rows(image, file, header, RESTORE_SETS[length])
        else:
            _write_tables(image, file, header, TABLES[length])
        file.truncate(max(SMALLEST, -(-file.tell() // PAGE) * PAGE))
        at = PAGE_SIZE_AT[image.pointer_size]
        struct.pack_into("<4sI", header, 0, b"HIBR" if length in RESTORE_SETS else b"hibr", 1)
        struct.pack_into("<I", header, LENGTH_AT, length)
        struct.pack_into("<I", header, at, PAGE)
        struct.pack_into("<Q", header, at + image.pointer_size, image.system_time)
        file.seek(0)
        file.write(header)


def _write_rows(image: Image, file: BinaryIO, header: bytearray, places: RestoreSets) -> None:
    """Since Windows 8: the sets that the boot loader restores, then those that the kernel restores."""
    frames = sorted(image.physical)
    half = -(-len(frames) // 2)
    word = "<Q" if places.pointer_size == 8 else "<I"
    file.seek(FIRST_SET * PAGE)
    _write_sets(image, file, frames[:half], places.pointer_size)
    kernel = -(-file.tell() // PAGE)
    file.seek(kernel * PAGE)
    _write_sets(image, file, frames[half:], places.pointer_size)
    struct.pack_into("<Q", header, places.loader_pages, half)
    struct.pack_into(word, header, places.boot_page, FIRST_SET)
    struct.pack_into(word, header, places.kernel_page, kernel)
    struct.pack_into("<QQ", header, places.kernel_pages - 8, half, len(frames) - half)
    struct.pack_into(word, header, places.highest_page, image.memory_size // PAGE - 1)


def _write_tables(image: Image, file: BinaryIO, header: bytearray, places: Tables) -> None:
    """Windows 7: tables, each with as many ranges as fit in its page, and the blocks of their pages behind it."""
    each = places.pointer_size
    word, room = ("<QQ", "<II")[each == 4], PAGE // (2 * each) - 1
    ranges = _ranges(sorted(image.physical))
    page = FIRST_TABLE
    struct.pack_into(word[:2], header, places.first_table, page)
    for at in range(0, len(ranges), room):
        part = ranges[at : at + room]
        file.seek((page + 1) * PAGE)
        frames = [frame for first, count in part for frame in range(first, first + count)]
        for start in range(0, len(frames), SET_PAGES):
            content = b"".join(image.physical[frame] for frame in frames[start : start + SET_PAGES])
            packed = xpress(content)
            packed = content if len(packed) >= len(content) else packed
            number = len(content) // PAGE - 1 | len(packed) - 1 << BLOCK_PAGES_BITS
            file.write((BLOCK_MARK + struct.pack("<I", number)).ljust(BLOCK_HEADER, b"\0") + packed)
            file.seek(-file.tell() % BLOCK_ALIGNMENT, 1)
        end = file.tell()
        following = -(-end // PAGE) if at + room < len(ranges) else 0
        file.seek(page * PAGE)
        file.write(struct.pack(word, following, len(part)))
        file.writelines(struct.pack(word, first, first + count) for first, count in part)
        file.seek(end)
        page = following


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
    """Ranges of frames that are packed together."""
    for at in range(0, len(frames), SET_PAGES):
        yield _ranges(frames[at : at + SET_PAGES])


def _ranges(frames: list[int]) -> list[tuple[int, int]]:
    """First frame and number of each range in frames that are in order."""
    ranges: list[tuple[int, int]] = []
    for frame in frames:
        if ranges and sum(ranges[-1]) == frame:
            ranges[-1] = (ranges[-1][0], ranges[-1][1] + 1)
        else:
            ranges.append((frame, 1))
    return ranges
