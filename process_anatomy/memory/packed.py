"""Pages of memory that lie packed in a file, some in each block, and are unpacked when somebody reads them.

What hibernation files and compressed crash dumps have in common: a list of blocks, and which pages each of them holds.
A block is unpacked into memory that is as large as its pages, so nothing can grow without end, and the blocks read last
are kept.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from process_anatomy.memory.physical import PAGE, CachedMemory, PageReader, Run

KEPT = 1 << 25
"""Bytes of unpacked blocks that are kept."""
MOST_PAGES = 1 << 26
"""Pages of a file that are read at the most: 256 GB of memory.  A small file can claim any number of them."""
REASONS = 1 << 12
"""Blocks that could not be unpacked, of which it is remembered why."""
NOT_HELD = "the file does not hold the page"
Unpack = Callable[[bytes, int, int], "bytes | str"]
"""Bytes of a block, how it is packed, and bytes that it gives, to these bytes, or to the reason why there are none."""


class PackedError(ValueError):
    """A file with packed pages that cannot be read; the message says why, and what to do, in one line."""


@dataclass(frozen=True)
class Blocks:
    """Where blocks lie in a file.

    Attributes:
        offset: place of each block's bytes in the file.
        size: bytes of it there.
        method: how it is packed.
        first: number of its first page, counted through all blocks; one more entry is the number of all pages.
    """

    offset: npt.NDArray[np.int64]
    size: npt.NDArray[np.int64]
    method: npt.NDArray[np.uint8]
    first: npt.NDArray[np.int64]


class Packed:
    """Pages that are unpacked when they are read.

    Args:
        read: gives bytes of the file, ``None`` where it has not all of them.
        blocks: where what is packed lies.
        pages: number in physical memory of each page, in the order of the blocks; of those that a file holds twice the
            last counts, as it is the last that Windows restores.
        unpack: unpacks one block.

    Attributes:
        pages: numbers in physical memory of the pages that the file holds, in order.
        end: one past the highest physical address.
        failed: number of each block that could not be unpacked so far, to the reason.
    """

    def __init__(self, read: PageReader, blocks: Blocks, pages: npt.NDArray[np.uint64], unpack: Unpack) -> None:
        self._read, self._unpack, self.blocks = read, unpack, blocks
        if bool((pages[1:] > pages[:-1]).all()):
            self.pages, self._places = pages, np.arange(len(pages), dtype=np.int32)
        else:
            order = np.argsort(pages, kind="stable")
            pages = pages[order]
            last = np.ones(len(pages), dtype=np.bool_)
            last[:-1] = pages[1:] != pages[:-1]
            self.pages, self._places = pages[last], order[last].astype(np.int32)
        self.end = (int(self.pages[-1]) + 1) * PAGE if len(self.pages) else 0
        self.failed: dict[int, str] = {}
        self._kept: OrderedDict[int, bytes] = OrderedDict()
        self._kept_bytes = 0

    def runs(self) -> list[tuple[int, int]]:
        """First page and number of pages of each stretch of physical memory that the file holds."""
        starts = self._starts(self.pages[1:] != self.pages[:-1] + np.uint64(1))
        counts = np.diff(np.append(starts, len(self.pages)))
        return list(zip(self.pages[starts].tolist(), counts.tolist(), strict=True))

    def pieces(self, first: int, end: int) -> Iterator[tuple[int, int, int]]:
        """First page, number of pages and block of each stretch between two pages that lies in one block."""
        starts = self._piece_starts
        at = max(int(np.searchsorted(self.pages[starts], np.uint64(first), side="right")) - 1, 0)
        for row in range(at, len(starts)):
            start = int(starts[row])
            stop = int(starts[row + 1]) if row + 1 < len(starts) else len(self.pages)
            page = int(self.pages[start])
            if page >= end:
                return
            low, high = max(page, first), min(page + stop - start, end)
            if low < high:
                yield low, high - low, int(self._blocks_of(self._places[start : start + 1])[0])

    @cached_property
    def _piece_starts(self) -> npt.NDArray[np.int64]:
        owner = self._blocks_of(self._places)
        return self._starts((self.pages[1:] != self.pages[:-1] + np.uint64(1)) | (owner[1:] != owner[:-1]))

    def _starts(self, breaks: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
        """Rows at which a stretch begins."""
        return np.append(0, np.flatnonzero(breaks) + 1)[: len(self.pages)].astype(np.int64)

    def _blocks_of(self, places: npt.NDArray[np.int32]) -> npt.NDArray[np.int64]:
        return np.searchsorted(self.blocks.first, places, side="right") - 1

    def page(self, number: int) -> bytes | str:
        """A page of physical memory, or why it cannot be read."""
        at = int(np.searchsorted(self.pages, np.uint64(number)))
        if at == len(self.pages) or int(self.pages[at]) != number:
            return NOT_HELD
        place = int(self._places[at])
        block = int(self._blocks_of(self._places[at : at + 1])[0])
        data = self._block(block)
        if isinstance(data, str):
            return data
        start = (place - int(self.blocks.first[block])) * PAGE
        return data[start : start + PAGE]

    def _block(self, block: int) -> bytes | str:
        kept = self._kept.get(block)
        if kept is not None:
            self._kept.move_to_end(block)
            return kept
        if block in self.failed:
            return self.failed[block]
        data = self._unpacked(block)
        if isinstance(data, str):
            if len(self.failed) < REASONS:
                self.failed[block] = data
            return data
        self._kept[block] = data
        self._kept_bytes += len(data)
        while self._kept_bytes > KEPT and len(self._kept) > 1:
            self._kept_bytes -= len(self._kept.popitem(last=False)[1])
        return data

    def _unpacked(self, block: int) -> bytes | str:
        offset, size = int(self.blocks.offset[block]), int(self.blocks.size[block])
        room = int(self.blocks.first[block + 1] - self.blocks.first[block]) * PAGE
        packed = self._read(offset, size)
        if packed is None:
            return f"its block at {offset:#x} of the file is cut off"
        found = self._unpack(packed, int(self.blocks.method[block]), room)
        if isinstance(found, str):
            return f"its block at {offset:#x} of the file cannot be unpacked: {found}"
        return found


class PackedMemory(CachedMemory):
    """Physical memory over packed pages, which knows what the file holds before anything is unpacked.

    Args:
        packed: the pages.
        runs: which physical ranges are which pages, where the pages are those of a file; they begin and end at pages.
        lost: bytes that the file's header promises and the file does not hold.
    """

    def __init__(self, packed: Packed, runs: list[Run] | None = None, lost: int = 0) -> None:
        if runs is None:
            runs = [Run(first * PAGE, count * PAGE, first * PAGE) for first, count in packed.runs()]
        self._runs = sorted(runs)
        self._starts = [run.start for run in self._runs]
        super().__init__(self._unpacked, max((run.start + run.length for run in runs), default=0))
        self.packed = packed
        self.lost = lost + sum(max(0, run.offset + run.length - max(run.offset, packed.end)) for run in runs)

    def _unpacked(self, address: int, size: int) -> bytes | None:
        found = self._page(address)
        return None if isinstance(found, str) else found[:size]

    def _page(self, address: int) -> bytes | str:
        at = bisect_right(self._starts, address) - 1
        if at < 0 or address >= self._runs[at].start + self._runs[at].length:
            return ""
        run = self._runs[at]
        return self.packed.page((address - run.start + run.offset) // PAGE)

    def why(self, address: int) -> str:
        """Why the page at an address is not there although the file should have it; empty where it should not."""
        found = self._page(address)
        return found if isinstance(found, str) and found != NOT_HELD else ""

    def stretches(self) -> list[tuple[int, int]]:
        """First and last address (exclusive) of each stretch of memory that the file may hold, in order."""
        return [(run.start, run.start + run.length) for run in self._runs]

    def filled(self) -> list[tuple[int, int]]:
        """All of them: what a page holds is known when it is unpacked."""
        return self.stretches()
