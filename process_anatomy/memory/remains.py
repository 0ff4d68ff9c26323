"""Objects that no page table leads to: read where they lie in physical memory, their pointers through the kernel."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from process_anatomy.memory.address_space import AddressSpace
from process_anatomy.memory.physical import PAGE, gather
from process_anatomy.memory.space import Addresses, Mask, Octets, Space

APART = 1 << 60
"""Added to physical addresses on 32-bit Windows, where they can be the same numbers as virtual ones."""


class Remains:
    """A space in which some physical addresses stand for themselves; all others are the kernel's.

    Where pointers have 32 bits, a physical address stands :data:`APART` from itself (see :attr:`origin`).

    An object that goes on into the next page is taken to go on in the next page of physical memory, as it does
    in a large page.

    Args:
        space: the kernel's.
        places: physical addresses of the objects.
        size: octets of each.

    Attributes:
        origin: address at which physical memory begins.
    """

    def __init__(self, space: AddressSpace, places: Sequence[int], size: int) -> None:
        self.space, self.size = space, size
        self.pointer_size, self.system_start = space.pointer_size, space.system_start
        self.origin = APART if space.pointer_size == 4 else 0
        self._starts = np.array(sorted(places), dtype=np.uint64) + np.uint64(self.origin)

    @property
    def room(self) -> int:
        """As :attr:`process_anatomy.memory.space.Space.room`."""
        return self.space.room

    def root_in(self, dtb: int) -> int:
        """As :meth:`process_anatomy.memory.address_space.AddressSpace.root_in`."""
        return self.space.root_in(dtb)

    def through(self, root: int) -> Space:
        """As :meth:`process_anatomy.memory.space.Space.through`; there the objects are not."""
        return self.space.through(root)

    def _own(self, addresses: Addresses, size: int) -> Mask:
        """Which addresses lie in one of the objects, with ``size`` octets."""
        if not len(self._starts):
            return np.zeros(len(addresses), dtype=np.bool_)
        before = np.searchsorted(self._starts, addresses, side="right") - 1
        start = self._starts[np.maximum(before, 0)]
        own: Mask = (before >= 0) & (addresses - start + np.uint64(size) <= np.uint64(self.size))
        return own

    def read_many(self, addresses: Addresses, size: int, roots: Addresses | None = None) -> tuple[Octets, Mask]:
        """As :meth:`process_anatomy.memory.space.Space.read_many`."""
        octets, whole = self.space.read_many(addresses, size, roots)
        rows = np.flatnonzero(self._own(addresses, size))
        if len(rows) and size:
            octets[rows], whole[rows] = 0, True
            memory, done = self.space.memory, 0
            while done < size:  # in steps that lie within a page for every row
                here = addresses[rows] + np.uint64(done)
                step = min(size - done, int((PAGE - (here & np.uint64(PAGE - 1)).astype(np.int64)).min()))
                offsets = memory.locate(here - np.uint64(self.origin), step)
                octets[rows, done : done + step] = gather(memory.octets(), offsets, step)
                whole[rows] &= offsets >= 0
                done += step
        return octets, whole

    def read(self, address: int, size: int) -> bytes | None:
        """As :meth:`process_anatomy.memory.space.Space.read`."""
        if not 0 <= address < 1 << 64:
            return None
        if not self._own(np.array([address], dtype=np.uint64), size)[0]:
            return self.space.read(address, size)
        octets, whole = self.read_many(np.array([address], dtype=np.uint64), size)
        return octets[0].tobytes() if whole[0] else None

    def why(self, address: int, size: int = 1) -> str:
        """As :meth:`process_anatomy.memory.space.Space.why`."""
        if not 0 <= address < 1 << 64:
            return "not an address"
        if self._own(np.array([address], dtype=np.uint64), size)[0]:
            return "" if self.read(address, size) is not None else "the image does not hold the page"
        return self.space.why(address, size)
