"""The page-table entries of the user halves of some processes: states, frames, and what prototype entries add.

Halves are laid out one behind the other, as :mod:`process_anatomy.walk.page_ranges` has them.

Source: Intel's manual, volume 3, chapter 4; Windows Internals, memory management, invalid PTEs and prototype PTEs;
_MMPTE_HARDWARE, _MMPTE_SOFTWARE, _MMPTE_TRANSITION and _MMPTE_PROTOTYPE of the kernel's symbols.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain

import numpy as np
import numpy.typing as npt

from process_anatomy.memory import paging
from process_anatomy.memory.address_space import AddressSpace
from process_anatomy.memory.paging import PageState
from process_anatomy.memory.space import Addresses, Mask

ENTRY_LIMIT = 1 << 23
"""Entries of one process at the most: 32 GB of small pages; tables that point at one another would give more."""
SAMPLE = 16
"""Transition entries that the mask of invalid entries is read off; one would do if none were damaged."""
SEARCH_LIMIT = 1 << 20
"""Entries that are looked through for them."""
NOT_SWIZZLED = np.uint64(1 << 4)
"""SwizzleBit: the entry that is not valid is stored as it is, in builds that flip bits (15063 and later)."""
IN_PAGEFILE = np.uint64(0x6)
"""PageFileReserved and PageFileAllocated: the entry names a place in a page file, even if its number is 0."""
PROTECTION_SHIFT, PROTECTION_MASK = np.uint64(5), np.uint64(0x1F)
PROTOTYPE_SHIFT = np.int64(16)
ASK_VAD = np.uint64(0xFFFF_FFFF_FFFF_0000)
"""Prototype address that says: the VAD knows the prototype entry."""
PAGE_SHIFT = np.uint64(12)
SIZES = {PageState.LARGE_2MB: 512, PageState.LARGE_4MB: 1024, PageState.LARGE_1GB: 512 * 512}


@dataclass(frozen=True, slots=True)
class Entries:
    """Entries in the order of their places; each array has one element an entry.

    Attributes:
        place: number of the process times the size of a user half, plus the first address that it maps.
        pages: number of 4 KB pages that it maps.
        state: :class:`~process_anatomy.memory.paging.PageState`.
        entry: as it would be without flipped bits.
        physical: where its octets are, for states that can be read.
        gaps: (first place, bytes) of what lies under tables that could not be read.
        cut: there were more than were asked for.
    """

    place: Addresses
    pages: npt.NDArray[np.int64]
    state: npt.NDArray[np.uint8]
    entry: Addresses
    physical: Addresses
    gaps: tuple[tuple[int, int], ...]
    cut: bool

    @property
    def readable(self) -> Mask:
        """Entries whose octets are in physical memory."""
        there: Mask = self.state <= paging.READABLE
        return there

    @property
    def protection(self) -> npt.NDArray[np.uint64]:
        """The protection index that an entry that is not valid keeps."""
        return self.entry >> PROTECTION_SHIFT & PROTECTION_MASK


def user_half(space: AddressSpace) -> int:
    """Bytes of the part of the address space that a process has for itself."""
    return space.system_start if space.pointer_size == 4 else 1 << (space.mode.bits - 1)


def invalid_mask(space: AddressSpace, roots: Addresses) -> np.uint64:
    """The bits that this kernel flips in entries that are not valid (MiState.Hardware.InvalidPteMask).

    No symbol is needed: they lie above all memory, so in transition entries, which hold the number of a frame that
    there is, they are the bits of the frame number that cannot be.  0 where no transition entry was found.

    Args:
        space: the kernel's.
        roots: page-table roots of processes, whose entries are looked at before the kernel's own.
    """
    above = paging.FRAME & ~paging.transition_frames(space.memory)
    if not above:
        return np.uint64(0)
    walks = [paging.leaves(space.memory, roots, 0, user_half(space) - 1, space.mode)]
    walks.append(paging.leaves(space.memory, space.root, space.system_start, mode=space.mode))
    found: list[Addresses] = []
    count = seen = 0
    for part in chain.from_iterable(walks):
        moving = part.entry[(part.state == PageState.TRANSITION) & (part.entry & NOT_SWIZZLED == 0)]
        found.append(moving)
        count, seen = count + len(moving), seen + len(part.entry)
        if count >= SAMPLE or seen >= SEARCH_LIMIT:
            break
    entries = np.concatenate(found) if found else np.zeros(0, dtype=np.uint64)
    mask = 0
    for bit in range(12, 48):  # by majority, so that a few damaged entries do not matter
        if int(above) >> bit & 1 and 2 * int((entries >> np.uint64(bit) & np.uint64(1)).sum()) > len(entries):
            mask |= 1 << bit
    return np.uint64(mask)


def entries_of(space: AddressSpace, roots: Addresses, mask: np.uint64, limit: int = ENTRY_LIMIT) -> Entries:
    """Every entry of the user halves under some page-table roots, at most ``limit`` of them.

    Args:
        space: the kernel's.
        roots: a page-table root for each process, shape (n,).
        mask: the bits that are flipped in entries that are not valid.
        limit: entries to read, rounded up to the end of a table.
    """
    half = user_half(space)
    gaps: list[paging.Gap] = []
    parts: list[paging.Leaves] = []
    count, cut = 0, False
    for part in paging.leaves(space.memory, roots, 0, half - 1, space.mode, gaps):
        parts.append(part)
        count += len(part.virtual)
        if count >= limit:
            cut = True
            break
    spans = tuple(
        sorted(
            (number * half + first, min(gap.size, half - first))
            for gap in gaps
            for first, number in zip(gap.virtual.tolist(), gap.root.tolist(), strict=True)
        )
    )
    if not parts:
        nothing = np.zeros(0, dtype=np.uint64)
        none = np.zeros(0, dtype=np.int64)
        return Entries(nothing, none, np.zeros(0, dtype=np.uint8), nothing, nothing, spans, cut)
    virtual, physical, state, entry, root = (np.concatenate(columns) for columns in zip(*parts, strict=True))
    place = virtual + root.astype(np.uint64) * np.uint64(half)
    order = np.argsort(place, kind="stable")
    place, physical, state, entry = place[order], physical[order], state[order], entry[order]
    flipped = _flipped(entry)
    if mask and flipped.any():
        entry = np.where(flipped, entry ^ mask, entry)
        state = np.where(flipped, paging.software_state(entry), state)
    pages = np.ones(len(place), dtype=np.int64)
    for large, size in SIZES.items():
        pages[state == large] = size
    return Entries(place, pages, state, entry, physical, spans, cut)


def _flipped(entry: Addresses) -> Mask:
    """Whether an entry is stored with the mask's bits flipped.

    Entries that are made from a constant may be stored as they are: a demand-zero page's, without any place in a page
    file, and a prototype entry that refers to the VAD.
    """
    software = entry & (paging.PROTOTYPE | paging.TRANSITION) == 0
    constant = software & (entry >> paging.LOW_32 == 0) & (entry & IN_PAGEFILE == 0)
    constant |= (entry & paging.PROTOTYPE != 0) & (_pointer(entry) == ASK_VAD)
    swizzled: Mask = (entry & paging.VALID == 0) & (entry & NOT_SWIZZLED == 0) & ~constant
    return swizzled


def prototype_addresses(
    space: AddressSpace, entries: Entries, first: Addresses, start: Addresses, mask: np.uint64
) -> Addresses:
    """Where the prototype entry of each entry lies; 0 where that is not known.

    Args:
        space: the kernel's.
        entries: the entries.
        first: for each, the prototype entry of the first page of its range; 0 where the VAD has none.
        start: for each, the first place of its range.
        mask: the bits that are flipped in entries that are not valid.
    """
    told = _pointer(entries.entry)
    by_vad = np.where(first != 0, first + (entries.place - start >> PAGE_SHIFT << np.uint64(3)), np.uint64(0))
    # where the entry was stored without flipping its bits, it points to just that entry as it is
    ask = (entries.state != PageState.PROTOTYPE) | (told == ASK_VAD) | (_pointer(entries.entry ^ mask) == by_vad)
    where = np.where(ask, by_vad, told)
    return np.where(where >= np.uint64(space.system_start), where, np.uint64(0))


def _pointer(entry: Addresses) -> Addresses:
    """The address in the upper 48 bits of a prototype entry."""
    return (entry.astype(np.int64) >> PROTOTYPE_SHIFT).astype(np.uint64)


def prototypes(space: AddressSpace, addresses: Addresses, mask: np.uint64) -> tuple[Addresses, Mask, Mask]:
    """What prototype entries say: physical address of the page, whether it is in memory, whether the entry is."""
    data, known = space.read_many(addresses, 8)
    entry = data.view("<u8").reshape(-1)
    valid = entry & paging.VALID != 0
    entry = np.where(_flipped(entry), entry ^ mask, entry)
    state = np.where(valid, np.uint8(PageState.VALID), paging.software_state(entry))
    there = known & (state <= paging.READABLE)
    frame = np.where(valid, entry & paging.FRAME, entry & paging.transition_frames(space.memory))
    return np.where(there, frame, np.uint64(0)), there, known
