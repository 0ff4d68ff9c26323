"""Nodes that broken VAD trees lost: found by the tags of their pool blocks, and proved by what they are linked to.

A node that two processes could have lost is taken for neither's.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence

import numpy as np

from process_anatomy.kernel.identify import Kernel
from process_anatomy.memory.view import addresses_of
from process_anatomy.walk.address_space.broken_trees import BrokenTree, Lost
from process_anatomy.walk.address_space.pool_nodes import Node, pool_nodes
from process_anatomy.walk.address_space.vad_trees import Nodes
from process_anatomy.walk.processes.listed import Process

MEMBER_LIMIT = 1 << 18
"""Nodes that the broken trees whose lost nodes are looked for have altogether; a forged tree may have millions."""


def with_lost(
    kernel: Kernel,
    processes: Sequence[Process],
    nodes: Nodes,
    broken: Collection[int],
    counts: Sequence[int | None],
) -> tuple[Nodes, tuple[str, ...]]:
    """The nodes of all trees with those that some lost, last; and what was left out of the search, one line each.

    Args:
        kernel: the kernel.
        processes: whose trees they are.
        nodes: as they were reached.
        broken: addresses of the processes whose trees are broken; only their nodes are looked for.
        counts: how many nodes each process counts, ``None`` where that is not known.
    """
    searched = pool_nodes(kernel)
    if not searched.nodes:
        return nodes, searched.problems
    owners, problems = _searchable(processes, nodes, broken)
    problems = (*searched.problems, *problems)
    reached: dict[int, list[int]] = {owner: [] for owner in owners}
    taken: set[int] = set()
    for owner, address in zip(nodes.owner.tolist(), nodes.address.tolist(), strict=True):
        if owner in reached:
            reached[owner].append(address)
        else:
            taken.add(address)
    free = {address: node for address, node in searched.nodes.items() if address not in taken}
    below: dict[int, list[Node]] = {}
    for node in free.values():
        below.setdefault(node.parent, []).append(node)
    named: dict[int, list[Node]] = {}
    for node in free.values():
        named.setdefault(node.process, []).append(node)
    trees = [
        BrokenTree(kernel, processes[owner], reached[owner], free, below, named.get(processes[owner].address, ()))
        for owner in owners
    ]
    held = Counter(address for tree in trees for address in tree.own & set(tree.members))
    for tree in trees:
        tree.others = {address for address in held if held[address] > (address in tree.own)}
    found = {owner: tree.search(counts[owner]) for owner, tree in zip(owners, trees, strict=True)}
    claims = Counter(lost.node.address for some in found.values() for lost in some)
    return _joined(nodes, found, {address for address, number in claims.items() if number > 1}), problems


def _searchable(
    processes: Sequence[Process], nodes: Nodes, broken: Collection[int]
) -> tuple[list[int], tuple[str, ...]]:
    """Numbers of the broken trees that are not too large together, the smallest first; and what is left out."""
    sizes: list[int] = np.bincount(nodes.owner, minlength=len(processes)).tolist()
    owners = [owner for owner, process in enumerate(processes) if process.address in broken]
    chosen: list[int] = []
    total = 0
    for owner in sorted(owners, key=lambda owner: sizes[owner]):
        total += sizes[owner]
        if total <= MEMBER_LIMIT:
            chosen.append(owner)
    left = len(owners) - len(chosen)
    return sorted(chosen), (f"{left} broken VAD trees are too large to look for nodes that they lost",) if left else ()


def _joined(nodes: Nodes, found: Mapping[int, Sequence[Lost]], disputed: set[int]) -> Nodes:
    """The nodes with those that were found; without disputed ones, and what hangs below them."""
    numbers = {
        (owner, address): number
        for number, (owner, address) in enumerate(zip(nodes.owner.tolist(), nodes.address.tolist(), strict=True))
        if owner in found
    }
    depths: list[int] = nodes.depth.tolist()
    came_from: list[int] = []
    rows: list[tuple[int, Lost]] = []
    first = len(depths)
    for owner, some in found.items():
        for lost in some:
            above = numbers.get((owner, lost.above), -1)
            if lost.node.address in disputed or (lost.above and above < 0):
                continue
            numbers[owner, lost.node.address] = first + len(rows)
            depths.append(depths[above] + 1 if above >= 0 else 0)
            came_from.append(above)
            rows.append((owner, lost))
    if not rows:
        return nodes
    problems = {number: list(lines) for number, lines in nodes.problems.items()}
    for number, (_, lost) in enumerate(rows, first):
        problems[number] = [lost.by]
    return Nodes(
        np.concatenate([nodes.owner, np.array([owner for owner, _ in rows], dtype=np.int64)]),
        np.array(depths, dtype=np.int64),
        np.concatenate([nodes.came_from, np.array(came_from, dtype=np.int64)]),
        np.concatenate([nodes.side, np.array([lost.side for _, lost in rows], dtype=np.int64)]),
        np.concatenate([nodes.address, addresses_of([lost.node.address for _, lost in rows])]),
        problems,
        frozenset(range(first, first + len(rows))),
    )
