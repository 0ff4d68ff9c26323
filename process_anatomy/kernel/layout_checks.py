"""What must be true of every Windows kernel, whatever its build, and which field of a layout each of it backs.

Source of the facts: Windows Internals (processes, threads, memory, object manager); Intel's manual for page tables.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from process_anatomy.kernel.kernel import PID_LIMIT
from process_anatomy.kernel.observations import (
    Check,
    Sample,
    agreeing,
    back_links,
    count_of,
    not_blank,
    readable,
    sane_times,
    tally,
)
from process_anatomy.memory import paging
from process_anatomy.memory.address_space import AddressSpace
from process_anatomy.memory.physical import PAGE, gather, numbers
from process_anatomy.memory.space import Addresses, Mask
from process_anatomy.memory.view import Records
from structs.handle import HANDLE_TABLE
from structs.object import OBJECT_HEADER, OBJECT_NAME_INFORMATION
from structs.token import SID, SID_AND_ATTRIBUTES, TOKEN

STILL_RUNNING = 0x103
USER_UNIT = 0x10000
GROUP_LIMIT = 1 << 12
SYSTEM = 4
"""Its process id."""


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


def _page_tables(sample: Sample, space: AddressSpace) -> Iterator[Check]:
    """That a page-table root lies in memory, and that its tables map themselves, as every Windows has them do.

    Of a root that the image does not hold, and that lies before its last byte, nothing is told: a range of a device far
    behind all memory lets any number lie there.
    """
    records, known = sample.processes, sample.known & ~sample.ended
    values, _ = _of(sample, "DirectoryTableBase")
    low = space.mode.root_mask & -space.mode.root_mask
    roots = values & np.uint64(-low & (1 << 64) - 1)
    fits, told = _held(space, roots)
    fits &= roots != 0
    yield tally("page-table-root", records, "DirectoryTableBase", fits, known & (told | (roots == 0)), ~sample.ended)
    mapped, there = self_mapped(space, np.where(fits, roots, np.uint64(0)))
    yield tally("self-map", records, "DirectoryTableBase", mapped, known & there, ~sample.ended)
    user, present = _of(sample, "UserDirectoryTableBase")
    if present:
        plain = user & ~np.uint64(PAGE - 1)
        fits, told = _held(space, plain)
        none = plain == 0
        yield tally(
            "user-page-table-root", records, "UserDirectoryTableBase", fits | none, known & (told | none), ~sample.ended
        )


def _held(space: AddressSpace, roots: Addresses) -> tuple[Mask, Mask]:
    """Which page-table roots the image holds, and of which it can be told that memory has them or not."""
    held: Mask = space.memory.locate(roots & np.uint64(space.mode.root_mask), space.mode.table_size(0)) >= 0
    return held, held | (roots >= np.uint64(space.memory.end))


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
        asked = sample.processes.array("UniqueProcessId") != SYSTEM  # whose first thread is older than the clock
        good = sane_times(times)
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
    possible = sample.is_kernel(plain, sample.kernel.build.pool_unit)
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
    return sample.is_kernel(arrays, 4) & (counts > 0) & (counts < GROUP_LIMIT)


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
        known = readable(headers, field, known)  # of a header that is there in part this field may be missing
        plain = headers.array(field).astype(np.uint64)
        mixed = plain ^ (headers.addresses >> np.uint64(8) & np.uint64(0xFF))
        agreed = max(
            (agreeing(each, known) for each in ((plain,) if field == "Type" else (plain, mixed))), key=count_of
        )
        yield tally("object-type", headers, field, agreed, known)
