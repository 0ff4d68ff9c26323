"""Handle tables of all processes at once, and the table of process and thread ids, which has the same form."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from process_anatomy.absent import Absent, Kind
from process_anatomy.kernel.handle_entries import HANDLE_LIMIT, LEVELS, EntryForm, undecodable
from process_anatomy.kernel.identify import Kernel
from process_anatomy.kernel.variables import variables
from process_anatomy.memory.physical import PAGE
from process_anatomy.memory.space import Addresses, distinct
from process_anatomy.memory.view import Records, addresses_of
from process_anatomy.walk.handles.entries import NO_ENTRIES, VALUE_STEP, Entries, EntryWalk
from process_anatomy.walk.processes.listed import Process
from structs.eprocess import EPROCESS
from structs.handle import HANDLE_TABLE, HANDLE_TABLE_ENTRY
from structs.object import OBJECT_HEADER

CANDIDATES = 1 << 14
"""Words of the kernel that are followed to see whether they lead to the table of ids."""
WITNESSES = 64
"""Processes that the table of ids may be known by."""


@dataclass(frozen=True, slots=True)
class HandleTable:
    """The handle table of one process.

    Attributes:
        address: of the _HANDLE_TABLE; not applicable for a process without one.
        levels: 1 to 3: how many steps lead to an entry.
        count: handles in use, as the table says; since Windows 8 only what its first list of free entries counts,
            which on machines with several processors is not all (each list has its own count, some below zero).
        exact: the count is that of the whole table.
        found: handles in use that were found.
        problems: what is odd or could not be read, one line each.
        doubts: those of them that say that the handles may be another's.
    """

    address: int | Absent
    levels: int | Absent
    count: int | Absent
    exact: bool
    found: int
    problems: tuple[str, ...]
    doubts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class HandleTables:
    """The handle tables of some processes.

    Attributes:
        tables: one for each process, in their order.
        entries: the handles; ``owner`` is the number of the process.
    """

    tables: tuple[HandleTable, ...]
    entries: Entries


@dataclass(frozen=True, slots=True)
class CidTable:
    """The table of process and thread ids (PspCidTable).

    Attributes:
        address: of its _HANDLE_TABLE, or why it was not found.
        entries: ids (``value``) and the bodies of processes and threads (``object``).
        problems: what is odd or could not be read, one line each.
    """

    address: int | Absent
    entries: Entries
    problems: tuple[str, ...]


def handle_tables(kernel: Kernel, processes: Sequence[Process]) -> HandleTables:
    """The handles of these processes, all tables walked together, level by level."""
    pointers = kernel.view.records(EPROCESS, addresses_of([p.address for p in processes])).values("ObjectTable")
    where = [p if isinstance(p, int) and p >= kernel.system_start else 0 for p in pointers]
    records = kernel.view.records(HANDLE_TABLE, addresses_of(where))
    codes, counts, ids = (records.values(name) for name in ("TableCode", "HandleCount", "UniqueProcessId"))
    gone = [_without(p, kernel, process) for p, process in zip(pointers, processes, strict=True)]
    start = [code if isinstance(code, int) and why is None else 0 for code, why in zip(codes, gone, strict=True)]
    lack = undecodable(kernel)
    body = kernel.build[OBJECT_HEADER].offset("Body")
    walk = EntryWalk(kernel, len(processes))
    entries = NO_ENTRIES if lack else walk.entries(start, body)
    found = np.bincount(entries.owner, minlength=len(processes)).tolist()
    # Windows 8 packed the entries and gave each list of free ones a count of its own, both at once
    exact = not lack and not EntryForm(kernel.build[HANDLE_TABLE_ENTRY]).packed
    users = Counter(code for code, at in {(code, at) for code, at in zip(codes, where, strict=True) if at})
    tables = []
    for row, process in enumerate(processes):
        why, code, count = gone[row], codes[row], counts[row]
        if why is not None:
            tables.append(
                HandleTable(why, why, why, False, 0, () if why.kind is Kind.NOT_APPLICABLE else (f"handles: {why}",))
            )
            continue
        problems = [lack] if lack else list(walk.problems[row])
        problems += [f"handle table: {value}" for value in (code, count) if isinstance(value, Absent)]
        doubts = []
        if isinstance(ids[row], int) and isinstance(process.pid, int) and ids[row] != process.pid:
            doubts.append(f"its handle table says that it belongs to process {ids[row]}")
        if isinstance(code, int) and code and where[row] and users[code] > 1:
            doubts.append(f"another process's table has its entries at {code & ~LEVELS:#x} too")
        problems += doubts
        if code == 0:
            problems.append("its handle table has no page of entries: that field is zero")
        if isinstance(count, int) and count > found[row]:  # else they may be pages that nobody has used yet
            problems += walk.blank[row]
        levels = code if isinstance(code, Absent) else (code & LEVELS) + 1
        if isinstance(levels, int) and levels > LEVELS:
            levels = Absent(Kind.IMPLAUSIBLE, f"a handle table of {levels} levels")
        tables.append(HandleTable(where[row], levels, count, exact, found[row], tuple(problems), tuple(doubts)))
    return HandleTables(tuple(tables), entries)


def _without(pointer: int | Absent, kernel: Kernel, process: Process) -> Absent | None:
    """Why a process has no table to walk; ``None`` where it has one."""
    if isinstance(pointer, Absent):
        return pointer
    if pointer == 0 and process.runs_program:
        return Absent(Kind.IMPLAUSIBLE, "the process runs, but its ObjectTable is zero")
    if pointer == 0:
        return Absent(Kind.NOT_APPLICABLE, "the process has no handle table")
    if pointer < kernel.system_start or pointer % kernel.build.pointer_size:
        return Absent(Kind.IMPLAUSIBLE, f"no handle table at {pointer:#x}: that is no kernel address")
    return None


def cid_table(kernel: Kernel, processes: Sequence[Process] = ()) -> CidTable:
    """The table of process and thread ids, found by what must be true of it: it maps System's id to System.

    Args:
        kernel: where to look.
        processes: more processes that it may be known by, where System's own entry is damaged.
    """
    lack = undecodable(kernel)
    if lack:
        return CidTable(Absent(Kind.NOT_IN_BUILD, lack), NO_ENTRIES, (lack,))
    address = _cid_address(kernel, processes)
    if isinstance(address, Absent):
        return CidTable(address, NO_ENTRIES, (f"the table of process and thread ids: {address}",))
    table: Records = kernel.view.records(HANDLE_TABLE, addresses_of([address]))
    walk = EntryWalk(kernel, 1)
    entries = walk.entries(table.array("TableCode").astype(np.uint64).tolist(), 0)
    return CidTable(address, entries, tuple(walk.problems[0]))


def _cid_address(kernel: Kernel, processes: Sequence[Process]) -> int | Absent:
    """Address of the _HANDLE_TABLE that a word of the kernel points at and that leads from ids to processes."""
    words = variables(kernel)
    if words.problem:
        return Absent(Kind.UNREADABLE, words.problem)
    system = kernel.view.records(EPROCESS, addresses_of([kernel.system])).values("UniqueProcessId")[0]
    witnesses = [(system, kernel.system), *((p.pid, p.address) for p in processes[:WITNESSES])]
    known = dict.fromkeys((pid, at) for pid, at in witnesses if isinstance(pid, int) and 0 < pid < HANDLE_LIMIT)
    candidates = words.pointers(kernel, kernel.build.pointer_size)[:CANDIDATES]
    place = kernel.build[HANDLE_TABLE].place("TableCode")
    data, there = kernel.space.read_many(candidates + np.uint64(place.offset), place.size)
    codes = data.view(f"<u{place.size}").reshape(-1).astype(np.uint64)
    likely = there & (codes >= np.uint64(kernel.system_start)) & (codes & np.uint64(LEVELS) < LEVELS)
    candidates, codes = candidates[likely], codes[likely]
    votes = np.zeros(len(candidates), dtype=np.int64)
    for pid, process in known:
        votes += _looked_up(kernel, codes, pid) == np.uint64(process)
        if votes.any():
            break
    if not votes.any():
        gone = f" ({words.missing} of them cannot be read)" if words.missing else ""
        return Absent(
            Kind.UNREADABLE if words.missing else Kind.IMPLAUSIBLE,
            f"no word in {len(words.pages)} pages of the kernel's writable sections{gone} leads from a process id to"
            " its process",
        )
    return int(candidates[int(np.argmax(votes))])


def _looked_up(kernel: Kernel, codes: Addresses, value: int) -> Addresses:
    """What each table has for a handle value, shape (n,); 0 for nothing."""
    structure = kernel.build[HANDLE_TABLE_ENTRY]
    size = kernel.build.pointer_size
    number = value // VALUE_STEP
    per_leaf, per_page = PAGE // structure.sizeof, PAGE // size
    level = (codes & np.uint64(LEVELS)).astype(np.int64)
    at: Addresses = codes & ~np.uint64(LEVELS)
    at[(level == 0) & (number >= per_leaf)] = 0
    for step, span in ((2, per_leaf * per_page), (1, per_leaf)):
        rows = np.flatnonzero(level >= step)
        index = number // span % per_page
        data, there = kernel.space.read_many(at[rows] + np.uint64(size * index), size)
        pointers = data.view(f"<u{size}").reshape(-1).astype(np.uint64)
        at[rows] = np.where(there, pointers, np.uint64(0))
    unique, back = distinct(at)
    places = np.where(unique != 0, unique + np.uint64(structure.sizeof * (number % per_leaf)), np.uint64(0))
    records = kernel.view.records(HANDLE_TABLE_ENTRY, places)
    found: Addresses = EntryForm(structure).pointers(records.data)[back]
    return found
