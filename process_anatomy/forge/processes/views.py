"""Which ways to find processes lead to each process: lists, ids, sessions, jobs, the Windows subsystem, windows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from process_anatomy.forge.ground.actors import SESSION_MANAGER, SUBSYSTEM
from process_anatomy.forge.parts.process import Process
from process_anatomy.forge.processes.lists import in_session, listed


def known_to_subsystem(process: Process, subsystem: Process) -> bool:
    """Whether a csrss.exe was told of a process: it lives in its session, and its first thread was started.

    The session manager starts before any csrss.exe and is no client of one.
    """
    actor = process.actor
    return (
        process.alive and bool(process.threads) and actor.session == subsystem.actor.session
        and actor.role not in (SESSION_MANAGER, SUBSYSTEM) and "csrss" not in actor.unseen_by
    )  # fmt: skip


def in_cid_table(process: Process) -> bool:
    """Whether its id leads to a process; it does until the object is deleted, also after the process has ended."""
    return "cid" not in process.actor.unseen_by


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
    servers = [process for process in processes if process.actor.role == SUBSYSTEM]
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
