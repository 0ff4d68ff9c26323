"""All of physical memory, page by page, each page once and never more than a few megabytes at a time.

What is known to be zeros without being read, as the holes of a sparse file, is left out: nothing is to be found there.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from process_anatomy.memory.physical import PAGE, PhysicalMemory, gather
from process_anatomy.memory.space import Addresses, Octets

PAGES_AT_ONCE = 1 << 11
"""Pages that are looked at in one step: 8 MB."""


def sweep(memory: PhysicalMemory, at_once: int = PAGES_AT_ONCE) -> Iterator[tuple[Addresses, Octets]]:
    """Every whole page that the image holds and that may hold anything, once.

    Gives physical addresses, shape (n,), and contents, shape (n, 4096).

    Args:
        memory: whose pages.
        at_once: pages of a step.
    """
    waiting: list[Addresses] = []
    count = 0
    for start, end in memory.filled():
        at, last = -(-start // PAGE) * PAGE, end // PAGE * PAGE
        while at < last:  # stretches may be short, and are looked at many at once
            some = min(at_once - count, (last - at) // PAGE)
            waiting.append(np.arange(at, at + some * PAGE, PAGE, dtype=np.uint64))
            at, count = at + some * PAGE, count + some
            if count == at_once:
                yield from _contents(memory, np.concatenate(waiting))
                waiting, count = [], 0
    if waiting:
        yield from _contents(memory, np.concatenate(waiting))


def _contents(memory: PhysicalMemory, pages: Addresses) -> Iterator[tuple[Addresses, Octets]]:
    """Those of the pages that are there, with their contents; not copied where they lie in a row, and stay."""
    offsets = memory.locate(pages, PAGE)
    there = offsets >= 0
    if not there.all():
        pages, offsets = pages[there], offsets[there]
    if not len(pages):
        return
    octets = memory.octets()
    low, high = int(offsets[0]), int(offsets[-1]) + PAGE
    if high - low == len(pages) * PAGE and (np.diff(offsets) == PAGE).all():
        block = octets[low:high].reshape(-1, PAGE)
        yield pages, block if memory.lasting else block.copy()
    else:
        yield pages, gather(octets, offsets, PAGE)
