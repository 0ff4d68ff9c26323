"""The object manager's side: types, headers in front of objects, handle tables."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from process_anatomy.forge.dice import Dice
from process_anatomy.forge.kernel_image import KernelImage
from process_anatomy.forge.memory import PAGE, Space
from process_anatomy.forge.pool import Pool
from process_anatomy.forge.records import link, record, text
from structs.handle import HANDLE_TABLE
from structs.layout import Build
from structs.object import EXPORTED_TYPES, OBJECT_HEADER, OBJECT_HEADER_NAME_INFO, OBJECT_TYPE

TYPES = [
    "Type",
    "Directory",
    "SymbolicLink",
    "Token",
    "Job",
    "Process",
    "Thread",
    "UserApcReserve",
    "IoCompletionReserve",
    "DebugObject",
    "Event",
    "Mutant",
    "Callback",
    "Semaphore",
    "Timer",
    "IRTimer",
    "KeyedEvent",
    "WindowStation",
    "Desktop",
    "TpWorkerFactory",
    "Driver",
    "Device",
    "IoCompletion",
    "WaitCompletionPacket",
    "File",
    "Section",
    "Session",
    "Key",
    "ALPC_Port",
    "EtwRegistration",
]
FIRST_TYPE = 2
EXPORTED = EXPORTED_TYPES | {"LpcPortObjectType": "ALPC Port"}

QUOTA_INFO_SIZE, QUOTA_INFO_MASK = 0x20, 0x08
NAME_INFO_SIZE, NAME_INFO_MASK = 0x20, 0x02
HANDLE_ENTRY = 16
PROTECTED, INHERITED = 1, 2
"""Attributes of a handle.  The lab has no third one (audited): MemProcFS takes its bit for one of the address."""
VALID_ACCESS = {"Process": 0x1FFFFF, "Thread": 0x1FFFFF, "Token": 0xF01FF, "File": 0x1F01FF, "Key": 0xF003F}
"""Rights that a type's objects have, where a test or a reader asks for them; else every right."""
ANY_ACCESS = 0x1FFFFF
TAG_BEFORE_BLOCK = 12
"""How far in front of a block its pool header has the tag."""
LEAF_ENTRIES = PAGE // HANDLE_ENTRY
POINTERS = PAGE // 8
TOP_POINTERS = (1 << 24) // (LEAF_ENTRIES * POINTERS)
"""Pages of pointers at the most: a process has no more than 16 million handles."""
FIRST_ENCODED_BUILD = 10240
"""From this build on the type index in an object header is encoded."""


@dataclass(frozen=True)
class Handle:
    """One open handle.

    Attributes:
        object: address of the object's body.
        type: name of its type.
        access: what it allows.
        name: what stock tools call the object, ``None`` for nothing.
        attributes: a sum of :data:`PROTECTED` and :data:`INHERITED`.
        path: what it leads to in full, ``None`` where the answer key does not say.
    """

    object: int
    type: str
    access: int
    name: str | None = None
    attributes: int = 0
    path: str | None = None


class ObjectManager:
    """Makes objects with headers, and handle tables.

    Attributes:
        cookie: the value that type indexes are encoded with.
        types: type name to index.
    """

    def __init__(self, build: Build, kernel: Space, image: KernelImage, pools: tuple[Pool, Pool], dice: Dice) -> None:
        self.build, self.kernel, self.image, self.dice = build, kernel, image, dice
        self.nonpaged, self.paged = pools
        self.encoded = build.number >= FIRST_ENCODED_BUILD
        self.cookie = dice.between(1, 255) if self.encoded else 0
        self.types = {name.replace("_", " "): FIRST_TYPE + place for place, name in enumerate(TYPES)}
        self.tables: list[int] = []
        if self.encoded:
            image.store("ObHeaderCookie", bytes([self.cookie]))
        self._make_types()

    def _make_types(self) -> None:
        size = self.build[OBJECT_TYPE].sizeof
        addresses = {name: self.reserve("Type", size, b"ObjT", quota=False) for name in self.types}
        table = [0, 0xBAD0B0B0, *addresses.values()]
        self.image.store("ObTypeIndexTable", struct.pack(f"<{len(table)}Q", *table))
        for name, address in addresses.items():
            data = record(
                self.build,
                OBJECT_TYPE,
                TypeList=link(address, address),
                Name=text(name, self.paged.string(name)),
                Index=self.types[name],
                TotalNumberOfObjects=self.dice.between(2, 900),
                TotalNumberOfHandles=self.dice.between(2, 900),
                ValidAccessMask=VALID_ACCESS.get(name, ANY_ACCESS),
                Key=int.from_bytes(name.encode()[:4].ljust(4), "little"),
            )
            self.kernel.write(address, data)
        for symbol, name in EXPORTED.items():
            self.image.point(symbol, addresses[name])

    def reserve(
        self,
        type_name: str,
        size: int,
        tag: bytes,
        *,
        paged: bool = False,
        quota: bool = True,
        name: str = "",
        directory: int = 0,
    ) -> int:
        """Room for an object with its header written in front; gives the address of the object's body.

        Args:
            type_name: type of the object.
            size: bytes of its body.
            tag: pool tag.
            paged: in paged pool.
            quota: charged to somebody.
            name: its name, empty for none.
            directory: the directory that holds it, 0 for none.
        """
        pool = self.paged if paged else self.nonpaged
        structure = self.build[OBJECT_HEADER]
        body = structure.offset("Body")
        optional = QUOTA_INFO_SIZE * quota + NAME_INFO_SIZE * bool(name)
        while True:
            start = pool.allocate(optional + body + size, tag)
            header = start + optional
            encoded = self._type_index(type_name, header)
            if encoded:
                break
            # An index may well encode to zero, but stock Volatility's handles takes that for a free entry and leaves
            # the object out; so the room is given back, as a freed block with another tag.
            self.kernel.write(start - TAG_BEFORE_BLOCK, b"Free")
        if name:
            counted = text(name, self.paged.string(name))
            info = record(self.build, OBJECT_HEADER_NAME_INFO, Directory=directory, Name=counted)
            self.kernel.write(header - NAME_INFO_SIZE, info)
        data = record(
            self.build,
            OBJECT_HEADER,
            PointerCount=self.dice.between(3, 0x7FFF),
            HandleCount=self.dice.between(1, 9),
            TypeIndex=encoded,
            InfoMask=QUOTA_INFO_MASK * quota | NAME_INFO_MASK * bool(name),
            SecurityDescriptor=0,
        )
        self.kernel.write(header, data[:body])
        return header + body

    def _type_index(self, type_name: str, header: int) -> int:
        """TypeIndex of a header at that address, as this build stores it."""
        index = self.types[type_name]
        return index ^ self.cookie ^ (header >> 8 & 0xFF) if self.encoded else index

    def header_of(self, body: int) -> int:
        """Address of the header of an object."""
        return body - self.build[OBJECT_HEADER].offset("Body")

    def _entry(self, pointer: int, access: int, attributes: int = 0) -> bytes:
        low = (pointer & 0xFFFFFFFFFFFF) >> 4 << 20 | attributes << 17 | self.dice.between(1, 0x7FFF) << 1 | 1
        return struct.pack("<QQ", low, access & 0x1FFFFFF)

    def _leaf(self, entries: dict[int, bytes], first: int) -> int:
        data = bytearray(PAGE)
        free = [slot for slot in range(1, LEAF_ENTRIES) if first + slot not in entries]
        for slot, following in zip(free, [*free[1:], 0][: len(free)], strict=True):
            data[HANDLE_ENTRY * slot + 8 : HANDLE_ENTRY * slot + 16] = struct.pack("<Q", 4 * (first + following))
        for slot in range(LEAF_ENTRIES):
            if first + slot in entries:
                data[HANDLE_ENTRY * slot : HANDLE_ENTRY * (slot + 1)] = entries[first + slot]
        address = self.paged.pages(1)
        self.kernel.write(address, bytes(data))
        return address

    def code(self, entries: dict[int, bytes]) -> tuple[int, int]:
        """Write the leaves and the levels above them; gives TableCode and the end of handles.

        Pages of pointers have room for half a million handles; beyond that, a list of such pages stands above them,
        and only those leaves that hold something are there.
        """
        leaves = max(entries, default=0) // LEAF_ENTRIES + 1
        end = 4 * LEAF_ENTRIES * leaves
        sparse = leaves > POINTERS
        used = {number // LEAF_ENTRIES for number in entries} if sparse else set(range(leaves))
        addresses = {index: self._leaf(entries, LEAF_ENTRIES * index) for index in sorted(used)}
        if leaves == 1:
            return addresses[0], end
        pages = [self._pointers(addresses, POINTERS * index) for index in range((leaves - 1) // POINTERS + 1)]
        if not sparse:
            return pages[0] | 1, end
        top = self.paged.allocate(8 * TOP_POINTERS, b"Obtb")
        self.kernel.write(top, struct.pack(f"<{len(pages)}Q", *pages).ljust(8 * TOP_POINTERS, b"\0"))
        return top | 2, end

    def _pointers(self, leaves: dict[int, int], first: int) -> int:
        """A page of pointers to leaves, from one number on."""
        page = self.paged.pages(1)
        self.kernel.write(page, struct.pack(f"<{POINTERS}Q", *(leaves.get(first + i, 0) for i in range(POINTERS))))
        return page

    def handle_table(self, process: int, pid: int, handles: dict[int, Handle]) -> int:
        """A process's handle table; gives the address of its _HANDLE_TABLE."""
        entries = {
            value // 4: self._entry(self.header_of(handle.object), handle.access, handle.attributes)
            for value, handle in handles.items()
        }
        return self._table(process, pid, entries)

    def cid_table(self, bodies: dict[int, int]) -> int:
        """The client id table: process and thread ids to the bodies of their objects."""
        return self._table(0, 0, {value // 4: self._entry(body, 0) for value, body in bodies.items()})

    def _table(self, process: int, pid: int, entries: dict[int, bytes]) -> int:
        table_code, end = self.code(entries)
        address = self.paged.allocate(self.build[HANDLE_TABLE].sizeof, b"Obtb")
        values = {
            "TableCode": table_code,
            "QuotaProcess": process,
            "UniqueProcessId": pid,
            "NextHandleNeedingPool": end,
            "HandleCount": len(entries),
        }
        self.kernel.write(address, record(self.build, HANDLE_TABLE, **values))
        self.tables.append(address)
        return address
