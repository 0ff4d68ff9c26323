"""Mapped files that do not make a large process: their pages are given back once the process is large.

A page of a mapped file counts as the process's memory from its first reading on, with the fifteen around it; the system
keeps it all the same and maps it again when it is read.  That costs more than it seems, for most pages are read again,
so nothing is given back before the process as a whole is large.
"""

from __future__ import annotations

import mmap
import os
import shutil
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

KEPT = 32 << 20
"""Bytes of mapped files that a process may hold beyond what it held before, however large it is."""
LARGE = 192 << 20
"""Bytes that a process may hold in all, mapped files included, until it gives pages back."""
UNCOUNTED = 1 << 4
"""Times that there is cause to give pages back until it is done, where the system does not tell what is held."""
STATM = "/proc/self/statm"
CUT_OFF = b"anatomy: the image's file became shorter while it was read, or cannot be read any more\n"


class Held(NamedTuple):
    """Bytes that this process has in memory.

    Attributes:
        whole: all of them.
        mapped: those of files, programs included.
    """

    whole: int
    mapped: int


def held() -> Held | None:
    """What this process has in memory; ``None`` where the system does not tell.

    Source: proc(5), the second and third number of statm, in pages.
    """
    try:
        with open(STATM, "rb") as file:
            _, whole, mapped, *_ = map(int, file.read().split())
            return Held(whole * mmap.PAGESIZE, mapped * mmap.PAGESIZE)
    except (OSError, ValueError):
        return None


def releaser(mapped: mmap.mmap) -> Callable[[], None] | None:
    """What gives the pages of a mapped file back where it is time; ``None`` where the system cannot do that.

    Args:
        mapped: the file, of which nothing is written.
    """
    advice = getattr(mmap, "MADV_DONTNEED", None)
    if advice is None:
        return None
    before, called = held(), 0

    def release() -> None:
        nonlocal called
        called += 1
        now = None if before is None else held()
        if before is None or now is None:
            due = called >= UNCOUNTED
        else:
            due = now.whole > LARGE and now.mapped - before.mapped > KEPT
        if due:
            called = 0
            mapped.madvise(advice)

    return release


_unfinished: set[Path] = set()


@contextmanager
def unfinished(path: Path) -> Iterator[None]:
    """A file or a folder that is being written: it goes with the process where its image is cut off."""
    _unfinished.add(path)
    try:
        yield
    finally:
        _unfinished.discard(path)


@cache
def tell_of_files_that_are_cut_off() -> Any:
    """Have a mapped file that is no longer there end the process with one line and status 1.

    The system then sends a signal from within the instruction that reads: a handler of Python's would wait for that
    instruction's end for ever, so that this is one of the C library's.  Whoever set one before keeps it.

    Returns:
        What is called, to be kept for as long as the process lives; ``None`` where there is no such signal.
    """
    if not hasattr(signal, "SIGBUS"):
        return None
    import ctypes

    def ended(_: int) -> None:
        for path in list(_unfinished):
            shutil.rmtree(path, ignore_errors=True)
            with suppress(OSError):
                os.unlink(path)
        os.write(2, CUT_OFF)
        os._exit(1)

    kind = ctypes.CFUNCTYPE(None, ctypes.c_int)
    call, set_handler = kind(ended), ctypes.CDLL(None).signal
    set_handler.restype, set_handler.argtypes = ctypes.c_void_p, (ctypes.c_int, ctypes.c_void_p)
    before = set_handler(signal.SIGBUS, ctypes.cast(call, ctypes.c_void_p))
    if before:  # somebody's own, as faulthandler's
        set_handler(signal.SIGBUS, before)
    return call
