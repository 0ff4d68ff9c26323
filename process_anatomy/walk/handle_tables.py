"""Handle tables of all processes at once, and the table of process and thread ids, which has the same form.

A table is a page of entries; a page of pointers to such pages; or a list of pointers to such pages of pointers.  The
level stands in the two lowest bits of the table's address.  The first entry of each page of entries is the table's
own and never a handle; a handle's value is four times the number of its entry.
Source: Russinovich, Solomon and Ionescu, "Windows Internals", part 2, chapter 8 (Object handles).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from process_anatomy.absent import Absent, Kind
from process_anatomy.kernel.identify import KERNEL_HALF, Kernel
from process_anatomy.kernel.variables import variables
from process_anatomy.memory import paging
from process_anatomy.memory.address_space import AddressSpace
from process_anatomy.memory.space import Addresses, Mask, Octets, distinct
from process_anatomy.memory.view import Records, addresses_of, unreadable
from process_anatomy.walk.processes import Process
from structs.eprocess import EPROCESS
from structs.handle import HANDLE_TABLE, HANDLE_TABLE_ENTRY
from structs.layout import Structure
from structs.object import OBJECT_HEADER

PAGE = 0x1000
VALUE_STEP = 4
"""Handle values count in fours: the two lowest bits are the caller's own."""
HANDLE_LIMIT = 1 << 24
"""Handles of one process at the most, which is Windows' own limit."""
LEVELS = 3
PROTECT, INHERIT, AUDIT = 0x1, 0x2, 0x4
"""Attributes of an entry: closing it is refused; children get it too; closing it is audited."""
ENTRY_LIMIT = 1 << 20
"""Entries in use that are read of all tables together; the rest are counted and told."""
LIST_LIMIT, PAGE_LIMIT = 1 << 13, 1 << 17
"""Pages of pointers, and pages of entries, of all tables together; where there are more, small tables come first."""
SLICE = 1 << 10
"""Pages of entries that are read in one step: 4 MB."""
CANDIDATES = 1 << 14
"""Words of the kernel that are followed to see whether they lead to the table of ids."""
WITNESSES = 64
"""Processes that the table of ids may be known by."""

Numbers = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class HandleTable:
    """The handle table of one process.

    Attributes:
        address: of the _HANDLE_TABLE; not applicable for a process without one.
        levels: 1 to 3: how many steps lead to an entry.
        count: handles in use, as the table says.
        found: handles in use that were found.
        problems: what is odd or could not be read, one line each.
    """

    address: int | Absent
    levels: int | Absent
    count: int | Absent
    found: int
    problems: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Entries:
    """Entries in use, of many tables; every array has the shape (n,), ordered by table and handle value.

    Attributes:
        owner: number of the table that each belongs to.
        value: handle value, or process or thread id.
        object: address of the object's body.
        access: GrantedAccess.
        attributes: a sum of :data:`PROTECT`, :data:`INHERIT` and :data:`AUDIT`.
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


@dataclass(frozen=True, slots=True)
class HandleTables:
    """The handle tables of some processes.

    Attributes:
        tables: one for each process, in their order.
        entries: the handles; ``owner`` is the number of the process.
    """

    tables: tuple[HandleTable, ...]
    entries: Entries


@dataclass(frozen=True, slots=True)
class CidTable:
    """The table of process and thread ids (PspCidTable).

    Attributes:
        address: of its _HANDLE_TABLE, or why it was not found.
        entries: ids (``value``) and the bodies of processes and threads (``object``).
        problems: what is odd or could not be read, one line each.
    """

    address: int | Absent
    entries: Entries
    problems: tuple[str, ...]


def handle_tables(kernel: Kernel, processes: Sequence[Process]) -> HandleTables:
    """The handles of these processes, all tables walked together, level by level."""
    pointers = kernel.view.records(EPROCESS, addresses_of([p.address for p in processes])).values("ObjectTable")
    where = [p if isinstance(p, int) and p >= KERNEL_HALF else 0 for p in pointers]
    records = kernel.view.records(HANDLE_TABLE, addresses_of(where))
    codes, counts, ids = (records.values(name) for name in ("TableCode", "HandleCount", "UniqueProcessId"))
    gone = [_without(p, kernel) for p in pointers]
    start = [code if isinstance(code, int) and why is None else 0 for code, why in zip(codes, gone, strict=True)]
    lack = _undecodable(kernel)
    body = kernel.build[OBJECT_HEADER].offset("Body")
    walk = _Walk(kernel, len(processes))
    entries = NO_ENTRIES if lack else walk.entries(start, body)
    found = np.bincount(entries.owner, minlength=len(processes)).tolist()
    tables = []
    for row, process in enumerate(processes):
        why, code, count = gone[row], codes[row], counts[row]
        if why is not None:
            tables.append(
                HandleTable(why, why, why, 0, () if why.kind is Kind.NOT_APPLICABLE else (f"handles: {why}",))
            )
            continue
        problems = [lack] if lack else list(walk.problems[row])
        problems += [f"handle table: {value}" for value in (code, count) if isinstance(value, Absent)]
        if isinstance(ids[row], int) and isinstance(process.pid, int) and ids[row] != process.pid:
            problems.append(f"its handle table says that it belongs to process {ids[row]}")
        if not problems and isinstance(count, int) and count != found[row]:
            problems.append(f"its handle table counts {count} handles in use, {found[row]} are there")
        levels = code if isinstance(code, Absent) else (code & LEVELS) + 1
        if isinstance(levels, int) and levels > LEVELS:
            levels = Absent(Kind.IMPLAUSIBLE, f"a handle table of {levels} levels")
        tables.append(HandleTable(where[row], levels, count, found[row], tuple(problems)))
    return HandleTables(tuple(tables), entries)


def _without(pointer: int | Absent, kernel: Kernel) -> Absent | None:
    """Why a process has no table to walk; ``None`` where it has one."""
    if isinstance(pointer, Absent):
        return pointer
    if pointer == 0:
        return Absent(Kind.NOT_APPLICABLE, "the process has no handle table")
    if pointer < KERNEL_HALF or pointer % kernel.build.pointer_size:
        return Absent(Kind.IMPLAUSIBLE, f"no handle table at {pointer:#x}: that is no kernel address")
    return None


def _undecodable(kernel: Kernel) -> str:
    """Why entries of this build's tables cannot be told; empty where they can."""
    if HANDLE_TABLE_ENTRY not in kernel.build:
        return f"handles: the layout {kernel.build.name} has no _HANDLE_TABLE_ENTRY"
    structure = kernel.build[HANDLE_TABLE_ENTRY]
    needed = {"ObjectPointerBits", "GrantedAccessBits", "Attributes"}
    if kernel.build.pointer_size != 8 or not needed <= structure.places.keys():
        return f"handles: the entries of {kernel.build.name} have an older form, which is not read yet"
    return ""


class _Walk:
    """A walk of many tables at once.

    Attributes:
        problems: by number of the table, what is odd or could not be read.
    """

    def __init__(self, kernel: Kernel, count: int) -> None:
        self.kernel = kernel
        self.size = kernel.build.pointer_size
        self.problems: list[list[str]] = [[] for _ in range(count)]

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
        pointers = data.view(f"<u{self.size}").astype(np.uint64)
        rows, columns = np.nonzero(pointers)
        return self._plausible(owner[rows], first[rows] + columns * span, pointers[rows, columns], PAGE)

    def _plausible(
        self, owner: Numbers, first: Numbers, address: Addresses, alignment: int
    ) -> tuple[Numbers, Numbers, Addresses]:
        """Without pointers that no part of a table can have."""
        good = (address >= np.uint64(KERNEL_HALF)) & (address % np.uint64(alignment) == 0)
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
        count = PAGE // structure.sizeof
        records = data.view(structure.dtype).reshape(len(leaf), count)
        bits = structure.column(records, "ObjectPointerBits")
        bits[:, 0] = 0  # the table's own
        rows, columns = np.nonzero(bits)
        used = records[rows, columns]
        low, shift = _sign_extended(bits[rows, columns], structure)
        return Entries(
            owner[rows],
            (first[rows] + columns) * VALUE_STEP,
            (low << shift) + np.uint64(body),
            structure.column(used, "GrantedAccessBits").astype(np.int64),
            structure.column(used, "Attributes").astype(np.int64),
            leaf[rows] + columns.astype(np.uint64) * np.uint64(structure.sizeof),
        )

    def _piecewise(self, data: Octets, there: Mask, address: Addresses, size: int) -> None:
        """Fill in what is there of parts that are not whole: a page is there or not, but a small dump has pieces."""
        aligned = isinstance(self.kernel.space, AddressSpace) & (address % np.uint64(PAGE) == 0)
        for row in np.flatnonzero(~there & ~aligned).tolist():
            for place in range(0, data.shape[1], size):
                part = self.kernel.space.read(int(address[row]) + place, size) or bytes(size)
                data[row, place : place + size] = np.frombuffer(part, dtype=np.uint8)

    def _unread(self, owner: Numbers, address: Addresses, size: int, what: str) -> None:
        """Note which parts could not be read: for each table the first, and how many more."""
        counts: dict[int, list[int]] = {}
        for row, table in enumerate(owner.tolist()):
            counts.setdefault(table, [row, 0])[1] += 1
        for table, (row, count) in counts.items():
            more = f" (and {count - 1} more)" if count > 1 else ""
            reason = unreadable(self.kernel.space, int(address[row]), size)
            self.problems[table].append(f"a {what} cannot be read{more}: {reason}")


def _sign_extended(bits: Addresses, structure: Structure) -> tuple[Addresses, np.uint64]:
    """Pointers without their lowest four bits; the highest bit that is kept stands for all above it."""
    kept = structure.places["ObjectPointerBits"].bits or 0
    above = np.uint64((1 << 60) - (1 << kept))
    high = bits >> np.uint64(kept - 1) & np.uint64(1) != 0
    whole: Addresses = np.where(high, bits | above, bits)
    return whole, np.uint64(4)


def _joined(parts: Sequence[Entries]) -> Entries:
    if not parts:
        return NO_ENTRIES
    names = ("owner", "value", "object", "access", "attributes", "entry")
    return Entries(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))


NO_ENTRIES = Entries(
    np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.uint64),
    np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.uint64),
)  # fmt: skip


def cid_table(kernel: Kernel, processes: Sequence[Process] = ()) -> CidTable:
    """The table of process and thread ids, found by what must be true of it: it maps System's id to System.

    Args:
        kernel: where to look.
        processes: more processes that it may be known by, where System's own entry is damaged.
    """
    lack = _undecodable(kernel)
    if lack:
        return CidTable(Absent(Kind.NOT_IN_BUILD, lack), NO_ENTRIES, (lack,))
    address = _cid_address(kernel, processes)
    if isinstance(address, Absent):
        return CidTable(address, NO_ENTRIES, (f"the table of process and thread ids: {address}",))
    table: Records = kernel.view.records(HANDLE_TABLE, addresses_of([address]))
    walk = _Walk(kernel, 1)
    entries = walk.entries(table.array("TableCode").astype(np.uint64).tolist(), 0)
    problems = list(walk.problems[0])
    count = table.values("HandleCount")[0]
    if not problems and isinstance(count, int) and count != len(entries):
        problems.append(f"the table of ids counts {count} entries in use, {len(entries)} are there")
    return CidTable(address, entries, tuple(problems))


def _cid_address(kernel: Kernel, processes: Sequence[Process]) -> int | Absent:
    """Address of the _HANDLE_TABLE that a word of the kernel points at and that leads from ids to processes."""
    words = variables(kernel)
    if words.problem:
        return Absent(Kind.UNREADABLE, words.problem)
    system = kernel.view.records(EPROCESS, addresses_of([kernel.system])).values("UniqueProcessId")[0]
    witnesses = [(system, kernel.system), *((p.pid, p.address) for p in processes[:WITNESSES])]
    known = dict.fromkeys((pid, at) for pid, at in witnesses if isinstance(pid, int) and 0 < pid < HANDLE_LIMIT)
    candidates = words.pointers(kernel, kernel.build.pointer_size)[:CANDIDATES]
    place = kernel.build[HANDLE_TABLE].place("TableCode")
    data, there = kernel.space.read_many(candidates + np.uint64(place.offset), place.size)
    codes = data.view(f"<u{place.size}").reshape(-1).astype(np.uint64)
    likely = there & (codes >= np.uint64(KERNEL_HALF)) & (codes & np.uint64(LEVELS) < LEVELS)
    candidates, codes = candidates[likely], codes[likely]
    votes = np.zeros(len(candidates), dtype=np.int64)
    for pid, process in known:
        votes += _looked_up(kernel, codes, pid) == np.uint64(process)
        if votes.any():
            break
    if not votes.any():
        gone = f" ({words.missing} of them cannot be read)" if words.missing else ""
        return Absent(
            Kind.UNREADABLE if words.missing else Kind.IMPLAUSIBLE,
            f"no word in {len(words.pages)} pages of the kernel's writable sections{gone} leads from a process id to"
            " its process",
        )
    return int(candidates[int(np.argmax(votes))])


def _looked_up(kernel: Kernel, codes: Addresses, value: int) -> Addresses:
    """What each table has for a handle value, shape (n,); 0 for nothing."""
    structure = kernel.build[HANDLE_TABLE_ENTRY]
    size = kernel.build.pointer_size
    number = value // VALUE_STEP
    per_leaf, per_page = PAGE // structure.sizeof, PAGE // size
    level = (codes & np.uint64(LEVELS)).astype(np.int64)
    at: Addresses = codes & ~np.uint64(LEVELS)
    at[(level == 0) & (number >= per_leaf)] = 0
    for step, span in ((2, per_leaf * per_page), (1, per_leaf)):
        rows = np.flatnonzero(level >= step)
        index = number // span % per_page
        data, there = kernel.space.read_many(at[rows] + np.uint64(size * index), size)
        pointers = data.view(f"<u{size}").reshape(-1).astype(np.uint64)
        at[rows] = np.where(there, pointers, np.uint64(0))
    unique, back = distinct(at)
    places = np.where(unique != 0, unique + np.uint64(structure.sizeof * (number % per_leaf)), np.uint64(0))
    records = kernel.view.records(HANDLE_TABLE_ENTRY, places)
    low, shift = _sign_extended(records.array("ObjectPointerBits").astype(np.uint64), structure)
    found: Addresses = (low << shift)[back]
    return found
