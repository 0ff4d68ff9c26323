"""A virtual address space: page tables over physical memory."""

from __future__ import annotations

import numpy as np

from process_anatomy.memory import paging
from process_anatomy.memory.entry_format import entry_format
from process_anatomy.memory.packed import PackedMemory
from process_anatomy.memory.page_files import PageFiles
from process_anatomy.memory.physical import END_OF_ADDRESSES, PAGE, PhysicalMemory, fetched
from process_anatomy.memory.software_entries import SoftwareEntries
from process_anatomy.memory.space import Addresses, Mask, Octets
from structs.layout import Build

LEAST_ROOM = 1 << 24
"""Bytes of structures that an image of any size may hold, as those are that fill a page of a small one."""
PACKED = 2
"""How many bytes one of the image may stand for: compressed pages take half of their size, others lie in page files."""

REMEMBERED = 1 << 16
"""Pages of which is remembered where they are, or why they are nowhere."""
SPACES = 1 << 8
"""Spaces of other roots that are remembered: all facts of a process, its threads and modules ask for its own."""


class AddressSpace:
    """The octets that a page-table root maps.

    Args:
        memory: physical memory.
        root: physical address of the top table (CR3).
        mode: format of the tables.
        system_start: the lowest address of system space, where the kernel has another than is usual.
        software: finds pages that prototype entries and page files have; without it they cannot be read.

    Attributes:
        pointer_size: 4 or 8 bytes, as the mode has it.
    """

    def __init__(
        self,
        memory: PhysicalMemory,
        root: int,
        mode: paging.Mode = paging.X64,
        system_start: int | None = None,
        software: SoftwareEntries | None = None,
    ) -> None:
        self.memory = memory
        self.root = root
        self.mode = mode
        self.pointer_size = mode.pointer_size
        self.system_start = system_start or mode.system_start
        self.software = software
        self._pages: dict[int, int | None] = {}
        self._reasons: dict[int, tuple[str, int]] = {}
        self._others: dict[int, AddressSpace] = {}

    @property
    def room(self) -> int:
        """As :attr:`process_anatomy.memory.space.Space.room`."""
        return max(LEAST_ROOM, PACKED * sum(last - first for first, last in self.memory.stretches()))

    @property
    def highest(self) -> int:
        """The highest address that there can be."""
        return (1 << 8 * self.pointer_size) - 1

    def root_in(self, dtb: int) -> int:
        """The page-table root in a DirectoryTableBase, without the low bits that are no part of the address."""
        return dtb & -(self.mode.root_mask & -self.mode.root_mask)

    def through(self, root: int) -> AddressSpace:
        """The space that another page-table root maps over the same physical memory; it remembers its pages too."""
        if root not in self._others:
            if len(self._others) >= SPACES:
                self._others.clear()
            self._others[root] = AddressSpace(self.memory, root, self.mode, self.system_start, self.software)
        return self._others[root]

    def of_build(self, build: Build, paged_pool: int | None = None) -> AddressSpace:
        """The same space with entries that only the memory manager reads followed as a build writes them.

        Args:
            build: the kernel's layout.
            paged_pool: where paged pool starts, if the kernel says it.
        """
        kept = entry_format(build, self.mode, paged_pool)
        memory = self.memory if isinstance(self.memory, PageFiles) else PageFiles(self.memory, {})
        software = SoftwareEntries(memory, self.root, self.mode, kept, self.system_start)
        return AddressSpace(memory, self.root, self.mode, self.system_start, software)

    def forget(self) -> None:
        """Drop what is remembered of pages: there is now more to be read, or less."""
        self._pages.clear()
        self._reasons.clear()
        self._others.clear()

    def translate(self, addresses: Addresses, roots: Addresses | None = None) -> paging.Translation:
        """Physical address and page state of each virtual address (see :func:`paging.translate`).

        States are what the tables say: a page behind a prototype entry or in a page file has no address here,
        though it can be read where it is there.
        """
        return paging.translate(self.memory, addresses, self.root if roots is None else roots, self.mode)

    def _located(self, addresses: Addresses, roots: Addresses | None) -> tuple[Addresses, Mask]:
        """Where the octets at each virtual address are, and whether they are anywhere."""
        root = self.root if roots is None else roots
        physical, state, _ = paging.translate(self.memory, addresses, root, self.mode, self.software)
        return physical, state <= paging.READABLE

    def read_many(self, addresses: Addresses, size: int, roots: Addresses | None = None) -> tuple[Octets, Mask]:
        """Read ``size`` octets at each address, optionally each through its own page-table root.

        Returns:
            The octets, shape (n, size), zero where nothing could be read; and shape (n,), whether all
            ``size`` octets of the record were there.
        """
        count = len(addresses)
        if not count or not size:
            return np.zeros((count, size), dtype=np.uint8), np.ones(count, dtype=np.bool_)
        inside = (addresses & np.uint64(PAGE - 1)).astype(np.int64)
        single = inside + size <= PAGE
        if single.all():
            return self._within_pages(addresses, size, roots)
        octets = np.zeros((count, size), dtype=np.uint8)
        whole = np.ones(count, dtype=np.bool_)
        rows = np.flatnonzero(single)
        if len(rows):
            octets[rows], whole[rows] = self._within_pages(
                addresses[rows], size, None if roots is None else roots[rows]
            )
        self._across_pages(np.flatnonzero(~single), inside, addresses, roots, octets, whole)
        return octets, whole

    def _within_pages(self, addresses: Addresses, size: int, roots: Addresses | None) -> tuple[Octets, Mask]:
        physical, readable = self._located(addresses, roots)
        octets, whole = fetched(self.memory, physical, size, readable)
        for row in np.flatnonzero(readable & ~whole).tolist():  # a page that the image holds only in part
            part = self._first_part(int(physical[row]), size)
            octets[row, : len(part)] = np.frombuffer(part, dtype=np.uint8)
        return octets, whole

    def _first_part(self, physical: int, size: int) -> bytes:
        """As much of a record as there is before physical memory ends."""
        low, high = 0, size
        while low < high:
            middle = (low + high + 1) // 2
            low, high = (middle, high) if self.memory.read(physical, middle) is not None else (low, middle - 1)
        return self.memory.read(physical, low) or b""

    def _across_pages(
        self,
        rows: np.ndarray[tuple[int], np.dtype[np.intp]],
        inside: np.ndarray[tuple[int], np.dtype[np.int64]],
        addresses: Addresses,
        roots: Addresses | None,
        octets: Octets,
        whole: Mask,
    ) -> None:
        """Read records that do not lie within one page: page by page, all records' nth pages at once."""
        size = octets.shape[1]
        done = np.zeros(len(rows), dtype=np.int64)
        while len(rows):
            here = addresses[rows] + done.astype(np.uint64)
            take = np.minimum(size - done, PAGE - (here & np.uint64(PAGE - 1)).astype(np.int64))
            physical, there = self._located(here, None if roots is None else roots[rows])
            there &= here >= addresses[rows]  # no record goes on at address 0
            offsets = np.where(there, self.memory.locate(physical, take), -1)
            buffer = self.memory.octets()
            for row, start, offset, length in zip(
                rows.tolist(), done.tolist(), offsets.tolist(), take.tolist(), strict=True
            ):
                if offset < 0:
                    whole[row] = False
                else:
                    octets[row, start : start + length] = buffer[offset : offset + length]
            done += take
            unfinished = done < size
            rows, done = rows[unfinished], done[unfinished]

    def _page(self, page: int) -> int | None:
        """Physical address of a virtual page, remembered; ``None`` where it cannot be read."""
        if page not in self._pages:
            if len(self._pages) > REMEMBERED:
                self._pages.clear()
            physical, state, _ = self._one(page)
            self._pages[page] = physical if state <= paging.READABLE else None
        return self._pages[page]

    def _one(self, address: int) -> tuple[int, paging.PageState, int]:
        """Where the octet at an address is, the state that says whether it is there, and the last entry seen."""
        physical, state = paging.translate_one(self.memory, address, self.root, self.mode)
        if self.software is None or state not in (paging.PageState.PROTOTYPE, paging.PageState.PAGEFILE):
            return physical, state, 0
        where = np.array([address], dtype=np.uint64)
        found = paging.translate(self.memory, where, self.root, self.mode, self.software)
        return int(found.physical[0]), paging.PageState(int(found.state[0])), int(found.entry[0])

    def read(self, address: int, size: int) -> bytes | None:
        """Read ``size`` octets at one address, or ``None`` where not all of them are there."""
        if not 0 <= address <= END_OF_ADDRESSES - size or size < 0:
            return None
        parts: list[bytes] = []
        while size > 0:
            inside = address % PAGE
            take = min(size, PAGE - inside)
            page = self._page(address - inside)
            octets = None if page is None else self.memory.read(page + inside, take)
            if octets is None:
                return None
            parts.append(octets)
            address, size = address + take, size - take
        return b"".join(parts)

    def _why_page(self, page: int) -> tuple[str, int]:
        """In words, why a virtual page is nowhere, remembered, for many fields of many records ask; and where it is."""
        if page not in self._reasons:
            if len(self._reasons) > REMEMBERED:
                self._reasons.clear()
            physical, state, entry = self._one(page)
            if self.software is not None and entry and state in (paging.PageState.PROTOTYPE, paging.PageState.PAGEFILE):
                told = self.software.why(entry, self.root)
            else:
                told = paging.WHY.get(state, "")
            self._reasons[page] = told, physical
        return self._reasons[page]

    def why(self, address: int, size: int = 1) -> str:
        """In words, why the octets at an address cannot be read; empty where they can."""
        if not 0 <= address <= END_OF_ADDRESSES - size:
            return "not an address"
        first = address - address % PAGE
        for page in range(first, min(address + size, first + 64 * PAGE), PAGE):
            told, physical = self._why_page(page)
            start = max(page, address)
            if not told and self.memory.read(physical + start - page, min(page + PAGE, address + size) - start) is None:
                below = self.memory.memory if isinstance(self.memory, PageFiles) else self.memory
                told = below.why(physical + start - page) if isinstance(below, PackedMemory) else ""
                told = told or paging.WHY[paging.PageState.NOT_IN_IMAGE]
            if told:
                return told
        return ""
