"""Whether VAD trees can be as they are: ranges that overlap or leave user space, a balance that no tree has.

Source: _MMADDRESS_NODE, _MM_AVL_NODE and _RTL_BALANCED_NODE: the two lowest bits of the parent's address, a signed
number, say which branch of an AVL tree is higher.  The nodes of Windows XP, a splay tree's, keep no balance.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from process_anatomy.absent import Absent, Kind
from process_anatomy.kernel.identify import Kernel
from process_anatomy.memory.address_space import AddressSpace
from process_anatomy.memory.view import addresses_of
from process_anatomy.walk.address_space.page_entries import user_half
from process_anatomy.walk.address_space.vad_nodes import TYPE_BITS
from process_anatomy.walk.address_space.vad_shape import BALANCES, overlapping
from process_anatomy.walk.address_space.vad_trees import is_splay_tree
from process_anatomy.walk.address_space.vads import Vad
from process_anatomy.walk.processes.listed import NOT_READ
from structs.vad import MMVAD_SHORT

NO_BALANCE = Absent(Kind.NOT_IN_BUILD, "a splay tree keeps no balance (Windows XP)")
LOWEST = 0x10000
"""Where ranges begin that no program asked a place for."""
FIRST_PAGE_KEPT_SINCE = 9200
"""Since Windows 8 nobody gets a range below that, but the programs that carry 16-bit ones (on 32-bit Windows)."""
VIRTUAL_DOS = "ntvdm.exe"
FLAGS = (
    "NoChange",
    "DeleteInProgress",
    "Graphics",
    "Enclave",
    "Teb",
    "ShadowStack",
    "PrivateFixup",
    "MemCommit",
    *TYPE_BITS,
)
"""Bits of a node that are told by name where the build has them."""


@dataclass(frozen=True, slots=True)
class Check:
    """What a node says beyond its range.

    Attributes:
        flags: names of the bits that are set, with commas; empty for none.
        balance: height of the right branch less that of the left one, as the node says.
        problems: what cannot be so, one line each.
    """

    flags: str | Absent
    balance: int | Absent
    problems: tuple[str, ...]


def checks(kernel: Kernel, rows: Sequence[Vad]) -> list[Check]:
    """What is to be said of each of these VADs, in their order; all VADs of a process should be among them."""
    records = kernel.view.records(MMVAD_SHORT, addresses_of([row.address for row in rows]))
    flags = {name: records.values(name) for name in FLAGS if name in kernel.build[MMVAD_SHORT]}
    parents = records.values("ParentValue")
    splay = is_splay_tree(records.structure)
    heights = {} if splay else _heights(rows)
    ends = _top(kernel)
    overlaps = overlapping([(row.process.address, row.start, row.end) for row in rows])
    found: list[Check] = []
    for number, row in enumerate(rows):
        problems = list(overlaps.get(number, ()))
        if (
            isinstance(row.start, int)
            and isinstance(row.end, int)
            and (row.start < _lowest(kernel, row) or ends <= row.end < kernel.system_start)
        ):
            problems.append("its range lies outside user space")
        stated, balance = parents[number], None
        if isinstance(stated, int):
            balance = BALANCES.get(stated & 3)
            if balance is None:
                problems.append("its balance is one that no tree has")
            elif number in heights and heights[number] != balance:
                problems.append(f"its balance says {balance}, but its branches differ by {heights[number]}")
        doubt = stated if isinstance(stated, Absent) else Absent(Kind.IMPLAUSIBLE, "balance 2")
        if splay:
            doubt = NO_BALANCE
        names = [
            name
            for name, values in flags.items()
            if values[number] == 1 and (name != "PrivateFixup" or row.private == 0)  # else the bit says write watch
        ]
        if row.extended == 1:
            names.append("ImageMappingExtended")
        unread = next((v[number] for v in flags.values() if isinstance(v[number], Absent)), None)
        if unread is None and isinstance(row.extended, Absent) and row.extended.kind in NOT_READ:
            unread = row.extended
        found.append(
            Check(",".join(names) if unread is None else unread, doubt if balance is None else balance, tuple(problems))
        )
    return found


def _lowest(kernel: Kernel, row: Vad) -> int:
    """The lowest address that a range of this process can have."""
    name = row.process.name
    virtual_dos = kernel.build.pointer_size == 4 and isinstance(name, str) and name.lower() == VIRTUAL_DOS
    return LOWEST if kernel.number >= FIRST_PAGE_KEPT_SINCE and not virtual_dos else 0


def _top(kernel: Kernel) -> int:
    """The first address that is not of the user half."""
    if isinstance(kernel.space, AddressSpace):
        return user_half(kernel.space)
    return min(kernel.system_start, 1 << 47)


def _heights(rows: Sequence[Vad]) -> dict[int, int]:
    """Right height less left height of each node of each tree that is whole, by row number.

    Rows come in tree order, so a node's branches lie behind it, the left one first.  The branches of a node can be
    told apart by their addresses: lower ranges are on the left.
    """
    height = np.ones(len(rows), dtype=np.int64)
    sides: dict[int, list[int]] = {}
    last: dict[int, int] = {}  # depth to the row that is open there
    parent = [-1] * len(rows)
    for number, row in enumerate(rows):
        parent[number] = last.get(row.depth - 1, -1) if row.depth else -1
        last[row.depth] = number
    broken = {row.process.address for row in rows if row.problems}
    for number in range(len(rows) - 1, -1, -1):
        left, right = sides.get(number, (0, 0))
        height[number] = 1 + max(left, right)
        above = parent[number]
        if above < 0:
            continue
        start, over = rows[number].start, rows[above].start
        if isinstance(start, Absent) or isinstance(over, Absent):
            broken.add(rows[number].process.address)
            continue
        sides.setdefault(above, [0, 0])[start > over] = int(height[number])
    # a tree that was not walked whole has heights that its bits need not match
    return {
        number: right - left
        for number, row in enumerate(rows)
        if row.process.address not in broken
        for left, right in [sides.get(number, (0, 0))]
    }
