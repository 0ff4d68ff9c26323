"""Threads: each process's list of _ETHREADs followed both ways, all processes at once; whom they act for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from process_anatomy.absent import NOT_APPLICABLE, Absent, Kind
from process_anatomy.kernel.identify import Kernel
from process_anatomy.kernel.lists import follow_heads
from process_anatomy.memory.view import Records, addresses_of
from process_anatomy.walk.processes.listed import Process, read_processes
from structs.eprocess import EPROCESS
from structs.ethread import ETHREAD, PS_IMPERSONATION_INFORMATION

THREAD_LIMIT = 1 << 14
"""Threads of one process at the most; Windows itself runs out of handles or memory long before."""
LEVEL_MASK, EFFECTIVE_ONLY, POINTER_MASK = 0x3, 0x4, ~0x7
"""Parts of ImpersonationData (_PS_CLIENT_SECURITY_CONTEXT): level, whether only enabled parts count, token."""
HIGHEST_LEVEL = 3
IDLE = "Idle"
"""Name of the process whose threads have the client ids 0.N and run where a processor has nothing else to do."""
FOREIGN = "it says that it belongs to process"
"""How the problem of a thread begins that names another process than the one whose list it is on."""


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
        broken: by address, the processes whose list of threads did not close, or holds another's; with the reason as a
            clause.
    """

    rows: tuple[Thread, ...]
    problems: tuple[str, ...]
    records: Records = field(repr=False, compare=False)
    broken: Mapping[int, str] = field(default_factory=dict)


def threads(kernel: Kernel, processes: Sequence[Process]) -> ThreadTable:
    """The threads of these processes; of a small dump, the thread that ran, where it ran in one of them."""
    if kernel.crash is not None:
        attached = next((p for p in processes if p.address == kernel.crash.process), None)
        if attached is None or not kernel.crash.thread:
            return _table(kernel, (), (), {})
        return _table(kernel, [(_owner(kernel, attached, processes), kernel.crash.thread, [])], (), {})
    head, link = kernel.build[EPROCESS].offset("ThreadListHead"), kernel.build[ETHREAD].offset("ThreadListEntry")
    rings = follow_heads(kernel.space, addresses_of([p.address + head for p in processes]), THREAD_LIMIT)
    entries = [
        (process, at - link, ring.notes.get(at, []))
        for process, ring in zip(processes, rings, strict=True)
        for at in ring.links
        if at >= kernel.system_start
    ]
    room = kernel.space.room // kernel.build[ETHREAD].sizeof
    problems = [f"{len(entries)} threads: the image has room for {room}"] if len(entries) > room else []
    del entries[room:]
    problems += [
        f"threads of process {process.pid}: {problem}"
        for process, ring in zip(processes, rings, strict=True)
        for problem in ring.problems
        if ring.links or isinstance(process.exit_time, Absent)  # one that has ended need not keep a list
    ]
    broken = {
        process.address: f"its list of threads is cut: {ring.problems[0]}"
        for process, ring in zip(processes, rings, strict=True)
        if ring.problems
    }
    return _table(kernel, entries, problems, broken)


def _owner(kernel: Kernel, attached: Process, processes: Sequence[Process]) -> Process:
    """Whose the thread of a small dump is: it may have run in another process's address space than its own's.

    A processor's idle thread runs in the address space that was used last, and threads of the kernel attach to others.
    """
    crash = kernel.crash.thread if kernel.crash is not None else 0
    records = kernel.view.records(ETHREAD, addresses_of([crash]))
    own, pid = records.values("Process")[0], records.values("UniqueProcess")[0]
    if not isinstance(own, int) or own < kernel.system_start or own == attached.address:
        return attached
    known = next((process for process in processes if process.address == own), None)
    if known is not None:
        return known
    told = read_processes(kernel, [own], [()], [[]])[0]
    if isinstance(told.pid, Absent):
        told = replace(told, pid=pid)
    if told.pid == 0 and isinstance(told.name, Absent):
        told = replace(told, name=IDLE)  # no other process has this id
    return told


def _table(
    kernel: Kernel, entries: Sequence[tuple[Process, int, list[str]]], problems: Sequence[str], broken: dict[int, str]
) -> ThreadTable:
    """The threads at these addresses, in one batch."""
    records = kernel.view.records(ETHREAD, addresses_of([address for _, address, _ in entries]))
    rows = tuple(_rows(kernel, records, entries))
    for row in rows:
        if any(line.startswith(FOREIGN) for line in row.problems):
            broken.setdefault(row.process.address, f"its list of threads holds {row.address:#x}, which is another's")
    return ThreadTable(rows, tuple(problems), records, broken)


def _rows(kernel: Kernel, records: Records, entries: Sequence[tuple[Process, int, list[str]]]) -> list[Thread]:
    rows: list[Thread] = []
    active = records.values("ActiveImpersonationInfo")
    for (process, address, notes), tid, pid, acts, client in zip(
        entries,
        records.values("UniqueThread"),
        records.values("UniqueProcess"),
        active,
        _clients(kernel, records, [acts == 1 for acts in active]),
        strict=True,
    ):
        problems = list(notes)
        if isinstance(pid, int) and isinstance(process.pid, int) and pid != process.pid:
            problems.append(f"{FOREIGN} {pid}")
        token: int | Absent
        level: int | Absent
        only: bool | Absent
        token, level, only = client
        leads = acts if isinstance(acts, Absent) else token
        if isinstance(acts, int) and not acts:
            token = level = only = NOT_APPLICABLE
        elif isinstance(leads, Absent):
            token = level = only = leads
            problems.append(f"impersonation: {token}")
        elif leads < kernel.system_start:
            token = level = only = Absent(Kind.IMPLAUSIBLE, f"{token:#x} is no address of a token")
            problems.append(f"it impersonates, but {token}")
        elif isinstance(level, Absent) or isinstance(only, Absent):
            problems.append(f"impersonation: {level if isinstance(level, Absent) else only}")
        elif level > HIGHEST_LEVEL:
            level = Absent(Kind.IMPLAUSIBLE, f"no impersonation level is {level:#x}")
            problems.append(f"impersonation: {level}")
        rows.append(Thread(process, address, tid, token, level, only, tuple(problems)))
    return rows


def _clients(kernel: Kernel, records: Records, acting: Sequence[bool]) -> list[tuple[Any, Any, Any]]:
    """Token, level and whether only enabled parts count, of whom each thread acts for.

    Before Windows Vista a thread leads to a structure that tells them; since, it holds them in one word.
    """
    if "ImpersonationInfo" not in records.structure:
        return [
            (data, data, data)
            if isinstance(data, Absent)
            else (data & POINTER_MASK, data & LEVEL_MASK, bool(data & EFFECTIVE_ONLY))
            for data in records.values("ImpersonationData")
        ]
    pointers = records.values("ImpersonationInfo")
    leads = records.array("ImpersonationInfo").astype(np.uint64) * np.array(acting, dtype=np.uint64)
    leads[leads < np.uint64(kernel.system_start)] = 0
    told = kernel.view.records(PS_IMPERSONATION_INFORMATION, leads)
    columns = (told.values(name) for name in ("Token", "ImpersonationLevel", "EffectiveOnly"))
    return [
        (token, level, _flag(only)) if (gone := _no_client(pointer, lead)) is None else (gone, gone, gone)
        for pointer, lead, token, level, only in zip(pointers, leads.tolist(), *columns, strict=True)
    ]


def _no_client(pointer: int | Absent, lead: int) -> Absent | None:
    """Why a pointer does not lead to whom a thread acts for; ``None`` where it may."""
    if isinstance(pointer, Absent):
        return pointer
    return None if lead else Absent(Kind.IMPLAUSIBLE, f"{pointer:#x} does not lead to whom it acts for")


def _flag(value: int | Absent) -> bool | Absent:
    return value if isinstance(value, Absent) else value != 0
