"""Processes and threads found by what they look like, in one pass over physical memory.

No list, table or symbol leads here.  A process and a thread are dispatcher objects: each begins with its kind, and
with list heads that are empty most of the time.  An empty list head points to itself, so it tells the address that the
object believes to have; where the kernel's page tables map that very address to the place where the object was found,
the object is in place.  Pool tags lead to objects whose beginning was overwritten.  What was found is proved by what
must be true of it before it is believed; what is not in place (left over in freed memory, copied, or of a guest system)
must pass every check.

Sources: _DISPATCHER_HEADER, _KPROCESS.ProfileListHead, _KTHREAD.MutantListHead, _POOL_HEADER of the kernel's symbols;
Microsoft Learn, ExAllocatePoolWithTag and the pool tags ``Proc`` and ``Thre``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from process_anatomy.kernel.identify import Kernel
from process_anatomy.memory.address_space import AddressSpace
from process_anatomy.memory.paging import READABLE
from process_anatomy.memory.physical import PAGE, gather
from process_anatomy.memory.space import Addresses, Mask, Octets, among, distinct
from process_anatomy.memory.sweep import sweep
from process_anatomy.walk.processes.objects_in_memory import (
    LOCK_MASK,
    PROCESS,
    THREAD,
    Judge,
    Kind,
    Numbers,
    holds_root,
    is_id,
    kernel_address,
    size_place,
)
from structs.eprocess import EPROCESS
from structs.ethread import ETHREAD
from structs.object import OBJECT_HEADER, POOL_HEADER, POOL_TAG_MASK

PAGE_LIMIT = 1 << 26
"""Pages that are looked at altogether: 256 GB."""
PAGES_AT_ONCE = 1 << 13
"""Pages whose objects are proved in one step: 32 MB, for every step costs the same, however few objects it has."""
MARKED = 1 << 8
"""Pages that are looked through for marks in one step."""
SIFTED = 1 << 10
"""Objects that are proved in one step."""
TAGS = 1 << 13
"""Pool tags that are followed in one step."""
FOUND_LIMIT = 1 << 16
"""Objects of one kind that are kept; a Windows with as many processes or threads has not been seen."""
LEFT_LIMIT = 1 << 12
"""Objects of one kind that are not in place and are kept: however many there are, they push aside none that is."""
OPTIONAL_UNITS = 13
"""Units of the pool that the optional headers between a pool header and an object's own header fill: fewer than so."""


@dataclass(frozen=True, slots=True)
class Sighting:
    """An object that was found.

    Attributes:
        address: virtual, as the object itself tells it; 0 where it tells none.
        physical: where it was found.
        in_place: the kernel's page tables map that address to where it was found.
        by: what led to it: ``header``, ``tag`` or both.
        owner: address of the process of a thread; 0 for a process.
        doubts: checks that it failed, in words.
    """

    address: int
    physical: int
    in_place: bool
    by: tuple[str, ...]
    owner: int
    doubts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Scan:
    """What one pass over physical memory found.

    Attributes:
        processes: in the order of physical memory.
        threads: likewise.
        pages: pages that were looked at.
        problems: what was left out, one line each.
    """

    processes: tuple[Sighting, ...]
    threads: tuple[Sighting, ...]
    pages: int
    problems: tuple[str, ...]


def scan(kernel: Kernel) -> Scan:
    """Look for processes and threads in all of physical memory; nothing is found in a small dump, which has none."""
    space = kernel.space
    if not isinstance(space, AddressSpace):
        return Scan((), (), 0, ("a small dump holds no physical memory to look through",))
    finders = [_Finder(kernel, space, kind) for kind in (PROCESS, THREAD) if kind.layout in kernel.build]
    pages = 0
    problems: list[str] = []
    for first, block in sweep(space.memory, PAGES_AT_ONCE):
        if pages >= PAGE_LIMIT:
            problems.append(f"memory was looked through up to {int(first[0]):#x} only")
            break
        pages += len(first)
        marks = _marks(kernel, block, [finder.kind for finder in finders])
        for finder, (headed, tagged) in zip(finders, marks, strict=True):
            if len(headed) or len(tagged):
                finder.look(first, block, headed, tagged)
    found = {
        finder.kind.layout.name: tuple(sorted(finder.found, key=lambda sighting: sighting.physical))
        for finder in finders
    }
    problems += [
        f"{finder.dropped} more that look like {finder.kind.layout.name} were left out"
        for finder in finders
        if finder.dropped
    ]
    return Scan(found.get(EPROCESS.name, ()), found.get(ETHREAD.name, ()), pages, tuple(problems))


def _marks(kernel: Kernel, block: Octets, kinds: Sequence[Kind]) -> list[tuple[Numbers, Numbers]]:
    """Where in a block something looks like an object of each kind: its header's first octet, and its pool tag.

    Args:
        kernel: the kernel.
        block: contents of pages, shape (n, 4096).
        kinds: what to look for.
    """
    unit, tag_at = kernel.build.pool_unit, kernel.build[POOL_HEADER].offset("PoolTag")
    marks: list[tuple[list[Numbers], list[Numbers]]] = [([], []) for _ in kinds]
    for first in range(0, len(block), MARKED):  # little enough to stay in the processor's cache
        part = block[first : first + MARKED]
        octets = part[:, ::unit] & np.uint8(LOCK_MASK)
        tags = part.view("<u4")[:, tag_at // 4 :: unit // 4] & np.uint32(POOL_TAG_MASK)
        for kind, (headed, tagged) in zip(kinds, marks, strict=True):
            headed.append(np.flatnonzero(octets == kind.number) * unit + first * PAGE)
            tagged.append(np.flatnonzero(tags == kind.tag) * unit + first * PAGE)
    return [(np.concatenate(headed), np.concatenate(tagged)) for headed, tagged in marks]


class _Finder:
    """Finds the objects of one kind and proves them.

    Args:
        kernel: the kernel.
        space: its address space.
        kind: what to look for.

    Attributes:
        found: what was found and proved.
        dropped: how many were found beyond :data:`FOUND_LIMIT` and :data:`LEFT_LIMIT`.
        kept: how many are in ``found``, of those in place and of the others.
    """

    def __init__(self, kernel: Kernel, space: AddressSpace, kind: Kind) -> None:
        self.space, self.kind = space, kind
        self.judge = Judge(kernel, space, kind)
        self.structure = self.judge.structure
        self.width = kernel.build.pointer_size
        self.between = np.arange(OPTIONAL_UNITS, dtype=np.int64) * kernel.build.pool_unit
        self.heads = [self.structure.offset(name) for name in kind.heads if name in self.structure]
        self.entries = [self.structure.offset(name) for name in kind.entries if name in self.structure]
        self.body = kernel.build[POOL_HEADER].sizeof + kernel.build[OBJECT_HEADER].offset("Body")
        self.found: list[Sighting] = []
        self.dropped = 0
        self.kept = {True: 0, False: 0}

    def look(self, pages: Addresses, block: Octets, headed: Numbers, tagged: Numbers) -> None:
        """Look through some pages.

        Args:
            pages: their physical addresses.
            block: their contents, shape (n, 4096).
            headed: places in the block whose octet is that of the kind, as far as its highest bit is not looked at.
            tagged: places where a pool header with the kind's tag may be.
        """
        headed = headed[self._sized(block, headed)]
        headed = headed[self._leads_somewhere(block, headed)]
        behind = [self._behind_tags(block, tagged[first : first + TAGS]) for first in range(0, len(tagged), TAGS)]
        for part in behind:
            self._sift(pages, block, part, True, headed)
        seen = np.concatenate([np.zeros(0, dtype=np.int64), *behind])
        self._sift(pages, block, headed[~among(headed, seen)], False, headed)

    def _sized(self, block: Octets, places: Numbers) -> Mask:
        """Of places in a block with the kind of a process, those with the size that every process's header states."""
        size = self.judge.size
        if size is None:
            return np.ones(len(places), dtype=np.bool_)
        sized: Mask = block.reshape(-1)[places + size_place(self.structure)] == size
        return sized

    def _leads_somewhere(self, block: Octets, places: Numbers) -> Mask:
        """Of places in a block, those with a list head that may be its own, or with a list of threads."""
        leads = np.zeros(len(places), dtype=np.bool_)
        for head in self.heads:
            value = self._word(block, places, head)
            leads |= kernel_address(self.space, value) & ((value.astype(np.int64) - head - places) % PAGE == 0)
        if self.kind is PROCESS:
            leads |= self._plausible_start(block, places)
        return leads

    def _word(self, block: Octets, places: Numbers, offset: int) -> Addresses:
        """The pointer at an offset from each place in a block, 0 where it lies behind the block.

        What lies in the page after is taken from there, as in a large page; whoever believes it has it proved.
        """
        numbers = block.reshape(-1).view(f"<u{self.width}")
        at = (places + offset) // self.width
        inside = at < len(numbers)
        found: Addresses = np.where(inside, numbers[np.where(inside, at, 0)], 0).astype(np.uint64)
        return found

    def _plausible_start(self, block: Octets, places: Numbers) -> Mask:
        """Of places in a block, those where a process with threads can begin, whatever its empty lists say."""
        table = self._word(block, places, self.structure.offset("DirectoryTableBase"))
        plausible = (table >> np.uint64(12) > 0) & (table < np.uint64(1 << 52))
        for side in (0, self.width):
            plausible &= kernel_address(self.space, self._word(block, places, self.entries[0] + side))
        rows = np.flatnonzero(plausible)
        plausible[rows] = holds_root(self.space, table[rows])
        return plausible

    def _plausible_thread(self, block: Octets, places: Numbers) -> Mask:
        """Of places in a block, those where a thread on its process's list can begin, whatever its header says."""
        ids = self._word(block, places, self.structure.offset("UniqueThread"))
        plausible = is_id(ids) & (ids > 0)
        plausible &= kernel_address(self.space, self._word(block, places, self.structure.offset("Process")))
        for side in (0, self.width):
            plausible &= kernel_address(self.space, self._word(block, places, self.entries[0] + side))
        return plausible

    def _behind_tags(self, block: Octets, tagged: Numbers) -> Numbers:
        """Places where the objects of tagged pool blocks may begin: behind any choice of optional headers."""
        places = (tagged[:, None] + self.body + self.between).reshape(-1)
        places = places[np.repeat(tagged, OPTIONAL_UNITS) // PAGE == places // PAGE]
        leads = self._leads_somewhere(block, places)
        if self.kind is THREAD:
            leads |= self._plausible_thread(block, places)
        return distinct(places[leads])[0]

    def _sift(self, pages: Addresses, block: Octets, places: Numbers, tagged: bool, headed: Numbers) -> None:
        """Prove the objects that may begin at places in a block, and keep those that pass."""
        for first in range(0, len(places), SIFTED):
            part = places[first : first + SIFTED]
            physical = pages[part // PAGE] + (part % PAGE).astype(np.uint64)
            address, in_place = self._address(block, part, physical)
            octets, known = self._octets(physical, address, in_place)
            by_header = among(part, headed)
            by_tag = np.full(len(part), tagged)
            for row, doubts, owner in self.judge.proved(octets, known, address, in_place, by_tag):
                kept = self.kept[bool(in_place[row])]
                if kept >= (FOUND_LIMIT if in_place[row] else LEFT_LIMIT):
                    self.dropped += 1
                    continue
                self.kept[bool(in_place[row])] = kept + 1
                by = (("header",) if by_header[row] else ()) + (("tag",) if tagged else ())
                self.found.append(
                    Sighting(int(address[row]), int(physical[row]), bool(in_place[row]), by, owner, doubts)
                )

    def _address(self, block: Octets, places: Numbers, physical: Addresses) -> tuple[Addresses, Mask]:
        """Virtual address of each object, and whether the kernel's page tables have the object there."""
        address = np.zeros(len(places), dtype=np.uint64)
        in_place = np.zeros(len(places), dtype=np.bool_)
        for offset, is_head in [(head, True) for head in self.heads] + [(entry, False) for entry in self.entries]:
            rest = np.flatnonzero(~in_place)
            if not len(rest):
                break
            value = self._word(block, places[rest], offset)
            if not is_head:  # the entry after it points back to it
                data, there = self.space.read_many(value + np.uint64(self.width), self.width)
                back = data.view(f"<u{self.width}").reshape(-1).astype(np.uint64)
                value = np.where(there & kernel_address(self.space, value), back, np.uint64(0))
            claim = value - np.uint64(offset)
            claim[~kernel_address(self.space, value) | ((claim ^ physical[rest]) % np.uint64(PAGE) != 0)] = 0
            where, state, _ = self.space.translate(claim)
            right = (claim != 0) & (state <= READABLE) & (where == physical[rest])
            address[rest] = np.where(right | (address[rest] == 0), claim, address[rest])
            in_place[rest[right]] = True
        return address, in_place

    def _octets(self, physical: Addresses, address: Addresses, in_place: Mask) -> tuple[Octets, Numbers]:
        """The octets of each object, and how many of them are certain to be its own.

        What is in place is read by its virtual address; of the rest, what lies in the page after it is taken for
        its own too, as in a large page, and has to pass every check.
        """
        size = self.structure.sizeof
        octets = np.zeros((len(physical), size), dtype=np.uint8)
        known = np.full(len(physical), size, dtype=np.int64)
        here = np.flatnonzero(in_place)
        octets[here], whole = self.space.read_many(address[here], size)
        known[here[~whole]] = PAGE - (physical[here[~whole]] % np.uint64(PAGE)).astype(np.int64)
        there = np.flatnonzero(~in_place)
        inside = (physical[there] % np.uint64(PAGE)).astype(np.int64)
        starts = physical[there] - inside.astype(np.uint64)
        memory = self.space.memory
        two: list[Octets] = []
        for page in (starts, starts + np.uint64(PAGE)):
            offsets = memory.locate(page, PAGE)
            two.append(gather(memory.octets(), offsets, PAGE))
        both = np.concatenate(two, axis=1) if len(there) else np.zeros((0, 2 * PAGE), dtype=np.uint8)
        octets[there] = both[np.arange(len(there))[:, None], inside[:, None] + np.arange(size)]
        return octets, np.minimum(known, size)


def beyond_search(kernel: Kernel, address: int) -> bool:
    """Whether a process begins so near to the end of a page that no search of physical memory can tell it.

    What the search goes by, the object's lists, then lies in a page that may be anywhere in physical memory.  Pools of
    old put no small object across two pages; segment heaps do.
    """
    structure = kernel.build[EPROCESS]
    fields = (*PROCESS.heads, *PROCESS.entries)
    first = min(structure.offset(name) for name in fields if name in structure)
    return address % PAGE + first + kernel.build.pointer_size > PAGE
