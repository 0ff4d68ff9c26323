"""Types of objects, and which of them each object is of, without symbols.

The table of types is not exported, but pointers to some types are.  It lies in a writable section of the kernel's
image, and is where each of those types stands at the place that the type itself names.  Up to Windows Vista an
object's header holds the address of its type, so that every type is known by its own header (they are objects of the
type Type), and the directory that the known ones are in holds them all.  Since Windows 7 the header holds the type's
place in the table; from Windows 10 on, mixed with a secret byte (the cookie) and a byte of the header's address; the
cookie is the byte with which the headers of known objects (System's process, the types themselves) say what they are.
Source: Russinovich, Solomon and Ionescu, "Windows Internals", part 2, chapter 8 (Object Manager), and part 1 of the
sixth edition, chapter 3.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from process_anatomy.absent import Absent, Kind
from process_anatomy.kernel.directories import listed
from process_anatomy.kernel.identify import Kernel
from process_anatomy.kernel.object_headers import Headers, Indexes
from process_anatomy.kernel.type_code import FUNCTION, type_code
from process_anatomy.kernel.type_cookie import type_cookie
from process_anatomy.kernel.variables import Variables, variables
from process_anatomy.memory.space import Addresses, among, distinct
from process_anatomy.memory.view import addresses_of, unreadable
from structs.object import EXPORTED_TYPES, OBJECT_HEADER, OBJECT_HEADER_NAME_INFO, OBJECT_TYPE

TYPE_LIMIT = 256
"""Types at the most: an index has one byte."""
FIRST_TYPE = 2
"""The first two places of the table are never types."""
FIRST_POINTED = 1
"""Where headers point at types, types count from 1 and the table begins with the first of them."""
NAME_LIMIT = 128
"""Bytes of a type's name at the most; the longest is far shorter."""
DIRECTORIES = 8
"""Directories that are looked through for types at the most; there is one."""
RUN = 8
"""Types that must follow on each other to be taken for the table where no exported one leads to it."""


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
        table: address that the table of types would have if types counted from 0 (ObTypeIndexTable; up to Windows
            Vista one place before ObpObjectTypes), or why it was not found.
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

    def lacks(self, name: str) -> str:
        """Why no object can be told to be of the type of that name; empty where one can."""
        if isinstance(self.cookie, Absent):
            return str(self.cookie)
        if self.index_of(name) < 0:
            return next(iter(self.problems), f"no object type is named {name}")
        return ""

    def pointed(self, pointers: Addresses) -> Indexes:
        """Type indexes from the addresses of types, shape (n,); -1 where no type is known at an address."""
        order = sorted((row.address, index) for index, row in self.rows.items())
        known = addresses_of([address for address, _ in order])
        indexes = np.array([index for _, index in order] + [-1], dtype=np.int64)
        place = np.searchsorted(known, pointers)
        hit = among(pointers, known)
        found: Indexes = np.where(hit, indexes[np.where(hit, place, len(order))], -1)
        return found

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


class ObjectHeaders(Headers):
    """The headers of many objects, with the objects' types.

    Attributes:
        types: the kernel's types.
        index: type index of each, shape (n,); -1 where it could not be told.
    """

    def __init__(self, kernel: Kernel, bodies: Addresses) -> None:
        super().__init__(kernel, bodies)
        self.types = object_types(kernel)
        self._field = type_field(kernel)
        place = self.structure.place(self._field)
        there = self.records.whole & self.possible
        if not there.all():
            rows = np.flatnonzero(self.possible & ~there)
            _, there[rows] = kernel.space.read_many(self.addresses[rows] + np.uint64(place.offset), place.size)
        stored = self.records.array(self._field)
        pointed = self._field == POINTED
        self.index: Indexes = (
            self.types.pointed(stored.astype(np.uint64)) if pointed else self.types.decoded(self.addresses, stored)
        )
        # an object has references while anything leads to it, so that no header of one is blank
        octets = self.records.data.view(np.uint8).reshape(len(self.records), self.structure.sizeof)
        self._blank = there & self.records.whole & ~octets.any(axis=1)
        self.index[~there | self._blank] = -1
        self._there = there

    @property
    def contradicted(self) -> npt.NDArray[np.bool_]:
        """Which cannot be headers by what was read, shape (n,): no such address, only zeros, or no type's index."""
        blank: npt.NDArray[np.bool_] = ~self.possible | self._blank
        if isinstance(self.types.cookie, Absent) or self.types.problems:
            return blank  # it may be of a type that was lost
        return blank | (self.index >= 0) & ~among(self.index, np.array(sorted(self.types.rows), dtype=np.int64))

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
        if self._blank[row]:
            return Absent(Kind.IMPLAUSIBLE, f"no object at {body:#x}: its header holds zeros only")
        if index >= 0:
            return Absent(Kind.IMPLAUSIBLE, f"no object at {body:#x}: its type would be number {index}")
        if isinstance(self.types.cookie, Absent):
            return self.types.cookie
        if self._there[row] and self._field == POINTED:
            stored = int(self.records.array(POINTED)[row])
            return Absent(Kind.IMPLAUSIBLE, f"no object at {body:#x}: its type would be at {stored:#x}, where none is")
        at = address + self.structure.offset(self._field)
        if at >> 12 not in reasons:
            reasons[at >> 12] = unreadable(self.kernel.space, at, 1)
        known = reasons[at >> 12]
        return Absent(known.kind, f"{at:#x}: {known.reason.partition(': ')[2]}")


POINTED, INDEXED = "Type", "TypeIndex"
"""Field of a header with the object's type: its address, or its place in the table."""


def type_field(kernel: Kernel) -> str:
    """Which field of a header tells an object's type in this Windows."""
    return POINTED if POINTED in kernel.build[OBJECT_HEADER] else INDEXED


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
    first = FIRST_POINTED if type_field(kernel) == POINTED else FIRST_TYPE
    by_code = _by_code(kernel, first) if isinstance(table, Absent) else None
    if by_code is not None:
        rows, problems = _rows(kernel, by_code, first)
        problems.append(f"the table of object types: {table}; the kernel's own {FUNCTION} names {by_code:#x}")
        table = by_code
    elif isinstance(table, Absent):
        rows = dict(exported)
        problems = [f"the table of object types: {table}"]
    else:
        rows, problems = _rows(kernel, table, first)
        listed = {row.address for row in rows.values()}
        lacking = {i: row for i, row in exported.items() if i not in rows and row.address not in listed}
        rows |= lacking
        if lacking:
            names = ", ".join(sorted(row.name for row in lacking.values()))
            problems.append(f"the table of object types lacks {names}, which the kernel exports")
    if type_field(kernel) == POINTED:
        more = _by_headers(kernel, rows)
        rows |= more
        if more and not isinstance(table, Absent):
            names = ", ".join(sorted(row.name for row in more.values()))
            problems.append(f"the table of object types lacks {names}, which the directory of types holds")
        return ObjectTypes(dict(sorted(rows.items())), table, None, tuple(problems))
    cookie, doubt = type_cookie(kernel, {row.name: (index, row.address) for index, row in rows.items()})
    if doubt:
        problems.append(doubt)
    return ObjectTypes(dict(sorted(rows.items())), table, cookie, tuple(problems))


def _exported(kernel: Kernel) -> dict[int, ObjectType]:
    """The types that exported variables point at, where they are what the variable's name says."""
    try:
        image = kernel.image
    except ValueError:
        return {}
    pointers = []
    for variable in EXPORTED_TYPES:
        where = image.export(variable)
        pointers.append((None if where is None else kernel.view.pointer(where)) or 0)
    read = _read_types(kernel, pointers)
    named = zip(EXPORTED_TYPES.values(), read, strict=True)
    return {row.index: row for name, row in named if isinstance(row, ObjectType) and row.name == name}


def _by_headers(kernel: Kernel, rows: Mapping[int, ObjectType]) -> dict[int, ObjectType]:
    """The types that are not in the table: what most types' own headers have as type, and all in their directory."""
    headers = Headers(kernel, addresses_of([row.address for row in rows.values()]))
    if not headers.records.whole.any():
        return {}
    stored = Counter(headers.records.array(POINTED)[headers.records.whole].tolist())
    kind = stored.most_common(1)[0][0]  # the type Type, which is of itself
    above = headers.optional(OBJECT_HEADER_NAME_INFO)
    infos = kernel.view.records(OBJECT_HEADER_NAME_INFO, above[above != 0]) if above.any() else None
    directories = addresses_of([]) if infos is None else distinct(infos.array("Directory").astype(np.uint64))[0]
    directories = directories[directories >= np.uint64(kernel.system_start)][:DIRECTORIES]
    objects = np.append(listed(kernel, directories), np.uint64(kind))
    behind = Headers(kernel, objects)
    objects = objects[behind.records.whole & (behind.records.array(POINTED).astype(np.uint64) == np.uint64(kind))]
    known = {row.address for row in rows.values()}
    wanted = [at for at in distinct(objects)[0].tolist() if at not in known][:TYPE_LIMIT]
    found: dict[int, ObjectType] = {}
    for row in _read_types(kernel, wanted):
        if isinstance(row, ObjectType):
            fits = 0 < row.index < TYPE_LIMIT and row.index not in rows and row.index not in found
            index = row.index if fits else max([TYPE_LIMIT, *found]) + 1
            found[index] = replace(row, index=index)
    return found


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
    indexes = {row.address: row.index for row in exported.values()}
    votes = Counter(place - size * indexes[at] for at, place in words.places_of(list(indexes))).most_common(2)
    if votes and votes[0][1] >= 2 and (len(votes) < 2 or votes[0][1] > votes[1][1]):
        return votes[0][0]
    return _run(kernel, words) or Absent(
        Kind.UNREADABLE if words.missing else Kind.IMPLAUSIBLE,
        f"nowhere in {len(words.pages)} pages of the kernel's writable sections ({words.missing} of them cannot be"
        " read) do types stand at their own index",
    )


def _by_code(kernel: Kernel, first: int) -> int | None:
    """The table that the kernel's own function reads, if most of the types in it are at the place that they name."""
    code = type_code(kernel)
    if code is None or code.table is None:
        return None
    size = kernel.build.pointer_size
    data = kernel.space.read_many(addresses_of([code.table + size * i for i in range(first, TYPE_LIMIT)]), size)[0]
    pointers = data.view(f"<u{size}").reshape(-1).tolist()
    known = pointers[: pointers.index(0)] if 0 in pointers else pointers
    right = [
        isinstance(row, ObjectType) and row.index == first + at for at, row in enumerate(_read_types(kernel, known))
    ]
    return code.table if sum(right) >= 2 and 2 * sum(right) > len(right) else None


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


def _rows(kernel: Kernel, table: int, first: int) -> tuple[dict[int, ObjectType], list[str]]:
    """The types in the table; what is odd about it."""
    size = kernel.build.pointer_size
    places = np.uint64(table) + np.arange(TYPE_LIMIT, dtype=np.uint64) * np.uint64(size)
    data, there = kernel.space.read_many(places, size)
    pointers = data.view(f"<u{size}").reshape(-1).astype(np.uint64).tolist()
    end = next((i for i in range(first, TYPE_LIMIT) if there[i] and not pointers[i]), TYPE_LIMIT)
    rows: dict[int, ObjectType] = {}
    problems: list[str] = []
    for index, row in zip(range(first, end), _read_types(kernel, pointers[first:end]), strict=True):
        if not there[index]:
            problems.append(f"object type {index}: {unreadable(kernel.space, int(places[index]), size)}")
        elif isinstance(row, Absent):
            problems.append(f"object type {index}: {row}")
        else:  # its place in the table is what headers name, whatever the type says of itself
            rows[index] = replace(row, index=index)
            if row.index != index:
                problems.append(f"object type {index}: {row.name} at {row.address:#x} says that it is {row.index}")
    return rows, problems
