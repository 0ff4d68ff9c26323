"""Threads: each process's list of _ETHREADs followed both ways, all processes at once; whom they act for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from process_anatomy.absent import NOT_APPLICABLE, Absent, Kind
from process_anatomy.kernel.identify import Kernel
from process_anatomy.kernel.lists import follow_heads
from process_anatomy.memory.view import Records, addresses_of
from process_anatomy.walk.processes import Process
from structs.eprocess import EPROCESS
from structs.ethread import ETHREAD

THREAD_LIMIT = 1 << 14
"""Threads of one process at the most; Windows itself runs out of handles or memory long before."""
LEVEL_MASK, EFFECTIVE_ONLY, POINTER_MASK = 0x3, 0x4, ~0x7
"""Parts of ImpersonationData (_PS_CLIENT_SECURITY_CONTEXT): level, whether only enabled parts count, token."""


@dataclass(frozen=True, slots=True)
class Thread:
    """One thread.  Every fact may be :class:`~process_anatomy.absent.Absent`.

    Attributes:
        process: whose list it is on.
        address: of the _ETHREAD.
        tid: thread id.
        client_token: address of the token it impersonates with now, not applicable while it does not.
        level: how far it may act for the client (0 anonymous to 3 delegation).
        effective_only: only the enabled groups and privileges of the token count.
        problems: what is odd or could not be read, one line each.
    """

    process: Process
    address: int
    tid: int | Absent
    client_token: int | Absent
    level: int | Absent
    effective_only: bool | Absent
    problems: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ThreadTable:
    """Every thread found.

    Attributes:
        rows: in the order of the processes and of their lists.
        problems: where a list of threads did not close, one line each.
        records: the _ETHREAD of each row, as it was read.
    """

    rows: tuple[Thread, ...]
    problems: tuple[str, ...]
    records: Records = field(repr=False, compare=False)


def threads(kernel: Kernel, processes: Sequence[Process]) -> ThreadTable:
    """The threads of these processes; of a small dump, the thread that crashed."""
    if kernel.crash is not None:
        owner = next((p for p in processes if p.address == kernel.crash.process), None)
        here = [(owner, kernel.crash.thread, list[str]())] if owner and kernel.crash.thread else []
        return _table(kernel, here, ())
    head, link = kernel.build[EPROCESS].offset("ThreadListHead"), kernel.build[ETHREAD].offset("ThreadListEntry")
    rings = follow_heads(kernel.space, addresses_of([p.address + head for p in processes]), THREAD_LIMIT)
    entries = [
        (process, at - link, ring.notes.get(at, []))
        for process, ring in zip(processes, rings, strict=True)
        for at in ring.links
        if at >= kernel.system_start
    ]
    problems = [
        f"threads of process {process.pid}: {problem}"
        for process, ring in zip(processes, rings, strict=True)
        for problem in ring.problems
        if ring.links or isinstance(process.exit_time, Absent)  # one that has ended need not keep a list
    ]
    return _table(kernel, entries, problems)


def _table(kernel: Kernel, entries: Sequence[tuple[Process, int, list[str]]], problems: Sequence[str]) -> ThreadTable:
    """The threads at these addresses, in one batch."""
    records = kernel.view.records(ETHREAD, addresses_of([address for _, address, _ in entries]))
    return ThreadTable(tuple(_rows(records, entries)), tuple(problems), records)


def _rows(records: Records, entries: Sequence[tuple[Process, int, list[str]]]) -> list[Thread]:
    rows: list[Thread] = []
    for (process, address, notes), tid, pid, data, active in zip(
        entries,
        records.values("UniqueThread"),
        records.values("UniqueProcess"),
        records.values("ImpersonationData"),
        records.values("ActiveImpersonationInfo"),
        strict=True,
    ):
        problems = list(notes)
        if isinstance(pid, int) and isinstance(process.pid, int) and pid != process.pid:
            problems.append(f"it says that it belongs to process {pid}")
        token: int | Absent
        level: int | Absent
        only: bool | Absent
        if isinstance(active, int) and not active:
            token = level = only = NOT_APPLICABLE
        elif isinstance(active, Absent) or isinstance(data, Absent):
            token = level = only = active if isinstance(active, Absent) else data
            problems.append(f"impersonation: {token}")
        elif data & POINTER_MASK < records.space.system_start:
            token = level = only = Absent(Kind.IMPLAUSIBLE, f"{data & POINTER_MASK:#x} is no address of a token")
            problems.append(f"it impersonates, but {token}")
        else:
            token, level, only = data & POINTER_MASK, data & LEVEL_MASK, bool(data & EFFECTIVE_ONLY)
        rows.append(Thread(process, address, tid, token, level, only, tuple(problems)))
    return rows
