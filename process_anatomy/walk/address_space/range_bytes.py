"""What lies in a range of a process's own address space, page by page, and which of its pages are not in the image."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from process_anatomy.absent import Absent
from process_anatomy.kernel.identify import Kernel
from process_anatomy.memory.address_space import AddressSpace
from process_anatomy.memory.paging import WHY, PageState
from process_anatomy.memory.physical import PAGE
from process_anatomy.memory.space import Addresses, Space
from process_anatomy.memory.view import addresses_of
from process_anatomy.walk.processes.listed import Process

CHUNK = 256
"""Pages that are read in one step."""
BATCH = 1 << 11
"""Pages, and ranges, of which the first bytes are read in one step."""
NEVER = {PageState.INVALID, PageState.DEMAND_ZERO}
"""States of pages that the process never touched, whose reason is known without asking for each."""


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


@dataclass(frozen=True, slots=True)
class Asked:
    """A range whose first bytes are asked for.

    Attributes:
        root: the page tables that it lies in.
        start: of the range.
        size: how many bytes.
    """

    root: int | Absent
    start: int | Absent
    size: int | Absent


def beginnings(kernel: Kernel, ranges: Iterable[Asked]) -> Iterator[Beginning | Absent]:
    """The first bytes of ranges, many ranges read in one step, one after the other as they are asked for.

    A range whose place or size is not known has the reason.
    """
    pending: list[Asked] = []
    pages = 0
    for each in ranges:
        pending.append(each)
        pages += -(-each.size // PAGE) if isinstance(each.size, int) else 0
        if pages >= BATCH or len(pending) >= BATCH:
            yield from _read(kernel, pending)
            pending, pages = [], 0
    yield from _read(kernel, pending)


def _read(kernel: Kernel, ranges: Sequence[Asked]) -> Iterator[Beginning | Absent]:
    """The first bytes of some ranges, all their pages in one step."""
    known = [_place(each) for each in ranges]
    wanted = [(each, page) for each in known if not isinstance(each, Absent) for page in range(0, each[2], PAGE)]
    most = min(PAGE, max((size for (_, _, size), _ in wanted), default=0))
    places, roots = (
        addresses_of([start + page for (_, start, _), page in wanted]),
        addresses_of([r for (r, _, _), _ in wanted]),
    )
    data, there = kernel.space.read_many(places, most, roots)
    states = _states(kernel.space, places, roots)
    first = 0
    for each in known:
        if isinstance(each, Absent):
            yield each
            continue
        root, start, size = each
        last = first + -(-size // PAGE)
        missing = np.flatnonzero(~there[first:last]).tolist()
        octets = np.where(there[first:last, None], data[first:last], 0).astype(np.uint8).tobytes()
        why = ""
        if missing:
            state = states[first + missing[0]]
            page = start + missing[0] * PAGE
            why = WHY[PageState(state)] if state in NEVER else kernel.space.through(root).why(page, min(PAGE, size))
        yield Beginning(octets[:size], frozenset(missing), why)
        first = last


def _states(space: Space, places: Addresses, roots: Addresses) -> list[int]:
    """What the page tables say of each page; nothing of those of a small dump."""
    if not isinstance(space, AddressSpace):
        return [int(PageState.VALID)] * len(places)
    found: list[int] = space.translate(places, roots).state.tolist()
    return found


def _place(asked: Asked) -> tuple[int, int, int] | Absent:
    """Page tables, start and size; the reason where one of them is not known."""
    for value in (asked.start, asked.size, asked.root):
        if isinstance(value, Absent):
            return value
    assert isinstance(asked.root, int) and isinstance(asked.start, int) and isinstance(asked.size, int)  # noqa: PT018
    return asked.root, asked.start, max(asked.size, 0)
