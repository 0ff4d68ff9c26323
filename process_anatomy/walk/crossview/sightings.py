"""Who sees which processes: each way to find processes on its own, with what it saw."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from process_anatomy.absent import Absent, Kind
from process_anatomy.errors import Error
from process_anatomy.kernel.identify import Kernel
from process_anatomy.kernel.objects import object_headers
from process_anatomy.memory.address_space import AddressSpace
from process_anatomy.memory.paging import READABLE
from process_anatomy.memory.physical import PAGE
from process_anatomy.memory.space import among, distinct
from process_anatomy.memory.view import addresses_of
from process_anatomy.walk.crossview.client_ids import CID, Ids, client_ids, processes_at, read_unlisted
from process_anatomy.walk.crossview.csr_processes import csrss
from process_anatomy.walk.handles.entries import VALUE_STEP, Entries
from process_anatomy.walk.handles.tables import HandleTable, HandleTables, cid_table, handle_tables
from process_anatomy.walk.processes.listed import Process, ProcessTable
from process_anatomy.walk.processes.memberships import Membership, job_lists, session_lists
from process_anatomy.walk.processes.scan import Scan, scan
from structs.ethread import ETHREAD
from structs.handle import HANDLE_TABLE_ENTRY

FORWARD, BACKWARD, SCAN, THREADS = "Forward", "Backward", "psscan", "thrdscan"
HANDLES, CSRSS_HANDLES, CSR, SESSION, JOB, WIN32 = (
    "Handles",
    "csrss",
    "CsrProcess",
    "Session",
    "Job",
    "Win32Process",
)
VIEWS = (FORWARD, BACKWARD, SCAN, THREADS, CSRSS_HANDLES, CID, HANDLES, CSR, SESSION, JOB, WIN32)
"""The views, by their column."""

LEAST_LOST = 3
"""Processes and threads that a page of the table of ids must lack, and hold none, to be taken for another's."""


@dataclass(frozen=True, slots=True)
class Holders:
    """Who holds handles to processes.

    Attributes:
        of: address of a process to the addresses of the processes with a handle to it.
        absent: by the address of a process, why its own handles cannot be told.
        broken: addresses of the processes of whose handles a part could not be read.
    """

    of: dict[int, frozenset[int]]
    absent: dict[int, Absent]
    broken: frozenset[int]


@dataclass(frozen=True, slots=True)
class Subsystems:
    """What each csrss.exe keeps of the programs of its session, in its own memory.

    Attributes:
        known: addresses of the processes that have a record there.
        rings: address of a csrss.exe to whether its records were read to the end, or why there are none.
        absent: why there are none at all, else ``None``.
        problems: what is odd or could not be read, one line each.
    """

    known: frozenset[int]
    rings: dict[int, bool | Absent]
    absent: Absent | None
    problems: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Sightings:
    """What every view saw.

    Attributes:
        listed: the active list.
        scan: the pass over physical memory.
        owners: address of a process to the addresses of the threads that name it as theirs.
        ids: the table of client ids.
        holders: the handle tables.
        sessions: the lists of the sessions.
        jobs: the lists of the jobs.
        subsystems: the records of each csrss.exe.
        others: addresses of processes that are not on the active list, in order.
        unproved: addresses that a view takes for a process and that are none, with the view.
    """

    listed: ProcessTable
    scan: Scan
    owners: dict[int, frozenset[int]]
    ids: Ids
    holders: Holders
    sessions: Membership
    jobs: Membership
    subsystems: Subsystems
    others: tuple[int, ...] = ()
    unproved: dict[int, str] = field(default_factory=dict)

    @property
    def everyone(self) -> tuple[int, ...]:
        """Addresses of all processes: those of the active list, then the others."""
        return tuple(row.address for row in self.listed.rows) + self.others


def sightings(kernel: Kernel, listed: ProcessTable) -> Sightings:
    """What every view sees, starting from the active list."""
    swept = scan(kernel)
    table = cid_table(kernel, listed.rows)
    ids = client_ids(kernel, table)
    if ids.absent is None:
        ids = replace(ids, lost=_lost_ids(kernel, listed.rows, swept, table.entries))
    owners = _owners(kernel, swept, ids)
    unproved: dict[int, str] = {}
    known = [row.address for row in listed.rows]
    others = processes_at(
        kernel,
        known,
        {
            SCAN: {s.address for s in swept.processes if s.in_place},
            CID: ids.processes.keys(),
            THREADS: owners.keys(),
        },
        unproved,
    )
    rows = list(listed.rows) + read_unlisted(kernel, others)
    holders = _holders(kernel, rows)
    sessions, jobs = session_lists(kernel, rows), job_lists(kernel, rows)
    found = {HANDLES: holders.of.keys(), SESSION: sessions.everyone, JOB: jobs.everyone}
    more = processes_at(kernel, [row.address for row in rows], found, unproved)
    if more:
        others += more
        rows += read_unlisted(kernel, more)
        holders = _holders(kernel, rows)
        sessions, jobs = session_lists(kernel, rows), job_lists(kernel, rows)
    told = _subsystems(kernel, rows)
    return Sightings(listed, swept, owners, ids, holders, sessions, jobs, told, tuple(others), unproved)


def _lost_ids(kernel: Kernel, listed: Sequence[Process], swept: Scan, entries: Entries) -> frozenset[int]:
    """Processes whose ids belong to a page of the table that has none of the processes and threads that it should.

    Whoever hides a process takes its own entries away; a page without all others was read when it was something else.
    """
    running = {row.address: row.pid for row in listed if row.lives and isinstance(row.pid, int)}
    threads = [found.address for found in swept.threads if found.in_place and found.owner in running]
    records = kernel.view.records(ETHREAD, addresses_of(threads))
    told = zip(threads, records.values("UniqueThread"), records.values("Terminated"), strict=True)
    known = [*running.items(), *((at, tid) for at, tid, over in told if isinstance(tid, int) and over == 0)]
    held = set(zip(entries.value.tolist(), entries.object.tolist(), strict=True))
    reach = PAGE // kernel.build[HANDLE_TABLE_ENTRY].sizeof * VALUE_STEP
    full = {number // reach for at, number in known if (number, at) in held}
    members: dict[int, list[int]] = {}
    for at, number in known:
        members.setdefault(number // reach, []).append(at)
    lost = [ats for page, ats in members.items() if page not in full and len(ats) >= LEAST_LOST]
    return frozenset(at for ats in lost for at in ats if at in running)


def _owners(kernel: Kernel, swept: Scan, ids: Ids) -> dict[int, frozenset[int]]:
    """The process that each thread names as its own, of threads in memory and of those in the table of ids."""
    owners: dict[int, set[int]] = {}
    for found in swept.threads:
        if found.in_place:
            owners.setdefault(found.owner, set()).add(found.address)
    rest = sorted(ids.threads - {found.address for found in swept.threads})
    records = kernel.view.records(ETHREAD, addresses_of(rest))
    for thread, owner in zip(rest, records.values("Process"), strict=True):
        if isinstance(owner, int):
            owners.setdefault(owner, set()).add(thread)
    return {owner: frozenset(threads) for owner, threads in owners.items()}


def _holders(kernel: Kernel, rows: Sequence[Process]) -> Holders:
    """Handles to processes, in the tables of all processes."""
    tables: HandleTables = handle_tables(kernel, rows)
    entries = tables.entries
    objects, back = distinct(entries.object)
    headers = object_headers(kernel, objects)
    # what a header cannot tell, as no type is known, the address does: that of a process that is known
    known = (headers.index < 0) & among(objects, addresses_of([row.address for row in rows]))
    process = (headers.are("Process") | known)[back]
    of: dict[int, set[int]] = {}
    for owner, target in zip(entries.owner[process].tolist(), entries.object[process].tolist(), strict=True):
        of.setdefault(target, set()).add(rows[owner].address)
    return Holders(
        {target: frozenset(owners) for target, owners in of.items()},
        {r.address: gone for r, t in zip(rows, tables.tables, strict=True) if (gone := _lost(t)) is not None},
        frozenset(r.address for r, t in zip(rows, tables.tables, strict=True) if t.problems),
    )


def _lost(table: HandleTable) -> Absent | None:
    """Why nothing can be told of a handle table; ``None`` where it can."""
    return next((fact for fact in (table.address, table.levels) if isinstance(fact, Absent)), None)


def _subsystems(kernel: Kernel, rows: Sequence[Process]) -> Subsystems:
    """The records of each csrss.exe, tied to processes."""
    try:
        table = csrss(kernel, rows)
    except Error as error:
        told = (f"the records of csrss.exe: {error}",) if isinstance(kernel.space, AddressSpace) else ()
        return Subsystems(frozenset(), {}, Absent(Kind.NOT_IN_BUILD, str(error)), told)
    rings: dict[int, bool | Absent] = {
        root.process.address: root.node if isinstance(root.node, Absent) else root.process.address in table.whole
        for root in table.roots
    }
    known = frozenset(row.process.address for row in table.rows if row.process is not None)
    return Subsystems(known, rings, None, table.problems)


def physical_places(kernel: Kernel, addresses: Sequence[int]) -> list[int | Absent]:
    """Where objects lie in physical memory."""
    if not isinstance(kernel.space, AddressSpace):
        return [Absent(Kind.NOT_IN_DUMP, "a small dump holds no physical memory")] * len(addresses)
    where, state, _ = kernel.space.translate(addresses_of(addresses))
    return [
        at if fine else Absent(Kind.UNREADABLE, f"{address:#x}: {kernel.space.why(address, 1) or 'not readable'}")
        for address, at, fine in zip(addresses, where.tolist(), (state <= READABLE).tolist(), strict=True)
    ]
