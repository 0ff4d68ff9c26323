"""The Windows subsystem's own list of processes: the ring of CSR_PROCESSes that each csrss.exe keeps.

Its head is a variable of csrsrv.dll that nobody exports.  It is found by what must be true of it: a pointer in the
library's writable data to a structure that is csrss.exe's own entry of the ring.  All of it is user memory of csrss.exe
and read through its page tables.  Fields whose places the memory does not prove are absent, and say so.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

from process_anatomy.absent import NOT_APPLICABLE, Absent, Kind
from process_anatomy.errors import RequestError
from process_anatomy.filetime import written
from process_anatomy.kernel.identify import Kernel
from process_anatomy.kernel.lists import Ring, follow_heads
from process_anatomy.memory.address_space import AddressSpace
from process_anatomy.memory.view import Records, addresses_of
from process_anatomy.walk.crossview.csr_roots import CsrRoot, csr_roots, own_handle
from process_anatomy.walk.handles.tables import handle_tables
from process_anatomy.walk.processes.listed import NOT_READ, Process, read_processes
from structs.csr import CSR_PROCESS, CSR_THREAD
from structs.token import TOKEN

NODE_LIMIT = 1 << 12
"""CSR_PROCESSes of one ring that are followed at the most."""
THREAD_LIMIT = 1 << 10
"""CSR_THREADs of one process that are followed at the most."""
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
FACTS = {
    "nt_session": "NtSession",
    "client_port": "ClientPort",
    "view_base": "ClientViewBase",
    "view_bounds": "ClientViewBounds",
    "handle": "ProcessHandle",
    "sequence": "SequenceNumber",
    "flags": "Flags",
    "debug_flags": "DebugFlags",
    "references": "ReferenceCount",
    "group_id": "ProcessGroupId",
    "group_sequence": "ProcessGroupSequence",
    "last_message": "LastMessageSequence",
    "outstanding": "NumOutstandingMessages",
    "shutdown_level": "ShutdownLevel",
    "shutdown_flags": "ShutdownFlags",
    "luid": "Luid",
}
"""Facts of a row that need a proof, and the fields that hold them."""
BETWEEN_LISTS_AND_HANDLE = ("nt_session", "client_port", "view_base", "view_bounds")
BETWEEN_SEQUENCE_AND_LUID = tuple(list(FACTS)[6:-1])
HANDLES = range(4, 1 << 26, 4)
"""Numbers that a handle can have."""
MOST = 3, 4
"""The part of the nodes that has to bear out a field's place; one damaged node proves nothing against it."""


@dataclass(frozen=True, slots=True)
class CsrThread:
    """One CSR_THREAD.  Every fact may be :class:`~process_anatomy.absent.Absent`.

    Attributes:
        address: in csrss.exe's own memory.
        pid: client id, first half.
        tid: client id, second half.
        node: address of the CSR_PROCESS that it says it belongs to.
        handle: of the thread, in csrss.exe's handle table.
        flags: what csrss.exe knows of it.
        create_time: FILETIME.
    """

    address: int
    pid: int | Absent
    tid: int | Absent
    node: int | Absent
    handle: int | Absent
    flags: int | Absent
    create_time: int | Absent


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
    handles = _handles(kernel, found)
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


def _handles(kernel: Kernel, roots: Sequence[CsrRoot]) -> list[dict[int, int] | Absent]:
    """The handle table of each csrss.exe: handle to the object's address; absent where it cannot be read whole."""
    tables = handle_tables(kernel, [root.process for root in roots])
    found: list[dict[int, int] | Absent] = [{} for _ in roots]
    for owner, value, target in zip(
        tables.entries.owner.tolist(), tables.entries.value.tolist(), tables.entries.object.tolist(), strict=True
    ):
        own = found[owner]
        if isinstance(own, dict):
            own[value] = target
    for row, table in enumerate(tables.tables):
        if not found[row] and table.problems:
            found[row] = Absent(Kind.UNREADABLE, f"the handle table of csrss.exe: {table.problems[0]}")
    return found


def _targets(handles: Sequence[int | Absent], table: dict[int, int] | Absent, own: int) -> list[int | Absent]:
    """What each handle leads to; ``own`` is the handle by which csrss.exe means itself."""
    found: list[int | Absent] = []
    for handle in handles:
        if isinstance(handle, Absent):
            found.append(handle)
        elif handle == own:
            found.append(NOT_APPLICABLE)
        elif isinstance(table, Absent):
            found.append(table)
        else:
            missing = Absent(Kind.IMPLAUSIBLE, f"csrss.exe's handle table has no handle {handle:#x} in use")
            found.append(table.get(handle, missing))
    return found


def _tied(
    kernel: Kernel, pids: Sequence[int | Absent], targets: Sequence[int | Absent], everyone: Sequence[Process]
) -> list[tuple[Process | None, tuple[str, ...]]]:
    """The process of each node, and what leads to it; one that is on no list can still be had by its handle."""
    by_pid, by_address = _owners(everyone), {process.address: process for process in everyone}
    lost = [t for p, t in zip(pids, targets, strict=True) if p not in by_pid and isinstance(t, int)]
    lost = [target for target in dict.fromkeys(lost) if target not in by_address]
    by_address |= {p.address: p for p in read_processes(kernel, lost, [()] * len(lost), [[] for _ in lost])}
    found: list[tuple[Process | None, tuple[str, ...]]] = []
    for pid, target in zip(pids, targets, strict=True):
        process = by_pid.get(pid) if isinstance(pid, int) else None
        pointed = by_address.get(target) if isinstance(target, int) else None
        if pointed is not None and pointed.pid != pid:
            pointed = None
        ties = tuple(name for name, one in (("pid", process), ("handle", pointed)) if one is not None)
        if process is not None and pointed is not None and pointed is not process:
            process, ties = pointed, ("handle",)
        found.append((process or pointed, ties))
    return found


def _rows(
    kernel: Kernel, root: CsrRoot, ring: Ring, everyone: Sequence[Process], table: dict[int, int] | Absent
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
    targets = _targets(records.values("ProcessHandle"), table, own)
    ties = _tied(kernel, pids, targets, everyone)
    tied = [process for process, _ in ties]
    logons = _logons(kernel, tied)
    lists = _threads(kernel, records, tables)
    proved = _proved(records, lists, logons, own)
    if "handle" not in proved:  # nothing of theirs is, behind what leads from one to the next
        lists = [(tuple(map(_without_handle, threads)), told) for threads, told in lists]
    columns: dict[str, list[Any]] = {
        fact: records.values(field) if fact in proved else [_not_proved(field)] * len(links)
        for fact, field in FACTS.items()
    }
    sessions = [value for value in columns["nt_session"] if isinstance(value, int)]
    usual = max(set(sessions), key=sessions.count) if sessions else None
    rows: list[CsrProcess] = []
    for row, (link, pid, tid, process, (threads, thread_problems)) in enumerate(
        zip(links, pids, records.values("UniqueThread"), tied, lists, strict=True)
    ):
        facts = {fact: column[row] for fact, column in columns.items()}
        problems = [*ring.notes.get(link, ()), *thread_problems]
        problems += [
            f"{name}: {value}"
            for name, value in (("client id", pid), *facts.items())
            if isinstance(value, Absent) and value.kind in NOT_READ and value.kind is not Kind.NOT_PROVED
        ]
        target = targets[row] if "handle" in proved else _not_proved("ProcessHandle")
        problems += _contradictions(root, pid, process, counts, facts, logons[row], usual, own)
        problems += _against_handle(ties[row][1], process, target)
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


def _owners(everyone: Sequence[Process]) -> dict[int, Process]:
    """Processes by id; one that runs comes before one that has ended."""
    found: dict[int, Process] = {}
    for process in everyone:
        if isinstance(process.pid, int) and (process.pid not in found or isinstance(process.exit_time, Absent)):
            found[process.pid] = process
    return found


def _against_handle(ties: tuple[str, ...], process: Process | None, target: int | Absent) -> list[str]:
    """What a handle says otherwise than the id."""
    if ties == ("handle",):
        return ["no process on the active list is that which its handle leads to: it has ended, or it hides"]
    if isinstance(target, int) and process is not None and target != process.address:
        return [f"its handle leads to {target:#x}, not to the process with its id at {process.address:#x}"]
    return [str(target)] if isinstance(target, Absent) and target.kind is Kind.IMPLAUSIBLE else []


def _logons(kernel: Kernel, processes: Sequence[Process | None]) -> list[int | Absent]:
    """The logon session of each process's token."""
    tokens = addresses_of([_number(p.token) if p is not None else 0 for p in processes])
    values = kernel.view.records(TOKEN, tokens).values("AuthenticationId")
    return [value if token else NOT_APPLICABLE for token, value in zip(tokens.tolist(), values, strict=True)]


def _threads(kernel: Kernel, records: Records, tables: Any) -> list[tuple[tuple[CsrThread, ...], tuple[str, ...]]]:
    """The CSR_THREADs of each node, with what was wrong with their lists."""
    inside = kernel.build[CSR_THREAD].offset("Link")
    heads = records.addresses + addresses_of([kernel.build[CSR_PROCESS].offset("ThreadList")])
    rings = follow_heads(kernel.space, heads, THREAD_LIMIT, tables)
    links = [
        (row, link) for row, ring in enumerate(rings) for link in ring.links if inside <= link < kernel.system_start
    ]
    owners = [row for row, _ in links]
    threads = kernel.view.records(
        CSR_THREAD, addresses_of([link - inside for _, link in links]), tables[owners] if links else tables[:0]
    )
    fields = ("UniqueProcess", "UniqueThread", "Process", "ThreadHandle", "Flags", "CreateTime")
    columns = [threads.values(field) for field in fields]
    columns[-1] = [written(value) for value in columns[-1]]
    found: list[list[CsrThread]] = [[] for _ in rings]
    for (row, link), *facts in zip(links, *columns, strict=True):
        found[row].append(CsrThread(link - inside, *facts))
    return [
        (tuple(own), tuple(f"its threads: {problem}" for problem in ring.problems))
        for own, ring in zip(found, rings, strict=True)
    ]


def _most(answers: Sequence[bool]) -> bool:
    """Whether nearly all of at least two answers are yes."""
    return len(answers) > 1 and sum(answers) * MOST[1] >= len(answers) * MOST[0]


def _proved(records: Records, lists: Sequence[Any], logons: Sequence[int | Absent], own: int) -> frozenset[str]:
    """The facts whose fields the memory proves to lie where the layout says.

    The threads' list is proved by its links, the process handle by csrss.exe's own and by what a handle can be, the
    sequence number by growing along the ring, the logon session by the processes' tokens.  What lies between two
    proved fields is taken as proved with them, for the order of the fields is published.
    """
    proved: set[str] = set()
    addresses = records.addresses.tolist()
    threads = _most(
        [
            not problems and all(thread.node == node for thread in own)
            for node, (own, problems) in zip(addresses, lists, strict=True)
        ]
    )
    handles = records.values("ProcessHandle")
    if handles[0] == own and (len(handles) == 1 or _most([handle in HANDLES for handle in handles[1:]])):
        proved.add("handle")
        proved.update(BETWEEN_LISTS_AND_HANDLE if threads else ())
    numbers = [number for number in records.values("SequenceNumber") if isinstance(number, int)]
    grows = [0 < before < after for before, after in pairwise(numbers)]
    if _most(grows):
        proved.add("sequence")
    luids = records.values("Luid")
    if _most([luid == logon for luid, logon in zip(luids, logons, strict=True) if isinstance(logon, int)]):
        proved.add("luid")
    if {"sequence", "luid"} <= proved:
        proved.update(BETWEEN_SEQUENCE_AND_LUID)
    return frozenset(proved)


def _without_handle(thread: CsrThread) -> CsrThread:
    """A thread of a list whose layout is proved only as far as its links and ids."""
    return replace(thread, handle=_not_proved("ThreadHandle"), flags=_not_proved("Flags"))


def _not_proved(field: str) -> Absent:
    return Absent(Kind.NOT_PROVED, f"where {field} lies is not proved on this memory")


def _contradictions(
    root: CsrRoot,
    pid: int | Absent,
    process: Process | None,
    counts: Mapping[int | Absent, int],
    facts: dict[str, Any],
    logon: int | Absent,
    usual: int | None,
    itself: int,
) -> list[str]:
    """What a node says that nothing else bears out."""
    if isinstance(pid, Absent):
        return []
    found: list[str] = []
    if pid % 4 or not 0 < pid < 1 << 31:
        found.append(f"no process has the id {pid:#x}")
    elif process is None:
        found.append(f"no process on the active list has the id {pid}: it has ended, or it hides")
    elif isinstance(process.exit_time, int):
        found.append("its process has ended")
    if counts[pid] > 1:
        found.append(f"more than one node says that it is of process {pid}")
    own, served = process.session if process else NOT_APPLICABLE, root.process.session
    if isinstance(own, int) and isinstance(served, int) and own != served:
        found.append(f"its process is in session {own}, but this csrss.exe serves session {served}")
    if isinstance(facts["luid"], int) and isinstance(logon, int) and facts["luid"] != logon:
        found.append(f"it names logon session {facts['luid']:#x}, the process's token {logon:#x}")
    if isinstance(facts["handle"], int) and facts["handle"] not in HANDLES and facts["handle"] != itself:
        found.append(f"{facts['handle']:#x} is no handle")
    if usual is not None and isinstance(facts["nt_session"], int) and facts["nt_session"] != usual:
        found.append(f"its session structure is {facts['nt_session']:#x}, that of the others {usual:#x}")
    return found
