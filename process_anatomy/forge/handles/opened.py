"""What processes of the lab hold open besides themselves: named objects of every kind, and power over one another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from process_anatomy.forge.address_space.sections import Sections
from process_anatomy.forge.ground.records import record, text
from process_anatomy.forge.objects.namespace import Namespace
from process_anatomy.forge.objects.object_manager import INHERITED, PROTECTED, Handle, ObjectManager
from process_anatomy.forge.processes.table import DEVICE, Process
from process_anatomy.forge.registry.keys import OpenKeys
from process_anatomy.forge.security.contexts import MACHINE
from structs.object import DEVICE_OBJECT, OBJECT_SYMBOLIC_LINK

DEVICE_TYPE = 3
USER_HIVE = f"USER\\{MACHINE}-1001"
HIVES = ("MACHINE\\SYSTEM", "MACHINE\\SOFTWARE", USER_HIVE)
SESSION = "\\Sessions\\1\\BaseNamedObjects\\"
STATIONS = "\\Sessions\\1\\Windows\\WindowStations\\"
SHELL = "explorer.exe"
"""Program that holds one object of every kind."""
NAMED: tuple[tuple[str, str, int, bytes, int, int], ...] = (
    ("Event", "\\KernelObjects\\LowMemoryCondition", 0x18, b"Even", 0x100000, 0),
    ("Event", SESSION + "LabReady", 0x18, b"Even", 0x1F0003, INHERITED),
    ("Mutant", SESSION + "LedgerSingleInstance", 0x38, b"Muta", 0x1F0001, PROTECTED),
    ("Semaphore", SESSION + "LedgerPrinters", 0x20, b"Sema", 0x1F0003, PROTECTED | INHERITED),
    ("ALPC Port", "\\RPC Control\\ContosoAgentPort", 0x1D8, b"ALPC", 0x1, 0),
    ("Job", SESSION + "LedgerJob", 0x200, b"Job ", 0x1F003F, 0),
    ("WindowStation", STATIONS + "WinSta0", 0x98, b"Wind", 0x37F, INHERITED),
    ("IoCompletion", SESSION + "LedgerPort", 0x40, b"IoCo", 0x1F0003, 0),
    ("Timer", SESSION + "LedgerAlarm", 0x88, b"Time", 0x1F0003, 0),
)
"""Type, path, bytes of the body, pool tag, access and attributes of what the shell holds."""
OLDER_KINDS = {"ALPC Port": "Port"}
"""What a kind of object was called before Windows Vista."""
KEYS = (
    ("", 0x20019),
    ("MACHINE", 0x20019),
    ("MACHINE\\SYSTEM\\ControlSet001\\Services\\Tcpip\\Parameters", 0x20019),
    ("MACHINE\\SOFTWARE\\Microsoft\\Windows\\CurrentVersion\\Run", 0x20006),
    (USER_HIVE, 0xF003F),
    (USER_HIVE + "\\Software\\Microsoft\\Windows\\CurrentVersion\\Explorer", 0xF003F),
)
"""Keys that the shell holds, and with which access."""
FILES = (
    (DEVICE, "\\Users\\student\\Desktop", 0x100001),
    (DEVICE, "\\Windows\\en-US\\explorer.exe.mui", 0x120089),
    ("\\Device\\NamedPipe", "\\contoso-agent", 0x12019F),
    ("\\Device\\Afd", "\\Endpoint", 0x16019F),
    ("\\Device\\Null", "", 0x120089),
)
"""Device, name and access of files that the shell holds."""


@dataclass(frozen=True)
class Power:
    """A handle that gives one process power over another.

    Attributes:
        holder: process id.
        kind: ``Process``, ``Thread``, ``Token`` or ``Section``.
        target: process id.
        access: what it allows.
    """

    holder: int
    kind: str
    target: int
    access: int


POWERS = (
    Power(3920, "Process", 5212, 0x1FFFFF),
    Power(6420, "Process", 5740, 0x102A),
    Power(6044, "Process", 5212, 0x40),
    Power(5212, "Thread", 4180, 0x1A),
    Power(6276, "Token", 3920, 0xA),
    Power(6808, "Section", 5212, 0xF),
    Power(6160, "Process", 5760, 0x2A),
)
"""Who holds whom: the shell its child; a renderer at low integrity may write into an elevated program; the
calculator, at low integrity, may take handles from notepad.exe, which steers a thread of an elevated program; a
sandboxed program may copy the token of the shell; and invoice.exe may write to the program of notepad.exe.
In the intrusion, reach.exe may write into lift.exe."""
WAYS: tuple[tuple[str, tuple[int, ...]], ...] = (
    ("high", (6420, 5740)),
    ("medium", (6044, 5212)),
    ("high", (6044, 5212, 4180)),
    ("medium", (6276, 3920)),
    ("high", (5212, 4180)),
    ("high", (3920, 5212, 4180)),
    ("high", (6808, 5212, 4180)),
    ("high", (6160, 5760)),
)
"""What follows from them: the shortest ways up, by the level that each leads to."""


class OpenObjects:
    """Makes the objects, and opens them."""

    def __init__(self, objects: ObjectManager, sections: Sections, namespace: Namespace) -> None:
        self.objects, self.sections, self.namespace = objects, sections, namespace
        self.keys = OpenKeys(objects, HIVES)
        for name in ("Afd", "NamedPipe", "Null", DEVICE.rpartition("\\")[2]):
            self.device(f"\\Device\\{name}")
        self.drive = self._link("\\GLOBAL??\\C:", DEVICE)

    def device(self, path: str) -> int:
        """The device of that path, made if need be; gives its address."""
        above, _, name = path.rpartition("\\")
        known = self.namespace.directory(above).members
        if name not in known:
            size = self.objects.build[DEVICE_OBJECT].sizeof
            body = self.namespace.make("Device", path, size, b"Devi")
            data = record(self.objects.build, DEVICE_OBJECT, Type=DEVICE_TYPE, Size=size, DeviceType=7)
            self.objects.kernel.write(body, data)
        return known[name]

    def _link(self, path: str, target: str) -> int:
        body = self.namespace.make(
            "SymbolicLink", path, self.objects.build[OBJECT_SYMBOLIC_LINK].sizeof, b"Symb", paged=True
        )  # fmt: skip
        data = record(
            self.objects.build, OBJECT_SYMBOLIC_LINK, LinkTarget=text(target, self.objects.paged.string(target))
        )  # fmt: skip
        self.objects.kernel.write(body, data)
        return body

    def open(self, processes: Sequence[Process]) -> None:
        """Handles to all of this, each behind those that the process has already."""
        by_pid = {process.actor.pid: process for process in processes if process.alive}
        for process in by_pid.values():
            if process.user.modules:
                known = self.namespace.directory("\\KnownDlls")
                self._add(process, Handle(known.address, "Directory", 0x3, "KnownDlls", path=known.path))
            if process.actor.name == SHELL:
                self._shell(process)
        for power in POWERS:
            if power.holder in by_pid and power.target in by_pid:
                self._add(by_pid[power.holder], self._power(power, by_pid[power.target]))

    def _shell(self, process: Process) -> None:
        for named, path, size, tag, access, attributes in NAMED:
            kind = named if named in self.objects.types else OLDER_KINDS[named]
            body = self.namespace.make(kind, path, size, tag)
            self._add(process, Handle(body, kind, access, path.rpartition("\\")[2], attributes, path))
        for path, access in KEYS:
            key = self.keys.open(path, process.actor.pid)
            whole = f"\\REGISTRY\\{path}".rstrip("\\")
            self._add(process, Handle(key.address, "Key", access, path or None, path=whole))
        for device, name, access in FILES:
            body = self.sections.file_object(name, self.device(device))
            self._add(process, Handle(body, "File", access, device + name, path=device + name))
        self._add(process, Handle(self.drive, "SymbolicLink", 0x1, "C:", path=f"\\GLOBAL??\\C: -> {DEVICE}"))
        desktop = self.objects.reserve("Desktop", 0xF8, b"Desk", quota=False, name="Default")
        self._add(process, Handle(desktop, "Desktop", 0x1FF, "Default", INHERITED, "Default"))
        program = process.user.modules[0].section
        body = self.namespace.make("Section", "\\KnownDlls\\ntdll.dll", self.sections.object_size, b"Sect", paged=True)
        library = process.user.modules[1].section
        self.sections.fill_object(body, library)
        path = f"\\KnownDlls\\ntdll.dll, {DEVICE}{library.file}"
        self._add(process, Handle(body, "Section", 0xF, "ntdll.dll", path=path))
        self._add(process, Handle(self.sections.object(program), "Section", 0x5, None, path=f"{DEVICE}{program.file}"))

    def _add(self, process: Process, handle: Handle) -> None:
        """One more handle, behind the last."""
        process.handles[self.objects.following(max(process.handles, default=0))] = handle

    def _power(self, power: Power, target: Process) -> Handle:
        if power.kind == "Process":
            return Handle(target.eprocess, "Process", power.access, f"{target.actor.name[:14]} Pid {target.actor.pid}")
        if power.kind == "Thread":
            name = f"Tid {target.tids[0]} Pid {target.actor.pid}"
            return Handle(target.threads[0], "Thread", power.access, name)
        if power.kind == "Token":
            return Handle(target.token["va"], "Token", power.access)
        return Handle(target.section_object, "Section", power.access)


def power_facts(processes: Sequence[Process]) -> list[dict[str, Any]]:
    """The shortest ways up, for the answer key: process ids in order, and the level that each leads to."""
    alive = {process.actor.pid for process in processes if process.alive}
    return [{"integrity": level, "pids": list(pids)} for level, pids in WAYS if alive.issuperset(pids)]


def handle_facts(handles: Mapping[int, Handle]) -> list[dict[str, Any]]:
    """Every handle, for the answer key."""
    return [
        {
            "access": h.access, "attributes": h.attributes, "handle": value, "name": h.name, "object": h.object,
            "path": h.path, "type": h.type,
        }
        for value, h in handles.items()
    ]  # fmt: skip
