"""What must be true of a process or a thread wherever it lies in memory, and whether it is.

What is in place, where the kernel's page tables have it, may fail a check or two; anything else must pass every one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from process_anatomy.filetime import EARLIEST, LATEST
from process_anatomy.kernel.identify import Kernel
from process_anatomy.kernel.kernel import PID_LIMIT
from process_anatomy.memory.address_space import AddressSpace
from process_anatomy.memory.physical import PAGE
from process_anatomy.memory.space import Addresses, Mask, Octets, Space
from structs.eprocess import EPROCESS
from structs.ethread import ETHREAD
from structs.layout import Layout

LOCK_MASK = 0x7F
"""Without the bit of a locked dispatcher object."""

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

    def proved(
        self, octets: Octets, known: Numbers, in_place: Mask, by_header: Mask
    ) -> Iterator[tuple[int, tuple[str, ...], int]]:
        """Of objects, those that pass: row, checks that failed, address of the owner.

        Args:
            octets: of each object.
            known: how many of them are certain to be its own.
            in_place: whether it lies where the kernel's page tables have it.
            by_header: whether its header states the kind.
        """
        records = octets.view(self.structure.dtype).reshape(-1)
        checks = self._checks(records, known)
        checks["kind"] = by_header
        failed = sum((~passed).astype(np.int64) for passed in checks.values())
        good = np.where(in_place, failed <= self.kind.allowed, failed == 0)
        owners = self.structure.column(records, "Process") if "Process" in self.structure else None
        for row in np.flatnonzero(good).tolist():
            doubts = tuple(name for name, passed in checks.items() if not passed[row])
            yield row, doubts, 0 if owners is None else int(owners[row])

    def _checks(self, records: npt.NDArray[np.void], known: Numbers) -> dict[str, Mask]:
        """What must be true of an object of this kind, each for all records; what is not readable passes."""
        if self.kind is THREAD:
            return {
                "client id": self._all(records, known, is_id, "UniqueThread", "UniqueProcess"),
                "process": self._all(records, known, partial(kernel_address, self.space), "Process"),
                "links": self._links(records, known, "ThreadListEntry"),
                "times": self._all(records, known, _is_time, "CreateTime"),
            }
        end = np.uint64(self.space.memory.end)
        ended = self.structure.column(records, "ExitTime") != 0
        table = self.structure.column(records, "DirectoryTableBase") & ~np.uint64(PAGE - 1)
        return {
            "process id": self._all(records, known, is_id, "UniqueProcessId"),
            "page-table root": self._unknown(known, "DirectoryTableBase")
            | ((table > 0) & (table < end))
            | (ended & (table == 0)),
            "links": self._links(records, known, "ActiveProcessLinks"),
            "name": self._unknown(known, "ImageFileName") | self._named(records),
            "times": self._all(records, known, _is_time, "CreateTime", "ExitTime"),
            "token": self._all(
                records,
                known,
                lambda v: kernel_address(self.space, v & ~np.uint64(self.kernel.build.fast_ref)),
                "Token",
            ),
        }

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


def is_id(values: Addresses) -> Mask:
    """Which values can be the id of a process or a thread."""
    found: Mask = (values % np.uint64(4) == 0) & (values < np.uint64(PID_LIMIT))
    return found


def _is_time(values: Addresses) -> Mask:
    found: Mask = (values == 0) | ((values >= np.uint64(EARLIEST)) & (values < np.uint64(LATEST)))
    return found


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
    kind = structure.column(data.view(structure.dtype).reshape(-1), "HeaderType") & LOCK_MASK == PROCESS.number
    good = np.zeros(len(addresses), dtype=np.bool_)
    everywhere = np.ones(len(addresses), dtype=np.bool_)
    for row, _, _ in judge.proved(data, np.minimum(known, structure.sizeof), everywhere, kind):
        good[row] = True
    _, there = kernel.space.read_many(addresses, 1)
    good &= there & kernel_address(kernel.space, addresses)
    return good
