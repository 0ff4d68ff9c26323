"""Virtual address descriptors: the trees of all processes walked at once, one level at a time.

A node is taken once in each tree: one that is reached twice ends that branch, and the row that led there says so.
Two trees that share a branch both show it; the one that stole it names another parent than it was reached from.
The rows of a process come in tree order, each with its depth.  Nodes that a broken tree lost and that were found by
their pool tags stand where their links say; each says so.

Up to Windows XP the tree is a splay tree, which may be as deep as it has nodes, and whose root has no parent; up to
Windows 8 it hangs as the right branch below a node without a range (MM_AVL_TABLE.BalancedRoot), which the root names as
its parent; since Windows 8.1 the process points straight to a root without a parent (RTL_AVL_TREE).

Source: the kernel's symbols of each Windows (_EPROCESS.VadRoot, _MMVAD_SHORT, _MMVAD_FLAGS); Windows Internals, 4th to
7th edition, virtual address descriptors.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from process_anatomy.absent import NOT_APPLICABLE, Absent, absent_in
from process_anatomy.kernel.identify import Kernel
from process_anatomy.memory.space import Addresses, among
from process_anatomy.memory.view import addresses_of
from process_anatomy.walk.address_space.lost_nodes import with_lost
from process_anatomy.walk.address_space.vad_nodes import IMAGE_MAP, SHORT_TAGS, facts_of, parents_of, user_ranges
from process_anatomy.walk.address_space.vad_shape import counted, lacking, misshapen, told
from process_anatomy.walk.address_space.vad_trees import Nodes, is_splay_tree, table_root, tree_order, walk
from process_anatomy.walk.processes.listed import NOT_READ, Process
from structs.vad import MMVAD_SHORT

DEPTH_LIMIT = 96
"""Levels walked at the most; a balanced tree of a million nodes has 28."""
SPLAY_DEPTH_LIMIT = 1 << 14
"""The same of a splay tree: ranges that are made in ascending order hang in one chain."""


class Vad(NamedTuple):
    """One node of a process's VAD tree.  Every fact may be :class:`~process_anatomy.absent.Absent`.

    A tuple, for there are hundreds of thousands of them, made of columns.

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
        extended: of an image, 1 where the kernel mapped pages behind its end with it; not applicable to other ranges.
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
    extended: int | Absent = NOT_APPLICABLE
    problems: tuple[str, ...] = ()

    @property
    def pages(self) -> int | Absent:
        """Pages of the range; absent for the same reason as the bound that is not known."""
        if isinstance(self.start, Absent):
            return self.start
        if isinstance(self.end, Absent):
            return self.end
        return (self.end + 1 - self.start) >> 12


@dataclass(frozen=True, slots=True)
class VadTable:
    """The VAD trees of some processes.

    Attributes:
        rows: in the order of the processes, each tree in tree order.
        problems: what was wrong with trees that have no row to say it, one line each.
        broken: by address, the processes whose tree may hold more than its rows, holds rows without a known range, or
            cannot be as it was read; with the reason as a clause.
    """

    rows: tuple[Vad, ...]
    problems: tuple[str, ...]
    broken: Mapping[int, str] = field(default_factory=dict)


def vads(kernel: Kernel, processes: Sequence[Process], lost: bool = True) -> VadTable:
    """The VAD trees of the processes, in the order of the processes, each in tree order.

    Args:
        kernel: the kernel.
        processes: whose trees.
        lost: nodes that broken trees lack are looked for by their pool tags, in all of system space.
    """
    limit = SPLAY_DEPTH_LIMIT if is_splay_tree(kernel.build[MMVAD_SHORT]) else DEPTH_LIMIT
    roots = addresses_of([p.vad_root if isinstance(p.vad_root, int) else 0 for p in processes])
    nodes = walk(kernel, roots, limit)
    rows = tuple(_rows(kernel, processes, nodes, tree_order(nodes)))
    rooted = {row.process.address for row in rows}
    problems = [
        f"process {process.pid}: its VAD root is not known ({process.vad_root})"
        for process in processes
        if isinstance(process.vad_root, Absent)
    ]
    rootless = [process for process in processes if process.vad_root == 0 and process.runs_program]
    problems += [
        f"process {process.pid}: it runs, but its VadRoot is zero: its VADs are not known" for process in rootless
    ]
    problems += [
        f"process {process.pid}: {problem}"
        for owner, process in enumerate(processes)
        if process.address not in rooted
        for problem in nodes.problems.get(-1 - owner, [])
    ]
    reasons, counts = _reasons(kernel, processes, nodes, rows), counted(kernel, processes)
    fewer = lacking(np.bincount(nodes.owner, minlength=len(processes)).tolist(), counts)
    broken = {processes[owner].address for owner in (*reasons, *fewer)}
    more: dict[int, int] = {}
    if broken and lost:
        nodes, left_out = with_lost(kernel, processes, nodes, broken, counts)
        problems += left_out
        if nodes.found:
            rows = tuple(_rows(kernel, processes, nodes, tree_order(nodes)))
            more = dict(Counter(nodes.owner[sorted(nodes.found)].tolist()))
    words = told(reasons, fewer, more)
    return VadTable(rows, tuple(problems), {processes[owner].address: clause for owner, clause in words.items()})


def _reasons(kernel: Kernel, processes: Sequence[Process], nodes: Nodes, rows: Sequence[Vad]) -> dict[int, str]:
    """Why trees are not known to be whole, by the number of their process; not, that they have too few nodes."""
    reasons: dict[int, str] = {}
    for number in nodes.problems:
        owner = int(nodes.owner[number]) if number >= 0 else -1 - number
        reasons.setdefault(owner, "it could not be followed to all its leaves")
    numbers = {process.address: owner for owner, process in enumerate(processes)}
    for row in (row for row in rows if row.problems):
        if isinstance(row.start, Absent) or isinstance(row.end, Absent):
            reasons.setdefault(numbers[row.process.address], "a node could not be read")
        elif row.end < row.start or row.end >= kernel.system_start:
            reasons.setdefault(numbers[row.process.address], "a node has a range that cannot be")
    for owner, process in enumerate(processes):
        if isinstance(process.vad_root, Absent):
            reasons.setdefault(owner, f"its root is not known ({process.vad_root})")
        elif process.vad_root == 0 and process.runs_program:
            reasons.setdefault(owner, "its root is zero, though it runs")
    splay = is_splay_tree(kernel.build[MMVAD_SHORT])
    place = kernel.build[MMVAD_SHORT].place("Parent" if splay else "ParentValue")
    data, there = kernel.space.read_many(nodes.address + np.uint64(place.offset), place.size)
    stated = data.view(f"<u{place.size}").reshape(-1).astype(np.uint64)
    bits = np.zeros(0, dtype=np.uint64) if splay else stated & np.uint64(3)
    misled = there & (stated & ~np.uint64(0 if splay else 3) != nodes_above(kernel, processes, nodes))
    return {**misshapen(nodes, misled, bits.astype(np.int64)), **reasons}


def _rows(kernel: Kernel, processes: Sequence[Process], nodes: Nodes, order: list[int]) -> list[Vad]:
    picked = np.array(order, dtype=np.int64)
    address, owner, depth = nodes.address[picked], nodes.owner[picked], nodes.depth[picked]
    records = kernel.view.records(MMVAD_SHORT, address)
    facts = facts_of(kernel, records)
    owners = [processes[number] for number in owner.tolist()]
    nothing_odd: list[tuple[str, ...]] = [()] * len(order)
    rows = list(map(Vad._make, zip(owners, address.tolist(), depth.tolist(), *facts, nothing_odd, strict=True)))
    above = nodes_above(kernel, processes, nodes)[picked]
    odd = (parents_of(records) != above) | ~user_ranges(kernel, records)
    if nodes.problems:
        noted = np.array(sorted(nodes.problems), dtype=np.int64)
        odd |= among(picked, noted) | among(-1 - owner, noted) & (depth == 0)
    worth = set(np.flatnonzero(odd).tolist())
    worth.update(row for row, vad in enumerate(rows) if vad.private == 0 and vad.tag in SHORT_TAGS)
    for column in facts:
        worth.update(row for row in absent_in(column) if column[row].kind in NOT_READ)
    for row in worth:
        rows[row] = rows[row]._replace(problems=_problems(kernel, nodes, order[row], rows[row], int(above[row])))
    return rows


def _problems(kernel: Kernel, nodes: Nodes, number: int, vad: Vad, above: int) -> tuple[str, ...]:
    """What is odd about a node or could not be read.

    Args:
        kernel: the kernel.
        nodes: all nodes.
        number: which of them it is.
        vad: what it says.
        above: the parent that it should name.
    """
    problems = list(nodes.problems.get(number, ()))
    reached = number not in nodes.found  # by the links of its tree
    if not vad.depth and reached:
        problems = nodes.problems.get(-1 - int(nodes.owner[number]), []) + problems
    if isinstance(vad.parent, int) and vad.parent != above and (vad.depth or reached):
        problems.append(f"names {vad.parent:#x} as its parent, but was reached from {above:#x}")
    if isinstance(vad.start, int) and isinstance(vad.end, int) and not vad.start <= vad.end < kernel.system_start:
        problems.append("its range is not one of user addresses")
    if vad.private == 0 and vad.tag in SHORT_TAGS:
        problems.append(f"it says that it maps a section, but a node of tag {vad.tag} has no room for one")
    problems += [str(value) for value in vad if isinstance(value, Absent) and value.kind in NOT_READ]
    return tuple(dict.fromkeys(problems))


def nodes_above(kernel: Kernel, processes: Sequence[Process], nodes: Nodes) -> Addresses:
    """What each node should name as its parent: the node that led to it; of a root what its Windows has there."""
    above = np.array([table_root(kernel, process) for process in processes] + [0], dtype=np.uint64)
    if not len(nodes.owner):
        return np.zeros(0, dtype=np.uint64)
    expected: Addresses = np.where(nodes.came_from >= 0, nodes.address[nodes.came_from], above[nodes.owner])
    return expected


def vad_around(vads: Iterable[Vad], base: int) -> Vad | None:
    """The node that an address lies in; should damaged trees overlap, the mapped image that starts there."""
    found = None
    for vad in vads:
        if isinstance(vad.start, int) and isinstance(vad.end, int) and vad.start <= base <= vad.end:
            if vad.start == base and vad.vad_type == IMAGE_MAP:
                return vad
            found = found or vad
    return found
