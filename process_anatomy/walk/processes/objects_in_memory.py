"""What must be true of a process or a thread wherever it lies in memory, and whether it is.

What is in place, where the kernel's page tables have it, may fail a check or two; anything else must pass every one.
A process has more to prove than that its fields are plausible, for whatever fills memory is plausible somewhere: its
page-table root maps the kernel that is looked at, or its lists lead back to it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from process_anatomy.filetime import EARLIEST, LATEST
from process_anatomy.kernel.identify import SYSTEM_PID, Kernel
from process_anatomy.kernel.kernel import PID_LIMIT
from process_anatomy.kernel.objects import object_headers
from process_anatomy.memory.address_space import AddressSpace
from process_anatomy.memory.paging import READABLE
from process_anatomy.memory.physical import PAGE
from process_anatomy.memory.space import Addresses, Mask, Octets, Space
from structs.eprocess import EPROCESS
from structs.ethread import ETHREAD
from structs.layout import Layout, Structure

LOCK_MASK = 0x7F
"""Without the bit of a locked dispatcher object."""
SIZED = 64
"""Processes of the active list that are asked for the size in their headers."""
ROOT_BITS = 0x3
"""Bits of a 64-bit Windows's page-table root that are no part of the address: the number of the address space."""
LISTS_BACK = 2
"""Lists of a process that lead back to it, where all of them can be followed."""

Numbers = npt.NDArray[np.int64]
Check = Callable[[Any], Any]


@dataclass(frozen=True, slots=True)
class Kind:
    """What one kind of object looks like.

    Attributes:
        layout: its declaration.
        number: the kind that its header states.
        tag: of its pool block, as a number.
        heads: list heads that are empty most of the time.
        entries: list heads and links that an entry elsewhere points back to.
        allowed: checks that an object in place may fail.
    """

    layout: Layout
    number: int
    tag: int
    heads: tuple[str, ...]
    entries: tuple[str, ...]
    allowed: int


PROCESS = Kind(
    EPROCESS,
    3,
    int.from_bytes(b"Proc", "little"),
    ("HeaderWaitListHead", "ProfileListHead"),
    ("ThreadListHeadPcb", "ThreadListHead", "ActiveProcessLinks"),
    2,
)
THREAD = Kind(
    ETHREAD,
    6,
    int.from_bytes(b"Thre", "little"),
    ("HeaderWaitListHead", "MutantListHead"),
    ("ThreadListEntry",),
    1,
)


class Judge:
    """Tells which objects of one kind are what they look like.

    Args:
        kernel: the kernel.
        space: its address space.
        kind: of the objects.
    """

    def __init__(self, kernel: Kernel, space: AddressSpace, kind: Kind) -> None:
        self.kernel, self.space, self.kind = kernel, space, kind
        self.structure = kernel.build[kind.layout]
        self.size = header_size(kernel) if kind is PROCESS else None
        self.lists = [self.structure.offset(name) for name in (*kind.heads, *kind.entries) if name in self.structure]

    def headed(self, octets: Octets) -> Mask:
        """Which objects state their kind, and the size that the header of every process of this Windows states."""
        if self.kind is PROCESS:
            return is_headed(octets, size_place(self.structure), self.size)
        found: Mask = octets[:, 0] & np.uint8(LOCK_MASK) == self.kind.number
        return found

    def proved(
        self, octets: Octets, known: Numbers, address: Addresses, in_place: Mask, tagged: Mask
    ) -> Iterator[tuple[int, tuple[str, ...], int]]:
        """Of objects, those that pass: row, checks that failed, address of the owner.

        Args:
            octets: of each object.
            known: how many of them are certain to be its own.
            address: virtual, as the object itself tells it; 0 where it tells none.
            in_place: whether it lies where the kernel's page tables have it.
            tagged: whether the tag of a pool block led to it, or a table that holds nothing else.
        """
        records = octets.view(self.structure.dtype).reshape(-1)
        checks = self._checks(records, known)
        checks["kind"] = self.headed(octets)
        allowed = np.where(in_place, self.kind.allowed, 0)
        maps = np.zeros(len(records), dtype=np.bool_)
        if self.kind is PROCESS:
            rest = np.flatnonzero(_failures(checks) <= allowed + in_place)  # what follows reads memory for each
            part = records[rest]
            root, maps[rest] = self._roots(part, known[rest])
            proofs = self._proofs(part, known[rest], address[rest], in_place[rest], tagged[rest])
            for name, passed in (("page-table root", root), *proofs):
                checks[name] = np.zeros(len(records), dtype=np.bool_)
                checks[name][rest] = passed
        failed = _failures(checks)
        good = failed <= allowed
        if self.kind is PROCESS:  # nothing but a process has both
            alike, mapped = checks["lists"], maps
            more = np.where(mapped, np.where(alike, 1, 0), -1)
            good = np.where(in_place, (mapped | alike) & (failed <= allowed + more), good)
        owners = self.structure.column(records, "Process") if "Process" in self.structure else None
        for row in np.flatnonzero(good).tolist():
            doubts = tuple(name for name, passed in checks.items() if not passed[row])
            yield row, doubts, 0 if owners is None else int(owners[row])

    def _checks(self, records: npt.NDArray[np.void], known: Numbers) -> dict[str, Mask]:
        """What must be true of an object's own fields, each for all records; what is not readable passes."""
        if self.kind is THREAD:
            return {
                "client id": self._all(records, known, is_id, "UniqueThread", "UniqueProcess"),
                "process": self._unknown(known, "Process") | self._owned(records, known),
                "links": self._links(records, known, "ThreadListEntry"),
                "times": self._all(records, known, _is_time, "CreateTime"),
            }
        ids = self.structure.column(records, "UniqueProcessId")
        return {
            "process id": self._unknown(known, "UniqueProcessId") | (is_id(ids) & (ids > 0)),
            "links": self._links(records, known, "ActiveProcessLinks"),
            "name": self._unknown(known, "ImageFileName") | self._named(records),
            "times": self._lived(records, known),
            "token": self._all(
                records,
                known,
                lambda v: kernel_address(self.space, v & ~np.uint64(self.kernel.build.fast_ref)),
                "Token",
            ),
        }

    def _owned(self, records: npt.NDArray[np.void], known: Numbers) -> Mask:
        """Whether a thread names a process as its own: one with the id that the thread has for it, or with a header.

        A process that cannot be read may be one.
        """
        process = self.structure.column(records, "Process").astype(np.uint64)
        at = np.where(kernel_address(self.space, process), process, np.uint64(0))
        owner = self.kernel.build[EPROCESS]
        place, width = owner.place("UniqueProcessId"), self.space.pointer_size
        octets, there = self.space.read_many(at + np.uint64(place.offset), width)
        ids = octets.view(f"<u{width}").reshape(-1).astype(np.uint64)
        first, readable = self.space.read_many(at, size_place(owner) + 1)
        same = self._unknown(known, "UniqueProcess") | (ids == self.structure.column(records, "UniqueProcess"))
        headed: Mask = is_headed(first, size_place(owner), header_size(self.kernel))
        owned: Mask = (at != 0) & (~there | ~readable | same | headed)
        return owned

    def _lived(self, records: npt.NDArray[np.void], known: Numbers) -> Mask:
        """Whether a process has a time of creation, as all but System have, and did not end before it."""
        made, ended = (self.structure.column(records, name) for name in ("CreateTime", "ExitTime"))
        lived: Mask = (made != 0) | (self.structure.column(records, "UniqueProcessId") == SYSTEM_PID)
        whole = ~self._unknown(known, "ExitTime") & ~self._unknown(known, "CreateTime")
        lived &= ~whole | (ended == 0) | (ended >= made)
        lived |= self._unknown(known, "CreateTime")
        return lived & self._all(records, known, _is_time, "CreateTime", "ExitTime")

    def _proofs(
        self, records: npt.NDArray[np.void], known: Numbers, address: Addresses, in_place: Mask, tagged: Mask
    ) -> Iterator[tuple[str, Mask]]:
        """What is true of a process beyond its own fields, each for all records."""
        leads, astray = self._lists(records, known, address, in_place)
        yield "lists", (leads >= LISTS_BACK) | ((leads > 0) & (astray == 0))
        yield "pointers", in_place | self._leads_here(records, address)
        typed = tagged.copy()
        rest = np.flatnonzero(~tagged & in_place)
        typed[rest] = object_headers(self.kernel, address[rest]).are("Process")
        yield "object header", typed

    def _roots(self, records: npt.NDArray[np.void], known: Numbers) -> tuple[Mask, Mask]:
        """Whether a page-table root can be a process's, and whether it maps the kernel.

        It must be in the image and map the kernel; of an ended process its page may be used again.
        """
        roots = self.structure.column(records, "DirectoryTableBase").astype(np.uint64)
        mask = self.space.mode.root_mask
        rest = roots & np.uint64((mask & -mask) - 1)
        where = roots & np.uint64(mask)
        here = (rest <= np.uint64(ROOT_BITS if self.space.pointer_size == 8 else 0)) & (where > 0)
        here &= (where | rest) == roots
        here &= holds_root(self.space, where)
        maps: Mask = here.copy()
        probe = np.full(int(here.sum()), self.kernel.base, dtype=np.uint64)
        own, readable, _ = self.space.translate(probe[:1])
        if len(probe) and readable[0] <= READABLE:
            physical, state, _ = self.space.translate(probe, where[here])
            maps[here] = (state <= READABLE) & (physical == own[0])
        unknown = self._unknown(known, "DirectoryTableBase")
        ended = (self.structure.column(records, "ExitTime") != 0) & ~self._unknown(known, "ExitTime")
        return unknown | maps | (ended & (here | (roots == 0))), maps & ~unknown

    def _leads_here(self, records: npt.NDArray[np.void], address: Addresses) -> Mask:
        """Whether what is not in place was this system's: something that it points at is there.

        A process of another system, whose memory lies in this one's, points into that system's own space.
        """
        links = self.structure.column(records, "ActiveProcessLinks")
        token = self.structure.column(records, "Token") & ~np.uint64(self.kernel.build.fast_ref)
        leads = np.zeros(len(records), dtype=np.bool_)
        for values in (address, links["Flink"], links["Blink"], token):
            at = values.astype(np.uint64)
            fits = kernel_address(self.space, at)
            leads |= fits & self.space.read_many(np.where(fits, at, np.uint64(0)), 1)[1]
        return leads

    def _lists(
        self, records: npt.NDArray[np.void], known: Numbers, address: Addresses, in_place: Mask
    ) -> tuple[Numbers, Numbers]:
        """Of each process, how many lists lead back to it, and how many lead somewhere else.

        What is not in place can only have lists that are empty, and so tell its address: no memory that the kernel
        has there is its own.
        """
        leads = np.zeros(len(records), dtype=np.int64)
        astray = np.zeros(len(records), dtype=np.int64)
        octets = records.view(np.uint8).reshape(len(records), self.structure.sizeof)
        width = self.space.pointer_size
        for offset in self.lists:
            pair = np.ascontiguousarray(octets[:, offset : offset + 2 * width]).view(f"<u{width}").astype(np.uint64)
            head = address + np.uint64(offset)
            seen = (known >= offset + 2 * width) & (address != 0)
            empty = (pair[:, 0] == head) & (pair[:, 1] == head)
            back, wrong = empty.copy(), np.zeros(len(records), dtype=np.bool_)
            full = np.flatnonzero(seen & in_place & ~empty)
            for side, other in ((0, width), (1, 0)):
                value = pair[full, side]
                fits = kernel_address(self.space, value)
                data, there = self.space.read_many(np.where(fits, value, np.uint64(0)) + np.uint64(other), width)
                returns = data.view(f"<u{width}").reshape(-1).astype(np.uint64) == head[full]
                back[full] |= fits & there & returns
                wrong[full] |= ~fits | (there & ~returns)
            leads += seen & back
            astray += seen & ~back & wrong
        return leads, astray

    def _unknown(self, known: Numbers, field: str) -> Mask:
        place = self.structure.place(field)
        unknown: Mask = known < place.offset + place.size
        return unknown

    def _all(self, records: npt.NDArray[np.void], known: Numbers, check: Check, *fields: str) -> Mask:
        """Whether each of these fields passes a check, or cannot be read."""
        passed = np.ones(len(records), dtype=np.bool_)
        for field in fields:
            passed &= self._unknown(known, field) | check(self.structure.column(records, field))
        return passed

    def _links(self, records: npt.NDArray[np.void], known: Numbers, field: str) -> Mask:
        both = self.structure.column(records, field)
        return self._unknown(known, field) | (
            kernel_address(self.space, both["Flink"]) & kernel_address(self.space, both["Blink"])
        )

    def _named(self, records: npt.NDArray[np.void]) -> Mask:
        """Whether a name begins with a character that is printed, and has no control characters up to its end."""
        names = np.ascontiguousarray(self.structure.column(records, "ImageFileName"))
        letters = names.view(np.uint8).reshape(len(records), -1)
        inside = np.logical_and.accumulate(letters != 0, axis=1)
        named: Mask = inside[:, 0] & ~(inside & ((letters < 0x20) | (letters == 0x7F))).any(axis=1)
        return named


def kernel_address(space: Space, values: Addresses) -> Mask:
    """Which values can be the address of something in system space, at a multiple of a pointer's size."""
    found: Mask = (values >= np.uint64(space.system_start)) & (values % np.uint64(space.pointer_size) == 0)
    return found


def holds_root(space: AddressSpace, values: Addresses) -> Mask:
    """Which page-table roots lie in memory that the image holds: between its first and its last byte may be nothing."""
    where = values & np.uint64(space.mode.root_mask)
    held: Mask = space.memory.locate(where, space.mode.table_size(0)) >= 0
    return held


def is_id(values: Addresses) -> Mask:
    """Which values can be the id of a process or a thread."""
    found: Mask = (values % np.uint64(4) == 0) & (values < np.uint64(PID_LIMIT))
    return found


def _is_time(values: Addresses) -> Mask:
    found: Mask = (values == 0) | ((values >= np.uint64(EARLIEST)) & (values < np.uint64(LATEST)))
    return found


def is_headed(octets: Octets, place: int, size: int | None) -> Mask:
    """Which octets begin as a process does: its kind and, at a place, the size that all state, where that is known."""
    found: Mask = octets[:, 0] & np.uint8(LOCK_MASK) == PROCESS.number
    if size is not None:
        found &= octets[:, place] == size
    return found


def size_place(structure: Structure) -> int:
    """Where the header of a process states its size; its start where the layout, a user's own, does not tell."""
    return structure.offset("HeaderSize") if "HeaderSize" in structure else 0


def _failures(checks: Mapping[str, Mask]) -> Numbers:
    """How many checks each object fails."""
    failed: Numbers = np.sum([~passed for passed in checks.values()], axis=0, dtype=np.int64)
    return failed


def header_size(kernel: Kernel) -> int | None:
    """What the headers of this Windows's processes state as their size; ``None`` where System's cannot be read.

    It is the same for all: that of _KPROCESS in units of four bytes, of which the header keeps the lowest eight bits.
    Asked are System and those that follow it on the list, so that one header that was changed decides nothing.
    """
    return kernel.once("size of a process's header", _header_size)


def _header_size(kernel: Kernel) -> int | None:
    structure = kernel.build[EPROCESS]
    if "HeaderSize" not in structure:
        return None
    links, place = structure.offset("ActiveProcessLinks"), size_place(structure)
    stated: list[int] = []
    process, seen = kernel.system, set[int]()
    while process not in seen and len(seen) < SIZED:
        seen.add(process)
        data = None if kernel.inside(process + links) else kernel.space.read(process, place + 1)
        if data is not None and data[0] & LOCK_MASK == PROCESS.number:
            stated.append(data[place])
        following = kernel.view.pointer(process + links)
        if following is None:
            break
        process = following - links
    return Counter(stated).most_common(1)[0][0] if stated else None


def proved(kernel: Kernel, addresses: Addresses) -> Mask:
    """Which virtual addresses are those of a process: it passes the checks that a process in place must pass."""
    structure = kernel.build[EPROCESS]
    data, whole = kernel.space.read_many(
        np.where(kernel_address(kernel.space, addresses), addresses, np.uint64(0)), structure.sizeof
    )
    if not isinstance(kernel.space, AddressSpace):
        return whole
    judge = Judge(kernel, kernel.space, PROCESS)
    known = np.where(whole, structure.sizeof, PAGE - (addresses % np.uint64(PAGE)).astype(np.int64))
    good = np.zeros(len(addresses), dtype=np.bool_)
    everywhere = np.ones(len(addresses), dtype=np.bool_)
    for row, _, _ in judge.proved(data, np.minimum(known, structure.sizeof), addresses, everywhere, ~everywhere):
        good[row] = True
    _, there = kernel.space.read_many(addresses, 1)
    good &= there & kernel_address(kernel.space, addresses)
    return good
