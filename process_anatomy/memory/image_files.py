"""Which bytes of an image file are which physical memory, in forms that Volatility reads only in part.

Source: the ELF specification, chapter 5 (program headers), and QEMU's dump.c, which writes such files for ``virsh dump
--memory-only``; LiME's manual (a header of 32 bytes before each range); ReactOS's and Volatility's _SUMMARY_DUMP.
"""

from __future__ import annotations

import struct

import numpy as np

from process_anatomy.memory.physical import PAGE, PageReader, Run
from structs.dump import SUMMARY_DUMP, SUMMARY_SIGNATURES, SUMMARY_VALID

RUN_LIMIT = 1 << 16
"""Ranges of a file at the most; real ones have a few dozen."""
ELF_HEADER = struct.Struct("<16sHHIIIIIHHHHHH")
ELF_SEGMENT = struct.Struct("<8I")
ELF_START = b"\x7fELF\x01\x01"
"""Of a file of 32 bits, in little-endian order."""
CORE, LOADED = 4, 1
"""ET_CORE and PT_LOAD."""
MANY, COUNT_PLACE = 0xFFFF, 28
"""PN_XNUM: there are so many segments that the first section header tells how many, at this place (sh_info)."""
LIME_HEADER = struct.Struct("<4sIQQQ")
LIME_START, LIME_VERSION = b"EMiL", 1


def elf32_runs(read: PageReader) -> list[Run]:
    """The memory in a core file of 32 bits, in the order of its addresses; none where the file is no such thing.

    Args:
        read: gives bytes of the file, ``None`` where it has not all of them.
    """
    head = read(0, ELF_HEADER.size)
    if head is None or not head.startswith(ELF_START):
        return []
    _, kind, _, _, _, segments, sections, _, _, each, count, *_ = ELF_HEADER.unpack(head)
    if kind != CORE or each < ELF_SEGMENT.size:
        return []
    if count == MANY:
        told = read(sections + COUNT_PLACE, 4)
        count = 0 if told is None else int.from_bytes(told, "little")
    found: list[Run] = []
    for number in range(min(count, RUN_LIMIT)):
        entry = read(segments + number * each, ELF_SEGMENT.size)
        if entry is None:
            break
        kind, offset, _, start, in_file, _, _, _ = ELF_SEGMENT.unpack(entry)
        if kind == LOADED and in_file:
            found.append(Run(start, in_file, offset))
    return apart(found)


def lime_runs(read: PageReader, size: int) -> tuple[list[Run], int]:
    """The ranges of a LiME file as far as one follows another, and how many bytes of it come after the last.

    Args:
        read: gives bytes of the file, ``None`` where it has not all of them.
        size: bytes of the file.
    """
    found: list[Run] = []
    place = 0
    while place < size and len(found) < RUN_LIMIT:
        head = read(place, LIME_HEADER.size)
        if head is None:
            break
        magic, number, first, last, _ = LIME_HEADER.unpack(head)
        if (magic, number) != (LIME_START, LIME_VERSION) or last < first:
            break
        place += LIME_HEADER.size
        found.append(Run(first, last - first + 1, place))
        place += last - first + 1
    return apart(found), max(size - place, 0)


def bitmap_runs(read: PageReader, place: int) -> list[Run]:
    """The pages of a bitmap dump, which lie one after another in the order of their bits.

    Args:
        read: gives bytes of the file, ``None`` where it has not all of them.
        place: where the header of the bitmap begins.

    Returns:
        No run where there is no such header, or not all of its bitmap.
    """
    head = read(place, SUMMARY_DUMP.sizeof())
    if head is None or head[:4] not in SUMMARY_SIGNATURES or head[4:8] != SUMMARY_VALID:
        return []
    summary = SUMMARY_DUMP.parse(head)
    octets = read(place + len(head), -(-summary.BitmapSize // 8))
    if not octets:
        return []
    bits = np.unpackbits(np.frombuffer(octets, dtype=np.uint8), bitorder="little", count=summary.BitmapSize)
    edges = np.flatnonzero(np.diff(bits.astype(np.int8), prepend=0, append=0))
    starts, lengths = edges[::2], edges[1::2] - edges[::2]
    before = np.cumsum(lengths) - lengths
    found = zip(starts.tolist(), lengths.tolist(), before.tolist(), strict=True)
    return [Run(start * PAGE, length * PAGE, summary.HeaderSize + earlier * PAGE) for start, length, earlier in found]


def apart(runs: list[Run]) -> list[Run]:
    """Runs in the order of their addresses, without those that begin within the one before."""
    kept: list[Run] = []
    for run in sorted(runs):
        if not kept or run.start >= kept[-1].start + kept[-1].length:
            kept.append(run)
    return kept
