"""Every format of page tables: the same pages as Volatility's own layer of the format, and as Intel's manual has them.

Volatility has no layer for tables of five levels, so these, and what its layers leave out, are compared with a walk
that is written here after the manual alone, table by table and bit by bit.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from random import Random
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from volatility3.framework import contexts, exceptions
from volatility3.framework.layers import intel, physical

from process_anatomy.memory import paging
from process_anatomy.memory.paging import LA57, PAE, X64, X86, Mode, PageState, leaves, translate, translate_one
from process_anatomy.memory.physical import MappedMemory, Run

PAGE = 0x1000
FRAMES = 0x410
"""Frames of memory: one page of 4 MB and a little more."""
TABLES = tuple(range(3, 9))
MODES = (X86, PAE, X64, LA57)
LAYERS = {X86: intel.WindowsIntel, PAE: intel.WindowsIntelPAE, X64: intel.WindowsIntel32e}
SIZES = {PageState.LARGE_2MB: 1 << 21, PageState.LARGE_4MB: 1 << 22, PageState.LARGE_1GB: 1 << 30}
SCATTERED = 0x20 * 5
"""Where in its page the top table of a PAE system lies, which is only 32 bytes long."""


@dataclass(frozen=True)
class Made:
    """Page tables in memory.

    Attributes:
        octets: all frames.
        root: where the top table is.
        missing: frames that the image does not hold.
        length: where the file ends.
    """

    octets: bytes
    root: int
    missing: frozenset[int] = frozenset()
    length: int = FRAMES * PAGE

    def memory(self) -> MappedMemory:
        runs = [Run(f * PAGE, PAGE, f * PAGE) for f in range(FRAMES) if f not in self.missing]
        return MappedMemory(np.frombuffer(self.octets[: self.length], dtype=np.uint8), runs)


def indexes(mode: Mode, level: int) -> tuple[int, ...]:
    """The entries of a table that are in use."""
    count = 1 << mode.levels[level].bits
    return tuple(sorted({0, 1, count // 2 - 1, count // 2, count - 1}))


def put(octets: bytearray, mode: Mode, table: int, index: int, entry: int) -> None:
    struct.pack_into("<I" if mode.entry_size == 4 else "<Q", octets, table + index * mode.entry_size, entry)


KINDS = ["table", "table", "table", "page", "large", "transition", "prototype", "file", "zero"]


def entry(dice: Random, mode: Mode, *, hostile: bool) -> int:
    """An entry of any kind that the mode has."""
    wide = 8 * mode.entry_size
    if hostile and dice.randrange(6) == 0:
        return dice.getrandbits(wide)
    kind = dice.choice(KINDS)
    flags = dice.choice([0, 2, 6, 0x62, 1 << 63 if wide == 64 else 0])
    frame = dice.choice([*TABLES, dice.randrange(FRAMES)])
    if kind == "table":
        return dice.choice(TABLES) * PAGE | 1 | flags
    if kind == "page":
        return frame * PAGE | 1 | flags
    if kind == "large":
        return dice.choice([0, 0x400, 0x800] if mode.bits == 32 else [0, 0x40000]) * PAGE | 0x81 | flags
    if kind == "transition":
        return frame * PAGE | 0x800 | dice.choice([0, 0x60])
    if kind == "prototype":
        return dice.getrandbits(wide - 16) << 16 | 0x400
    if kind == "file":
        return dice.randrange(1, 1 << wide - mode.page_file_shift) << mode.page_file_shift | 0x80
    return dice.choice([0, 0x80, 0xC0])


def make(seed: int, mode: Mode, *, hostile: bool) -> Made:
    """Tables in frames of no order, that point at data, at one another and at themselves; with holes, and cut short."""
    dice = Random(seed)
    octets = bytearray(FRAMES * PAGE)
    order = dice.sample(TABLES, len(TABLES))
    root = order[0] * PAGE + (SCATTERED if mode is PAE else 0)
    for table in TABLES:
        for index in sorted({index for level in range(1, len(mode.levels)) for index in indexes(mode, level)}):
            put(octets, mode, table * PAGE, index, entry(dice, mode, hostile=hostile))
    for index in indexes(mode, 0):
        put(octets, mode, root, index, entry(dice, mode, hostile=hostile))
    if not hostile:
        return Made(bytes(octets), root)
    missing = frozenset(dice.sample([*order[1:], 0, 1, FRAMES - 1], dice.randrange(4)))
    return Made(bytes(octets), root, missing, dice.choice([FRAMES * PAGE, FRAMES * PAGE - 0x800, 0x20 * PAGE]))


def every_address(mode: Mode) -> list[int]:
    """An address through each choice of used entries."""
    found: list[int] = []
    for picks in product(*(indexes(mode, level) for level in range(len(mode.levels)))):
        address = sum(pick << level.shift for pick, level in zip(picks, mode.levels, strict=True)) | 0x123
        found.append(address | ((1 << 64) - (1 << mode.bits) if mode.bits > 32 and address >> mode.bits - 1 else 0))
    return found


# the manual


def by_the_manual(made: Made, mode: Mode, address: int) -> int | None:
    """Physical address of a byte, or ``None``: Intel's manual, volume 3, chapter 4, tables 4-4 to 4-20.

    With what Windows adds: an entry in transition (bit 11 without bit 10) leads to its frame, which is in memory.
    """

    def number(at: int, size: int) -> int | None:
        whole = at // PAGE not in made.missing and at // PAGE == (at + size - 1) // PAGE and at + size <= made.length
        return int.from_bytes(made.octets[at : at + size], "little") if whole and at < FRAMES * PAGE else None

    def present(entry: int | None) -> int | None:
        if entry is None:
            return None
        if entry & 1:
            return entry
        if entry & 0xC00 == 0x800:  # frames above all memory are not known to be frames at all
            return entry & (1 << (memory_end - 1).bit_length()) - 1 | 0x800
        return None

    held = [f for f in range(FRAMES) if f not in made.missing and f * PAGE < made.length]
    memory_end = min(held[-1] * PAGE + PAGE, made.length)
    if mode is X86:
        if address >> 32:
            return None
        directory = present(number((made.root & 0xFFFFF000) + 4 * (address >> 22), 4))
        if directory is None:
            return None
        if directory & 0x81 == 0x81:  # PSE-36: bits 20 to 13 are bits 39 to 32 of the page
            return (directory >> 13 & 0xFF) << 32 | directory & 0xFFC0_0000 | address & 0x3F_FFFF
        table = present(number((directory & 0xFFFFF000) + 4 * (address >> 12 & 0x3FF), 4))
        return None if table is None else table & 0xFFFFF000 | address & 0xFFF
    if mode is PAE:
        if address >> 32:
            return None
        entry = present(number((made.root & 0xFFFFFFE0) + 8 * (address >> 30), 8))
        shifts = [21, 12]
    else:
        extended = address - (1 << 64) if address >> 63 else address
        if not -(1 << mode.bits - 1) <= extended < 1 << mode.bits - 1:
            return None
        entry, shifts = made.root | 1, [48, 39, 30, 21, 12] if mode is LA57 else [39, 30, 21, 12]
    for shift in shifts:
        if entry is None:
            return None
        entry = present(number((entry & 0x0000_FFFF_FFFF_F000) + 8 * (address >> shift & 0x1FF), 8))
        if entry is not None and shift in (21, 30) and entry & 0x81 == 0x81:
            return entry & 0x0000_FFFF_FFFF_F000 & -(1 << shift) | address & (1 << shift) - 1
    return None if entry is None else entry & 0x0000_FFFF_FFFF_F000 | address & 0xFFF


@pytest.mark.parametrize("mode", MODES, ids=lambda mode: mode.name)
@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 1 << 32))
def test_pages_are_where_the_manual_has_them(mode: Mode, seed: int) -> None:
    made_one = make(seed, mode, hostile=True)
    memory, addresses = made_one.memory(), every_address(mode)[::5]
    addresses += [1 << 32, 1 << 47, 1 << 56, (1 << 64) - 1, 0xFFFF_8000_0000_0123]
    expected = [by_the_manual(made_one, mode, address) for address in addresses]
    found = translate(memory, np.array(addresses, dtype=np.uint64), made_one.root, mode)
    readable = found.state <= paging.READABLE
    assert expected == [
        at if fine else None for at, fine in zip(found.physical.tolist(), readable.tolist(), strict=True)
    ]
    for address, at, state in list(zip(addresses, expected, found.state.tolist(), strict=True))[::3]:
        assert translate_one(memory, address, made_one.root, mode) == (0 if at is None else at, state)


# Volatility's layers


def layer_over(made: Made, mode: Mode) -> Any:
    context = contexts.Context()
    context.add_layer(physical.BufferDataLayer(context, "buffer", "base", made.octets))
    context.config["intel.memory_layer"] = "base"
    context.config["intel.page_map_offset"] = made.root
    return LAYERS[mode](context, "intel", "kernel")


def stock(layer: Any, address: int) -> int | None:
    try:
        ((_, _, found, _, _),) = layer.mapping(address & (1 << 48) - 1, 1)
    except exceptions.InvalidAddressException:
        return None
    return int(found)


@pytest.mark.parametrize("mode", LAYERS, ids=lambda mode: mode.name)
@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 1 << 32))
def test_volatilitys_layer_of_the_mode_has_the_same_pages(mode: Mode, seed: int) -> None:
    made_one = make(seed, mode, hostile=False)
    layer, memory, addresses = layer_over(made_one, mode), made_one.memory(), every_address(mode)[::3]
    found = translate(memory, np.array(addresses, dtype=np.uint64), made_one.root, mode)
    there = (found.state <= paging.READABLE) & (memory.locate(found.physical, 1) >= 0)
    ours = [at if fine else None for at, fine in zip(found.physical.tolist(), there.tolist(), strict=True)]
    assert [stock(layer, address) for address in addresses] == ours


@pytest.mark.parametrize("mode", [X86, PAE], ids=lambda mode: mode.name)
@settings(max_examples=4, deadline=None)
@given(seed=st.integers(0, 1 << 32))
def test_volatilitys_map_of_all_addresses_is_ours(mode: Mode, seed: int) -> None:
    made_one = make(seed, mode, hostile=False)
    layer, memory = layer_over(made_one, mode), made_one.memory()
    expected = {
        virtual + step: at + step
        for virtual, size, at, _, _ in layer.mapping(0, 1 << 32, ignore_errors=True)
        for step in range(0, size, PAGE)
    }
    assert expected == {
        virtual + step: at + step
        for virtual, at, state, _, _ in rows(leaves(memory, made_one.root, mode=mode))
        if state <= paging.READABLE and at + SIZES.get(PageState(state), PAGE) <= memory.end  # it maps them whole
        for step in range(0, SIZES.get(PageState(state), PAGE), PAGE)
    }


# walks of whole tables


def rows(found: Iterator[paging.Leaves]) -> list[tuple[int, ...]]:
    return [row for batch in found for row in zip(*(column.tolist() for column in batch), strict=True)]


@pytest.mark.parametrize("mode", [X86, PAE], ids=lambda mode: mode.name)
@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 1 << 32))
def test_a_walk_of_all_tables_gives_each_page_as_its_translation(mode: Mode, seed: int) -> None:
    made_one = make(seed, mode, hostile=True)
    memory, gaps = made_one.memory(), list[paging.Gap]()
    found = rows(leaves(memory, made_one.root, mode=mode, gaps=gaps))
    assert len(found) == len({row[0] for row in found})
    answer = translate(memory, np.array([row[0] for row in found], dtype=np.uint64), made_one.root, mode)
    for (_, at, state, entry, _), p, s, e in zip(found, *(column.tolist() for column in answer), strict=True):
        assert (s, e) == (state, entry)
        assert state > paging.READABLE or p == at
    starts = {(row[0], SIZES.get(PageState(row[2]), PAGE)) for row in found}
    lost = {(first, gap.size) for gap in gaps for first in gap.virtual.tolist()}
    for address in every_address(mode):
        where, state = translate_one(memory, address, made_one.root, mode)
        if state <= paging.READABLE:
            assert any((address & -size, size) in starts for size in (PAGE, 1 << 21, 1 << 22)), (hex(address), where)
        elif state == PageState.NOT_IN_IMAGE:
            assert any(first <= address < first + size for first, size in lost), hex(address)


# what is special to each


def test_a_page_of_4_mb_may_lie_above_4_gb() -> None:
    octets = bytearray(FRAMES * PAGE)
    put(octets, X86, 3 * PAGE, 0x301, 0x0180_0000 | 0xA5 << 13 | 0x1000 | 0xE3)
    memory = Made(bytes(octets), 3 * PAGE).memory()
    expected = 0xA5_0180_0000 + 0x12345
    assert (expected, PageState.LARGE_4MB) == translate_one(memory, 0xC041_2345, 3 * PAGE, X86)
    found = translate(memory, np.array([0xC041_2345], dtype=np.uint64), 3 * PAGE, X86)
    assert ([expected], [PageState.LARGE_4MB]) == (found.physical.tolist(), found.state.tolist())
    pages = [row[:3] for row in rows(leaves(memory, 3 * PAGE, mode=X86))]
    assert pages == [(0xC040_0000, 0xA5_0180_0000, PageState.LARGE_4MB)]


@pytest.mark.parametrize(("mode", "flags"), [(X86, 0xFFF), (PAE, 0x1F), (X64, 0xFFF), (LA57, 0xFFF)])
def test_low_bits_of_the_root_are_no_part_of_its_address(mode: Mode, flags: int) -> None:
    octets, address = bytearray(FRAMES * PAGE), 0x0040_3123
    root = 3 * PAGE + (SCATTERED if mode is PAE else 0)
    table = root
    for frame, level in enumerate(mode.levels, 4):
        put(octets, mode, table, address >> level.shift & (1 << level.bits) - 1, frame * PAGE | 0x23)
        table = frame * PAGE
    memory = Made(bytes(octets), root).memory()
    assert (table | 0x123, PageState.VALID) == translate_one(memory, address, root | flags, mode)
    assert [(address & -PAGE, table)] == [row[:2] for row in rows(leaves(memory, root | flags, mode=mode))]


@pytest.mark.parametrize("mode", [X86, PAE], ids=lambda mode: mode.name)
def test_tables_of_a_32_bit_system_that_point_at_themselves_end(mode: Mode, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paging, "TABLE_LIMIT", 64)
    octets = struct.pack("<I" if mode is X86 else "<Q", 0x63) * (PAGE // mode.entry_size)
    memory = MappedMemory(np.frombuffer(octets, dtype=np.uint8), [Run(0, PAGE, 0)])
    gaps = list[paging.Gap]()
    found = rows(leaves(memory, 0, mode=mode, gaps=gaps))
    assert 0 < len(found) <= 64 * PAGE // mode.entry_size
    assert all(address < 1 << 32 for address, *_ in found)
    assert gaps
