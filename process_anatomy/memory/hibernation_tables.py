"""The pages of a hibernation file of Windows 7: tables of ranges, and behind each the blocks that pack its pages.

Each table fills one page of the file and names the page of the next.  A block begins with a mark of its own, so the
tables are found where the header was wiped, as it is when the system has resumed.

Source: see :mod:`structs.hibernation`.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

import numpy as np

from process_anatomy.memory.hibernation_blocks import (
    MOST_BLOCKS,
    BlockList,
    HibernationError,
    HibernationFile,
    numbers_of,
)
from process_anatomy.memory.physical import PAGE, PageReader
from structs.hibernation import (
    BLOCK_ALIGNMENT,
    BLOCK_HEADER,
    BLOCK_MARK,
    BLOCK_PAGES_BITS,
    BLOCK_WORD_AT,
    SET_PAGES,
    TABLES,
    XPRESS,
)

FIRST_PAGES = 0x20
"""Pages of the file in which the first table is looked for; it lies in one of the first ten."""
PAGES_END = 1 << 32
"""One past the highest page that a table may name, far above what Windows 7 supports.

What a table of 32-bit Windows seems to name, where it is taken for one of 64-bit Windows, lies above.
"""
GAP = 0x3000
"""Bytes between two blocks at the most."""


class _Table(NamedTuple):
    """A table: page of the next one, 0 where there is none, and first page and number of pages of each range."""

    next: int
    first: list[int]
    counts: list[int]


def first_table(read: PageReader) -> int:
    """The page of the file that the first table is in, by the mark of the block behind it; 0 where there is none."""
    for page in range(2, FIRST_PAGES):
        if read(page * PAGE, len(BLOCK_MARK)) == BLOCK_MARK:
            return page - 1
    return 0


def read_tables(read: PageReader, size: int, page: int, pointer_size: int | None = None) -> HibernationFile:
    """The pages that the tables name.

    Args:
        read: gives bytes of the file, ``None`` where it has not all of them.
        size: bytes of the file.
        page: page of the file that the first table is in.
        pointer_size: bytes of an address; ``None`` where the table has to show it.

    Raises:
        HibernationError: there is no table, or none of its pages.
    """
    if pointer_size is None:
        pointer_size = next((each for each in (8, 4) if _table(read, page, each)), 8)
    chain = _Chain(read, size, pointer_size)
    while page and page not in chain.seen:
        page = chain.follow(page)
    windows = next(tables.windows for tables in TABLES.values() if tables.pointer_size == pointer_size)
    if not len(chain.blocks):
        raise HibernationError(chain.doubts[0] if chain.doubts else f"page {page:#x} of the file is no table of pages")
    doubts = chain.doubts[:1]
    if chain.lost:
        doubts.append(f"{chain.lost:,} pages that its tables name cannot be read for that")
    pages = numbers_of(np.array(chain.first, dtype=np.uint64), np.array(chain.counts, dtype=np.int64))
    return HibernationFile(windows, pointer_size, chain.blocks.packed(read, pages), chain.lost * PAGE, tuple(doubts))


def _table(read: PageReader, page: int, pointer_size: int) -> _Table | None:
    """The table in a page of the file; ``None`` where there is none."""
    content = read(page * PAGE, PAGE)
    if content is None:
        return None
    following, count = struct.unpack_from("<QI" if pointer_size == 8 else "<II", content)
    room = PAGE // (2 * pointer_size) - 1
    if not 0 < count <= room:
        return None
    ranges = np.frombuffer(content, dtype=f"<u{pointer_size}", count=2 * count, offset=2 * pointer_size)
    ranges = ranges.reshape(count, 2).astype(np.uint64)
    first, end = ranges[:, 0], ranges[:, 1]
    if (end <= first).any() or int(end.max()) > PAGES_END:
        return None
    return _Table(following if count == room else 0, first.tolist(), (end - first).tolist())


class _Chain:
    """Tables and blocks as they are found."""

    def __init__(self, read: PageReader, size: int, pointer_size: int) -> None:
        self._read, self._size, self._each = read, size, pointer_size
        self.blocks = BlockList()
        self.seen: set[int] = set()
        self.first: list[int] = []
        self.counts: list[int] = []
        self.doubts: list[str] = []
        self.lost = 0

    def follow(self, page: int) -> int:
        """Take up a table with its blocks; gives the page of the next, 0 where there is none."""
        self.seen.add(page)
        table = _table(self._read, page, self._each)
        if table is None:
            ends = f", for the file ends at {self._size:#x}" if (page + 1) * PAGE > self._size else ""
            self.doubts.append(
                f"page {page:#x} of the hibernation file is no table of pages{ends}: which pages follow is not known"
            )
            return 0
        wanted = sum(table.counts)
        found, why = self._blocks((page + 1) * PAGE, wanted)
        self.lost += wanted - found
        if why:
            self.doubts.append(f"the hibernation file breaks off: {why}")
        for first, count in zip(table.first, table.counts, strict=True):
            if found <= 0:
                break
            self.first.append(first)
            self.counts.append(min(count, found))
            found -= count
        return table.next if table.next > 0 else 0

    def _blocks(self, place: int, wanted: int) -> tuple[int, str]:
        """Take up blocks from a place of the file on; gives how many pages they hold, and why not more."""
        found = 0
        while found < wanted:
            start = self._mark(place)
            head = self._read(start, BLOCK_HEADER) if start else None
            if head is None:
                ends = place + BLOCK_HEADER > self._size
                return found, f"it ends at {self._size:#x}" if ends else f"no block is at {place:#x}"
            value = struct.unpack_from("<I", head, BLOCK_WORD_AT)[0]
            pages, size = (value & (1 << BLOCK_PAGES_BITS) - 1) + 1, (value >> BLOCK_PAGES_BITS) + 1
            if pages > SET_PAGES or size > pages * PAGE or len(self.blocks) == MOST_BLOCKS:
                return found, f"what is at {start:#x} is no block"
            start += BLOCK_HEADER
            if start + size > self._size:
                return found, f"it ends at {self._size:#x}"
            pages = min(pages, wanted - found)
            self.blocks.add(start, size, XPRESS, pages)
            found += pages
            place = start + size
        return found, ""

    def _mark(self, place: int) -> int:
        """Where the next block begins, 0 where none does."""
        place += -place % BLOCK_ALIGNMENT
        if self._read(place, len(BLOCK_MARK)) == BLOCK_MARK:
            return place
        near = self._read(place, min(GAP, max(self._size - place, 0))) or b""
        at = near.find(BLOCK_MARK)
        return place + at if at >= 0 else 0
