"""Devices by their paths, and the drive that leads to one."""

from __future__ import annotations

from process_anatomy.forge.ground.records import record, text
from process_anatomy.forge.objects.namespace import Namespace
from structs.object import DEVICE_OBJECT, OBJECT_SYMBOLIC_LINK

DISK = "\\Device\\HarddiskVolume3"
"""Device of the disk that everything lies on."""
DEVICE_TYPE = 3
DEVICES = ("Afd", "NamedPipe", "Null", DISK.rpartition("\\")[2])
DRIVE = "\\GLOBAL??\\C:"


class Devices:
    """Makes device objects, and the symbolic link of the drive.

    Attributes:
        drive: address of the symbolic link C:.
    """

    def __init__(self, namespace: Namespace) -> None:
        self.namespace, self.objects = namespace, namespace.objects
        for name in DEVICES:
            self.at(f"\\Device\\{name}")
        self.drive = self._link(DRIVE, DISK)

    def at(self, path: str) -> int:
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
        size = self.objects.build[OBJECT_SYMBOLIC_LINK].sizeof
        body = self.namespace.make("SymbolicLink", path, size, b"Symb", paged=True)
        goal = text(target, self.objects.paged.string(target))
        self.objects.kernel.write(body, record(self.objects.build, OBJECT_SYMBOLIC_LINK, LinkTarget=goal))
        return body
