"""What stands in a hive: bins of cells, filled with keys, values and lists."""

from __future__ import annotations

import struct

from process_anatomy.forge.ground.records import record
from process_anatomy.forge.registry.hives import Hive, Key
from structs.layout import Build
from structs.registry import CM_KEY_INDEX, CM_KEY_NODE, CM_KEY_VALUE

BIN, BIN_HEADER = 0x2000, 0x20
"""Bins of two blocks, so that some cells lie across the blocks' border."""
VOLATILE, NOTHING, INLINE = 0x80000000, 0xFFFFFFFF, 0x80000000
HIVE_ENTRY, NO_DELETE, LINK, ASCII_NAME = 0x4, 0x8, 0x10, 0x20
ASCII_VALUE_NAME = 0x1


class Cells:
    """One storage of a hive in the making: bins, filled from their beginning.

    Args:
        first: index that the storage's cells start from.
    """

    def __init__(self, first: int) -> None:
        self.first = first
        self.data = bytearray()
        self._free = 0

    def reserve(self, size: int) -> int:
        """Room for a cell of ``size`` bytes; gives its index."""
        whole = (size + 4 + 7) & -8
        if self._free + whole > len(self.data):
            self._close()
            start = len(self.data)
            self.data += struct.pack("<4sIIQQI", b"hbin", start, BIN, 0, 0, 0) + bytes(BIN - BIN_HEADER)
            self._free = start + BIN_HEADER
        at, self._free = self._free, self._free + whole
        struct.pack_into("<i", self.data, at, -whole)
        return self.first | at

    def put(self, content: bytes) -> int:
        """A cell with that content."""
        cell = self.reserve(len(content))
        self.fill(cell, content)
        return cell

    def fill(self, cell: int, content: bytes) -> None:
        """Write the content of a cell."""
        at = (cell & ~VOLATILE) + 4
        self.data[at : at + len(content)] = content

    def _close(self) -> None:
        """The rest of the last bin becomes a free cell."""
        if self._free < len(self.data):
            struct.pack_into("<i", self.data, self._free, len(self.data) - self._free)

    def bins(self) -> bytes:
        """Everything, ready to be mapped."""
        self._close()
        self._free = len(self.data)
        return bytes(self.data)


class Contents:
    """The cells of a hive: keys, values, lists.

    Attributes:
        storages: the stable storage and the volatile one.
        root: cell of the topmost key.
    """

    def __init__(self, build: Build, hive: Hive, time: int) -> None:
        self.build, self.time = build, time
        self.storages = Cells(0), Cells(VOLATILE)
        self.root = self._key(hive.name, hive.root, NOTHING)

    def _key(self, name: str, key: Key, parent: int) -> int:
        storage = self.storages[key.volatile]
        head = self.build[CM_KEY_NODE].offset("Name")
        cell = storage.reserve(head + len(name))
        kinds = [{n: k for n, k in key.subkeys.items() if k.volatile is volatile} for volatile in (False, True)]
        lists = [self._subkeys(kind, cell, self.storages[volatile]) for volatile, kind in enumerate(kinds)]
        flags = ASCII_NAME | LINK * key.link
        if parent == NOTHING:
            flags |= HIVE_ENTRY | NO_DELETE
        values = [self._value(storage, n, *value) for n, value in key.values.items()]
        node = record(
            self.build,
            CM_KEY_NODE,
            Signature=int.from_bytes(b"nk", "little"),
            Flags=flags,
            LastWriteTime=self.time,
            Parent=parent,
            SubKeyCounts=struct.pack("<II", *map(len, kinds)),
            SubKeyLists=struct.pack("<II", *lists),
            ValueCount=len(values),
            ValueList=storage.put(struct.pack(f"<{len(values)}I", *values)) if values else NOTHING,
            Security=NOTHING,
            Class=NOTHING,
            NameLength=len(name),
        )
        storage.fill(cell, node[:head] + name.encode("latin-1"))
        return cell

    def _subkeys(self, subkeys: dict[str, Key], parent: int, storage: Cells) -> int:
        """The subkeys and the hash leaf that lists them, sorted as Windows sorts them."""
        if not subkeys:
            return NOTHING
        cells = {name: self._key(name, key, parent) for name, key in subkeys.items()}
        entries = [(cells[name], _hash(name)) for name in sorted(subkeys, key=str.upper)]
        head = self.build[CM_KEY_INDEX].offset("List")
        leaf = record(self.build, CM_KEY_INDEX, Signature=int.from_bytes(b"lh", "little"), Count=len(entries))[:head]
        return storage.put(leaf + b"".join(struct.pack("<II", *entry) for entry in entries))

    def _value(self, storage: Cells, name: str, kind: int, data: bytes) -> int:
        """A value; data of up to four bytes lie in its own cell."""
        short = len(data) <= 4
        head = self.build[CM_KEY_VALUE].offset("Name")
        value = record(
            self.build,
            CM_KEY_VALUE,
            Signature=int.from_bytes(b"vk", "little"),
            NameLength=len(name),
            DataLength=len(data) | INLINE * short,
            Data=int.from_bytes(data, "little") if short else storage.put(data),
            Type=kind,
            Flags=ASCII_VALUE_NAME,
        )
        return storage.put(value[:head] + name.encode("latin-1"))


def _hash(name: str) -> int:
    """The hash that a hash leaf keeps of a name."""
    result = 0
    for character in name.upper():
        result = (37 * result + ord(character)) & 0xFFFFFFFF
    return result
