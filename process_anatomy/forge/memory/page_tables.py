"""Page tables of every mode that Windows has run in, written by one writer from a declaration of the mode.

Sources: Intel 64 and IA-32 Architectures Software Developer's Manual, volume 3A, chapter 4; "Windows Internals" for the
self map.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator

from process_anatomy.forge.memory.frames import LARGE, NO_EXECUTE, PAGE, TABLE, USER, USER_DATA, VALID, PhysicalMemory
from process_anatomy.forge.memory.modes import PAE, Mode


class Space:
    """One page-table root and what is mapped under it.

    Attributes:
        mode: how addresses are translated.
        self_index: entry of the root that maps the root itself (x64).
        dtb: physical address of the root table, as the processor's CR3 holds it.
        mapped: virtual page number to frame, for pages that can be written through this space.
    """

    def __init__(
        self, memory: PhysicalMemory, mode: Mode, self_index: int = 0, root: int | None = None, dtb: int | None = None
    ) -> None:
        """Make the root and its self map.

        Args:
            memory: where the tables lie.
            mode: how addresses are translated.
            self_index: entry of the root that maps the root itself (x64).
            root: frame for the root table; any where it is ``None``.
            dtb: physical address for a root that takes less than a page (PAE).
        """
        self.memory, self.mode = memory, mode
        self.self_index = self_index or mode.index(mode.self_map, 0)
        if dtb is None:
            frame = memory.take() if root is None else memory.place(root)
            dtb = frame * PAGE
        self.dtb = dtb
        self.mapped: dict[int, int] = {}
        self._tables: dict[tuple[int, int], int] = {}
        if mode is PAE:
            self._directories(root)
        else:
            self._set(dtb, self.self_index, dtb | TABLE | NO_EXECUTE)

    @property
    def root(self) -> int:
        """Frame of the root table."""
        return self.dtb // PAGE

    def _directories(self, root: int | None) -> None:
        """The four page directories of PAE, which are always there, and the tables' own place in the last of them.

        Those of System follow its root, as on every Windows: readers know the root by it.
        """
        count = 1 << self.mode.bits[0]
        first = None if root is None else root + 1
        frames = [self.memory.take() if first is None else self.memory.place(first + i) for i in range(count)]
        for number, frame in enumerate(frames):
            self._tables[1, number] = frame
            self._set(self.dtb, number, frame * PAGE | VALID)
            self._set(frames[-1] * PAGE, number, frame * PAGE | TABLE | NO_EXECUTE)

    def _set(self, table: int, index: int, entry: int) -> None:
        """Write an entry of the table at a physical address."""
        size = self.mode.entry_size
        self.memory.write(table + size * index, self.mode.pack(entry & self.mode.entry_mask))

    def _table(self, address: int, depth: int) -> int:
        """Physical address of the table at a depth (0 the root) for the address, made if need be."""
        if depth == 0:
            return self.dtb
        address &= self.mode.address_mask
        key = (depth, address >> self.mode.shifts[depth - 1])
        if key not in self._tables:
            parent = self._table(address, depth - 1)
            self._tables[key] = self.memory.take()
            user = 0 if address >= self.mode.system_start else USER
            self._set(parent, self.mode.index(address, depth - 1), self._tables[key] * PAGE | TABLE | user)
        return self._tables[key] * PAGE

    @property
    def _last(self) -> int:
        return len(self.mode.shifts) - 1

    def prepare(self, start: int, end: int) -> None:
        """Make the last tables of a range before anything is mapped there, as Windows does for parts of its space."""
        for address in range(start, end, 1 << self.mode.shifts[-2]):
            self._table(address, self._last)

    def entry(self, address: int, value: int) -> None:
        """Write the last-level entry of an address as it is: for pages that are not valid."""
        self._set(self._table(address, self._last), self.mode.index(address, self._last), value)

    def page_out(self, address: int, value: int) -> None:
        """Write the entry of an address whose tables are not in memory, in the highest table that may say so."""
        depth = self.mode.shifts.index(self.mode.swap_shift)
        self._set(self._table(address, depth), self.mode.index(address, depth), value)

    def map(self, address: int, frame: int, flags: int) -> None:
        """Map one 4 KB page."""
        self.entry(address, frame * PAGE | flags)
        self.mapped[address // PAGE] = frame

    def put(self, address: int, content: bytes = b"", flags: int = USER_DATA) -> int:
        """Put content into any free frame and map it; gives the frame's number."""
        frame = self.memory.take(content)
        self.map(address, frame, flags)
        return frame

    def map_large(self, address: int, frame: int, flags: int) -> None:
        """Map one large page; ``frame`` is the first of its own."""
        depth = self.mode.shifts.index(self.mode.large_shift)
        self._set(self._table(address, depth), self.mode.index(address, depth), frame * PAGE | flags | LARGE)
        for index in range(self.mode.large_frames):
            self.mapped[address // PAGE + index] = frame + index

    def write(self, address: int, data: bytes) -> None:
        """Write bytes at a mapped address, across as many pages as they take."""
        while data:
            room = PAGE - address % PAGE
            self.memory.write(self.mapped[address // PAGE] * PAGE + address % PAGE, data[:room])
            address, data = address + room, data[room:]

    def physical(self, address: int) -> int:
        """Physical address of a mapped address."""
        return self.mapped[address // PAGE] * PAGE + address % PAGE

    def share_kernel_half(self, kernel: Space, own_addresses: Iterable[int] = ()) -> None:
        """Take over the kernel's upper half, except the tables' own place and what is the process's own.

        Args:
            kernel: the space of System.
            own_addresses: addresses whose entries in the topmost table are the process's own.
        """
        size, depth = self.mode.entry_size, int(self.mode is PAE)
        tables = (self.mode.system_start, self.mode.self_map) if depth else (self.mode.system_start,)
        for start in tables:
            own, source = (space.memory.pages[space._table(start, depth) // PAGE] for space in (self, kernel))
            kept: set[int] = set()
            if start == tables[-1]:
                kept = {self.mode.index(address, depth) for address in own_addresses}
                kept |= set(range(depth << self.mode.bits[0]))  # the four directories of PAE map themselves
            before = {index: bytes(own[size * index : size * (index + 1)]) for index in kept}
            first = size * self.mode.index(start, depth)
            own[first:] = source[first:]
            for index, entry in before.items():
                own[size * index : size * (index + 1)] = entry
        if not depth:
            self._set(self.dtb, kernel.self_index, 0)
            self._set(self.dtb, self.self_index, self.dtb | TABLE | NO_EXECUTE)

    def user_half(self) -> Iterator[tuple[int, int, int]]:
        """(Address, depth, entry) of every entry below the system's half that is not zero, tables before pages."""
        pending = [(0, self.dtb, 0)]
        while pending:
            base, table, depth = pending.pop()
            entries = self._entries(table, depth)
            for index, entry in enumerate(entries):
                address = base | index << self.mode.shifts[depth]
                if not entry or address >= self.mode.system_start:
                    continue
                yield address, depth, entry
                is_page = entry & LARGE and self.mode.shifts[depth] == self.mode.large_shift
                if depth < self._last and entry & VALID and not is_page:
                    pending.append((address, entry & 0xFFFFFFFFFF000 & self.mode.entry_mask, depth + 1))

    def _entries(self, table: int, depth: int) -> tuple[int, ...]:
        count = 1 << self.mode.bits[depth]
        form = f"<{count}{'Q' if self.mode.entry_size == 8 else 'I'}"
        return struct.unpack_from(form, self.memory.pages[table // PAGE], table % PAGE)
