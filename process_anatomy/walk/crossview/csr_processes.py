"""The Windows subsystem's own list of processes: the ring of CSR_PROCESSes that each csrss.exe keeps.

Its head is a variable of csrsrv.dll that nobody exports.  It is found by what must be true of it: a pointer in the
library's writable data to a structure that is csrss.exe's own entry of the ring.  All of it is user memory of csrss.exe
and read through its page tables.  Fields whose places the memory does not prove are absent, and say so.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from process_anatomy.absent import Absent, Kind
from process_anatomy.errors import RequestError
from process_anatomy.kernel.identify import Kernel
from process_anatomy.kernel.lists import Ring, follow_heads
from process_anatomy.memory.address_space import AddressSpace
from process_anatomy.memory.view import addresses_of
from process_anatomy.walk.crossview.csr_proofs import FACTS, not_proved, proved_facts, without_handle
from process_anatomy.walk.crossview.csr_roots import CsrRoot, csr_roots, own_handle
from process_anatomy.walk.crossview.csr_threads import CsrThread, csr_threads
from process_anatomy.walk.crossview.csr_ties import (
    OwnHandles,
    against_handle,
    contradictions,
    handle_targets,
    logons,
    targets_of,
    tied,
)
from process_anatomy.walk.processes.contradictions import odd_id
from process_anatomy.walk.processes.listed import NOT_READ, Process
from structs.csr import CSR_PROCESS

NODE_LIMIT = 1 << 12
"""CSR_PROCESSes of one ring that are followed at the most."""
PROCESS_FLAGS = {
    0x1: "Terminating",
    0x2: "SkipShutdown",
    0x10: "NormalPriority",
    0x20: "IdlePriority",
    0x40: "HighPriority",
    0x80: "RealtimePriority",
    0x100: "CreateNewGroup",
    0x200: "Terminated",
    0x400: "LastThreadTerminated",
    0x800: "IsConsoleApp",
}
"""Flags of a CSR_PROCESS (public descriptions of csrsrv.dll, for instance ReactOS's csrsrv.h, as facts)."""


@dataclass(frozen=True, slots=True)
class CsrProcess:
    """One CSR_PROCESS.  Every fact may be :class:`~process_anatomy.absent.Absent`.

    Attributes:
        server: the csrss.exe that keeps it.
        address: in csrss.exe's own memory.
        root: it is csrss.exe's own, with which the ring begins.
        pid: client id, first half.
        tid: client id, second half.
        process: the process that it is of, ``None`` where neither its id nor its handle leads to one.
        tied_by: what leads to that process: ``pid``, ``handle`` (of csrss.exe's handle table) or both.
        target: what the handle leads to in csrss.exe's handle table, not applicable for csrss.exe itself.
        threads: its CSR_THREADs.
        nt_session: address of what csrss.exe keeps of the session.
        client_port: handle of the port to the process.
        view_base: where the memory shared for messages lies in the process.
        view_bounds: where that memory ends.
        handle: of the process, in csrss.exe's handle table; all bits set for csrss.exe itself.
        sequence: counts the CSR_PROCESSes that were made.
        flags: what csrss.exe knows of the process.
        debug_flags: for debugging.
        references: how many use the structure.
        group_id: the console's group.
        group_sequence: sequence number of the group's first process.
        last_message: number of the last message.
        outstanding: messages without an answer.
        shutdown_level: when the process is asked to end at shutdown.
        shutdown_flags: how it is asked.
        luid: logon session.
        seen_by: directions of the ring that reached it.
        problems: what is odd or could not be read, one line each.
    """

    server: Process
    address: int
    root: bool
    pid: int | Absent
    tid: int | Absent
    process: Process | None
    tied_by: tuple[str, ...]
    target: int | Absent
    threads: tuple[CsrThread, ...]
    nt_session: int | Absent
    client_port: int | Absent
    view_base: int | Absent
    view_bounds: int | Absent
    handle: int | Absent
    sequence: int | Absent
    flags: int | Absent
    debug_flags: int | Absent
    references: int | Absent
    group_id: int | Absent
    group_sequence: int | Absent
    last_message: int | Absent
    outstanding: int | Absent
    shutdown_level: int | Absent
    shutdown_flags: int | Absent
    luid: int | Absent
    seen_by: tuple[str, ...]
    problems: tuple[str, ...]

    @property
    def session(self) -> int | Absent:
        """The session that its csrss.exe serves."""
        return self.server.session

    @property
    def flag_names(self) -> str | Absent:
        """Names of the set flags; bits without a known name as one number, ``none`` where none is set."""
        if isinstance(self.flags, Absent):
            return self.flags
        names = [name for bit, name in PROCESS_FLAGS.items() if self.flags & bit]
        rest = self.flags & ~sum(PROCESS_FLAGS)
        return " ".join([*names, *([f"{rest:#x}"] if rest else [])]) or "none"


@dataclass(frozen=True, slots=True)
class CsrTable:
    """What the Windows subsystem keeps of processes.

    Attributes:
        rows: in the order of the csrss.exe processes, each ring in list order.
        roots: each csrss.exe with where its ring begins, or why that is not known.
        problems: what was wrong with the rings themselves, one line each.
        whole: addresses of the csrss.exe processes whose ring was followed to its end both ways.
    """

    rows: tuple[CsrProcess, ...]
    roots: tuple[CsrRoot, ...]
    problems: tuple[str, ...]
    whole: frozenset[int]


def csrss(kernel: Kernel, everyone: Sequence[Process]) -> CsrTable:
    """Every CSR_PROCESS of every csrss.exe.

    Args:
        kernel: the kernel.
        everyone: every process of the image.

    Raises:
        RequestError: the image holds no user memory.
    """
    space = kernel.space
    if not isinstance(space, AddressSpace):
        raise RequestError("a small dump holds no process's own memory, so csrss.exe's list is not in it")
    roots = csr_roots(kernel, everyone)
    found = [root for root in roots if isinstance(root.node, int)]
    link = kernel.build[CSR_PROCESS].offset("ListLink")
    heads = addresses_of([root.node + link for root in found if isinstance(root.node, int)])
    tables = addresses_of([_number(root.process.dtb) for root in found])
    rings = follow_heads(space, heads, NODE_LIMIT, tables)
    handles = handle_targets(kernel, found)
    rows: list[CsrProcess] = []
    problems = [f"csrss.exe {root.process.pid}: {p}" for root in roots for p in root.problems]
    whole: set[int] = set()
    for root, ring, table in zip(found, rings, handles, strict=True):
        odd = [link for link in ring.links if link >= kernel.system_start]
        told = [*ring.problems, *(f"the ring leads to {at:#x}, which is no user address" for at in odd)]
        problems += [f"csrss.exe {root.process.pid}: {problem}" for problem in told]
        if not told:
            whole.add(root.process.address)
        rows += _rows(kernel, root, ring, everyone, table)
    return CsrTable(tuple(rows), roots, tuple(problems), frozenset(whole))


def _number(value: int | Absent) -> int:
    return value if isinstance(value, int) else 0


def _rows(
    kernel: Kernel, root: CsrRoot, ring: Ring, everyone: Sequence[Process], table: OwnHandles
) -> list[CsrProcess]:
    """The nodes of one ring, csrss.exe's own first."""
    inside = kernel.build[CSR_PROCESS].offset("ListLink")
    first = _number(root.node) + inside
    links = [first, *(link for link in ring.links if link < kernel.system_start and link != first)]
    nodes = addresses_of([link - inside for link in links])
    tables = addresses_of([_number(root.process.dtb)] * len(links))
    records = kernel.view.records(CSR_PROCESS, nodes, tables)
    pids = records.values("UniqueProcess")
    counts = Counter(pids)
    own = own_handle(kernel)
    targets = targets_of(records.values("ProcessHandle"), table, own)
    ties = tied(kernel, pids, targets, everyone)
    owners = [process for process, _ in ties]
    logon_sessions = logons(kernel, owners)
    lists = csr_threads(kernel, records, tables)
    proved = proved_facts(records, lists, logon_sessions, own)
    if "handle" not in proved:  # nothing of theirs is, behind what leads from one to the next
        lists = [(tuple(map(without_handle, threads)), told) for threads, told in lists]
    columns: dict[str, list[Any]] = {
        fact: records.values(field) if fact in proved else [not_proved(field)] * len(links)
        for fact, field in FACTS.items()
    }
    sessions = [value for value in columns["nt_session"] if isinstance(value, int)]
    usual = max(set(sessions), key=sessions.count) if sessions else None
    rows: list[CsrProcess] = []
    for row, (link, pid, tid, process, (threads, thread_problems)) in enumerate(
        zip(links, pids, records.values("UniqueThread"), owners, lists, strict=True)
    ):
        facts = {fact: column[row] for fact, column in columns.items()}
        problems = [*ring.notes.get(link, ()), *thread_problems]
        problems += [
            f"{name}: {value}"
            for name, value in (("client id", pid), *facts.items())
            if isinstance(value, Absent) and value.kind in NOT_READ and value.kind is not Kind.NOT_PROVED
        ]
        problems += _odd_threads(tid, threads, rooted=row == 0)
        target = targets[row] if "handle" in proved else not_proved("ProcessHandle")
        problems += contradictions(root, pid, process, counts, facts, logon_sessions[row], usual, own)
        problems += against_handle(ties[row][1], process, target)
        seen = ring.seen_by.get(link, ("forward", "backward") if row == 0 else ())
        rows.append(
            CsrProcess(
                root.process,
                link - inside,
                row == 0,
                pid,
                tid,
                process,
                ties[row][1],
                target,
                threads,
                seen_by=seen,
                problems=tuple(dict.fromkeys(problems)),
                **facts,
            )
        )
    return rows


def _odd_threads(tid: int | Absent, threads: Sequence[CsrThread], rooted: bool) -> Iterator[str]:
    """Ids of a node's threads that no thread has; csrss.exe's own node need not name a client's."""
    if isinstance(tid, int) and (odd_id(tid) or (tid == 0 and not rooted)):
        yield f"no thread has the id {tid:#x}, which it names as its client's"
    for thread in threads:
        if isinstance(thread.tid, int) and (odd_id(thread.tid) or not thread.tid):
            yield f"no thread has the id {thread.tid:#x} of the CSR_THREAD at {thread.address:#x}"
