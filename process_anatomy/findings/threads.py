"""Rules over threads: those that start where no file's code is.

Which tokens threads act with is judged in :mod:`process_anatomy.findings.security`.
"""

from __future__ import annotations

from collections.abc import Iterator

from process_anatomy.absent import Absent
from process_anatomy.findings.rules import Clue, Severity, rule
from process_anatomy.walk.across.starts import (
    MAPPED,
    NO_DRIVER,
    NOTHING,
    PRIVATE,
    PRIVATE_EXECUTABLE,
    SHARED,
    Start,
    Starts,
)
from process_anatomy.walk.across.tables import Tables
from process_anatomy.walk.processes.listed import Process

OUTSIDE = frozenset({PRIVATE, NOTHING, SHARED, MAPPED})
"""Where a thread of a program does not start."""
HIDDEN_FROM_DEBUGGER = "HideFromDebugger"


def _running(tables: Tables) -> Iterator[Starts]:
    yield from (row for row in tables.starts if not row.facts.ended)


def _starts(row: Starts) -> Iterator[tuple[str, Start]]:
    yield "StartAddress", row.start
    yield "Win32StartAddress", row.win32


def _clue(row: Starts, kinds: frozenset[str]) -> Iterator[tuple[Process, str, tuple[str, ...]]]:
    """What a thread's start addresses say, where one of them is of these kinds."""
    lines: list[str] = []
    for name, start in _starts(row):
        if start.kind in kinds and isinstance(start.address, int):
            where = start.kind if start.vad is None else f"{start.kind}, VAD {start.vad.address:#x}"
            lines.append(f"{name} {start.address:#x} lies in {where}")
    if lines:
        thread = row.facts.thread
        tid = "?" if isinstance(thread.tid, Absent) else thread.tid
        yield thread.process, f"thread {tid}", (*lines, f"_ETHREAD {thread.address:#x}")


@rule("thread-in-private-memory", Severity.HIGH, rests=("vads", "threads"))
def thread_in_private_memory(tables: Tables) -> Iterator[Clue]:
    """A thread that starts in executable memory behind which there is no file."""
    for row in _running(tables):
        yield from _clue(row, frozenset({PRIVATE_EXECUTABLE}))


@rule("thread-outside-images", Severity.MEDIUM, rests=("vads", "threads"))
def thread_outside_images(tables: Tables) -> Iterator[Clue]:
    """A thread that starts in memory that is no image and is not executable, or in no range at all."""
    for row in _running(tables):
        if not any(start.kind == PRIVATE_EXECUTABLE for _, start in _starts(row)):
            yield from _clue(row, OUTSIDE)


@rule("thread-outside-drivers", Severity.HIGH, rests=("threads", "drivers"))
def thread_outside_drivers(tables: Tables) -> Iterator[Clue]:
    """A thread of the kernel that starts in no driver, where all drivers are known with their places."""
    known = all(isinstance(row.base, int) and isinstance(row.size, int) for row in tables.drivers.rows)
    for row in _running(tables) if known else ():
        yield from _clue(row, frozenset({NO_DRIVER}))


@rule("thread-hidden-from-debugger", Severity.LOW, rests=("threads",))
def thread_hidden_from_debugger(tables: Tables) -> Iterator[Clue]:
    """A thread that asked the kernel not to tell debuggers of it."""
    for row in _running(tables):
        names, thread = row.facts.flag_names, row.facts.thread
        if isinstance(names, tuple) and HIDDEN_FROM_DEBUGGER in names:
            line = f"_ETHREAD {thread.address:#x}, CrossThreadFlags: {', '.join(names)}"
            yield thread.process, f"thread {thread.tid}", (line,)
