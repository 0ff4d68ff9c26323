"""Entries of handle tables, walked for many tables at once, level by level.

A table is a page of entries; a page of pointers to such pages; or a list of pointers to such pages of pointers.  The
level stands in the two lowest bits of the table's address.  The first entry of each page of entries is the table's
own and never a handle; a handle's value is four times the number of its entry.

What the bits of an entry mean is in :mod:`process_anatomy.kernel.handle_entries`.
Source: Russinovich, Solomon and Ionescu, "Windows Internals", part 2, chapter 8 (Object handles).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from process_anatomy.kernel.handle_entries import HANDLE_LIMIT, LEVELS, EntryForm
from process_anatomy.kernel.identify import Kernel
from process_anatomy.memory import paging
from process_anatomy.memory.address_space import AddressSpace
from process_anatomy.memory.physical import PAGE
from process_anatomy.memory.space import Addresses, Mask, Octets
from process_anatomy.memory.view import addresses_of, unreadable
from structs.handle import HANDLE_TABLE_ENTRY
from structs.layout import Structure

VALUE_STEP = 4
"""Handle values count in fours: the two lowest bits are the caller's own."""
ENTRY_LIMIT = 1 << 20
"""Entries in use that are read of all tables together; the rest are counted and told."""
LIST_LIMIT, PAGE_LIMIT = 1 << 13, 1 << 17
"""Pages of pointers, and pages of entries, of all tables together; where there are more, small tables come first."""
SLICE = 1 << 10
"""Pages of entries that are read in one step: 4 MB."""

Numbers = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Entries:
    """Entries in use, of many tables; every array has the shape (n,), ordered by table and handle value.

    Attributes:
        owner: number of the table that each belongs to.
        value: handle value, or process or thread id.
        object: address of the object's body.
        access: GrantedAccess.
        attributes: a sum of PROTECT, INHERIT and AUDIT.
        entry: address of the _HANDLE_TABLE_ENTRY.
    """

    owner: Numbers
    value: Numbers
    object: Addresses
    access: Numbers
    attributes: Numbers
    entry: Addresses

    def __len__(self) -> int:
        return len(self.owner)

    def where(self, rows: npt.NDArray[np.bool_] | npt.NDArray[np.intp]) -> Entries:
        """Only some of the entries: those of a mask, or those with these numbers."""
        return Entries(
            self.owner[rows], self.value[rows], self.object[rows], self.access[rows], self.attributes[rows],
            self.entry[rows],
        )  # fmt: skip


class EntryWalk:
    """A walk of many tables at once.

    Attributes:
        problems: by number of the table, what is odd or could not be read.
        blank: by number of the table, parts that hold zeros only.
    """

    def __init__(self, kernel: Kernel, count: int) -> None:
        self.kernel = kernel
        self.size = kernel.build.pointer_size
        self.problems: list[list[str]] = [[] for _ in range(count)]
        self.blank: list[list[str]] = [[] for _ in range(count)]

    def entries(self, codes: Sequence[int], body: int) -> Entries:
        """The entries in use.

        Args:
            codes: TableCode of each table, 0 for none.
            body: bytes from what an entry points at to the object's body.
        """
        structure = self.kernel.build[HANDLE_TABLE_ENTRY]
        per_leaf = PAGE // structure.sizeof
        owner, first, leaf = self._leaves(codes, per_leaf)
        parts: list[Entries] = []
        count = 0
        for start in range(0, len(leaf), SLICE):
            rows = slice(start, start + SLICE)
            part = self._read(structure, owner[rows], first[rows], leaf[rows], body)
            parts.append(part)
            count += len(part)
            if count > ENTRY_LIMIT:
                for table in set(owner[start + SLICE :].tolist()):
                    self.problems[table].append(f"more than {ENTRY_LIMIT} handles are in use; not all of them are read")
                break
        whole = _joined(parts)
        return whole.where(np.lexsort((whole.value, whole.owner)))

    def _leaves(self, codes: Sequence[int], per_leaf: int) -> tuple[Numbers, Numbers, Addresses]:
        """The pages of entries: which table each belongs to, number of its first entry, its address."""
        per_page = PAGE // self.size
        top = HANDLE_LIMIT // (per_leaf * per_page)  # all that a table of three levels can need
        found: list[tuple[Numbers, Numbers, Addresses]] = []
        levels = [code & LEVELS for code in codes]
        for row, (code, level) in enumerate(zip(codes, levels, strict=True)):
            if code and level >= LEVELS:
                self.problems[row].append(f"the handle table's code {code:#x} names a level that there is not")
        for level in range(LEVELS):
            rows = [row for row, code in enumerate(codes) if code and levels[row] == level]
            owner = np.array(rows, dtype=np.int64)
            first = np.zeros(len(rows), dtype=np.int64)
            address = addresses_of([codes[row] & ~LEVELS for row in rows])
            owner, first, address = self._plausible(owner, first, address, PAGE if level < 2 else self.size)
            if level == 2:
                parts = self._below(owner, first, address, top, per_leaf * per_page)
                owner, first, address = self._fewer(*self._once(*parts), LIST_LIMIT)
            if level:
                owner, first, address = self._below(owner, first, address, per_page, per_leaf)
            found.append((owner, first, address))
        whole = self._once(*(np.concatenate(parts) for parts in zip(*found, strict=True)))
        owner, first, address = self._fewer(*whole, PAGE_LIMIT)
        order = np.lexsort((first, owner, np.bincount(owner, minlength=len(codes))[owner]))
        return owner[order], first[order], address[order]

    def _fewer(
        self, owner: Numbers, first: Numbers, address: Addresses, limit: int
    ) -> tuple[Numbers, Numbers, Addresses]:
        """At most ``limit`` parts of tables: those of small tables whole, of large ones as many as there is room."""
        if len(owner) <= limit:
            return owner, first, address
        counts = np.bincount(owner)
        order = np.lexsort((first, owner, counts[owner]))
        left = order[limit:]
        for table in dict.fromkeys(owner[left].tolist()):
            self.problems[table].append("the image's handle tables have too many parts to read all of this one")
        kept = np.sort(order[:limit])
        return owner[kept], first[kept], address[kept]

    def _below(
        self, owner: Numbers, first: Numbers, address: Addresses, width: int, span: int
    ) -> tuple[Numbers, Numbers, Addresses]:
        """One level down: the pages that lists of ``width`` pointers lead to, ``span`` entries below each."""
        if not len(owner):
            return owner, first, address
        data, there = self.kernel.space.read_many(address, width * self.size)
        self._unread(owner[~there], address[~there], width * self.size, "list of a handle table's pages")
        self._piecewise(data, there, address, self.size)
        self._blank(owner, address, data, there, "list of a handle table's pages")
        pointers = data.view(f"<u{self.size}").astype(np.uint64)
        rows, columns = np.nonzero(pointers)
        return self._plausible(owner[rows], first[rows] + columns * span, pointers[rows, columns], PAGE)

    def _plausible(
        self, owner: Numbers, first: Numbers, address: Addresses, alignment: int
    ) -> tuple[Numbers, Numbers, Addresses]:
        """Without pointers that no part of a table can have."""
        good = (address >= np.uint64(self.kernel.system_start)) & (address % np.uint64(alignment) == 0)
        for table in dict.fromkeys(owner[~good].tolist()):
            bad = address[~good & (owner == table)]
            more = f" (and {len(bad) - 1} more)" if len(bad) > 1 else ""
            self.problems[table].append(f"its handle table has no part at {int(bad[0]):#x}{more}")
        return owner[good], first[good], address[good]

    def _once(self, owner: Numbers, first: Numbers, leaf: Addresses) -> tuple[Numbers, Numbers, Addresses]:
        """Each page once for each table: no page is in two places of one."""
        pages = leaf
        if isinstance(self.kernel.space, AddressSpace):
            physical, state, _ = self.kernel.space.translate(leaf)
            pages = np.where(state <= paging.READABLE, physical, leaf)
        order = np.lexsort((np.arange(len(leaf)), pages, owner))
        again = np.zeros(len(leaf), dtype=np.bool_)
        again[order[1:]] = (pages[order[1:]] == pages[order[:-1]]) & (owner[order[1:]] == owner[order[:-1]])
        for table in dict.fromkeys(owner[again].tolist()):
            count = int(np.count_nonzero(again & (owner == table)))
            self.problems[table].append(f"{count} pages of its handle table were reached before, elsewhere in it")
        return owner[~again], first[~again], leaf[~again]

    def _read(self, structure: Structure, owner: Numbers, first: Numbers, leaf: Addresses, body: int) -> Entries:
        """The entries in use of some pages."""
        data, there = self.kernel.space.read_many(leaf, PAGE)
        self._unread(owner[~there], leaf[~there], PAGE, "page of handles")
        self._piecewise(data, there, leaf, structure.sizeof)
        self._blank(owner, leaf, data, there, "page of handles")
        count = PAGE // structure.sizeof
        records = data.view(structure.dtype).reshape(len(leaf), count)
        form = EntryForm(structure)
        pointers = form.pointers(records)
        pointers[:, 0] = 0  # the table's own
        rows, columns = np.nonzero(pointers)
        used = records[rows, columns]
        return Entries(
            owner[rows],
            (first[rows] + columns) * VALUE_STEP,
            pointers[rows, columns] + np.uint64(body),
            form.access(used),
            form.attributes(used),
            leaf[rows] + columns.astype(np.uint64) * np.uint64(structure.sizeof),
        )

    def _piecewise(self, data: Octets, there: Mask, address: Addresses, size: int) -> None:
        """Fill in what is there of parts that are not whole: a page is there or not, but a small dump has pieces."""
        aligned = isinstance(self.kernel.space, AddressSpace) & (address % np.uint64(PAGE) == 0)
        for row in np.flatnonzero(~there & ~aligned).tolist():
            for place in range(0, data.shape[1], size):
                part = self.kernel.space.read(int(address[row]) + place, size) or bytes(size)
                data[row, place : place + size] = np.frombuffer(part, dtype=np.uint8)

    def _blank(self, owner: Numbers, address: Addresses, data: Octets, there: Mask, what: str) -> None:
        """Note parts that hold zeros alone: where handles are missing, they were there."""
        for row in np.flatnonzero(there & ~data.any(axis=1)).tolist():
            self.blank[int(owner[row])].append(f"a {what} holds zeros only, at {int(address[row]):#x}")

    def _unread(self, owner: Numbers, address: Addresses, size: int, what: str) -> None:
        """Note which parts could not be read: for each table the first, and how many more."""
        counts: dict[int, list[int]] = {}
        for row, table in enumerate(owner.tolist()):
            counts.setdefault(table, [row, 0])[1] += 1
        for table, (row, count) in counts.items():
            more = f" (and {count - 1} more)" if count > 1 else ""
            reason = unreadable(self.kernel.space, int(address[row]), size)
            self.problems[table].append(f"a {what} cannot be read{more}: {reason}")


def _joined(parts: Sequence[Entries]) -> Entries:
    if not parts:
        return NO_ENTRIES
    names = ("owner", "value", "object", "access", "attributes", "entry")
    return Entries(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))


NO_ENTRIES = Entries(
    np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.uint64),
    np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.uint64),
)  # fmt: skip
