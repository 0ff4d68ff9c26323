"""Open registry keys: a control block for each key that is open and for every key above it, names kept once."""

from __future__ import annotations

from dataclasses import dataclass

from process_anatomy.forge.ground.records import record
from process_anatomy.forge.objects.object_manager import ObjectManager
from structs.registry import CM_KEY_BODY, CM_KEY_CONTROL_BLOCK, CM_NAME_CONTROL_BLOCK

KEY_BODY_TYPE = int.from_bytes(b"20yk", "little")
HIVE_EXIT, HIVE_ENTRY = 0x2, 0x4
ROOT = "REGISTRY"
ROOT_OF_HIVE = "ROOT"
"""Name that the topmost key of a hive has inside its file."""


@dataclass(frozen=True)
class OpenKey:
    """An open key: the object, and its path below the root of the registry."""

    address: int
    path: str


class OpenKeys:
    """Makes control blocks and key objects.

    Args:
        objects: the object manager.
        hives: where hives are mounted, paths below the root.
    """

    def __init__(self, objects: ObjectManager, hives: tuple[str, ...]) -> None:
        self.objects, self.build = objects, objects.build
        self.hives = {path.upper() for path in hives}
        self.separate = "Trans" in self.build[CM_KEY_BODY]
        self._blocks: dict[str, int] = {}
        self._names: dict[str, int] = {}

    def open(self, path: str, pid: int) -> OpenKey:
        """A key object for a path below the root; empty for the root itself."""
        body = self.objects.reserve("Key", self.build[CM_KEY_BODY].sizeof, b"Key ", paged=True, quota=False)
        data = record(
            self.build, CM_KEY_BODY, Type=KEY_BODY_TYPE, KeyControlBlock=self._block(path), ProcessID=pid
        )  # fmt: skip
        self.objects.kernel.write(body, data)
        return OpenKey(body, path)

    def _block(self, path: str) -> int:
        """The control block that children of a key are below."""
        if path not in self._blocks:
            above, _, name = path.rpartition("\\")
            parent = self._block(above) if path else 0
            mounted = path.upper() in self.hives
            if mounted and self.separate:  # the key above the hive, and the hive's own topmost key under it
                parent = self._put(name, parent, HIVE_EXIT)
                self._blocks[path] = self._put(ROOT_OF_HIVE, parent, HIVE_ENTRY)
            else:
                self._blocks[path] = self._put(name or ROOT, parent, HIVE_ENTRY * (mounted or not path))
        return self._blocks[path]

    def _put(self, name: str, parent: int, flags: int) -> int:
        data = record(
            self.build, CM_KEY_CONTROL_BLOCK, RefCount=self.objects.dice.between(1, 40), ParentKcb=parent,
            NameBlock=self._name(name), Flags=flags,
        )  # fmt: skip
        return self.objects.paged.put(data, b"CmKb")

    def _name(self, name: str) -> int:
        if name not in self._names:
            content = name.encode("latin-1")
            structure = self.build[CM_NAME_CONTROL_BLOCK]
            data = record(self.build, CM_NAME_CONTROL_BLOCK, Compressed=1, NameLength=len(content))
            data = data[: structure.offset("Name")] + content
            self._names[name] = self.objects.paged.put(data.ljust(structure.sizeof, b"\0"), b"CmNb")
        return self._names[name]
