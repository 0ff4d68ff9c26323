"""Working sets: what the kernel counts of each process's pages in memory, and what its page tables show.

The counts are in the process object.  The page tables are counted here, every process's user half in the same
steps, so that a count that was tampered with or never filled in stands beside what is really mapped.  The working
set list is read through the process's own page tables, because up to Windows 10 1607 it lies in process-specific
system space; the same address is then asked for through System's tables, to show what "valid only within the
context of the process" means.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from process_anatomy.absent import NOT_APPLICABLE, Absent, Kind
from process_anatomy.kernel.identify import Kernel
from process_anatomy.memory import paging
from process_anatomy.memory.address_space import AddressSpace
from process_anatomy.memory.physical import PAGE, gather, numbers
from process_anatomy.memory.space import Addresses
from process_anatomy.memory.view import View, addresses_of, unreadable
from process_anatomy.walk.address_space.compressed import stored_entries
from process_anatomy.walk.address_space.page_entries import user_half
from process_anatomy.walk.processes.listed import NOT_READ, Process
from structs.eprocess import EPROCESS
from structs.layout import Layout
from structs.working_set import (
    FIRST_BUILD_WITHOUT_ENTRIES,
    FIRST_SPLIT_BUILD,
    MMWSL,
    MMWSL_2600,
    MMWSL_6000,
    MMWSL_9200,
    MMWSL_FULL,
    WSLE_VALID,
)

COUNTS = {
    "WorkingSetSize": "size",
    "WorkingSetLeafSize": "leaf_size",
    "PeakWorkingSetSize": "peak",
    "MinimumWorkingSetSize": "minimum",
    "MaximumWorkingSetSize": "maximum",
    "PageFaultCount": "page_faults",
    "NumberOfPrivatePages": "private_pages",
    "CommitCharge": "commit_charge",
    "CommitChargePeak": "commit_peak",
    "CommitChargeLimit": "commit_limit",
    "PeakVirtualSize": "peak_virtual_size",
}
"""Fields of _EPROCESS to the facts of a row."""
QUOTAS = {"ProcessQuotaUsage": ("nonpaged_quota", "paged_quota"), "ProcessQuotaPeak": ("nonpaged_peak", "paged_peak")}
"""Fields of _EPROCESS that hold a number each for pool that is not paged and for paged pool (PS_QUOTA_TYPE)."""
TABLES_PER_PROCESS = 1 << 16
"""Page tables that are counted of one process: they map 128 GB; hostile tables point at one another for ever."""
TABLES_IN_ALL = 1 << 20
ENTRY_LIMIT = 1 << 22
"""Entries of a working set list that are looked at: 16 GB of pages."""
NO_ENTRIES = Absent(Kind.NOT_IN_BUILD, "the kernel keeps no list of a process's pages since Windows 10 1703")
NOT_IN_DUMP = Absent(Kind.NOT_IN_DUMP, "page tables are not in a small dump")

SAME, OTHER, NOTHING = "same data", "other data", "nothing"
"""What an address means through another process's tables: the same page, another page, no page."""


@dataclass(frozen=True, slots=True)
class WorkingSet:
    """The working set of one process.  Sizes are in pages of 4 KB, except the peak of the address space.

    Attributes:
        process: the process.
        size: pages in memory as the kernel counts them, page tables included.
        leaf_size: the same without page tables.
        peak: the highest leaf size so far.
        minimum: pages that the process may keep.
        maximum: pages that it may be cut down to.
        page_faults: page faults since creation.
        private_pages: private pages, in memory or not.
        commit_charge: pages charged against the commit limit.
        commit_peak: the highest charge so far.
        commit_limit: pages that it may be charged for, by its job; not applicable without a limit.
        nonpaged_quota: bytes of pool that is not paged, charged against the quota of its user.
        paged_quota: the same of paged pool.
        nonpaged_peak: the highest of the first so far.
        paged_peak: the highest of the second so far.
        peak_virtual_size: most bytes of address space ever in use.
        resident: pages of 4 KB that its page tables map as valid, user half.
        large: pages of 4 KB that its large pages cover.
        transition: pages that were trimmed and are still in memory.
        compressed: pages that are in the compression store.
        tables: its page tables, the root included, except of PAE: many roots of four entries share a page.
        list_address: where its working set list is; not applicable where the process has none.
        entries: valid entries of the list; absent where the kernel keeps none.
        through_another: what the list's address holds through System's page tables.
        problems: what is odd or could not be read, one line each.
    """

    process: Process
    size: int | Absent
    leaf_size: int | Absent
    peak: int | Absent
    minimum: int | Absent
    maximum: int | Absent
    page_faults: int | Absent
    private_pages: int | Absent
    commit_charge: int | Absent
    commit_peak: int | Absent
    commit_limit: int | Absent
    nonpaged_quota: int | Absent
    paged_quota: int | Absent
    nonpaged_peak: int | Absent
    paged_peak: int | Absent
    peak_virtual_size: int | Absent
    resident: int | Absent
    large: int | Absent
    transition: int | Absent
    compressed: int | Absent
    tables: int | Absent
    list_address: int | Absent
    entries: int | Absent
    through_another: str | Absent
    problems: tuple[str, ...]


def working_sets(kernel: Kernel, processes: Sequence[Process]) -> list[WorkingSet]:
    """The working set of each process."""
    records = kernel.view.records(EPROCESS, addresses_of([process.address for process in processes]))
    columns: dict[str, list[Any]] = {fact: records.values(field) for field, fact in COUNTS.items()}
    columns["commit_limit"] = [NOT_APPLICABLE if value == 0 else value for value in columns["commit_limit"]]
    for field, (nonpaged, paged) in QUOTAS.items():
        pairs = [_pair(value, kernel.build.pointer_size) for value in records.values(field)]
        columns[nonpaged], columns[paged] = [first for first, _ in pairs], [second for _, second in pairs]
    lists = [_list_address(kernel, value) for value in records.values("VmWorkingSetList")]
    problems: list[list[str]] = [[] for _ in processes]
    columns |= _counted(kernel, processes, problems)
    seen = [_list(kernel, process, address, told) for process, address, told in zip(
        processes, lists, problems, strict=True
    )]  # fmt: skip
    columns |= {
        "list_address": lists,
        "entries": [entries for entries, _ in seen],
        "through_another": [through for _, through in seen],
    }
    rows = []
    for row, process in enumerate(processes):
        facts = {name: column[row] for name, column in columns.items()}
        told: dict[str, list[str]] = {}  # the reason, and what it keeps from being known
        for name, value in facts.items():
            if isinstance(value, Absent) and _worth_telling(value):
                told.setdefault(str(value), []).append(name.replace("_", " "))
        lines = [f"{', '.join(names)}: {reason}" for reason, names in told.items()]
        rows.append(WorkingSet(process=process, problems=tuple(lines + problems[row]), **facts))
    return rows


def _pair(value: bytes | Absent, size: int) -> tuple[int | Absent, int | Absent]:
    """The first two numbers of an array."""
    if isinstance(value, Absent):
        return value, value
    return int.from_bytes(value[:size], "little"), int.from_bytes(value[size : 2 * size], "little")


def _worth_telling(value: Absent) -> bool:
    """Absences that are no property of the build."""
    return value.kind in NOT_READ and value.kind is not Kind.NOT_IN_BUILD


def _list_address(kernel: Kernel, value: int | Absent) -> int | Absent:
    """Where a working set list is, which is in the kernel half."""
    if isinstance(value, Absent):
        return value
    if value == 0:
        return NOT_APPLICABLE
    return (
        value if value >= kernel.system_start else Absent(Kind.IMPLAUSIBLE, f"a list at {value:#x}, no kernel address")
    )


@dataclass(frozen=True, slots=True)
class Census:
    """What page tables map, one number for each root: arrays of shape (n,), in pages of 4 KB.

    Attributes:
        resident: valid small pages.
        large: small pages that large ones cover.
        transition: small pages in transition.
        compressed: small pages in the compression store.
        rooted: whether the root could be read.
        tables: page tables that were read, the root included where it takes a page.
        missing: page tables that the image does not hold.
        cut: roots whose tables are more than are counted.
    """

    resident: npt.NDArray[np.int64]
    large: npt.NDArray[np.int64]
    transition: npt.NDArray[np.int64]
    compressed: npt.NDArray[np.int64]
    rooted: npt.NDArray[np.bool_]
    tables: npt.NDArray[np.int64]
    missing: npt.NDArray[np.int64]
    cut: npt.NDArray[np.bool_]


def census(space: AddressSpace, roots: Addresses) -> Census:
    """Count what the user half of each address space maps; all roots in the same steps, table by table."""
    memory, mode, count, half = space.memory, space.mode, len(roots), user_half(space)
    movable = paging.transition_frames(memory)
    resident, large, transition, compressed, tables, missing = (np.zeros(count, dtype=np.int64) for _ in range(6))
    in_store = stored_entries(space, roots)
    cut, rooted = np.zeros(count, dtype=np.bool_), np.zeros(count, dtype=np.bool_)
    pending = [(0, np.arange(count), roots & np.uint64(mode.root_mask), np.zeros(count, dtype=np.uint64))]
    budget = TABLES_IN_ALL
    while pending:
        level, owner, frames, first = pending.pop()
        if len(frames) > paging.CHUNK:
            pending.append((level, owner[paging.CHUNK :], frames[paging.CHUNK :], first[paging.CHUNK :]))
            owner, frames, first = owner[: paging.CHUNK], frames[: paging.CHUNK], first[: paging.CHUNK]
        allowed = (tables[owner] < TABLES_PER_PROCESS) & (budget > 0)
        cut[owner[~allowed]] = True
        owner, frames, first = owner[allowed], frames[allowed], first[allowed]
        budget -= len(owner)
        shift, size = mode.shifts[level], mode.table_size(level)
        offsets = memory.locate(frames, size)
        there = offsets >= 0
        missing += np.bincount(owner[~there], minlength=count)
        owner, offsets, first = owner[there], offsets[there], first[there]
        if level == 0:
            rooted[owner] = True
        if size == PAGE:
            tables += np.bincount(owner, minlength=count)
        entries = numbers(gather(memory.octets(), offsets, size), mode.entry_size)
        row, index = np.nonzero(entries)
        if half % (size // mode.entry_size << shift):  # a table may map what is above the user half as well
            user = first[row] + (index.astype(np.uint64) << np.uint64(shift)) < np.uint64(half)
            row, index = row[user], index[user]
        entry, owner = entries[row, index], owner[row]
        valid = entry & paging.VALID != 0
        moving = paging.software_state(entry, mode) == paging.PageState.TRANSITION
        moving &= ~valid
        if shift == 12:
            resident += np.bincount(owner[valid], minlength=count)
            transition += np.bincount(owner[moving], minlength=count)
            away = np.flatnonzero(~valid & ~moving)
            compressed += np.bincount(owner[away[in_store(entry[away])]], minlength=count)
            continue
        if mode.levels[level].large is not None:
            big = valid & (entry & paging.LARGE != 0)
            large += np.bincount(owner[big], minlength=count) << shift - 12
            valid &= ~big
        deeper = valid | moving
        if deeper.any():
            below = np.where(moving, entry & movable, entry & paging.FRAME)[deeper]
            start = first[row[deeper]] + (index[deeper].astype(np.uint64) << np.uint64(shift))
            pending.append((level + 1, owner[deeper], below, start))
    return Census(resident, large, transition, compressed, rooted, tables, missing, cut)


def _counted(kernel: Kernel, processes: Sequence[Process], problems: list[list[str]]) -> dict[str, list[Any]]:
    """What the page tables of the processes map, as columns."""
    names = ("resident", "large", "transition", "compressed", "tables")
    space = kernel.space
    if not isinstance(space, AddressSpace):
        return {name: [NOT_IN_DUMP] * len(processes) for name in names}
    rooted = [row for row, process in enumerate(processes) if isinstance(process.dtb, int) and process.dtb]
    found = census(space, addresses_of([p.dtb for p in processes if isinstance(p.dtb, int) and p.dtb]))
    columns: dict[str, list[Any]] = {name: [_rootless(process) for process in processes] for name in names}
    for place, row in enumerate(rooted):
        if not found.rooted[place]:
            gone = Absent(Kind.UNREADABLE, "the root of its page tables is not in the image")
            for name in names:
                columns[name][row] = gone
            continue
        for name in names:
            columns[name][row] = int(getattr(found, name)[place])
        if found.missing[place]:
            problems[row].append(f"{found.missing[place]} of its page tables are not in the image: counts are too low")
        if found.cut[place]:
            problems[row].append(f"it has more than {int(found.tables[place])} page tables: the rest is not counted")
    return columns


def _rootless(process: Process) -> Absent:
    return process.dtb if isinstance(process.dtb, Absent) else Absent(Kind.IMPLAUSIBLE, "no page tables: root 0")


def _list(
    kernel: Kernel, process: Process, address: int | Absent, problems: list[str]
) -> tuple[int | Absent, str | Absent]:
    """Valid entries of a process's working set list, and what its address means through System's tables."""
    space = kernel.space
    with_entries = kernel.number < FIRST_BUILD_WITHOUT_ENTRIES
    if isinstance(address, Absent):
        return (address if with_entries else NO_ENTRIES), address
    if not isinstance(space, AddressSpace):
        return (NOT_IN_DUMP if with_entries else NO_ENTRIES), NOT_IN_DUMP
    if not isinstance(process.dtb, int) or not process.dtb:
        gone = _rootless(process)
        return (gone if with_entries else NO_ENTRIES), gone
    own = space.through(process.dtb)
    through = _through_system(space, own, address)
    if not with_entries:
        return NO_ENTRIES, through
    if isinstance(through, Absent) and through.kind in NOT_READ:
        return through, through
    return _entries(kernel, own, address, problems), through


def _through_system(space: AddressSpace, own: AddressSpace, address: int) -> str | Absent:
    """What an address that a process uses means through System's page tables."""
    where = addresses_of([address, address])
    physical, state, _ = space.translate(where, addresses_of([own.root, space.root]))
    if state[0] > paging.READABLE:
        return unreadable(own, address, PAGE - address % PAGE)
    if own.root == space.root_in(space.root):
        return NOT_APPLICABLE
    if state[1] > paging.READABLE:
        return NOTHING
    return SAME if physical[0] == physical[1] else OTHER


def _entries(kernel: Kernel, own: AddressSpace, address: int, problems: list[str]) -> int | Absent:
    """How many entries of a working set list are in use.

    The list's layout is not among the published ones, so it has to prove itself: its indexes are in order, and its
    entries lie in the part of system space that the list itself lies in.
    """
    shapes: tuple[Layout, ...] = (MMWSL_9200, MMWSL_6000, MMWSL_2600)
    if "WorkingSetLeafSize" in kernel.build[EPROCESS]:
        shapes = (MMWSL_FULL if kernel.number >= FIRST_SPLIT_BUILD else MMWSL,)
    size, slot = own.pointer_size, own.mode.shifts[0]
    gone: Absent | None = None
    for shape in shapes:
        found = View(own, kernel.build).parse(shape, address)
        facts = [found[name] for name in ("FirstDynamic", "LastEntry", "LastInitializedWsle", "Wsle")]
        lost = next((value for value in facts if isinstance(value, Absent)), None)
        if lost is not None:
            gone = lost if gone is None else gone
            continue
        first, last, highest, entries = facts
        ordered = first <= last <= highest < ENTRY_LIMIT and entries % size == 0
        if ordered and entries >> slot == entries + last * size >> slot == address >> slot:
            return _used(own, entries, last, problems)
    unproved = Absent(Kind.NOT_PROVED, f"{address:#x} does not look like a working set list of this build")
    return unproved if gone is None else gone


def _used(own: AddressSpace, entries: int, last: int, problems: list[str]) -> int:
    """How many of the entries of a list, up to the last, are in use."""
    size = own.pointer_size
    end = entries + last * size
    count = end // PAGE - entries // PAGE + 1
    pages = np.uint64(entries & ~(PAGE - 1)) + np.arange(count, dtype=np.uint64) * np.uint64(PAGE)
    data, there = own.read_many(pages, PAGE)
    skip = entries % PAGE // size
    used = numbers(data.reshape(-1), size)[skip : skip + last + 1] & np.uint64(WSLE_VALID)
    if not there.all():
        problems.append(f"{int((~there).sum())} of {len(pages)} pages of its working set list cannot be read")
    return int(used.sum())
