"""A virtual address space over scattered frames, with holes: many records read as one record is."""

from __future__ import annotations

import random
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from process_anatomy.absent import Absent
from process_anatomy.memory import physical
from process_anatomy.memory.address_space import AddressSpace
from process_anatomy.memory.paging import LA57, WHY, PageState
from process_anatomy.memory.physical import CachedMemory, MappedMemory, Run
from process_anatomy.memory.view import View
from structs.field_types import UInt
from structs.layout import Build, Layout, Place, at
from tests.memory.patchwork import PageTables

PAGE = 0x1000
PAGES = 12
BASES = (0x7FF6_0000_0000, 0x7FF6_003F_9000, 0xFFFF_F800_0000_0000)
"""Where a machine's pages start: the second crosses into another page table."""
STATES = ("here", "here", "here", "transition", "prototype", "file", "zero", "none", "not in image")
ENTRIES = {"prototype": 0x400, "file": 0x0120_0000_0000_0082, "zero": 0x80, "none": 0}
"""State to an entry of that state; where it is not zero its frame bits are set too, to those of the root."""
REASONS = {
    "prototype": WHY[PageState.PROTOTYPE],
    "file": WHY[PageState.PAGEFILE],
    "zero": WHY[PageState.DEMAND_ZERO],
    "none": WHY[PageState.INVALID],
    "not in image": WHY[PageState.NOT_IN_IMAGE],
}


@dataclass
class Machine:
    """A space and what each of its pages holds.

    Attributes:
        held: virtual page to its bytes, for pages that can be read.
        states: virtual page to its state, as named in STATES.
    """

    tables: PageTables
    memory: MappedMemory
    space: AddressSpace
    base: int
    held: dict[int, bytes]
    states: dict[int, str]

    def expected(self, address: int, size: int) -> tuple[bytes, bool]:
        """The bytes, zero where there are none, and whether all are there."""
        octets, whole = bytearray(size), True
        for i in range(size):
            page = self.held.get((address + i) & -PAGE)
            whole &= page is not None
            octets[i] = page[(address + i) % PAGE] if page else 0
        return bytes(octets), whole


def scattered(count: int, dice: random.Random) -> list[int]:
    """Frame numbers of which no two that follow each other are neighbours."""
    odd, even = list(range(1, 2 * count, 4)), list(range(3, 2 * count, 4))
    dice.shuffle(odd)
    dice.shuffle(even)
    return odd + even


def machine_of(states: tuple[str, ...], base: int, seed: int) -> Machine:
    dice = random.Random(seed)
    order = scattered(64, dice)
    tables = PageTables(order)
    held, named, missing = {}, {}, []
    for number, state in enumerate(states):
        page = base + number * PAGE
        named[page] = state
        if state in ENTRIES:
            tables.entry(page, ENTRIES[state] and ENTRIES[state] | tables.root)
            continue
        content = dice.randbytes(PAGE)
        frame = tables.map(page, content, 0x860 if state == "transition" else 0x63)
        if state == "not in image":
            missing.append(frame)
        else:
            held[page] = content
    in_file = list(tables.pages)
    dice.shuffle(in_file)
    memory = tables.memory(missing, in_file)
    return Machine(tables, memory, AddressSpace(memory, tables.root), base, held, named)


MACHINES = st.builds(
    machine_of, st.tuples(*[st.sampled_from(STATES)] * PAGES), st.sampled_from(BASES), st.integers(0, 1 << 16)
)
INSIDE = st.one_of(st.integers(-PAGE, (PAGES + 1) * PAGE), st.integers(0, PAGES).map(lambda n: n * PAGE - 3))


def read_many(space: AddressSpace, addresses: list[int], size: int) -> list[tuple[bytes, bool]]:
    octets, whole = space.read_many(np.array(addresses, dtype=np.uint64), size)
    assert (len(addresses), size) == octets.shape
    return [(row.tobytes(), there) for row, there in zip(octets, whole.tolist(), strict=True)]


def test_no_two_neighbouring_pages_of_a_machine_are_neighbours_in_memory_or_file() -> None:
    machine = machine_of(("here",) * PAGES, BASES[1], 1)
    found = [machine.space.translate(np.array([page], dtype=np.uint64)).physical[0].item() for page in machine.held]
    assert len(set(found)) == PAGES
    assert PAGE not in {abs(a - b) for a, b in pairwise(found)}
    offsets = machine.memory.locate(np.array(found, dtype=np.uint64), PAGE).tolist()
    assert sorted(offsets) != offsets


@settings(max_examples=100, deadline=None)
@given(MACHINES, st.lists(INSIDE, max_size=8), st.sampled_from([1, 8, 100, PAGE, PAGE + 1, 3 * PAGE]))
def test_many_records_are_read_as_one_is_and_keep_the_part_that_is_there(
    machine: Machine, offsets: list[int], size: int
) -> None:
    addresses = [machine.base + offset for offset in offsets]
    assume(all(0 <= a < 1 << 64 for a in addresses))
    expected = [machine.expected(address, size) for address in addresses]
    assert expected == read_many(machine.space, addresses, size)
    assert [octets if whole else None for octets, whole in expected] == [machine.space.read(a, size) for a in addresses]


@settings(max_examples=40, deadline=None)
@given(MACHINES, st.lists(INSIDE, max_size=6), st.sampled_from([8, 100, PAGE + 1]))
def test_memory_that_is_fetched_page_by_page_reads_the_same(machine: Machine, offsets: list[int], size: int) -> None:
    addresses = [machine.base + offset for offset in offsets]
    cached = AddressSpace(CachedMemory(machine.memory.read, machine.memory.end), machine.tables.root)
    assert read_many(machine.space, addresses, size) == read_many(cached, addresses, size)
    assert [machine.space.read(a, size) for a in addresses] == [cached.read(a, size) for a in addresses]


def test_a_cache_that_is_emptied_meanwhile_takes_no_record_away(monkeypatch: pytest.MonkeyPatch) -> None:
    machine = machine_of(("here",) * PAGES, BASES[0], 3)
    addresses = [machine.base + n * PAGE - 4 for n in range(1, PAGES)]
    expected = [machine.expected(address, 8) for address in addresses]
    for limit in range(1, 20):
        monkeypatch.setattr(physical, "CACHE_PAGES", limit)
        cached = AddressSpace(CachedMemory(machine.memory.read, machine.memory.end), machine.tables.root)
        assert expected == read_many(cached, addresses, 8), limit


@settings(max_examples=100, deadline=None)
@given(MACHINES, INSIDE, st.sampled_from([1, 8, PAGE, 2 * PAGE + 1]))
def test_why_is_empty_exactly_where_octets_can_be_read_and_else_tells_of_the_first_page_that_cannot(
    machine: Machine, offset: int, size: int
) -> None:
    address = machine.base + offset
    pages = range(address & -PAGE, address + size, PAGE)
    gone = [machine.states.get(page, "none") for page in pages if page not in machine.held]
    assert (REASONS[gone[0]] if gone else "") == machine.space.why(address, size)
    assert (machine.space.read(address, size) is None) == bool(gone)


def test_each_record_is_read_through_its_own_root() -> None:
    dice = random.Random(5)
    order = scattered(64, dice)
    first, second = PageTables(order[:32]), PageTables(order[32:])
    pages = {(tables, page): dice.randbytes(PAGE) for tables in (first, second) for page in (0x1_0000, 0x1_1000)}
    for (tables, page), content in pages.items():
        tables.map(page, content)
    alone = second.map(0x1_2000, b"only in the second")
    first.pages |= second.pages
    memory = first.memory()
    space = AddressSpace(memory, first.root)
    rows = [
        (0x1_0000, first, pages[first, 0x1_0000][:8], True),
        (0x1_0FFC, second, pages[second, 0x1_0000][-4:] + pages[second, 0x1_1000][:4], True),
        (0x1_2000, second, b"only in ", True),
        (0x1_0FFC, first, pages[first, 0x1_0000][-4:] + pages[first, 0x1_1000][:4], True),
        (0x1_2000, first, bytes(8), False),
        (0x1_0000, second, pages[second, 0x1_0000][:8], True),
        (0x1_1FFC, second, pages[second, 0x1_1000][-4:] + b"only", True),
        (0x1_1FFC, first, pages[first, 0x1_1000][-4:] + bytes(4), False),
    ]
    addresses = np.array([address for address, *_ in rows], dtype=np.uint64)
    roots = np.array([tables.root for _, tables, *_ in rows], dtype=np.uint64)
    octets, whole = space.read_many(addresses, 8, roots)
    assert [expected for _, _, expected, _ in rows] == [row.tobytes() for row in octets]
    assert [there for *_, there in rows] == whole.tolist()
    within = addresses & np.uint64(PAGE - 1) == 0
    octets, whole = space.read_many(addresses[within], 8, roots[within])
    assert [b for a, _, b, _ in rows if a % PAGE == 0] == [row.tobytes() for row in octets]
    assert [alone * PAGE] == space.translate(addresses[2:3], roots[2:3]).physical.tolist()


def test_large_pages_are_read_through_to_their_last_octet() -> None:
    tables = PageTables([1, 3, 5])
    tables.entry(0xFFFF_F800_0020_0000, 0x20_0000 | 0xE3, shift=21)
    octets = bytearray(0x40_0000)
    for frame, content in tables.pages.items():
        octets[frame * PAGE : (frame + 1) * PAGE] = content
    octets[0x20_0000:] = random.Random(1).randbytes(0x20_0000)
    space = AddressSpace(MappedMemory(np.frombuffer(octets, dtype=np.uint8), [Run(0, len(octets), 0)]), tables.root)
    for start, size in ((0, 16), (0xFFC, 8), (0x1F_FFF8, 8), (0x10_0FF0, 0x3000)):
        expected = bytes(octets[0x20_0000 + start : 0x20_0000 + start + size])
        assert expected == space.read(0xFFFF_F800_0020_0000 + start, size)
        assert [(expected, True)] == read_many(space, [0xFFFF_F800_0020_0000 + start], size)
    assert space.read(0xFFFF_F800_003F_FFF9, 8) is None
    assert [(bytes(octets[-7:]) + b"\0", False)] == read_many(space, [0xFFFF_F800_003F_FFF9], 8)


def test_five_levels_are_read_in_their_own_mode() -> None:
    tables = PageTables([1, 3, 5, 7, 9, 11], LA57.shifts)
    tables.map(0xFF12_3456_789A_B000, b"five levels")
    space = AddressSpace(tables.memory(), tables.root, LA57)
    assert space.read(0xFF12_3456_789A_B005, 6) == b"levels"
    assert AddressSpace(tables.memory(), tables.root).read(0xFF12_3456_789A_B005, 6) is None


@pytest.mark.parametrize("size", [0, 8])
def test_no_addresses_and_no_octets_are_answers_too(size: int) -> None:
    machine = machine_of(("here",), BASES[0], 1)
    assert read_many(machine.space, [], size) == []
    assert read_many(machine.space, [machine.base, 1], 0) == [(b"", True)] * 2
    assert machine.space.read(machine.base, 0) == b""


@pytest.mark.parametrize(
    ("address", "size"), [(-1, 8), (-8, 16), (1 << 64, 1), ((1 << 64) - 4, 8), (1 << 80, 1), (0x7FF6_0000_0000, -1)]
)
def test_what_is_no_address_is_not_read(address: int, size: int) -> None:
    machine = machine_of(("here",), BASES[0], 1)
    assert machine.space.read(address, size) is None


@pytest.mark.parametrize(("address", "size"), [(-1, 8), (1 << 64, 1), ((1 << 64) - 4, 8)])
def test_what_is_no_address_is_called_so(address: int, size: int) -> None:
    assert machine_of(("here",), BASES[0], 1).space.why(address, size) == "not an address"


def test_a_huge_read_of_a_space_of_holes_ends_at_the_first() -> None:
    machine = machine_of(("here",), BASES[0], 1)
    assert machine.space.read(machine.base, 1 << 46) is None
    assert machine.space.why(machine.base, 1 << 46) == WHY[PageState.INVALID]


def top_of_memory() -> tuple[AddressSpace, bytes]:
    """A space whose first and last pages are mapped."""
    dice = random.Random(9)
    tables = PageTables(scattered(32, dice))
    last = dice.randbytes(PAGE)
    tables.map((1 << 64) - PAGE, last)
    tables.map(0, dice.randbytes(PAGE))
    return AddressSpace(tables.memory(), tables.root), last


def test_the_octet_before_the_last_can_be_read() -> None:
    space, last = top_of_memory()
    assert last[-9:-1] == space.read((1 << 64) - 9, 8)
    assert [(last[-8:], True)] == read_many(space, [(1 << 64) - 8], 8)


def test_the_last_octet_of_all_can_be_read() -> None:
    space, last = top_of_memory()
    assert last[-8:] == space.read((1 << 64) - 8, 8)
    assert space.why((1 << 64) - 8, 8) == ""


def test_a_record_that_reaches_past_the_last_address_is_not_whole() -> None:
    space, last = top_of_memory()
    assert [(last[-4:] + bytes(4), False)] == read_many(space, [(1 << 64) - 4], 8)


def truncated() -> tuple[AddressSpace, int, bytes]:
    """A space whose only page is the last of a file that ends in the middle of it."""
    tables = PageTables([1, 3, 5, 7, 9])
    content = random.Random(2).randbytes(PAGE)
    last = tables.map(0x1_0000, content)
    order = [frame for frame in tables.pages if frame != last] + [last]
    octets = b"".join(bytes(tables.pages[frame]) for frame in order)
    runs = [Run(frame * PAGE, PAGE, i * PAGE) for i, frame in enumerate(order)]
    memory = MappedMemory(np.frombuffer(octets[:-0x800], dtype=np.uint8), runs)
    return AddressSpace(memory, tables.root), 0x1_0000, content


def test_the_page_at_which_a_file_is_truncated_is_read_as_far_as_it_goes() -> None:
    space, page, content = truncated()
    assert content[:0x800] == space.read(page, 0x800)
    assert [(content[:0x800], True)] == read_many(space, [page], 0x800)
    assert space.read(page + 0x7FC, 8) is None
    assert space.why(page + 0x7FC, 8) == WHY[PageState.NOT_IN_IMAGE]


def test_a_record_at_the_end_of_a_truncated_file_keeps_the_part_that_is_there() -> None:
    space, page, content = truncated()
    assert [(content[0x7FC:0x800] + bytes(4), False)] == read_many(space, [page + 0x7FC], 8)


def test_a_field_before_the_end_of_a_truncated_file_has_its_value() -> None:
    space, page, content = truncated()
    shape = Layout("_TOY", "made up", {"First": at(UInt, "a number"), "Second": at(UInt, "another")})
    places = {"First": Place(0, 4), "Second": Place(4, 4)}
    view = View(space, Build("toy-1", "x64", 1, 8, {"_TOY": 8}, {"_TOY": places}))
    expected = int.from_bytes(content[0x7FC:0x800], "little")
    assert expected == view.parse(shape, page + 0x7FC)["First"]
    records = view.records(shape, np.array([page + 0x7FC], dtype=np.uint64))
    assert isinstance(records.values("Second")[0], Absent)
    assert [expected] == records.values("First")
