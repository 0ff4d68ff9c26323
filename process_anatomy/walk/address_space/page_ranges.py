"""The user halves of some processes cut into ranges that touch and never overlap: VADs, and what lies between them.

The halves are laid out one behind the other, so that one sorted array holds the ranges of all: a place is the number of
the process times the size of a half, plus the address.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from process_anatomy.memory.space import Addresses

PAGE_SHIFT = np.uint64(12)
NO_VAD = -1


class Ranges:
    """Ranges by place.

    Where VADs overlap, the one that starts first keeps the pages, so that every page is counted once.

    Args:
        first: first address of each VAD.
        last: its last one, likewise; a VAD whose last address comes before its first one has no range.
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
        self, first: Addresses, last: Addresses, numbers: npt.NDArray[np.int64], count: int, half: int
    ) -> None:
        self.size = len(first)
        owner = np.flatnonzero((first <= last) & (first < np.uint64(half)))
        halves = numbers[owner].astype(np.uint64) * np.uint64(half)
        start, end = halves + first[owner], halves + np.minimum(last[owner], np.uint64(half - 1))
        order = np.lexsort((owner, end, start))
        owner, start, end = owner[order], start[order], end[order]
        here = np.zeros(len(owner) + 1, dtype=np.uint64)  # the first place that those before it leave, of each
        here[1:] = np.maximum.accumulate(end) + np.uint64(1)
        self.clipped = set(owner[start < here[:-1]].tolist())
        start = np.maximum(start, here[:-1])
        kept = start <= end
        owner, start, end, here = owner[kept], start[kept], end[kept], np.append(here[:-1][kept], here[-1])
        whole = half * count
        # each range with what no VAD has in front of it, and behind the last one
        self.start: Addresses = np.empty(2 * len(owner) + 1, dtype=np.uint64)
        self.end: Addresses = np.empty_like(self.start)
        self.owner = np.full(len(self.start), NO_VAD, dtype=np.int64)
        self.start[0::2], self.end[0::2] = here, np.append(start, np.uint64(whole)) - np.uint64(1)
        self.start[1::2], self.end[1::2], self.owner[1::2] = start, end, owner
        there = np.ones(len(self.start), dtype=np.bool_)
        there[0::2] = here < np.append(start, np.uint64(whole))
        self.start, self.end, self.owner = self.start[there], self.end[there], self.owner[there]

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
