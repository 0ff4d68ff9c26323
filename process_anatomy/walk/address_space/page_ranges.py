"""The user halves of some processes cut into ranges that touch and never overlap: VADs, and what lies between them.

The halves are laid out one behind the other, so that one sorted array holds the ranges of all: a place is the number of
the process times the size of a half, plus the address.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from process_anatomy.absent import Absent
from process_anatomy.memory.space import Addresses

PAGE_SHIFT = np.uint64(12)
NO_VAD = -1


class Ranges:
    """Ranges by place.

    Where VADs overlap, the one that starts first keeps the pages, so that every page is counted once.

    Args:
        vads: first and last address of each VAD, as they are; one that is not known or not possible has no range.
        numbers: for each VAD the number of its process, from 0.
        count: number of processes.
        half: bytes of a user half; a process's number times this is less than 2**64.

    Attributes:
        start: first place of each range.
        end: last place of each range.
        owner: number of the VAD, or :data:`NO_VAD`.
        clipped: numbers of VADs that lost pages to another.
    """

    def __init__(
        self, vads: Sequence[tuple[int | Absent, int | Absent]], numbers: Sequence[int], count: int, half: int
    ) -> None:
        self.size = len(vads)
        self.clipped: set[int] = set()
        known = sorted(
            (process * half + start, process * half + min(end, half - 1), number)
            for number, ((start, end), process) in enumerate(zip(vads, numbers, strict=True))
            if isinstance(start, int) and isinstance(end, int) and start <= end and start < half
        )
        pieces: list[tuple[int, int, int]] = []
        here = 0
        for first, end, number in known:
            start = max(first, here)
            if first < here:
                self.clipped.add(number)
            if start > end:
                continue
            if start > here:
                pieces.append((here, start - 1, NO_VAD))
            pieces.append((start, end, number))
            here = end + 1
        if here < half * count:
            pieces.append((here, half * count - 1, NO_VAD))
        self.start: Addresses = np.array([piece[0] for piece in pieces], dtype=np.uint64)
        self.end: Addresses = np.array([piece[1] for piece in pieces], dtype=np.uint64)
        self.owner = np.array([piece[2] for piece in pieces], dtype=np.int64)

    def join(
        self, virtual: Addresses, pages: npt.NDArray[np.int64]
    ) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Pair entries with the ranges that they reach into.

        Args:
            virtual: first place of each entry.
            pages: how many pages it maps.

        Returns:
            One element for each pair: number of the entry, number of the range, pages in common.
        """
        last = virtual + (pages.astype(np.uint64) << PAGE_SHIFT) - np.uint64(1)
        first_range = np.searchsorted(self.end, virtual, side="left")
        last_range = np.minimum(np.searchsorted(self.start, last, side="right") - 1, len(self.start) - 1)
        count = np.maximum(last_range - first_range + 1, 0)
        pick = np.repeat(np.arange(len(virtual)), count)
        where = np.arange(len(pick)) - np.repeat(np.cumsum(count) - count, count) + first_range[pick]
        low, high = np.maximum(virtual[pick], self.start[where]), np.minimum(last[pick], self.end[where])
        return pick, where, (high + np.uint64(1) - low >> PAGE_SHIFT).astype(np.int64)

    def covered(self, spans: Sequence[tuple[int, int]]) -> npt.NDArray[np.int64]:
        """Pages of each VAD that lie within spans (first place, bytes), which do not overlap."""
        found = np.zeros(self.size, dtype=np.int64)
        if spans:
            virtual = np.array([first for first, _ in spans], dtype=np.uint64)
            pages = np.array([size >> 12 for _, size in spans], dtype=np.int64)
            _, where, count = self.join(virtual, pages)
            kept = self.owner[where] >= 0
            np.add.at(found, self.owner[where[kept]], count[kept])
        return found
