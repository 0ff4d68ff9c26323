"""The page-table entries of the user halves of some processes: states, frames, and what prototype entries add.

Halves are laid out one behind the other, as :mod:`process_anatomy.walk.address_space.page_ranges` has them.

Source: Intel's manual, volume 3, chapter 4; Windows Internals, memory management, invalid PTEs and prototype PTEs;
_MMPTE_HARDWARE, _MMPTE_SOFTWARE, _MMPTE_TRANSITION and _MMPTE_PROTOTYPE of the kernel's symbols.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from process_anatomy.memory import paging
from process_anatomy.memory.address_space import AddressSpace
from process_anatomy.memory.entry_format import entry_format
from process_anatomy.memory.paging import PageState
from process_anatomy.memory.physical import numbers
from process_anatomy.memory.software_entries import SoftwareEntries
from process_anatomy.memory.space import Addresses, Mask

ENTRY_LIMIT = 1 << 23
"""Entries of one process at the most: 32 GB of small pages; tables that point at one another would give more."""
PROTECTION_SHIFT, PROTECTION_MASK = np.uint64(5), np.uint64(0x1F)
PAGE_SHIFT = np.uint64(12)
SIZES = {PageState.LARGE_2MB: 512, PageState.LARGE_4MB: 1024, PageState.LARGE_1GB: 512 * 512}


@dataclass(frozen=True, slots=True)
class Entries:
    """Entries in the order of their places; each array has one element an entry.

    Attributes:
        place: number of the process times the size of a user half, plus the first address that it maps.
        pages: number of 4 KB pages that it maps.
        state: :class:`~process_anatomy.memory.paging.PageState`.
        entry: as it would be without flipped bits; one that refers to a prototype entry as it is.
        physical: where its octets are, for states that can be read.
        gaps: (first place, bytes) of what lies under tables that could not be read.
        cut: there were more than were asked for.
        looped: numbers of the processes one of whose tables was reached twice, so that pages show up where none are.
    """

    place: Addresses
    pages: npt.NDArray[np.int64]
    state: npt.NDArray[np.uint8]
    entry: Addresses
    physical: Addresses
    gaps: tuple[tuple[int, int], ...]
    cut: bool
    looped: frozenset[int] = frozenset()

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


def software_of(space: AddressSpace) -> SoftwareEntries:
    """What reads entries of this space that are not valid: as the kernel's build writes them, where that is known."""
    if space.software is not None:
        return space.software
    kept = entry_format(None, space.mode)
    return SoftwareEntries(space.memory, space.root, space.mode, kept, space.system_start)


def entries_of(space: AddressSpace, roots: Addresses, limit: int = ENTRY_LIMIT) -> Entries:
    """Every entry of the user halves under some page-table roots, at most ``limit`` of them.

    Args:
        space: the kernel's.
        roots: a page-table root for each process, shape (n,).
        limit: entries to read, rounded up to the end of a table.
    """
    half, software = user_half(space), software_of(space)
    software.learn(roots)
    gaps: list[paging.Gap] = []
    parts: list[paging.Leaves] = []
    tables: list[tuple[Addresses, npt.NDArray[np.int64]]] = []
    count, cut = 0, False
    for part in paging.leaves(space.memory, roots, 0, half - 1, space.mode, gaps, tables):
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
    looped = _twice(tables)
    if not parts:
        nothing = np.zeros(0, dtype=np.uint64)
        none = np.zeros(0, dtype=np.int64)
        return Entries(nothing, none, np.zeros(0, dtype=np.uint8), nothing, nothing, spans, cut, looped)
    virtual, physical, state, entry, root = (np.concatenate(columns) for columns in zip(*parts, strict=True))
    place = virtual + root.astype(np.uint64) * np.uint64(half)
    order = np.argsort(place, kind="stable")
    place, physical, state, entry = place[order], physical[order], state[order], entry[order]
    other = np.flatnonzero((state > PageState.LARGE_1GB) & (state != PageState.PROTOTYPE))
    plain, certain = software.plain(entry[other])
    told = paging.software_state(plain, space.mode)
    told[software.keys(plain)[1] & certain & (told == PageState.PAGEFILE)] = PageState.COMPRESSED
    state[other], entry[other] = told, plain
    pages = np.ones(len(place), dtype=np.int64)
    for large, size in SIZES.items():
        pages[state == large] = size
    return Entries(place, pages, state, entry, physical, spans, cut, looped)


def _twice(tables: list[tuple[Addresses, npt.NDArray[np.int64]]]) -> frozenset[int]:
    """The roots under which a table was read twice: Windows puts each below one entry of the user half alone."""
    places = np.concatenate([place for place, _ in tables])
    roots = np.concatenate([root for _, root in tables])
    order = np.lexsort((places, roots))
    places, roots = places[order], roots[order]
    again = (places[1:] == places[:-1]) & (roots[1:] == roots[:-1])
    return frozenset(roots[1:][again].tolist())


def prototype_addresses(space: AddressSpace, entries: Entries, first: Addresses, start: Addresses) -> Addresses:
    """Where the prototype entry of each entry lies; 0 where that is not known.

    Args:
        space: the kernel's.
        entries: the entries.
        first: for each, the prototype entry of the first page of its range; 0 where the VAD has none.
        start: for each, the first place of its range.
    """
    software, size = software_of(space), np.uint64(space.mode.entry_size)
    by_vad = np.where(first != 0, first + (entries.place - start >> PAGE_SHIFT) * size, np.uint64(0))
    ask = (entries.state != PageState.PROTOTYPE) | software.by_vad(entries.entry)
    where = np.where(ask, by_vad, software.pointers(entries.entry))
    return np.where(where >= np.uint64(space.system_start), where, np.uint64(0))


def prototypes(space: AddressSpace, addresses: Addresses, roots: Addresses) -> tuple[Addresses, Mask, Mask]:
    """What prototype entries say: physical address of the page, whether it is in memory, whether the entry is.

    Args:
        space: the kernel's.
        addresses: of the prototype entries.
        roots: page-table root of the process that each was reached from: those of a session are mapped there alone.
    """
    software, size = software_of(space), space.mode.entry_size
    data, known = space.read_many(addresses, size)
    rest = np.flatnonzero(~known)
    if len(rest):
        data[rest], known[rest] = space.read_many(addresses[rest], size, roots[rest])
    entry = numbers(data, size).reshape(-1)
    valid = entry & paging.VALID != 0
    plain, certain = software.plain(entry)
    state = np.where(valid, np.uint8(PageState.VALID), paging.software_state(plain, space.mode))
    there = known & (valid | (state == PageState.TRANSITION) & certain)
    frame = np.where(valid, entry & paging.FRAME, plain & paging.transition_frames(space.memory))
    return np.where(there, frame, np.uint64(0)), there, known
