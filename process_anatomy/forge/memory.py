"""Physical memory with holes, frames handed out in no order, and the page tables that make sense of them."""

from __future__ import annotations

import struct
from collections.abc import Iterable

from process_anatomy.forge.dice import Dice

PAGE = 0x1000
LARGE_FRAMES = 512
DTB_WINDOW = range(0x150, 0x2A0)
"""Frames where Windows keeps the System page-table root; the forge puts nothing else there."""

VALID, WRITE, USER, ACCESSED, DIRTY, LARGE, GLOBAL = 0x1, 0x2, 0x4, 0x20, 0x40, 0x80, 0x100
COPY_ON_WRITE, PROTOTYPE, TRANSITION = 0x200, 0x400, 0x800
NO_EXECUTE = 1 << 63
TABLE = VALID | WRITE | ACCESSED | DIRTY
KERNEL_DATA = VALID | WRITE | ACCESSED | DIRTY | GLOBAL | NO_EXECUTE
KERNEL_CODE = VALID | ACCESSED | GLOBAL
USER_DATA = VALID | WRITE | USER | ACCESSED | DIRTY | NO_EXECUTE
USER_READ = VALID | USER | ACCESSED | NO_EXECUTE
USER_CODE = VALID | USER | ACCESSED


class OutOfFramesError(Exception):
    """The scenario needs more memory than it has."""


class PhysicalMemory:
    """The frames of a machine: which exist, which are in use, and what they hold.

    Attributes:
        runs: (first frame, number of frames) of each stretch of memory; between them are holes.
        pages: frame number to its 4096 bytes, for frames in use.
    """

    def __init__(self, frames: int, dice: Dice) -> None:
        half = frames // 2
        self.runs = [(0x1, 0x9E), (0x100, half - 0x100), (half + 0x100, frames - half - 0x100)]
        self.pages: dict[int, bytearray] = {}
        groups = [
            base
            for base in range(LARGE_FRAMES, frames, LARGE_FRAMES)
            if any(first <= base and base + LARGE_FRAMES <= first + count for first, count in self.runs)
        ]
        dice.shuffle(groups)
        self._large = groups[:4]
        kept = {frame for base in self._large for frame in range(base, base + LARGE_FRAMES)}
        self._free = [
            frame
            for first, count in self.runs
            for frame in range(first, first + count)
            if frame not in kept and frame not in DTB_WINDOW and frame >= 0x20
        ]
        dice.shuffle(self._free)

    @property
    def size(self) -> int:
        """Bytes up to the end of the last run."""
        first, count = self.runs[-1]
        return (first + count) * PAGE

    def take(self, content: bytes = b"") -> int:
        """Put ``content`` into any free frame; gives the frame's number.

        Raises:
            OutOfFramesError: no frame is free.
        """
        if not self._free:
            raise OutOfFramesError(f"all of {self.size:#x} bytes are in use")
        frame = self._free.pop()
        return self.place(frame, content)

    def place(self, frame: int, content: bytes = b"") -> int:
        """Put ``content`` into this very frame."""
        self.pages[frame] = bytearray(content.ljust(PAGE, b"\0"))
        return frame

    def take_large(self) -> int:
        """The first of 512 neighbouring frames, aligned for a large page; pages appear as they are written.

        Raises:
            OutOfFramesError: no such group of frames is left.
        """
        if not self._large:
            raise OutOfFramesError("no 2 MB of neighbouring frames are left")
        return self._large.pop()

    def write(self, address: int, data: bytes) -> None:
        """Write within one frame."""
        page = self.pages.setdefault(address // PAGE, bytearray(PAGE))
        page[address % PAGE : address % PAGE + len(data)] = data


class Space:
    """One page-table root and what is mapped under it (four levels, x64).

    Attributes:
        root: frame of the root table.
        self_index: entry of the root that maps the root itself.
        mapped: virtual page number to frame, for pages that can be written through this space.
    """

    def __init__(self, memory: PhysicalMemory, self_index: int, root: int | None = None) -> None:
        self.memory = memory
        self.self_index = self_index
        self.root = memory.take() if root is None else memory.place(root)
        self.mapped: dict[int, int] = {}
        self._tables: dict[tuple[int, int], int] = {}
        self._set(self.root, self_index, self.root * PAGE | TABLE | NO_EXECUTE)

    @property
    def dtb(self) -> int:
        """Physical address of the root table, as the processor's CR3 holds it."""
        return self.root * PAGE

    def _set(self, table: int, index: int, entry: int) -> None:
        self.memory.write(table * PAGE + 8 * index, struct.pack("<Q", entry))

    def _table(self, address: int, level: int) -> int:
        """Frame of the table at ``level`` (3 under the root, 1 the last) for the address, made if need be."""
        if level == 4:
            return self.root
        key = (level, address >> (12 + 9 * level) & (1 << (36 - 9 * level)) - 1)
        if key not in self._tables:
            parent = self._table(address, level + 1)
            self._tables[key] = self.memory.take()
            user = 0 if address >> 47 & 1 else USER
            self._set(parent, address >> (12 + 9 * level) & 511, self._tables[key] * PAGE | TABLE | user)
        return self._tables[key]

    def entry(self, address: int, value: int) -> None:
        """Write the last-level entry of an address as it is: for pages that are not valid."""
        self._set(self._table(address, 1), address >> 12 & 511, value)

    def page_out(self, address: int, value: int) -> None:
        """Write the root's entry of an address whose tables are not in memory."""
        self._set(self.root, address >> 39 & 511, value)

    def map(self, address: int, frame: int, flags: int) -> None:
        """Map one 4 KB page."""
        self.entry(address, frame * PAGE | flags)
        self.mapped[address // PAGE] = frame

    def map_large(self, address: int, frame: int, flags: int) -> None:
        """Map one 2 MB page; ``frame`` is the first of its 512."""
        self._set(self._table(address, 2), address >> 21 & 511, frame * PAGE | flags | LARGE)
        for index in range(LARGE_FRAMES):
            self.mapped[address // PAGE + index] = frame + index

    def write(self, address: int, data: bytes) -> None:
        """Write bytes at a mapped address, across as many pages as they take."""
        while data:
            room = PAGE - address % PAGE
            self.memory.write(self.mapped[address // PAGE] * PAGE + address % PAGE, data[:room])
            address, data = address + room, data[room:]

    def physical(self, address: int) -> int:
        """Physical address of a mapped address."""
        return self.mapped[address // PAGE] * PAGE + address % PAGE

    def share_kernel_half(self, kernel: Space, own_entries: Iterable[int] = ()) -> None:
        """Take over the kernel's upper half of the root table, except the self map and what is the process's own."""
        source = self.memory.pages[kernel.root]
        own = self.memory.pages[self.root]
        kept = {index: bytes(own[8 * index : 8 * index + 8]) for index in own_entries}
        own[0x800:] = source[0x800:]
        for index, entry in kept.items():
            own[8 * index : 8 * index + 8] = entry
        self._set(self.root, kernel.self_index, 0)
        self._set(self.root, self.self_index, self.root * PAGE | TABLE | NO_EXECUTE)
