"""Walking the VAD trees of all processes at once, one level at a time.

A node is taken once in each tree: one that is reached twice ends that branch, and the node that led there says so.
Two trees that share a branch both show it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from process_anatomy.kernel.identify import Kernel
from process_anatomy.memory.space import Addresses, Mask
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


class _Reached:
    """Which nodes were reached, and in which trees."""

    def __init__(self) -> None:
        self.addresses: set[int] = set()
        self.pairs: set[tuple[int, int]] = set()
        self.later: list[tuple[npt.NDArray[np.int64], Addresses]] = []
        """Nodes that are not in ``pairs`` yet: no tree but a damaged one asks for these."""

    def add(self, owner: npt.NDArray[np.int64], address: Addresses) -> None:
        """Nodes that were reached, each with the number of its tree."""
        self.addresses.update(address.tolist())
        self.later.append((owner, address))

    def first_time(self, owner: npt.NDArray[np.int64], address: Addresses, asked: Mask) -> Mask:
        """Of nodes that are led to, those that are new to their tree, and told once where they are led to twice."""
        new = np.ones(len(address), dtype=np.bool_)
        if next(self.by_several(address, asked), None) is None:
            return new
        for owners, addresses in self.later:
            self.pairs.update(zip(owners.tolist(), addresses.tolist(), strict=True))
        self.later.clear()
        here: set[tuple[int, int]] = set()
        for row, pair in enumerate(zip(owner.tolist(), address.tolist(), strict=True)):
            new[row] = pair not in self.pairs and pair not in here
            here.add(pair)
        return new

    def by_several(self, address: Addresses, asked: Mask) -> Iterator[int]:
        """Rows of those asked for whose node was reached before, or is led to by an earlier row."""
        led_to = address[asked].tolist()
        if len(set(led_to)) == len(led_to) and self.addresses.isdisjoint(led_to):
            return
        here: set[int] = set()
        for row, at in zip(np.flatnonzero(asked).tolist(), led_to, strict=True):
            if at in self.addresses or at in here:
                yield row
            here.add(at)


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
    reached = _Reached()
    total, shares = 0, SHARED
    most = min(NODE_LIMIT, kernel.space.room // structure.sizeof)
    left, right, width = structure.offset("Left"), structure.offset("Right"), structure.build.pointer_size
    for depth in range(limit + 1):
        fresh = (address >= np.uint64(kernel.system_start)) & (address & np.uint64(7) == 0)
        fresh &= reached.first_time(owner, address, fresh)
        surplus = fresh & (total + np.cumsum(fresh) > most)
        for row in reached.by_several(address, fresh):
            shares -= 1
            surplus[row] |= shares < 0
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
        reached.add(owner, address)
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


def by_depth(nodes: Nodes) -> list[npt.NDArray[np.intp]]:
    """Node numbers of each depth, the roots first; each number in order."""
    order = np.argsort(nodes.depth, kind="stable")
    return np.split(order, np.cumsum(np.bincount(nodes.depth)[:-1])) if len(order) else []


def tree_order(nodes: Nodes) -> list[int]:
    """Node numbers in tree order: each process's root, then its left branch, then its right one."""
    above, levels = nodes.came_from, by_depth(nodes)
    size = np.ones(len(above), dtype=np.int64)
    for level in levels[:0:-1]:
        np.add.at(size, above[level], size[level])
    # between a node and the one above it stand those that hang there before it, with all below them; a root has others
    ordered = np.lexsort((nodes.side, nodes.owner, above))
    passed = np.cumsum(size[ordered]) - size[ordered]
    first = np.flatnonzero(np.diff(above[ordered], prepend=-2))
    passed -= np.repeat(passed[first], np.diff(first, append=len(ordered)))
    place = np.empty(len(above), dtype=np.int64)
    place[ordered] = passed
    for level in levels[1:]:
        place[level] += place[above[level]] + 1
    order = np.empty(len(above), dtype=np.int64)
    order[place] = np.arange(len(above))
    found: list[int] = order.tolist()
    return found


def is_splay_tree(structure: Structure) -> bool:
    """Whether nodes of this build keep no balance, as those of Windows XP."""
    return "ParentValue" not in structure


def table_root(kernel: Kernel, process: Process) -> int:
    """What the root of a process's tree must name as its parent: the node of the table that it hangs below, else 0."""
    whole = kernel.build[EPROCESS]
    if "DepthOfTree" not in whole:
        return 0
    return process.address + whole.offset("VadRoot") - kernel.build[MMVAD_SHORT].offset("Right")
