"""How far a layout fits the memory that it is read with, field by field.

Each check takes something that must be true of a Windows kernel whatever its build (a process's id is a multiple of
four, the neighbours of a link point back, a thread names its process) and counts at how many objects it is.  A layout
that is not this kernel's reads the wrong octets of every object, so that its checks fail nearly everywhere; damage,
smear and tampering make a check fail at a few.  What cannot be read, and records of nothing but zeros, which is what
acquisition tools write for what they could not read, count neither way.

Source of the facts: Windows Internals (processes, threads, memory, object manager); Intel's manual for page tables;
Microsoft's wdbgexts.h for the debugger block.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import Enum

import numpy as np
import numpy.typing as npt

from process_anatomy.kernel.kernel import Kernel
from process_anatomy.memory import paging
from process_anatomy.memory.address_space import AddressSpace
from process_anatomy.memory.physical import PAGE, gather, numbers
from process_anatomy.memory.small_dump import SmallDump
from process_anatomy.memory.space import Addresses, Mask, distinct
from process_anatomy.memory.view import Records, addresses_of
from structs.debugger import Statement, statements
from structs.eprocess import EPROCESS
from structs.ethread import ETHREAD
from structs.handle import HANDLE_TABLE
from structs.object import OBJECT_HEADER, OBJECT_NAME_INFORMATION
from structs.token import SID, SID_AND_ATTRIBUTES, TOKEN

QUICK, SOME = 8, 64
"""Processes that are looked at to trust a layout that facts say is this kernel's own, and one that is chosen."""
PROCESS_LIMIT = 1 << 14
ENOUGH, ENOUGH_PAGES = 3, 2
"""Objects at which a check has to fail before it speaks against a layout, and pages that they must lie on."""
SHARE = 1 / 3
"""Of the fields that something is told of, how many have to fail together to speak against a layout."""
NEEDED = 8
"""Checks that must have something to say before an estimated layout is believed."""
EARLIEST, LATEST = 0x01A8_0000_0000_0000, 0x0290_0000_0000_0000
"""FILETIMEs that a running system can have: from 1985 to 2186."""
STILL_RUNNING = 0x103
PID_LIMIT = 1 << 31
SHIFTED_TIME = np.uint64(3)
"""Bits below the time in _ETHREAD.CreateTime up to Windows Server 2003, which keeps other facts there."""
USER_UNIT = 0x10000
GROUP_LIMIT = 1 << 12
FAST_UNIT = {4: 8, 8: 16}
"""Objects lie at multiples of the pool's unit, by the size of a pointer."""


class Outcome(Enum):
    """What a check says of the field that it is about."""

    FITS = "fits"
    MOSTLY = "fits mostly"
    WRONG = "does not fit"
    UNKNOWN = "not checked"


class Verdict(Enum):
    """What all checks say of a layout."""

    EXACT = "exact layout"
    CONSISTENT = "estimated and consistent"
    DOUBTFUL = "do not trust"


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


@dataclass(frozen=True, slots=True)
class Proof:
    """What the checks say together.

    Attributes:
        checks: each of them.
        estimated: nobody says that the layout was made for this very kernel: no fact does, or the user brought it.
        small: of a small dump, which holds one process and no page tables.
    """

    checks: tuple[Check, ...]
    estimated: bool
    small: bool = False

    @property
    def passed(self) -> int:
        """Observations that agree with the layout."""
        return sum(check.passed for check in self.checks)

    @property
    def failed(self) -> int:
        """Observations that do not."""
        return sum(check.failed for check in self.checks)

    @property
    def unreadable(self) -> int:
        """Observations that could not be made."""
        return sum(check.unreadable for check in self.checks)

    @property
    def wrong(self) -> tuple[Check, ...]:
        """Those that speak against the layout: each by itself; or several together, where there are few objects."""
        failing = tuple(check for check in self.checks if check.fails and check.field)
        together = len({check.about for check in failing})
        told = len({check.about for check in self.checks if check.outcome is not Outcome.UNKNOWN})
        if together >= ENOUGH and together >= SHARE * told:
            return failing
        return tuple(check for check in failing if check.outcome is Outcome.WRONG)

    @property
    def verdict(self) -> Verdict:
        """Whether the layout can be trusted."""
        told = sum(check.outcome is not Outcome.UNKNOWN for check in self.checks)
        if self.wrong or (self.estimated and told < NEEDED and not self.small):
            return Verdict.DOUBTFUL
        return Verdict.CONSISTENT if self.estimated else Verdict.EXACT

    @property
    def reason(self) -> str:
        """Why the layout is not to be trusted, in words; empty where it is."""
        if self.verdict is not Verdict.DOUBTFUL:
            return ""
        if not self.wrong:
            told = sum(check.outcome is not Outcome.UNKNOWN for check in self.checks)
            return f"the layout is estimated, and only {told} checks of it could be made"
        fields = dict.fromkeys(check.about for check in self.wrong)
        return f"the layout does not fit this image: {', '.join(list(fields)[:4])}" + (
            f" and {len(fields) - 4} more" if len(fields) > 4 else ""
        )


def trust(kernel: Kernel) -> Proof:
    """The proof of a kernel's layout that every plugin asks for, made once.

    A layout that facts say is this kernel's own is looked at quickly; one that was only chosen, or that the user
    brought, as closely as the choice was.
    """
    return kernel.once("trust", lambda kernel: prove(kernel, QUICK if _published(kernel) else SOME, _published(kernel)))


def _published(kernel: Kernel) -> bool:
    return not kernel.build.estimated and kernel.build.number != 0  # a user's symbol table tells no number


def prove(kernel: Kernel, limit: int = PROCESS_LIMIT, quick: bool = False) -> Proof:
    """The checks at the first so many processes, and at the first thread of each.

    Args:
        kernel: the kernel.
        limit: processes at the most.
        quick: leave out what takes further reads.
    """
    small = isinstance(kernel.space, SmallDump)
    found = list(process_checks(Sample(kernel, limit), quick))
    if isinstance(kernel.space, SmallDump):
        found += debugger_checks(statements(kernel.space.debugger, kernel.build))
    return Proof(tuple(found), kernel.build.estimated or not kernel.build.number, small)


def debugger_checks(said: Iterable[Statement], address: int | None = None) -> Iterator[Check]:
    """What the debugger block says of the layout; a structure of another size may still have all fields in place."""
    for statement in said:
        failed = int(not statement.agrees)
        name = "debugger-offset" if statement.field else "debugger-size"
        first = address if failed else None
        yield Check(
            name, statement.structure, statement.field, "system", 1 - failed, failed, 0, first, bool(statement.field)
        )


class Sample:
    """Some of a kernel's processes, read in batches.

    Attributes:
        kernel: the kernel.
        addresses: of the _EPROCESSes, shape (n,).
        processes: they themselves.
        threads: the first _ETHREAD of each that runs, at address 0 where there is none; ``None`` where the layout
            does not tell.
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
            self.threads = kernel.view.records(ETHREAD, np.where(usable, first - offset, np.uint64(0)))

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


def active_links(kernel: Kernel, start: int, limit: int) -> list[int]:
    """Links behind one of the active list, forwards, then backwards where the list is broken; not its head."""
    size = kernel.space.pointer_size
    found: dict[int, None] = {}
    for side in (0, size):
        here = start
        for _ in range(PROCESS_LIMIT):
            link = kernel.view.pointer(here + side)
            if link == start or len(found) >= limit - 1:
                return list(found)
            if link is None or link % size or link < kernel.system_start or link in found:
                break
            if kernel.view.pointer(link + size - side) != here:  # the list is broken, so that anything may follow
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
    wanted: Mask = _asked(records) if asked is None else np.logical_and(asked, _asked(records))
    there: Mask = np.logical_and(readable(records, field, known), wanted)
    bad = np.flatnonzero(there & ~good)
    at = int(records.addresses[bad[0]]) + records.structure.offset(field) if len(bad) else None
    counts = int(np.count_nonzero(there & good)), len(bad), int(np.count_nonzero(wanted & ~there))
    votes = (0, 0)
    if len(bad):
        pages = (records.addresses if told_by is None else told_by) >> np.uint64(12)
        votes = len(distinct(pages[there & good])[0]), len(distinct(pages[bad])[0])
    return Check(name, records.structure.name, field, space, *counts, at, pages=votes)


def process_checks(sample: Sample, quick: bool = False) -> Iterator[Check]:
    """What must be true of processes, and of what they point at."""
    yield from _identity(sample)
    yield from _times(sample)
    yield from _addresses(sample)
    yield from _threads(sample)
    yield from _handle_tables(sample)
    tokens = _tokens(sample)
    yield from _token_checks(sample, tokens)
    if quick:
        return
    yield from _lists(sample)
    if isinstance(sample.kernel.space, AddressSpace):
        yield from _page_tables(sample, sample.kernel.space)
    yield from _audit_names(sample)
    yield from _sids(sample, tokens)
    yield from _headers(sample)


def _of(sample: Sample, field: str) -> tuple[Addresses, bool]:
    """One field of the processes, and whether this layout has it."""
    return sample.pointers(sample.processes, field), field in sample.processes.structure


def _identity(sample: Sample) -> Iterator[Check]:
    """Id and name."""
    records, known = sample.processes, sample.known
    ids, _ = _of(sample, "UniqueProcessId")
    first = np.arange(len(records)) == 0
    yield tally("system-id", records, "UniqueProcessId", ids == 4, known, first & _is_system(sample))
    good = (ids % np.uint64(4) == 0) & (ids != 0) & (ids < np.uint64(PID_LIMIT))
    yield tally("process-id", records, "UniqueProcessId", good, known)
    parents, there = _of(sample, "InheritedFromUniqueProcessId")
    if there:
        good = (parents % np.uint64(4) == 0) & (parents < np.uint64(PID_LIMIT))
        yield tally("parent-id", records, "InheritedFromUniqueProcessId", good, known)
    if "ImageFileName" in records.structure:
        names = np.ascontiguousarray(records.data["ImageFileName"]).view(np.uint8).reshape(len(records), -1)
        ended = np.cumsum(names == 0, axis=1) > 0
        yield tally(
            "process-name", records, "ImageFileName", (names[:, 0] > 32) & ((names >= 32) | ended).all(axis=1), known
        )


def _is_system(sample: Sample) -> bool:
    return sample.kernel.crash is None and bool(sample.processes.array("UniqueProcessId")[0] < 8)


def sane_times(times: Addresses) -> Mask:
    """Which FILETIMEs a running system can have."""
    return (times > np.uint64(EARLIEST)) & (times < np.uint64(LATEST))


def _times(sample: Sample) -> Iterator[Check]:
    """When it began and ended, and what it ended with; System's creation is not noted up to Windows Server 2003."""
    records, known = sample.processes, sample.known
    begun, there = _of(sample, "CreateTime")
    if there:
        yield tally("creation-time", records, "CreateTime", sane_times(begun) | (np.arange(len(begun)) == 0), known)
    ended, there = _of(sample, "ExitTime")
    if there:
        yield tally("exit-time", records, "ExitTime", (ended == 0) | (sane_times(ended) & (ended >= begun)), known)
    if "ExitStatus" in records.structure:
        running = records.array("ExitStatus") == STILL_RUNNING
        yield tally("exit-status", records, "ExitStatus", running, known, ~sample.ended)


def _lists(sample: Sample) -> Iterator[Check]:
    """That what a link or a head leads to points back to it."""
    records, known = sample.processes, sample.known
    for name, field in (
        ("active-links", "ActiveProcessLinks"),
        ("thread-list", "ThreadListHead"),
        ("scheduler-thread-list", "ThreadListHeadPcb"),
    ):
        if field in records.structure:
            here = records.addresses + np.uint64(records.structure.offset(field))
            yield back_links(sample, name, records, field, here, known)


def back_links(sample: Sample, name: str, records: Records, field: str, here: Addresses, known: Mask) -> Check:
    """A check that the entry behind each list entry has its address as the one before."""
    ahead = sample.pointers(records, field)
    possible = sample.is_kernel(ahead)
    place = np.where(possible, ahead, np.uint64(0))
    octets, there = sample.kernel.space.read_many(place + np.uint64(sample.size), sample.size)
    back = numbers(octets, sample.size).reshape(-1)
    told = known & (there | ~possible)
    return tally(name, records, field, possible & (back == here), told, told_by=place)


def _asked(records: Records) -> Mask:
    asked: Mask = records.addresses != 0
    return asked


def _page_tables(sample: Sample, space: AddressSpace) -> Iterator[Check]:
    """That a page-table root lies in memory, and that its tables map themselves, as every Windows has them do."""
    records, known = sample.processes, sample.known & ~sample.ended
    values, _ = _of(sample, "DirectoryTableBase")
    low = space.mode.root_mask & -space.mode.root_mask
    roots = values & np.uint64(-low & (1 << 64) - 1)
    fits = (roots != 0) & (roots < np.uint64(space.memory.end))
    yield tally("page-table-root", records, "DirectoryTableBase", fits, known, ~sample.ended)
    mapped, there = self_mapped(space, np.where(fits, roots, np.uint64(0)))
    yield tally("self-map", records, "DirectoryTableBase", mapped, known & there, ~sample.ended)
    user, present = _of(sample, "UserDirectoryTableBase")
    if present:
        plain = user & ~np.uint64(PAGE - 1)
        yield tally(
            "user-page-table-root",
            records,
            "UserDirectoryTableBase",
            plain < np.uint64(space.memory.end),
            known,
            ~sample.ended,
        )


def self_mapped(space: AddressSpace, roots: Addresses) -> tuple[Mask, Mask]:
    """Which of these page-table roots map themselves, and of which it can be told.

    One entry of the top table leads back to that table; with PAE, the first entries of the page directory that the last
    of the four covers lead to the four page directories.
    """
    mode = space.mode
    size = mode.table_size(0)
    entries, there = _tables(space, roots, size)
    frames = entries & paging.FRAME
    if mode is paging.PAE:
        last, below = _tables(space, frames[:, 3], PAGE)
        return (last[:, :4] & paging.FRAME == frames).all(axis=1), there & below
    valid = entries & paging.VALID != 0
    return (valid & (frames == (roots & paging.FRAME)[:, None])).any(axis=1), there


def _tables(space: AddressSpace, places: Addresses, size: int) -> tuple[Addresses, Mask]:
    """The entries of the table at each physical address, and which could be read; one that is only zeros was not."""
    offsets = space.memory.locate(places, size)
    offsets[places == 0] = -1
    octets = gather(space.memory.octets(), offsets, size)
    entries = numbers(octets, space.mode.entry_size).astype(np.uint64)
    return entries, (offsets >= 0) & entries.any(axis=1)


def _addresses(sample: Sample) -> Iterator[Check]:
    """That pointers lead into the half that they belong to."""
    records, known = sample.processes, sample.known
    for name, field, unit in (("peb-address", "Peb", PAGE), ("program-base", "SectionBaseAddress", USER_UNIT)):
        values, there = _of(sample, field)
        if there:
            yield tally(name, records, field, sample.is_user(values, unit), known)
    for name, field in (("vad-root", "VadRoot"), ("object-table", "ObjectTable"), ("session", "Session")):
        values, there = _of(sample, field)
        if there:
            yield tally(name, records, field, sample.is_kernel(values) | (values == 0), known)
    if "ActiveThreads" in records.structure:
        counts = records.array("ActiveThreads")
        yield tally("active-threads", records, "ActiveThreads", (counts > 0) & (counts < 1 << 15), known, ~sample.ended)
    if "ProtectionType" in records.structure:
        types, signers = records.array("ProtectionType"), records.array("ProtectionSigner")
        yield tally("protection", records, "ProtectionType", (types <= 2) & (signers <= 8), known)


def _audit_names(sample: Sample) -> Iterator[Check]:
    """That the name that a process was audited with is a string."""
    records, known = sample.processes, sample.known
    audited, there = _of(sample, "SeAuditProcessCreationInfo")
    if there and OBJECT_NAME_INFORMATION in sample.kernel.build:
        possible = sample.is_kernel(audited)
        names = sample.kernel.view.records(OBJECT_NAME_INFORMATION, np.where(possible, audited, np.uint64(0)))
        text = names.array("Name")
        lengths = text["Length"]
        good = possible & (lengths % 2 == 0) & (lengths <= text["MaximumLength"])
        told = known & (names.whole | ~possible)
        yield tally("audit-name", records, "SeAuditProcessCreationInfo", good, told, audited != 0)


def _threads(sample: Sample) -> Iterator[Check]:
    """What must be true of the first thread of each process."""
    if sample.threads is None:
        return
    records, known, structure = sample.threads, not_blank(sample.threads), sample.threads.structure
    if "Process" in structure:
        yield tally("thread-process", records, "Process", records.array("Process") == sample.addresses, known)
    if "UniqueProcess" in structure:
        owner = sample.processes.array("UniqueProcessId")
        yield tally("thread-owner-id", records, "UniqueProcess", records.array("UniqueProcess") == owner, known)
    ids = records.array("UniqueThread")
    if "UniqueThread" in structure:
        yield tally("thread-id", records, "UniqueThread", (ids % np.uint64(4) == 0) & (ids != 0), known)
    if "CreateTime" in structure:
        times = records.array("CreateTime").astype(np.uint64)
        asked = np.arange(len(times)) > 0  # System's first thread is older than the clock
        good = sane_times(times) | sane_times(times >> SHIFTED_TIME)
        yield tally("thread-time", records, "CreateTime", good, known, asked)
    if "Teb" in structure:
        yield tally("teb-address", records, "Teb", sample.is_user(sample.pointers(records, "Teb"), PAGE), known)
    if {"InitialStack", "StackLimit"} <= structure.places.keys():
        top, limit = sample.pointers(records, "InitialStack"), sample.pointers(records, "StackLimit")
        good = sample.is_kernel(top) & sample.is_kernel(limit) & (limit < top) & (top - limit < np.uint64(1 << 20))
        yield tally("thread-stack", records, "InitialStack", good, known, top != 0)


def _handle_tables(sample: Sample) -> Iterator[Check]:
    """What must be true of a process's handle table."""
    pointers, there = _of(sample, "ObjectTable")
    if not there or HANDLE_TABLE not in sample.kernel.build:
        return
    tables = sample.kernel.view.records(HANDLE_TABLE, np.where(sample.is_kernel(pointers), pointers, np.uint64(0)))
    known = not_blank(tables)
    if "UniqueProcessId" in tables.structure:
        good = tables.array("UniqueProcessId") == sample.processes.array("UniqueProcessId")
        yield tally("handle-table-owner", tables, "UniqueProcessId", good, known)
    if "TableCode" in tables.structure:
        codes = sample.pointers(tables, "TableCode")
        levels = codes & np.uint64(7)
        good = sample.is_kernel(codes & ~np.uint64(7)) & (levels <= np.uint64(2))
        yield tally("handle-table-code", tables, "TableCode", good, known)


def _tokens(sample: Sample) -> Records | None:
    """The token of each process."""
    values, there = _of(sample, "Token")
    if not there or TOKEN not in sample.kernel.build:
        return None
    plain = values & ~np.uint64(sample.kernel.build.fast_ref)
    possible = sample.is_kernel(plain, FAST_UNIT[sample.size])
    return sample.kernel.view.records(TOKEN, np.where(possible, plain, np.uint64(0)))


def _token_checks(sample: Sample, tokens: Records | None) -> Iterator[Check]:
    """What must be true of a process's token."""
    if tokens is None:
        return
    possible = tokens.addresses != 0
    yield tally("token-address", sample.processes, "Token", possible, sample.known, ~sample.ended)
    known = not_blank(tokens)
    if "TokenType" in tokens.structure:
        yield tally("token-type", tokens, "TokenType", tokens.array("TokenType") == 1, known)
    if "UserAndGroups" in tokens.structure:
        yield tally("token-groups", tokens, "UserAndGroups", _groups(sample, tokens), known)


def _groups(sample: Sample, tokens: Records) -> Mask:
    """Which tokens have an array of SIDs."""
    counts, arrays = tokens.array("UserAndGroupCount"), sample.pointers(tokens, "UserAndGroups")
    return sample.is_kernel(arrays) & (counts > 0) & (counts < GROUP_LIMIT)


def _sids(sample: Sample, tokens: Records | None) -> Iterator[Check]:
    """What must be true of the SID of a token's user."""
    build, view = sample.kernel.build, sample.kernel.view
    if tokens is None or SID_AND_ATTRIBUTES not in build or SID not in build:
        return
    arrays = np.where(_groups(sample, tokens), sample.pointers(tokens, "UserAndGroups"), np.uint64(0))
    users = view.records(SID_AND_ATTRIBUTES, arrays)
    at = sample.pointers(users, "Sid")
    sids = view.records(SID, np.where(sample.is_kernel(at, 4), at, np.uint64(0)))
    right = (sids.array("Revision") == 1) & (sids.array("SubAuthorityCount") <= 15)
    yield tally("sid-revision", sids, "Revision", right, not_blank(sids))


def _headers(sample: Sample) -> Iterator[Check]:
    """That the objects' own headers call all processes by one type, plain or mixed with a byte of the address."""
    build = sample.kernel.build
    if OBJECT_HEADER not in build or "Body" not in build[OBJECT_HEADER]:
        return
    body = np.uint64(build[OBJECT_HEADER].offset("Body"))
    headers = sample.kernel.view.records(OBJECT_HEADER, sample.addresses - body)
    known = not_blank(headers)
    for field in ("Type", "TypeIndex"):
        if field not in headers.structure:
            continue
        plain = headers.array(field).astype(np.uint64)
        mixed = plain ^ (headers.addresses >> np.uint64(8) & np.uint64(0xFF))
        agreed = max((agreeing(each, known) for each in ((plain,) if field == "Type" else (plain, mixed))), key=_count)
        yield tally("object-type", headers, field, agreed, known)


def agreeing(values: npt.NDArray[np.uint64], known: Mask) -> Mask:
    """Which of the values are the one that most of the known ones are."""
    if not known.any():
        return np.zeros(len(values), dtype=np.bool_)
    different, back = distinct(values[known])
    common: Mask = values == different[int(np.argmax(np.bincount(back)))]
    return common


def _count(mask: Mask) -> int:
    return int(np.count_nonzero(mask))
