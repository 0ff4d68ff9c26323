"""The registry in memory: bins of cells, the maps that lead to them, and the hives in their list."""

from __future__ import annotations

import struct
from typing import Any

from process_anatomy.forge.ground.records import pointers, record, ring, text
from process_anatomy.forge.memory.frames import PAGE, USER_DATA
from process_anatomy.forge.objects.object_manager import ObjectManager
from process_anatomy.forge.processes.table import Process
from process_anatomy.forge.registry.hives import PROFILES, SERVICES, SOFTWARE, SYSTEM, Hive, Key
from structs.layout import Build
from structs.registry import CM_KEY_INDEX, CM_KEY_NODE, CM_KEY_VALUE, CMHIVE, DUAL, HBASE_BLOCK, HMAP_ENTRY

HIVE_SIGNATURE, BASE_BLOCK_SIGNATURE = 0xBEE0BEE0, int.from_bytes(b"regf", "little")
FIRST_BUILD_WITH_REGISTRY_PROCESS = 17134
"""Since Windows 10 1803 hives are mapped in the process Registry; what the boot loader brings stays in the kernel."""
BIN, BIN_HEADER = 0x2000, 0x20
"""Bins of two blocks, so that some cells lie across the blocks' border."""
TABLE_ENTRIES = 512
VOLATILE, NOTHING, INLINE = 0x80000000, 0xFFFFFFFF, 0x80000000
HIVE_ENTRY, NO_DELETE, LINK, ASCII_NAME = 0x4, 0x8, 0x10, 0x20
ASCII_VALUE_NAME = 0x1
NEW_ALLOCATION = 0x1
"""Flag of a block that starts a bin, in the lowest bits of the bin's address."""
FORMAT = 1, 5


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


class Registry:
    """Writes the hives, in kernel memory and in the process Registry, and their list.

    Attributes:
        facts: what is true of each hive.
    """

    def __init__(self, objects: ObjectManager, time: int) -> None:
        self.objects, self.build, self.time = objects, objects.build, time
        self.kernel, self.pool = objects.kernel, objects.paged
        self.facts: list[dict[str, Any]] = []

    def write(self, processes: list[Process]) -> None:
        """Write every hive and link them."""
        holder = next((p for p in processes if p.actor.name == "Registry" and p.alive), None)
        if self.build.number < FIRST_BUILD_WITH_REGISTRY_PROCESS:
            holder = None
        structure = self.build[CMHIVE]
        inside = structure.offset("HiveList")
        hives = [(hive, self.pool.allocate(structure.sizeof, b"CM10")) for hive in (SYSTEM, SOFTWARE)]
        head = self.objects.image.address("CmpHiveListHead")
        links = ring([head, *(address + inside for _, address in hives)])
        self.objects.image.store("CmpHiveListHead", pointers(self.build, *links[head].values()))
        for hive, address in hives:
            self._hive(hive, address, links[address + inside], holder if hive.file else None)

    def _hive(self, hive: Hive, address: int, links: dict[str, int], holder: Process | None) -> None:
        structure, contents = self.build[CMHIVE], Contents(self.build, hive, self.time)
        stable, volatile = (storage.bins() for storage in contents.storages)
        major, minor = FORMAT
        base_block = record(
            self.build,
            HBASE_BLOCK,
            Signature=BASE_BLOCK_SIGNATURE,
            Major=major,
            Minor=minor,
            RootCell=contents.root,
            Length=len(stable),
        )
        at = self.pool.pages(1)
        self.kernel.write(at, base_block)
        bins = self._mapped(holder, hive.name, base_block, stable) if holder else self._in_pool(stable)
        storages = b""
        for data, start in ((stable, bins), (volatile, self._in_pool(volatile))):
            place = address + structure.offset("Storage") + len(storages)
            storages += self._storage(place, len(data), start)
        data = record(
            self.build,
            CMHIVE,
            Signature=HIVE_SIGNATURE,
            BaseBlock=at,
            Version=minor,
            Storage=storages,
            HiveList=links,
            FileUserName=text(hive.file, self.pool.string(hive.file) if hive.file else 0),
            HiveRootPath=text(hive.mounted, self.pool.string(hive.mounted)),
        )
        self.kernel.write(address, data)
        self.facts.append(
            {
                "address": address,
                "bins": bins,
                "file_user_name": hive.file,
                "hive_root_path": hive.mounted,
                "length": len(stable),
                "mapped_in_pid": holder.actor.pid if holder else None,
                "root_cell": contents.root,
            }
        )

    def _in_pool(self, data: bytes) -> int:
        """Bins in the paged pool; zero for a storage without any."""
        if not data:
            return 0
        start = self.pool.pages(len(data) // PAGE)
        self.kernel.write(start, data)
        return start

    @staticmethod
    def _mapped(holder: Process, name: str, base_block: bytes, data: bytes) -> int:
        """Bins where the process Registry maps the hive's file: behind its header."""
        region = next(region for region in holder.regions if region.note == name)
        for offset in range(0, PAGE + len(data), PAGE):
            page = (base_block + data)[offset : offset + PAGE]
            holder.space.map(region.start + offset, holder.space.memory.take(page), USER_DATA)
        return region.start + PAGE

    def _storage(self, place: int, length: int, bins: int) -> bytes:
        """A _DUAL that lies at ``place``; a small hive's directory is the pointer to its only table."""
        structure = self.build[DUAL]
        if not length:
            return record(self.build, DUAL)
        entry = self.build[HMAP_ENTRY].sizeof
        table = self.pool.pages((TABLE_ENTRIES * entry + PAGE - 1) // PAGE)
        for index, block in enumerate(range(bins, bins + length, PAGE)):
            offset = block - bins
            start = block - offset % BIN
            values = {
                "BlockAddress": block,
                "BinAddress": start | NEW_ALLOCATION * (start == block),
                "BlockOffset": offset % BIN,
                "PermanentBinAddress": start | NEW_ALLOCATION * (start == block),
            }
            self.kernel.write(table + index * entry, record(self.build, HMAP_ENTRY, **values))
        return record(self.build, DUAL, Length=length, Map=place + structure.offset("SmallDir"), SmallDir=table)

    def truth(self) -> dict[str, Any]:
        """What a tool should find in the registry."""
        return {
            "hives": self.facts,
            "profiles": dict(PROFILES),
            "services": {name: {"account": a, "image_path": image} for name, (a, image, _) in SERVICES.items()},
        }
