"""The kernel's pools: allocations packed behind each other, at addresses that look like Windows'.

With neighbours, as scenarios have them, no block crosses a page, other drivers' blocks and freed ones lie between, and
the sizes of a page's blocks lead from each to the next and back.  Without, blocks cross pages, and what is between them
is nobody's.
"""

from __future__ import annotations

from process_anatomy.forge.ground.dice import Dice
from process_anatomy.forge.ground.generations import version_of
from process_anatomy.forge.ground.records import record, utf16
from process_anatomy.forge.memory.frames import KERNEL_DATA, PAGE
from process_anatomy.forge.memory.page_tables import Space
from process_anatomy.forge.memory.system_space import ARENA, PAGED, SESSION, SystemSpace
from structs.layout import Build
from structs.object import POOL_HEADER

POOL_TYPES = {True: (1, 2), False: (2, 3)}
"""Whether before Windows Vista to the pool types, non-paged and paged, as the pool header of a block in use holds
them: the type and one, or the type and a bit."""
SEARCHED_FOR = (b"Proc", b"Thre")
"""Tags that tools search memory for: stock Volatility cannot search a large page that a dump holds in part."""
ALSO_SEARCHED_FOR = (b"File", b"Muta", b"MmLd")
NEIGHBOURS = (
    b"AfdB",
    b"CcBc",
    b"EtwB",
    b"FMfn",
    b"FSim",
    b"HTab",
    b"IoNm",
    b"MmSt",
    b"NtFs",
    b"Ntfx",
    b"SeTl",
    b"TcpE",
    b"UsbB",
)
"""Tags of other allocations, of which none is an object's."""
FREE = 0
"""Pool type of a block that was freed."""
MOST_NEIGHBOUR = 0x18
"""Units of the largest block of somebody else between two allocations."""
TIGHT = 4
"""One of so many allocations has nobody between it and the one before."""


class Pool:
    """One pool: several stretches of kernel address space, filled from their beginning.

    Args:
        build: for the pool header's places.
        kernel: the space that the pool is mapped in.
        dice: decides gaps and which stretch takes an allocation.
        kind: non-paged, paged, a session's or of objects, by names of :mod:`process_anatomy.forge.memory.system_space`.
        places: where the stretches lie.
        count: how many places to take, for two stretches each.
        large: map the first stretch with one large page.
        neighbours: put other drivers' blocks between allocations, each with its size and that of the one before.
    """

    def __init__(
        self,
        build: Build,
        kernel: Space,
        dice: Dice,
        kind: str,
        places: SystemSpace,
        count: int,
        large: bool = False,
        neighbours: bool = False,
    ) -> None:
        bases = places.pool_bases(kind, count)
        self.build, self.kernel, self.dice = build, kernel, dice
        self.kind = POOL_TYPES[version_of(build) < (6, 0)][kind in (PAGED, SESSION)]
        self.unit, self.stride = 2 * build.pointer_size, places.stride
        self.start = min(bases)
        self._cursors = [base + index * 5 * ARENA for base in bases for index in range(2)]
        self._arenas = list(self._cursors)
        self.neighbours = neighbours
        self._searched_for = SEARCHED_FOR + ALSO_SEARCHED_FOR * neighbours
        self._before = [0] * len(self._cursors)
        if large:
            kernel.map_large(bases[0], kernel.memory.take_large(), KERNEL_DATA)
            assert len(kernel.mapped) >= kernel.mode.large_frames

    def _reach(self, start: int, end: int) -> None:
        for page in range(start // PAGE, (end + PAGE - 1) // PAGE):
            if page not in self.kernel.mapped:
                self.kernel.map(page * PAGE, self.kernel.memory.take(), KERNEL_DATA)

    def allocate(self, size: int, tag: bytes) -> int:
        """Room for ``size`` bytes behind a pool header; gives the address behind the header.

        What does not fit a pool header's block size gets whole pages and no header, as in Windows.
        """
        header = self.build[POOL_HEADER].sizeof
        units = (size + header + self.unit - 1) // self.unit
        if units * self.unit >= PAGE:
            return self.pages((size + PAGE - 1) // PAGE)
        arena = self.dice.below(len(self._cursors))
        arena = arena or int(tag in self._searched_for)
        if self.neighbours:
            return self._between(arena, units, tag) + header
        start = self._cursors[arena] + self.unit * self.dice.below(4)
        self._advance(arena, start + units * self.unit)
        self._block(start, units, tag, self.kind)
        return start + header

    def _block(self, start: int, units: int, tag: bytes, kind: int, before: int = 0) -> None:
        """The header of a block, and pages for all of it."""
        self._reach(start, start + units * self.unit)
        number = int.from_bytes(tag, "little")
        header = record(
            self.build, POOL_HEADER, PreviousSize=before, BlockSize=units, PoolType=kind, PoolTag=number
        )  # fmt: skip
        self.kernel.write(start, header)

    def _between(self, arena: int, units: int, tag: bytes) -> int:
        """A block in the page that is being filled, somebody else's before it; gives the address of its header."""
        if self.dice.below(TIGHT):
            self._neighbour(arena, self.dice.between(2, MOST_NEIGHBOUR))
        if self._room(arena) < units:
            self._neighbour(arena, PAGE // self.unit)
        return self._next(arena, units, tag, self.kind)

    def _room(self, arena: int) -> int:
        """Units that are left of the page."""
        return (-self._cursors[arena] % PAGE) // self.unit or PAGE // self.unit

    def _neighbour(self, arena: int, units: int) -> None:
        """Somebody else's block, or a freed one, of so many units or of what is left of the page."""
        if self._cursors[arena] % PAGE or units < PAGE // self.unit:
            kind = self.dice.pick((FREE, self.kind))
            self._next(arena, min(units, self._room(arena)), self.dice.pick(NEIGHBOURS), kind)

    def _next(self, arena: int, units: int, tag: bytes, kind: int) -> int:
        """The next block of a stretch, which the page has room for."""
        start = self._cursors[arena]
        end = start + units * self.unit
        self._block(start, units, tag, kind, self._before[arena] if start % PAGE else 0)
        self._before[arena] = units
        self._advance(arena, end)
        if self._cursors[arena] != end and end % PAGE:  # the stretch goes on elsewhere
            self._block(end, -end % PAGE // self.unit, self.dice.pick(NEIGHBOURS), FREE, units)
        return start

    def close(self) -> None:
        """Fill the pages that are begun, once nothing more is allocated."""
        for arena in range(len(self._cursors) if self.neighbours else 0):
            self._neighbour(arena, PAGE // self.unit)

    def pages(self, count: int) -> int:
        """Whole pages without a header."""
        arena = 1 + self.dice.below(len(self._cursors) - 1)
        if self.neighbours:
            self._neighbour(arena, PAGE // self.unit)
        start = (self._cursors[arena] + PAGE - 1) & -PAGE
        self._advance(arena, start + count * PAGE)
        self._reach(start, start + count * PAGE)
        return start

    def _advance(self, arena: int, end: int) -> None:
        """Move an arena's cursor; a stretch that is full goes on in fresh address space far behind."""
        if end > self._arenas[arena] + ARENA - 0x10000:
            self._arenas[arena] = end = self._arenas[arena] + self.stride
        self._cursors[arena] = end

    def put(self, data: bytes, tag: bytes) -> int:
        """Allocate and write; gives the data's address."""
        address = self.allocate(len(data), tag)
        self.kernel.write(address, data)
        return address

    def string(self, characters: str) -> int:
        """A string's characters; gives their address."""
        return self.put(utf16(characters), b"ObNm")
