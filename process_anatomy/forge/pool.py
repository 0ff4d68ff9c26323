"""The kernel's pools: allocations packed behind each other, crossing pages, at addresses that look like Windows'."""

from __future__ import annotations

from process_anatomy.forge.dice import Dice
from process_anatomy.forge.memory import KERNEL_DATA, LARGE_FRAMES, PAGE, Space
from process_anatomy.forge.records import record, utf16
from structs.layout import Build
from structs.object import POOL_HEADER

UNIT = 16
NON_PAGED, PAGED = 2, 3
"""Pool types as the pool header of a block in use holds them."""

ARENA = 0x200000
SEARCHED_FOR = (b"Proc", b"Thre")
"""Tags that tools search memory for: stock Volatility cannot search a large page that a dump holds in part."""


class Pool:
    """One pool: several stretches of kernel address space, filled from their beginning.

    Args:
        build: for the pool header's places.
        kernel: the space that the pool is mapped in.
        dice: decides gaps and which stretch takes an allocation.
        kind: :data:`NON_PAGED` or :data:`PAGED`.
        bases: where the stretches lie, aligned to 2 MB; two for each.
        large: map the first stretch with one large page.
    """

    def __init__(
        self, build: Build, kernel: Space, dice: Dice, kind: int, bases: list[int], large: bool = False
    ) -> None:
        self.build, self.kernel, self.dice, self.kind = build, kernel, dice, kind
        self._cursors = [base + index * 5 * ARENA for base in bases for index in range(2)]
        self._arenas = list(self._cursors)
        if large:
            kernel.map_large(bases[0], kernel.memory.take_large(), KERNEL_DATA)
            assert len(kernel.mapped) >= LARGE_FRAMES

    def _reach(self, start: int, end: int) -> None:
        for page in range(start // PAGE, (end + PAGE - 1) // PAGE):
            if page not in self.kernel.mapped:
                self.kernel.map(page * PAGE, self.kernel.memory.take(), KERNEL_DATA)

    def allocate(self, size: int, tag: bytes) -> int:
        """Room for ``size`` bytes behind a pool header; gives the address behind the header.

        What does not fit a pool header's block size gets whole pages and no header, as in Windows.
        """
        header = self.build[POOL_HEADER].sizeof
        units = (size + header + UNIT - 1) // UNIT
        if units * UNIT >= PAGE:
            return self.pages((size + PAGE - 1) // PAGE)
        arena = self.dice.below(len(self._cursors))
        arena = arena or int(tag in SEARCHED_FOR)
        start = self._cursors[arena] + UNIT * self.dice.below(4)
        self._advance(arena, start + units * UNIT)
        self._reach(start, start + units * UNIT)
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
            self._arenas[arena] = end = self._arenas[arena] + 64 * ARENA
        self._cursors[arena] = end

    def put(self, data: bytes, tag: bytes) -> int:
        """Allocate and write; gives the data's address."""
        address = self.allocate(len(data), tag)
        self.kernel.write(address, data)
        return address

    def string(self, characters: str) -> int:
        """A string's characters; gives their address."""
        return self.put(utf16(characters), b"ObNm")
