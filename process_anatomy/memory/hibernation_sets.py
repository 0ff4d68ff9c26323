"""The pages of a hibernation file since Windows 8: rows of compression sets, each of which follows the one before.

Source: see :mod:`structs.hibernation`.
"""

from __future__ import annotations

import struct

import numpy as np

from process_anatomy.memory.hibernation_blocks import (
    HIGHEST_PAGE,
    MOST_BLOCKS,
    BlockList,
    HibernationError,
    HibernationFile,
    numbers_of,
)
from process_anatomy.memory.packed import Packed
from process_anatomy.memory.physical import PAGE, PageReader
from structs.hibernation import HIBERBOOT, METHODS, RANGE_PAGES_BITS, RANGES_BITS, SET_PAGES, SIZE_BITS, RestoreSets

WORD = struct.Struct("<I")


class _Sets:
    """Compression sets as they are found, one after another."""

    def __init__(self, read: PageReader, size: int, pointer_size: int, end: int) -> None:
        self._read, self._size, self._each, self._end = read, size, pointer_size, end
        self._letter = "Q" if pointer_size == 8 else "I"
        self.blocks = BlockList()
        self.ranges = bytearray()

    def follow(self, place: int, wanted: int) -> tuple[int, str]:
        """Take up sets from a place of the file on, until they hold as many pages as are wanted.

        Returns:
            How many pages these are, and why there are not more.
        """
        found = 0
        while found < wanted:
            if len(self.blocks) == MOST_BLOCKS:
                return found, f"more than {MOST_BLOCKS:,} sets are not read"
            why = self._take(place)
            if why:
                return found, why
            found += self.blocks.counts[-1]
            place = self.blocks.offsets[-1] + self.blocks.sizes[-1]
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
        if pages > SET_PAGES or not 0 < size <= pages * PAGE or max(numbers) >> RANGE_PAGES_BITS >= self._end:
            return f"what is at {place:#x} is no set of pages"
        start = place + WORD.size + len(table)
        if start + size > self._size:
            return ends
        self.blocks.add(start, size, METHODS[value >> RANGES_BITS + SIZE_BITS], pages)
        self.ranges += table
        return ""

    def packed(self) -> Packed:
        """The pages of all of them."""
        ranges = np.frombuffer(self.ranges, dtype=f"<u{self._each}").astype(np.uint64)
        counts = (ranges & np.uint64(2**RANGE_PAGES_BITS - 1)).astype(np.int64) + 1
        return self.blocks.packed(self._read, numbers_of(ranges >> np.uint64(RANGE_PAGES_BITS), counts))


def read_sets(read: PageReader, size: int, head: bytes, places: RestoreSets) -> HibernationFile:
    """The two rows of sets, which boot loader and kernel restore.

    Args:
        read: gives bytes of the file, ``None`` where it has not all of them.
        size: bytes of the file.
        head: its first page.
        places: what is where in that.

    Raises:
        HibernationError: none of them is there.
    """
    form = "<Q" if places.pointer_size == 8 else "<I"

    def number(at: int) -> int:
        value: int = struct.unpack_from(form, head, at)[0]
        return value

    highest = number(places.highest_page)
    end = highest + 1 if 0 < highest < HIGHEST_PAGE else HIGHEST_PAGE
    sets = _Sets(read, size, places.pointer_size, end)
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
    if not len(sets.blocks):
        raise HibernationError(doubts[0] if doubts else "its header says that it holds no page of memory: it was wiped")
    if head[places.highest_page - HIBERBOOT] & 1:
        doubts.append(
            "the hibernation file is of a shutdown with fast startup: users had logged off, and what is in it is the"
            " kernel with the services of session 0"
        )
    if places.secure_page and number(places.secure_page):
        doubts.append(
            "pages of the secure kernel (VBS) are in the hibernation file too: they are encrypted, and not read"
        )
    return HibernationFile(places.windows, places.pointer_size, sets.packed(), lost, tuple(doubts))
