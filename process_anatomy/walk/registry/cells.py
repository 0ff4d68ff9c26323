"""Cells of a registry hive: from an index to the bytes, with nothing in them trusted.

Source of the format: Russinovich, Solomon and Ionescu, "Windows Internals", part 2, chapter 10; Suhanov,
"Windows registry file format specification" (the cells in memory are those of the file).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Generic, NamedTuple, TypeVar

from process_anatomy.absent import Absent, Kind
from process_anatomy.memory.space import Space
from process_anatomy.memory.view import unreadable
from structs.layout import Build, Structure
from structs.registry import CM_KEY_INDEX, HMAP_ENTRY

BLOCK = 0x1000
LARGEST_CELL = 1 << 20
"""Bytes of a cell at the most; longer values are kept in parts."""
SUBKEY_LIMIT = 1 << 16
LIST_LIMIT, LIST_DEPTH = 1 << 9, 4
"""Lists that lists lead to; Windows makes two levels, with some five hundred subkeys or more in each."""
CELL_COST, BUDGET = 1 << 8, 1 << 25
"""Bytes read of one hive at the most, with so many for each cell: many times what any question needs, and an end
for a hive that lies."""
REMEMBERED_BLOCKS = 1 << 10
PROBLEM_LIMIT = 16
VOLATILE, NOTHING = 0x80000000, 0xFFFFFFFF
ENTRY_SIZES = {b"lf": 8, b"lh": 8, b"li": 4, b"ri": 4}

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Listing(Generic[T]):
    """What a list held.

    Attributes:
        rows: in the order of the list.
        problems: what is odd or could not be read, one line each.
    """

    rows: tuple[T, ...]
    problems: tuple[str, ...]


def shortened(problems: list[str]) -> tuple[str, ...]:
    """The problems, no more than a reader can bear."""
    more = len(problems) - PROBLEM_LIMIT
    return (*problems[:PROBLEM_LIMIT], f"and {more} more of the like") if more > 0 else tuple(problems)


class Storage(NamedTuple):
    """One storage of a hive: bytes of its bins, and the address of the directory that maps them."""

    length: int | Absent
    map: int | Absent


class Content(NamedTuple):
    """Bytes of a cell as far as they could be read, and why there are no more; ``address`` is 0 where none could."""

    data: bytes
    address: int
    missing: Absent | None


class _Block(NamedTuple):
    address: int
    data: bytes | Absent


def number_in(structure: Structure, data: bytes, name: str) -> int:
    """A field of a structure in bytes that begin with it."""
    place = structure.place(name)
    return int.from_bytes(data[place.offset : place.offset + place.size], "little")


class Cells:
    """The cells of one hive, by index.

    Args:
        build: what the bytes mean.
        kernel: the kernel's address space.
        registry: the address space of the process Registry, where Windows since 10 maps most hives, or why
            there is none.
        storages: the stable and the volatile storage.
    """

    def __init__(
        self, build: Build, kernel: Space, registry: Space | Absent, storages: tuple[Storage, Storage]
    ) -> None:
        self.kernel, self.registry, self.storages = kernel, registry, storages
        self.build, self.pointer = build, build.pointer_size
        self.entry, self.index = build[HMAP_ENTRY], build[CM_KEY_INDEX]
        self.budget = BUDGET
        self._blocks: dict[int, _Block] = {}
        self._tables: dict[int, int | Absent] = {}

    def _table(self, number: int) -> int | Absent:
        """Address of the table that maps a stretch of 2 MB of cell indexes, the volatile bit above them."""
        if number not in self._tables:
            directory = self.storages[number >> 10].map
            if isinstance(directory, Absent):
                return directory
            at = directory + self.pointer * (number & 0x3FF)
            data = self.kernel.read(at, self.pointer)
            self._tables[number] = (
                unreadable(self.kernel, at, self.pointer) if data is None else int.from_bytes(data, "little")
            )
        return self._tables[number]

    def _find(self, number: int) -> _Block:
        """One block of the hive, by the upper twenty bits of its cells' indexes."""
        length = self.storages[number >> 19].length
        if isinstance(length, Absent):
            return _Block(0, length)
        if (number & 0x7FFFF) * BLOCK >= length:
            return _Block(0, Absent(Kind.IMPLAUSIBLE, f"cell {number << 12:#x} lies behind the end of the hive"))
        table = self._table(number >> 9)
        if isinstance(table, Absent):
            return _Block(0, table)
        size = self.entry.sizeof
        at = table + size * (number & 0x1FF)
        data = self.kernel.read(at, size)
        if data is None:
            return _Block(0, unreadable(self.kernel, at, size))
        if "PermanentBinAddress" in self.entry:
            address = number_in(self.entry, data, "PermanentBinAddress") & ~0xF
            address += number_in(self.entry, data, "BlockOffset") if address else 0
        else:
            address = number_in(self.entry, data, "BlockAddress")
        if not address:
            return _Block(0, Absent(Kind.UNREADABLE, f"the block of cell {number << 12:#x} is not mapped"))
        space = self.kernel if address >= self.kernel.system_start else self.registry
        if isinstance(space, Absent):
            return _Block(address, space)
        return _Block(address, space.read(address, BLOCK) or unreadable(space, address, BLOCK))

    def _read(self, index: int, size: int) -> Content:
        parts: list[bytes] = []
        first = 0
        while size > 0:
            number, inside = divmod(index, BLOCK)
            take = min(size, BLOCK - inside)
            if number not in self._blocks:
                if len(self._blocks) >= REMEMBERED_BLOCKS:
                    self._blocks.clear()
                self._blocks[number] = self._find(number)
            block = self._blocks[number]
            if isinstance(block.data, Absent):
                return Content(b"".join(parts), first, block.data)
            first = first or block.address + inside
            parts.append(block.data[inside : inside + take])
            index, size = (index & VOLATILE) | (index + take & ~VOLATILE), size - take
        return Content(b"".join(parts), first, None)

    def content(self, cell: int, most: int) -> Content:
        """Up to ``most`` bytes of a cell's content."""
        if cell % 8 or not 0 <= cell < NOTHING:
            return Content(b"", 0, Absent(Kind.IMPLAUSIBLE, f"{cell:#x} is no cell"))
        if self.budget < 0:
            return Content(
                b"", 0, Absent(Kind.IMPLAUSIBLE, f"more than {BUDGET >> 20} MB of the hive's cells were read")
            )
        self.budget -= CELL_COST
        head = self._read(cell, 4)
        if head.missing is not None:
            return Content(b"", 0, head.missing)
        size = -int.from_bytes(head.data, "little", signed=True)
        if not 8 <= size <= LARGEST_CELL or size % 8:
            what = "is free" if size < 0 else f"has {size} bytes"
            return Content(b"", head.address + 4, Absent(Kind.IMPLAUSIBLE, f"cell {cell:#x} {what}"))
        found = self._read(cell + 4, min(size - 4, most))
        self.budget -= len(found.data)
        return found._replace(address=head.address + 4)

    def whole(self, cell: int, size: int) -> Content:
        """``size`` bytes of a cell's content; a cell that is smaller says so."""
        found = self.content(cell, size)
        if found.missing is None and len(found.data) < size:
            return found._replace(
                missing=Absent(Kind.IMPLAUSIBLE, f"cell {cell:#x} holds {len(found.data)} of {size} bytes")
            )
        return found

    def entries(self, cell: int) -> Listing[int]:
        """Cells of the subkeys in a list of subkeys, lists of lists followed."""
        found: list[int] = []
        problems: list[str] = []
        seen: set[int] = set()
        pending = [(cell, 1)]
        while pending and len(found) <= SUBKEY_LIMIT and len(seen) < LIST_LIMIT:
            here, depth = pending.pop()
            if here in seen:
                problems.append(f"the list of subkeys in cell {here:#x} was reached before")
                continue
            seen.add(here)
            kind, cells, problem = self._entries_of(here)
            if problem:
                problems.append(problem)
            if kind != b"ri":
                found += cells
            elif depth >= LIST_DEPTH:
                problems.append(f"lists of subkeys are nested deeper than {LIST_DEPTH} levels in cell {here:#x}")
            else:
                pending += [(inner, depth + 1) for inner in reversed(cells)]
        if pending or len(found) > SUBKEY_LIMIT:
            problems.append(f"more than {SUBKEY_LIMIT} subkeys or {LIST_LIMIT} lists of them; the others are left out")
        return Listing(tuple(found[:SUBKEY_LIMIT]), shortened(problems))

    def _entries_of(self, cell: int) -> tuple[bytes, list[int], str]:
        """One list of subkeys: its signature, its cells and what is wrong with it."""
        head = self.index.offset("List")
        content = self.content(cell, head + 8 * 0xFFFF)
        kind = content.data[:2]
        size = ENTRY_SIZES.get(kind)
        if len(content.data) < head or size is None:
            return (
                kind,
                [],
                str(content.missing) if content.missing is not None else f"cell {cell:#x} holds no list of subkeys",
            )
        count = number_in(self.index, content.data, "Count")
        whole = min(count, (len(content.data) - head) // size)
        cells = [entry for (entry,) in struct.iter_unpack("<I", content.data[head : head + whole * size])]
        if whole == count:
            return kind, cells[:: size // 4], ""
        why = f"cell {cell:#x} is too small" if content.missing is None else content.missing
        return kind, cells[:: size // 4], f"only {whole} of the {count} entries of a list of subkeys are there: {why}"
