"""The object manager's side: types, headers in front of objects, handle tables."""

from __future__ import annotations

from typing import Any

from process_anatomy.forge.ground.dice import Dice
from process_anatomy.forge.ground.generations import version_of
from process_anatomy.forge.ground.records import link, pointers, record, text
from process_anatomy.forge.kernel.image import KernelImage
from process_anatomy.forge.memory.frames import PAGE
from process_anatomy.forge.memory.page_tables import Space
from process_anatomy.forge.memory.pool import Pool
from process_anatomy.forge.objects.older import (
    FIRST_WITH_TYPE,
    OLD_TYPES,
    QUOTA_SIZES,
    offsets_back,
    old_entry,
    old_free_entry,
)
from process_anatomy.forge.parts.handle import INHERITED, PROTECTED, Handle
from structs.handle import HANDLE_TABLE, HANDLE_TABLE_ENTRY
from structs.layout import Build
from structs.object import EXPORTED_TYPES, OBJECT_HEADER, OBJECT_HEADER_NAME_INFO, OBJECT_TYPE, POOL_HEADER

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

QUOTA_INFO_MASK, NAME_INFO_MASK = 0x08, 0x02
VALID_ACCESS = {"Process": 0x1FFFFF, "Thread": 0x1FFFFF, "Token": 0xF01FF, "File": 0x1F01FF, "Key": 0xF003F}
"""Rights that a type's objects have, where a test or a reader asks for them; else every right."""
ANY_ACCESS = 0x1FFFFF
MOST_HANDLES = 1 << 24
"""A process has no more than 16 million handles."""
FIRST_ENCODED_BUILD = 10240
"""From this build on the type index in an object header is encoded."""


class ObjectManager:
    """Makes objects with headers, and handle tables.

    Attributes:
        cookie: the value that type indexes are encoded with.
        types: type name to index.
        indexed: headers name their type by its index (since Windows 7), not by its address.
        leaf_entries: entries of a page of a handle table; the first is nobody's handle.
        bodies: the pool of objects that are always in memory.
        quota_size: bytes of the optional header with what an object costs; processes and threads have it.
    """

    def __init__(
        self, build: Build, kernel: Space, image: KernelImage, pools: tuple[Pool, Pool, Pool], dice: Dice
    ) -> None:
        self.build, self.kernel, self.image, self.dice = build, kernel, image, dice
        self.nonpaged, self.paged, self.bodies = pools
        self.encoded = build.number >= FIRST_ENCODED_BUILD
        self.cookie = dice.between(1, 255) if self.encoded else 0
        self.indexed = "TypeIndex" in build[OBJECT_HEADER]
        version = version_of(build)
        names = [name for name in TYPES if FIRST_WITH_TYPE.get(name, version) <= version]
        names = names if version >= (6, 0) else OLD_TYPES
        first = FIRST_TYPE if self.indexed else 1
        self.types = {name.replace("_", " "): first + place for place, name in enumerate(names)}
        self._type_addresses: dict[str, int] = {}
        self._entry_size = build[HANDLE_TABLE_ENTRY].sizeof
        self.leaf_entries = PAGE // self._entry_size
        self._pointers = PAGE // build.pointer_size
        self.quota_size = QUOTA_SIZES[build.pointer_size]
        self._name_size = build[OBJECT_HEADER_NAME_INFO].sizeof
        self.tables: list[int] = []
        if self.encoded:
            image.store("ObHeaderCookie", bytes([self.cookie]))
        self._make_types()

    def _make_types(self) -> None:
        size = self.build[OBJECT_TYPE].sizeof
        addresses = {
            name: self.reserve("Type", size, b"ObjT", quota=False, name="" if self.indexed else name)
            for name in self.types
        }
        self._type_addresses = addresses
        if self.indexed:
            self.image.store("ObTypeIndexTable", pointers(self.build, 0, 0xBAD0B0B0, *addresses.values()))
        else:
            self.image.store("ObpObjectTypes", pointers(self.build, *addresses.values()))
            self._name_own_type(addresses)
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
            self.image.point(symbol, addresses.get(name) or addresses["Port"])

    def _name_own_type(self, addresses: dict[str, int]) -> None:
        """The types are objects of the type Type, whose address was not known when their headers were written."""
        place = self.build[OBJECT_HEADER].place("Type")
        for address in addresses.values():
            self.kernel.write(self.header_of(address) + place.offset, pointers(self.build, addresses["Type"]))

    def types_in(self, directory: int) -> dict[str, int]:
        """Put the types that have names into a directory; gives their names and addresses."""
        if self.indexed:
            return {}
        place = self.build[OBJECT_HEADER_NAME_INFO].offset("Directory")
        for address in self._type_addresses.values():
            info = self.header_of(address) - self._name_size
            self.kernel.write(info + place, pointers(self.build, directory))
        return dict(self._type_addresses)

    def reserved(self, value: int) -> bool:
        """Whether a handle value belongs to the first entry of a page of the table, which Windows keeps."""
        return value % (4 * self.leaf_entries) == 0

    def following(self, value: int) -> int:
        """The handle value behind another one, that Windows would give out next."""
        return value + 8 if self.reserved(value + 4) else value + 4

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
        pool = self.paged if paged else self.bodies
        structure = self.build[OBJECT_HEADER]
        body = structure.offset("Body")
        optional = self.quota_size * quota + self._name_size * bool(name)
        while True:
            start = pool.allocate(optional + body + size, tag)
            header = start + optional
            encoded = self._type_index(type_name, header) if self.indexed else 0
            if encoded or not self.indexed:
                break
            # An index may well encode to zero, but stock Volatility's handles takes that for a free entry and leaves
            # the object out; so the room is given back, as a freed block with another tag.
            self.kernel.write(self.tag_of(start), b"Free")
        if name:
            counted = text(name, self.paged.string(name))
            info = record(self.build, OBJECT_HEADER_NAME_INFO, Directory=directory, Name=counted)
            self.kernel.write(header - self._name_size, info)
        kind: dict[str, Any] = {
            "TypeIndex": encoded, "InfoMask": QUOTA_INFO_MASK * quota | NAME_INFO_MASK * bool(name),
        }  # fmt: skip
        if not self.indexed:
            kind = {"Type": self._type_addresses.get(type_name, 0)}
            kind |= offsets_back(self.quota_size * quota, self._name_size * bool(name))
        data = record(
            self.build,
            OBJECT_HEADER,
            PointerCount=self.dice.between(3, 0x7FFF),
            HandleCount=self.dice.between(1, 9),
            SecurityDescriptor=0,
            **kind,
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

    def tag_of(self, block: int) -> int:
        """Address of a block's pool tag, in the pool header in front of it."""
        header = self.build[POOL_HEADER]
        return block - header.sizeof + header.offset("PoolTag")

    def _entry(self, pointer: int, access: int, attributes: int = 0) -> bytes:
        structure = self.build[HANDLE_TABLE_ENTRY]
        if "Object" in structure:
            return old_entry(self.build, pointer, access, attributes)
        narrow = self.build.pointer_size == 4  # protection from closing has a bit of its own there
        bits = structure.place("ObjectPointerBits").bits or 0
        shift = 3 if narrow else 4
        limit = structure.place("RefCnt").bits or 0
        return record(
            self.build,
            HANDLE_TABLE_ENTRY,
            Unlocked=1,
            RefCnt=self.dice.between(1, 0x7FFF) & (1 << limit) - 1,
            Attributes=(attributes & INHERITED) >> 1 if narrow else attributes,  # one less, as the other is elsewhere
            ProtectFromClose=attributes & PROTECTED,
            ObjectPointerBits=pointer >> shift & (1 << bits) - 1,
            GrantedAccessBits=access & 0x1FFFFFF,
        )

    def _leaf(self, entries: dict[int, bytes], first: int) -> int:
        data, size = bytearray(PAGE), self._entry_size
        old = "Object" in self.build[HANDLE_TABLE_ENTRY]
        free = [slot for slot in range(1, self.leaf_entries) if first + slot not in entries]
        if old:
            data[:size] = old_free_entry(self.build, None)
        for slot, following in zip(free, [*free[1:], 0][: len(free)], strict=True):
            value = 4 * (first + following)
            chained = old_free_entry(self.build, value) if old else pointers(self.build, 0, value)
            data[size * slot : size * (slot + 1)] = chained
        for slot in range(self.leaf_entries):
            if first + slot in entries:
                data[size * slot : size * (slot + 1)] = entries[first + slot]
        address = self.paged.pages(1)
        self.kernel.write(address, bytes(data))
        return address

    def code(self, entries: dict[int, bytes]) -> tuple[int, int]:
        """Write the leaves and the levels above them; gives TableCode and the end of handles.

        Pages of pointers have room for half a million handles; beyond that, a list of such pages stands above them,
        and only those leaves that hold something are there.
        """
        each, wide = self.leaf_entries, self._pointers
        leaves = max(entries, default=0) // each + 1
        end = 4 * each * leaves
        sparse = leaves > wide
        used = {number // each for number in entries} if sparse else set(range(leaves))
        addresses = {index: self._leaf(entries, each * index) for index in sorted(used)}
        if leaves == 1:
            return addresses[0], end
        pages = [self._middle(addresses, wide * index) for index in range((leaves - 1) // wide + 1)]
        if not sparse:
            return pages[0] | 1, end
        size = self.build.pointer_size * (MOST_HANDLES // (each * wide))  # pages of pointers at the most
        top = self.paged.allocate(size, b"Obtb")
        self.kernel.write(top, pointers(self.build, *pages).ljust(size, b"\0"))
        return top | 2, end

    def _middle(self, leaves: dict[int, int], first: int) -> int:
        """A page of pointers to leaves, from one number on."""
        page = self.paged.pages(1)
        self.kernel.write(page, pointers(self.build, *(leaves.get(first + i, 0) for i in range(self._pointers))))
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
