"""Memory of which a file holds only fragments: a :class:`~process_anatomy.memory.space.Space` that is mostly holes."""

from __future__ import annotations

from bisect import bisect_right
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from process_anatomy.memory.space import SYSTEM_START, among

if TYPE_CHECKING:
    from process_anatomy.memory.space import Addresses, Mask, Octets

NOT_HERE = "not in a small dump"


class Fragment(NamedTuple):
    """Bytes of memory that the dump holds.

    Attributes:
        address: virtual address of the first byte.
        offset: where it is in the file.
        size: number of bytes.
    """

    address: int
    offset: int
    size: int


class Fragments:
    """A space over fragments of memory.

    Args:
        view: the file that holds them.
        sources: what it holds of memory, sorted by address; of two that hold the same the first keeps it.
        owners: page-table roots of the one process whose own memory the fragments below system space are.

    Attributes:
        fragments: sorted by address, no address twice.
        overlaps: how many of the sources lie at least partly over another.
    """

    pointer_size = 8
    system_start = SYSTEM_START[8]

    def __init__(self, view: memoryview, sources: list[Fragment], owners: frozenset[int] = frozenset()) -> None:
        self._view = view
        self.owners = owners
        self.fragments, self.overlaps = _without_overlaps(sources)
        self._octets: Octets = np.frombuffer(self._view, dtype=np.uint8)
        self._starts: Addresses = np.array([f.address for f in self.fragments], dtype=np.uint64)
        self._offsets = np.array([f.offset for f in self.fragments], dtype=np.int64)
        self._sizes = np.array([f.size for f in self.fragments], dtype=np.int64)
        self._firsts = [f.address for f in self.fragments]
        stretches: list[list[int]] = []
        for address, _, size in self.fragments:
            if stretches and stretches[-1][1] == address:
                stretches[-1][1] += size
            else:
                stretches.append([address, address + size])
        self._stretches = [start for start, _ in stretches]
        self._ends = [end for _, end in stretches]
        self._shared: Fragments | None = None

    @property
    def room(self) -> int:
        """As :attr:`process_anatomy.memory.space.Space.room`."""
        return len(self._view)

    def root_in(self, dtb: int) -> int:
        """As :meth:`process_anatomy.memory.space.Space.root_in`."""
        return dtb & ~0xFFF

    def through(self, root: int) -> Fragments:
        """What the file holds of memory as one process sees it: of the other ones it holds system space alone."""
        if self.root_in(root) in self.owners or not self.holds_user_memory:
            return self
        if self._shared is None:
            self._shared = Fragments(self._view, [f for f in self.fragments if f.address >= self.system_start])
        return self._shared

    @property
    def holds_user_memory(self) -> bool:
        """Whether there is anything of a process's own memory."""
        return bool(self._firsts) and self._firsts[0] < self.system_start

    @property
    def user_bytes(self) -> int:
        """How many bytes there are of a process's own memory."""
        return sum(fragment.size for fragment in self.fragments if fragment.address < self.system_start)

    def reach(self, address: int) -> int:
        """How many bytes the dump holds from an address on without a hole."""
        which = bisect_right(self._stretches, address) - 1
        return max(0, self._ends[which] - address) if which >= 0 else 0

    def read(self, address: int, size: int) -> bytes | None:
        """Read ``size`` bytes at one address, or ``None`` where not all of them are there."""
        if size <= 0:
            return b"" if size == 0 else None
        if self.reach(address) < size:
            return None
        parts: list[bytes] = []
        which = bisect_right(self._firsts, address) - 1
        while size:
            start, offset, length = self.fragments[which]
            inside = address - start
            take = min(size, length - inside)
            parts.append(bytes(self._view[offset + inside : offset + inside + take]))
            address, size, which = address + take, size - take, which + 1
        return b"".join(parts)

    def read_many(self, addresses: Addresses, size: int, roots: Addresses | None = None) -> tuple[Octets, Mask]:
        """Read ``size`` bytes at each address; a process's own memory for the owner's root, or where none is given.

        Returns:
            The bytes, shape (n, size), zero where nothing could be read; and shape (n,), whether all
            ``size`` bytes of the record were there.
        """
        addresses = np.asarray(addresses, dtype=np.uint64)
        count = len(addresses)
        octets = np.zeros((count, size), dtype=np.uint8)
        if not count or not size:
            return octets, np.ones(count, dtype=np.bool_)
        whole = np.zeros(count, dtype=np.bool_)
        if not self.fragments:
            return octets, whole
        if roots is not None and self.holds_user_memory:
            own = among(roots & ~np.uint64(0xFFF), np.array(sorted(self.owners), dtype=np.uint64))
            addresses = np.where(own | (addresses >= np.uint64(self.system_start)), addresses, np.uint64(0))
        which = np.searchsorted(self._starts, addresses, side="right") - 1
        inside = (addresses - self._starts[which]).astype(np.uint64)
        held = (which >= 0) & (inside < self._sizes[which].astype(np.uint64))
        left = np.where(held, self._sizes[which] - inside.astype(np.int64), 0)
        single = left >= size
        if size <= len(self._octets):
            windows = np.lib.stride_tricks.sliding_window_view(self._octets, size)
            octets[single] = windows[self._offsets[which[single]] + inside[single].astype(np.int64)]
        whole[single] = True
        following = np.minimum(which + 1, len(self._starts) - 1)
        distance = self._starts[following] - addresses  # wraps where the following one lies below
        for row in np.flatnonzero(~single & (held | (distance < np.uint64(size)))).tolist():
            whole[row] = self._pieces(int(addresses[row]), octets[row])
        return octets, whole

    def _pieces(self, address: int, row: Octets) -> bool:
        """Fill one record from every fragment that it touches; whether it is whole."""
        last = address + len(row)
        which = max(bisect_right(self._firsts, address) - 1, 0)
        filled = 0
        while which < len(self.fragments) and self._firsts[which] < last:
            start, offset, length = self.fragments[which]
            low, high = max(start, address), min(start + length, last)
            if low < high:
                row[low - address : high - address] = self._octets[offset + low - start : offset + high - start]
                filled += high - low
            which += 1
        return filled == len(row)

    def why(self, address: int, size: int = 1) -> str:
        """In words, why the bytes at an address cannot be read; empty where they can."""
        if not 0 <= address < 1 << 64 or size < 0 or address + size > 1 << 64:
            return "not an address"
        return "" if self.reach(address) >= size else NOT_HERE


def _without_overlaps(sources: list[Fragment]) -> tuple[list[Fragment], int]:
    """Sorted fragments with no address twice, and how many had to be cut or left out.

    Of two that hold the same memory the one that starts first keeps it.
    """
    kept: list[Fragment] = []
    overlaps = 0
    end = 0
    for address, offset, size in sources:
        known = min(max(end - address, 0), size)
        overlaps += known > 0
        if known < size:
            kept.append(Fragment(address + known, offset + known, size - known))
            end = address + size
    return kept, overlaps
