"""Whether a VAD tree is whole: what shows that nodes are missing in it, or that it was read in two states.

A tree that changed while memory was taken can be followed to leaves that are none, without one node that cannot be
read.  What it lacks is then no evidence.  Its own bonds tell: each node names its parent, keeps which of its branches
is higher, and the process counts its nodes.

Source: _RTL_BALANCED_NODE, _MM_AVL_NODE and _MMADDRESS_NODE of the kernel's symbols; _EPROCESS.VadCount.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from process_anatomy.absent import Absent
from process_anatomy.kernel.identify import Kernel
from process_anatomy.memory.space import Mask
from process_anatomy.memory.view import addresses_of
from process_anatomy.walk.address_space.vad_trees import Nodes, by_depth
from process_anatomy.walk.processes.listed import Process
from structs.eprocess import EPROCESS

BALANCES: dict[int, int] = {0: 0, 1: 1, 3: -1}
"""The two lowest bits of a parent's address as a number: the height of the right branch less that of the left one."""
NEVER = 1 << 30
"""What no two branches differ by: the balance that two bits stand for which none have."""


def counted(kernel: Kernel, processes: Sequence[Process]) -> list[int | None]:
    """How many nodes each process counts, ``None`` where its build or its image does not say."""
    if "VadCount" not in kernel.build[EPROCESS]:
        return [None] * len(processes)
    counts = kernel.view.records(EPROCESS, addresses_of([p.address for p in processes])).values("VadCount")
    return [None if isinstance(count, Absent) else count for count in counts]


def misshapen(nodes: Nodes, misled: Mask, balances: npt.NDArray[np.int64]) -> dict[int, str]:
    """Trees whose nodes cannot hang together as they do, with the reason; by number of the tree.

    Args:
        nodes: of all trees.
        misled: of each node, whether it names another parent than the one it was reached from.
        balances: the two bits that each node keeps of its branches; empty for trees that keep none.
    """
    owners = np.flatnonzero(np.bincount(nodes.owner[misled]))
    wrong = dict.fromkeys(owners.tolist(), "a node names another parent than the one it was reached from")
    if len(balances):
        stated = np.array([BALANCES.get(bits, NEVER) for bits in range(4)])[balances]
        for owner in np.flatnonzero(np.bincount(nodes.owner[stated != _balances(nodes)])).tolist():
            wrong.setdefault(owner, "the branches of a node have other heights than it says")
    return wrong


def _balances(nodes: Nodes) -> npt.NDArray[np.int64]:
    """Height of the right branch less that of the left one, of each node."""
    height = np.zeros((2, len(nodes.owner)), dtype=np.int64)
    for level in by_depth(nodes)[:0:-1]:
        height[nodes.side[level], nodes.came_from[level]] = 1 + height[:, level].max(axis=0)
    found: npt.NDArray[np.int64] = height[1] - height[0]
    return found


def overlapping(rows: Sequence[tuple[int, int | Absent, int | Absent]]) -> dict[int, list[str]]:
    """Of each row whose range overlaps another one of its process, which; both say so.

    Args:
        rows: address of the process, first and last address of the range.
    """
    ranges: dict[int, list[tuple[int, int, int]]] = {}
    for number, (owner, start, end) in enumerate(rows):
        if isinstance(start, int) and isinstance(end, int) and start <= end:
            ranges.setdefault(owner, []).append((start, end, number))
    found: dict[int, list[str]] = {}
    for own in ranges.values():
        own.sort()
        furthest = own[0]
        for here in own[1:]:
            if here[0] <= furthest[1]:
                found.setdefault(here[2], []).append(f"its range overlaps the one at {furthest[0]:#x}")
                found.setdefault(furthest[2], []).append(f"its range overlaps the one at {here[0]:#x}")
            if here[1] > furthest[1]:
                furthest = here
    # a range that spans many others says so a few times, not thousands of times
    return {number: lines[:3] for number, lines in found.items()}


def lacking(found: Sequence[int], counts: Sequence[int | None]) -> dict[int, str]:
    """How many nodes of each tree were reached, in words, by number of the tree; of those that have fewer than counted.

    Args:
        found: nodes of each tree.
        counts: nodes that each process counts, ``None`` where it is not known.
    """
    return {
        owner: f"{nodes} of {count} nodes"
        for owner, (nodes, count) in enumerate(zip(found, counts, strict=True))
        if count is not None and nodes < count
    }


def told(reasons: Mapping[int, str], lacking: Mapping[int, str], more: Mapping[int, int]) -> dict[int, str]:
    """For each broken tree one clause: why, and how many of its nodes were reached and found.

    Args:
        reasons: why, by number of the tree.
        lacking: how many nodes were reached, of trees that have fewer than they should.
        more: how many nodes were found by their pool tags.
    """
    words: dict[int, str] = {}
    for owner in sorted({*reasons, *lacking}):
        parts = [lacking[owner]] if owner in lacking else []
        if number := more.get(owner):
            parts.append(f"{number} more found by {'its pool tag' if number == 1 else 'their pool tags'}")
        reason = f": {reasons[owner]}" if owner in reasons else ""
        words[owner] = ", ".join(("its VAD tree is broken", *parts)) + reason
    return words
