"""What lies in a range of a process's own address space, page by page, and which of its pages are not in the image."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from process_anatomy.absent import Absent
from process_anatomy.kernel.identify import Kernel
from process_anatomy.memory.physical import PAGE
from process_anatomy.memory.space import Space
from process_anatomy.walk.processes.listed import Process

CHUNK = 256
"""Pages that are read in one step."""


def pages_of(own: Space, base: int, count: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """The octets of so many pages and which of them there are, some at a time.

    Args:
        own: the address space that they lie in.
        base: of the first.
        count: how many.
    """
    for first in range(0, count, CHUNK):
        numbers = np.arange(first, min(first + CHUNK, count), dtype=np.uint64)
        yield own.read_many(np.uint64(base) + numbers * np.uint64(PAGE), PAGE)


@dataclass(frozen=True, slots=True)
class Beginning:
    """The first bytes of a range.

    Attributes:
        data: the bytes, zeros where a page is missing.
        missing: the numbers of the pages of these that are not in the image.
        why: the reason for the first of them, empty where there is none.
    """

    data: bytes
    missing: frozenset[int]
    why: str = ""


def own_space(kernel: Kernel, process: Process) -> Space | Absent:
    """The address space of a process; absent where its page tables are not known."""
    return process.dtb if isinstance(process.dtb, Absent) else kernel.space.through(process.dtb)


def beginning(own: Space, start: int, size: int) -> Beginning:
    """The first bytes of a range.

    Args:
        own: the address space that it lies in.
        start: of the range.
        size: how many bytes.
    """
    parts = list(pages_of(own, start, -(-size // PAGE)))
    there = np.concatenate([found for _, found in parts]) if parts else np.zeros(0, bool)
    data = b"".join(np.where(found[:, None], octets, 0).astype(np.uint8).tobytes() for octets, found in parts)
    missing = frozenset(np.flatnonzero(~there).tolist())
    why = own.why(start + min(missing) * PAGE, PAGE) if missing else ""
    return Beginning(data[:size], missing, why)
