"""Whether the layout fits this image: the whole proof, for a reader who wants to see it.

To what a layout is chosen by (:mod:`process_anatomy.kernel.selfproof`) this adds what the walks lead to: the kernel's
own debugger block, VAD trees, handles, the blocks that processes and threads keep in user space, and pool tags.  All
processes of the list are looked at, of some facts only the first so many.  Every view makes the same checks at a few
objects before it trusts the layout, so that one verdict holds for all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np

from process_anatomy.absent import Absent, Kind
from process_anatomy.errors import NotYet
from process_anatomy.kernel.accessors import code_checks, code_witnesses
from process_anatomy.kernel.code_checks import thread_checks, type_checks
from process_anatomy.kernel.debugger_block import block_without_image, debugger_block
from process_anatomy.kernel.handle_entries import HANDLE_LIMIT
from process_anatomy.kernel.image import KernelImage
from process_anatomy.kernel.kernel import Kernel
from process_anatomy.kernel.object_headers import OPTIONAL_HEADERS
from process_anatomy.kernel.observations import Check, Sample, not_blank, readable, tally
from process_anatomy.kernel.selfproof import SOME, Proof, Verdict, debugger_checks, prove
from process_anatomy.memory.address_space import AddressSpace
from process_anatomy.memory.space import Addresses, Mask
from process_anatomy.memory.view import Records, addresses_of
from process_anatomy.walk.address_space.vad_nodes import IMAGE_MAP
from process_anatomy.walk.address_space.vads import Vad, vads
from process_anatomy.walk.handles.tables import handle_tables
from process_anatomy.walk.processes.listed import Process, read_processes
from structs.debugger import statements
from structs.ethread import ETHREAD
from structs.handle import HANDLE_TABLE_ENTRY
from structs.layout import Layout, MissingField
from structs.object import EXPORTED_TYPES, OBJECT_HEADER, OBJECT_TYPE, POOL_HEADER, POOL_TAG_MASK
from structs.peb import PEB
from structs.section import FILE_OBJECT
from structs.shared_data import KUSER_SHARED_DATA, KUSER_SHARED_DATA_ADDRESS
from structs.teb import TEB
from structs.vad import MMVAD_SHORT

FEW = 8
"""Processes that every view looks at where facts say that the layout is this kernel's own; and those whose VAD trees
and handles every view looks at.
"""
HANDLES = 16
"""Handles of each of them that are looked at, so that one damaged page does not outvote all others."""
PROCESS_TAG = int.from_bytes(b"Proc", "little")
"""Pool tag of processes."""
MAJOR_VERSIONS = range(5, 11)


def trust(kernel: Kernel) -> Proof:
    """The proof of a kernel's layout that every view asks for, made once: all checks, at few objects.

    A layout that facts say is this kernel's own is looked at quickly; one that was only chosen, or that the user
    brought, as closely as the choice was.
    """
    return kernel.once("trust", _trusted)


def _trusted(kernel: Kernel) -> Proof:
    published = not kernel.build.estimated and kernel.build.number != 0  # a user's symbol table tells no number
    found = prove(kernel, FEW if published else SOME, published)
    return found if found.verdict is Verdict.DOUBTFUL else _with_walks(kernel, found, FEW, published)


def selfcheck(kernel: Kernel) -> Proof:
    """All checks of a kernel's layout."""
    return _with_walks(kernel, prove(kernel), SOME)


def _with_walks(kernel: Kernel, proof: Proof, limit: int, quick: bool = False) -> Proof:
    """A proof, and the checks of what the walks lead to from so many processes.

    Args:
        kernel: the kernel.
        proof: what was checked before.
        limit: processes at the most.
        quick: leave out the kernel's code and the search for its debugger block: published facts tell as much.
    """
    if not isinstance(kernel.space, AddressSpace):
        return proof
    sample = Sample(kernel, limit)
    places = [address for address in sample.addresses.tolist() if not kernel.inside(address)]
    some = read_processes(kernel, places, [()] * len(places), [[]] * len(places))
    found = list(proof.checks)
    parts: tuple[Callable[[], Iterator[Check]], ...] = (
        lambda: iter(()) if quick else code_checks(code_witnesses(kernel), kernel.build),
        lambda: iter(()) if quick else thread_checks(kernel),
        lambda: iter(()) if quick else type_checks(kernel),
        lambda: iter(()) if quick else _debugger(kernel),
        lambda: _shared_data(kernel),
        lambda: _types(kernel),
        lambda: _pool(sample),
        lambda: _vads(kernel, some),
        lambda: _handles(kernel, some),
        lambda: _blocks(sample),
    )
    for part in parts:
        try:
            found += part()
        except (MissingField, NotYet):  # a layout that lacks what a walk needs says nothing of it
            continue
    return replace(proof, checks=tuple(found))


def _debugger(kernel: Kernel) -> Iterator[Check]:
    """What the kernel itself tells debuggers."""
    if not isinstance(kernel.space, AddressSpace):
        return
    image = _image(kernel)
    block = block_without_image(kernel.space) if image is None else debugger_block(kernel.space, image)
    if block is not None:
        yield from debugger_checks(statements(block.values, kernel.build), block.address)


def _image(kernel: Kernel) -> KernelImage | None:
    """The kernel's image, ``None`` where its first page is not there."""
    try:
        return kernel.image
    except ValueError:
        return None


def _shared_data(kernel: Kernel) -> Iterator[Check]:
    """The page that the kernel shares with everybody, whose version cannot be any number."""
    where = KUSER_SHARED_DATA_ADDRESS[kernel.space.pointer_size]
    records = kernel.view.records(KUSER_SHARED_DATA, addresses_of([where]))
    versions = records.array("NtMajorVersion")
    good = np.isin(versions, list(MAJOR_VERSIONS))
    yield tally("shared-version", records, "NtMajorVersion", good, not_blank(records))
    if "NtBuildNumber" in records.structure:
        good = records.array("NtBuildNumber") & 0xFFFF == kernel.number
        yield tally("shared-build", records, "NtBuildNumber", good, not_blank(records))


def _types(kernel: Kernel) -> Iterator[Check]:
    """The object types that the kernel exports, by their names."""
    image = _image(kernel)
    wanted: list[str] = []
    places: list[int] = []
    for variable, name in EXPORTED_TYPES.items():
        exported = None if image is None else image.export(variable)
        pointer = None if exported is None else kernel.view.pointer(exported)
        if pointer and pointer >= kernel.system_start and not pointer % kernel.space.pointer_size:
            wanted.append(name)
            places.append(pointer)
    records = kernel.view.records(OBJECT_TYPE, addresses_of(places))
    names = records.texts("Name")
    good = np.array([name == right for name, right in zip(names, wanted, strict=True)], dtype=np.bool_)
    lost = [isinstance(name, Absent) and name.kind in (Kind.UNREADABLE, Kind.NOT_IN_DUMP) for name in names]
    if places:
        known = not_blank(records) & ~np.array(lost, dtype=np.bool_)
        yield tally("object-type-name", records, "Name", good, known, told_by=records.array("Name")["Buffer"])


def _pool(sample: Sample) -> Iterator[Check]:
    """That a process lies in a pool block with its tag, in front of its headers."""
    kernel = sample.kernel
    body, header = kernel.build[OBJECT_HEADER].offset("Body"), kernel.build[POOL_HEADER]
    unit = 2 * sample.size
    room = sum(kernel.build[each].sizeof for each in OPTIONAL_HEADERS if each in kernel.build)
    steps = range(0, room + unit, unit)
    fronts = sample.addresses - np.uint64(body + header.sizeof)
    tags = [kernel.view.records(POOL_HEADER, fronts - np.uint64(step)) for step in steps]
    good = np.zeros(len(fronts), dtype=np.bool_)
    for each in tags:
        good |= each.array("PoolTag") & POOL_TAG_MASK == PROCESS_TAG
    yield tally("process-tag", tags[0], "PoolTag", good, sample.known)


def _vads(kernel: Kernel, some: Sequence[Process]) -> Iterator[Check]:
    """That VAD trees are trees of ranges in user space, in order, with their pool tags."""
    rows = [row for row in vads(kernel, some, lost=False).rows if isinstance(row.process.exit_time, Absent)]
    if not rows:
        return
    records = kernel.view.records(MMVAD_SHORT, addresses_of([row.address for row in rows]))
    known = not_blank(records)
    starts, ends = (
        np.array([value if isinstance(value, int) else 0 for value in values], dtype=np.uint64)
        for values in ([row.start for row in rows], [row.end for row in rows])
    )
    inside = (starts <= ends) & (ends < np.uint64(kernel.system_start))
    yield tally("vad-range", records, "StartingVpn", inside, known)
    yield tally("vad-order", records, "EndingVpn", ~_overlapping(rows, starts, ends), known & inside)
    parents = np.array([not any("as its parent" in problem for problem in row.problems) for row in rows])
    yield tally(
        "vad-parent", records, "ParentValue" if "ParentValue" in records.structure else "Parent", parents, known
    )
    if POOL_HEADER in kernel.build:
        size = np.uint64(kernel.build[POOL_HEADER].sizeof)
        headers = kernel.view.records(POOL_HEADER, records.addresses - size)
        tagged = np.array([isinstance(row.tag, str) and row.tag.startswith("Vad") for row in rows])
        yield tally("vad-tag", headers, "PoolTag", tagged, known & not_blank(headers))
    images = [row for row in rows if row.vad_type == IMAGE_MAP]
    if images:
        told = np.array([isinstance(row.file, str) for row in images])
        good = np.array([isinstance(row.file, str) and row.file.startswith("\\") for row in images])
        count = int(np.count_nonzero(told & good)), int(np.count_nonzero(told & ~good)), int(np.count_nonzero(~told))
        first = next((row.address for row, right in zip(images, good, strict=True) if not right), None)
        yield Check("vad-file", FILE_OBJECT.name, "FileName", "system", *count, first if count[1] else None)


def _overlapping(rows: Sequence[Vad], starts: Addresses, ends: Addresses) -> Mask:
    """Which ranges begin before the one before them, of the same process, has ended."""
    owners = [row.process.address for row in rows]
    order = sorted(range(len(rows)), key=lambda row: (owners[row], int(starts[row])))
    found = np.zeros(len(rows), dtype=np.bool_)
    for before, after in pairwise(order):
        if owners[before] == owners[after] and starts[after] <= ends[before]:
            found[after] = True
    return found


def _handles(kernel: Kernel, some: Sequence[Process]) -> Iterator[Check]:
    """That handles lead to objects that somebody has open, with rights that a handle can have.

    What type an object has is not asked: one damaged page is enough to tell no type at all.
    """
    entries = handle_tables(kernel, some).entries
    if not len(entries):
        return
    starts = np.searchsorted(entries.owner, entries.owner)  # of each table's entries, which stand together
    entries = entries.where(np.arange(len(entries)) - starts < HANDLES)
    body = np.uint64(kernel.build[OBJECT_HEADER].offset("Body"))
    possible = (entries.object >= np.uint64(kernel.system_start) + body) & (
        entries.object % np.uint64(kernel.space.pointer_size) == 0
    )
    headers = kernel.view.records(OBJECT_HEADER, np.where(possible, entries.object - body, np.uint64(0)))
    counts = headers.array("HandleCount").astype(np.int64)
    opened = possible & (counts > 0) & (counts < HANDLE_LIMIT)
    known = ~possible | readable(headers, "HandleCount", not_blank(headers))  # a header may end on a missing page
    records = kernel.view.records(HANDLE_TABLE_ENTRY, entries.entry)
    field = next(name for name in ("ObjectPointerBits", "Object") if name in records.structure)
    yield tally("handle-object", records, field, opened, known, told_by=headers.addresses)
    right = "GrantedAccessBits" if "GrantedAccessBits" in records.structure else "GrantedAccess"
    yield tally("handle-access", records, right, entries.access & ~ANY_RIGHT == 0, known & opened)


ANY_RIGHT = 0x011F_FFFF
"""Rights that a handle can have: of its type, of all objects, and to the audit list; general ones become these."""


def _blocks(sample: Sample) -> Iterator[Check]:
    """What user space repeats of the kernel's records: PEBs and TEBs."""
    kernel, records = sample.kernel, sample.processes
    roots = np.array([kernel.root_in(root) for root in records.array("DirectoryTableBase").tolist()], dtype=np.uint64)
    yield from _user(kernel, PEB, np.where(sample.ended, np.uint64(0), sample.pointers(records, "Peb")), roots, (
        ("peb-program-base", "ImageBaseAddress", sample.pointers(records, "SectionBaseAddress")),
    ))  # fmt: skip
    if sample.threads is None or ETHREAD not in kernel.build:
        return
    tebs = sample.pointers(sample.threads, "Teb")
    yield from _user(kernel, TEB, tebs, roots, (
        ("teb-self", "Self", tebs),
        ("teb-peb", "ProcessEnvironmentBlock", sample.pointers(records, "Peb")),
        ("teb-process-id", "UniqueProcess", records.array("UniqueProcessId").astype(np.uint64)),
    ))  # fmt: skip


def _user(
    kernel: Kernel, layout: Layout, where: Addresses, roots: Addresses, wanted: Sequence[tuple[str, str, Addresses]]
) -> Iterator[Check]:
    """Checks that fields of blocks in user space are what the kernel says."""
    usable = (where != 0) & (where < np.uint64(kernel.system_start))
    found: Records = kernel.view.records(layout, np.where(usable, where, np.uint64(0)), roots)
    known = not_blank(found)
    for name, field, expected in wanted:
        if field in found.structure:
            values = found.array(field).astype(np.uint64)
            yield tally(name, found, field, values == expected, known, space="user")
