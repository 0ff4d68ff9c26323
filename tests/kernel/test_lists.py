"""Doubly linked lists: whole, damaged and hostile, followed both ways."""

from __future__ import annotations

import itertools
import struct
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from process_anatomy.kernel import lists
from process_anatomy.kernel.lists import DIRECTIONS, Ring, follow, follow_heads
from tests.memory.patchwork import Patchwork
from tests.strategies import link_addresses

WILD = 0xDEAD_0000
Links = dict[int, tuple[int, int]]
"""Address of each entry to its forward and backward pointer."""


def ring_of(order: Sequence[int]) -> Links:
    """A list that closes."""
    return {here: (order[(i + 1) % len(order)], order[i - 1]) for i, here in enumerate(order)}


def memory_of(links: Mapping[int, tuple[int, int]], pointer: int = 8) -> Patchwork:
    form = "<QQ" if pointer == 8 else "<II"
    return Patchwork({here: struct.pack(form, *pointers) for here, pointers in links.items()}, pointer)


def anything(link: int) -> str:
    return ""


def only(known: Mapping[int, object]) -> Callable[[int], str]:
    """Accepts the links that are there."""
    return lambda link: "" if link in known else "is no entry"


def walk(links: Links, start: int, side: int) -> list[int]:
    """The entries that one direction reaches before it closes, loops or leaves the list."""
    order = [start]
    while True:
        following = links[order[-1]][side]
        if following in order or following not in links:
            return order
        order.append(following)


def chain(count: int) -> list[int]:
    return [0x1000 + 0x100 * n for n in range(count)]


@pytest.mark.parametrize("pointer", [4, 8])
@settings(max_examples=60, deadline=None)
@given(order=link_addresses())
def test_a_whole_list_gives_every_entry_in_order_seen_both_ways_without_a_note(order: list[int], pointer: int) -> None:
    found = follow(memory_of(ring_of(order), pointer), order[0], anything)
    assert Ring(order, dict.fromkeys(order, DIRECTIONS), [], {}) == found


def test_a_walk_may_start_anywhere_in_the_list() -> None:
    order = chain(5)
    for i in range(5):
        found = follow(memory_of(ring_of(order)), order[i], anything)
        assert order[i:] + order[:i] == found.links


def test_an_entry_that_points_at_itself_is_a_list_of_one() -> None:
    assert Ring([0x1000], {0x1000: DIRECTIONS}, [], {}) == follow(
        memory_of({0x1000: (0x1000, 0x1000)}), 0x1000, anything
    )


def test_a_broken_forward_link_costs_no_entry() -> None:
    order = chain(5)
    links = ring_of(order)
    links[order[1]] = (WILD, order[0])
    found = follow(memory_of(links), order[0], only(links))
    assert order == found.links
    assert [f"the forward list ends at {order[1]:#x}: {WILD:#x} is no entry"] == found.problems
    both, backward = DIRECTIONS, DIRECTIONS[1:]
    assert dict(zip(order, [both, both, backward, backward, backward], strict=True)) == found.seen_by
    assert {order[1], order[2]} >= found.notes.keys()
    assert found.problems[0] in found.notes[order[1]]


def test_a_broken_backward_link_costs_no_entry() -> None:
    order = chain(5)
    links = ring_of(order)
    links[order[3]] = (order[4], WILD)
    found = follow(memory_of(links), order[0], only(links))
    assert order == found.links
    assert [f"the backward list ends at {order[3]:#x}: {WILD:#x} is no entry"] == found.problems
    both, forward = DIRECTIONS, DIRECTIONS[:1]
    assert dict(zip(order, [both, forward, forward, both, both], strict=True)) == found.seen_by
    assert "it does not point back to the entry before it (forward)" in found.notes[order[3]]


def test_an_entry_behind_two_broken_links_is_the_only_one_lost() -> None:
    order = chain(7)
    links = ring_of(order)
    links[order[2]] = (WILD, order[1])
    links[order[4]] = (order[5], WILD)
    found = follow(memory_of(links), order[0], only(links))
    assert order[:3] + order[4:] == found.links
    assert len(found.problems) == 2


def test_an_entry_that_was_unlinked_is_not_in_the_list() -> None:
    order = chain(4)
    links = ring_of(order)
    hidden = order.pop(2)
    links |= ring_of(order)
    assert hidden in links
    assert Ring(order, dict.fromkeys(order, DIRECTIONS), [], {}) == follow(memory_of(links), order[0], anything)


def test_an_entry_that_one_direction_leaves_out_is_seen_by_the_other_alone_and_noted() -> None:
    order = chain(4)
    links = ring_of(order)
    links[order[1]] = (order[3], order[0])
    found = follow(memory_of(links), order[0], anything)
    assert [*order[:2], order[3], order[2]] == found.links
    assert found.seen_by[order[2]] == ("backward",)
    assert found.problems == []
    assert found.notes[order[3]] == ["it does not point back to the entry before it (forward)"]


@pytest.mark.parametrize(("side", "direction"), list(enumerate(DIRECTIONS)))
def test_a_list_that_loops_ends_where_it_comes_back(side: int, direction: str) -> None:
    order = chain(6)
    links = ring_of(order)
    target = order[2] if side == 0 else order[4]
    victim = order[4] if side == 0 else order[2]
    pointers = list(links[victim])
    pointers[side] = target
    links[victim] = (pointers[0], pointers[1])
    found = follow(memory_of(links), order[0], anything)
    assert sorted(order) == sorted(found.links)
    assert [f"the {direction} list loops at {victim:#x}: back to {target:#x}"] == found.problems


def test_an_entry_that_points_at_itself_within_a_list_is_a_loop() -> None:
    order = chain(3)
    links = ring_of(order)
    links[order[1]] = (order[1], order[0])
    found = follow(memory_of(links), order[0], anything)
    assert order == found.links
    assert [f"the forward list loops at {order[1]:#x}: back to {order[1]:#x}"] == found.problems


def test_an_entry_that_cannot_be_read_ends_a_direction_with_the_reason() -> None:
    order = chain(5)
    links = ring_of(order)
    del links[order[2]]
    found = follow(memory_of(links), order[0], anything)
    assert order == found.links
    assert [
        f"the {direction} list ends at {order[2]:#x}: nothing at {order[2]:#x}" for direction in DIRECTIONS
    ] == found.problems
    assert found.problems == found.notes[order[2]]


def test_a_start_that_cannot_be_read_is_the_whole_answer() -> None:
    found = follow(memory_of({}), 0x1000, anything)
    assert found.links == [0x1000]
    assert len(found.problems) == 2


def test_a_start_that_is_refused_is_a_head_and_no_entry_and_the_list_is_still_followed() -> None:
    order = chain(4)
    found = follow(memory_of(ring_of(order)), order[0], lambda link: "is the head" if link == order[0] else "")
    assert order[1:] == found.links
    assert dict.fromkeys(order[1:], DIRECTIONS) == found.seen_by
    assert found.problems == []


def test_each_link_is_judged_once() -> None:
    order = chain(6)
    asked: list[int] = []

    def accept(link: int) -> str:
        asked.append(link)
        return "is refused" if link == order[3] else ""

    found = follow(memory_of(ring_of(order)), order[0], accept)
    assert sorted(order) == sorted(asked)
    assert [*order[:3], *order[4:]] == found.links
    assert [
        f"the forward list ends at {order[2]:#x}: {order[3]:#x} is refused",
        f"the backward list ends at {order[4]:#x}: {order[3]:#x} is refused",
    ] == found.problems


@pytest.mark.parametrize(("length", "whole"), [(8, True), (9, False)])
def test_a_direction_ends_after_so_many_links(monkeypatch: pytest.MonkeyPatch, length: int, whole: bool) -> None:
    monkeypatch.setattr(lists, "LIMIT", 8)
    found = follow(memory_of(ring_of(chain(length))), 0x1000, anything)
    assert sorted(chain(length)) == sorted(found.links)
    assert whole == (not found.problems)
    assert all("more than 8 links" in problem for problem in found.problems)


def test_a_list_that_never_comes_back_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lists, "LIMIT", 500)

    class Endless(Patchwork):
        def read(self, address: int, size: int) -> bytes | None:
            return struct.pack("<QQ", address + 0x10 & (1 << 64) - 1, address - 0x10 & (1 << 64) - 1)

    found = follow(Endless({}), 0x1_0000, anything)
    assert 2 * 500 + 1 == len(found.links) == len(set(found.links))
    assert len(found.problems) == 2


TARGETS = st.one_of(st.sampled_from([0, WILD, 1, (1 << 64) - 1, (1 << 64) - 8]), st.integers(0, 30))


@settings(max_examples=200, deadline=None)
@given(link_addresses(), st.integers(0, 30), st.sampled_from([0, 1]), TARGETS)
def test_damage_to_one_pointer_loses_no_entry(order: list[int], victim: int, side: int, target: int) -> None:
    links = ring_of(order)
    here = order[victim % len(order)]
    pointers = list(links[here])
    pointers[side] = order[target] if target < len(order) else target
    links[here] = (pointers[0], pointers[1])
    found = follow(memory_of(links), order[0], only(links))
    assert sorted(order) == sorted(found.links)
    other = DIRECTIONS[1 - side]
    assert all(other in found.seen_by[link] for link in order)
    if pointers[side] not in links:
        assert order == found.links
        assert len(found.problems) == 1


@settings(max_examples=200, deadline=None)
@given(link_addresses(), st.lists(st.tuples(st.integers(0, 30), st.sampled_from([0, 1]), TARGETS), max_size=8))
def test_whatever_the_damage_the_walk_ends_and_finds_what_either_direction_reaches(
    order: list[int], damage: list[tuple[int, int, int]]
) -> None:
    links = ring_of(order)
    for victim, side, target in damage:
        here = order[victim % len(order)]
        pointers = list(links[here])
        pointers[side] = order[target] if target < len(order) else target
        links[here] = (pointers[0], pointers[1])
    found = follow(memory_of(links), order[0], only(links))
    forward, backward = walk(links, order[0], 0), walk(links, order[0], 1)
    assert len(set(found.links)) == len(found.links)
    assert set(forward) | set(backward) == set(found.links)
    assert forward == found.links[: len(forward)]
    for link in found.links:
        expected = tuple(n for n, reached in zip(DIRECTIONS, (forward, backward), strict=True) if link in reached)
        assert expected == found.seen_by[link]
    assert len(found.problems) <= 2
    assert found.notes.keys() <= links.keys()


@settings(max_examples=60, deadline=None)
@given(st.lists(st.binary(min_size=16, max_size=16), min_size=1, max_size=20), st.sampled_from([4, 8]))
def test_links_of_any_bytes_end_in_an_answer(entries: list[bytes], pointer: int) -> None:
    space = Patchwork({0x10 * n: entry for n, entry in enumerate(entries)}, pointer)
    found = follow(space, 0, anything)
    assert found.links[0] == 0
    assert len(set(found.links)) == len(found.links)
    assert found.seen_by.keys() == set(found.links)


def heads_of(*lists_of: Sequence[int]) -> npt.NDArray[np.uint64]:
    return np.array([order[0] if order else 0 for order in lists_of], dtype=np.uint64)


@pytest.mark.parametrize("pointer", [4, 8])
@settings(max_examples=60, deadline=None)
@given(order=link_addresses(), cuts=st.sets(st.integers(0, 40), max_size=5))
def test_whole_lists_followed_at_once_give_what_each_gives_alone_without_its_head(
    order: list[int], cuts: set[int], pointer: int
) -> None:
    edges = [0, *sorted(cut for cut in cuts if 0 < cut < len(order)), len(order)]
    parts = [order[a:b] for a, b in itertools.pairwise(edges)]
    memory = memory_of({at: pair for part in parts for at, pair in ring_of(part).items()}, pointer)
    found = follow_heads(memory, heads_of(*parts, []))
    assert found.pop() == Ring()
    assert found == [Ring(part[1:], dict.fromkeys(part[1:], DIRECTIONS), [], {}) for part in parts]


@settings(max_examples=100, deadline=None)
@given(order=link_addresses(), data=st.data())
def test_damaged_lists_followed_at_once_end_and_keep_what_either_direction_reaches(
    order: list[int], data: st.DataObject
) -> None:
    links = ring_of(order)
    for at in data.draw(st.sets(st.sampled_from(order), max_size=4)):
        wild = st.one_of(st.sampled_from(order), st.just(WILD), st.just(0), st.integers(0, (1 << 64) - 1))
        links[at] = (data.draw(wild), data.draw(wild))
    other = [at + (1 << 40) for at in chain(5)]
    damaged, whole = follow_heads(memory_of(links | ring_of(other)), heads_of(order, other))
    assert whole.links == other[1:]
    assert not whole.problems
    reached = {at for side in (0, 1) for at in walk_from_head(links, order[0], side)}
    assert reached <= set(damaged.links)
    assert len(damaged.links) == len(set(damaged.links))
    closed = all(closes(links, order[0], side) for side in (0, 1))
    assert closed == (not damaged.problems)


def test_a_link_that_cannot_be_read_is_an_entry_only_where_both_directions_end_at_it() -> None:
    order = chain(6)
    links = ring_of(order)
    del links[order[3]]
    (found,) = follow_heads(memory_of(links), heads_of(order))
    assert found.links == order[1:]
    links[order[2]] = (WILD, order[1])
    (found,) = follow_heads(memory_of(links), heads_of(order))
    assert found.links == [order[1], order[2], order[4], order[5]]


def walk_from_head(links: Links, head: int, side: int) -> list[int]:
    """The entries that one direction reaches from a head, up to the first that is not there."""
    return [at for at in walk(links, head, side) if at != head]


def closes(links: Links, head: int, side: int) -> bool:
    """Whether one direction comes back to the head."""
    return links[walk(links, head, side)[-1]][side] == head


def test_a_list_longer_than_the_limit_is_cut_and_told() -> None:
    order = chain(50)
    (found,) = follow_heads(memory_of(ring_of(order)), heads_of(order), limit=10)
    assert found.links == order[1:11] + order[-10:]
    assert all("more than 10 links" in problem for problem in found.problems)
