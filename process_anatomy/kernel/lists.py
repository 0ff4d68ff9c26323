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
NOT_BACK = "it does not point back to the entry before it"
"""How the note of an entry begins whose two pointers contradict its neighbour's."""
FEW = 128
"""Links that are read one by one rather than in a batch."""
SHARED = 1 << 12
"""Links that several lists of one walk may hold together: each belongs to one list, but a list that was read from two
moments may go on as another does.  Without a bound every list could be led into one long chain."""


@dataclass(slots=True)
class Ring:
    """What a walk of a list found.

    Attributes:
        links: address of each link in list order: those the forward walk reached, then the rest, as if the
            list went on forward.
        seen_by: link address to the directions that reached it.
        problems: why a direction ended before the list closed, one line each.
        notes: link address to what is odd about that link.
        broken: the directions that ended before the list closed.
    """

    links: list[int] = field(default_factory=list)
    seen_by: dict[int, tuple[str, ...]] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    notes: dict[int, list[str]] = field(default_factory=dict)
    broken: list[str] = field(default_factory=list)

    def ended(self, direction: str, link: int, how: str) -> None:
        """Note that a direction ended at a link before the list closed, and how it did."""
        problem = f"the {direction} list {how}"
        self.broken.append(direction)
        self.problems.append(problem)
        self.notes.setdefault(link, []).append(problem)


def pointers_of(space: Space, link: int) -> tuple[int, int] | None:
    """Where a link leads forwards and backwards, or ``None`` where it cannot be read."""
    size = space.pointer_size
    data = space.read(link, 2 * size)
    return None if data is None else (int.from_bytes(data[:size], "little"), int.from_bytes(data[size:], "little"))


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
    for side, direction in enumerate(DIRECTIONS):
        order: list[int] = [start] if not verdicts[start] else []
        seen = {start}
        here = start
        for _ in range(LIMIT):
            pointers = pointers_of(space, here)
            if pointers is None:
                reason = space.why(here, 2 * size) or "not readable"
                ring.ended(direction, here, f"ends at {here:#x}: {reason}")
                break
            following = pointers[side]
            if following == start:
                break
            if following in seen:
                ring.ended(direction, here, f"loops at {here:#x}: back to {following:#x}")
                break
            if following not in verdicts:
                verdicts[following] = accept(following)
            if verdicts[following]:
                ring.ended(direction, here, f"ends at {here:#x}: {following:#x} {verdicts[following]}")
                break
            returning = pointers_of(space, following)
            if returning is not None and returning[1 - side] != here:
                ring.notes.setdefault(following, []).append(f"{NOT_BACK} ({direction})")
            seen.add(following)
            order.append(following)
            here = following
        else:
            ring.ended(direction, here, f"ends at {here:#x}: more than {LIMIT} links")
        reached.append(order)
    _join(ring, *reached)
    return ring


def follow_heads(
    space: Space, heads: Addresses, limit: int = LIMIT, roots: Addresses | None = None, pointer_size: int | None = None
) -> list[Ring]:
    """Follow many lists at once, each from its head, forwards and backwards; the heads are no entries.

    A link that cannot be read is an entry only where both directions end at it.  Where each link that the forward walk
    reached points back to the one before it, and the head to the last, the backward walk is known without being made.
    A link that another list holds ends a walk once :data:`SHARED` of them were met.

    Args:
        space: where the links are.
        heads: address of each list's head; a head of 0 gives an empty list.
        limit: links followed in one direction of one list at the most.
        roots: page-table root of each list, for lists that lie in several processes.
        pointer_size: bytes of a link's pointers, where they are not the space's own (32-bit lists).
    """
    size = pointer_size or space.pointer_size
    tops = heads.tolist()
    through = [0] * len(tops) if roots is None else roots.tolist()
    walks = [
        _Walk(row, side, head, head, root)
        for side in (0, 1)
        for row, (head, root) in enumerate(zip(tops, through, strict=True))
    ]
    forwards, backwards = walks[: len(tops)], walks[len(tops) :]
    _follow(space, [walk for walk in forwards if walk.head], limit, roots, size)
    for forward, backward in zip(forwards, backwards, strict=True):
        if forward.closed:
            backward.seen = dict.fromkeys(reversed(forward.seen))
    rest = [b for f, b in zip(forwards, backwards, strict=True) if b.head and not f.closed]
    _follow(space, rest, limit, roots, size)
    rings: list[Ring] = []
    for forward, backward in zip(forwards, backwards, strict=True):
        ring = forward.ring
        ring.problems += backward.ring.problems
        ring.broken += backward.ring.broken
        for link, lines in backward.ring.notes.items():
            ring.notes.setdefault(link, []).extend(lines)
        # a link that cannot be read is an entry where both directions end at it, else one of them went astray
        lost = {forward.gone, backward.gone} if forward.gone != backward.gone else set()
        _join(ring, *([at for at in walk.seen if at not in lost] for walk in (forward, backward)))
        rings.append(ring)
    return rings


def _follow(
    space: Space,
    going: list[_Walk],
    limit: int,
    roots: Addresses | None,
    size: int,
) -> None:
    """Go on with each of these walks, a link of all of them at a time, until it ends."""
    taken: set[tuple[int, int]] = set()
    shares = SHARED
    for step in range(limit + 1):
        if not going:
            break
        here = np.array([walk.here for walk in going], dtype=np.uint64)
        through = None if roots is None else roots[[walk.row for walk in going]]
        data, there = _read(space, here, 2 * size, through)
        moved: list[_Walk] = []
        for walk, pair, readable in zip(going, data.view(f"<u{size}").tolist(), there.tolist(), strict=True):
            place, direction = walk.here, DIRECTIONS[walk.side]
            if not readable:
                reason = _through(space, roots, walk.row).why(place, 2 * size) or "not readable"
                walk.ring.ended(direction, place, f"ends at {place:#x}: {reason}")
                walk.gone = place
                continue
            following, returning = pair[walk.side], pair[1 - walk.side]
            if place == walk.head:
                walk.last = returning
            elif returning != walk.before:
                walk.ring.notes.setdefault(place, []).append(f"{NOT_BACK} ({direction})")
            if following == walk.head:
                walk.closed = walk.last == place and not walk.ring.notes
                continue
            if following in walk.seen:
                walk.ring.ended(direction, place, f"loops at {place:#x}: back to {following:#x}")
            elif following % size or not following:
                walk.ring.ended(direction, place, f"ends at {place:#x}: {following:#x} is no link")
            elif step == limit:
                walk.ring.ended(direction, place, f"ends at {place:#x}: more than {limit} links")
            elif (shared := (walk.root, following) in taken) and not shares:
                walk.ring.ended(direction, place, f"ends at {place:#x}: {following:#x} is on another list too")
            else:
                shares -= shared
                taken.add((walk.root, following))
                walk.seen[following] = None
                walk.before, walk.here = place, following
                moved.append(walk)
        going = moved


@dataclass(slots=True)
class _Walk:
    """One direction of one list: where it began and is, what it came from and has seen, in order.

    Attributes:
        root: what it is read through, 0 for the space's own.
        last: the link that the head has on its other side.
        closed: it came back to the head, every link points back, and the head to the last one.
    """

    row: int
    side: int
    head: int
    here: int
    root: int
    before: int = 0
    gone: int = 0
    last: int = 0
    closed: bool = False
    seen: dict[int, None] = field(default_factory=dict)
    ring: Ring = field(default_factory=Ring)


def _read(space: Space, addresses: Addresses, size: int, roots: Addresses | None) -> tuple[Octets, Mask]:
    """Read at each address, through a root each where roots are given.

    Few addresses are read one by one, for a space remembers its pages and a batch costs the same whatever its size.
    """
    if len(addresses) > FEW or not isinstance(space, AddressSpace):
        return space.read_many(addresses, size, roots)
    parts = [_through(space, roots, row).read(at, size) for row, at in enumerate(addresses.tolist())]
    blank = bytes(size)
    octets = np.frombuffer(b"".join(part or blank for part in parts), dtype=np.uint8).reshape(len(parts), size)
    return octets, np.array([part is not None for part in parts], dtype=np.bool_)


def _through(space: Space, roots: Addresses | None, row: int) -> Space:
    """The space of one of the lists."""
    return space if roots is None else space.through(int(roots[row]))


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
