"""Spaces and page tables made by hand: the bytes of a test, at the addresses the test wants."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from process_anatomy.memory.physical import MappedMemory, Run
from process_anatomy.memory.space import SYSTEM_START, Addresses, Mask, Octets

PAGE = 0x1000


class Patchwork:
    """A space of pieces; everything between them cannot be read.

    Args:
        pieces: address to the bytes there.
        pointer_size: 4 or 8 bytes.

    Attributes:
        reads: how often it was asked.
        room: bytes that all structures together may have.
    """

    def __init__(self, pieces: Mapping[int, bytes], pointer_size: int = 8) -> None:
        self.pointer_size, self.system_start = pointer_size, SYSTEM_START[pointer_size]
        self.room = 1 << 24
        self.bytes = {at + i: byte for at, piece in pieces.items() for i, byte in enumerate(piece)}
        self.reads = 0

    def read(self, address: int, size: int) -> bytes | None:
        self.reads += 1
        found = [self.bytes.get(a) for a in range(address, address + size)]
        return None if None in found else bytes(b for b in found if b is not None)

    def root_in(self, dtb: int) -> int:
        """As it is."""
        return dtb

    def through(self, root: int) -> Patchwork:
        """One space for all."""
        return self

    def read_many(self, addresses: Addresses, size: int, roots: Addresses | None = None) -> tuple[Octets, Mask]:
        octets = np.zeros((len(addresses), size), dtype=np.uint8)
        whole = np.ones(len(addresses), dtype=np.bool_)
        for row, address in enumerate(addresses.tolist()):
            for i in range(size):
                byte = self.bytes.get(address + i)
                octets[row, i] = byte or 0
                whole[row] &= byte is not None
        return octets, whole

    def why(self, address: int, size: int = 1) -> str:
        gone = [a for a in range(address, address + size) if a not in self.bytes]
        return f"nothing at {gone[0]:#x}" if gone else ""


class PageTables:
    """Page tables over frames that are dealt out in a given order.

    Args:
        order: frame numbers; the first becomes the root table.
        shifts: lowest address bit of each level's index, top level first.

    Attributes:
        pages: frame number to its bytes.
    """

    def __init__(self, order: Sequence[int], shifts: tuple[int, ...] = (39, 30, 21, 12)) -> None:
        self.free = list(reversed(order))
        self.shifts = shifts
        self.pages: dict[int, bytearray] = {}
        self._tables: dict[tuple[int, ...], int] = {}
        self.root = self.take() * PAGE

    def take(self, content: bytes = b"") -> int:
        """The next frame, with ``content`` at its start."""
        frame = self.free.pop()
        self.pages[frame] = bytearray(content.ljust(PAGE, b"\0"))
        return frame

    def entry(self, virtual: int, value: int, shift: int = 12) -> None:
        """Write the entry of an address in the table whose indexes start at ``shift``; the others are made."""
        frame, path = self.root // PAGE, ()
        for each in self.shifts:
            index = virtual >> each & 0x1FF
            if each == shift:
                struct.pack_into("<Q", self.pages[frame], 8 * index, value)
                return
            path = (*path, index)
            if path not in self._tables:
                self._tables[path] = self.take()
                struct.pack_into("<Q", self.pages[frame], 8 * index, self._tables[path] * PAGE | 0x63)
            frame = self._tables[path]

    def map(self, virtual: int, content: bytes, flags: int = 0x63) -> int:
        """Put a page at an address; gives its frame."""
        frame = self.take(content)
        self.entry(virtual, frame * PAGE | flags)
        return frame

    def memory(self, missing: Iterable[int] = (), file_order: Sequence[int] = ()) -> MappedMemory:
        """The frames as an image that lacks those in ``missing``; in the file they lie in ``file_order`` first."""
        gone = set(missing)
        order = [f for f in file_order if f in self.pages] + [f for f in self.pages if f not in set(file_order)]
        buffer = b"".join(bytes(self.pages[frame]) for frame in order)
        runs = [Run(frame * PAGE, PAGE, i * PAGE) for i, frame in enumerate(order) if frame not in gone]
        return MappedMemory(np.frombuffer(buffer, dtype=np.uint8), runs)
