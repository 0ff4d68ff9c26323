"""The lists that run through processes: the active list, those of sessions and jobs; and what was taken out of them.

Windows keeps all of them in step.  A process of a scenario that is hidden, that has ended, or that has only begun is
left out of some.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from process_anatomy.forge.ground.records import link, pointers, record, ring
from process_anatomy.forge.memory.page_tables import Space
from process_anatomy.forge.memory.pool import Pool
from process_anatomy.forge.objects.object_manager import ObjectManager
from process_anatomy.forge.parts.process import Process
from structs.eprocess import EPROCESS
from structs.job import EJOB
from structs.layout import Build

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


def session_links(
    build: Build, kernel: Space, heads: Mapping[int, int], processes: Sequence[Process]
) -> dict[int, Links]:
    """The entries of the sessions' lists by the address of a process; the heads are written.

    Args:
        build: where the fields are.
        kernel: the space of the processes.
        heads: number of a session to the address of its list's head, for those that have one.
        processes: all of them.
    """
    if "SessionProcessLinks" not in build[EPROCESS]:
        return {}
    inside = build[EPROCESS].offset("SessionProcessLinks")
    found: dict[int, Links] = {}
    for number in sorted({p.actor.session for p in processes if p.actor.session is not None}):
        members = [p.eprocess + inside for p in processes if p.actor.session == number and in_session(p)]
        head = heads.get(number)
        whole = ring(members if head is None else [head, *members])
        if head is not None:
            kernel.write(head, pointers(build, *whole[head].values()))
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


def wipe(objects: ObjectManager, process: Process) -> None:
    """Overwrite what a search of memory goes by: the pool tag, the beginning of the object and its empty lists."""
    if "scan" not in process.actor.unseen_by:
        return
    start = objects.header_of(process.eprocess) - objects.quota_size
    objects.kernel.write(objects.tag_of(start), b"Free")
    structure = objects.build[EPROCESS]
    objects.kernel.write(process.eprocess, bytes(structure.offset("DirectoryTableBase")))
