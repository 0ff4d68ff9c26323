"""The compression store: private pages that are taken out of memory and put, compressed, into MemCompression's.

Two stores with their B+trees, page records in chunks of several arrays, regions in the process's own address space;
pages that several keys lead to, pages stored as they are, records that lead to others, and entries that are just
changed.  Source: :mod:`structs.store`; the sizes that a real store has in these fields were not published, so that
these are the forge's choice, which readers take from the memory itself.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass, field
from typing import Any

from process_anatomy.forge.address_space.outside import at_home, private_pages, take_out
from process_anatomy.forge.address_space.page_files import STORE
from process_anatomy.forge.ground.records import pointers, record
from process_anatomy.forge.kernel.memory_manager import SM_GLOBALS
from process_anatomy.forge.memory.compressors import lz4, xpress
from process_anatomy.forge.memory.entries import Entries
from process_anatomy.forge.memory.frames import PAGE, USER_DATA
from process_anatomy.forge.memory.protections import READ_WRITE
from process_anatomy.forge.objects.object_manager import ObjectManager
from process_anatomy.forge.parts.process import Process
from process_anatomy.forge.parts.region import Region
from structs import store
from structs.layout import Build

INDEXES = (1, 37)
"""Numbers of the stores: one of the first row, one of the second."""
REGION, REGION_SHIFT, UNIT = 0x20000, 13, 16
REGIONS = 96
"""Regions that the process has room for."""
BIT_VALUE, RECORD_SIZE, HEADER = 8, 0x10, 0x20
CHUNK_NUMBER = 0x10
"""Place of the chunk's own number in its header."""
LEAF, FAN = 24, 8
"""Entries of a leaf and children of a node at the most, few enough for trees of several levels."""
UNNUMBERED = 26100
"""First build whose keys do not hold the page file's number, and whose pages are compressed with LZ4."""
LINKS = {22621: 0x08, 26100: 0x10}
"""First build to the place in nt!SmGlobals of the list that store managers are in."""
OWN_PAGES = 4
"""Pages of their own that some processes get: chance, which cannot be compressed, and three that are alike."""


def layouts_for(build: Build, share: float) -> Build:
    """The layouts of a kernel's store.

    Raises:
        ValueError: none is known for this kernel, or there is no such share of the private pages.
    """
    layouts = store.layouts(build.arch, build.number)
    if layouts is None:
        raise ValueError(f"{build.name} has no compression store that is known")
    if not 0 < share <= 1:
        raise ValueError(f"{share} is no share of the private pages")
    return layouts


def regions(area: int) -> list[Region]:
    """The ranges of the process that the stores' regions lie in."""
    return [Region(area, REGIONS * REGION, READ_WRITE, "compressed pages", commit=REGIONS * REGION // PAGE)]


@dataclass
class _Store:
    """A store in the making.

    Attributes:
        index: its number.
        pages: key to content.
        free: regions that it may still take.
        taken: regions that it has, by their numbers.
    """

    index: int
    pages: dict[int, bytes] = field(default_factory=dict)
    free: list[int] = field(default_factory=list)
    taken: list[tuple[int, bytearray]] = field(default_factory=list)


class CompressedPages:
    """Takes pages out of memory and writes the stores.

    Args:
        objects: pools and kernel.
        entries: how entries that are not valid are written.
        owner: MemCompression.
        share: which share of the private pages is compressed.
    """

    def __init__(self, objects: ObjectManager, entries: Entries, owner: Process, share: float) -> None:
        self.layouts = layouts_for(objects.build, share)
        self.objects, self.entries, self.owner, self.share = objects, entries, owner, share
        self.build, self.dice, self.pool = objects.build, objects.dice, objects.nonpaged
        self.new = self.build.number >= UNNUMBERED
        self.stores = [_Store(index) for index in INDEXES]
        area = list(range(owner.regions[0].start, owner.regions[0].start + REGIONS * REGION, REGION))
        self.dice.shuffle(area)
        for number, each in enumerate(self.stores):
            each.free = area[number :: len(self.stores)]
        self.numbers: set[int] = set()
        self.facts: list[dict[str, Any]] = []
        self.changing: list[int] = []

    def write(self, processes: list[Process]) -> list[dict[str, Any]]:
        """Compress pages of these processes; gives what each of them was."""
        candidates = at_home(processes)
        for process in candidates[:3]:
            self._own_pages(process)
        for process in candidates:
            self._compress(process)
        self._lost(candidates[0])
        self._manager()
        return self.facts

    def _own_pages(self, process: Process) -> None:
        """Pages that show what not every page does: chance, which does not shrink, and three that are alike."""
        chance = bytes(self.dice.bits(8) for _ in range(PAGE))
        same = (b"PAGE-THAT-IS-THERE-TWICE " + process.actor.name.encode()) * 20
        for number, content in enumerate((chance, same, same, same)):
            process.space.put(process.user.heap + 0x40000 + number * PAGE, content)

    def _compress(self, process: Process) -> None:
        """Take a share of the private pages of a process out of memory, and all that were made for this."""
        own = process.user.heap + 0x40000
        for address in private_pages(process):
            made = own <= address < own + OWN_PAGES * PAGE
            if made or self.dice.below(1000) < self.share * 1000:
                self._store(process, address)

    def _store(self, process: Process, address: int) -> None:
        key, entry = self._key()
        content = take_out(process, address, entry, "compressed")
        chosen = self.dice.pick(self.stores)
        chosen.pages[key] = content
        self._fact(process, address, key, chosen.index, content)

    def _key(self) -> tuple[int, int]:
        """A page key, and the entry that leads to it."""
        number = self.dice.between(1, 0x3FFFFF)
        while number in self.numbers:
            number = self.dice.between(1, 0x3FFFFF)
        self.numbers.add(number)
        entry = self.entries.pagefile(STORE, number, READ_WRITE)
        return number if self.new else STORE << store.KEY_FILE_SHIFT | number, self.entries.written(entry)

    def _fact(self, process: Process, address: int, key: int, index: int | None, content: bytes | None) -> None:
        crc = None if content is None else zlib.crc32(content)
        self.facts.append({"crc32": crc, "key": key, "pid": process.actor.pid, "store": index, "va": address})

    def _lost(self, process: Process) -> None:
        """Pages whose entries lead nowhere: one that is just changed, one that the manager does not know."""
        for number in range(2):
            key, entry = self._key()
            address = process.user.heap + 0x50000 + number * PAGE
            process.space.entry(address, entry)
            self.changing += [key][number:]
            self._fact(process, address, key, None, None)

    def _tree(self, pairs: list[tuple[int, int]]) -> int:
        """A B+tree; gives the address of its root."""
        parts = [pairs[at : at + LEAF] for at in range(0, len(pairs), LEAF)]
        if len(parts) > 1 and len(parts[-1]) < 2:  # no leaf with one entry: it would have been joined with another
            parts[-2:] = [parts[-2][:-2], parts[-2][-2:] + parts[-1]]
        addresses = [self.pool.pages(1) for _ in parts]
        level = 1
        for number, part in enumerate(parts):
            following = addresses[number + 1] if number + 1 < len(addresses) else 0
            self._node(
                addresses[number], level, following, b"".join(struct.pack("<II", *pair) for pair in part), len(part)
            )
        keyed = [(part[0][0] if part else 0, address) for part, address in zip(parts, addresses, strict=True)]
        while len(keyed) > 1:
            level += 1
            groups = [keyed[at : at + FAN] for at in range(0, len(keyed), FAN)]
            if len(groups) > 1 and len(groups[-1]) < 2:
                groups[-2:] = [groups[-2][:-1], groups[-2][-1:] + groups[-1]]
            keyed = [(group[0][0], self._inner(level, group)) for group in groups]
        return keyed[0][1]

    def _inner(self, level: int, children: list[tuple[int, int]]) -> int:
        address = self.pool.pages(1)
        entries = b"".join(pointers(self.build, *child) for child in children[1:])
        self._node(address, level, children[0][1], entries, len(children) - 1)
        return address

    def _node(self, address: int, level: int, left: int, entries: bytes, count: int) -> None:
        head = record(self.layouts, store.B_TREE, Entries=count, Level=level, Leaf=int(level == 1), LeftChild=left)
        self.objects.kernel.write(address, head + entries)

    def _place(self, each: _Store, data: bytes) -> int:
        """Put data into a region of a store; gives the key of its record."""
        while True:
            number = self.dice.below(len(each.taken) + 1)
            if number == len(each.taken):
                if len(each.taken) > 3 and self.dice.below(8):
                    continue
                each.taken.append((each.free.pop(), bytearray(UNIT * self.dice.below(0x40))))
            content = each.taken[number][1]
            if len(content) + len(data) <= REGION:
                start = len(content) // UNIT
                content += data + bytes(-len(data) % UNIT) + bytes(UNIT * self.dice.below(4))
                return number << REGION_SHIFT | start

    def _records(self, each: _Store) -> tuple[dict[int, int], dict[int, bytearray]]:
        """Key to the number of its record, and number of a chunk to its page."""
        numbers: dict[int, int] = {}
        chunks: dict[int, bytearray] = {}
        known: dict[bytes, int] = {}
        counts: dict[int, int] = {}
        chunk, here, last = 1, self.dice.below(6), self.dice.between(3, 40)

        def put(where: int, told: int) -> int:
            nonlocal chunk, here, last
            if here > last:
                chunk, here, last = chunk + 1, self.dice.below(6), self.dice.between(3, 40)
            page = chunks.setdefault(chunk, bytearray(PAGE))
            struct.pack_into("<I", page, CHUNK_NUMBER, chunk)
            struct.pack_into("<II", page, HEADER + RECORD_SIZE * here, where, told)
            number = chunk << BIT_VALUE | here
            here += 1 + self.dice.below(3)  # between them lie those that were given up
            return number

        compress = lz4 if self.new else xpress
        for key, content in sorted(each.pages.items()):
            if content in known:  # as the memory manager leaves pages that it combined
                number = known[content]
                counts[number] += 1
            else:
                data = compress(content)
                raw = len(data) >= PAGE
                where = self._place(each, content if raw else data)
                number = put(where, 0 if raw else len(data))
                known[content], counts[number] = number, 1
            numbers[key] = number
        for number, count in counts.items():
            page, at = chunks[number >> BIT_VALUE], HEADER + RECORD_SIZE * (number & 0xFF) + 4
            size = struct.unpack_from("<I", page, at)[0]
            struct.pack_into("<I", page, at, size | count << 12)
        moved = sorted(numbers)[::7]
        for key in moved:
            numbers[key] = put(store.RECORD_ELSEWHERE, numbers[key])
        return numbers, chunks

    def _write_store(self, each: _Store) -> int:
        """Write a store; gives its address."""
        numbers, chunks = self._records(each)
        rows: dict[int, dict[int, int]] = {}
        for number, content in chunks.items():
            address = self.pool.pages(1)
            self.objects.kernel.write(address, bytes(content))
            row = number.bit_length() - 1
            rows.setdefault(row, {})[number ^ 1 << row] = address
        size = self.layouts[store.SMHP_CHUNK].sizeof
        arrays = [0] * store.ARRAYS
        for row, members in rows.items():
            table = bytearray(size << row)
            for place, address in members.items():
                table[size * place : size * place + self.build.pointer_size] = pointers(self.build, address)
            arrays[row] = self.pool.put(bytes(table), b"smBA")
        for start, content in each.taken:
            for at in range(0, len(content), PAGE):
                self.owner.space.put(start + at, bytes(content[at : at + PAGE]), USER_DATA)
        where = self.pool.put(pointers(self.build, *(start for start, _ in each.taken)), b"smRg")
        address = self.pool.pages(2)
        whole = record(
            self.layouts,
            store.SMKM_STORE,
            PagesTree=self._tree(sorted(numbers.items())),
            ChunkPtrArray=pointers(self.build, *arrays),
            BitValue=BIT_VALUE,
            PageRecordsPerChunkMask=(1 << BIT_VALUE) - 1,
            PageRecordSize=RECORD_SIZE,
            ChunkPageHeaderSize=HEADER,
            SmkmStore=address,
            RegionSizeMask=(1 << REGION_SHIFT) - 1,
            RegionIndexMask=REGION_SHIFT,
            CompressionAlgorithm=store.XPRESS,
            CompressedRegionPtrArray=where,
            OwnerProcess=self.owner.eprocess,
        )
        self.objects.kernel.write(address, whole)
        return address

    def _manager(self) -> None:
        """Write the stores and what leads to them."""
        size = self.layouts[store.SMKM_STORE_METADATA].sizeof
        rows: dict[int, bytearray] = {}
        pairs = dict.fromkeys(self.changing, INDEXES[0] | 3 << 16 | store.BUSY << 24)
        for each in self.stores:
            row, column = divmod(each.index, store.STORES_IN_ROW)
            table = rows.setdefault(row, bytearray(size * store.STORES_IN_ROW))
            table[size * column : size * (column + 1)] = record(
                self.layouts, store.SMKM_STORE_METADATA, SmkmStore=self._write_store(each), Process=self.owner.eprocess
            )
            pairs |= {key: each.index | self.dice.pick(store.PRESENT_STATES) << 16 for key in each.pages}
        places = [0] * store.ARRAYS
        for row, content in rows.items():
            places[row] = self.pool.put(bytes(content), b"smSa")
        tree = self._tree(sorted(pairs.items()))
        manager = record(
            self.layouts, store.SMKM_STORE_MGR, StoreMetaDataPtrArray=pointers(self.build, *places), KeyToStoreTree=tree
        )
        image, structure = self.objects.image, self.layouts[store.SMKM_STORE_MGR]
        if "PartitionLink" not in structure:
            image.store(SM_GLOBALS, manager)
            return
        head = LINKS[max(first for first in LINKS if first <= self.build.number)]
        address = self.pool.put(manager + bytes(self.build.pointer_size), b"SmPa")
        link, first = address + structure.offset("PartitionLink"), image.address(SM_GLOBALS) + head
        self.objects.kernel.write(link, pointers(self.build, first, first))
        image.store(SM_GLOBALS, bytes(head) + pointers(self.build, link, link))
