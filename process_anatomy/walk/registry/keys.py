"""Keys and values of a registry hive, read from its cells."""

from __future__ import annotations

import struct
from collections.abc import Collection
from dataclasses import dataclass, field

from process_anatomy.absent import NOT_APPLICABLE, Absent, Kind
from process_anatomy.walk.registry.cells import Cells, Content, Listing, number_in, shortened
from structs.registry import CM_KEY_NODE, CM_KEY_VALUE

VALUE_LIMIT = 1 << 12
KEY_NAME_LIMIT, VALUE_NAME_LIMIT = 2 * 255, 2 * 16383
"""Bytes of a name: 255 characters for keys and 16,383 for values, by Microsoft's documentation."""
INLINE = 0x80000000
ASCII_KEY_NAME, ASCII_VALUE_NAME = 0x20, 0x1
SZ, EXPAND_SZ, DWORD, LINK, QWORD = 1, 2, 4, 6, 11
"""Types of values that are decoded; all others stay bytes."""
NUMBER_SIZES = {DWORD: 4, QWORD: 8}
LARGEST_VALUE = 0x3FD8
"""Bytes of data that one cell holds; more are kept in parts, which are not read."""

Data = str | int | bytes | Absent


@dataclass(frozen=True, slots=True)
class Key:
    """A key of a hive.

    Attributes:
        cell: index of its cell.
        address: of its _CM_KEY_NODE; where the hive is mapped in the process Registry, an address there.
        name: its own name, without the keys above.
        parent: cell of the key above.
        subkey_counts: numbers of stable and of volatile subkeys, as the key states them.
        subkey_lists: cells of the lists of both.
        value_count: number of values, as the key states it.
        value_list: cell of the list of values.
    """

    cell: int
    address: int
    name: str | Absent
    parent: int
    subkey_counts: tuple[int, int]
    subkey_lists: tuple[int, int]
    value_count: int
    value_list: int
    cells: Cells = field(repr=False, compare=False)

    def subkeys(self) -> Listing[Key]:
        """The keys directly below; what names another key as its parent is left out and told."""
        rows: list[Key] = []
        problems: list[str] = []
        seen: set[int] = set()
        for count, cell in zip(self.subkey_counts, self.subkey_lists, strict=True):
            if not count:
                continue
            listed = self.cells.entries(cell)
            problems += listed.problems
            before = len(rows)
            for entry in listed.rows:
                if entry in seen:
                    problems.append(f"the subkey in cell {entry:#x} is listed twice")
                    continue
                seen.add(entry)
                key = key_in(self.cells, entry)
                if isinstance(key, Absent):
                    problems.append(f"a subkey: {key}")
                elif key.parent != self.cell:
                    problems.append(f"the key in cell {entry:#x} is listed as a subkey, but is one of {key.parent:#x}")
                else:
                    rows.append(key)
            if len(rows) - before != count:
                problems.append(f"{count} subkeys are stated, {len(rows) - before} are there")
        return Listing(tuple(rows), shortened(problems))

    def values(self) -> Listing[Value]:
        """The values of the key."""
        if not self.value_count:
            return Listing((), ())
        rows: list[Value] = []
        problems: list[str] = []
        count = min(self.value_count, VALUE_LIMIT)
        if count < self.value_count:
            problems.append(f"{self.value_count} values are stated; no more than {VALUE_LIMIT} are read")
        content = self.cells.whole(self.value_list, 4 * count)
        if content.missing is not None:
            problems.append(f"the list of values: {content.missing}")
        for (cell,) in struct.iter_unpack("<I", content.data[: len(content.data) & ~3]):
            value = value_in(self.cells, cell)
            if isinstance(value, Absent):
                problems.append(f"a value: {value}")
            else:
                rows.append(value)
        return Listing(tuple(rows), shortened(problems))

    def data(self, names: Collection[str]) -> dict[str, Data]:
        """The data of some values by name, in any case; not applicable where the key has no such value."""
        wanted = {name.casefold(): name for name in names}
        listed = self.values()
        found: dict[str, Data] = {}
        for value in listed.rows:
            name = wanted.get(value.name.casefold()) if isinstance(value.name, str) else None
            if name is not None:
                found.setdefault(name, value.data())
        gone = next((value.name for value in listed.rows if isinstance(value.name, Absent)), NOT_APPLICABLE)
        if listed.problems:
            gone = Absent(Kind.UNREADABLE, listed.problems[0])
        return {name: found.get(name, gone) for name in names}


@dataclass(frozen=True, slots=True)
class Value:
    """A value of a key.

    Attributes:
        cell: index of its cell.
        address: of its _CM_KEY_VALUE.
        name: empty for the default value.
        type: number of its type, 1 for REG_SZ.
        length: DataLength as it is.
        where: cell of the data, or the data themselves.
    """

    cell: int
    address: int
    name: str | Absent
    type: int
    length: int
    where: int
    cells: Cells = field(repr=False, compare=False)

    def data(self) -> Data:
        """The data: text up to its first zero, a number, else bytes."""
        raw = self._raw()
        if isinstance(raw, Absent):
            return raw
        if self.type in (SZ, EXPAND_SZ, LINK):
            return raw[: len(raw) & ~1].decode("utf-16-le", "replace").partition("\0")[0]
        if self.type in NUMBER_SIZES:
            if len(raw) != NUMBER_SIZES[self.type]:
                return Absent(Kind.IMPLAUSIBLE, f"a number of {len(raw)} bytes")
            return int.from_bytes(raw, "little")
        return raw

    def _raw(self) -> bytes | Absent:
        if self.length & INLINE:
            length = self.length & ~INLINE
            if length > 4:
                return Absent(Kind.IMPLAUSIBLE, f"{length} bytes of data in a field of 4")
            return self.where.to_bytes(4, "little")[:length]
        if not self.length:
            return b""
        if self.length > LARGEST_VALUE:
            return Absent(Kind.UNREADABLE, f"{self.length} bytes of data; what is kept in parts is not read")
        content = self.cells.whole(self.where, self.length)
        return content.data if content.missing is None else content.missing


def key_in(cells: Cells, cell: int) -> Key | Absent:
    """The key in a cell."""
    node = cells.build[CM_KEY_NODE]
    head = node.offset("Name")
    content = _marked(cells, cell, head, head + KEY_NAME_LIMIT, b"nk", "key")
    if isinstance(content, Absent):
        return content
    data = content.data
    compressed = bool(number_in(node, data, "Flags") & ASCII_KEY_NAME)
    counts, lists = node.offset("SubKeyCounts"), node.offset("SubKeyLists")
    return Key(
        cell,
        content.address,
        _name(content, head, number_in(node, data, "NameLength"), KEY_NAME_LIMIT, compressed),
        number_in(node, data, "Parent"),
        struct.unpack_from("<II", data, counts),
        struct.unpack_from("<II", data, lists),
        number_in(node, data, "ValueCount"),
        number_in(node, data, "ValueList"),
        cells,
    )


def value_in(cells: Cells, cell: int) -> Value | Absent:
    """The value in a cell."""
    node = cells.build[CM_KEY_VALUE]
    head = node.offset("Name")
    content = _marked(cells, cell, head, head + VALUE_NAME_LIMIT, b"vk", "value")
    if isinstance(content, Absent):
        return content
    data = content.data
    compressed = bool(number_in(node, data, "Flags") & ASCII_VALUE_NAME)
    return Value(
        cell,
        content.address,
        _name(content, head, number_in(node, data, "NameLength"), VALUE_NAME_LIMIT, compressed),
        number_in(node, data, "Type"),
        number_in(node, data, "DataLength"),
        number_in(node, data, "Data"),
        cells,
    )


def _marked(cells: Cells, cell: int, head: int, most: int, mark: bytes, what: str) -> Content | Absent:
    """At most so many bytes of a cell; absent where they are fewer than a head or marked otherwise."""
    content = cells.content(cell, most)
    if len(content.data) < head or not content.data.startswith(mark):
        return _not_there(content, f"cell {cell:#x} holds no {what}")
    return content


def _not_there(content: Content, otherwise: str) -> Absent:
    return Absent(Kind.IMPLAUSIBLE, otherwise) if content.missing is None else content.missing


def _name(content: Content, head: int, length: int, limit: int, compressed: bool) -> str | Absent:
    """The name that lies behind the ``head`` bytes of a key or a value."""
    if length > limit or (length % 2 and not compressed):
        return Absent(Kind.IMPLAUSIBLE, f"a name of {length} bytes")
    data = content.data[head : head + length]
    if len(data) < length:
        return _not_there(content, f"a name of {length} bytes leaves its cell")
    return data.decode("latin-1" if compressed else "utf-16-le", "replace")
