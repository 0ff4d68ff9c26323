"""What the forms of hibernation files have in common: blocks of at most 16 pages, and what is said of a file."""

from __future__ import annotations

from array import array
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from process_anatomy.memory.decompression import xpress, xpress_huffman
from process_anatomy.memory.packed import MOST_PAGES, Blocks, Packed, PackedError
from process_anatomy.memory.physical import PAGE, PageReader
from structs.hibernation import EITHER, SET_PAGES, STORED, XPRESS

MOST_BLOCKS = MOST_PAGES // SET_PAGES
"""Blocks of a file that are read at the most."""
HIGHEST_PAGE = 1 << 40
"""One past the number of any page that a processor can address."""
CODES = 256
"""Bytes of the lengths of Huffman codes, which what is packed with them begins with."""


class HibernationError(PackedError):
    """A hibernation file that cannot be read; the message says why, and what to do, in one line."""


@dataclass(frozen=True)
class HibernationFile:
    """What a hibernation file holds.

    Attributes:
        windows: which Windows wrote such files.
        pointer_size: bytes of an address there.
        packed: its pages.
        lost: bytes of memory that its header promises and that are not in it.
        doubts: what whoever reads it has to know, one line each.
    """

    windows: str
    pointer_size: int
    packed: Packed
    lost: int
    doubts: tuple[str, ...]


class BlockList:
    """Blocks as they are found, one after another."""

    def __init__(self) -> None:
        self.offsets, self.sizes = array("q"), array("q")
        self.methods, self.counts = array("B"), array("B")

    def __len__(self) -> int:
        return len(self.offsets)

    def add(self, offset: int, size: int, method: int, pages: int) -> None:
        """Take up a block: where its bytes lie in the file, how many they are, how they are packed, and its pages."""
        self.offsets.append(offset)
        self.sizes.append(size)
        self.methods.append(STORED if size == pages * PAGE else method)
        self.counts.append(pages)

    def packed(self, read: PageReader, pages: npt.NDArray[np.uint64]) -> Packed:
        """All of them, with the numbers of their pages."""
        blocks = Blocks(
            np.frombuffer(self.offsets, dtype=np.int64),
            np.frombuffer(self.sizes, dtype=np.int64),
            np.frombuffer(self.methods, dtype=np.uint8),
            np.append(0, np.cumsum(np.frombuffer(self.counts, dtype=np.uint8), dtype=np.int64)),
        )
        return Packed(read, blocks, pages, unpack)


def numbers_of(first: npt.NDArray[np.uint64], counts: npt.NDArray[np.int64]) -> npt.NDArray[np.uint64]:
    """The numbers of the pages of ranges, one range after another."""
    within = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
    return np.repeat(first, counts) + within.astype(np.uint64)


def unpack(data: bytes, method: int, size: int) -> bytes | str:
    """The pages of a block, as it is packed."""
    if method == STORED:
        return data
    if method != EITHER:
        return xpress(data, size) if method == XPRESS else xpress_huffman(data, size)
    ways = (xpress_huffman, xpress) if begins_with_codes(data) else (xpress, xpress_huffman)
    found = ways[0](data, size)
    return ways[1](data, size) if isinstance(found, str) else found


def begins_with_codes(data: bytes) -> bool:
    """Whether data begins with the lengths of a whole Huffman code, as hardly any other data does.

    In a whole code each sequence of bits has one meaning: Kraft's sum is exactly 1.
    """
    table = np.frombuffer(data[:CODES], dtype=np.uint8)
    lengths = np.concatenate([table & 15, table >> 4]).astype(np.int64)
    return len(table) == CODES and int((1 << 15 - lengths[lengths > 0]).sum()) == 1 << 15
