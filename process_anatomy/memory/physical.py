"""Physical memory: octets by physical address, each page read once.

Two kinds serve every image.  :class:`MappedMemory` is for octets that lie as they are in a file: the
file is mapped and numpy reads from it directly.  :class:`CachedMemory` is for everything else (compressed,
remote, decoded on the way): whole pages are fetched through a reader and kept.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from process_anatomy.memory.space import Addresses, Mask, Octets, distinct

PAGE = 0x1000
END_OF_ADDRESSES = 1 << 64
END_OF_PHYSICAL = 1 << 62
"""Beyond any physical address (52 bits), and safe for signed arithmetic."""
TOUCHES = 1 << 10
"""Reads after which the pages of a mapped file may be given back."""
AT_ONCE = 1 << 11
"""Records that are copied in one step: each may lie in a page of its own."""
CACHE_PAGES = 0x8000
"""Pages that a cache holds before it is emptied: 128 MB."""


class Run(NamedTuple):
    """Octets that lie one after the other both in physical memory and in the file."""

    start: int
    length: int
    offset: int


class PageReader(Protocol):
    """Where a cache fetches from."""

    def __call__(self, address: int, size: int) -> bytes | None:
        """The octets at a physical address, or ``None`` where not all of them are there."""


class PhysicalMemory(Protocol):
    """Octets by physical address.

    Attributes:
        end: one past the highest physical address of the image.
        lost: bytes that the image's header promises and the file does not hold.
        forkable: processes that are forked may read it side by side: reading moves no place in a file.
        lasting: its buffer stays what it is, whatever else is looked for.
    """

    end: int
    lost: int
    forkable: bool
    lasting: bool

    def octets(self) -> Octets:
        """The buffer that :meth:`locate` points into; valid until the next call of ``locate``."""

    def stretches(self) -> list[tuple[int, int]]:
        """First and last address (exclusive) of each stretch of memory that the image may hold, in order."""

    def filled(self) -> list[tuple[int, int]]:
        """Of these stretches, in whole pages, what may hold anything but zeros."""

    def locate(self, addresses: Addresses, size: int | npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Where in the buffer the ``size`` octets of each address start, -1 where they are not there."""

    def read(self, address: int, size: int) -> bytes | None:
        """Octets at one address, or ``None`` where not all of them are there."""


class MappedMemory:
    """Physical memory whose octets lie in one buffer, usually a mapped file.

    A mapped file's pages count as this process's memory once they were read, with their neighbours; so that
    a large image does not look like a large process, that is asked for after every :data:`TOUCHES` reads.

    Args:
        buffer: the octets; a numpy array over ``mmap`` costs no memory until it is read.
        runs: which physical ranges lie where in the buffer; overlapping or outlying parts are dropped.
        release: gives the pages read so far back to the system where it is time, if the buffer can do that.
        holes: start and end (exclusive) of parts of the buffer that are known to be zeros, in order.

    Attributes:
        end: one past the highest physical address.
        lost: bytes that the runs promise and the buffer does not hold.
    """

    forkable: bool = True
    lasting: bool = True

    def __init__(
        self,
        buffer: Octets,
        runs: Iterable[Run],
        release: Callable[[], None] | None = None,
        holes: Sequence[tuple[int, int]] = (),
    ) -> None:
        self._octets = buffer
        self._release = release
        self._holes = holes
        self._touched = 0
        self.lost = 0
        merged: list[Run] = []
        for run in sorted(runs):
            start, promised, offset = run
            if offset < 0 or offset >= len(buffer) or not 0 <= start < END_OF_PHYSICAL:
                self.lost += promised
                continue
            length = min(promised, len(buffer) - offset, END_OF_PHYSICAL - start)
            self.lost += promised - length
            if merged:
                last = merged[-1]
                covered = last.start + last.length - start
                if covered > 0:  # the first to claim an address keeps it
                    start, length, offset = start + covered, length - covered, offset + covered
                if length > 0 and (start, offset) == (last.start + last.length, last.offset + last.length):
                    merged[-1] = Run(last.start, last.length + length, last.offset)
                    continue
            if length > 0:
                merged.append(Run(start, length, offset))
        self.runs = merged
        self.end = merged[-1].start + merged[-1].length if merged else 0
        self._starts = np.array([run.start for run in merged] or [0], dtype=np.uint64)
        self._ends = np.array([run.start + run.length for run in merged] or [0], dtype=np.uint64)
        self._shifts = np.array([run.offset - run.start for run in merged] or [0], dtype=np.int64)
        self._start_list = [run.start for run in merged]

    def octets(self) -> Octets:
        """The buffer that :meth:`locate` points into."""
        return self._octets

    def stretches(self) -> list[tuple[int, int]]:
        """First and last address (exclusive) of each stretch of memory that the image holds, in order."""
        return [(run.start, run.start + run.length) for run in self.runs]

    def filled(self) -> list[tuple[int, int]]:
        """Of these stretches what lies in no hole; a page that a hole does not cover is among it as a whole."""
        found: list[tuple[int, int]] = []
        ends = [end for _, end in self._holes]
        for start, length, offset in self.runs:
            at, last = start, start + length
            for first, end in self._holes[bisect_right(ends, offset) :]:
                if first >= offset + length:
                    break
                low, high = (max(first, offset) - offset + start, min(end, offset + length) - offset + start)
                low, high = -(-low // PAGE) * PAGE, high // PAGE * PAGE
                if low < high:
                    found += [(at, low)] if at < low else []
                    at = high
            found += [(at, last)] if at < last else []
        return found

    def locate(self, addresses: Addresses, size: int | npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Where in the buffer the ``size`` octets of each address start, -1 where they are not there."""
        self._touch(len(addresses))
        if len(self._starts) == 1:
            run: npt.NDArray[np.intp] | int = 0
        else:
            run = np.searchsorted(self._starts, addresses, side="right") - 1
            run[run < 0] = 0
        inside = (addresses >= self._starts[run]) & (addresses < self._ends[run])
        inside &= self._ends[run] - addresses >= np.asarray(size, dtype=np.uint64)
        return np.where(inside, addresses.astype(np.int64) + self._shifts[run], np.int64(-1))

    def _touch(self, reads: int) -> None:
        self._touched += reads
        if self._touched > TOUCHES and self._release is not None:
            self._touched = reads
            self._release()

    def read(self, address: int, size: int) -> bytes | None:
        """Octets at one address, or ``None`` where not all of them are there."""
        self._touch(1)
        index = bisect_right(self._start_list, address) - 1
        if index < 0 or size < 0:
            return None
        run = self.runs[index]
        if address + size > run.start + run.length:
            return None
        offset = address - run.start + run.offset
        return self._octets[offset : offset + size].tobytes()


class CachedMemory:
    """Physical memory that is fetched page by page and kept.

    Args:
        reader: gives whole pages by physical address.
        end: one past the highest physical address.
    """

    forkable: bool = False
    lasting: bool = False

    def __init__(self, reader: PageReader, end: int) -> None:
        self.end = end
        self.lost = 0
        self._reader = reader
        self._slots: dict[int, int] = {}
        self._used = 0
        self._octets = np.zeros(64 * PAGE, dtype=np.uint8)
        self.fetched = 0

    def octets(self) -> Octets:
        """The buffer that :meth:`locate` points into; valid until the next call of ``locate``."""
        return self._octets

    def stretches(self) -> list[tuple[int, int]]:
        """All of memory: which pages the image holds is known when they are fetched."""
        return [(0, self.end)]

    def filled(self) -> list[tuple[int, int]]:
        """All of them: nothing is known of pages that were not fetched."""
        return self.stretches()

    def _fetch(self, page: int) -> int:
        """The slot of a page, fetched if need be; -1 where the image does not hold it."""
        slot = self._slots.get(page)
        if slot is None:
            data = self._reader(page * PAGE, PAGE) if page * PAGE < self.end else None
            self.fetched += 1
            if data is None or len(data) != PAGE:
                slot = -1
            else:
                slot = self._used
                self._used += 1
                if slot * PAGE >= len(self._octets):
                    self._octets = np.concatenate([self._octets, np.zeros_like(self._octets)])
                self._octets[slot * PAGE : (slot + 1) * PAGE] = np.frombuffer(data, dtype=np.uint8)
            self._slots[page] = slot
        return slot

    def _make_room(self) -> None:
        if self._used > CACHE_PAGES or len(self._slots) > 4 * CACHE_PAGES:
            self._slots.clear()
            self._used = 0

    def locate(self, addresses: Addresses, size: int | npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Where in the buffer the ``size`` octets of each address start, -1 where they are not there.

        A record must lie within one page.
        """
        self._make_room()
        pages, back = distinct(addresses >> np.uint64(12))
        slots = np.array([self._fetch(page) for page in pages.tolist()], dtype=np.int64)[back]
        inside = (addresses & np.uint64(PAGE - 1)).astype(np.int64)
        return np.where((slots >= 0) & (inside + size <= PAGE), slots * PAGE + inside, np.int64(-1))

    def read(self, address: int, size: int) -> bytes | None:
        """Octets at one address, or ``None`` where not all of them are there."""
        self._make_room()
        parts: list[bytes] = []
        while size > 0:
            slot = self._fetch(address // PAGE)
            if slot < 0:
                return None
            start = slot * PAGE + address % PAGE
            take = min(size, PAGE - address % PAGE)
            parts.append(self._octets[start : start + take].tobytes())
            address, size = address + take, size - take
        return b"".join(parts)


def gather(octets: Octets, offsets: npt.NDArray[np.int64], size: int) -> Octets:
    """``size`` octets from each offset, shape (n, size); offsets of -1 give zeros.

    The buffer is seen as one record starting at every octet, so that numpy copies all of them at once.
    """
    if len(octets) < size or not len(offsets):
        return np.zeros((len(offsets), size), dtype=np.uint8)
    records = np.ndarray((len(octets) - size + 1,), dtype=f"V{size}", buffer=octets.data, strides=(1,))
    taken = records[np.maximum(offsets, 0)].view(np.uint8).reshape(len(offsets), size)
    missing = offsets < 0
    if missing.any():
        taken[missing] = 0
    return taken


def fetched(memory: PhysicalMemory, addresses: Addresses, size: int, wanted: Mask | None = None) -> tuple[Octets, Mask]:
    """``size`` octets at each physical address, shape (n, size), zero where they are not there; and whether they are.

    Args:
        memory: where they are read.
        addresses: of records, each within one page.
        size: of a record.
        wanted: which of them are read; all where it is left out.
    """
    if len(addresses) <= AT_ONCE:
        offsets = memory.locate(addresses, size)
        if wanted is not None:
            offsets[~wanted] = -1
        return gather(memory.octets(), offsets, size), offsets >= 0
    octets, there = np.empty((len(addresses), size), dtype=np.uint8), np.empty(len(addresses), dtype=np.bool_)
    for first in range(0, len(addresses), AT_ONCE):
        step = slice(first, first + AT_ONCE)
        octets[step], there[step] = fetched(memory, addresses[step], size, None if wanted is None else wanted[step])
    return octets, there


def numbers(octets: Octets, size: int) -> Addresses:
    """The little-endian numbers of ``size`` octets, 4 or 8, that records consist of; shape (n, octets / size)."""
    if size == 8:
        return octets.view("<u8")
    return octets.view("<u4").astype(np.uint64)


def words(memory: PhysicalMemory, addresses: Addresses, size: int = 8) -> tuple[Addresses, Mask]:
    """The number of ``size`` octets, 4 or 8, at each physical address, and whether it is there."""
    octets, found = fetched(memory, addresses, size)
    return numbers(octets, size).reshape(len(addresses)), found
