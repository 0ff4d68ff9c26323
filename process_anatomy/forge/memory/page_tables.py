"""Page tables of every mode that Windows has run in, written by one writer from a declaration of the mode.

Sources: Intel 64 and IA-32 Architectures Software Developer's Manual, volume 3A, chapter 4 (32-bit, PAE and 4-level
paging); "Windows Internals" for the self map and the entries that are not valid: their fields are those of the
kernel's public symbols (_MMPTE_SOFTWARE, _MMPTE_PROTOTYPE, _MMPTE_SUBSECTION), and where such an entry holds no whole
address (32-bit paging), it counts from the beginning of the pool.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from process_anatomy.forge.memory.frames import (
    LARGE,
    NO_EXECUTE,
    PAGE,
    PROTOTYPE,
    TABLE,
    TRANSITION,
    USER,
    VALID,
    PhysicalMemory,
)

PROTECTION_SHIFT = 5
PAGE_SHIFT = 12
WHICH_POOL = 1 << 31
"""32-bit paging: the entry's subsection lies in the non-paged pool."""


@dataclass(frozen=True)
class Mode:
    """A way to translate addresses.

    Attributes:
        name: of the mode.
        pointer_size: bytes of an address.
        entry_size: bytes of an entry.
        shifts: number of address bits below those that choose an entry, for each level of tables, the root's first.
        bits: number of bits that choose an entry, for each level.
        system_start: lowest address of the upper half, as the bits that are translated.
        large_shift: address bits within a large page.
        swap_shift: address bits below those that choose an entry of the highest table that may be paged out.
        self_map: first address of the tables' own place, where it is the same on every machine.
    """

    name: str
    pointer_size: int
    entry_size: int
    shifts: tuple[int, ...]
    bits: tuple[int, ...]
    system_start: int
    large_shift: int
    swap_shift: int
    self_map: int = 0

    @property
    def address_mask(self) -> int:
        """The bits of an address that are translated."""
        return (1 << self.shifts[0] + self.bits[0]) - 1

    @property
    def entry_mask(self) -> int:
        """The bits that an entry has room for; there is no-execute only in wide ones."""
        return (1 << 8 * self.entry_size) - 1

    @property
    def large_frames(self) -> int:
        """4 KB frames of a large page."""
        return 1 << self.large_shift - PAGE_SHIFT

    def pack(self, *entries: int) -> bytes:
        """Entries as a table holds them."""
        return struct.pack(f"<{len(entries)}{'Q' if self.entry_size == 8 else 'I'}", *entries)

    def index(self, address: int, depth: int) -> int:
        """Which entry of a table leads on to an address; ``depth`` 0 is the root."""
        return (address >> self.shifts[depth]) & ((1 << self.bits[depth]) - 1)


X64 = Mode("x64", 8, 8, (39, 30, 21, 12), (9, 9, 9, 9), 1 << 47, 21, 39)
PAE = Mode("PAE", 4, 8, (30, 21, 12), (2, 9, 9), 1 << 31, 21, 21, 0xC0000000)
X86 = Mode("x86", 4, 4, (22, 12), (10, 10), 1 << 31, 22, 22, 0xC0000000)


@dataclass(frozen=True)
class Entries:
    """How entries that are not valid are written on one machine.

    Attributes:
        mode: the paging mode.
        mask: bits that this kernel flips in them.
        index_shift: first bit of the page file's number.
        paged_pool: where the paged pool starts; prototype entries count from there in 32-bit paging.
        nonpaged_pool: where the non-paged pool starts; subsections count from there in 32-bit paging.
        low_bits: bits of a prototype entry's address in its lower part, in 32-bit paging: 7, and the address counts
            from the paged pool; or 8 since Vista, and it counts from 2 GB.
    """

    mode: Mode
    mask: int = 0
    index_shift: int = 1
    paged_pool: int = 0
    nonpaged_pool: int = 0
    low_bits: int = 7

    def stored(self, entry: int) -> int:
        """An entry of a page table as this kernel stores it."""
        return entry ^ self.mask if entry else 0

    def pagefile(self, index: int, page: int, protection: int) -> int:
        """A page that lies in a page file."""
        high = 32 if self.mode.entry_size == 8 else PAGE_SHIFT
        return page << high | index << self.index_shift | protection << PROTECTION_SHIFT

    @property
    def largest_swap_page(self) -> int:
        """Highest page number of a page file that is forged."""
        return 0xFFFF

    def prototype(self, address: int) -> int:
        """A page that is shared: the entry leads to its prototype entry."""
        if self.mode is X64:
            return (address & 0xFFFFFFFFFFFF) << 16 | PROTOTYPE
        if self.mode is PAE:
            return address << 32 | PROTOTYPE
        number = address - (self.paged_pool if self.low_bits == 7 else 1 << 31) >> 2
        return number >> self.low_bits << 11 | PROTOTYPE | (number & (1 << self.low_bits) - 1) << 1

    def prototype_by_vad(self, protection: int) -> int:
        """A page that is shared: the VAD leads to its prototype entry."""
        high = 0xFFFFFFFF << 32 if self.mode.entry_size == 8 else 0xFFFFF << PAGE_SHIFT
        return high | PROTOTYPE | protection << PROTECTION_SHIFT

    def subsection(self, address: int, protection: int) -> int:
        """A prototype entry of a page that lies in its file, which the subsection leads to."""
        rest = PROTOTYPE | protection << PROTECTION_SHIFT
        if self.mode is X64:
            return (address & 0xFFFFFFFFFFFF) << 16 | rest
        if self.mode is PAE:
            return address << 32 | rest
        offset = address - self.nonpaged_pool
        return WHICH_POOL | offset >> 7 << 11 | rest | (offset & 0x78) >> 2

    def transition(self, frame: int, protection: int) -> int:
        """A page that is on its way out of memory."""
        return frame * PAGE | TRANSITION | protection << PROTECTION_SHIFT


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
