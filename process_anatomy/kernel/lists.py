"""Doubly linked lists in kernel memory, followed both ways.

A broken link ends one direction, not the walk: what the other direction reaches is still found, and
where each direction ended is told.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from process_anatomy.memory.address_space import AddressSpace
from process_anatomy.memory.space import Addresses, Mask, Octets, Space

LIMIT = 1 << 17
"""Links followed in one direction at the most."""
DIRECTIONS = ("forward", "backward")
FEW = 128
"""Links that are read one by one rather than in a batch."""


@dataclass(slots=True)
class Ring:
    """What a walk of a list found.

    Attributes:
        links: address of each link in list order: those the forward walk reached, then the rest, as if the
            list went on forward.
        seen_by: link address to the directions that reached it.
        problems: why a direction ended before the list closed, one line each.
        notes: link address to what is odd about that link.
    """

    links: list[int] = field(default_factory=list)
    seen_by: dict[int, tuple[str, ...]] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    notes: dict[int, list[str]] = field(default_factory=dict)

    @property
    def broken(self) -> tuple[str, ...]:
        """Directions that ended before the list closed."""
        return tuple(d for d in DIRECTIONS if any(p.startswith(f"the {d} list") for p in self.problems))

    def ended(self, link: int, problem: str) -> None:
        """Note that a direction ended at a link before the list closed."""
        self.problems.append(problem)
        self.notes.setdefault(link, []).append(problem)


def follow(space: Space, start: int, accept: Callable[[int], str]) -> Ring:
    """Follow the list that a link belongs to, from that link, forwards and backwards.

    Args:
        space: where the links are.
        start: address of one _LIST_ENTRY of the list.
        accept: is asked once for each link; an empty answer accepts it, else it is the reason why no such
            entry can stand here, and the direction ends.
    """
    size = space.pointer_size
    verdicts: dict[int, str] = {start: accept(start)}
    ring = Ring()
    reached: list[list[int]] = []
    for direction in DIRECTIONS:
        order: list[int] = [start] if not verdicts[start] else []
        seen = {start}
        here = start
        for _ in range(LIMIT):
            data = space.read(here, 2 * size)
            if data is None:
                reason = space.why(here, 2 * size) or "not readable"
                ring.ended(here, f"the {direction} list ends at {here:#x}: {reason}")
                break
            pointers = int.from_bytes(data[:size], "little"), int.from_bytes(data[size:], "little")
            following = pointers[0] if direction == "forward" else pointers[1]
            if following == start:
                break
            if following in seen:
                ring.ended(here, f"the {direction} list loops at {here:#x}: back to {following:#x}")
                break
            if following not in verdicts:
                verdicts[following] = accept(following)
            if verdicts[following]:
                ring.ended(here, f"the {direction} list ends at {here:#x}: {following:#x} {verdicts[following]}")
                break
            returning = space.read(following, 2 * size)
            if returning is not None:
                back = returning[size:] if direction == "forward" else returning[:size]
                if int.from_bytes(back, "little") != here:
                    ring.notes.setdefault(following, []).append(
                        f"it does not point back to the entry before it ({direction})"
                    )
            seen.add(following)
            order.append(following)
            here = following
        else:
            ring.ended(here, f"the {direction} list ends at {here:#x}: more than {LIMIT} links")
        reached.append(order)
    _join(ring, *reached)
    return ring


def follow_heads(
    space: Space, heads: Addresses, limit: int = LIMIT, roots: Addresses | None = None, pointer_size: int | None = None
) -> list[Ring]:
    """Follow many lists at once, each from its head, forwards and backwards; the heads are no entries.

    A link that cannot be read is an entry only where both directions end at it.  Where each link that the forward walk
    reached points back to the one before it, and the head to the last, the backward walk is known without being made.

    Args:
        space: where the links are.
        heads: address of each list's head; a head of 0 gives an empty list.
        limit: links followed in one direction of one list at the most.
        roots: page-table root of each list, for lists that lie in several processes.
        pointer_size: bytes of a link's pointers, where they are not the space's own (32-bit lists).
    """
    rings = [Ring() for _ in range(len(heads))]
    size = pointer_size or space.pointer_size
    reached: dict[str, list[list[int]]] = {}
    gone: list[list[int]] = [[] for _ in rings]
    spaces: dict[int, AddressSpace] = {}
    last: dict[int, int] = {}
    known: set[int] = set()
    for side, direction in enumerate(DIRECTIONS):
        orders: list[list[int]] = [[] for _ in rings]
        seen: list[set[int]] = [set() for _ in rings]
        if side == 1:
            for row in known:
                orders[row] = reached["forward"][row][::-1]
        rows = [row for row, head in enumerate(heads.tolist()) if head and row not in known]
        here = [int(heads[row]) for row in rows]
        for step in range(limit + 1):
            if not rows:
                break
            tables = None if roots is None else roots[rows]
            data, there = _read(space, np.array(here, dtype=np.uint64), 2 * size, tables, spaces)
            links = data.view(f"<u{size}").tolist()
            next_rows: list[int] = []
            next_here: list[int] = []
            for row, place, pair, readable in zip(rows, here, links, there.tolist(), strict=True):
                ring, head = rings[row], int(heads[row])
                if not readable:
                    reason = _through(space, roots, row).why(place, 2 * size) or "not readable"
                    ring.ended(place, f"the {direction} list ends at {place:#x}: {reason}")
                    gone[row].append(place)
                    continue
                following, returning = pair[side], pair[1 - side]
                if step == 0:
                    last[row] = returning
                if orders[row] and returning != (orders[row][-2] if len(orders[row]) > 1 else head):
                    ring.notes.setdefault(place, []).append(
                        f"it does not point back to the entry before it ({direction})"
                    )
                if following == head:
                    if not ring.notes and last[row] == (orders[row][-1] if orders[row] else head):
                        known.add(row)
                    continue
                if following in seen[row]:
                    ring.ended(place, f"the {direction} list loops at {place:#x}: back to {following:#x}")
                elif following % size or not following:
                    ring.ended(place, f"the {direction} list ends at {place:#x}: {following:#x} is no link")
                elif step == limit:
                    ring.ended(place, f"the {direction} list ends at {place:#x}: more than {limit} links")
                else:
                    seen[row].add(following)
                    orders[row].append(following)
                    next_rows.append(row)
                    next_here.append(following)
            rows, here = next_rows, next_here
        reached[direction] = orders
    for row, ring in enumerate(rings):
        lost = set(gone[row]) if len(set(gone[row])) == len(gone[row]) else set()
        _join(ring, *([at for at in reached[direction][row] if at not in lost] for direction in DIRECTIONS))
    return rings


def _read(
    space: Space, addresses: Addresses, size: int, roots: Addresses | None, spaces: dict[int, AddressSpace]
) -> tuple[Octets, Mask]:
    """Read at each address, through a root each where roots are given.

    Few addresses are read one by one, for a space remembers its pages and a batch costs the same whatever its size.
    """
    own = roots is not None and isinstance(space, AddressSpace)
    if len(addresses) > FEW or not isinstance(space, AddressSpace):
        return space.read_many(addresses, size, roots) if own else space.read_many(addresses, size)  # type: ignore[call-arg]
    parts: list[bytes | None] = []
    for row, address in enumerate(addresses.tolist()):
        place = space
        if roots is not None:
            root = int(roots[row])
            if root not in spaces:
                spaces[root] = AddressSpace(space.memory, root, space.mode)
            place = spaces[root]
        parts.append(place.read(address, size))
    blank = bytes(size)
    octets = np.frombuffer(b"".join(part or blank for part in parts), dtype=np.uint8).reshape(len(parts), size)
    return octets, np.array([part is not None for part in parts], dtype=np.bool_)


def _through(space: Space, roots: Addresses | None, row: int) -> Space:
    """The space of one of the lists."""
    if roots is None or not isinstance(space, AddressSpace):
        return space
    return AddressSpace(space.memory, int(roots[row]), space.mode)


def _join(ring: Ring, forward: list[int], backward: list[int]) -> None:
    """What both directions reached, as if the list went on forward."""
    known, behind = set(forward), set(backward)
    if known == behind:
        ring.links, ring.seen_by = forward, dict.fromkeys(forward, DIRECTIONS)
        return
    ring.links = forward + [link for link in reversed(backward) if link not in known]
    for link in ring.links:
        ring.seen_by[link] = tuple(
            name for name, there in zip(DIRECTIONS, (link in known, link in behind), strict=True) if there
        )
