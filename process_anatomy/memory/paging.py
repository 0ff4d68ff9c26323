"""From virtual to physical addresses, thousands at a time, with the reason where there is none.

x86 without PAE and with it, x64 with four levels, and with five (LA57): one walk, whose :class:`Mode` says how
wide entries and indexes are and where large pages may be.

Source: Intel's manual, volume 3, chapter 4, for entries that the processor uses; Windows Internals,
memory management, for entries that only the memory manager reads (transition, prototype, page file,
demand zero); _MMPTE_* of the kernel's symbols for their bits.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from process_anatomy.memory.physical import PhysicalMemory, gather, numbers, words
from process_anatomy.memory.space import Addresses

VALID = np.uint64(1 << 0)
LARGE = np.uint64(1 << 7)
PROTOTYPE = np.uint64(1 << 10)
TRANSITION = np.uint64(1 << 11)
FRAME = np.uint64(0x0000_FFFF_FFFF_F000)
LOW_32 = np.uint64(32)
NOWHERE = np.uint64(0xFFFF_FFFF_FFFF_FFFF)
TABLE_LIMIT = 1 << 18
"""Page tables that are read under one root at the most; hostile tables can point at one another for ever."""
CHUNK = 1024
"""Page tables that are read in one step: 4 MB."""


class PageState(IntEnum):
    """What a page is, as the page tables tell it."""

    VALID = 0
    LARGE_2MB = 1
    LARGE_4MB = 2
    LARGE_1GB = 3
    TRANSITION = 4
    PROTOTYPE = 5
    PAGEFILE = 6
    DEMAND_ZERO = 7
    INVALID = 8
    NOT_IN_IMAGE = 9
    COMPRESSED = 10
    """In the compression store: only who knows the store can tell, to the page tables it is in a page file."""


SMALL, _, _, _, MOVING, SHARED, IN_FILE, NEVER_TOUCHED, NOTHING, MISSING, _ = np.array(PageState, dtype=np.uint8)
"""The states as numpy numbers, in their order: to look up a member of an enumeration takes longer than to compare."""
READABLE = int(PageState.TRANSITION)
"""States up to this one have their octets in physical memory."""

WHY = {
    PageState.PROTOTYPE: "the page table entry refers to a prototype entry",
    PageState.PAGEFILE: "the page is in a page file",
    PageState.DEMAND_ZERO: "the page was never touched (demand zero)",
    PageState.INVALID: "no page is mapped here",
    PageState.NOT_IN_IMAGE: "the image does not hold the page",
    PageState.COMPRESSED: "the page is in the compression store",
}
"""In words, why a page in such a state cannot be read."""


class Level(NamedTuple):
    """One level of page tables.

    Attributes:
        shift: lowest address bit that its index takes.
        bits: how many address bits the index takes.
        large: state of an entry that maps a page by itself; ``None`` where none does, or every entry does.
    """

    shift: int
    bits: int
    large: PageState | None = None


@dataclass(frozen=True, slots=True)
class Mode:
    """A format of page tables.

    Attributes:
        name: as Intel calls it.
        levels: top level first.
        entry_size: bytes of an entry.
        root_mask: the bits of CR3 that are the top table's address.
        page_file_shift: lowest bit of the page's number in a page file, in an entry that is not valid.
        bits: significant bits of a virtual address.
        pointer_size: bytes of an address.
    """

    name: str
    levels: tuple[Level, ...]
    entry_size: int
    root_mask: int
    page_file_shift: int
    bits: int
    pointer_size: int

    @property
    def shifts(self) -> tuple[int, ...]:
        """Lowest address bit that each level's index takes, top level first."""
        return tuple(level.shift for level in self.levels)

    @property
    def system_start(self) -> int:
        """Where the upper half of the addresses begins, which is system space unless the kernel says otherwise."""
        return (1 << 8 * self.pointer_size) - (1 << self.bits - 1)

    def table_size(self, level: int) -> int:
        """Bytes of a table of a level."""
        return self.entry_size << self.levels[level].bits


_LONG = (Level(39, 9), Level(30, 9, PageState.LARGE_1GB), Level(21, 9, PageState.LARGE_2MB), Level(12, 9))
_PAE = (Level(30, 2), Level(21, 9, PageState.LARGE_2MB), Level(12, 9))
X86 = Mode("32-bit", (Level(22, 10, PageState.LARGE_4MB), Level(12, 10)), 4, 0xFFFF_F000, 12, 32, 4)
PAE = Mode("PAE", _PAE, 8, 0xFFFF_FFE0, 32, 32, 4)
X64 = Mode("4-level", _LONG, 8, int(FRAME), 32, 48, 8)
LA57 = Mode("5-level", (Level(48, 9), *_LONG), 8, int(FRAME), 32, 57, 8)
MODES = {mode.name: mode for mode in (X86, PAE, X64, LA57)}


class Translation(NamedTuple):
    """The answer for each address: its physical address (where readable), state, and last entry seen."""

    physical: Addresses
    state: npt.NDArray[np.uint8]
    entry: Addresses


class Elsewhere(Protocol):
    """Who knows where the page is behind an entry that the processor does not follow."""

    def frames(self, entries: Addresses, roots: Addresses, lowest: bool) -> Addresses:
        """Physical address of the page, or of the next table, behind each entry; :data:`NOWHERE` where none is."""


class Leaves(NamedTuple):
    """Pages found in the page tables, a row each: virtual and physical address, state, entry, number of the root."""

    virtual: Addresses
    physical: Addresses
    state: npt.NDArray[np.uint8]
    entry: Addresses
    root: npt.NDArray[np.int64]


class Gap(NamedTuple):
    """Tables that could not be read: first address that each would map, number of its root, bytes each would map."""

    virtual: Addresses
    root: npt.NDArray[np.int64]
    size: int


def canonical(addresses: Addresses, mode: Mode = X64) -> npt.NDArray[np.bool_]:
    """Whether the bits above the significant ones all equal the highest significant one; are 0, in 32-bit modes."""
    high: npt.NDArray[np.bool_]
    if mode.bits == 32:
        high = addresses >> LOW_32 == 0
    else:
        top = addresses.astype(np.int64) >> np.int64(mode.bits - 1)
        high = (top == 0) | (top == -1)
    return high


def transition_frames(memory: PhysicalMemory) -> np.uint64:
    """The frame bits that a transition entry of this memory can really use.

    Since 2018 Windows sets a frame bit above all memory in entries that are not valid, to defeat the L1
    terminal fault; bits above the highest address of the image are therefore not part of the frame.
    """
    return np.uint64(int(FRAME) & ((1 << max(memory.end - 1, 0).bit_length()) - 1))


def software_state(entries: Addresses, mode: Mode = X64) -> npt.NDArray[np.uint8]:
    """States of entries whose valid bit is clear: what the memory manager wrote for itself."""
    # later lines overrule earlier ones; a chain of np.where takes a third of the time of np.select
    state = np.where(entries >> np.uint64(mode.page_file_shift) != 0, IN_FILE, NEVER_TOUCHED)
    state = np.where(entries == 0, NOTHING, state)
    state = np.where(entries & TRANSITION != 0, MOVING, state)
    final: npt.NDArray[np.uint8] = np.where(entries & PROTOTYPE != 0, SHARED, state)
    return final


def software_state_of(entry: int, mode: Mode = X64) -> PageState:
    """The same of one entry, without arrays."""
    if entry & int(PROTOTYPE):
        return PageState.PROTOTYPE
    if entry & int(TRANSITION):
        return PageState.TRANSITION
    if not entry:
        return PageState.INVALID
    return PageState.PAGEFILE if entry >> mode.page_file_shift else PageState.DEMAND_ZERO


def large_page(entries: Addresses, shift: int, mode: Mode) -> Addresses:
    """Where the large pages of some entries start: of 4 MB pages, bits 13 to 20 say what lies above 4 GB (PSE-36)."""
    start = entries & FRAME & ~np.uint64((1 << shift) - 1)
    if mode.entry_size == 4:
        start |= (entries >> np.uint64(13) & np.uint64(0xFF)) << LOW_32
    return start


def translate(
    memory: PhysicalMemory,
    addresses: Addresses,
    roots: Addresses | int,
    mode: Mode = X64,
    elsewhere: Elsewhere | None = None,
) -> Translation:
    """Translate virtual addresses, each through its own page-table root.

    Args:
        memory: where the page tables lie.
        addresses: virtual addresses, shape (n,).
        roots: physical address of the top table, one for all or shape (n,).
        mode: format of the tables.
        elsewhere: knows of pages that prototype entries and page files have; such a page's state is then given
            as VALID, because its octets can be read.

    Returns:
        Shape (n,) each; physical addresses count only where the state is at most :data:`READABLE`.
    """
    count = len(addresses)
    physical = np.zeros(count, dtype=np.uint64)
    state = np.full(count, NOTHING)
    last = np.zeros(count, dtype=np.uint64)
    whole = canonical(addresses, mode)
    rows = np.arange(count) if whole.all() else np.flatnonzero(whole)
    virtual = addresses[rows]
    root = np.broadcast_to(np.asarray(roots, dtype=np.uint64), (count,))
    table = root[rows] & np.uint64(mode.root_mask)
    movable = transition_frames(memory)
    width = np.uint64(mode.entry_size.bit_length() - 1)
    for shift, bits, large in mode.levels:
        index = virtual >> np.uint64(shift) & np.uint64((1 << bits) - 1)
        entry, there = words(memory, table | index << width, mode.entry_size)
        last[rows] = entry
        valid = entry & VALID != 0
        leaf = shift == 12
        if leaf or not (there & valid).all():
            kind = np.where(valid, SMALL, software_state(entry, mode))
            kind[~there] = MISSING
            frame = np.where(kind == MOVING, entry & movable, entry & FRAME)
            if elsewhere is not None and ((kind == SHARED) | (kind == IN_FILE)).any():
                lost = np.flatnonzero((kind == SHARED) | (kind == IN_FILE))
                found = elsewhere.frames(entry[lost], root[rows[lost]], leaf)
                lost, found = lost[found != NOWHERE], found[found != NOWHERE]
                kind[lost], frame[lost] = SMALL, found
            state[rows] = kind
            readable = kind <= READABLE
        else:
            frame, readable = entry & FRAME, there
        if leaf:
            physical[rows] = frame | virtual & np.uint64(0xFFF)
            break
        if large is not None:
            big = readable & valid & (entry & LARGE != 0)
            if big.any():
                chosen = rows[big]
                physical[chosen] = large_page(entry[big], shift, mode) | virtual[big] & np.uint64((1 << shift) - 1)
                state[chosen] = large
                readable = readable & ~big
        if not readable.all():
            rows, virtual, frame = rows[readable], virtual[readable], frame[readable]
        table = frame
        if not len(rows):
            break
    return Translation(physical, state, last)


def translate_one(memory: PhysicalMemory, address: int, root: int, mode: Mode = X64) -> tuple[int, PageState]:
    """Translate one address without arrays, which is quicker for one; the same answer as :func:`translate`."""
    unused = address >> mode.bits - 1 if mode.bits > 32 else address >> 32
    if unused not in (0, (1 << 65 - mode.bits) - 1):
        return 0, PageState.INVALID
    table = root & mode.root_mask
    for shift, bits, large in mode.levels:
        index = address >> shift & (1 << bits) - 1
        data = memory.read(table | index * mode.entry_size, mode.entry_size)
        if data is None:
            return 0, PageState.NOT_IN_IMAGE
        entry = int.from_bytes(data, "little")
        table = entry & int(FRAME)
        state = PageState.VALID
        if not entry & 1:
            state = software_state_of(entry, mode)
            if state != PageState.TRANSITION:
                return 0, state
            table = entry & int(transition_frames(memory))
        elif large is not None and entry & int(LARGE):
            inside = (1 << shift) - 1
            above = (entry >> 13 & 0xFF) << 32 if mode.entry_size == 4 else 0  # as in large_page
            return above | table & ~inside | address & inside, large
    return table | address & 0xFFF, state


def leaves(
    memory: PhysicalMemory,
    roots: int | Addresses,
    first: int = 0,
    last: int = 0xFFFF_FFFF_FFFF_FFFF,
    mode: Mode = X64,
    gaps: list[Gap] | None = None,
    tables_read: list[tuple[Addresses, npt.NDArray[np.int64]]] | None = None,
) -> Iterator[Leaves]:
    """Yield every entry that is not zero of the lowest tables that can be read, from ``first`` to ``last``.

    Where an upper entry leads to no table in the image, what lies below it is not known: it is put into ``gaps``
    if such a list is given, else left out.

    Tables are read whole and in batches, depth first, so a large address
    space costs little memory.  At most :data:`TABLE_LIMIT` tables are read of each root.

    Args:
        memory: where the tables lie.
        roots: physical address of the top table, one or shape (n,); rows say by its number which they come from.
        first: lowest address of interest.
        last: highest address of interest.
        mode: format of the tables.
        gaps: where to put what could not be read.
        tables_read: where to put which tables were read: their places, and the numbers of their roots.
    """
    movable = transition_frames(memory)
    tops = np.atleast_1d(np.asarray(roots, dtype=np.uint64)) & np.uint64(mode.root_mask)
    pending = [(0, np.zeros(len(tops), dtype=np.uint64), tops, np.arange(len(tops)))]
    read = np.zeros(len(tops), dtype=np.int64)
    low, high = np.uint64(first), np.uint64(last)
    while pending:
        level, prefix, tables, root = pending.pop()
        if len(tables) > CHUNK:
            pending.append((level, prefix[CHUNK:], tables[CHUNK:], root[CHUNK:]))
            prefix, tables, root = prefix[:CHUNK], tables[:CHUNK], root[:CHUNK]
        shift, bits, large = mode.levels[level]
        size = mode.table_size(level)
        before, read = read, read + np.bincount(root, minlength=len(read))
        if (read > TABLE_LIMIT).any():
            order = np.argsort(root, kind="stable")
            rank = np.empty_like(order)  # how many tables of the same root stand before each
            rank[order] = np.arange(len(root)) - np.searchsorted(root[order], root[order])
            within = before[root] + rank < TABLE_LIMIT
            if gaps is not None and not within.all():
                gaps.append(Gap(prefix[~within], root[~within], 1 << min(shift + bits, 64)))
            prefix, tables, root = prefix[within], tables[within], root[within]
        if tables_read is not None:
            tables_read.append((tables, root))
        offsets = memory.locate(tables, size)
        if gaps is not None and not (offsets >= 0).all():
            lost = offsets < 0
            gaps.append(Gap(prefix[lost], root[lost], 1 << min(shift + bits, 64)))
        entries = numbers(gather(memory.octets(), offsets, size), mode.entry_size)
        table, index = np.nonzero(entries)
        entry, root = entries[table, index], root[table]
        virtual = prefix[table] | index.astype(np.uint64) << np.uint64(shift)
        if level == 0 and mode.bits > 32:
            virtual = np.where(
                virtual >> np.uint64(mode.bits - 1) != 0, virtual | ~np.uint64((1 << mode.bits) - 1), virtual
            )
        wanted = (virtual <= high) & (virtual + np.uint64((1 << shift) - 1) >= low)
        if not wanted.all():
            entry, virtual, root = entry[wanted], virtual[wanted], root[wanted]
        valid = entry & VALID != 0
        state = np.where(valid, SMALL, software_state(entry, mode))
        frame = np.where(state == MOVING, entry & movable, entry & FRAME)
        final = np.full(len(entry), shift == 12)
        if large is not None:
            final = valid & (entry & LARGE != 0)
            if final.any():
                state[final] = large
                frame[final] = large_page(entry[final], shift, mode)
        if final.any():
            yield Leaves(virtual[final], frame[final], state[final], entry[final], root[final])
        deeper = ~final & (state <= READABLE)
        if gaps is not None and shift != 12 and not (deeper | final).all():
            lost = ~(deeper | final)
            gaps.append(Gap(virtual[lost], root[lost], 1 << shift))
        if shift != 12 and deeper.any():
            pending.append((level + 1, virtual[deeper], frame[deeper], root[deeper]))
