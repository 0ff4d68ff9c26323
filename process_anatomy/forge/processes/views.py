"""Which ways to find processes lead to each process: lists, ids, sessions, jobs, the Windows subsystem, windows.

Windows keeps all of them in step.  A process of a scenario that is hidden, that has ended, or that has only begun is
left out of some, and the truth says of which.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from process_anatomy.forge.ground.records import link, pointers, record, ring
from process_anatomy.forge.objects.object_manager import Handle, ObjectManager
from structs.eprocess import EPROCESS
from structs.job import EJOB
from structs.session import MM_SESSION_SPACE

if TYPE_CHECKING:
    from process_anatomy.forge.memory.pool import Pool
    from process_anatomy.forge.processes.table import Process, ProcessTable

CSRSS = "csrss.exe"
SYSTEM_PID = 4
OLD_ALL_ACCESS = 0x1F0FFF
"""PROCESS_ALL_ACCESS before Windows Vista."""
PROCESS_ALL_ACCESS = 0x1FFFFF
WINDOWS_DATA = 0x40
"""Bytes that are forged of the window manager's data; the first eight name the process."""
NO_LINKS = {"Flink": 0, "Blink": 0}

Links = dict[str, int]


def listed(process: Process, direction: str) -> bool:
    """Whether the active list, followed in that direction, passes a process."""
    return not process.actor.hidden and direction not in process.actor.unseen_by


def active_links(head: int, places: Mapping[int, Process]) -> dict[int, Links]:
    """The list entries of the active list, head included.

    A process that one direction does not pass is left out by its neighbours on that side alone, and keeps its own
    links, as it has them after such a change.

    Args:
        head: address of the list's head.
        places: address of each process's entry, in order, to the process.
    """
    entries = {place: dict(NO_LINKS) for place in (head, *places)}
    order = list(places)
    for side, direction, back in (("Flink", "forward", order[::-1]), ("Blink", "backward", order)):
        following = head
        for place in back:
            entries[place][side] = following
            if listed(places[place], direction):
                following = place
        entries[head][side] = following
    for place, process in places.items():
        if not listed(process, "forward") and not listed(process, "backward"):
            entries[place] = link(place, place)
    return entries


def session_links(table: ProcessTable, processes: Sequence[Process]) -> dict[int, Links]:
    """The entries of the sessions' lists by the address of a process; the heads are written."""
    build = table.build
    if "SessionProcessLinks" not in build[EPROCESS]:
        return {}
    inside = build[EPROCESS].offset("SessionProcessLinks")
    found: dict[int, Links] = {}
    for number in sorted({p.actor.session for p in processes if p.actor.session is not None}):
        members = [p.eprocess + inside for p in processes if p.actor.session == number and in_session(p)]
        heads: list[int] = []
        if MM_SESSION_SPACE in build:
            heads = [table.session(number) + build[MM_SESSION_SPACE].offset("ProcessList")]
        whole = ring([*heads, *members])
        for head in heads:
            table.kernel.write(head, pointers(build, *whole[head].values()))
        found |= {member - inside: whole[member] for member in members}
    return found


def in_session(process: Process) -> bool:
    """Whether its session's list holds a process; one that has ended was taken off."""
    return process.alive and process.actor.session is not None and "session" not in process.actor.unseen_by


def job_links(objects: ObjectManager, processes: Sequence[Process]) -> dict[int, tuple[int, Links]]:
    """Job and list entry by the address of a process; the jobs are written."""
    build = objects.build
    inside, head = build[EPROCESS].offset("JobLinks"), build[EJOB].offset("ProcessListHead")
    found: dict[int, tuple[int, Links]] = {}
    for number, name in enumerate(sorted({p.actor.job for p in processes} - {""})):
        job = objects.reserve("Job", build[EJOB].sizeof, b"Job ")
        members = [p for p in processes if p.actor.job == name and p.alive]
        on_list = [p for p in members if "job" not in p.actor.unseen_by]
        whole = ring([job + head, *(p.eprocess + inside for p in on_list)])
        data = record(
            build, EJOB, JobLinks=link(job + build[EJOB].offset("JobLinks"), job + build[EJOB].offset("JobLinks")),
            ProcessListHead=whole[job + head], TotalProcesses=len(members), ActiveProcesses=len(members),
            SessionId=members[0].actor.session or 0, JobId=number + 1,
        )  # fmt: skip
        objects.kernel.write(job, data)
        alone = link(0, 0)
        found |= {p.eprocess: (job, whole.get(p.eprocess + inside, alone)) for p in members}
    return found


def windows_data(pool: Pool, process: Process) -> int:
    """Address of the window manager's data of a process; zero without any."""
    if not process.user.modules or process.actor.session is None:
        return 0
    return pool.put(pointers(pool.build, process.eprocess).ljust(WINDOWS_DATA, b"\0"), b"Uspr")


def open_handles_to_ended(objects: ObjectManager, processes: Sequence[Process]) -> None:
    """Whoever started a process that has ended still has the handle, which keeps the object."""
    by_id = {process.actor.pid: process for process in processes if process.alive}
    for process in processes:
        holder = by_id.get(process.actor.parent)
        if holder is None or process.alive or not in_cid_table(process):
            continue
        value = objects.following(max(holder.handles, default=0))
        name = f"{process.actor.name[:14]} Pid {process.actor.pid}"
        holder.handles[value] = Handle(process.eprocess, "Process", PROCESS_ALL_ACCESS, name)


def open_programs(objects: ObjectManager, processes: Sequence[Process]) -> None:
    """Every csrss.exe opens the programs of its session, also where nothing else of what it keeps is forged."""
    for server in processes:
        if server.actor.name != CSRSS:
            continue
        for process in processes:
            if known_to_subsystem(process, server) and process.actor.parent != SYSTEM_PID:
                value = objects.following(max(server.handles, default=0))
                name = f"{process.actor.name[:14]} Pid {process.actor.pid}"
                server.handles[value] = Handle(process.eprocess, "Process", OLD_ALL_ACCESS, name)


def known_to_subsystem(process: Process, subsystem: Process) -> bool:
    """Whether a csrss.exe was told of a process: it lives in its session, and its first thread was started."""
    actor = process.actor
    return (
        process.alive and bool(process.threads) and actor.session == subsystem.actor.session
        and actor.name != CSRSS and "csrss" not in actor.unseen_by
    )  # fmt: skip


def in_cid_table(process: Process) -> bool:
    """Whether its id leads to a process; it does until the object is deleted, also after the process has ended."""
    return "cid" not in process.actor.unseen_by


def wipe(objects: ObjectManager, process: Process) -> None:
    """Overwrite what a search of memory goes by: the pool tag, the beginning of the object and its empty lists."""
    if "scan" not in process.actor.unseen_by:
        return
    start = objects.header_of(process.eprocess) - objects.quota_size
    objects.kernel.write(objects.tag_of(start), b"Free")
    structure = objects.build[EPROCESS]
    objects.kernel.write(process.eprocess, bytes(structure.offset("DirectoryTableBase")))


def view_facts(processes: Sequence[Process], recorded: bool) -> dict[int, dict[str, bool | None]]:
    """By the address of a process, which views see it; ``None`` where it has no session or job to be listed in.

    Args:
        processes: all of them.
        recorded: the image has what csrss.exe keeps of its programs.
    """
    held = {handle.object: set[int]() for process in processes for handle in process.handles.values()}
    for process in processes:
        for handle in process.handles.values():
            held[handle.object].add(process.eprocess)
    servers = [process for process in processes if process.actor.name == CSRSS]
    subsystems = {server.eprocess for server in servers}
    found: dict[int, dict[str, bool | None]] = {}
    for process in processes:
        actor, holders = process.actor, held.get(process.eprocess, set())
        found[process.eprocess] = {
            "backward": listed(process, "backward"),
            "cid": in_cid_table(process),
            "csr": any(known_to_subsystem(process, each) or process is each for each in servers) if recorded else None,
            "csrss_handles": bool(holders & subsystems),
            "forward": listed(process, "forward"),
            "handles": bool(holders),
            "job": (process.alive and "job" not in actor.unseen_by) if actor.job else None,
            "scan": "scan" not in actor.unseen_by,
            "session": None if actor.session is None else in_session(process),
            "threads": bool(process.threads),
            "win32": bool(process.windows),
        }
    return found


def facts_of(views: Mapping[int, dict[str, Any]], process: Process) -> dict[str, Any]:
    """What the truth says of one process's views."""
    return {"job": process.actor.job or None, "seen_by": views[process.eprocess]}
