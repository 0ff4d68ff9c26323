"""Virtual address descriptors: the trees of all processes walked at once, one level at a time.

A node is taken once in each tree: one that is reached twice ends that branch, and the row that led there says so.
Two trees that share a branch both show it; the one that stole it names another parent than it was reached from.
The rows of a process come in tree order, each with its depth.

Up to Windows XP the tree is a splay tree, which may be as deep as it has nodes, and whose root has no parent; up to
Windows 8 it hangs as the right branch below a node without a range (MM_AVL_TABLE.BalancedRoot), which the root names as
its parent; since Windows 8.1 the process points straight to a root without a parent (RTL_AVL_TREE).

Source: the kernel's symbols of each Windows (_EPROCESS.VadRoot, _MMVAD_SHORT, _MMVAD_FLAGS); Windows Internals, 4th to
7th edition, virtual address descriptors.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from process_anatomy.absent import NOT_APPLICABLE, Absent, Kind
from process_anatomy.kernel.identify import Kernel
from process_anatomy.memory.space import Addresses, distinct
from process_anatomy.memory.view import Records, addresses_of, unreadable
from process_anatomy.walk.processes.listed import NOT_READ, Process
from structs.eprocess import EPROCESS
from structs.layout import Structure
from structs.object import POOL_HEADER
from structs.section import CONTROL_AREA, FILE_OBJECT, SUBSECTION
from structs.vad import MMVAD, MMVAD_SHORT

DEPTH_LIMIT = 96
"""Levels walked at the most; a balanced tree of a million nodes has 28."""
SPLAY_DEPTH_LIMIT = 1 << 14
"""The same of a splay tree: ranges that are made in ascending order hang in one chain."""
NODE_LIMIT = 1 << 22
"""Nodes of all processes together."""
PAGE_SHIFT = np.uint64(12)
HIGH_SHIFT = np.uint64(44)
SHORT_TAGS = {"VadS", "VadF"}
"""Pool tags of nodes that end with _MMVAD_SHORT: there is no section behind them."""

VAD_TYPES = (
    "VadNone",
    "VadDevicePhysicalMemory",
    "VadImageMap",
    "VadAwe",
    "VadWriteWatch",
    "VadLargePages",
    "VadRotatePhysical",
    "VadLargePageSection",
)
"""MI_VAD_TYPE by value."""
IMAGE_MAP = VAD_TYPES[2]
TYPE_BITS = {
    "PhysicalMapping": VAD_TYPES[1],
    "ImageMap": IMAGE_MAP,
    "UserPhysicalPages": VAD_TYPES[3],
    "WriteWatch": VAD_TYPES[4],
    "LargePages": VAD_TYPES[5],
}
"""Bits that say what VadType says since Windows Server 2003 SP1."""

PAGE_PROTECTIONS = (
    "PAGE_NOACCESS",
    "PAGE_READONLY",
    "PAGE_EXECUTE",
    "PAGE_EXECUTE_READ",
    "PAGE_READWRITE",
    "PAGE_WRITECOPY",
    "PAGE_EXECUTE_READWRITE",
    "PAGE_EXECUTE_WRITECOPY",
)
PROTECTION_MODIFIERS = ("", "PAGE_NOCACHE", "PAGE_GUARD", "PAGE_WRITECOMBINE")


def protection_name(index: int) -> str:
    """The protection that a five-bit index of the memory manager stands for.

    The three lower bits choose the protection, the two upper ones a modifier; no access has none.  This is
    what the kernel's own table (MmProtectToValue) says in every build.
    """
    base = PAGE_PROTECTIONS[index & 7]
    modifier = PROTECTION_MODIFIERS[index >> 3 & 3]
    return f"{base}|{modifier}" if modifier and index & 7 else base


PROTECTIONS = tuple(protection_name(index) for index in range(32))


@dataclass(frozen=True, slots=True)
class Vad:
    """One node of a process's VAD tree.  Every fact may be :class:`~process_anatomy.absent.Absent`.

    Attributes:
        process: the process.
        address: of the node.
        depth: 0 for the root.
        start: first address of the range.
        end: last address of the range.
        tag: pool tag of the node.
        vad_type: name of MI_VAD_TYPE.
        protection: as stock Volatility writes it, for instance ``PAGE_READWRITE|PAGE_GUARD``.
        commit: committed pages.
        private: 1 for private memory.
        parent: address of the parent node, as the node says.
        file: name of the mapped file within its device, not applicable without one.
        enclave: whether the private range belongs to an enclave; false in builds that do not say.
        problems: what is odd or could not be read, one line each.
    """

    process: Process
    address: int
    depth: int
    start: int | Absent
    end: int | Absent
    tag: str | Absent
    vad_type: str | Absent
    protection: str | Absent
    commit: int | Absent
    private: int | Absent
    parent: int | Absent
    file: str | Absent
    enclave: bool
    problems: tuple[str, ...]

    @property
    def pages(self) -> int | Absent:
        """Pages of the range."""
        if isinstance(self.start, Absent) or isinstance(self.end, Absent):
            return NOT_APPLICABLE
        return (self.end + 1 - self.start) >> 12


@dataclass(slots=True)
class _Nodes:
    """The nodes of all trees, in the order they were reached: each array has one element a node."""

    owner: npt.NDArray[np.int64]
    depth: npt.NDArray[np.int64]
    came_from: npt.NDArray[np.int64]
    address: Addresses
    problems: dict[int, list[str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class VadTable:
    """The VAD trees of some processes.

    Attributes:
        rows: in the order of the processes, each tree in tree order.
        problems: what was wrong with trees that have no row to say it, one line each.
        broken: addresses of the processes whose tree may hold more than its rows, or rows without a known range.
    """

    rows: tuple[Vad, ...]
    problems: tuple[str, ...]
    broken: frozenset[int] = frozenset()


def vads(kernel: Kernel, processes: Sequence[Process]) -> VadTable:
    """The VAD trees of the processes, in the order of the processes, each in tree order."""
    structure = kernel.build[MMVAD_SHORT]
    nodes = _walk(
        kernel, structure, addresses_of([p.vad_root if isinstance(p.vad_root, int) else 0 for p in processes])
    )
    rows = tuple(_rows(kernel, processes, nodes, _tree_order(nodes)))
    rooted = {row.process.address for row in rows}
    lost = [
        f"process {process.pid}: its VAD root is not known ({process.vad_root})"
        for process in processes
        if isinstance(process.vad_root, Absent)
    ]
    lost += [
        f"process {process.pid}: {problem}"
        for owner, process in enumerate(processes)
        if process.address not in rooted
        for problem in nodes.problems.get(-1 - owner, [])
    ]
    owners = {int(nodes.owner[number]) if number >= 0 else -1 - number for number in nodes.problems}
    broken = {processes[owner].address for owner in owners}
    broken |= {row.process.address for row in rows if isinstance(row.start, Absent) or isinstance(row.end, Absent)}
    broken |= {process.address for process in processes if isinstance(process.vad_root, Absent)}
    return VadTable(rows, tuple(lost), frozenset(broken))


def _walk(kernel: Kernel, structure: Structure, roots: Addresses) -> _Nodes:
    """Reach every node, breadth first over all trees."""
    owner = np.flatnonzero(roots)
    address = roots[owner]
    came_from = np.full(len(owner), -1, dtype=np.int64)
    side = np.zeros(len(owner), dtype=np.int64)
    levels: list[tuple[npt.NDArray[np.int64], ...]] = []
    addresses: list[Addresses] = []
    problems: dict[int, list[str]] = {}
    seen: set[tuple[int, int]] = set()
    total = 0
    left, right, width = structure.offset("Left"), structure.offset("Right"), structure.build.pointer_size
    limit = SPLAY_DEPTH_LIMIT if is_splay_tree(structure) else DEPTH_LIMIT
    for depth in range(limit + 1):
        fresh = (address >= np.uint64(kernel.system_start)) & (address & np.uint64(7) == 0)
        fresh &= np.array(
            [_add(seen, pair) for pair in zip(owner.tolist(), address.tolist(), strict=True)], dtype=np.bool_
        )
        fresh &= total + np.cumsum(fresh) <= NODE_LIMIT
        if depth == limit:
            fresh[:] = False
        for row in np.flatnonzero(~fresh).tolist():
            child, parent = int(address[row]), int(came_from[row])
            problems.setdefault(parent if parent >= 0 else -1 - int(owner[row]), []).append(
                _refused(kernel, child, "left" if side[row] == 0 else "right", depth, limit)
            )
        owner, address, came_from, side = owner[fresh], address[fresh], came_from[fresh], side[fresh]
        if not len(owner):
            break
        levels.append((owner, np.full(len(owner), depth, dtype=np.int64), came_from))
        addresses.append(address)
        first, total = total, total + len(owner)
        data, there = kernel.space.read_many(address, max(left, right) + width)
        links = [data[:, at : at + width].copy().view(f"<u{width}").astype(np.uint64) for at in (left, right)]
        children = np.where(there[:, None], np.concatenate(links, axis=1), np.uint64(0))
        number, side = np.nonzero(children)
        address = children[number, side]
        owner, came_from = owner[number], number + first
        for unread in np.flatnonzero(~there).tolist():
            problems.setdefault(first + unread, []).append("its children are not known, for it cannot be read")
    if not levels:
        empty = np.zeros(0, dtype=np.int64)
        return _Nodes(empty, empty, empty, np.zeros(0, dtype=np.uint64), problems)
    whole = [np.concatenate(parts) for parts in zip(*levels, strict=True)]
    return _Nodes(whole[0], whole[1], whole[2], np.concatenate(addresses), problems)


def is_splay_tree(structure: Structure) -> bool:
    """Whether nodes of this build keep no balance, as those of Windows XP."""
    return "ParentValue" not in structure


def _add(seen: set[tuple[int, int]], node: tuple[int, int]) -> bool:
    """Whether a node is new to its tree; it is not any more."""
    new = node not in seen
    seen.add(node)
    return new


def _refused(kernel: Kernel, child: int, side: str, depth: int, limit: int) -> str:
    where = f"its {side} child {child:#x}" if depth else f"VAD root {child:#x}"
    if child < kernel.system_start or child % 8:
        return f"{where} is no kernel address"
    if depth == limit:
        return f"{where} lies deeper than {limit} levels"
    return f"{where} was reached before, so the tree loops"


def _tree_order(nodes: _Nodes) -> list[int]:
    """Node numbers in tree order: each process's root, then its left branch, then its right one."""
    children: dict[int, list[int]] = {}
    roots: list[int] = []
    for number, parent in enumerate(nodes.came_from.tolist()):
        if parent < 0:
            roots.append(number)
        else:
            # breadth first, so a parent's left child always comes before its right one
            children.setdefault(parent, []).append(number)
    order: list[int] = []
    for root in roots:
        pending = [root]
        while pending:
            number = pending.pop()
            order.append(number)
            pending.extend(reversed(children.get(number, ())))
    return order


def _rows(kernel: Kernel, processes: Sequence[Process], nodes: _Nodes, order: list[int]) -> list[Vad]:
    picked = np.array(order, dtype=np.int64)
    address = nodes.address[picked]
    records = kernel.view.records(MMVAD_SHORT, address)
    tags = _tags(kernel, address)
    columns: list[list[Any]] = [
        _vpn(records, "StartingVpn", "StartingVpnHigh", 0),
        _vpn(records, "EndingVpn", "EndingVpnHigh", 0xFFF),
        tags,
        _types(records),
        _named(records, "Protection", PROTECTIONS),
        _numbers(records, "CommitCharge"),
        _numbers(records, "PrivateMemory"),
        parents(records),
        _files(kernel, records, tags),
        (records.array("Enclave") & records.array("PrivateMemory") != 0).tolist(),
    ]
    above = np.array([table_root(kernel, process) for process in processes] + [0], dtype=np.uint64)
    came_from = nodes.came_from[picked]
    expected = np.where(came_from >= 0, nodes.address[came_from], above[nodes.owner[picked]]).tolist()
    rows: list[Vad] = []
    for number, owner, depth, parent, at, facts in zip(
        order,
        nodes.owner[picked].tolist(),
        nodes.depth[picked].tolist(),
        expected,
        address.tolist(),
        zip(*columns, strict=True),
        strict=True,
    ):
        problems = nodes.problems.get(number, [])
        if not depth:
            problems = nodes.problems.get(-1 - owner, []) + problems
        start, end, stated = facts[0], facts[1], facts[7]
        if isinstance(stated, int) and stated != parent:
            problems = [*problems, f"names {stated:#x} as its parent, but was reached from {parent:#x}"]
        if isinstance(start, int) and isinstance(end, int) and (end < start or end >= kernel.system_start):
            problems = [*problems, "its range is not one of user addresses"]
        problems = problems + [str(v) for v in facts if isinstance(v, Absent) and v.kind in NOT_READ]
        rows.append(Vad(*(processes[owner], at, depth, *facts, tuple(dict.fromkeys(problems)))))
    return rows


def _patch(records: Records, values: list[Any], *names: str) -> list[Any]:
    """The values, replaced by the reason where one of the fields that they are made of could not be read."""
    for name in names:
        if not records.whole.all() or name not in records.structure:
            read = records.values(name)
            values = [r if isinstance(r, Absent) else v for r, v in zip(read, values, strict=True)]
    return values


def _vpn(records: Records, low: str, high: str, inside: int) -> list[Any]:
    page = records.array(low).astype(np.uint64) << PAGE_SHIFT | records.array(high).astype(np.uint64) << HIGH_SHIFT
    names = (low, high) if high in records.structure else (low,)  # a number of 64 bits, or of 32 on x86, has no parts
    return _patch(records, (page | np.uint64(inside)).tolist(), *names)


def parents(records: Records) -> list[Any]:
    """The parent that each node names, without the bits of the balance."""
    if is_splay_tree(records.structure):
        return records.values("Parent")
    return [v if isinstance(v, Absent) else v & ~0x3 for v in records.values("ParentValue")]


def table_root(kernel: Kernel, process: Process) -> int:
    """What the root of a process's tree must name as its parent: the node of the table that it hangs below, else 0."""
    whole = kernel.build[EPROCESS]
    if "DepthOfTree" not in whole:
        return 0
    return process.address + whole.offset("VadRoot") - kernel.build[MMVAD_SHORT].offset("Right")


def _types(records: Records) -> list[Any]:
    """MI_VAD_TYPE of each node by name, from the bits that said the same before there was a number for it."""
    if "VadType" in records.structure:
        return _named(records, "VadType", VAD_TYPES)
    kinds = np.zeros(len(records), dtype=np.int64)
    for bit, name in TYPE_BITS.items():
        kinds[records.array(bit) != 0] = VAD_TYPES.index(name)
    return _patch(records, [VAD_TYPES[kind] for kind in kinds.tolist()], *TYPE_BITS)


def _numbers(records: Records, field: str) -> list[Any]:
    return _patch(records, records.array(field).tolist(), field)


def _named(records: Records, field: str, names: tuple[str, ...]) -> list[Any]:
    values = [names[v] if v < len(names) else str(v) for v in records.array(field).tolist()]
    return _patch(records, values, field)


def _tags(kernel: Kernel, address: Addresses) -> list[Any]:
    """The pool tag in front of each node."""
    if POOL_HEADER not in kernel.build:
        return [Absent(Kind.NOT_IN_BUILD, f"_POOL_HEADER is not in the layout of build {kernel.build.name}")] * len(
            address
        )
    place = kernel.build[POOL_HEADER].place("PoolTag")
    where = address - np.uint64(kernel.build[POOL_HEADER].sizeof) + np.uint64(place.offset)
    data, there = kernel.space.read_many(where, place.size)
    found: list[Any] = []
    for tag, readable, at in zip(data.tolist(), there.tolist(), where.tolist(), strict=True):
        found.append(bytes(tag).decode("latin-1") if readable else unreadable(kernel.space, at, place.size))
    return found


def _files(kernel: Kernel, records: Records, tags: list[Any]) -> list[Any]:
    """Names of mapped files: node, subsection, control area, file object, in four batches.

    Before Windows Vista the node points to the control area itself.  The pool tag tells which nodes have a section
    behind them; where it is not known, the private bit does.
    """
    found: list[Any] = [NOT_APPLICABLE] * len(records)
    mapped = (records.array("PrivateMemory") == 0).tolist()
    long = [tag not in SHORT_TAGS if isinstance(tag, str) else shared for tag, shared in zip(tags, mapped, strict=True)]
    rows = np.flatnonzero(np.array(long, dtype=np.bool_))
    if not len(rows):
        return found
    where = records.addresses[rows]
    steps = [(MMVAD, "Subsection"), (SUBSECTION, "ControlArea"), (CONTROL_AREA, "FilePointer")]
    if "ControlArea" in kernel.build[MMVAD]:
        steps = [(MMVAD, "ControlArea"), (CONTROL_AREA, "FilePointer")]
    for layout, name in steps:
        place = kernel.build[layout].place(name)
        unique, back = distinct(where)
        data, there = kernel.space.read_many(unique + np.uint64(place.offset), place.size)
        pointers = data.view(f"<u{place.size}").reshape(-1).astype(np.uint64)[back]
        for row, at in zip(rows[~there[back]].tolist(), where[~there[back]].tolist(), strict=True):
            found[row] = unreadable(kernel.space, at + place.offset, place.size)
        pointers &= ~np.uint64(kernel.build.fast_ref if name == "FilePointer" else 0)
        going = there[back] & (pointers != 0)
        rows, where = rows[going], pointers[going]
    unique, back = distinct(where)
    texts = kernel.view.records(FILE_OBJECT, unique).texts("FileName")
    names = [NOT_APPLICABLE if text == "" else text for text in texts]
    for row, which in zip(rows.tolist(), back.tolist(), strict=True):
        found[row] = names[which]
    return found


def vad_around(vads: Iterable[Vad], base: int) -> Vad | None:
    """The node that an address lies in; should damaged trees overlap, the mapped image that starts there."""
    found = None
    for vad in vads:
        if isinstance(vad.start, int) and isinstance(vad.end, int) and vad.start <= base <= vad.end:
            if vad.start == base and vad.vad_type == IMAGE_MAP:
                return vad
            found = found or vad
    return found
