"""The object directories: directories in directories, each object under its name in a chain of its hash."""

from __future__ import annotations

from dataclasses import dataclass, field

from process_anatomy.forge.ground.records import pointers, record
from process_anatomy.forge.objects.object_manager import ObjectManager
from structs.object import OBJECT_DIRECTORY, OBJECT_DIRECTORY_ENTRY

BUCKETS = 37


@dataclass
class Directory:
    """A directory in the making.

    Attributes:
        address: of its body.
        path: from the root, a backslash alone for the root itself.
        members: name to the body of each object in it.
    """

    address: int
    path: str
    members: dict[str, int] = field(default_factory=dict)


class Namespace:
    """Makes directories and puts objects into them; :meth:`write` fills them when all is known."""

    def __init__(self, objects: ObjectManager) -> None:
        self.objects = objects
        self.directories: dict[str, Directory] = {}
        self.directory("\\")
        if not objects.indexed:  # where headers point at types, the directory of types is the way to all of them
            types = self.directory("\\ObjectTypes")
            types.members.update(objects.types_in(types.address))

    def directory(self, path: str) -> Directory:
        """The directory of that path, made with those above it if need be."""
        if path not in self.directories:
            above, _, name = path.rpartition("\\")
            holder = self.directory(above or "\\") if name else None
            body = self.objects.reserve(
                "Directory", self.objects.build[OBJECT_DIRECTORY].sizeof, b"Dire", paged=True, quota=False,
                name=name or "\\", directory=holder.address if holder else 0,
            )  # fmt: skip
            self.directories[path] = Directory(body, path)
            if holder:
                holder.members[name] = body
        return self.directories[path]

    def make(self, type_name: str, path: str, size: int, tag: bytes, *, paged: bool = False) -> int:
        """An object of that path, its body still zero; gives the body's address."""
        above, _, name = path.rpartition("\\")
        holder = self.directory(above or "\\")
        body = self.objects.reserve(
            type_name, size, tag, paged=paged, quota=False, name=name, directory=holder.address
        )  # fmt: skip
        holder.members[name] = body
        return body

    def write(self) -> None:
        """Fill every directory, and let the kernel's variable point to the root."""
        for directory in self.directories.values():
            heads = [0] * BUCKETS
            for name, body in directory.members.items():
                value = _hash(name)
                entry = record(
                    self.objects.build, OBJECT_DIRECTORY_ENTRY, ChainLink=heads[value % BUCKETS], Object=body,
                    HashValue=value,
                )  # fmt: skip
                heads[value % BUCKETS] = self.objects.paged.put(entry, b"ObDi")
            self.objects.kernel.write(directory.address, pointers(self.objects.build, *heads))
        self.objects.image.point("ObpRootDirectoryObject", self.directories["\\"].address)

    def facts(self) -> dict[str, list[str]]:
        """Path of each directory to the names in it."""
        return {path: sorted(each.members) for path, each in sorted(self.directories.items())}


def _hash(name: str) -> int:
    """A name's hash: its capital letters, added up with shifts."""
    value = 0
    for character in name.upper():
        value = value + (value << 1) + (value >> 1) + ord(character) & 0xFFFFFFFF
    return value
