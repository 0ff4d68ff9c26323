"""Cells, keys and values of hives made for one test each, whole, odd and damaged."""

from __future__ import annotations

import struct
import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from process_anatomy.absent import NOT_APPLICABLE, Absent
from process_anatomy.forge.registry import hives
from process_anatomy.forge.registry.cells import Cells as Storage
from process_anatomy.forge.registry.cells import Contents
from process_anatomy.memory.space import SYSTEM_START, Addresses, Mask, Octets
from process_anatomy.walk.registry import cells as reading
from process_anatomy.walk.registry.cells import Cells
from process_anatomy.walk.registry.keys import LARGEST_VALUE, Key, key_in, value_in
from structs import builds
from structs.layout import Build
from structs.registry import CM_KEY_NODE, CM_KEY_VALUE, HMAP_ENTRY

BINS, TABLE, DIRECTORY = 0xFFFFB00000000000, 0xFFFFB10000000000, 0xFFFFB20000000000
NEW, OLD = builds.load("x64-22621-382"), builds.load("x64-9600-16384")
NOTHING = 0xFFFFFFFF
PAGE = 0x1000


class Stretches:
    """A space of a few stretches of bytes."""

    pointer_size, system_start, room = 8, SYSTEM_START[8], 1 << 24

    def __init__(self, stretches: dict[int, bytes | bytearray]) -> None:
        self.stretches = stretches

    def read(self, address: int, size: int) -> bytes | None:
        for start, data in self.stretches.items():
            if start <= address and address + size <= start + len(data):
                return bytes(data[address - start : address - start + size])
        return None

    def root_in(self, dtb: int) -> int:
        """As it is."""
        return dtb

    def through(self, root: int) -> Stretches:
        """One space for all."""
        return self

    def read_many(self, addresses: Addresses, size: int, roots: Addresses | None = None) -> tuple[Octets, Mask]:
        raise NotImplementedError

    def why(self, address: int, size: int = 1) -> str:
        return "not there" if self.read(address, size) is None else ""


def reader(data: bytes | bytearray, build: Build = NEW, bins: int = BINS, registry: Stretches | None = None) -> Cells:
    """The cells of stable bins that lie in kernel memory, or at another address."""
    size = build[HMAP_ENTRY].sizeof
    table = bytearray(512 * size)
    for index in range(len(data) // PAGE):
        block = bins + index * PAGE
        values = {"BlockAddress": block, "BinAddress": bins | 1, "BlockOffset": index * PAGE}
        values["PermanentBinAddress"] = bins | 0xD
        for name, place in build[HMAP_ENTRY].places.items():
            table[index * size + place.offset : index * size + place.offset + 8] = values[name].to_bytes(8, "little")
    directory = struct.pack("<1024Q", TABLE, *[0] * 1023)
    space = Stretches({BINS: data if bins == BINS else b"", TABLE: table, DIRECTORY: directory})
    storage = reading.Storage(len(data), DIRECTORY)
    lost = Absent(reading.Kind.UNREADABLE, "no Registry")
    return Cells(build, space, registry or lost, (storage, reading.Storage(0, 0)))


def put(storage: Storage, name: bytes = b"key", flags: int = 0x20, **values: int | bytes) -> int:
    """A key in a cell, with these fields."""
    node = NEW[CM_KEY_NODE]
    data = bytearray(node.offset("Name")) + name
    fields: dict[str, int | bytes] = {
        "Signature": 0x6B6E,
        "Flags": flags,
        "NameLength": len(name),
        "ValueList": NOTHING,
    }
    for field, value in (fields | values).items():
        place = node.place(field)
        octets = value if isinstance(value, bytes) else value.to_bytes(place.size, "little")
        data[place.offset : place.offset + len(octets)] = octets
    return storage.put(bytes(data))


def make(fill: Callable[[Storage, int], bytes]) -> tuple[Cells, Key]:
    """A hive whose root has the list of subkeys that ``fill`` makes below it."""
    storage = Storage(0)
    root = put(storage, b"root", SubKeyCounts=struct.pack("<II", 3, 0), SubKeyLists=bytes(8))
    lists = storage.put(fill(storage, root))
    place = NEW[CM_KEY_NODE].place("SubKeyLists")
    storage.fill(root, bytes(storage.data[root + 4 : root + 4 + place.offset]) + struct.pack("<II", lists, NOTHING))
    cells = reader(storage.bins())
    key = key_in(cells, root)
    assert isinstance(key, Key)
    return cells, key


def children(storage: Storage, root: int) -> list[int]:
    return [put(storage, name, Parent=root) for name in (b"a", b"b", b"c")]


def flat(signature: bytes) -> Callable[[Storage, int], bytes]:
    extra = b"" if signature == b"li" else b"hash"

    def fill(storage: Storage, root: int) -> bytes:
        cells = children(storage, root)
        return struct.pack("<2sH", signature, 3) + b"".join(struct.pack("<I", cell) + extra for cell in cells)

    return fill


def nested(storage: Storage, root: int) -> bytes:
    first, second, third = children(storage, root)
    leaves = [storage.put(struct.pack("<2sHIIII", b"lh", 2, first, 0, second, 0))]
    leaves.append(storage.put(struct.pack("<2sHI", b"li", 1, third)))
    return struct.pack("<2sHII", b"ri", 2, *leaves)


@pytest.mark.parametrize("fill", [flat(b"lf"), flat(b"lh"), flat(b"li"), nested], ids=["lf", "lh", "li", "ri"])
def test_every_kind_of_list_gives_the_subkeys_in_order(fill: Callable[[Storage, int], bytes]) -> None:
    listed = make(fill)[1].subkeys()
    assert [key.name for key in listed.rows] == ["a", "b", "c"]
    assert listed.problems == ()


def test_a_list_of_lists_that_names_itself_ends_and_says_so() -> None:
    def fill(storage: Storage, root: int) -> bytes:
        itself = storage.put(bytes(12)) + 16  # the cell that comes next
        return struct.pack("<2sHII", b"ri", 2, itself, itself)

    listed = make(fill)[1].subkeys()
    assert listed.rows == ()
    assert any("was reached before" in problem for problem in listed.problems)


def test_lists_nested_too_deeply_end_and_say_so() -> None:
    def fill(storage: Storage, root: int) -> bytes:
        inner = storage.put(struct.pack("<2sHI", b"li", 1, children(storage, root)[0]))
        for _ in range(8):
            inner = storage.put(struct.pack("<2sHI", b"ri", 1, inner))
        return struct.pack("<2sHI", b"ri", 1, inner)

    assert any("nested deeper" in problem for problem in make(fill)[1].subkeys().problems)


def test_a_list_that_states_more_entries_than_its_cell_has_gives_those_that_are_there() -> None:
    def fill(storage: Storage, root: int) -> bytes:
        return struct.pack("<2sHIIII", b"li", 0xFFFF, *children(storage, root), NOTHING)

    listed = make(fill)[1].subkeys()
    assert [key.name for key in listed.rows] == ["a", "b", "c"]
    assert any("of the 65535 entries" in problem for problem in listed.problems)


def test_a_key_of_another_parent_and_a_key_listed_twice_are_left_out_and_told() -> None:
    def fill(storage: Storage, root: int) -> bytes:
        stranger, own = put(storage, b"stranger", Parent=0x1000), put(storage, b"own", Parent=root)
        return struct.pack("<2sHIII", b"li", 3, stranger, own, own)

    listed = make(fill)[1].subkeys()
    assert [key.name for key in listed.rows] == ["own"]
    assert [problem.split(",")[0].split(" cell")[0] for problem in listed.problems] == [
        "the key in",
        "the subkey in",
        "3 subkeys are stated",
    ]


@pytest.mark.parametrize(
    ("name", "flags", "expected"),
    [
        (b"B\xfccher", 0x20, "B\u00fccher"),
        ("Kl\u0119\u6f22".encode("utf-16-le"), 0, "Kl\u0119\u6f22"),
        (b"", 0x20, ""),
    ],
)
def test_names_have_one_byte_a_character_or_two(name: bytes, flags: int, expected: str) -> None:
    storage = Storage(0)
    cell = put(storage, name, flags)
    key = key_in(reader(storage.bins()), cell)
    assert isinstance(key, Key)
    assert key.name == expected


@pytest.mark.parametrize(("length", "flags"), [(0xFFFF, 0x20), (0xFFFE, 0), (3, 0), (500, 0x20)])
def test_a_name_that_cannot_be_is_absent_but_the_key_is_there(length: int, flags: int) -> None:
    storage = Storage(0)
    cell = put(storage, flags=flags, NameLength=length)
    key = key_in(reader(storage.bins()), cell)
    assert isinstance(key, Key)
    assert isinstance(key.name, Absent)
    assert f"a name of {length} bytes" in key.name.reason


def values_of(**values: tuple[int, int, int]) -> Key:
    """A key with values of (type, length, data)."""
    storage = Storage(0)
    node, cells = NEW[CM_KEY_VALUE], []
    long = storage.put(b"long data that fill a cell".ljust(64, b"\0"))
    for name, (kind, length, where) in values.items():
        data = struct.pack("<2sHIIIHH", b"vk", len(name), length, where or long, kind, 1, 0)
        assert len(data) == node.offset("Name")
        cells.append(storage.put(data + name.encode()))
    listed = storage.put(struct.pack(f"<{len(cells)}I", *cells))
    cell = put(storage, ValueCount=len(cells), ValueList=listed)
    key = key_in(reader(storage.bins()), cell)
    assert isinstance(key, Key)
    return key


def test_short_data_lie_in_the_value_itself() -> None:
    inline = 0x80000000
    key = values_of(
        number=(4, 4 | inline, 0xCAFE0001), text=(1, 4 | inline, 0x00420041), one=(3, 1 | inline, 0x7F), none=(1, 0, 1)
    )
    assert key.data(["NUMBER", "text", "One", "none", "missing"]) == {
        "NUMBER": 0xCAFE0001,
        "text": "AB",
        "One": b"\x7f",
        "none": "",
        "missing": NOT_APPLICABLE,
    }


@pytest.mark.parametrize(
    ("kind", "length", "where", "reason"),
    [
        (1, 0x80000005, 1, "5 bytes of data in a field of 4"),
        (4, 0x80000003, 1, "a number of 3 bytes"),
        (11, 16, 0, "a number of 16 bytes"),
        (1, LARGEST_VALUE + 1, 0, "kept in parts"),
        (1, 0x7FFFFFFF, 0, "kept in parts"),
        (1, 0x400, 0, "holds 68 of 1024 bytes"),
        (1, 8, 0x7FFFFFF8, "lies behind the end"),
        (1, 8, 0x12, "is no cell"),
        (1, 8, 0x80000020, "lies behind the end"),
        (1, 8, NOTHING, "is no cell"),
    ],
)
def test_data_that_cannot_be_say_why(kind: int, length: int, where: int, reason: str) -> None:
    data = values_of(wrong=(kind, length, where)).data(["wrong"])["wrong"]
    assert isinstance(data, Absent)
    assert reason in data.reason


def test_a_list_of_values_that_states_too_many_gives_those_that_are_there() -> None:
    key = values_of(first=(4, 0x80000004, 1))
    listed = replace(key, value_count=0xFFFFFFFF).values()
    assert [value.name for value in listed.rows] == ["first"]
    assert len(listed.problems) == 2


@pytest.mark.parametrize("size", [0, -4, -12, 16, -(1 << 21), -(1 << 31)])
def test_a_cell_whose_size_cannot_be_is_refused(size: int) -> None:
    storage = Storage(0)
    cell = put(storage)
    data = bytearray(storage.bins())
    struct.pack_into("<i", data, cell, size)
    assert isinstance(key_in(reader(data), cell), Absent)


@pytest.mark.parametrize("build", [OLD, NEW], ids=["block addresses", "bins and offsets"])
def test_a_cell_across_two_blocks_is_read_whole(build: Build) -> None:
    storage = Storage(0)
    storage.reserve(0xFC0 - 4)
    cell = put(storage, b"across the border of two blocks")
    assert cell // PAGE != (cell + 100) // PAGE
    key = key_in(reader(storage.bins(), build), cell)
    assert isinstance(key, Key)
    assert (key.name, key.address) == ("across the border of two blocks", BINS + cell + 4)


def test_a_bin_at_a_user_address_is_read_in_the_process_registry_or_says_why_not() -> None:
    storage = Storage(0)
    cell = put(storage, b"far")
    data, there = storage.bins(), 0x17800000000
    key = key_in(reader(data, bins=there, registry=Stretches({there: data})), cell)
    assert isinstance(key, Key)
    assert (key.name, key.address) == ("far", there + cell + 4)
    assert key_in(reader(data, bins=there), cell) == Absent(reading.Kind.UNREADABLE, "no Registry")


def test_a_hive_that_lies_about_its_size_costs_no_more_than_the_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "BUDGET", 1 << 10)
    listed = make(flat(b"lh"))[1].subkeys()
    assert len(listed.rows) < 3
    assert any("of the hive's cells were read" in problem for problem in listed.problems)


WHOLE = Contents(NEW, hives.SYSTEM, 0).storages[0].bins()


@settings(deadline=None, max_examples=300)
@given(
    damage=st.lists(
        st.tuples(
            st.integers(0, len(WHOLE) // 4 - 1),
            st.one_of(
                st.integers(0, 0xFFFFFFFF),
                st.integers(0, len(WHOLE) // 8 - 1).map(lambda cell: 8 * cell),
                st.sampled_from([0, NOTHING, 0x80000000, 0xFFFFFFF8, 0x6B6E, 0x6972FFFF, 0xFFFF6972, 0xFFFF686C]),
            ),
        ),
        min_size=1,
        max_size=40,
    )
)
def test_any_damage_ends_soon_and_never_raises(damage: list[tuple[int, int]]) -> None:
    words = np.frombuffer(WHOLE, dtype="<u4").copy()
    for place, word in damage:
        words[place] = word
    cells = reader(words.tobytes())
    started = time.process_time()
    pending = [key_in(cells, 0x20)]
    for _ in range(200):
        if not pending:
            break
        key = pending.pop()
        if isinstance(key, Key):
            assert all(isinstance(problem, str) for problem in key.values().problems)
            key.data(["ImagePath", "ObjectName"])
            pending += key.subkeys().rows
    for cell in range(0, len(WHOLE), 8):
        value_in(cells, cell)
    assert time.process_time() - started < 5
