"""Hives in memory: in the kernel's or in a process of their own, the maps that lead to their bins, and their list."""

from __future__ import annotations

from typing import Any

from process_anatomy.forge.ground.records import pointers, record, ring, text
from process_anatomy.forge.memory.frames import PAGE, USER_DATA
from process_anatomy.forge.objects.object_manager import ObjectManager
from process_anatomy.forge.parts.process import Process
from process_anatomy.forge.registry.cells import BIN, Contents
from process_anatomy.forge.registry.hives import LAB_HIVES, Hive, Hives
from structs.registry import CMHIVE, DUAL, HBASE_BLOCK, HMAP_ENTRY

HIVE_SIGNATURE, BASE_BLOCK_SIGNATURE = 0xBEE0BEE0, int.from_bytes(b"regf", "little")
FIRST_BUILD_WITH_REGISTRY_PROCESS = 17134
"""Since Windows 10 1803 hives are mapped in the process Registry; what the boot loader brings stays in the kernel."""
TABLE_ENTRIES = 512
NEW_ALLOCATION = 0x1
"""Flag of a block that starts a bin, in the lowest bits of the bin's address."""
FORMAT = 1, 5


class Registry:
    """Writes the hives, in kernel memory and in the process Registry, and their list.

    Attributes:
        facts: what is true of each hive.
    """

    def __init__(self, objects: ObjectManager, time: int, hives: Hives = LAB_HIVES) -> None:
        self.objects, self.build, self.time = objects, objects.build, time
        self.kernel, self.pool = objects.kernel, objects.paged
        self.hives = hives
        self.facts: list[dict[str, Any]] = []

    def write(self, holder: Process | None) -> None:
        """Write every hive and link them.

        Args:
            holder: the process that hives are mapped in, if there is one.
        """
        if self.build.number < FIRST_BUILD_WITH_REGISTRY_PROCESS:
            holder = None
        structure = self.build[CMHIVE]
        inside = structure.offset("HiveList")
        hives = [
            (hive, self.pool.allocate(structure.sizeof, b"CM10"))
            for hive in (self.hives.system, self.hives.software, *self.hives.more)
        ]
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
            "profiles": dict(self.hives.profiles),
            "services": {
                name: {"account": a, "image_path": image} for name, (a, image, _) in self.hives.services.items()
            },
        }
