"""Pages behind entries that only the memory manager reads: in page files and behind prototype entries."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from random import Random
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from volatility3.framework import contexts, exceptions
from volatility3.framework.layers import intel, physical

from process_anatomy.memory.address_space import AddressSpace
from process_anatomy.memory.entry_format import EntryFormat, entry_format
from process_anatomy.memory.page_files import FIRST, PageFiles
from process_anatomy.memory.paging import LA57, PAE, X64, X86, Mode, PageState
from process_anatomy.memory.physical import MappedMemory, Run
from process_anatomy.memory.software_entries import SoftwareEntries
from process_anatomy.memory.space import SYSTEM_START
from structs import builds

PAGE = 0x1000
ROOT, FIRST_TABLE, END = 3, 4, 0x80
FLIPPED = 1 << 45
"""The bit that some builds flip in entries that are not valid."""
OLD = {X86: "x86-2600-2180", PAE: "x86-2600-5512", X64: "x64-7601-17514"}
"""A first-generation build of each format."""
NEW = "x64-19041-3324"


@dataclass
class Machine:
    """Page tables that a test fills entry by entry."""

    mode: Mode
    frames: dict[int, bytearray] = field(default_factory=lambda: {ROOT: bytearray(PAGE)})
    tables: dict[tuple[int, ...], int] = field(default_factory=dict)

    def take(self, content: bytes = b"") -> int:
        """A new frame, behind those of before."""
        frame = max(self.frames) + 1
        self.frames[frame] = bytearray(content.ljust(PAGE, b"\0"))
        return frame

    def entry(self, address: int, value: int, shift: int = 12) -> None:
        """Write the entry of an address into its table of a level; upper tables are made."""
        frame, path = ROOT, ()
        for level in self.mode.levels:
            index = address >> level.shift & (1 << level.bits) - 1
            if level.shift == shift:
                self.put(frame, index * self.mode.entry_size, value)
                return
            path = (*path, index)
            if path not in self.tables:
                self.tables[path] = self.take()
                self.put(frame, index * self.mode.entry_size, self.tables[path] * PAGE | 0x63)
            frame = self.tables[path]

    def put(self, frame: int, offset: int, value: int) -> None:
        struct.pack_into("<I" if self.mode.entry_size == 4 else "<Q", self.frames[frame], offset, value)

    def page(self, address: int, content: bytes = b"") -> int:
        """Map a new page; gives its frame."""
        frame = self.take(content)
        self.entry(address, frame * PAGE | 0x63)
        return frame

    def memory(self) -> MappedMemory:
        order = sorted(self.frames)
        octets = np.frombuffer(b"".join(bytes(self.frames[frame]) for frame in order), dtype=np.uint8)
        return MappedMemory(octets, [Run(frame * PAGE, PAGE, at * PAGE) for at, frame in enumerate(order)])

    def space(self, build: str | None, files: dict[int, bytes] | None = None) -> AddressSpace:
        memory: Any = self.memory()
        if files is not None:
            buffers = {number: np.frombuffer(octets, dtype=np.uint8) for number, octets in files.items()}
            memory = PageFiles(memory, {n: MappedMemory(o, [Run(0, len(o), 0)]) for n, o in buffers.items()})
        space = AddressSpace(memory, ROOT * PAGE, self.mode)
        return space if build is None else space.of_build(builds.load(build))


def both(space: AddressSpace, address: int, size: int) -> bytes | None:
    """What is read, by the way for one address and by the way for many, which must agree."""
    alone = space.read(address, size)
    data, there = space.read_many(np.array([address, address], dtype=np.uint64), size)
    assert [alone is not None] * 2 == there.tolist()
    assert alone is None or data[1].tobytes() == alone
    assert (space.why(address, size) == "") == (alone is not None)
    return alone


def file_of(pages: dict[int, bytes]) -> bytes:
    """A page file with these pages."""
    octets = bytearray((max(pages) + 1) * PAGE)
    for number, content in pages.items():
        octets[number * PAGE : number * PAGE + len(content)] = content
    return bytes(octets)


# formats

LEGACY = {X86: (1, 12), PAE: (1, 32), X64: (1, 32), LA57: (1, 32)}


@pytest.mark.parametrize("mode", LEGACY, ids=lambda mode: mode.name)
def test_without_a_layout_entries_are_those_of_the_first_generation(mode: Mode) -> None:
    found = entry_format(None, mode)
    assert (found.file.shift, found.page.shift) == LEGACY[mode]
    assert found.page.shift + found.page.count == 8 * mode.entry_size
    assert int(found.swizzle) == 0


@pytest.mark.parametrize(
    ("build", "mode", "file", "swizzle", "reserved", "allocated", "store"),
    [
        ("x86-2600-2180", X86, 1, 0, 0, 0, 0),
        ("x86-2600-2180", PAE, 1, 0, 0, 0, 0),
        ("x86-7601-24000", PAE, 1, 0, 0, 0, 1 << 12),
        ("x86-7601-24000", X86, 1, 0, 0, 0, 0),
        ("x64-3790-1830", X64, 1, 0, 0, 0, 0),
        ("x64-7601-17514", X64, 1, 0, 0, 0, 1 << 22),
        ("x64-7601-24540", X64, 12, 1 << 4, 0, 0, 1 << 3),
        ("x64-9600-16384", X64, 1, 0, 1 << 13, 1 << 14, 1 << 12),
        ("x64-10240-16384", X64, 1, 0, 1 << 12, 1 << 13, 0),
        ("x64-19041-3324", X64, 12, 1 << 4, 1 << 1, 1 << 2, 0),
        ("x64-26100-1742", X64, 12, 1 << 4, 1 << 1, 1 << 2, 0),
        ("x86-19041-0", PAE, 12, 1 << 4, 1 << 1, 1 << 2, 0),
    ],
)
def test_each_generation_keeps_its_bits_where_its_symbols_say(
    build: str, mode: Mode, file: int, swizzle: int, reserved: int, allocated: int, store: int
) -> None:
    found = entry_format(builds.load(build), mode)
    bits = (found.file.shift, *(int(bit) for bit in (found.swizzle, found.reserved, found.allocated, found.store)))
    assert bits == (file, swizzle, reserved, allocated, store)


# Without PAE the address of a prototype entry is in pieces.  Vista and 7 (MemProcFS has the same formula): what lies
# above 2 GB, from bit 1 on the low part and from bit 11 on the upper; before: what lies above the start of paged pool.
POINTERS = [
    ("x86-6001-18000", X86, 0x8D80_0B88, (0x8D80_0B88 & 0x3FC) >> 1 | (0x0D80_0B88 >> 10) << 11 | 0x400),
    ("x86-7601-17514", X86, 0xFFFF_FFFC, (0x3FC) >> 1 | (0x7FFF_FFFC >> 10) << 11 | 0x400),
    ("x86-2600-2180", X86, 0xE100_0690, (0x690 & 0x1FC) >> 1 | (0x690 >> 9) << 11 | 0x400),
    ("x86-2600-5512", PAE, 0xE100_0690, 0xE100_0690_0000_0400),
    ("x86-7601-24000", PAE, 0x8D80_0B88, 0x8D80_0B88_0000_0400),
    ("x64-7601-17514", X64, 0xFFFF_F8A0_0123_4568, 0xF8A0_0123_4568_0400),
]


@pytest.mark.parametrize(("build", "mode", "address", "entry"), POINTERS)
def test_the_address_of_a_prototype_entry_is_put_together(build: str, mode: Mode, address: int, entry: int) -> None:
    found = entry_format(builds.load(build), mode).pointers(np.array([entry], dtype=np.uint64), mode)
    assert [hex(address)] == [hex(at) for at in found.tolist()]


@pytest.mark.parametrize("name", [name for name in builds.names() if name.endswith("-0") or "-vol2" not in name][::9])
def test_every_build_has_a_format_for_each_of_its_modes(name: str) -> None:
    build = builds.load(name)
    for mode in (X86, PAE) if build.pointer_size == 4 else (X64, LA57):
        found = entry_format(build, mode)
        pieces = (*found.pointer, found.file, found.page)
        assert all(bits.shift + bits.count <= 8 * mode.entry_size for bits in pieces)
        assert not int(found.page.mask) & int(found.swizzle | found.reserved | found.allocated | found.store)


# page files

PLACE = {X86: 0x0040_0000, PAE: 0x0040_0000, X64: 0x7FF6_1234_5000, LA57: 0x00FF_F612_3456_7000}
MODES = (X86, PAE, X64)


def in_file(mode: Mode, number: int, page: int) -> int:
    """A first-generation entry for a page of a page file."""
    return page << mode.page_file_shift | number << 1 | 0x80


@pytest.mark.parametrize("mode", MODES, ids=lambda mode: mode.name)
def test_a_page_in_a_page_file_is_read_from_it(mode: Mode) -> None:
    made, place = Machine(mode), PLACE[mode]
    made.page(place, b"in memory")
    made.entry(place + PAGE, in_file(mode, 1, 7))
    made.entry(place + 2 * PAGE, in_file(mode, 0, 2))
    files = {0: file_of({2: b"zero"}), 1: file_of({7: b"one".rjust(PAGE, b"."), 8: b""})}
    space = made.space(OLD[mode], files)
    assert both(space, place, 9) == b"in memory"
    assert both(space, place + 2 * PAGE - 3, 7) == b"onezero"
    assert both(space, place + 8, PAGE) == b"y" + bytes(PAGE - 9) + b"." * 8
    states = space.translate(np.array([place + PAGE], dtype=np.uint64)).state
    assert states.tolist() == [PageState.PAGEFILE]
    without = made.space(OLD[mode])
    assert both(without, place + PAGE, 4) is None
    assert without.why(place + PAGE) == "the page is in a page file: page 0x7 of number 1"


@pytest.mark.parametrize("mode", MODES, ids=lambda mode: mode.name)
def test_a_page_table_in_a_page_file_is_followed(mode: Mode) -> None:
    made, place = Machine(mode), PLACE[mode]
    frame, table = made.take(b"deep"), bytearray(PAGE)
    index = place >> 12 & (1 << mode.levels[-1].bits) - 1
    struct.pack_into("<I" if mode is X86 else "<Q", table, index * mode.entry_size, frame * PAGE | 0x63)
    made.entry(place, in_file(mode, 0, 5), mode.levels[-2].shift)
    assert both(made.space(OLD[mode], {0: file_of({5: bytes(table)})}), place, 4) == b"deep"
    assert both(made.space(OLD[mode]), place, 4) is None


@pytest.mark.parametrize("mode", MODES, ids=lambda mode: mode.name)
def test_a_page_that_the_given_page_files_do_not_hold_has_a_reason(mode: Mode) -> None:
    made, place = Machine(mode), PLACE[mode]
    made.entry(place, in_file(mode, 0, 9))
    made.entry(place + PAGE, in_file(mode, 3, 1))
    space = made.space(OLD[mode], {0: file_of({4: b"x"})})
    assert both(space, place, 4) is None
    why = "page 0x9 of number 0, which was given but does not hold it: it ends after 0x5 pages"
    assert space.why(place) == f"the page is in a page file: {why}"
    assert both(space, place + PAGE, 4) is None
    assert space.why(place + PAGE) == "the page is in a page file: page 0x1 of number 3"


def test_a_page_in_a_store_is_not_taken_from_a_page_file() -> None:
    made, place = Machine(X64), PLACE[X64]
    made.entry(place, in_file(X64, 0, 2) | 1 << 22)
    space = made.space(OLD[X64], {0: file_of({2: b"other"})})
    assert both(space, place, 4) is None
    assert space.why(place) == "the page is in a store of the memory manager"


def test_flipped_bits_of_a_place_in_a_page_file_are_flipped_back() -> None:
    """Only where the bit that says that nothing is flipped is clear; which bits they are, transition entries tell."""
    made, place, allocated, straight = Machine(X64), PLACE[X64], 1 << 2, 1 << 4
    page = FLIPPED >> 32
    made.entry(place, 7 << 32 | allocated | 0x80 ^ FLIPPED)
    made.entry(place + PAGE, (7 + page) << 32 | allocated | straight | 0x80)
    made.entry(place + 2 * PAGE, made.take(b"moving") * PAGE | 0x880 ^ FLIPPED)
    files = {0: file_of({7: b"flipped", 7 + page: b"straight"})}
    space = made.space(NEW, files)
    assert both(space, place, 7) == b"flipped"
    assert both(space, place + PAGE, 8) == b"straight"
    assert both(space, place + 2 * PAGE, 6) == b"moving"


def test_without_any_sample_of_the_flipped_bits_nothing_is_read_by_guess() -> None:
    made, place = Machine(X64), PLACE[X64]
    made.entry(place, 7 << 32 | 1 << 2 | 0x80)
    made.entry(place + PAGE, 7 << 32 | 1 << 2 | 1 << 4 | 0x80)
    space = made.space(NEW, {0: file_of({7: b"seven"})})
    assert both(space, place, 5) is None
    assert space.why(place) == "the page is in a page file"
    assert both(space, place + PAGE, 5) == b"seven"


def test_a_place_that_is_only_reserved_in_a_page_file_holds_nothing() -> None:
    made, place = Machine(X64), PLACE[X64]
    made.entry(place, 7 << 32 | 1 << 1 | 1 << 4 | 0x80)
    assert both(made.space(NEW, {0: file_of({7: b"seven"})}), place, 5) is None


@pytest.mark.parametrize("mode", MODES, ids=lambda mode: mode.name)
@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 1 << 32))
def test_volatility_reads_the_same_from_page_files(mode: Mode, seed: int) -> None:
    """Volatility knows the first generation's bits, and asks for bit 7, which every protection that is used has.

    Compared at the start of each page: from an address within a page Volatility reads the page's start.
    """
    dice, made, place = Random(seed), Machine(mode), PLACE[mode]
    files = {n: b"".join(bytes([n + 1, p + 1]) * (PAGE // 2) for p in range(4)) for n in (0, 1)}
    count = 24
    for number in range(count):
        choice = dice.choice(["file", "file", "file", "page", "none"])
        if choice == "file":
            made.entry(place + number * PAGE, in_file(mode, dice.randrange(3), dice.randrange(1, 6)))
        elif choice == "page":
            made.page(place + number * PAGE, bytes([number]))
    space = made.space(OLD[mode], files)
    context = contexts.Context()
    octets = bytearray(END * PAGE)
    for frame, content in made.frames.items():
        octets[frame * PAGE : frame * PAGE + PAGE] = content
    for name, buffer in {"base": bytes(octets), "swap_layers0": files[0], "swap_layers1": files[1]}.items():
        context.add_layer(physical.BufferDataLayer(context, name, name, buffer))
    context.config["intel.memory_layer"] = "base"
    context.config["intel.page_map_offset"] = ROOT * PAGE
    context.config["intel.swap_layers"] = True
    for number in files:
        context.config[f"intel.swap_layers.swap_layers{number}"] = f"swap_layers{number}"
    kinds = {X86: intel.WindowsIntel, PAE: intel.WindowsIntelPAE, X64: intel.WindowsIntel32e}
    layer = kinds[mode](context, "intel", "kernel")
    context.add_layer(layer)
    for number in range(count):
        address = place + number * PAGE
        try:
            expected: bytes | None = layer.read(address, 16)
        except exceptions.InvalidAddressException:
            expected = None
        assert expected == both(space, address, 16), hex(address)


# prototype entries

SHARED = {X86: 0xE100_2000, PAE: 0xE100_2000, X64: 0xFFFF_F8A0_0123_4000}


def refer(mode: Mode, entry_address: int) -> int:
    """A first-generation entry that refers to a prototype entry."""
    if mode is X86:
        inside = entry_address - 0xE100_0000
        return (inside & 0x1FC) >> 1 | inside >> 9 << 11 | 0x400
    return (entry_address << (32 if mode is PAE else 16) & (1 << 64) - 1) | 0x400


@pytest.mark.parametrize("mode", MODES, ids=lambda mode: mode.name)
def test_a_page_behind_a_prototype_entry_is_read(mode: Mode) -> None:
    made, place, table, size = Machine(mode), PLACE[mode], SHARED[mode], mode.entry_size
    frame = made.page(table)
    entries = [
        made.take(b"valid") * PAGE | 0x63,
        made.take(b"moving") * PAGE | 0x880,
        in_file(mode, 0, 3),
        0x400 | 1 << (20 if mode is X86 else 40),  # refers to the subsection
        0x80,
        0,
    ]
    for number, entry in enumerate(entries):
        made.put(frame, number * size, entry)
        made.entry(place + number * PAGE, refer(mode, table + number * size))
    space = made.space(OLD[mode], {0: file_of({3: b"in the file"})})
    assert both(space, place, 5) == b"valid"
    assert both(space, place + PAGE, 6) == b"moving"
    assert both(space, place + 2 * PAGE, 11) == b"in the file"
    for number, reason in (
        (3, "the page is in the file that is mapped"),
        (4, "the page was never touched (demand zero)"),
        (5, "no page is mapped here"),
    ):
        assert both(space, place + number * PAGE, 4) is None
        told = f"the page table entry refers to a prototype entry at {table + number * size:#x}: {reason}"
        assert space.why(place + number * PAGE) == told
    assert space.translate(np.array([place], dtype=np.uint64)).state.tolist() == [PageState.PROTOTYPE]
    assert made.space(None).read(place, 4) is None


@pytest.mark.parametrize("mode", MODES, ids=lambda mode: mode.name)
def test_a_prototype_entry_in_a_page_file_is_read_from_it(mode: Mode) -> None:
    made, place, table = Machine(mode), PLACE[mode], SHARED[mode]
    content = (made.take(b"far") * PAGE | 0x63).to_bytes(mode.entry_size, "little")
    made.entry(table, in_file(mode, 0, 1))
    made.entry(place, refer(mode, table))
    assert both(made.space(OLD[mode], {0: file_of({1: content})}), place, 3) == b"far"
    alone = made.space(OLD[mode])
    assert both(alone, place, 3) is None
    assert alone.why(place).endswith(f"a prototype entry at {table:#x}, which cannot be read")


@pytest.mark.parametrize("mode", MODES, ids=lambda mode: mode.name)
def test_prototype_entries_that_lead_to_themselves_end(mode: Mode) -> None:
    made, place, table = Machine(mode), PLACE[mode], SHARED[mode]
    made.entry(table, refer(mode, table))  # its own page is behind itself
    made.entry(place, refer(mode, table))
    space = made.space(OLD[mode], {0: file_of({1: b""})})
    assert both(space, place, 4) is None


@pytest.mark.parametrize(("mode", "shift"), [(PAE, 32), (X64, 16)], ids=lambda value: getattr(value, "name", ""))
def test_prototype_entries_in_user_space_are_not_believed(mode: Mode, shift: int) -> None:
    made, place = Machine(mode), PLACE[mode]
    user = made.page(place)
    made.put(user, 0, made.take(b"bait") * PAGE | 0x63)
    made.entry(place + PAGE, place << shift | 0x400)
    space = made.space(OLD[mode])
    assert both(space, place + PAGE, 4) is None
    assert space.why(place + PAGE).endswith("whose address is not known")


@pytest.mark.parametrize(("build", "flipped"), [(OLD[X64], 0), (NEW, 0), (NEW, FLIPPED)])
def test_a_prototype_entry_that_only_the_vad_knows_is_not_followed(build: str, flipped: int) -> None:
    made, place = Machine(X64), PLACE[X64]
    made.entry(place, 0xFFFF_FFFF_0000_0400 ^ flipped)
    made.entry(place + PAGE, made.take(b"moving") * PAGE | 0x880 ^ FLIPPED)
    space = made.space(build)
    assert both(space, place, 4) is None
    assert space.why(place).endswith("that only the VAD knows")


@pytest.mark.parametrize("flipped", [False, True])
def test_whether_addresses_of_prototype_entries_are_flipped_is_seen_from_where_they_lead(flipped: bool) -> None:
    made, place, table = Machine(X64), PLACE[X64], SHARED[X64]
    frame = made.page(table)
    made.put(frame, 0, made.take(b"shared") * PAGE | 0x63)
    made.entry(place, refer(X64, table) ^ (FLIPPED if flipped else 0))
    made.entry(place + PAGE, made.take(b"moving") * PAGE | 0x880 ^ FLIPPED)
    space = made.space(NEW)
    assert both(space, place, 6) == b"shared"
    assert space.software is not None
    assert (space.software.flips.mask, space.software.flips.prototypes) == (FLIPPED, flipped)


# hostile ones


@pytest.mark.parametrize("mode", [X86, PAE, X64, LA57], ids=lambda mode: mode.name)
@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 1 << 32))
def test_any_entries_end_and_one_way_of_reading_agrees_with_the_other(mode: Mode, seed: int) -> None:
    dice, made, place = Random(seed), Machine(mode), PLACE[mode]
    table = SHARED.get(mode, 0xFFFF_F8A0_0123_4000)
    shared = made.page(table)
    for number in range(12):
        where = dice.choice([table + number * mode.entry_size, dice.getrandbits(8 * mode.pointer_size)])
        pointer = refer(X64 if mode is LA57 else mode, where) & (1 << 8 * mode.entry_size) - 1
        value = dice.choice([dice.getrandbits(8 * mode.entry_size), pointer, pointer | 1 << 4])
        made.put(shared, number * mode.entry_size, dice.choice([value, dice.randrange(END) * PAGE | 1]))
        made.entry(place + number * PAGE, value)
    name = dice.choice([n for n in builds.names() if builds.load(n).pointer_size == mode.pointer_size])
    space = made.space(name, dice.choice([None, {0: file_of({3: b"x"}), 5: b""}]))
    for number in range(12):
        both(space, place + number * PAGE + dice.choice([0, 0xFF0]), 0x20)


def test_page_files_lie_beyond_all_memory_and_leave_it_as_it_is() -> None:
    memory = MappedMemory(np.frombuffer(b"m" * PAGE, dtype=np.uint8), [Run(0, PAGE, 0)])
    both_files = PageFiles(memory, {0: MappedMemory(np.frombuffer(b"f" * PAGE, dtype=np.uint8), [Run(0, PAGE, 0)])})
    assert (both_files.end, both_files.lost, both_files.stretches()) == (PAGE, 0, [(0, PAGE)])
    assert both_files.read(5, 2) == b"mm"
    assert both_files.read(FIRST + 5, 2) == b"ff"
    assert both_files.read(FIRST + PAGE, 1) is None
    assert both_files.read(FIRST + (1 << 48), 1) is None
    where = np.array([0, FIRST, FIRST + PAGE, PAGE], dtype=np.uint64)
    offsets = both_files.locate(where, 4)
    assert (offsets >= 0).tolist() == [True, True, False, False]
    assert [bytes(both_files.octets()[at : at + 4]) for at in offsets[:2].tolist()] == [b"mmmm", b"ffff"]
    assert both_files.locate(where[[0, 3]], 4).tolist() == [0, -1]
    assert both_files.octets() is memory.octets()
    held = both_files.holds(np.array([0, 0, 1, 15], dtype=np.uint64), np.array([0, 1, 0, 0], dtype=np.uint64))
    assert held.tolist() == [True, False, False, False]


def test_a_format_is_told_once_for_all_spaces_of_a_kernel() -> None:
    space = Machine(X64).space(NEW)
    assert space.through(0x7000).software is space.software
    assert isinstance(space.software, SoftwareEntries)
    assert isinstance(space.software.format, EntryFormat)
    assert space.software.system_start == SYSTEM_START[8]
