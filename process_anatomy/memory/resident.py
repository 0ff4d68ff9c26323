"""Mapped files that do not make a large process: their pages are given back once the process holds many.

A page of a mapped file counts as the process's memory from its first reading on, with the fifteen around it; the system
keeps it all the same and maps it again when it is read, so that giving it back costs little.
"""

from __future__ import annotations

import mmap
from collections.abc import Callable

KEPT = 48 << 20
"""Bytes of mapped files that a process may hold beyond what it held before, until it gives pages back."""
UNCOUNTED = 1 << 4
"""Times that there is cause to give pages back until it is done, where the system does not tell what is held."""
STATM = "/proc/self/statm"


def mapped_bytes() -> int | None:
    """Bytes of files that this process has in memory, programs included; ``None`` where the system does not tell.

    Source: proc(5), the third number of statm, in pages.
    """
    try:
        with open(STATM, "rb") as file:
            return int(file.read().split()[2]) * mmap.PAGESIZE
    except (OSError, ValueError, IndexError):
        return None


def releaser(mapped: mmap.mmap) -> Callable[[], None] | None:
    """What gives the pages of a mapped file back where it is time; ``None`` where the system cannot do that.

    Args:
        mapped: the file, of which nothing is written.
    """
    advice = getattr(mmap, "MADV_DONTNEED", None)
    if advice is None:
        return None
    before, called = mapped_bytes(), 0

    def release() -> None:
        nonlocal called
        called += 1
        held = None if before is None else mapped_bytes()
        if called >= UNCOUNTED if before is None or held is None else held - before > KEPT:
            called = 0
            mapped.madvise(advice)

    return release
