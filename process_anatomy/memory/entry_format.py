"""Which bits of an entry say what, of those that only the memory manager reads.

Source: _MMPTE_SOFTWARE and _MMPTE_PROTOTYPE of the kernel's symbols.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from process_anatomy.memory.paging import Mode
from process_anatomy.memory.space import SYSTEM_START, Addresses
from structs.layout import Build, Layout, Structure
from structs.page_entry import MMPTE_PROTOTYPE, MMPTE_SOFTWARE

NO_BIT = np.uint64(0)
PAGED_POOL = 0xE100_0000
"""Where paged pool starts in XP and Server 2003 for x86, from which entries without PAE count (MmPagedPoolStart)."""


@dataclass(frozen=True, slots=True)
class Bits:
    """Some bits of an entry.

    Attributes:
        shift: the lowest of them.
        count: how many.
        to: the bit that the lowest of them becomes.
    """

    shift: int
    count: int
    to: int = 0

    @property
    def mask(self) -> np.uint64:
        """The bits in their place in the entry."""
        return np.uint64((1 << self.count) - 1 << self.shift)

    def of(self, entries: Addresses) -> Addresses:
        """Their value in each entry."""
        return ((entries & self.mask) >> np.uint64(self.shift)) << np.uint64(self.to)


@dataclass(frozen=True, slots=True)
class EntryFormat:
    """Where one build keeps what in the entries that only the memory manager reads.

    Attributes:
        file: number of the page file.
        page: number of the page in it.
        pointer: the address of a prototype entry, in pieces.
        base: what is added to it.
        swizzle: the bit that says that no bits are flipped; 0 where none ever are.
        reserved: the bit that says that a place in the page file is kept; 0 where there is none.
        allocated: the bit that says that the page file holds the page; 0 where there is none.
        store: the bit that says that the page is in a store; 0 where there is none.
    """

    file: Bits
    page: Bits
    pointer: tuple[Bits, ...]
    base: int = 0
    swizzle: np.uint64 = NO_BIT
    reserved: np.uint64 = NO_BIT
    allocated: np.uint64 = NO_BIT
    store: np.uint64 = NO_BIT

    def pointers(self, entries: Addresses, mode: Mode) -> Addresses:
        """Addresses of prototype entries that these entries refer to."""
        found = np.full(len(entries), self.base, dtype=np.uint64)
        for bits in self.pointer:
            found += bits.of(entries)
        if mode.pointer_size == 8:  # the upper 16 bits are those of the highest that is kept
            found = ((found << np.uint64(16)).astype(np.int64) >> np.int64(16)).astype(np.uint64)
        return found


def entry_format(build: Build | None, mode: Mode, paged_pool: int | None = None) -> EntryFormat:
    """The format that a build uses with a mode of paging.

    A layout that was made of a kernel without PAE says nothing of one with PAE, and the other way round: then, and
    where the layout has nothing of these entries, the format is that of the mode's first generation.

    Args:
        build: the layout; ``None`` where it is not known.
        mode: format of the tables.
        paged_pool: where paged pool starts, if the kernel says it; only the first generation without PAE needs it.
    """
    paged_pool = paged_pool or PAGED_POOL
    software = _structure(build, mode, MMPTE_SOFTWARE)
    prototype = _structure(build, mode, MMPTE_PROTOTYPE)
    if software is None:
        file, page = Bits(1, 4), Bits(mode.page_file_shift, 8 * mode.entry_size - mode.page_file_shift)
        flags: dict[str, np.uint64] = {}
    else:
        file, page = _bits(software, "PageFileLow"), _bits(software, "PageFileHigh")
        names = {"swizzle": "SwizzleBit", "reserved": "PageFileReserved", "allocated": "PageFileAllocated"}
        names["store"] = "InStore"
        flags = {name: _bits(software, field).mask for name, field in names.items() if field in software}
    base = 0
    if prototype is not None and "ProtoAddress" in prototype:
        pointer: tuple[Bits, ...] = (_bits(prototype, "ProtoAddress"),)
    elif prototype is not None:  # addresses are multiples of four, and the two parts follow one another
        low = _bits(prototype, "ProtoAddressLow", 2)
        pointer = low, _bits(prototype, "ProtoAddressHigh", low.count + 2)
        base = paged_pool if "WhichPool" in prototype else SYSTEM_START[4]
    elif mode.entry_size == 4:
        pointer, base = (Bits(1, 7, 2), Bits(11, 21, 9)), paged_pool
    else:
        pointer = (Bits(16, 48) if mode.pointer_size == 8 else Bits(32, 32),)
    return EntryFormat(file, page, pointer, base, **flags)


def _structure(build: Build | None, mode: Mode, layout: Layout) -> Structure | None:
    if build is None or layout not in build:
        return None
    bound = build[layout]
    return bound if bound.sizeof == mode.entry_size else None


def _bits(structure: Structure, field: str, to: int = 0) -> Bits:
    place = structure.place(field)
    return Bits(place.bit or 0, place.bits or 8 * place.size, to)
