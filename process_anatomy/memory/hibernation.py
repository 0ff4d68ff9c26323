"""Which pages of memory a hibernation file holds, and in what blocks they are packed.

Since Windows 8 it holds restore sets: rows of compression sets, each of which follows the one before.

Source: see :mod:`structs.hibernation`.
"""

from __future__ import annotations

import struct
from array import array
from dataclasses import dataclass, replace

import numpy as np

from process_anatomy.memory.decompression import xpress, xpress_huffman
from process_anatomy.memory.packed import Blocks, Packed
from process_anatomy.memory.physical import PAGE, PageReader
from structs.hibernation import (
    EITHER,
    LENGTH_AT,
    LINK,
    METHODS,
    PAGE_SIZE_AT,
    RANGE_PAGES_BITS,
    RANGES_BITS,
    RESTORE_SETS,
    RESUMED,
    SET_PAGES,
    SIZE_BITS,
    STORED,
    WRITTEN,
    XPRESS,
    RestoreSets,
)

WORD = struct.Struct("<I")
MOST_SETS = 1 << 23
"""Sets of a file that are read at the most: those of 512 GB of memory."""
HIGHEST_PAGE = 1 << 40
"""One past the number of any page that a processor can address."""
CODES = 256
"""Bytes of the lengths of Huffman codes, which what is packed with them begins with."""


class HibernationError(ValueError):
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


def read_hibernation(read: PageReader, size: int) -> HibernationFile:
    """The pages of a hibernation file.

    Args:
        read: gives bytes of the file, ``None`` where it has not all of them.
        size: bytes of the file.

    Raises:
        HibernationError: it is none that can be read.
    """
    head = read(0, min(size, PAGE)) or b""
    mark = head[:4].upper()
    if mark not in WRITTEN and mark not in RESUMED and mark != LINK:
        raise HibernationError("this is no hibernation file")
    if len(head) < PAGE:
        raise HibernationError(f"this hibernation file ends within its header, after {size} bytes: copy it again")
    if mark == LINK:
        raise HibernationError(
            "this hibernation file only leads to one on another volume (it begins with link): take that"
        )
    try:
        found = _found(read, size, head)
    except HibernationError as error:
        if mark in WRITTEN:
            raise HibernationError(f"this hibernation file cannot be read: {error}") from None
        begins = f"it begins with {mark.decode('ascii')}"
        raise HibernationError(
            f"this is the hibernation file of a system that {RESUMED[mark]} ({begins}), and memory is no longer in it:"
            f" {error}; take the file while the system is hibernated"
        ) from None
    if mark in WRITTEN:
        return found
    begins = f"the hibernation file begins with {mark.decode('ascii')}"
    told = f"the system {RESUMED[mark]} ({begins}): its memory is that of before"
    return replace(found, doubts=(told, *found.doubts))


def _found(read: PageReader, size: int, head: bytes) -> HibernationFile:
    """The pages, whatever was done with the file after they were written.

    Raises:
        HibernationError: there are none, or the header is none that is known.
    """
    length = WORD.unpack_from(head, LENGTH_AT)[0]
    places = RESTORE_SETS.get(length)
    if places is None:
        raise HibernationError(
            f"its header says that it has {length:#x} bytes, as in no hibernation file whose form is public (Windows 8"
            " to 11 25H2); it is damaged, or of another Windows: take a memory image or a crash dump of that system"
        )
    page_size = WORD.unpack_from(head, PAGE_SIZE_AT[places.pointer_size])[0]
    if page_size != PAGE:
        raise HibernationError(f"its header says that pages have {page_size:#x} bytes: it is damaged")
    return _restore_sets(read, size, head, places)


class _Sets:
    """Compression sets as they are found, one after another."""

    def __init__(self, read: PageReader, size: int, pointer_size: int) -> None:
        self._read, self._size, self._each = read, size, pointer_size
        self._letter = "Q" if pointer_size == 8 else "I"
        self.offsets, self.sizes = array("q"), array("q")
        self.methods, self.counts = array("B"), array("B")
        self.ranges = bytearray()

    def follow(self, place: int, wanted: int) -> tuple[int, str]:
        """Take up sets from a place of the file on, until they hold as many pages as are wanted.

        Returns:
            How many pages these are, and why there are not more.
        """
        found = 0
        while found < wanted:
            if len(self.offsets) == MOST_SETS:
                return found, f"more than {MOST_SETS:,} sets are not read"
            why = self._take(place)
            if why:
                return found, why
            found += self.counts[-1]
            place = self.offsets[-1] + self.sizes[-1]
        return found, ""

    def _take(self, place: int) -> str:
        """Take up the set at a place of the file; gives why there is none."""
        ends = f"the file ends at {self._size:#x}"
        word = self._read(place, WORD.size)
        if word is None:
            return ends
        value = WORD.unpack(word)[0]
        ranges, size = value & (1 << RANGES_BITS) - 1, value >> RANGES_BITS & (1 << SIZE_BITS) - 1
        if not 0 < ranges <= SET_PAGES:
            return f"at {place:#x} there is no set of pages"
        table = self._read(place + WORD.size, ranges * self._each)
        if table is None:
            return ends
        numbers = struct.unpack(f"<{ranges}{self._letter}", table)
        pages = sum(number & (1 << RANGE_PAGES_BITS) - 1 for number in numbers) + ranges
        if pages > SET_PAGES or not 0 < size <= pages * PAGE or max(numbers) >> RANGE_PAGES_BITS >= HIGHEST_PAGE:
            return f"what is at {place:#x} is no set of pages"
        start = place + WORD.size + len(table)
        if start + size > self._size:
            return ends
        self.offsets.append(start)
        self.sizes.append(size)
        self.methods.append(STORED if size == pages * PAGE else METHODS[value >> RANGES_BITS + SIZE_BITS])
        self.counts.append(pages)
        self.ranges += table
        return ""

    def packed(self) -> Packed:
        """The pages of all of them."""
        ranges = np.frombuffer(self.ranges, dtype=f"<u{self._each}").astype(np.uint64)
        counts = (ranges & np.uint64(2**RANGE_PAGES_BITS - 1)).astype(np.int64) + 1
        within = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
        pages = np.repeat(ranges >> np.uint64(RANGE_PAGES_BITS), counts) + within.astype(np.uint64)
        blocks = Blocks(
            np.frombuffer(self.offsets, dtype=np.int64),
            np.frombuffer(self.sizes, dtype=np.int64),
            np.frombuffer(self.methods, dtype=np.uint8),
            np.append(0, np.cumsum(np.frombuffer(self.counts, dtype=np.uint8), dtype=np.int64)),
        )
        return Packed(self._read, blocks, pages, unpack)


def unpack(data: bytes, method: int, size: int) -> bytes | str:
    """The pages of a block, as it is packed."""
    if method == STORED:
        return data
    if method == XPRESS or (method == EITHER and not begins_with_codes(data)):
        return xpress(data, size)
    return xpress_huffman(data, size)


def begins_with_codes(data: bytes) -> bool:
    """Whether data begins with the lengths of a whole Huffman code, as hardly any other data does.

    In a whole code each sequence of bits has one meaning: Kraft's sum is exactly 1.
    """
    table = np.frombuffer(data[:CODES], dtype=np.uint8)
    lengths = np.concatenate([table & 15, table >> 4]).astype(np.int64)
    return len(table) == CODES and int((1 << 15 - lengths[lengths > 0]).sum()) == 1 << 15


def _restore_sets(read: PageReader, size: int, head: bytes, places: RestoreSets) -> HibernationFile:
    """The two sets of pages that boot loader and kernel restore.

    Raises:
        HibernationError: none of them is there.
    """
    form = "<Q" if places.pointer_size == 8 else "<I"

    def number(at: int) -> int:
        value: int = struct.unpack_from(form, head, at)[0]
        return value

    sets = _Sets(read, size, places.pointer_size)
    lost, doubts = 0, []
    wanted = {
        "boot loader": (number(places.boot_page), struct.unpack_from("<Q", head, places.loader_pages)[0]),
        "kernel": (number(places.kernel_page), struct.unpack_from("<Q", head, places.kernel_pages)[0]),
    }
    for name, (page, pages) in wanted.items():
        if not page or not pages:
            continue
        found, why = sets.follow(page * PAGE, pages)
        if why:
            lost += (pages - found) * PAGE
            doubts.append(
                f"of {pages:,} pages that the {name} restores, {found:,} are in the hibernation file ({why}):"
                " the others cannot be read"
            )
    if not sets.counts:
        raise HibernationError(doubts[0] if doubts else "its header says that it holds no page of memory: it was wiped")
    if places.secure_page and number(places.secure_page):
        doubts.append(
            "pages of the secure kernel (VBS) are in the hibernation file too: they are encrypted, and not read"
        )
    return HibernationFile(places.windows, places.pointer_size, sets.packed(), lost, tuple(doubts))
