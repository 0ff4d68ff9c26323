"""The loader's lists: what every process's own loader says is loaded, in three orders, all processes at once.

The lists lie in user memory, so the process itself, and whoever can write to it, can change them.  Each is followed
both ways through the process's own page tables; an entry is one row however many of the lists hold it.  A WOW64
process has a second set of lists, of its 32-bit loader.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from process_anatomy.absent import NOT_APPLICABLE, Absent, Kind, absent_in
from process_anatomy.filetime import written
from process_anatomy.kernel.identify import Kernel
from process_anatomy.kernel.lists import follow_heads
from process_anatomy.memory.space import Addresses, Space
from process_anatomy.memory.view import View, addresses_of, unreadable
from process_anatomy.walk.processes.listed import NOT_READ, Process
from process_anatomy.walk.program.small_pebs import small_pebs
from structs import builds
from structs.eprocess import EPROCESS
from structs.layout import Build
from structs.peb import LDR_DATA_TABLE_ENTRY, LDR_DDAG_NODE, PEB, PEB_LDR_DATA

ORDERS = ("InLoadOrder", "InMemoryOrder", "InInitializationOrder")
"""The three lists; fields of the head add ``ModuleList``, those of an entry ``Links``."""
LOAD_REASONS = {
    -1: "Unknown",
    0: "StaticDependency",
    1: "StaticForwarderDependency",
    2: "DynamicForwarderDependency",
    3: "DelayloadDependency",
    4: "DynamicLoad",
    5: "AsImageLoad",
    6: "AsDataLoad",
    7: "EnclavePrimary",
    8: "EnclaveDependency",
    9: "PatchImage",
}
"""_LDR_DLL_LOAD_REASON by value, without its prefix (ntdll's public symbols)."""
HOT_PATCH_STATES = {
    0: "BaseImage",
    1: "NotApplied",
    2: "AppliedReverse",
    3: "AppliedForward",
    4: "FailedToPatch",
}
"""_LDR_HOT_PATCH_STATE by value, without its prefix (ntdll's public symbols)."""
APPLIED = {HOT_PATCH_STATES[2], HOT_PATCH_STATES[3]}
"""States of a module whose functions were replaced."""
MODULE_LIMIT = 1 << 13
"""Entries of one list at the most."""
WANTED = (
    "DllBase", "EntryPoint", "SizeOfImage", "FullDllName", "BaseDllName", "Flags", "ObsoleteLoadCount",
    "TimeDateStamp", "LoadTime", "LoadReason", "DdagNode", "HotPatchState", "ActivePatchImageBase",
)  # fmt: skip
"""Fields of an entry that its facts come from, in the order of :class:`LoaderEntry`."""


class LoaderEntry(NamedTuple):
    """One module, as the loader recorded it.  Every fact may be :class:`~process_anatomy.absent.Absent`.

    Attributes:
        process: the process.
        bits: those of the kernel's pointers, or 32 for the entry of a WOW64 process's 32-bit loader.
        address: of the _LDR_DATA_TABLE_ENTRY.
        base: where the module is mapped.
        entry_point: address of its entry point, 0 without one.
        size: bytes it takes in memory.
        path: full path.
        name: file name.
        flags: what the loader did with it.
        load_count: references as Windows counted them before 8; -1 (and 6 from 8 on) for those that stay.
        timestamp: time stamp of the image.
        load_time: FILETIME.
        load_reason: why it was loaded.
        references: references in the loader's graph of dependencies, -1 for one that stays for good.
        hot_patch: what hot-patching did with it, of :data:`HOT_PATCH_STATES`.
        patch_base: where the image is mapped that patches it, not applicable for none.
        orders: which of :data:`ORDERS` hold it.
        problems: what is odd or could not be read, one line each.
        astray: whether a link of the lists leads to it that it does not answer.
    """

    process: Process
    bits: int
    address: int
    base: int | Absent
    entry_point: int | Absent
    size: int | Absent
    path: str | Absent
    name: str | Absent
    flags: int | Absent
    load_count: int | Absent
    timestamp: int | Absent
    load_time: int | Absent
    load_reason: str | Absent
    references: int | Absent
    hot_patch: str | Absent
    patch_base: int | Absent
    orders: tuple[str, ...]
    problems: tuple[str, ...]
    astray: bool = False


@dataclass(frozen=True, slots=True)
class LoaderTable:
    """The loader's lists of some processes.

    Attributes:
        entries: in the order of the processes, native before 32-bit, each in load order.
        gone: (process address, bits) to why its lists could not be had; processes without a loader are not in it.
        bits: of the native loaders.
        cut: process addresses one of whose lists ended before it closed.
        problems: what no entry can say, one line each.
    """

    entries: tuple[LoaderEntry, ...]
    gone: dict[tuple[int, int], Absent]
    bits: int
    cut: frozenset[int]
    problems: tuple[str, ...]


@dataclass(slots=True)
class _Loader:
    """One set of lists: whose, of how many bits, where its _PEB_LDR_DATA is, through which page tables."""

    process: Process
    bits: int
    data: int
    root: int


def loader_entries(kernel: Kernel, processes: Sequence[Process]) -> LoaderTable:
    """Every entry of the loader's lists of the processes, the native ones and those of WOW64."""
    space, bits = kernel.space, 8 * kernel.build.pointer_size
    gone: dict[tuple[int, int], Absent] = {}
    native = [(p, p.peb) for p in processes if isinstance(p.peb, int)]
    gone |= {(p.address, bits): p.peb for p in processes if isinstance(p.peb, Absent) and p.peb.kind in NOT_READ}
    found = _of(space, kernel.build, _loaders(space, kernel.build, native, gone))
    small = _small_pebs(kernel, processes, gone)
    if small:
        build = builds.wow64(kernel.number)
        found_small = _of(space, build, _loaders(space, build, small, gone))
        found = _Found(
            found.entries + found_small.entries, found.cut | found_small.cut, found.problems + found_small.problems
        )
    order = {process.address: number for number, process in enumerate(processes)}
    found.entries.sort(key=lambda entry: (order[entry.process.address], -entry.bits))
    return LoaderTable(tuple(found.entries), gone, bits, frozenset(found.cut), tuple(found.problems))


def _small_pebs(
    kernel: Kernel, processes: Sequence[Process], gone: dict[tuple[int, int], Absent]
) -> list[tuple[Process, int]]:
    """The 32-bit PEB of each WOW64 process."""
    pointers = kernel.view.records(EPROCESS, addresses_of([p.address for p in processes])).values("WoW64Process")
    found = []
    for row, address in small_pebs(kernel, processes, pointers).items():
        if isinstance(address, int):
            found.append((processes[row], address))
        else:
            gone[processes[row].address, 32] = address
    return found


def _loaders(
    space: Space,
    build: Build,
    pebs: Sequence[tuple[Process, int]],
    gone: dict[tuple[int, int], Absent],
) -> list[_Loader]:
    """Where each PEB says that the loader's data is."""
    size, bits = build.pointer_size, 8 * build.pointer_size
    with_root = [(p, peb, p.dtb) for p, peb in pebs if isinstance(p.dtb, int)]
    gone |= {(p.address, bits): p.dtb for p, _ in pebs if isinstance(p.dtb, Absent)}
    where = addresses_of([peb + build[PEB].offset("Ldr") for _, peb, _ in with_root])
    data, there = space.read_many(where, size, addresses_of([root for _, _, root in with_root]))
    found = []
    pointers = data.view(f"<u{size}").reshape(-1).astype(np.uint64)
    _, held = space.read_many(pointers, 1, addresses_of([root for _, _, root in with_root]))
    for (process, _, root), at, pointer, readable, leads in zip(
        with_root, where.tolist(), pointers.tolist(), there.tolist(), held.tolist(), strict=True
    ):
        if not readable:
            gone[process.address, bits] = unreadable(space.through(root), at, size)
        elif pointer == 0:
            gone[process.address, bits] = Absent(Kind.IMPLAUSIBLE, "its PEB names no loader data, so nothing is loaded")
        elif pointer % size or pointer >= space.system_start:
            gone[process.address, bits] = Absent(Kind.IMPLAUSIBLE, f"loader data at {pointer:#x}, no user address")
        elif leads:
            found.append(_Loader(process, bits, pointer, root))
        else:
            gone[process.address, bits] = unreadable(space.through(root), pointer, build[PEB_LDR_DATA].sizeof)
    return found


@dataclass(slots=True)
class _Found:
    entries: list[LoaderEntry]
    cut: set[int] = field(default_factory=set)
    problems: list[str] = field(default_factory=list)


def _of(space: Space, build: Build, loaders: list[_Loader]) -> _Found:
    """Follow the three lists of each loader, all at once, and read every entry once."""
    head, inside = build[PEB_LDR_DATA], build[LDR_DATA_TABLE_ENTRY]
    heads = addresses_of([loader.data + head.offset(f"{order}ModuleList") for loader in loaders for order in ORDERS])
    roots = addresses_of([loader.root for loader in loaders for _ in ORDERS])
    rings = follow_heads(space, heads, MODULE_LIMIT, roots, build.pointer_size)
    result = _Found([])
    places: list[tuple[_Loader, int]] = []
    orders: list[tuple[str, ...]] = []
    notes: list[list[str]] = []
    for number, loader in enumerate(loaders):
        held: dict[int, list[str]] = {}
        said: dict[int, list[str]] = {}
        for order, ring in zip(ORDERS, rings[3 * number : 3 * number + 3], strict=True):
            shift = inside.offset(f"{order}Links")
            for link in ring.links:
                held.setdefault(link - shift, []).append(order)
            for link, lines in ring.notes.items():
                said.setdefault(link - shift, []).extend(f"{order}: {line}" for line in lines)
            if ring.problems:
                result.cut.add(loader.process.address)
            told = {line for link in ring.links for line in ring.notes.get(link, ())}
            result.problems += [
                f"process {loader.process.pid}: {order}: {line}" for line in ring.problems if line not in told
            ]
        for address, of in held.items():
            places.append((loader, address))
            orders.append(tuple(of))
            notes.append(said.get(address, []))
    at = addresses_of([address for _, address in places])
    through = addresses_of([loader.root for loader, _ in places])
    records = View(space, build).records(LDR_DATA_TABLE_ENTRY, at, through)
    columns: dict[str, list[Any]] = {
        name: records.texts(name) if name in ("FullDllName", "BaseDllName") else records.values(name) for name in WANTED
    }
    columns["DdagNode"] = _references(space, build, columns["DdagNode"], through)
    columns["LoadTime"] = [NOT_APPLICABLE if v == 0 else written(v) for v in columns["LoadTime"]]
    columns["LoadReason"] = [v if isinstance(v, Absent) else LOAD_REASONS.get(v, str(v)) for v in columns["LoadReason"]]
    columns["HotPatchState"] = [
        v if isinstance(v, Absent) else HOT_PATCH_STATES.get(v, str(v)) for v in columns["HotPatchState"]
    ]
    columns["ActivePatchImageBase"] = [NOT_APPLICABLE if v == 0 else v for v in columns["ActivePatchImageBase"]]
    astray = [bool(lines) for lines in notes]
    for name, column in columns.items():
        for row in absent_in(column):
            if column[row].kind in NOT_READ:
                notes[row].append(f"{name}: {column[row]}")
    facts = zip(
        [loader.process for loader, _ in places],
        [loader.bits for loader, _ in places],
        [address for _, address in places],
        *columns.values(),
        orders,
        [tuple(dict.fromkeys(lines)) for lines in notes],
        astray,
        strict=True,
    )
    result.entries += map(LoaderEntry._make, facts)
    return result


def _references(space: Space, build: Build, nodes: list[Any], roots: Addresses) -> list[int | Absent]:
    """LoadCount of each module's node in the graph; -1 for one that is never unloaded."""
    if LDR_DDAG_NODE not in build:
        return [Absent(Kind.NOT_IN_BUILD, f"_LDR_DDAG_NODE is not in the layout of {build.name}")] * len(nodes)
    rows = [row for row, node in enumerate(nodes) if isinstance(node, int) and node]
    at = addresses_of([nodes[row] for row in rows])
    found: list[int | Absent] = [node if isinstance(node, Absent) else NOT_APPLICABLE for node in nodes]
    counts = View(space, build).records(LDR_DDAG_NODE, at, roots[rows]).values("LoadCount")
    for row, count in zip(rows, counts, strict=True):
        found[row] = -1 if count == 0xFFFFFFFF else count
    return found
