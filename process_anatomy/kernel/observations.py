"""Counting what is true of objects: a sample of a kernel's processes, and checks of their fields.

What cannot be read, and records of nothing but zeros, which is what acquisition tools write for what they could not
read, count neither way.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

import numpy as np
import numpy.typing as npt

from process_anatomy.filetime import EARLIEST, LATEST
from process_anatomy.kernel.kernel import Kernel
from process_anatomy.kernel.lists import pointers_of
from process_anatomy.memory.physical import numbers
from process_anatomy.memory.space import Addresses, Mask, distinct
from process_anatomy.memory.view import Records, addresses_of
from structs.eprocess import EPROCESS
from structs.ethread import ETHREAD

PROCESS_LIMIT = 1 << 14
ENOUGH, ENOUGH_PAGES = 3, 2
"""Objects at which a check has to fail before it speaks against a layout, and pages that they must lie on."""


class Outcome(Enum):
    """What a check says of the field that it is about."""

    FITS = "fits"
    MOSTLY = "fits mostly"
    WRONG = "does not fit"
    UNKNOWN = "not checked"


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that must be true, and at how many objects it is.

    Attributes:
        id: of the check, and of its note.
        structure: Windows name of the structure that it backs.
        field: the field that it backs, or empty where it is the structure's size.
        space: ``system`` or ``user``, the address space that the objects are in.
        passed: objects at which it is true.
        failed: objects at which it is not.
        unreadable: objects of which it cannot be told.
        first: address of the field of the first object at which it is not true.
        decisive: one object is enough, for it is the kernel's own statement of its layout.
        pages: on how many pages objects passed, and on how many they failed: one page that is damaged has one vote,
            however many objects lie on it.
        told: who says it and what, in words, where it is no object but the kernel itself.
    """

    id: str
    structure: str
    field: str
    space: str
    passed: int
    failed: int
    unreadable: int
    first: int | None
    decisive: bool = False
    pages: tuple[int, int] = (0, 0)
    told: str = ""

    @property
    def about(self) -> str:
        """The field that it backs, or the structure where it is the size."""
        return f"{self.structure}.{self.field}" if self.field else self.structure

    @property
    def problem(self) -> str:
        """What it speaks against, in words; empty where it speaks against nothing."""
        if not self.failed:
            return ""
        where = "does not lie where the layout has it" if self.failed > self.passed else "is as it should be at most"
        if not self.field:
            where = "has another size than the kernel says"
        return f"{self.about} {where}: {self.failed} of {self.passed + self.failed} fail"

    @property
    def outcome(self) -> Outcome:
        """What it says: a field is wrong where the check fails at most objects, and not at too few to tell."""
        if not self.passed and not self.failed:
            return Outcome.UNKNOWN
        if not self.failed:
            return Outcome.FITS
        passing, failing = self.pages
        enough = (self.failed >= ENOUGH and failing >= max(passing, ENOUGH_PAGES)) or self.decisive
        return Outcome.WRONG if enough and self.fails else Outcome.MOSTLY

    @property
    def fails(self) -> bool:
        """Whether it fails at most objects."""
        return self.failed > self.passed


class Sample:
    """Some of a kernel's processes, read in batches.

    Attributes:
        kernel: the kernel.
        addresses: of the _EPROCESSes, shape (n,).
        processes: they themselves.
        threads: the first _ETHREAD of each that runs, of a small dump the one that it holds, at address 0 where there
            is none; ``None`` where the layout does not tell.
        ended: shape (n,), which have ended, so that much of them is gone.
    """

    def __init__(self, kernel: Kernel, limit: int) -> None:
        self.kernel = kernel
        self.size = kernel.space.pointer_size
        structure = kernel.build[EPROCESS]
        links = structure.offset("ActiveProcessLinks")
        self.links = [kernel.system + links, *active_links(kernel, kernel.system + links, limit)]
        self.addresses = addresses_of([link - links for link in self.links])
        self.processes = kernel.view.records(EPROCESS, self.addresses)
        self.known = not_blank(self.processes)
        self.ended = self.processes.array("ExitTime") != 0
        heads = (
            self.addresses + np.uint64(structure.offset("ThreadListHead")) if "ThreadListHead" in structure else None
        )
        self.heads = np.zeros(len(self.addresses), dtype=np.uint64) if heads is None else heads
        self.threads: Records | None = None
        if ETHREAD in kernel.build and "ThreadListEntry" in kernel.build[ETHREAD]:
            first = self.pointers(self.processes, "ThreadListHead")
            usable = self.is_kernel(first) & (first != self.heads) & ~self.ended
            offset = np.uint64(kernel.build[ETHREAD].offset("ThreadListEntry"))
            places = np.where(usable, first - offset, np.uint64(0))
            if kernel.crash is not None:
                places[self.addresses == np.uint64(kernel.system)] = crash_thread(kernel)
            self.threads = kernel.view.records(ETHREAD, places)

    def is_kernel(self, values: Addresses, unit: int = 0) -> Mask:
        """Which values can be addresses of system space."""
        unit = unit or self.size
        good: Mask = (values >= np.uint64(self.kernel.system_start)) & (values % np.uint64(unit) == 0)
        good &= values <= np.uint64((1 << 8 * self.size) - 1)
        return good

    def is_user(self, values: Addresses, unit: int) -> Mask:
        """Which values can be addresses of user space, or nothing."""
        good: Mask = (values < np.uint64(self.kernel.system_start)) & (values % np.uint64(unit) == 0)
        return good

    def pointers(self, records: Records, field: str) -> Addresses:
        """One field of records as addresses; of a list entry, where it leads forwards."""
        values = records.array(field)
        return (values["Flink"] if values.dtype.names else values).astype(np.uint64)


def crash_thread(kernel: Kernel) -> int:
    """Address of the thread that a small dump holds, zero where it was only attached to the process that it holds."""
    if kernel.crash is None:
        return 0
    owner = kernel.view.parse(ETHREAD, kernel.crash.thread)["Process"]
    return kernel.crash.thread if owner == kernel.system else 0


def active_links(kernel: Kernel, start: int, limit: int) -> list[int]:
    """Links behind one of the active list, forwards, then backwards where the list is broken; not its head."""
    space = kernel.space
    found: dict[int, None] = {}
    for side in (0, 1):
        here = start
        for _ in range(PROCESS_LIMIT):
            pointers = pointers_of(space, here)
            link = None if pointers is None else pointers[side]
            if link == start or len(found) >= limit - 1:
                return list(found)
            if link is None or link % space.pointer_size or link < kernel.system_start or link in found:
                break
            returning = pointers_of(space, link)
            if returning is None or returning[1 - side] != here:  # the list is broken, so that anything may follow
                break
            if not kernel.inside(link):
                found[link] = None
            here = link
    return list(found)


def not_blank(records: Records) -> Mask:
    """Which records hold more than zeros."""
    octets = records.data.view(np.uint8).reshape(len(records), records.structure.sizeof)
    return np.asarray(octets.any(axis=1))


def readable(records: Records, field: str, known: Mask) -> Mask:
    """Of which records the field was read."""
    there: Mask = np.logical_and(records.whole, known)
    place = records.structure.place(field)
    for row in np.flatnonzero(known & ~records.whole).tolist():
        there[row] = records.space_of(row).read(int(records.addresses[row]) + place.offset, place.size) is not None
    return there


def tally(
    name: str,
    records: Records,
    field: str,
    good: Mask,
    known: Mask,
    asked: Mask | None = None,
    space: str = "system",
    told_by: Addresses | None = None,
) -> Check:
    """A check of one field of many records.

    Args:
        name: the check's id.
        records: the records, shape (n,).
        field: the field.
        good: at which of them it is true, shape (n,).
        known: which of them could be read at all, shape (n,).
        asked: of which of them it has to be true, shape (n,); of all where it is left out.
        space: that they lie in.
        told_by: addresses of what told it, shape (n,), where that is not the record itself.
    """
    wanted: Mask = asked_of(records) if asked is None else np.logical_and(asked, asked_of(records))
    there: Mask = np.logical_and(readable(records, field, known), wanted)
    bad = np.flatnonzero(there & ~good)
    at = int(records.addresses[bad[0]]) + records.structure.offset(field) if len(bad) else None
    counts = int(np.count_nonzero(there & good)), len(bad), int(np.count_nonzero(wanted & ~there))
    votes = (0, 0)
    if len(bad):
        pages = (records.addresses if told_by is None else told_by) >> np.uint64(12)
        votes = len(distinct(pages[there & good])[0]), len(distinct(pages[bad])[0])
    return Check(name, records.structure.name, field, space, *counts, at, pages=votes)


def sane_times(times: Addresses) -> Mask:
    """Which FILETIMEs a running system can have."""
    return (times > np.uint64(EARLIEST)) & (times < np.uint64(LATEST))


def back_links(sample: Sample, name: str, records: Records, field: str, here: Addresses, known: Mask) -> Check:
    """A check that the entry behind each list entry has its address as the one before."""
    ahead = sample.pointers(records, field)
    possible = sample.is_kernel(ahead)
    place = np.where(possible, ahead, np.uint64(0))
    octets, there = sample.kernel.space.read_many(place + np.uint64(sample.size), sample.size)
    back = numbers(octets, sample.size).reshape(-1)
    told = known & (there | ~possible)
    return tally(name, records, field, possible & (back == here), told, told_by=place)


def asked_of(records: Records) -> Mask:
    """Which records were asked for: an address of 0 stands for none."""
    asked: Mask = records.addresses != 0
    return asked


def agreeing(values: npt.NDArray[np.uint64], known: Mask) -> Mask:
    """Which of the values are the one that most of the known ones are."""
    if not known.any():
        return np.zeros(len(values), dtype=np.bool_)
    different, back = distinct(values[known])
    common: Mask = values == different[int(np.argmax(np.bincount(back)))]
    return common


def count_of(mask: Mask) -> int:
    """How many are true."""
    return int(np.count_nonzero(mask))
