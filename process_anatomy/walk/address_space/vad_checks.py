"""Whether VAD trees can be as they are: ranges that overlap or leave user space, a balance that no tree has.

Source: _MMADDRESS_NODE, _MM_AVL_NODE and _RTL_BALANCED_NODE: the two lowest bits of the parent's address, a signed
number, say which branch of an AVL tree is higher.  The nodes of Windows XP, a splay tree's, keep no balance.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from process_anatomy.absent import NOT_APPLICABLE, Absent, Kind
from process_anatomy.kernel.identify import Kernel
from process_anatomy.memory.address_space import AddressSpace
from process_anatomy.memory.view import Records, addresses_of
from process_anatomy.walk.address_space.page_entries import user_half
from process_anatomy.walk.address_space.vad_nodes import TYPE_BITS
from process_anatomy.walk.address_space.vad_shape import BALANCES, overlapping
from process_anatomy.walk.address_space.vad_trees import is_splay_tree
from process_anatomy.walk.address_space.vads import Vad
from process_anatomy.walk.processes.listed import NOT_READ, Process
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


class Check(NamedTuple):
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
    problems = overlapping([(row.process.address, row.start, row.end) for row in rows])
    owners = {row.process.address: row.process for row in rows}
    ends, lowest = _top(kernel), {address: _lowest(kernel, process) for address, process in owners.items()}
    for number, row in enumerate(rows):
        if isinstance(row.start, Absent) or isinstance(row.end, Absent):
            continue
        if row.start < lowest[row.process.address] or ends <= row.end < kernel.system_start:
            problems.setdefault(number, []).append("its range lies outside user space")
    balances = _balances(records, rows, problems)
    told = [tuple(problems.get(number, ())) for number in range(len(rows))]
    return list(map(Check._make, zip(_flags(kernel, records, rows), balances, told, strict=True)))


def _flags(kernel: Kernel, records: Records, rows: Sequence[Vad]) -> list[str | Absent]:
    """The names of each node's bits; nodes with the same bits share their text."""
    names = [name for name in FLAGS if name in kernel.build[MMVAD_SHORT]]
    mapped = np.array([row.private == 0 for row in rows], dtype=np.bool_)
    bits = np.array([row.extended == 1 for row in rows], dtype=np.int64) << len(names)
    for number, name in enumerate(names):
        there = records.array(name) == 1
        if name == "PrivateFixup":  # of private memory the bit says write watch
            there &= mapped
        bits |= there.astype(np.int64) << number
    every = [*names, "ImageMappingExtended"]
    texts = {each: ",".join(name for at, name in enumerate(every) if each >> at & 1) for each in set(bits.tolist())}
    found: list[str | Absent] = [texts[each] for each in bits.tolist()]
    lost: dict[int, Absent] = {}
    for values in [] if records.whole.all() else map(records.values, names):
        for number in np.flatnonzero(~records.whole).tolist():
            if isinstance(values[number], Absent):
                lost.setdefault(number, values[number])
    for number, row in enumerate(rows):
        if isinstance(row.extended, Absent) and row.extended is not NOT_APPLICABLE and row.extended.kind in NOT_READ:
            lost.setdefault(number, row.extended)
    for number, gone in lost.items():
        found[number] = gone
    return found


def _balances(records: Records, rows: Sequence[Vad], problems: dict[int, list[str]]) -> list[int | Absent]:
    """The balance that each node states; what is wrong with it goes to the problems."""
    if is_splay_tree(records.structure):
        return [NO_BALANCE] * len(rows)
    heights = _heights(rows)
    found: list[Any] = [BALANCES.get(value) for value in (records.array("ParentValue") & 3).tolist()]
    for number, stated in enumerate(records.values("ParentValue")):
        if isinstance(stated, Absent):
            found[number] = stated
        elif found[number] is None:
            found[number] = Absent(Kind.IMPLAUSIBLE, "balance 2")
            problems.setdefault(number, []).append("its balance is one that no tree has")
        elif heights.get(number, found[number]) != found[number]:
            said = f"its balance says {found[number]}, but its branches differ by {heights[number]}"
            problems.setdefault(number, []).append(said)
    return found


def _lowest(kernel: Kernel, process: Process) -> int:
    """The lowest address that a range of this process can have."""
    name = process.name
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
