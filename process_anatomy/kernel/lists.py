"""Doubly linked lists in kernel memory, followed both ways.

A broken link ends one direction, not the walk: what the other direction reaches is still found, and
where each direction ended is told.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from process_anatomy.memory.space import Space

LIMIT = 1 << 17
"""Links followed in one direction at the most."""
DIRECTIONS = ("forward", "backward")


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
    forward, backward = reached
    known = set(forward)
    ring.links = forward + [link for link in reversed(backward) if link not in known]
    behind = set(backward)
    for link in ring.links:
        ring.seen_by[link] = tuple(
            name for name, there in zip(DIRECTIONS, (link in known, link in behind), strict=True) if there
        )
    return ring
