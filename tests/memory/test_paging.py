"""Page tables: one address or many give the same answer, hostile tables end, and Volatility agrees."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from volatility3.framework import contexts, exceptions
from volatility3.framework.layers import intel, physical

from process_anatomy.memory import paging
from process_anatomy.memory.paging import LA57, PAE, X64, X86, Mode, PageState, leaves, translate, translate_one
from process_anatomy.memory.physical import CachedMemory, MappedMemory, Run
from tests import strategies
from tests.memory.patchwork import PageTables
from tests.strategies import FRAMES, INDEXES, TABLES, Tables

PAGE = 0x1000
MODES = st.sampled_from([X86, PAE, X64, LA57])
ROOT = TABLES[0] * PAGE
END = 1 << 64


def image(tables: Tables) -> bytes:
    """FRAMES frames that hold the tables; the first eight bytes of every other frame are its number."""
    octets = bytearray(FRAMES * PAGE)
    for frame in range(FRAMES):
        struct.pack_into("<Q", octets, frame * PAGE, frame << 1)
    for frame, table in tables.items():
        octets[frame * PAGE : (frame + 1) * PAGE] = bytes(PAGE)
        for index, entry in table.items():
            struct.pack_into("<Q", octets, frame * PAGE + 8 * index, entry)
    return bytes(octets)


def memory_of(tables: Tables, missing: frozenset[int] = frozenset()) -> MappedMemory:
    """The image without some of its frames."""
    runs = [Run(frame * PAGE, PAGE, frame * PAGE) for frame in range(FRAMES) if frame not in missing]
    return MappedMemory(np.frombuffer(image(tables), dtype=np.uint8), runs)


def one(memory: MappedMemory | CachedMemory, address: int, root: int, mode: Mode = X64) -> tuple[int | None, PageState]:
    physical_address, state = translate_one(memory, address, root, mode)
    return (physical_address if state <= paging.READABLE else None), state


def many(
    memory: MappedMemory | CachedMemory, addresses: list[int], root: int | list[int], mode: Mode = X64
) -> list[tuple[int | None, PageState]]:
    roots = root if isinstance(root, int) else np.array(root, dtype=np.uint64)
    found = translate(memory, np.array(addresses, dtype=np.uint64), roots, mode)
    assert {len(addresses)} == {len(found.physical), len(found.state), len(found.entry)}
    return [
        (p if s <= paging.READABLE else None, PageState(s))
        for p, s in zip(found.physical.tolist(), found.state.tolist(), strict=True)
    ]


MISSING = st.frozensets(st.sampled_from([*TABLES[1:], 0, 7, 8]), max_size=2)
ADDRESSES = st.lists(strategies.addresses(), max_size=40)


@settings(max_examples=150, deadline=None)
@given(strategies.tables(), MISSING, ADDRESSES, MODES)
def test_one_address_and_many_give_the_same_answer(
    tables: Tables, missing: frozenset[int], addresses: list[int], mode: Mode
) -> None:
    memory = memory_of(tables, missing)
    assert [one(memory, a, ROOT, mode) for a in addresses] == many(memory, addresses, ROOT, mode)


@settings(max_examples=60, deadline=None)
@given(strategies.tables(), st.lists(st.tuples(strategies.addresses(), strategies.entries()), min_size=1, max_size=20))
def test_each_address_is_translated_through_its_own_root(tables: Tables, pairs: list[tuple[int, int]]) -> None:
    memory = memory_of(tables)
    roots = [root if root & 1 else TABLES[root % len(TABLES)] * PAGE for _, root in pairs]
    expected = [one(memory, address, root) for (address, _), root in zip(pairs, roots, strict=True)]
    assert expected == many(memory, [address for address, _ in pairs], roots)


@settings(max_examples=60, deadline=None)
@given(strategies.tables(), MISSING, ADDRESSES, MODES)
def test_memory_that_is_fetched_page_by_page_gives_the_same_answer(
    tables: Tables, missing: frozenset[int], addresses: list[int], mode: Mode
) -> None:
    mapped = memory_of(tables, missing)
    cached = CachedMemory(mapped.read, mapped.end)
    assert many(mapped, addresses, ROOT, mode) == many(cached, addresses, ROOT, mode)


# every state

SHIFTED = 1 << 46
CASES = {
    "valid": (12, 0x123000 | 0x63, 0x123ABC, PageState.VALID),
    "no execute, and bits that software owns": (12, 0xFFF0_0000_0012_3E63, 0x123ABC, PageState.VALID),
    "transition": (12, 0x123000 | 0x860, 0x123ABC, PageState.TRANSITION),
    "transition with a frame bit above all memory": (12, SHIFTED | 0x123000 | 0x860, 0x123ABC, PageState.TRANSITION),
    "prototype": (12, 0x8A00_1234_5678_0400, None, PageState.PROTOTYPE),
    "prototype before transition": (12, 0x123000 | 0xC60, None, PageState.PROTOTYPE),
    "in the page file": (12, 0x1234_0000_0082, None, PageState.PAGEFILE),
    "demand zero": (12, 0x80, None, PageState.DEMAND_ZERO),
    "zero": (12, 0, None, PageState.INVALID),
    "large page": (21, 0x80_0000 | 0xE3, 0x80_0000 + 0x56_7ABC - 0x40_0000, PageState.LARGE_2MB),
    "large page with its PAT bit": (21, 0x80_1000 | 0xE3, 0x80_0000 + 0x56_7ABC - 0x40_0000, PageState.LARGE_2MB),
    "huge page": (30, 0x1_4000_0000 | 0xE3, 0x1_4000_0000 + 0x56_7ABC, PageState.LARGE_1GB),
    "directory in the page file": (21, 0x1234_0000_0082, None, PageState.PAGEFILE),
    "directory pointer zero": (30, 0, None, PageState.INVALID),
    "root entry demand zero": (39, 0x80, None, PageState.DEMAND_ZERO),
    "table past the image": (21, 0x7F_FFFF_F000 | 0x63, None, PageState.NOT_IN_IMAGE),
}


@pytest.mark.parametrize("case", CASES)
def test_an_entry_of_each_kind_is_told_apart(case: str) -> None:
    shift, entry, expected, state = CASES[case]
    address = 0xFFFF_8000_0000_0000 + 0x56_7ABC
    made = PageTables([5, 3, 9, 7])
    made.entry(address, entry, shift)
    memory = made.memory()
    memory.end = 0x2_0000_0000  # memory reaches so far, though the image holds only the tables
    assert (expected, state) == one(memory, address, made.root)
    found = translate(memory, np.array([address], dtype=np.uint64), made.root)
    assert [state] == found.state.tolist()
    if expected is not None:
        assert [expected] == found.physical.tolist()
    assert [entry if state != PageState.NOT_IN_IMAGE else 0] == found.entry.tolist()


@pytest.mark.parametrize("mode", [X64, LA57])
def test_an_address_that_is_not_canonical_is_mapped_nowhere(mode: Mode) -> None:
    full = {table: dict.fromkeys(range(512), ROOT | 0x63) for table in TABLES}
    memory = memory_of(full)
    low, high = 1 << mode.bits - 1, END - (1 << mode.bits - 1)
    wrong = [low, low + 0x1000, high - 1, high - 0x1000, 1 << 63, 1 << mode.bits]
    right = [0, low - 1, high, END - 1]
    assert [(None, PageState.INVALID)] * len(wrong) == many(memory, wrong, ROOT, mode)
    assert [(None, PageState.INVALID)] * len(wrong) == [one(memory, a, ROOT, mode) for a in wrong]
    assert [(ROOT | a & 0xFFF, PageState.VALID) for a in right] == many(memory, right, ROOT, mode)
    assert [True] * len(right) == paging.canonical(np.array(right, dtype=np.uint64), mode).tolist()


@pytest.mark.parametrize("address", [-1, -PAGE, END, END + PAGE, 1 << 100])
def test_a_number_that_is_no_address_is_mapped_nowhere(address: int) -> None:
    full = {table: dict.fromkeys(range(512), ROOT | 0x63) for table in TABLES}
    assert one(memory_of(full), address, ROOT) == (None, PageState.INVALID)


def test_flags_in_the_root_do_not_move_the_table() -> None:
    made = PageTables([5, 3, 9, 7, 2])
    frame = made.map(0x7FFE_0000, b"page")
    for flags in (0x1, 0x18, 0xFFF, 1 << 63):
        assert (frame * PAGE + 5, PageState.VALID) == one(made.memory(), 0x7FFE_0005, made.root | flags)
        assert [(frame * PAGE + 5, PageState.VALID)] == many(made.memory(), [0x7FFE_0005], made.root | flags)


def test_no_addresses_give_no_answers() -> None:
    assert many(memory_of({1: {}}), [], ROOT) == []


def test_a_root_that_the_image_does_not_hold_leaves_everything_out_of_the_image() -> None:
    memory = memory_of({1: {}})
    assert many(memory, [0, END - 1], FRAMES * PAGE) == [(None, PageState.NOT_IN_IMAGE)] * 2
    assert one(memory, 0, FRAMES * PAGE) == (None, PageState.NOT_IN_IMAGE)
    assert list(leaves(memory, FRAMES * PAGE)) == []


def test_every_state_that_cannot_be_read_has_words() -> None:
    assert {state for state in PageState if state > paging.READABLE} == set(paging.WHY)
    assert all(paging.WHY.values())


# leaves


def rows(found: Iterator[paging.Leaves]) -> list[tuple[int, ...]]:
    """Every page that was found, as one list."""
    return [row for batch in found for row in zip(*(column.tolist() for column in batch), strict=True)]


@settings(max_examples=60, deadline=None)
@given(strategies.tables(most=4), MISSING)
def test_every_page_that_leaves_yields_is_translated_alike(tables: Tables, missing: frozenset[int]) -> None:
    memory = memory_of(tables, missing)
    found = rows(leaves(memory, ROOT))
    assert len(found) == len({virtual for virtual, *_ in found})
    if not found:
        return
    answer = translate(memory, np.array([row[0] for row in found], dtype=np.uint64), ROOT)
    for (virtual, at, state, entry, _), p, s, e in zip(found, *(c.tolist() for c in answer), strict=True):
        assert entry
        assert (s, e) == (state, entry), hex(virtual)
        if state <= paging.READABLE:
            assert p == at, hex(virtual)


@settings(max_examples=15, deadline=None)
@given(strategies.tables(most=3))
def test_five_levels_are_enumerated_as_they_are_translated(tables: Tables) -> None:
    memory = memory_of(tables)
    found = rows(leaves(memory, ROOT, mode=LA57))
    assert [(at if state <= paging.READABLE else None, state) for _, at, state, *_ in found] == many(
        memory, [virtual for virtual, *_ in found], ROOT, LA57
    )


@settings(max_examples=60, deadline=None)
@given(strategies.tables(most=4), MISSING)
def test_leaves_leaves_out_no_page_that_can_be_translated(tables: Tables, missing: frozenset[int]) -> None:
    memory = memory_of(tables, missing)
    every = [
        (a << 39 | b << 30 | c << 21 | d << 12) | (0xFFFF << 48 if a & 0x100 else 0)
        for a, b, c, d in product(INDEXES, repeat=4)
    ]
    found = rows(leaves(memory, ROOT))
    size = {PageState.LARGE_1GB: 1 << 30, PageState.LARGE_2MB: 1 << 21}
    starts = {(virtual, size.get(PageState(state), PAGE)) for virtual, _, state, *_ in found}
    for address, (at, _) in zip(every, many(memory, every, ROOT), strict=True):
        if at is not None:
            assert any((address & -s, s) in starts for s in (PAGE, 1 << 21, 1 << 30)), hex(address)


@settings(max_examples=60, deadline=None)
@given(strategies.tables(most=3), strategies.addresses(), strategies.addresses())
def test_a_range_keeps_exactly_the_pages_that_touch_it(tables: Tables, first: int, last: int) -> None:
    memory = memory_of(tables)
    size = {PageState.LARGE_1GB: 1 << 30, PageState.LARGE_2MB: 1 << 21}
    expected = [r for r in rows(leaves(memory, ROOT)) if r[0] <= last and r[0] + size.get(r[2], PAGE) - 1 >= first]
    assert sorted(expected) == sorted(rows(leaves(memory, ROOT, first, last)))


@settings(max_examples=40, deadline=None)
@given(strategies.tables(), st.lists(st.integers(0, FRAMES), min_size=1, max_size=4))
def test_several_roots_at_once_give_what_each_gives_alone(tables: Tables, frames: list[int]) -> None:
    memory = memory_of(tables)
    roots, gaps = [frame * PAGE for frame in frames], list[paging.Gap]()
    together = rows(leaves(memory, np.array(roots, dtype=np.uint64), gaps=gaps))
    lost = {
        (at, number, gap.size)
        for gap in gaps
        for at, number in zip(gap.virtual.tolist(), gap.root.tolist(), strict=True)
    }
    for number, root in enumerate(roots):
        own = list[paging.Gap]()
        alone = rows(leaves(memory, root, gaps=own))
        assert sorted(row[:4] for row in together if row[4] == number) == sorted(row[:4] for row in alone)
        assert {(at, size) for at, which, size in lost if which == number} == {
            (at, gap.size) for gap in own for at in gap.virtual.tolist()
        }


class Counting(MappedMemory):
    """Counts the tables that are read whole."""

    tables = 0

    def locate(self, addresses: np.ndarray, size: int) -> np.ndarray:
        if size == PAGE:
            self.tables += len(addresses)
        return super().locate(addresses, size)


def pointing_at_itself() -> Counting:
    return Counting(np.frombuffer(struct.pack("<Q", 0x63) * 512, dtype=np.uint8), [Run(0, PAGE, 0)])


@pytest.mark.parametrize("mode", [X64, LA57])
def test_tables_that_point_at_themselves_end(monkeypatch: pytest.MonkeyPatch, mode: Mode) -> None:
    monkeypatch.setattr(paging, "TABLE_LIMIT", 2048)
    memory = pointing_at_itself()
    pages = sum(len(batch.virtual) for batch in leaves(memory, 0, mode=mode))
    assert 512 <= memory.tables <= 2048 + paging.CHUNK
    assert pages <= 512 * memory.tables


def test_no_more_tables_are_read_than_the_limit_allows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paging, "TABLE_LIMIT", 2048)
    memory = pointing_at_itself()
    assert sum(1 for _ in leaves(memory, 0))
    assert memory.tables <= 2048


# Volatility's own layer over the same bytes


def volatility_layer(octets: bytes) -> intel.WindowsIntel32e:
    context = contexts.Context()
    context.add_layer(physical.BufferDataLayer(context, "buffer", "base", octets))
    context.config["intel.memory_layer"] = "base"
    context.config["intel.page_map_offset"] = ROOT
    layer = intel.WindowsIntel32e(context, "intel", "kernel")
    context.add_layer(layer)
    return layer


def stock(layer: intel.WindowsIntel32e, address: int) -> int | None:
    """Where Volatility finds the byte of an address."""
    try:
        ((_, _, found, _, _),) = layer.mapping(address & (1 << 48) - 1, 1)
    except exceptions.InvalidAddressException:
        return None
    return int(found)


def ours(memory: MappedMemory, address: int) -> int | None:
    """Where we find it, if the image holds it."""
    found, _ = one(memory, address, ROOT)
    return found if found is not None and memory.read(found, 1) is not None else None


def signed(address: int) -> int:
    return address | 0xFFFF << 48 if address >> 47 else address


@settings(max_examples=40, deadline=None)
@given(strategies.tables(hostile=False), st.lists(strategies.addresses(), max_size=8))
def test_volatility_finds_every_byte_where_we_find_it(tables: Tables, others: list[int]) -> None:
    octets = image(tables)
    layer, memory = volatility_layer(octets), memory_of(tables)
    every = [signed(a << 39 | b << 30 | c << 21 | d << 12 | 0x123) for a, b, c, d in product(INDEXES, repeat=4)]
    every += [a for a in others if paging.canonical(np.array([a], dtype=np.uint64))[0]]
    assert [stock(layer, a) for a in every] == [ours(memory, a) for a in every]


@settings(max_examples=8, deadline=None)
@given(strategies.tables(hostile=False, most=2))
def test_every_page_of_volatilitys_mapping_lies_where_we_say(tables: Tables) -> None:
    layer, memory = volatility_layer(image(tables)), memory_of(tables)
    for offset, length, expected, _, _ in layer.mapping(0, 1 << 48, ignore_errors=True):
        for inside in range(0, length, PAGE):
            assert expected + inside == ours(memory, signed(offset + inside)), hex(offset + inside)


def machine() -> tuple[bytes, int]:
    """A root with a self map, a shared table, small, large and transition pages; how many pages can be read."""
    tables: dict[int, dict[int, int]] = {
        1: {0: 2 * PAGE | 0x67, 256: 3 * PAGE | 0x63, 493: 1 * PAGE | 0x8000_0000_0000_0063, 511: 2 * PAGE | 0x67},
        2: {0: 4 * PAGE | 0x67, 1: 4 * PAGE | 0x67},
        3: {1: 5 * PAGE | 0x63},
        4: {0: 6 * PAGE | 0x67, 511: 6 * PAGE | 0x860},
        5: {0: 0x80 | 0x63, 7: 6 * PAGE | 0x63},
        6: {1: 0x20E000 | 0x67, 2: 9 * PAGE | 0x67, 3: 1 << 46 | 8 * PAGE | 0x860, 4: 0x400, 5: 7 << 32, 9: 0x80},
    }
    return image(tables), 3 * (2 * 2 * 2) + 3 + 512


def test_a_machine_with_every_kind_of_page_is_mapped_alike() -> None:
    octets, readable = machine()
    layer = volatility_layer(octets)
    memory = MappedMemory(np.frombuffer(octets, dtype=np.uint8), [Run(0, len(octets), 0)])
    without_self_map = [(0, 493 << 39), (494 << 39, 18 << 39)]
    pages = {
        signed(offset + inside): found + inside
        for start, size in without_self_map
        for offset, length, found, _, _ in layer.mapping(start, size, ignore_errors=True)
        for inside in range(0, length, PAGE)
    }
    assert readable == len(pages)
    assert pages == {address: ours(memory, address) for address in pages}
    expected: set[int] = set()
    for virtual, _, state, *_ in rows(leaves(memory, ROOT)):
        if state <= paging.READABLE and (virtual >> 39 & 0x1FF) != 493:
            expected |= set(range(virtual, virtual + (1 << 21 if state == PageState.LARGE_2MB else PAGE), PAGE))
    assert expected == set(pages)


def test_volatility_calls_a_table_of_equal_entries_absent_and_we_do_not() -> None:
    tables = {1: {0: 2 * PAGE | 1}, 2: {0: 3 * PAGE | 1}, 3: {0: 4 * PAGE | 1}, 4: dict.fromkeys(range(512), 0x8001)}
    assert stock(volatility_layer(image(tables)), 5 * PAGE) is None
    assert ours(memory_of(tables), 5 * PAGE) == 0x8000


def test_volatility_takes_bit_7_of_a_transition_directory_entry_for_a_large_page_and_we_do_not() -> None:
    tables = {1: {0: 2 * PAGE | 1}, 2: {0: 3 * PAGE | 1}, 3: {0: 4 * PAGE | 0x880}, 4: {0: 0x8001, 5: 0x9001}}
    assert stock(volatility_layer(image(tables)), 5 * PAGE) == 4 * PAGE | 5 * PAGE
    assert ours(memory_of(tables), 5 * PAGE) == 0x9000


def test_volatility_keeps_a_frame_bit_above_all_memory_in_a_transition_entry_and_we_do_not() -> None:
    tables = {1: {0: 2 * PAGE | 1}, 2: {0: 3 * PAGE | 1}, 3: {0: 4 * PAGE | 1}, 4: {5: 1 << 42 | 0x8860}}
    assert stock(volatility_layer(image(tables)), 5 * PAGE) is None
    assert ours(memory_of(tables), 5 * PAGE) == 0x8000
