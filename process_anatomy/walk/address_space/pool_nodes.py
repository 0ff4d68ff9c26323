"""VAD nodes found by the tags of their pool blocks, in one pass over the pages of system space.

No tree leads here: what is found may be in use, in any process's tree, or left over of one that was freed.  Who takes a
node for a process's own must prove it by what the node is linked to.

Source: _POOL_HEADER of the kernel's symbols; the pool tags ``VadS``, ``Vad ``, ``VadF``, ``Vadl`` and ``Vadm`` of the
memory manager (pooltag.txt of the debugger).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from process_anatomy.kernel.identify import Kernel
from process_anatomy.kernel.observations import not_blank
from process_anatomy.memory import paging
from process_anatomy.memory.address_space import AddressSpace
from process_anatomy.memory.paging import READABLE
from process_anatomy.memory.physical import PAGE, gather
from process_anatomy.memory.space import Addresses
from process_anatomy.memory.sweep import PAGES_AT_ONCE
from process_anatomy.memory.view import addresses_of
from process_anatomy.walk.address_space.page_entries import SIZES
from process_anatomy.walk.address_space.vad_nodes import HIGH_SHIFT, PAGE_SHIFT, SHORT_TAGS
from process_anatomy.walk.address_space.vad_trees import is_splay_tree
from structs.object import POOL_HEADER, POOL_TAG_MASK
from structs.vad import MMVAD, MMVAD_SHORT

TAGS = tuple(sorted({*SHORT_TAGS, "Vad ", "Vadl", "Vadm"}))
"""Pool tags of VAD nodes."""
PAGE_LIMIT = 1 << 22
"""Pages of system space that are looked at: 16 GB."""
NODE_LIMIT = 1 << 18
"""Nodes that are kept; a Windows with as many has not been seen."""
BALANCE = 3
"""The bits of a parent's address that are no part of it."""
ALIGNED = 8
FLAGS = 7
"""Bits of _MMVAD.VadsProcess that are no part of the address."""


class Node(NamedTuple):
    """What ties a node to its tree.

    Attributes:
        address: where it lies.
        parent: address of its parent, as it says.
        children: addresses of its left and its right child, as it says; 0 for none.
        balance: the two lowest bits of its parent's address; 0 in a splay tree.
        start: first address of its range.
        end: last address of its range.
        process: address of the process that it names; 0 where it names none.
        known: whether it could be read whole and is not all zeros.
    """

    address: int
    parent: int
    children: tuple[int, int]
    balance: int
    start: int
    end: int
    process: int
    known: bool


@dataclass(frozen=True, slots=True)
class PoolNodes:
    """The nodes that were found.

    Attributes:
        nodes: in the order of the page tables, by address.
        problems: what was left out, one line each.
    """

    nodes: dict[int, Node]
    problems: tuple[str, ...]


def pool_nodes(kernel: Kernel) -> PoolNodes:
    """Every block in system space with the tag and the fields of a VAD node, looked for once; none in a small dump."""
    return kernel.once("VAD nodes by their pool tags", _pool_nodes)


def _pool_nodes(kernel: Kernel) -> PoolNodes:
    space = kernel.space
    if not isinstance(space, AddressSpace) or POOL_HEADER not in kernel.build:
        return PoolNodes({}, ())
    numbers = np.array([int.from_bytes(tag.encode(), "little") for tag in TAGS], dtype=np.uint32)
    header, unit = kernel.build[POOL_HEADER], kernel.build.pool_unit
    first = header.offset("PoolTag") // 4
    found: list[Addresses] = []
    problems: list[str] = []
    seen = kept = 0
    for virtual, physical in _system_pages(space):
        if seen + len(virtual) > PAGE_LIMIT or kept > NODE_LIMIT:
            problems.append("lost VAD nodes were looked for in a part of system space only")
            break
        seen += len(virtual)
        offsets = space.memory.locate(physical, PAGE)
        there = offsets >= 0
        block = gather(space.memory.octets(), offsets[there], PAGE).view("<u4")[:, first :: unit // 4]
        page, place = np.nonzero(np.isin(block & np.uint32(POOL_TAG_MASK), numbers))
        headers = virtual[there][page] + place.astype(np.uint64) * np.uint64(unit)
        kept += len(headers)
        found.append(headers)
    headers = np.concatenate([np.zeros(0, dtype=np.uint64), *found])[:NODE_LIMIT]
    used = (
        kernel.view.records(POOL_HEADER, headers).array("PoolType") != 0
    )  # zero once it is free, but in segment heaps
    places = headers[used] + np.uint64(header.sizeof)
    nodes = {node.address: node for node in read_nodes(kernel, places) if _plausible(kernel, node)}
    return PoolNodes(nodes, tuple(problems))


def _system_pages(space: AddressSpace) -> Iterator[tuple[Addresses, Addresses]]:
    """Virtual and physical addresses of the pages of system space that are in memory, some at a time.

    Page tables map themselves, where the entry of a large page looks like one of a small page: not its pool's place.
    """
    for part in paging.leaves(space.memory, space.root, space.system_start, space.highest, space.mode):
        large = np.isin(part.state, np.array(list(SIZES), dtype=part.state.dtype))
        small = np.flatnonzero((part.state <= READABLE) & ~large & (part.entry & paging.LARGE == 0))
        for first in range(0, len(small), PAGES_AT_ONCE):
            rows = small[first : first + PAGES_AT_ONCE]
            yield part.virtual[rows], part.physical[rows]
        for row in np.flatnonzero(large).tolist():
            size = SIZES[paging.PageState(int(part.state[row]))]
            for first in range(0, size, PAGES_AT_ONCE):
                inside = np.arange(first, min(first + PAGES_AT_ONCE, size), dtype=np.uint64) * np.uint64(PAGE)
                yield part.virtual[row] + inside, part.physical[row] + inside


def read_nodes(kernel: Kernel, addresses: Addresses) -> list[Node]:
    """What the nodes at some addresses say, whatever is there."""
    records = kernel.view.records(MMVAD_SHORT, addresses)
    splay = is_splay_tree(records.structure)
    stated = records.array("Parent" if splay else "ParentValue").astype(np.uint64)
    bits = np.uint64(0 if splay else BALANCE)
    low, high = (records.array(name).astype(np.uint64) for name in ("StartingVpn", "EndingVpn"))
    more, most = (records.array(name).astype(np.uint64) for name in ("StartingVpnHigh", "EndingVpnHigh"))
    return [
        Node(*facts)
        for facts in zip(
            addresses.tolist(),
            (stated & ~bits).tolist(),
            zip(records.array("Left").tolist(), records.array("Right").tolist(), strict=True),
            (stated & bits).tolist(),
            (low << PAGE_SHIFT | more << HIGH_SHIFT).tolist(),
            (high << PAGE_SHIFT | most << HIGH_SHIFT | np.uint64(PAGE - 1)).tolist(),
            _processes(kernel, addresses),
            (records.whole & not_blank(records)).tolist(),
            strict=True,
        )
    ]


def _processes(kernel: Kernel, addresses: Addresses) -> list[int]:
    """The process that each node names; 0 where it is too short to name one, or its build has no such field."""
    if MMVAD not in kernel.build or "VadsProcess" not in kernel.build[MMVAD] or POOL_HEADER not in kernel.build:
        return [0] * len(addresses)
    fronts = addresses - np.uint64(kernel.build[POOL_HEADER].sizeof)
    tags = kernel.view.records(POOL_HEADER, fronts).array("PoolTag").astype(np.uint32) & np.uint32(POOL_TAG_MASK)
    long = np.isin(tags, [int.from_bytes(tag.encode(), "little") for tag in TAGS if tag not in SHORT_TAGS])
    named = kernel.view.records(MMVAD, np.where(long, addresses, np.uint64(0))).array("VadsProcess")
    named = named.astype(np.uint64) & ~np.uint64(FLAGS)
    found: list[int] = np.where(long, named, np.uint64(0)).tolist()
    return found


def _plausible(kernel: Kernel, node: Node) -> bool:
    """Whether what a node says can be said by one that is in a tree."""
    return (
        node.known
        and node.start <= node.end < kernel.system_start
        and node.balance != 2
        and all(link == 0 or is_place(kernel, link) for link in (node.parent, *node.children))
    )


def is_place(kernel: Kernel, address: int) -> bool:
    """Whether a link can lead to a node."""
    return address >= kernel.system_start and address % ALIGNED == 0


def node_at(kernel: Kernel, addresses: Sequence[int]) -> list[Node]:
    """As :func:`read_nodes`, of addresses in a list."""
    return read_nodes(kernel, addresses_of(addresses))
