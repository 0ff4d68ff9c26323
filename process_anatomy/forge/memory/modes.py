"""The ways in which Windows has translated addresses, and which of them a kernel is forged with.

Source: Intel 64 and IA-32 Architectures Software Developer's Manual, volume 3A, chapter 4 (32-bit, PAE, 4-level and
5-level paging).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from structs.layout import Build

PAGE_SHIFT = 12
WITHOUT_PAE = ("x86-2600-2180", "x86-3790-0", "x86-3790-1830", "x86-3790-3959")
"""Layouts that are forged with plain 32-bit paging unless told otherwise."""
LAST_WITHOUT_PAE = 7601
"""Since Windows 8 a 32-bit kernel always uses physical address extension."""
FIRST_WITH_FIVE_LEVELS = 26100
"""Build that is forged with page tables of five levels if asked for; its kernel for them is a file of its own."""


@dataclass(frozen=True)
class Mode:
    """A way to translate addresses.

    Attributes:
        name: of the mode.
        pointer_size: bytes of an address.
        entry_size: bytes of an entry.
        shifts: number of address bits below those that choose an entry, for each level of tables, the root's first.
        bits: number of bits that choose an entry, for each level.
        system_start: lowest address of the upper half, as the bits that are translated.
        large_shift: address bits within a large page.
        swap_shift: address bits below those that choose an entry of the highest table that may be paged out.
        self_map: first address of the tables' own place, where it is the same on every machine.
    """

    name: str
    pointer_size: int
    entry_size: int
    shifts: tuple[int, ...]
    bits: tuple[int, ...]
    system_start: int
    large_shift: int
    swap_shift: int
    self_map: int = 0

    @property
    def is_long(self) -> bool:
        """Whether it is one of 64-bit Windows, with four levels or five."""
        return self.pointer_size == 8

    @property
    def address_mask(self) -> int:
        """The bits of an address that are translated."""
        return (1 << self.shifts[0] + self.bits[0]) - 1

    @property
    def entry_mask(self) -> int:
        """The bits that an entry has room for; there is no-execute only in wide ones."""
        return (1 << 8 * self.entry_size) - 1

    @property
    def large_frames(self) -> int:
        """4 KB frames of a large page."""
        return 1 << self.large_shift - PAGE_SHIFT

    def pack(self, *entries: int) -> bytes:
        """Entries as a table holds them."""
        return struct.pack(f"<{len(entries)}{'Q' if self.entry_size == 8 else 'I'}", *entries)

    def index(self, address: int, depth: int) -> int:
        """Which entry of a table leads on to an address; ``depth`` 0 is the root."""
        return (address >> self.shifts[depth]) & ((1 << self.bits[depth]) - 1)


X64 = Mode("x64", 8, 8, (39, 30, 21, 12), (9, 9, 9, 9), 1 << 47, 21, 39)
LA57 = Mode("5-level", 8, 8, (48, 39, 30, 21, 12), (9, 9, 9, 9, 9), 1 << 56, 21, 39)
PAE = Mode("PAE", 4, 8, (30, 21, 12), (2, 9, 9), 1 << 31, 21, 21, 0xC0000000)
X86 = Mode("x86", 4, 4, (22, 12), (10, 10), 1 << 31, 22, 22, 0xC0000000)


def mode_of(build: Build, pae: bool | None = None, five_levels: bool = False) -> Mode:
    """How the kernel translates addresses.

    Args:
        build: the kernel's layout.
        pae: with physical address extension or without; ``None`` for what the layout is usually forged with.
        five_levels: with page tables of five levels (LA57).

    Raises:
        ValueError: this kernel has no such mode.
    """
    if five_levels and (build.pointer_size != LA57.pointer_size or build.number < FIRST_WITH_FIVE_LEVELS):
        raise ValueError(f"page tables of five levels are forged for 64-bit kernels from {FIRST_WITH_FIVE_LEVELS} on")
    if build.pointer_size == X64.pointer_size:
        if pae is not None:
            raise ValueError("a 64-bit kernel has no choice of physical address extension")
        return LA57 if five_levels else X64
    if pae is False and build.number > LAST_WITHOUT_PAE:
        raise ValueError("since Windows 8 a 32-bit kernel always uses physical address extension")
    extended = build.name not in WITHOUT_PAE if pae is None else pae
    return PAE if extended else X86
