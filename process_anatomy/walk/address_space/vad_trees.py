"""Walking the VAD trees of all processes at once, one level at a time.

A node is taken once in each tree: one that is reached twice ends that branch, and the node that led there says so.
Two trees that share a branch both show it.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from process_anatomy.kernel.identify import Kernel
from process_anatomy.memory.space import Addresses
from process_anatomy.walk.processes.listed import Process
from structs.eprocess import EPROCESS
from structs.layout import Structure
from structs.vad import MMVAD_SHORT

NODE_LIMIT = 1 << 22
"""Nodes of all processes together, in an image of any size; in a smaller one as many as it has room for."""
SHARED = 1 << 12
"""Nodes that several trees may hold together: each belongs to one, but a tree that was read from two moments may go on
as another does.  Without a bound every process could be led into one large tree."""


@dataclass(slots=True)
class Nodes:
    """The nodes of all trees, in the order they were reached: each array has one element a node.

    Attributes:
        owner: which tree it is of.
        depth: 0 for a root.
        came_from: number of the node that led to it, -1 for a root.
        side: 0 for a left child, 1 for a right one; 0 for a root.
        address: where it lies.
        problems: by number of a node, what is odd about it or its branches; -1 less the number of a tree for what is
            odd about its root.
        found: numbers of those that no tree led to; they stand last.
    """

    owner: npt.NDArray[np.int64]
    depth: npt.NDArray[np.int64]
    came_from: npt.NDArray[np.int64]
    side: npt.NDArray[np.int64]
    address: Addresses
    problems: dict[int, list[str]] = field(default_factory=dict)
    found: frozenset[int] = frozenset()


def walk(kernel: Kernel, roots: Addresses, limit: int) -> Nodes:
    """Reach every node, breadth first over all trees.

    Args:
        kernel: the kernel.
        roots: of each tree, 0 where there is none; the owner of a node is the place of its root.
        limit: levels walked at the most.
    """
    structure = kernel.build[MMVAD_SHORT]
    owner = np.flatnonzero(roots)
    address = roots[owner]
    came_from = np.full(len(owner), -1, dtype=np.int64)
    side = np.zeros(len(owner), dtype=np.int64)
    levels: list[tuple[npt.NDArray[np.int64], ...]] = []
    addresses: list[Addresses] = []
    problems: dict[int, list[str]] = {}
    seen: set[tuple[int, int]] = set()
    taken: set[int] = set()
    total, shares = 0, SHARED
    most = min(NODE_LIMIT, kernel.space.room // structure.sizeof)
    left, right, width = structure.offset("Left"), structure.offset("Right"), structure.build.pointer_size
    for depth in range(limit + 1):
        fresh = (address >= np.uint64(kernel.system_start)) & (address & np.uint64(7) == 0)
        fresh &= np.array(
            [_add(seen, pair) for pair in zip(owner.tolist(), address.tolist(), strict=True)], dtype=np.bool_
        )
        surplus = fresh & (total + np.cumsum(fresh) > most)
        for row, at in zip(np.flatnonzero(fresh).tolist(), address[fresh].tolist(), strict=True):
            if at in taken:
                shares -= 1
                surplus[row] |= shares < 0
            taken.add(at)
        fresh &= ~surplus
        if depth == limit:
            fresh[:] = False
        for row in np.flatnonzero(~fresh).tolist():
            child, parent = int(address[row]), int(came_from[row])
            problems.setdefault(parent if parent >= 0 else -1 - int(owner[row]), []).append(
                _refused(kernel, child, "left" if side[row] == 0 else "right", depth, limit, bool(surplus[row]))
            )
        owner, address, came_from, side = owner[fresh], address[fresh], came_from[fresh], side[fresh]
        if not len(owner):
            break
        levels.append((owner, np.full(len(owner), depth, dtype=np.int64), came_from, side))
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
        return Nodes(empty, empty, empty, empty, np.zeros(0, dtype=np.uint64), problems)
    whole = [np.concatenate(parts) for parts in zip(*levels, strict=True)]
    return Nodes(whole[0], whole[1], whole[2], whole[3], np.concatenate(addresses), problems)


def _add(seen: set[tuple[int, int]], node: tuple[int, int]) -> bool:
    """Whether a node is new to its tree; it is not any more."""
    new = node not in seen
    seen.add(node)
    return new


def _refused(kernel: Kernel, child: int, side: str, depth: int, limit: int, surplus: bool) -> str:
    where = f"its {side} child {child:#x}" if depth else f"VAD root {child:#x}"
    if child < kernel.system_start or child % 8:
        return f"{where} is no kernel address"
    if depth == limit:
        return f"{where} lies deeper than {limit} levels"
    if surplus:
        return (
            f"{where} is not followed: trees share more nodes than they could, or have more than the image has room for"
        )
    return f"{where} was reached before, so the tree loops"


def tree_order(nodes: Nodes) -> list[int]:
    """Node numbers in tree order: each process's root, then its left branch, then its right one."""
    children: dict[int, list[int]] = {}
    roots: list[int] = []
    above = nodes.came_from.tolist()
    for number in np.lexsort((nodes.side, nodes.owner)).tolist():  # a left child always comes before a right one
        if above[number] < 0:
            roots.append(number)
        else:
            children.setdefault(above[number], []).append(number)
    order: list[int] = []
    for root in roots:
        pending = [root]
        while pending:
            number = pending.pop()
            order.append(number)
            pending.extend(reversed(children.get(number, ())))
    return order


def is_splay_tree(structure: Structure) -> bool:
    """Whether nodes of this build keep no balance, as those of Windows XP."""
    return "ParentValue" not in structure


def table_root(kernel: Kernel, process: Process) -> int:
    """What the root of a process's tree must name as its parent: the node of the table that it hangs below, else 0."""
    whole = kernel.build[EPROCESS]
    if "DepthOfTree" not in whole:
        return 0
    return process.address + whole.offset("VadRoot") - kernel.build[MMVAD_SHORT].offset("Right")
