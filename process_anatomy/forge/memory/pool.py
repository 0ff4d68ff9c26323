"""The kernel's pools: allocations packed behind each other, crossing pages, at addresses that look like Windows'."""

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
    """

    def __init__(
        self, build: Build, kernel: Space, dice: Dice, kind: str, places: SystemSpace, count: int, large: bool = False
    ) -> None:
        bases = places.pool_bases(kind, count)
        self.build, self.kernel, self.dice = build, kernel, dice
        self.kind = POOL_TYPES[version_of(build) < (6, 0)][kind in (PAGED, SESSION)]
        self.unit, self.stride = 2 * build.pointer_size, places.stride
        self.start = min(bases)
        self._cursors = [base + index * 5 * ARENA for base in bases for index in range(2)]
        self._arenas = list(self._cursors)
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
        arena = arena or int(tag in SEARCHED_FOR)
        start = self._cursors[arena] + self.unit * self.dice.below(4)
        self._advance(arena, start + units * self.unit)
        self._reach(start, start + units * self.unit)
        self.kernel.write(
            start,
            record(
                self.build,
                POOL_HEADER,
                BlockSize=units,
                PoolType=self.kind,
                PoolTag=int.from_bytes(tag, "little"),
            ),
        )
        return start + header

    def pages(self, count: int) -> int:
        """Whole pages without a header."""
        arena = 1 + self.dice.below(len(self._cursors) - 1)
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
