"""What the scenario says that a process holds open: named objects, keys, files, and power over other processes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from process_anatomy.forge.address_space.sections import Sections
from process_anatomy.forge.ground.holdings import DEBUG_OBJECT, DEBUG_OBJECT_SIZE, Holdings, Power, Way
from process_anatomy.forge.objects.devices import DISK, DRIVE, Devices
from process_anatomy.forge.objects.namespace import Namespace
from process_anatomy.forge.objects.object_manager import ObjectManager
from process_anatomy.forge.parts.handle import INHERITED, Handle
from process_anatomy.forge.parts.process import Process
from process_anatomy.forge.registry.hives import LAB_HIVES
from process_anatomy.forge.registry.keys import OpenKeys

OLDER_KINDS = {"ALPC Port": "Port"}
"""What a kind of object was called before Windows Vista."""
KNOWN_LIBRARIES = "\\KnownDlls"
"""Directory of the sections of libraries, which every program opens."""


class OpenObjects:
    """Makes the objects, and opens them."""

    def __init__(
        self, objects: ObjectManager, sections: Sections, namespace: Namespace, devices: Devices,
        mounted: tuple[str, ...] = LAB_HIVES.mounted,
    ) -> None:  # fmt: skip
        self.objects, self.sections, self.namespace, self.devices = objects, sections, namespace, devices
        self.keys = OpenKeys(objects, mounted)

    def open(self, processes: Sequence[Process], powers: Sequence[Power]) -> None:
        """Handles to all of this, each behind those that the process has already."""
        by_pid = {process.actor.pid: process for process in processes if process.alive}
        for process in by_pid.values():
            if process.user.modules:
                known = self.namespace.directory(KNOWN_LIBRARIES)
                self._add(process, Handle(known.address, "Directory", 0x3, "KnownDlls", path=known.path))
            self._hold(process, process.actor.holds)
        for power in powers:
            if power.holder in by_pid and power.target in by_pid:
                target = by_pid[power.target]
                if power.kind == DEBUG_OBJECT and not target.debug_port:
                    target.debug_port = self.objects.reserve(DEBUG_OBJECT, DEBUG_OBJECT_SIZE, b"DbgO", quota=False)
                self._add(by_pid[power.holder], _power(power, target))

    def _hold(self, process: Process, holds: Holdings) -> None:
        for named, path, size, tag, access, attributes in holds.named:
            kind = named if named in self.objects.types else OLDER_KINDS[named]
            body = self.namespace.make(kind, path, size, tag)
            self._add(process, Handle(body, kind, access, path.rpartition("\\")[2], attributes, path))
        for path, access in holds.keys:
            key = self.keys.open(path, process.actor.pid)
            whole = f"\\REGISTRY\\{path}".rstrip("\\")
            self._add(process, Handle(key.address, "Key", access, path or None, path=whole))
        for device, name, access in holds.files:
            body = self.sections.file_object(name, self.devices.at(device))
            self._add(process, Handle(body, "File", access, device + name, path=device + name))
        if holds.views:
            self._views(process)

    def _views(self, process: Process) -> None:
        """The drive, the desktop, and sections of a library and of the program."""
        self._add(process, Handle(self.devices.drive, "SymbolicLink", 0x1, "C:", path=f"{DRIVE} -> {DISK}"))
        desktop = self.objects.reserve("Desktop", 0xF8, b"Desk", quota=False, name="Default")
        self._add(process, Handle(desktop, "Desktop", 0x1FF, "Default", INHERITED, "Default"))
        program, library = (module.section for module in process.user.modules[:2])
        name = process.user.modules[1].name
        path = f"{KNOWN_LIBRARIES}\\{name}"
        body = self.namespace.make("Section", path, self.sections.object_size, b"Sect", paged=True)
        self.sections.fill_object(body, library)
        self._add(process, Handle(body, "Section", 0xF, name, path=f"{path}, {DISK}{library.file}"))
        self._add(process, Handle(self.sections.object(program), "Section", 0x5, None, path=f"{DISK}{program.file}"))

    def _add(self, process: Process, handle: Handle) -> None:
        """One more handle, behind the last."""
        process.handles[self.objects.following(max(process.handles, default=0))] = handle


def _power(power: Power, target: Process) -> Handle:
    if power.kind == "Process":
        return Handle(target.eprocess, "Process", power.access, target.title)
    if power.kind == "Thread":
        return Handle(target.threads[0], "Thread", power.access, target.thread_title(0))
    if power.kind == "Token":
        return Handle(target.token["va"], "Token", power.access)
    if power.kind == DEBUG_OBJECT:
        return Handle(target.debug_port, DEBUG_OBJECT, power.access)
    return Handle(target.section_object, "Section", power.access)


def way_facts(ways: Sequence[Way], processes: Sequence[Process]) -> list[dict[str, Any]]:
    """The shortest ways up, for the answer key: process ids in order, and the level that each leads to."""
    alive = {process.actor.pid for process in processes if process.alive}
    return [{"integrity": level, "pids": list(pids)} for level, pids in ways if alive.issuperset(pids)]


def handle_facts(handles: Mapping[int, Handle]) -> list[dict[str, Any]]:
    """Every handle, for the answer key."""
    return [
        {
            "access": h.access, "attributes": h.attributes, "handle": value, "name": h.name, "object": h.object,
            "path": h.path, "type": h.type,
        }
        for value, h in handles.items()
    ]  # fmt: skip
