"""Which parts of a crash dump a compressed one (.zdmp) holds: blocks that follow one another, each with a checksum.

Source: see :mod:`structs.zdmp`.
"""

from __future__ import annotations

import struct
import zlib
from array import array
from dataclasses import dataclass

import numpy as np

from process_anatomy.memory.decompression import lznt1
from process_anatomy.memory.packed import MOST_PAGES, Blocks, Packed, PackedError
from process_anatomy.memory.physical import PAGE, PageReader
from structs.zdmp import BLOCK_HEADER, BLOCK_SIGNATURE, COMPRESSED, ENCRYPTED, FIRST_BLOCK, HEADER, LZNT1, VERSION

LARGEST_BLOCK = 1 << 24
"""Bytes of a block at the most; each is unpacked as a whole."""
BLOCK = struct.Struct("<4sII")
"""The header of a block: the same as :data:`structs.zdmp.BLOCK_HEADER`, for many."""


@dataclass(frozen=True)
class CompressedDump:
    """What a compressed crash dump holds.

    Attributes:
        packed: the pages of the crash dump, numbered as they lie in it.
        doubts: what whoever reads it has to know, one line each.
    """

    packed: Packed
    doubts: tuple[str, ...]


def read_zdmp(read: PageReader, size: int) -> CompressedDump:
    """The parts of a crash dump.

    Args:
        read: gives bytes of the file, ``None`` where it has not all of them.
        size: bytes of the file.

    Raises:
        PackedError: the file cannot be read; the message says why, and what to do, in one line.
    """
    start = read(0, HEADER.sizeof())
    if start is None:
        raise PackedError(
            f"this compressed crash dump (.zdmp) ends within its header, after {size} bytes: copy it again"
        )
    head = HEADER.parse(start)
    convert = "turn it into a crash dump with z2dmp, of DumpIt's maker, first"
    if head.DataType & ENCRYPTED:
        raise PackedError(f"this compressed crash dump (.zdmp) is encrypted: {convert}")
    if (head.Version, head.DataType, head.CompressionFormat) != (VERSION, COMPRESSED, LZNT1):
        what = f"version {head.Version:#x}, type {head.DataType:#x}, compression {head.CompressionFormat:#x}"
        raise PackedError(f"this compressed crash dump (.zdmp) is of a form that is not known ({what}): {convert}")
    if not 0 < head.BlockSize <= LARGEST_BLOCK or head.BlockSize % PAGE:
        raise PackedError(f"this compressed crash dump (.zdmp) is damaged: its blocks have {head.BlockSize:#x} bytes")
    offsets, sizes, why = _blocks(read, size, head.BlockSize)
    if not len(offsets):
        raise PackedError(f"this compressed crash dump (.zdmp) holds no block: {why or 'it ends with its header'}")
    count, pages = len(offsets), head.BlockSize // PAGE
    there = count * head.BlockSize
    doubts = []
    if there < head.FileSize:
        where = why or f"it ends at {size:#x}"
        doubts.append(
            f"the compressed crash dump holds {there:,} of {head.FileSize:,} bytes of the crash dump ({where}): memory"
            " that is in the others cannot be read"
        )
    blocks = Blocks(
        np.frombuffer(offsets, dtype=np.int64),
        np.frombuffer(sizes, dtype=np.int64),
        np.zeros(count, dtype=np.uint8),
        np.arange(count + 1, dtype=np.int64) * pages,
    )
    return CompressedDump(Packed(read, blocks, np.arange(count * pages, dtype=np.uint64), unpack), tuple(doubts))


def _blocks(read: PageReader, size: int, block_size: int) -> tuple[array[int], array[int], str]:
    """Place and bytes of each block with its header, as far as one follows another, and why there are not more."""
    offsets, sizes = array("q"), array("q")
    place = FIRST_BLOCK
    while place < size:
        if (len(offsets) + 1) * block_size > MOST_PAGES * PAGE:
            return offsets, sizes, f"more than {MOST_PAGES * PAGE:,} bytes are not read"
        head = read(place, BLOCK.size)
        if head is None:
            return offsets, sizes, f"it ends within the block at {place:#x}"
        signature, bytes_, _ = BLOCK.unpack(head)
        if signature != BLOCK_SIGNATURE or not 0 < bytes_ <= block_size:
            return offsets, sizes, f"what is at {place:#x} is no block"
        if place + BLOCK.size + bytes_ > size:
            return offsets, sizes, f"it ends within the block at {place:#x}"
        offsets.append(place)
        sizes.append(BLOCK.size + bytes_)
        place += BLOCK.size + bytes_
    return offsets, sizes, ""


def unpack(data: bytes, _method: int, size: int) -> bytes | str:
    """The bytes of a block; where they are fewer than a block has, zeros follow, as the maker's own tool has it."""
    head = BLOCK_HEADER.parse(data)
    content = data[BLOCK.size :]
    if zlib.crc32(content) != head.Crc32:
        return "its checksum is wrong"
    if len(content) == size:
        return content
    found = lznt1(content, size)
    return found if isinstance(found, str) else found.ljust(size, b"\0")
