"""Types of objects and the headers in front of objects, without symbols.

The table of types is not exported, but pointers to some types are.  It lies in a writable section of the kernel's
image, and is where each of those types stands at the place that the type itself names.  From Windows 10 on, the type
index in an object's header is mixed with a secret byte (the cookie) and a byte of the header's address; the cookie
is the byte with which the headers of known objects (System's process, the types themselves) say what they are.
Source: Russinovich, Solomon and Ionescu, "Windows Internals", part 2, chapter 8 (Object Manager).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from process_anatomy.absent import Absent, Kind
from process_anatomy.kernel.identify import Kernel
from process_anatomy.kernel.image import KernelImage
from process_anatomy.kernel.variables import Variables, variables
from process_anatomy.memory.space import Addresses
from process_anatomy.memory.view import Records, addresses_of, unreadable
from structs.layout import Layout
from structs.object import (
    EXPORTED_TYPES,
    OBJECT_HEADER,
    OBJECT_HEADER_AUDIT_INFO,
    OBJECT_HEADER_CREATOR_INFO,
    OBJECT_HEADER_EXTENDED_INFO,
    OBJECT_HEADER_HANDLE_INFO,
    OBJECT_HEADER_NAME_INFO,
    OBJECT_HEADER_PROCESS_INFO,
    OBJECT_HEADER_QUOTA_INFO,
    OBJECT_TYPE,
)

TYPE_LIMIT = 256
"""Types at the most: an index has one byte."""
FIRST_TYPE = 2
"""The first two places of the table are never types."""
NAME_LIMIT = 128
"""Bytes of a type's name at the most; the longest is far shorter."""
RUN = 8
"""Types that must follow on each other to be taken for the table where no exported one leads to it."""
OPTIONAL_HEADERS: tuple[Layout, ...] = (
    OBJECT_HEADER_CREATOR_INFO,
    OBJECT_HEADER_NAME_INFO,
    OBJECT_HEADER_HANDLE_INFO,
    OBJECT_HEADER_QUOTA_INFO,
    OBJECT_HEADER_PROCESS_INFO,
    OBJECT_HEADER_AUDIT_INFO,
    OBJECT_HEADER_EXTENDED_INFO,
)
"""By bit of InfoMask, lowest first: the lower its bit, the closer it stands to the header."""

Indexes = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class ObjectType:
    """One type of objects.

    Attributes:
        index: its place in the table.
        address: of the _OBJECT_TYPE.
        name: for instance ``Process``.
        valid_access: bits that can be granted on its objects.
        generic: what generic read, write, execute and all are turned into, in this order.
        objects: how many there are.
        handles: how many handles there are to them.
    """

    index: int
    address: int
    name: str
    valid_access: int | Absent
    generic: tuple[int, ...] | Absent
    objects: int | Absent
    handles: int | Absent


@dataclass(frozen=True, slots=True)
class ObjectTypes:
    """The types of a kernel and how object headers name them.

    Attributes:
        rows: the types that could be read, by index.
        table: address of the table of types, or why it was not found.
        cookie: what type indexes are mixed with; ``None`` where they are not (before Windows 10), absent where it
            could not be told.
        problems: what is odd or could not be had, one line each.
    """

    rows: Mapping[int, ObjectType]
    table: int | Absent
    cookie: int | Absent | None
    problems: tuple[str, ...]
    _names: dict[str, int] = field(default_factory=dict, repr=False, compare=False)

    def index_of(self, name: str) -> int:
        """Index of the type of that name, -1 where there is none."""
        if not self._names:
            self._names.update({row.name: index for index, row in self.rows.items()})
        return self._names.get(name, -1)

    def decoded(self, headers: Addresses, stored: npt.NDArray[Any]) -> Indexes:
        """Type indexes from what headers hold.

        Args:
            headers: address of each header.
            stored: its TypeIndex.

        Returns:
            Shape (n,): the index; -1 where the cookie is not known.
        """
        plain = stored.astype(np.int64)
        if self.cookie is None:
            return plain
        if isinstance(self.cookie, Absent):
            return np.full(len(headers), -1, dtype=np.int64)
        mixed: Indexes = plain ^ self.cookie ^ (headers >> np.uint64(8) & np.uint64(0xFF)).astype(np.int64)
        return mixed


class ObjectHeaders:
    """The headers of many objects.

    Attributes:
        bodies: address of each object, shape (n,), as given.
        addresses: address of each header, shape (n,); 0 where ``bodies`` holds no kernel address.
        records: the headers, as read.
        index: type index of each, shape (n,); -1 where it could not be told.
        info_mask: InfoMask of each, shape (n,); 0 where it could not be read.
    """

    def __init__(self, kernel: Kernel, bodies: Addresses) -> None:
        self.kernel = kernel
        self.types = object_types(kernel)
        self.bodies = bodies
        structure = kernel.build[OBJECT_HEADER]
        body = np.uint64(structure.offset("Body"))
        possible = (bodies >= np.uint64(kernel.system_start) + body) & (
            bodies % np.uint64(kernel.build.pointer_size) == 0
        )
        self.addresses: Addresses = np.where(possible, bodies - body, np.uint64(0))
        self.records: Records = kernel.view.records(OBJECT_HEADER, self.addresses)
        place = structure.place("TypeIndex")
        there = self.records.whole & possible
        if not there.all():
            rows = np.flatnonzero(possible & ~there)
            _, there[rows] = kernel.space.read_many(self.addresses[rows] + np.uint64(place.offset), place.size)
        self.index: Indexes = self.types.decoded(self.addresses, self.records.array("TypeIndex"))
        self.index[~there] = -1
        self.info_mask: Indexes = self.records.array("InfoMask").astype(np.int64)
        self._places: dict[str, Indexes] = {}

    def __len__(self) -> int:
        return len(self.bodies)

    def are(self, name: str) -> npt.NDArray[np.bool_]:
        """Which of the objects are of a type, shape (n,)."""
        found: npt.NDArray[np.bool_] = (self.index == self.types.index_of(name)) & (self.index >= 0)
        return found

    def type_names(self) -> list[str | Absent]:
        """Name of each object's type; absent, with the reason, where none is to be had."""
        names = {index: row.name for index, row in self.types.rows.items()}
        reasons: dict[int, Absent] = {}
        return [names[i] if i in names else self._no_type(row, reasons) for row, i in enumerate(self.index.tolist())]

    def _no_type(self, row: int, reasons: dict[int, Absent]) -> Absent:
        """Why an object has no type; ``reasons`` remembers, by page, why nothing can be read there."""
        address, body, index = int(self.addresses[row]), int(self.bodies[row]), int(self.index[row])
        if not address:
            return Absent(Kind.IMPLAUSIBLE, f"{body:#x} is no address of an object")
        if index >= 0:
            return Absent(Kind.IMPLAUSIBLE, f"no object at {body:#x}: its type would be number {index}")
        if isinstance(self.types.cookie, Absent):
            return self.types.cookie
        at = address + self.kernel.build[OBJECT_HEADER].offset("TypeIndex")
        if at >> 12 not in reasons:
            reasons[at >> 12] = unreadable(self.kernel.space, at, 1)
        known = reasons[at >> 12]
        return Absent(known.kind, f"{at:#x}: {known.reason.partition(': ')[2]}")

    def optional(self, layout: Layout) -> Addresses:
        """Where the optional header of this layout stands, shape (n,); 0 for objects without it."""
        if layout not in self.kernel.build or layout not in OPTIONAL_HEADERS:
            return np.zeros(len(self), dtype=np.uint64)
        bit = OPTIONAL_HEADERS.index(layout)
        back = self._front(bit)[self.info_mask]
        has = (self.info_mask >> bit & 1 != 0) & (self.addresses != 0)
        places: Addresses = np.where(has, self.addresses - back.astype(np.uint64), np.uint64(0))
        return places

    def _front(self, last: int) -> Indexes:
        """By InfoMask: bytes of the optional headers up to that of bit ``last``."""
        sizes = [self.kernel.build[layout].sizeof if layout in self.kernel.build else 0 for layout in OPTIONAL_HEADERS]
        masks = np.arange(256)
        front: Indexes = sum(
            ((masks >> bit & 1) * size for bit, size in enumerate(sizes[: last + 1])), np.zeros(256, dtype=np.int64)
        )
        return front


def object_headers(kernel: Kernel, bodies: Addresses) -> ObjectHeaders:
    """The headers of the objects at these addresses (of their bodies), all in one batch."""
    return ObjectHeaders(kernel, bodies)


def object_types(kernel: Kernel) -> ObjectTypes:
    """The types of objects, found once for each kernel."""
    return kernel.once("object types", _find)


def _find(kernel: Kernel) -> ObjectTypes:
    words = variables(kernel)
    exported = _exported(kernel)
    table = _table(kernel, words, exported)
    if isinstance(table, Absent):
        rows = dict(exported)
        problems = [f"the table of object types: {table}"]
    else:
        rows, problems = _rows(kernel, table)
        listed = {row.address for row in rows.values()}
        lacking = {i: row for i, row in exported.items() if i not in rows and row.address not in listed}
        rows |= lacking
        if lacking:
            names = ", ".join(sorted(row.name for row in lacking.values()))
            problems.append(f"the table of object types lacks {names}, which the kernel exports")
    cookie, doubt = _cookie(kernel, rows)
    if doubt:
        problems.append(doubt)
    return ObjectTypes(dict(sorted(rows.items())), table, cookie, tuple(problems))


def _exported(kernel: Kernel) -> dict[int, ObjectType]:
    """The types that exported variables point at, where they are what the variable's name says."""
    try:
        image = KernelImage(kernel.space, kernel.base)
    except ValueError:
        return {}
    pointers = []
    for variable in EXPORTED_TYPES:
        where = image.export(variable)
        pointers.append((None if where is None else kernel.view.pointer(where)) or 0)
    read = _read_types(kernel, pointers)
    named = zip(EXPORTED_TYPES.values(), read, strict=True)
    return {row.index: row for name, row in named if isinstance(row, ObjectType) and row.name == name}


def _read_types(kernel: Kernel, addresses: list[int]) -> list[ObjectType | Absent]:
    """The _OBJECT_TYPE at each address."""
    if OBJECT_TYPE not in kernel.build:
        gone = Absent(Kind.NOT_IN_BUILD, f"_OBJECT_TYPE is not in the layout of build {kernel.build.name}")
        return [gone] * len(addresses)
    where = [a if a >= kernel.system_start and a % kernel.build.pointer_size == 0 else 0 for a in addresses]
    records = kernel.view.records(OBJECT_TYPE, addresses_of(where))
    found: list[ObjectType | Absent] = []
    for at, name, index, valid, generic, objects, handles in zip(
        addresses,
        *(
            records.values(each)
            for each in (
                "Name", "Index", "ValidAccessMask", "GenericMapping", "TotalNumberOfObjects", "TotalNumberOfHandles",
            )
        ),
        strict=True,
    ):  # fmt: skip
        if isinstance(name, Absent) or isinstance(index, Absent):
            found.append(name if isinstance(name, Absent) else index)
            continue
        text = kernel.view.string(name.Buffer, name.Length) if 0 < name.Length <= NAME_LIMIT else ""
        if not isinstance(text, str):
            found.append(text)
        elif not text or not text.isascii() or not text.isprintable():
            found.append(Absent(Kind.IMPLAUSIBLE, f"no object type at {at:#x}: its name would be {text!r}"))
        else:
            mapped = generic if isinstance(generic, Absent) else tuple(np.frombuffer(generic, "<u4").tolist())
            found.append(ObjectType(index, at, text, valid, mapped, objects, handles))
    return found


def _table(kernel: Kernel, words: Variables, exported: Mapping[int, ObjectType]) -> int | Absent:
    """Address of the table: where the exported types stand at their own index; else where indexes count up."""
    if words.problem:
        return Absent(Kind.UNREADABLE, words.problem)
    size = kernel.build.pointer_size
    votes = Counter(
        place - size * row.index for row in exported.values() for place in words.places_of(row.address)
    ).most_common(2)
    if votes and votes[0][1] >= 2 and (len(votes) < 2 or votes[0][1] > votes[1][1]):
        return votes[0][0]
    return _run(kernel, words) or Absent(
        Kind.UNREADABLE if words.missing else Kind.IMPLAUSIBLE,
        f"nowhere in {len(words.pages)} pages of the kernel's writable sections ({words.missing} of them cannot be"
        " read) do types stand at their own index",
    )


def _run(kernel: Kernel, words: Variables) -> int:
    """Where pointers to types with rising indexes follow on each other, the first type's place less its index; or 0."""
    if OBJECT_TYPE not in kernel.build:
        return 0
    place = kernel.build[OBJECT_TYPE].place("Index")
    candidates = words.pointers(kernel, kernel.build.pointer_size)
    indexes, there = kernel.space.read_many(candidates + np.uint64(place.offset), 1)
    known = dict(zip(candidates[there].tolist(), indexes[there, 0].tolist(), strict=True))
    flat = words.words.reshape(-1)
    found = np.array([known.get(word, -1) for word in flat.tolist()], dtype=np.int64)
    step = found - np.arange(len(found))  # the same all along a run
    length = 0
    places: list[int] = np.flatnonzero(found >= FIRST_TYPE).tolist()
    for at in places:
        length = length + 1 if at and found[at - 1] >= FIRST_TYPE and step[at] == step[at - 1] else 1
        if length == RUN:
            per_page = words.words.shape[1]
            where = int(words.pages[at // per_page]) + kernel.build.pointer_size * int(at % per_page)
            return where - kernel.build.pointer_size * int(found[at])
    return 0


def _rows(kernel: Kernel, table: int) -> tuple[dict[int, ObjectType], list[str]]:
    """The types in the table; what is odd about it."""
    size = kernel.build.pointer_size
    places = np.uint64(table) + np.arange(TYPE_LIMIT, dtype=np.uint64) * np.uint64(size)
    data, there = kernel.space.read_many(places, size)
    pointers = data.view(f"<u{size}").reshape(-1).astype(np.uint64).tolist()
    end = next((i for i in range(FIRST_TYPE, TYPE_LIMIT) if there[i] and not pointers[i]), TYPE_LIMIT)
    rows: dict[int, ObjectType] = {}
    problems: list[str] = []
    for index, row in zip(range(FIRST_TYPE, end), _read_types(kernel, pointers[FIRST_TYPE:end]), strict=True):
        if not there[index]:
            problems.append(f"object type {index}: {unreadable(kernel.space, int(places[index]), size)}")
        elif isinstance(row, Absent):
            problems.append(f"object type {index}: {row}")
        else:  # its place in the table is what headers name, whatever the type says of itself
            rows[index] = replace(row, index=index)
            if row.index != index:
                problems.append(f"object type {index}: {row.name} at {row.address:#x} says that it is {row.index}")
    return rows, problems


def _cookie(kernel: Kernel, rows: Mapping[int, ObjectType]) -> tuple[int | Absent | None, str]:
    """What type indexes are mixed with, and a doubt about it, in words."""
    by_name = {row.name: index for index, row in rows.items()}
    known: list[tuple[int, int]] = []
    if "Process" in by_name:
        known.append((kernel.system, by_name["Process"]))
    if "Type" in by_name:
        known += [(row.address, by_name["Type"]) for row in rows.values()]
    structure = kernel.build[OBJECT_HEADER]
    if "TypeIndex" not in structure:
        return Absent(Kind.NOT_IN_BUILD, f"headers of {kernel.build.name} hold no type index"), ""
    headers = addresses_of([body - structure.offset("Body") for body, _ in known])
    place = structure.place("TypeIndex")
    data, there = kernel.space.read_many(headers + np.uint64(place.offset), place.size)
    witnesses = [
        (int(stored[0]), expected, header >> 8 & 0xFF)
        for stored, readable, header, (_, expected) in zip(data, there, headers.tolist(), known, strict=True)
        if readable
    ]
    if not witnesses:
        return Absent(Kind.UNREADABLE, "no object is readable whose type is known, so type indexes cannot be told"), ""
    plain = sum(stored == expected for stored, expected, _ in witnesses)
    cookie, count = Counter(stored ^ expected ^ byte for stored, expected, byte in witnesses).most_common(1)[0]
    agreed = max(plain, count)
    doubt = "" if agreed == len(witnesses) else f"{agreed} of {len(witnesses)} known objects bear out the type cookie"
    if 2 * agreed <= len(witnesses):
        return Absent(Kind.IMPLAUSIBLE, f"only {agreed} of {len(witnesses)} known objects agree on a type cookie"), ""
    return (None if plain >= count else cookie), doubt
