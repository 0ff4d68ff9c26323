"""Page-table entries that are not valid, as a kernel writes them.

Source: "Windows Internals" and the kernel's public symbols (_MMPTE_SOFTWARE, _MMPTE_PROTOTYPE, _MMPTE_SUBSECTION);
where such an entry holds no whole address (32-bit paging), it counts from the beginning of the pool.
"""

from __future__ import annotations

from dataclasses import dataclass

from process_anatomy.forge.memory.frames import PAGE, PROTOTYPE, TRANSITION
from process_anatomy.forge.memory.modes import PAE, PAGE_SHIFT, Mode

PROTECTION_SHIFT = 5
FIRST_SWIZZLED_BUILD = 15063
"""Since when 64-bit kernels flip bits of entries that are not valid."""
SWIZZLE = 1 << 4
"""Bit of an entry that says that no bits are flipped in it."""
WHICH_POOL = 1 << 31
"""32-bit paging: the entry's subsection lies in the non-paged pool."""


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

    def written(self, entry: int) -> int:
        """An entry of a page file as a kernel writes it that flips bits only where that sets them.

        Else the entry says that it is stored as it is.
        """
        return entry | SWIZZLE if entry & self.mask else self.stored(entry)

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
        if self.mode.is_long:
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
        if self.mode.is_long:
            return (address & 0xFFFFFFFFFFFF) << 16 | rest
        if self.mode is PAE:
            return address << 32 | rest
        offset = address - self.nonpaged_pool
        return WHICH_POOL | offset >> 7 << 11 | rest | (offset & 0x78) >> 2

    def transition(self, frame: int, protection: int) -> int:
        """A page that is on its way out of memory."""
        return frame * PAGE | TRANSITION | protection << PROTECTION_SHIFT
