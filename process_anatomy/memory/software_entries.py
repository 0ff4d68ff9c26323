"""Where the page is behind an entry that only the memory manager reads.

It is in a page file, in the compression store, or behind a prototype entry.

Source: Windows Internals, memory management, invalid PTEs and prototype PTEs; _MMPTE_SOFTWARE, _MMPTE_PROTOTYPE and
_MMPTE_TRANSITION of the kernel's symbols for the bits of each generation.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain

import numpy as np

from process_anatomy.memory import paging
from process_anatomy.memory.entry_format import EntryFormat
from process_anatomy.memory.page_files import KeyedPages, PageFiles
from process_anatomy.memory.paging import Mode, PageState
from process_anatomy.memory.physical import PAGE, PhysicalMemory, words
from process_anatomy.memory.space import Addresses, Mask

SAMPLE = 16
"""Transition entries that the mask of invalid entries is read off; one would do if none were damaged."""
SEARCH_LIMIT = 1 << 20
"""Entries that are looked through for them."""
TRIES = 8
"""How often samples are looked for in further processes, while there are too few."""


@dataclass(slots=True)
class Flips:
    """What is known of the bits that this kernel flips in entries that are not valid.

    Attributes:
        mask: the bits (MiState.Hardware.InvalidPteMask); ``None`` while no sample told.
        prototypes: whether those that refer to a prototype entry are flipped as well; ``None`` while none told.
        tries: how often samples may still be looked for.
        find: gives page-table roots of the kernel's processes, so that what is learned is not up to whose memory is
            read first; ``None`` where nobody can, and once it was asked.
    """

    mask: np.uint64 | None = None
    prototypes: bool | None = None
    tries: int = TRIES
    find: Callable[[], Addresses] | None = None


@dataclass(slots=True)
class Stores:
    """The compression store of a kernel, which is looked for when the first page is met that may be in it.

    Attributes:
        find: looks for it: the store, why it cannot be read, or ``None`` for a Windows that has none; ``None`` here
            once it was asked.
        found: the store.
        why: why it cannot be read; empty where it can, or where there is none.
    """

    find: Callable[[], KeyedPages | str | None] | None = None
    found: KeyedPages | None = None
    why: str = ""

    def ask(self) -> KeyedPages | None:
        """The store, if there is one that can be read."""
        if self.find is not None:
            find, self.find = self.find, None  # what is read while it is looked for is read without it
            told = find()
            if isinstance(told, str):
                self.why = told
            else:
                self.found = told
        return self.found


class SoftwareEntries:
    """Finds the page behind entries that the processor does not follow.

    Nothing is taken for granted: where a generation flips bits and no entry tells which, entries that may have
    flipped bits lead nowhere.

    Args:
        memory: physical memory, as :class:`PageFiles` where page files belong to it.
        root: physical address of the kernel's top table.
        mode: format of the tables.
        entry_format: of the entries.
        system_start: lowest address of system space, where prototype entries are.
        flips: what another one has learned of this kernel already.
        prototypes: whether entries that refer to prototype entries are followed.
        stores: the kernel's compression store, where another one has it already.
    """

    def __init__(
        self,
        memory: PhysicalMemory,
        root: int,
        mode: Mode,
        entry_format: EntryFormat,
        system_start: int,
        flips: Flips | None = None,
        *,
        prototypes: bool = True,
        stores: Stores | None = None,
    ) -> None:
        self.memory, self.root, self.mode, self.format = memory, root, mode, entry_format
        self.system_start, self.prototypes = system_start, prototypes
        self.files = memory if isinstance(memory, PageFiles) else None
        self.flips, self.stores = flips or Flips(), stores or Stores()
        if not entry_format.swizzle:
            self.flips.mask, self.flips.prototypes = np.uint64(0), False
        # a prototype entry may be in a page file, but not behind another prototype entry
        self._below = (
            SoftwareEntries(
                memory, root, mode, entry_format, system_start, self.flips, prototypes=False, stores=self.stores
            )
            if prototypes and self.files is not None
            else None
        )

    def frames(self, entries: Addresses, roots: Addresses, lowest: bool) -> Addresses:
        """Where the page or the next table behind each entry is, :data:`paging.NOWHERE` where that is not known.

        Args:
            entries: of state PROTOTYPE or PAGEFILE.
            roots: page-table root that each was reached from.
            lowest: they are of the lowest tables.
        """
        found = np.full(len(entries), paging.NOWHERE)
        shared = entries & paging.PROTOTYPE != 0
        filed = self.files is not None and not shared.all() and self._kept_elsewhere(self.files)
        if not filed and not (lowest and self.prototypes and shared.any()):
            return found
        self.learn(roots)
        if filed:
            rows = np.flatnonzero(~shared)
            found[rows] = self._in_files(entries[rows])
        if lowest and self.prototypes and shared.any():
            rows = np.flatnonzero(shared)
            value, there, _ = self._prototypes(entries[rows], roots[rows])
            found[rows[there]] = self.pages(value[there])
        return found

    def _kept_elsewhere(self, files: PageFiles) -> bool:
        """Whether there is any page file, or a compression store, to read."""
        files.store = self.stores.ask()
        return bool(files.files) or files.store is not None

    def places(self, entries: Addresses) -> tuple[Addresses, Addresses]:
        """Number of the page file, and of the page in it, of those entries whose page is in one for certain."""
        outside = entries & (paging.VALID | paging.PROTOTYPE | paging.TRANSITION) == 0
        plain, certain = self.plain(entries[outside])
        page = self.format.page.of(plain)
        kept = certain & (page != 0)
        return self.format.file.of(plain)[kept], page[kept]

    def keys(self, entries: Addresses) -> tuple[Addresses, Mask]:
        """Keys of pages in the compression store, and which entries' pages are there, whether they can be read or not.

        Args:
            entries: as :meth:`plain` gives them.
        """
        store = self.stores.ask()
        if store is None:
            return np.zeros(len(entries), dtype=np.uint64), np.zeros(len(entries), dtype=np.bool_)
        keys, can = store.keys(self.format.file.of(entries), self.format.page.of(entries))
        can &= entries & (paging.VALID | paging.PROTOTYPE | paging.TRANSITION) == 0
        keys = np.where(can, keys, np.uint64(0))
        return keys, can & store.holds(keys)

    def pages(self, values: Addresses) -> Addresses:
        """Where the pages of prototype entries are, :data:`paging.NOWHERE` where nothing that is there holds them."""
        plain, certain = self.plain(values)
        state = np.where(values & paging.VALID != 0, paging.SMALL, paging.software_state(plain, self.mode))
        frame = np.where(state == paging.MOVING, plain & paging.transition_frames(self.memory), values & paging.FRAME)
        found = np.where((state == paging.SMALL) | ((state == paging.MOVING) & certain), frame, paging.NOWHERE)
        filed = np.flatnonzero(state == paging.IN_FILE)
        if len(filed) and self.files is not None and self._kept_elsewhere(self.files):
            found[filed] = self._in_files(values[filed])
        return found

    def plain(self, entries: Addresses) -> tuple[Addresses, Mask]:
        """Entries that are not valid without flipped bits, and whether that is certain."""
        flipped = self.flipped(entries)
        if self.flips.mask is None:
            return entries, ~flipped
        return np.where(flipped, entries ^ self.flips.mask, entries), np.ones(len(entries), dtype=np.bool_)

    def flipped(self, entries: Addresses) -> Mask:
        """Whether an entry is stored with the mask's bits flipped.

        Entries that are made from a constant are stored as they are: a demand-zero page's, without any place in a
        page file, and a prototype entry that refers to the VAD.
        """
        swizzle, place = self.format.swizzle, self.format.page.mask | self.format.reserved | self.format.allocated
        if not swizzle:
            return np.zeros(len(entries), dtype=np.bool_)
        constant = (entries & (paging.PROTOTYPE | paging.TRANSITION | place) == 0) | self.by_vad(entries)
        flipped: Mask = (entries & (paging.VALID | swizzle) == 0) & ~constant
        return flipped

    def by_vad(self, entries: Addresses) -> Mask:
        """Whether entries refer to prototype entries that only the VAD knows (MI_PTE_LOOKUP_NEEDED)."""
        page = self.format.page.mask
        asks = entries & page == page
        if self.flips.mask:  # that constant may be flipped as well
            asks |= (entries & self.format.swizzle == 0) & ((entries ^ self.flips.mask) & page == page)
        told: Mask = asks & (entries & paging.PROTOTYPE != 0)
        return told

    def _in_files(self, entries: Addresses) -> Addresses:
        """Where in the page files the pages of entries are."""
        assert self.files is not None
        kept = self.format
        entries, certain = self.plain(entries)
        file, page = kept.file.of(entries), kept.page.of(entries)
        there = certain & (page != 0) & (entries & (kept.store | paging.TRANSITION | paging.VALID) == 0)
        there &= (entries & kept.allocated != 0) | (entries & kept.reserved == 0)
        there &= self.files.holds(file, page)
        found = np.where(there, self.files.addresses(file, page), paging.NOWHERE)
        if self.files.store is not None:
            keys, held = self.keys(entries)
            rows = np.flatnonzero(held & certain)
            where, there = self.files.stored(keys[rows])
            found[rows] = np.where(there, where, paging.NOWHERE)
        return found

    def pointers(self, entries: Addresses) -> Addresses:
        """Addresses of the prototype entries that entries refer to; 0 where that is not known."""
        known = ~self.by_vad(entries)
        flipped = self.flipped(entries)
        if self.flips.prototypes:
            entries, certain = self.plain(entries)
            known &= certain
        elif self.flips.prototypes is None:
            known &= ~flipped
        where = self.format.pointers(entries, self.mode)
        known &= (where >= np.uint64(self.system_start)) & (where & np.uint64(self.mode.entry_size - 1) == 0)
        if self.mode.pointer_size == 4:
            known &= where >> paging.LOW_32 == 0
        return np.where(known, where, np.uint64(0))

    def _prototypes(self, entries: Addresses, roots: Addresses) -> tuple[Addresses, Mask, Addresses]:
        """Values of prototype entries, whether they can be read, and where they are (0 where that is not known)."""
        where = self.pointers(entries)
        value, there = self._values(where, self.root)
        rest = np.flatnonzero(~there & (where != 0) & (roots != np.uint64(self.root)))
        if len(rest):  # those of a session are mapped in its processes alone
            value[rest], there[rest] = self._values(where[rest], roots[rest])
        return value, there, where

    def _values(self, where: Addresses, roots: Addresses | int) -> tuple[Addresses, Mask]:
        physical, state, _ = paging.translate(self.memory, where, roots, self.mode, self._below)
        value, there = words(self.memory, physical, self.mode.entry_size)
        return value, there & (state <= paging.READABLE) & (where != 0)

    def why(self, entry: int, root: int) -> str:
        """In words, why the page behind an entry cannot be read."""
        entries, roots = np.array([entry], dtype=np.uint64), np.array([root], dtype=np.uint64)
        self.learn(roots)
        if not entry & int(paging.PROTOTYPE):
            return self._why_not_in_file(entry)
        told = paging.WHY[PageState.PROTOTYPE]
        if self.by_vad(entries)[0]:
            return f"{told} that only the VAD knows"
        value, there, where = self._prototypes(entries, roots)
        if not where[0]:
            return f"{told} whose address is not known"
        if not there[0]:
            return f"{told} at {int(where[0]):#x}, which cannot be read"
        plain, _ = self.plain(value)
        state = PageState(int(paging.software_state(plain, self.mode)[0]))
        if state == PageState.PROTOTYPE:
            below = "the page is in the file that is mapped"
        elif state == PageState.PAGEFILE:
            below = self._why_not_in_file(int(value[0]))
        else:
            below = paging.WHY.get(state, paging.WHY[PageState.NOT_IN_IMAGE])
        return f"{told} at {int(where[0]):#x}: {below}"

    def _why_not_in_file(self, entry: int) -> str:
        told, entries = paging.WHY[PageState.PAGEFILE], np.array([entry], dtype=np.uint64)
        entries, certain = self.plain(entries)
        page, number = int(self.format.page.of(entries)[0]), int(self.format.file.of(entries)[0])
        if not certain[0] or not page:
            return told if page else paging.WHY[PageState.DEMAND_ZERO]
        stored = self._why_not_in_store(entries, number)
        if stored:
            return stored
        if int(entries[0] & self.format.store):
            return "the page is in a store of the memory manager"
        place = f"{told}: page {page:#x} of number {number}"
        if self.files is not None and number in self.files.refused:
            return f"{place}, which was given and is not read: {self.files.refused[number]}"
        if self.files is None or number not in self.files.files:
            return f"{place}, or in the compression store: {self.stores.why}" if self.stores.why else place
        pages = self.files.files[number].end // PAGE
        return f"{place}, which was given but does not hold it: it ends after {pages:#x} pages"

    def _why_not_in_store(self, entries: Addresses, number: int) -> str:
        """Why a page of the compression store cannot be read; empty where it is in no such store."""
        store = self.stores.ask()
        if store is None:
            return ""
        keys, can = store.keys(self.format.file.of(entries), self.format.page.of(entries))
        if not can[0] or (self.files is not None and number in self.files.files):
            return ""
        why = store.page(int(keys[0]))
        return f"{paging.WHY[PageState.COMPRESSED]} (key {int(keys[0]):#x}): {why}" if isinstance(why, str) else ""

    def learn(self, roots: Addresses) -> None:
        """Find out which bits are flipped, from entries of some processes and of the kernel.

        Args:
            roots: page-table roots of processes, whose entries are looked at where those that the kernel is known to
                have did not tell.
        """
        flips, memory, mode = self.flips, self.memory, self.mode
        if flips.tries <= 0 or (flips.mask is not None and flips.prototypes is not None):
            return
        flips.tries -= 1
        find, flips.find = flips.find, None  # what is read while they are looked for is read without them
        own = np.array(list(dict.fromkeys(roots.tolist()))[:TRIES], dtype=np.uint64) if find is None else find()
        groups = (own[first : first + TRIES] for first in range(0, len(own), TRIES))
        walks = (paging.leaves(memory, group, 0, self.system_start - 1, mode) for group in groups)
        moving, shared = self._samples(chain.from_iterable(walks))
        if flips.tries == TRIES - 1 and min(len(moving), len(shared)) < SAMPLE:
            more = self._samples(paging.leaves(memory, self.root, self.system_start, mode=mode))
            moving, shared = np.concatenate([moving, more[0]]), np.concatenate([shared, more[1]])
        if len(moving) and flips.mask is None:
            above = int(paging.FRAME & ~paging.transition_frames(memory))
            bits = (1 << bit for bit in range(12, 48) if above >> bit & 1)
            # by majority, so that a few damaged entries do not matter
            flips.mask = np.uint64(sum(b for b in bits if 2 * np.count_nonzero(moving & np.uint64(b)) > len(moving)))
        if flips.mask is not None:
            flips.prototypes = self._prototypes_flipped(shared, own) if flips.mask else False

    def _samples(self, walk: Iterator[paging.Leaves]) -> tuple[Addresses, Addresses]:
        """Entries that may have flipped bits: of pages that move, and that refer to prototype entries."""
        moving = shared = np.zeros(0, dtype=np.uint64)
        seen = 0
        for part in walk:
            entries = part.entry[self.flipped(part.entry)]
            kind = paging.software_state(entries, self.mode)
            moving = np.concatenate([moving, entries[kind == paging.MOVING]])
            shared = np.concatenate([shared, entries[kind == paging.SHARED]])
            seen += len(part.entry)
            if min(len(moving), len(shared)) >= SAMPLE or seen >= SEARCH_LIMIT:
                break
        return moving, shared[: 64 * SAMPLE]

    def _prototypes_flipped(self, entries: Addresses, roots: Addresses) -> bool | None:
        """Whether prototype entries are found rather with flipped bits than without; ``None`` where neither."""
        counts: list[int] = []
        for flipped in (False, True):
            self.flips.prototypes = flipped
            where = self.pointers(entries)
            root = int(roots[0]) if len(roots) else self.root
            counts.append(int(self._values(where, root)[1].sum()))
        return None if counts[0] == counts[1] else counts[1] > counts[0]
