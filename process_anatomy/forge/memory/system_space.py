"""Where the parts of system space lie: fixed on older Windows, scattered on newer.

Sources: "Windows Internals", system address space layout of x86 (XP and Vista) and x64; the kernel's fixed base of XP
(0x804D7000) and the self map's entry 0x1ED are in every image of those versions.
"""

from __future__ import annotations

from process_anatomy.forge.ground.dice import Dice
from process_anatomy.forge.ground.generations import version_of
from process_anatomy.forge.memory.modes import LA57, X86, Mode
from structs.layout import Build
from structs.working_set import FIRST_BUILD_WITHOUT_ENTRIES

NON_PAGED, PAGED, SESSION, OBJECTS = "non-paged", "paged", "session", "objects"
ARENA = 0x200000
"""Bytes of a stretch of a pool."""
FIRST_SCATTERED_BUILD = 9600
"""The newest of the fixed x64 layouts is Windows 8's; with 8.1 user space grew to 128 TB."""
LIST_ADDRESS = 0xFFFFF58010804000
"""Where builds 9600 to 10586 keep the working set list; 14393 keeps it at a place that was not published, here at
the same."""


class SystemSpace:
    """System space of x64 since Windows 8.1: every part in an entry of the root table that nobody else uses.

    Attributes:
        pfn_database: address of the page frame database.
        system_start: MmSystemRangeStart.
        user_end: MmUserProbeAddress: where user space ends, less its last 64 KB.
        stride: bytes from a full stretch of a pool to where it goes on.
        working_set_list: address of the list in the process's own part of system space, zero where there is none.
        first_driver: where drivers begin, zero for behind the kernel.
        driver_steps: least and greatest distance of two drivers, in megabytes.
        before_kernel: bytes in front of the kernel where nothing else lies.
    """

    pfn_database = 0xFFFFA30000000000
    system_start, user_end = 0xFFFF800000000000, 0x7FFFFFFF0000
    stride = 64 * ARENA
    first_driver = 0
    driver_steps = 0x20, 0x90
    before_kernel = 0x800000

    def __init__(self, build: Build, dice: Dice) -> None:
        self.build, self.dice = build, dice
        self.working_set_list = LIST_ADDRESS if build.number < FIRST_BUILD_WITHOUT_ENTRIES else 0
        self._parts: set[int] = set()

    def first_self_index(self) -> int:
        """Entry of System's root table that maps the table itself."""
        index = self.dice.between(0x100, 0x1EF)
        self._parts |= {index, self.pfn_database >> 39 & 511}
        if self.working_set_list:
            self._parts.add(self.working_set_list >> 39 & 511)
        return index

    def self_index(self) -> int:
        """Where a process's root table maps itself: nowhere that the kernel's memory is."""
        index = self.dice.between(0x100, 0x1EF)
        while index in self._parts:
            index = 0x100 + (index - 0xFF) % 0xF0
        return index

    def kernel_base(self) -> int:
        """Where the kernel is loaded."""
        return 0xFFFFF80000000000 | self.dice.between(1, 7) << 32 | self.dice.between(1, 0x7F0) << 21

    def pool_bases(self, kind: str, count: int) -> list[int]:
        """Places for the stretches of a pool, each in a part of the root table that nobody else uses."""
        bases = []
        for _ in range(count):
            while True:
                index = self.dice.between(0x110, 0x1EF)
                if index not in self._parts:
                    break
            self._parts.add(index)
            bases.append((0xFFFF << 48 | index << 39) + (self.dice.below(0x100) << 30) + (self.dice.below(0x100) << 21))
        return bases


class WideSpace(SystemSpace):
    """System space of x64 with page tables of five levels: 64 PB.

    Nothing published says where its parts lie.  Objects and sessions lie here where four levels do not reach; what
    entries of page tables point at, which have room for 48 bits, and the kernel itself in the last 256 TB.
    """

    system_start, user_end = 0xFF00000000000000, 0x00FFFFFFFFFF0000

    def first_self_index(self) -> int:
        """Entry of System's root table that maps the table itself."""
        self._parts.add(self.pfn_database >> 39 & 511)
        self._self = self.dice.between(0x100, 0x1FE)
        self._roots = {self._self}
        return self._self

    def self_index(self) -> int:
        """The same in every process: what lies elsewhere in the root table is the kernel's."""
        return self._self

    def pool_bases(self, kind: str, count: int) -> list[int]:
        """Places for the stretches of a pool: of objects and sessions, each in an entry of the root table."""
        if kind in (NON_PAGED, PAGED):
            return super().pool_bases(kind, count)
        bases: list[int] = []
        while len(bases) < count:
            index = self.dice.between(0x100, 0x1FE)
            if index not in self._roots:
                self._roots.add(index)
                bases.append((0x7F << 57 | index << 48) + (self.dice.below(1 << 15) << 30))
        return bases


class FixedSpace(SystemSpace):
    """System space of x64 before Windows 8.1: its parts begin at the same addresses on every machine."""

    pfn_database = 0xFFFFFA8000000000
    system_start, user_end = 0xFFFF080000000000, 0x7FFFFFF0000
    starts = {NON_PAGED: 0xFFFFFA8001800000, PAGED: 0xFFFFF8A000000000, SESSION: 0xFFFFF900C0000000}

    def __init__(self, build: Build, dice: Dice) -> None:
        super().__init__(build, dice)
        self.working_set_list = 0xFFFFF70000081000 if version_of(build) < (6, 0) else 0xFFFFF70001080000

    def first_self_index(self) -> int:
        """Entry 0x1ED, in every root table."""
        return 0x1ED

    def self_index(self) -> int:
        """Entry 0x1ED, in every root table."""
        return 0x1ED

    def kernel_base(self) -> int:
        """Near the beginning of the boot loader's mappings; it moves by pages."""
        return 0xFFFFF80001000000 + (self.dice.below(0x1800) << 12)

    def pool_bases(self, kind: str, count: int) -> list[int]:
        """Places one after the other, with room between them."""
        first = self.starts[kind] + (self.dice.below(0x40) << 21)
        return [first + (number << 32) for number in range(count)]


class NarrowSpace(SystemSpace):
    """System space of x86: two gigabytes, with the page tables at 0xC0000000."""

    system_start, user_end = 0x80000000, 0x7FFF0000
    stride = 20 * ARENA
    driver_steps = 4, 8
    before_kernel = 0x100000

    def __init__(self, build: Build, dice: Dice, mode: Mode) -> None:
        super().__init__(build, dice)
        old = version_of(build) < (6, 0)
        self.pfn_database = 0x81000000 if old else 0x83400000
        self.first_driver = 0xF7400000 if old else 0x8B400000
        if self.working_set_list:
            self.working_set_list = 0xC0502000 if mode is X86 else 0xC0883000 if old else 0xC0802000
        self.starts = {
            NON_PAGED: 0x84000000,
            PAGED: 0xE1000000 if old else 0x90000000,
            SESSION: 0xBC000000 if old else 0xBE000000,
        }

    def first_self_index(self) -> int:
        """The mode says where tables map themselves."""
        return 0

    def self_index(self) -> int:
        """The mode says where tables map themselves."""
        return 0

    def kernel_base(self) -> int:
        """Fixed in XP and Server 2003, anywhere within a few megabytes since Windows Vista."""
        fixed = {(5, 1): 0x804D7000, (5, 2): 0x80800000}.get(version_of(self.build))
        return fixed or 0x82000000 + (self.dice.below(0x400) << 12)

    def pool_bases(self, kind: str, count: int) -> list[int]:
        """Places one after the other, on borders of large pages."""
        return [self.starts[kind] + 2 * ARENA * number for number in range(count)]


def system_space(build: Build, mode: Mode, dice: Dice) -> SystemSpace:
    """The system space of a kernel."""
    if not mode.is_long:
        return NarrowSpace(build, dice, mode)
    if mode is LA57:
        return WideSpace(build, dice)
    return (SystemSpace if build.number >= FIRST_SCATTERED_BUILD else FixedSpace)(build, dice)
