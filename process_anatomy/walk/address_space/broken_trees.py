"""One broken VAD tree, and what proves that a node which was found elsewhere is one of it.

A node is taken for one of a tree where its parent is a node of that tree that misses a child on its side: one that
cannot be read, whose link leads to what does not name it as its parent, or whose balance says that there is more than
it links.  A node that was freed keeps its links, but what it names as its parent misses nothing.  Where the parent is
gone too, the process that a node of a section names proves it, and all that hangs together with it.  A node whose range
overlaps with one of the tree is not taken.

Source: _RTL_BALANCED_NODE, _MM_AVL_NODE and _MMADDRESS_NODE of the kernel's symbols; _MMVAD.VadsProcess.
"""

from __future__ import annotations

from bisect import bisect_right, insort
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from process_anatomy.kernel.identify import Kernel
from process_anatomy.walk.address_space.pool_nodes import Node, is_place, node_at
from process_anatomy.walk.address_space.vad_shape import BALANCES
from process_anatomy.walk.address_space.vad_trees import is_splay_tree, table_root
from process_anatomy.walk.processes.listed import Process
from structs.vad import MMVAD_SHORT

BY_TAG = "not reached through its tree: found by its pool tag, and taken for a node of it by its links"
BY_LINK = "not reached through its tree: a node that was found by its pool tag names it as its child"


@dataclass(frozen=True, slots=True)
class Lost:
    """A node that a tree lost.

    Attributes:
        node: what it says.
        above: address of the node that it hangs below; 0 where that is none of the tree's rows.
        side: 0 for a left child, 1 for a right one.
        by: what led to it, as a problem of its row.
        weak: nothing speaks for it but its own link to its parent.
    """

    node: Node
    above: int
    side: int
    by: str
    weak: bool


@dataclass(slots=True)
class _Ranges:
    """Ranges that do not overlap, in order."""

    starts: list[int] = field(default_factory=list)
    ends: dict[int, int] = field(default_factory=dict)

    def free(self, node: Node) -> bool:
        """Whether a node's range overlaps with none of them."""
        after = bisect_right(self.starts, node.end)
        return not after or self.ends[self.starts[after - 1]] < node.start

    def add(self, node: Node) -> None:
        if node.start <= node.end and self.free(node):
            insort(self.starts, node.start)
            self.ends[node.start] = node.end


class BrokenTree:
    """One broken tree, and what belongs to it.

    Args:
        kernel: the kernel.
        process: whose tree it is.
        reached: addresses of the nodes that it leads to, each after the one that led there.
        free: nodes that were found by their tags and are in no whole tree, by address.
        below: the same by the parent that they name.
        named: those of them that name the process.

    Attributes:
        members: nodes that have a row, by address.
        own: addresses of those that are certain to be of this tree, and of nodes without a row that are.
        others: addresses of what is certain to be of another broken tree.
        ranges: of the nodes that are certain.
        pending: addresses below which nodes may be missing.
        found: what was found, by address.
        hung: what was found, by the address and the side of the node that it hangs below.
        climbed: nodes whose highest was asked for.
    """

    def __init__(
        self,
        kernel: Kernel,
        process: Process,
        reached: Sequence[int],
        free: Mapping[int, Node],
        below: Mapping[int, Sequence[Node]],
        named: Sequence[Node],
    ) -> None:
        self.kernel, self.process, self.free, self.below, self.named = kernel, process, free, below, named
        self.splay = is_splay_tree(kernel.build[MMVAD_SHORT])
        self.members = {node.address: node for node in node_at(kernel, reached)}
        self.elsewhere: dict[int, Node] = {}
        self.own: set[int] = set()
        self.others: set[int] = set()
        self.ranges = _Ranges()
        self.pending: list[int] = []
        self.found: dict[int, Lost] = {}
        self.hung: dict[tuple[int, int], int] = {}
        self.climbed: set[int] = set()
        root = process.vad_root if isinstance(process.vad_root, int) else 0
        self.table = table_root(kernel, process)
        self.root_lost = True
        if root in self.members:
            top = self.members[root]
            self.root_lost = top.known and top.parent != self.table
            if not self.root_lost:
                self._adopt(root)

    def search(self, count: int | None) -> list[Lost]:
        """The nodes that this tree lost, each after the one that it hangs below."""
        if self.table and self.root_lost:
            self._hang(self.table, self._candidates(self.table), 1)
        self._grow()
        own = [node for node in self.members.values() if node.process == self.process.address]
        for node in (*own, *self.named):
            if node.address not in self.own:
                self._hang_top(self._top(node))
                self._grow()
        found = list(self.found.values())
        known = sum(self.members[address].known for address in self.own & set(self.members))
        if count is not None and known > count:  # some of them were freed: which of the weak ones is not known
            found = [lost for lost in found if not lost.weak]
        return found

    def _held(self, address: int) -> bool:
        return address in self.members or address in self.others

    def _adopt(self, address: int) -> None:
        """Take a node for certain, and those below it that the tree leads to and that name it as their parent."""
        adopted = [address]
        while adopted:
            address = adopted.pop()
            if address in self.own:
                continue
            self.own.add(address)
            self.pending.append(address)
            node = self.members.get(address)
            if node is None:
                continue
            if node.known:
                self.ranges.add(node)
            for child in node.children:
                below = self.members.get(child)
                if below is not None and (below.parent == address or not below.known):
                    adopted.append(child)

    def _grow(self) -> None:
        """Find what hangs below the nodes that are certain; what is found is certain too."""
        again: set[int] = set()
        while self.pending:
            address = self.pending.pop()
            node = self.members.get(address)
            before = len(self.found)
            for side in (0, 1):
                candidates = [n for n in self._candidates(address) if self._side(node, n) in (side, None)]
                if node is None or not node.known or self._misses(node, side):
                    self._hang(address, candidates, side)
                else:
                    self._hang(address, [n for n in candidates if n.address in node.children or self._needed(n)], side)
            if node is not None and node.known and address in self.found:
                self._unreadable_below(node)
            if len(self.found) > before and address not in again:  # what one side has may tell what the other lacks
                again.add(address)
                self.pending.append(address)

    def _candidates(self, address: int) -> list[Node]:
        """Nodes that name one as their parent and could be of this tree."""
        return [
            node
            for node in self.below.get(address, ())
            if not self._held(node.address) and node.process in (0, self.process.address) and self.ranges.free(node)
        ]

    def _side(self, above: Node | None, node: Node) -> int | None:
        """On which side of another a node must be; ``None`` where the other cannot tell."""
        if above is None or not above.known:
            return None
        return int(node.start > above.start)

    def _hang(self, address: int, candidates: Sequence[Node], side: int) -> None:
        """Hang a node below another; where several could be there, the one that others hang on, or none."""
        if (address, side) in self.hung or not candidates:
            return
        if address not in self.members and address != self.table:  # a node without a row: each by its own
            chosen = list(candidates)
        else:
            named = [node for node in candidates if address in self.members and self._names(address, node)]
            linked = [node for node in candidates if self._bonds(node)]
            chosen = named or linked or list(candidates)
            if len(chosen) == 2 and not self._misplaced(address):
                chosen = sorted(chosen, key=lambda node: node.start)[side : side + 1]
            if len(chosen) != 1:
                return
        for node in chosen:
            if not self.ranges.free(node):
                continue
            sure = address in self.members and self._names(address, node)
            weak = not (sure or node.process or self._bonds(node))
            row = address if address in self.members else 0
            self.found[node.address] = Lost(node, row, side, BY_TAG, weak)
            self.hung[address, side] = node.address
            self.members[node.address] = node
            self._adopt(node.address)

    def _misplaced(self, address: int) -> bool:
        """Whether a node can tell on which side of it another is."""
        return address not in self.members or self.members[address].known

    def _names(self, address: int, node: Node) -> bool:
        return node.address in self.members[address].children

    def _bonds(self, node: Node) -> int:
        """How many of a node's children name it as their parent."""
        return sum(self._at(child).parent == node.address for child in node.children if child)

    def _needed(self, top: Node) -> bool:
        """Whether a node of the tree that is not certain hangs below a node, or below what hangs there."""
        for node in self._beneath(top):
            for child in node.children:
                if child in self.members and child not in self.own and self.members[child].parent == node.address:
                    return True
        return False

    def _beneath(self, top: Node) -> Iterator[Node]:
        """A node and those below it that are linked to it both ways and were found by their tags."""
        waiting, seen = [top], {top.address}
        while waiting:
            node = waiting.pop()
            yield node
            for child in node.children:
                if child in self.free and child not in seen and self.free[child].parent == node.address:
                    seen.add(child)
                    waiting.append(self.free[child])

    def _misses(self, node: Node, side: int) -> bool:
        """Whether a node lacks the child that it should have on a side."""
        child = self._child(node, side)
        if child:
            return not is_place(self.kernel, child) or (
                self._at(child).known and self._at(child).parent != node.address
            )
        if self.splay:
            return False
        higher = BALANCES.get(node.balance)
        other = self._child(node, 1 - side)
        if not other:  # its higher side is the one that is not there
            return higher == (1 if side else -1)
        alone = -1 if side else 1  # a branch without another beside it is one node high
        below = self._at(other)
        return higher != alone or (below.known and any(below.children))

    def _child(self, node: Node, side: int) -> int:
        return self.hung.get((node.address, side)) or node.children[side]

    def _at(self, address: int) -> Node:
        """What is at an address, read once."""
        known = self.members.get(address) or self.free.get(address) or self.elsewhere.get(address)
        if known is None:
            known = self.elsewhere[address] = node_at(self.kernel, [address])[0]
        return known

    def _unreadable_below(self, node: Node) -> None:
        """Take a child that a node names and that cannot be read: others may hang on it."""
        for side, child in enumerate(node.children):
            if child and is_place(self.kernel, child) and not self._held(child) and not self._at(child).known:
                self.members[child] = self._at(child)
                self.found[child] = Lost(self._at(child), node.address, side, BY_LINK, False)
                self._adopt(child)

    def _top(self, node: Node) -> Node | None:
        """The highest node that a node hangs below, all linked both ways; ``None`` where it was told before."""
        while node.address not in self.climbed:
            self.climbed.add(node.address)
            above = self.free.get(node.parent)
            if above is None or node.address not in above.children:
                return node
            node = above
        return None

    def _hang_top(self, top: Node | None) -> None:
        """Take the highest of nodes that are proved by the process they name, where what it hangs below is gone."""
        if (
            top is None
            or self._held(top.address)
            or not self.ranges.free(top)
            or top.process not in (0, self.process.address)
        ):
            return
        if top.parent == self.table:
            if self.root_lost and (self.table, 1) not in self.hung:
                self._hang(self.table, [top], 1)
        elif is_place(self.kernel, top.parent) and top.parent not in self.own and not self._at(top.parent).known:
            if top.parent in self.members:
                return
            self._adopt(top.parent)
