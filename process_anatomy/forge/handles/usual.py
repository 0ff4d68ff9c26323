"""What every process holds open: itself and its like, files and events; and what whoever starts others holds."""

from __future__ import annotations

from collections.abc import Sequence

from process_anatomy.forge.address_space.sections import Sections
from process_anatomy.forge.ground.actors import REGISTRY, SUBSYSTEM
from process_anatomy.forge.objects.devices import DISK
from process_anatomy.forge.objects.object_manager import ObjectManager
from process_anatomy.forge.parts.handle import Handle
from process_anatomy.forge.parts.process import Process
from process_anatomy.forge.processes.views import in_cid_table, known_to_subsystem

FAR_HANDLE = 0x80000
"""From this value on a table has three levels."""
ACCESS = {"Process": 0x1FFFFF, "Thread": 0x1FFFFF, "Token": 0xF01FF, "File": 0x120089, "Event": 0x1F0003}
FILES = ("\\Windows\\System32", "\\Windows\\en-US")
EVENTS = ("", "", "", "LabReady", "SessionUnlocked")
OLD_ALL_ACCESS = 0x1F0FFF
"""PROCESS_ALL_ACCESS before Windows Vista."""
PROCESS_ALL_ACCESS = 0x1FFFFF


def open_usual(objects: ObjectManager, sections: Sections, processes: Sequence[Process]) -> None:
    """Handles of every live process: to itself and its like, files and events, some values left out."""
    dice = objects.dice
    files = [(name, sections.file_object(name)) for name in FILES]
    events = [(name, objects.reserve("Event", 0x18, b"Even", quota=False, name=name)) for name in EVENTS]
    living = [process for process in processes if process.alive and process.threads]
    for process in living:
        actor, value = process.actor, 0
        if actor.role == REGISTRY:
            continue
        kin = [p for p in living if (p.actor.context, p.actor.session) == (actor.context, actor.session)]
        if actor.sparse_handles:
            value = FAR_HANDLE
        for number in range(actor.handles + len(process.threads)):
            value += 4 * dice.pick((1, 1, 1, 2))
            if objects.reserved(value):
                value += 4
            kind = ("File", "Event", "Process", "Thread", "Token", "Event")[number % 6]
            other = process if number < 6 or actor.solitary else dice.pick(kin)
            name: str | None
            path: str | None = None
            if kind == "Process":
                target, name = other.eprocess, other.title
            elif kind == "Thread":
                target, name = other.threads[0], other.thread_title(0)
            elif kind == "Token":
                target, name = other.token["va"], None
            else:
                label, target = dice.pick(files if kind == "File" else events)
                name = path = label or None
                if kind == "File":
                    name = path = DISK + label
            process.handles[value] = Handle(target, kind, ACCESS[kind], name, path=path)


def open_ended(objects: ObjectManager, processes: Sequence[Process]) -> None:
    """Whoever started a process that has ended still has the handle, which keeps the object."""
    by_id = {process.actor.pid: process for process in processes if process.alive}
    for process in processes:
        holder = by_id.get(process.actor.parent)
        if holder is None or process.alive or not in_cid_table(process):
            continue
        value = objects.following(max(holder.handles, default=0))
        holder.handles[value] = Handle(process.eprocess, "Process", PROCESS_ALL_ACCESS, process.title)


def open_programs(objects: ObjectManager, processes: Sequence[Process]) -> None:
    """Every csrss.exe opens the programs of its session, also where nothing else of what it keeps is forged."""
    for server in processes:
        if server.actor.role != SUBSYSTEM:
            continue
        for process in processes:
            if known_to_subsystem(process, server):
                value = objects.following(max(server.handles, default=0))
                server.handles[value] = Handle(process.eprocess, "Process", OLD_ALL_ACCESS, process.title)
