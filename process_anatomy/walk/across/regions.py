"""What a range of a process is used for: stack, heap, PEB, TEB, image ..., from the PEB, the TEBs and the VAD itself.

The PEB and the TEBs lie in user memory, which the process itself can change: a name is what they say.

Source: Windows Internals, process and thread data structures; _PEB, _TEB and _NT_TIB of the kernel's symbols.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from process_anatomy.absent import Absent
from process_anatomy.kernel.identify import Kernel
from process_anatomy.memory.space import Addresses
from process_anatomy.memory.view import addresses_of
from process_anatomy.walk.address_space.fixed_ranges import HYPERVISOR_PAGE_NAME, SHARED_DATA_NAME, fixed_name
from process_anatomy.walk.address_space.sections import has_section
from process_anatomy.walk.address_space.vads import Vad
from process_anatomy.walk.processes.listed import NOT_READ, Process
from process_anatomy.walk.threads.listed import threads
from process_anatomy.walk.threads.tebs import small_tebs
from structs import builds
from structs.ethread import ETHREAD
from structs.layout import Build, Layout
from structs.peb import PEB
from structs.teb import TEB

HEAP_LIMIT = 512
"""Heaps of one process that are looked up at the most."""
POINTERS = (
    ("ProcessParameters", "process parameters"),
    ("ProcessHeap", "heap"),
    ("ApiSetMap", "API set map"),
    ("ReadOnlySharedMemoryBase", "subsystem shared memory"),
)
"""Fields of the PEB that point into a range, and what the range is then."""
NOBODY: Mapping[str, Sequence[int | Absent]] = {}
"""No thread has its stack or its TEB in a range."""
PRIVATE, UNKNOWN = "private", "unknown"
REGIONS = (
    SHARED_DATA_NAME,
    HYPERVISOR_PAGE_NAME,
    "PEB",
    "TEB",
    "stack",
    "heap",
    "process parameters",
    "API set map",
    "subsystem shared memory",
    "image",
    "mapped file",
    "shared memory",
    PRIVATE,
    UNKNOWN,
)
"""Every name that a range can get; one with several is told in this order."""


TID = int | Absent
"""A thread's id."""


class Mark(NamedTuple):
    """An address of a process that something is known of, and the thread that it is of, where it is of one."""

    process: int
    address: int
    name: str
    tid: TID | None = None


class RegionTable(NamedTuple):
    """What the ranges of some processes are used for.

    Attributes:
        rows: the names of each range, in their order; at least one each.
        problems: why ranges may have names that are not told, one line each.
        threads: whose stacks and TEBs lie in each range: for each of these names the ids of the threads, in order.
    """

    rows: list[tuple[str, ...]]
    problems: tuple[str, ...]
    threads: list[Mapping[str, Sequence[TID]]]


def regions(kernel: Kernel, processes: Sequence[Process], rows: Sequence[Vad]) -> RegionTable:
    """What each of these VADs is used for.

    Args:
        kernel: the kernel.
        processes: those that the VADs belong to.
        rows: the VADs.
    """
    marks: dict[int, list[Mark]] = {}
    problems: list[str] = []
    for mark in (*_peb_marks(kernel, processes), *_thread_marks(kernel, processes, problems)):
        marks.setdefault(mark.process, []).append(mark)
    ranges: dict[int, list[tuple[int, int, int]]] = {}
    for number, row in enumerate(rows):
        if isinstance(row.start, int) and isinstance(row.end, int):
            ranges.setdefault(row.process.address, []).append((row.start, row.end, number))
    named: dict[int, set[str]] = {}
    threads_of: list[Mapping[str, Sequence[TID]]] = [NOBODY] * len(rows)
    held: dict[int, dict[str, list[TID]]] = {}
    for owner, found in ranges.items():
        found.sort()
        starts = [start for start, _, _ in found]
        for mark in marks.get(owner, ()):
            place = bisect_right(starts, mark.address) - 1
            if place >= 0 and mark.address <= found[place][1]:
                number = found[place][2]
                named.setdefault(number, set()).add(mark.name)
                if mark.tid is not None:
                    held.setdefault(number, {}).setdefault(mark.name, []).append(mark.tid)
    for number, own in held.items():
        threads_of[number] = own
    nothing: set[str] = set()
    told = [_names(row, named.get(number, nothing)) for number, row in enumerate(rows)]
    return RegionTable([_in_order(names) for names in told], tuple(problems), threads_of)


def _in_order(names: set[str]) -> tuple[str, ...]:
    return tuple(names) if len(names) == 1 else tuple(sorted(names, key=REGIONS.index))


def _names(row: Vad, own: set[str]) -> set[str]:
    """What pointers said of a range, with what the node itself says where that adds to it."""
    if isinstance(row.start, Absent) or isinstance(row.end, Absent) or isinstance(row.private, Absent):
        return own | {UNKNOWN}
    fixed = fixed_name(row.start, row.end)
    if fixed and row.private:
        return own | {fixed}
    if row.vad_type == "VadImageMap":
        return own | {"image"}
    if has_section(row) and isinstance(row.file, str):
        return own | {"mapped file"}
    if has_section(row) and isinstance(row.file, Absent) and row.file.kind in NOT_READ:
        return own or {UNKNOWN}
    return own or {PRIVATE if row.private else "shared memory"}


def _fields(
    kernel: Kernel, build: Build, layout: Layout, addresses: Addresses, roots: Addresses, names: Iterable[str]
) -> dict[str, list[int | None]]:
    """Fields of user structures, each through its own process's tables; ``None`` where one cannot be read.

    One that the build does not have is 0.
    """
    structure = build[layout]
    found: dict[str, list[int | None]] = {}
    for name in names:
        if name not in structure:
            found[name] = [0] * len(addresses)
            continue
        place = structure.place(name)
        data, there = kernel.read_in_process(addresses + np.uint64(place.offset), place.size, roots)
        values = data.view(f"<u{place.size}").reshape(-1).tolist()
        found[name] = [value if readable else None for value, readable in zip(values, there.tolist(), strict=True)]
    return found


def _user(kernel: Kernel, value: object) -> int:
    return value if isinstance(value, int) and 0 < value < kernel.system_start else 0


def _peb_marks(kernel: Kernel, processes: Sequence[Process]) -> Iterator[Mark]:
    """The PEBs and what they point to."""
    owners = [p for p in processes if _user(kernel, p.peb) and isinstance(p.dtb, int)]
    if not owners or PEB not in kernel.build:
        return
    pebs, roots = (
        addresses_of([_user(kernel, p.peb) for p in owners]),
        addresses_of([_user(kernel, p.dtb) for p in owners]),
    )
    names = [*(name for name, _ in POINTERS), "NumberOfHeaps", "ProcessHeaps"]
    found = _fields(kernel, kernel.build, PEB, pebs, roots, names)
    for number, process in enumerate(owners):
        yield Mark(process.address, int(pebs[number]), "PEB")
        for field, name in POINTERS:
            if at := found[field][number]:
                yield Mark(process.address, at, name)
    # every heap's address is a record of its own, so that all arrays are read at once, however long each is
    size = kernel.build.pointer_size
    count = np.minimum(np.array([number or 0 for number in found["NumberOfHeaps"]], dtype=np.int64), HEAP_LIMIT)
    count[np.array([not _user(kernel, v) for v in found["ProcessHeaps"]])] = 0
    owner = np.repeat(np.arange(len(owners)), count)
    step = np.arange(len(owner)) - np.repeat(np.cumsum(count) - count, count)
    at = addresses_of([lists or 0 for lists in found["ProcessHeaps"]])[owner] + (step * size).astype(np.uint64)
    data, there = kernel.read_in_process(at, size, roots[owner])
    for which, heap, readable in zip(
        owner.tolist(), data.view(f"<u{size}").reshape(-1).tolist(), there.tolist(), strict=True
    ):
        if readable and heap:
            yield Mark(owners[which].address, heap, "heap")


def _thread_marks(kernel: Kernel, processes: Sequence[Process], problems: list[str]) -> Iterator[Mark]:
    """The TEBs of all threads, and the stacks that they tell of."""
    table = threads(kernel, [p for p in processes if isinstance(p.dtb, int)])
    if not table.rows or TEB not in kernel.build:
        return
    tebs = kernel.view.records(ETHREAD, addresses_of([row.address for row in table.rows])).values("Teb")
    kept = [(row.process, row.tid, teb) for row, teb in zip(table.rows, tebs, strict=True) if _user(kernel, teb)]
    yield from _teb_marks(kernel, kernel.build, kept, problems)
    both = [(process, tid, teb) for process, tid, teb in kept if process.wow64 is True]
    if both:
        roots = addresses_of([_user(kernel, process.dtb) for process, _, _ in both])
        small = small_tebs(kernel, addresses_of([teb for _, _, teb in both]), roots).tolist()
        second = [(process, tid, at) for (process, tid, _), at in zip(both, small, strict=True) if at]
        yield from _teb_marks(kernel, builds.wow64(kernel.number), second, problems)


def _teb_marks(
    kernel: Kernel, build: Build, tebs: Sequence[tuple[Process, TID, int]], problems: list[str]
) -> Iterator[Mark]:
    """TEBs in the layout of a build, and the stack that each tells of; which of them tell none goes to the problems."""
    addresses = addresses_of([teb for _, _, teb in tebs])
    roots = addresses_of([_user(kernel, process.dtb) for process, _, _ in tebs])
    found = _fields(kernel, build, TEB, addresses, roots, ("Self", "StackBase", "StackLimit"))
    for (process, tid, teb), own, base, limit in zip(
        tebs, found["Self"], found["StackBase"], found["StackLimit"], strict=True
    ):
        yield Mark(process.address, teb, "TEB", tid)
        # a TEB that does not know its own address is damaged or none, and its stack would be a guess
        if own is None or base is None or limit is None:
            continue
        if own == teb and limit < base <= kernel.system_start:
            yield Mark(process.address, base - 1, "stack", tid)
        else:
            what = f"says that it lies at {own:#x}" if own != teb else f"has a stack from {limit:#x} to {base:#x}"
            problems.append(f"process {process.pid}: the TEB at {teb:#x} {what}, so that a stack is not told")
