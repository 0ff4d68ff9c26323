"""The B+trees of the store manager, read whole: a level of nodes at a time.

What a search could not reach is left out: an entry counts only where the node's place among its siblings allows its
key.  So a damaged or hostile tree answers as the kernel's own search would, or not at all.

Source: published decompilations of B_TREE::BTreeSearchKey; see :mod:`structs.store`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from process_anatomy.memory.physical import PAGE
from process_anatomy.memory.space import Addresses, Mask, Octets, Space
from structs.layout import Build
from structs.store import B_TREE

DEPTH_LIMIT = 8
"""Levels of a tree at the most: five hold more keys than there are."""
NODE_LIMIT = 1 << 16
"""Nodes of a tree at the most: leaves of 33 million pages, 128 GB."""
KEY_END = 1 << 32
ENTRY_SIZE = 8
"""Bytes of a leaf's entry: key and value."""
Keys = npt.NDArray[np.uint32]


@dataclass(frozen=True, slots=True)
class Tree:
    """What a B+tree holds.

    Attributes:
        keys: in order, each once.
        values: of each key.
        gaps: (first key, one past the last) of what lies under nodes that could not be read or followed, with why.
        leaves: how many leaves were read.
    """

    keys: Keys
    values: Keys
    gaps: tuple[tuple[int, int, str], ...]
    leaves: int

    def rows(self, keys: npt.NDArray[np.uint64]) -> tuple[npt.NDArray[np.intp], Mask]:
        """The row of each key, and whether it is there."""
        if not len(self.keys):
            return np.zeros(len(keys), dtype=np.intp), np.zeros(len(keys), dtype=np.bool_)
        row = np.minimum(np.searchsorted(self.keys, keys), len(self.keys) - 1)
        there: Mask = self.keys[row] == keys
        return row, there

    def value(self, key: int) -> int | None:
        """The value of one key, ``None`` where it is not there."""
        row = int(np.searchsorted(self.keys, np.uint32(key))) if 0 <= key < KEY_END else len(self.keys)
        return int(self.values[row]) if row < len(self.keys) and int(self.keys[row]) == key else None

    def why_not(self, key: int) -> str:
        """In words, why a key was not found, if that is not for sure because it is not there; else empty."""
        return next((why for first, end, why in self.gaps if first <= key < end), "")


@dataclass(slots=True)
class _Level:
    """Nodes of one level: their addresses, and the keys that may lie under each."""

    addresses: Addresses
    first: Addresses
    end: Addresses


def read_tree(space: Space, root: int, build: Build) -> Tree:
    """All of a tree.

    Args:
        space: where its nodes lie.
        root: address of its topmost node.
        build: the layouts of the store (:func:`structs.store.layouts`).
    """
    none, whole = np.zeros(1, dtype=np.uint64), np.full(1, KEY_END, dtype=np.uint64)
    level = _Level(np.array([root], dtype=np.uint64), none, whole)
    seen: set[int] = set()
    gaps: list[tuple[int, int, str]] = []
    keys, values = [np.zeros(0, dtype=np.uint32)], [np.zeros(0, dtype=np.uint32)]
    leaves = 0
    for _ in range(DEPTH_LIMIT):
        level = _fresh(level, seen, gaps)
        if not len(level.addresses):
            break
        octets, there = space.read_many(level.addresses, PAGE)
        _lose(gaps, level, ~there, "a node of its tree cannot be read")
        nodes = octets[:, : build[B_TREE].sizeof].reshape(-1).view(build[B_TREE].dtype)
        leaf = there & (nodes["Leaf"] != 0)
        rows = np.flatnonzero(leaf)
        key, value = _leaf_entries(octets[rows], nodes["Entries"][rows], level, rows, build, gaps)
        keys.append(key)
        values.append(value)
        leaves += len(rows)
        level = _children(octets, nodes, np.flatnonzero(there & ~leaf), level, build, gaps)
    else:
        _lose(gaps, level, np.ones(len(level.addresses), dtype=np.bool_), "its tree is deeper than any can be")
    return _tree(np.concatenate(keys), np.concatenate(values), gaps, leaves)


def _lose(gaps: list[tuple[int, int, str]], level: _Level, lost: Mask, why: str) -> None:
    gaps += [(first, end, why) for first, end in zip(level.first[lost].tolist(), level.end[lost].tolist(), strict=True)]


def _fresh(level: _Level, seen: set[int], gaps: list[tuple[int, int, str]]) -> _Level:
    """The nodes that were not met before, as many as there may be; a tree has no node twice."""
    kept = np.zeros(len(level.addresses), dtype=np.bool_)
    for row, address in enumerate(level.addresses.tolist()):
        if address not in seen and len(seen) < NODE_LIMIT:
            seen.add(address)
            kept[row] = True
    _lose(gaps, level, ~kept, "its tree loops, or has more nodes than any can have")
    return _Level(level.addresses[kept], level.first[kept], level.end[kept])


def _room(build: Build, size: int) -> int:
    """Entries that a node has room for."""
    return (PAGE - build[B_TREE].sizeof) // size


def _leaf_entries(
    octets: Octets,
    counts: npt.NDArray[np.uint16],
    level: _Level,
    rows: npt.NDArray[np.intp],
    build: Build,
    gaps: list[tuple[int, int, str]],
) -> tuple[Keys, Keys]:
    """Keys and values of leaves."""
    start, room = build[B_TREE].sizeof, _room(build, ENTRY_SIZE)
    pairs = np.ascontiguousarray(octets[:, start : start + room * ENTRY_SIZE]).view("<u4").reshape(-1, room, 2)
    used = np.arange(room)[None, :] < counts.astype(np.int64)[:, None]
    key = pairs[:, :, 0].astype(np.uint64)
    inside = (key >= level.first[rows][:, None]) & (key < level.end[rows][:, None])
    rising = np.ones_like(used)
    rising[:, 1:] = key[:, 1:] > key[:, :-1]
    bad = (counts > room) | (used & ~(rising & inside)).any(axis=1)
    lost = np.zeros(len(level.addresses), dtype=np.bool_)
    lost[rows[bad]] = True
    _lose(gaps, level, lost, "a leaf of its tree is not in order")
    used[bad] = False
    return pairs[:, :, 0][used], pairs[:, :, 1][used]


def _children(
    octets: Octets,
    nodes: npt.NDArray[np.void],
    rows: npt.NDArray[np.intp],
    level: _Level,
    build: Build,
    gaps: list[tuple[int, int, str]],
) -> _Level:
    """The nodes below nodes, each with the keys that may lie under it."""
    pointer, start = build.pointer_size, build[B_TREE].sizeof
    room = _room(build, 2 * pointer)
    words = np.ascontiguousarray(octets[rows, start : start + room * 2 * pointer]).view(f"<u{pointer}")
    pairs = words.reshape(-1, room, 2).astype(np.uint64)
    counts = nodes["Entries"][rows].astype(np.int64)
    used = np.arange(room)[None, :] < counts[:, None]
    key = pairs[:, :, 0] & np.uint64(KEY_END - 1)
    first, end = level.first[rows], level.end[rows]
    rising = np.ones_like(used)
    rising[:, 1:] = key[:, 1:] > key[:, :-1]
    bad = (counts > room) | (counts == 0)
    bad |= (used & ~(rising & (key >= first[:, None]) & (key < end[:, None]))).any(axis=1)
    lost = np.zeros(len(level.addresses), dtype=np.bool_)
    lost[rows[bad]] = True
    _lose(gaps, level, lost, "a node of its tree is not in order")
    used[bad] = False
    following = np.concatenate([key[:, 1:], np.zeros((len(key), 1), dtype=np.uint64)], axis=1)
    last = np.arange(room)[None, :] == counts[:, None] - 1
    after = np.where(last, end[:, None], following)
    good = ~bad
    addresses = np.concatenate([nodes["LeftChild"][rows][good].astype(np.uint64), pairs[:, :, 1][used]])
    low = np.concatenate([first[good], key[used]])
    high = np.concatenate([key[good, 0], after[used]])
    some = low < high
    return _Level(addresses[some], low[some], high[some])


def _tree(keys: Keys, values: Keys, gaps: list[tuple[int, int, str]], leaves: int) -> Tree:
    order = np.argsort(keys, kind="stable")  # each key once: the places of nodes do not overlap
    return Tree(keys[order], values[order], tuple(gaps), leaves)
