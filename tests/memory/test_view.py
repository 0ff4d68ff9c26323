"""Structures at addresses: what can be read is kept, what cannot is Absent with the reason."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from process_anatomy.absent import Absent, Kind
from process_anatomy.memory.view import STRING_LIMIT, View, addresses_of
from structs import builds, field_types
from structs.families import LAYOUTS
from structs.layout import Build, Layout, MissingField, Place, at
from tests.memory.patchwork import Patchwork

TOY = Layout(
    "_TOY",
    "made up",
    {
        "Id": at(field_types.UInt, "a number"),
        "Level": at(field_types.Int, "a number that may be negative"),
        "Kind": at(field_types.UInt, "three bits"),
        "Rest": at(field_types.UInt, "the other bits of the unit"),
        "Links": at(field_types.ListEntry, "a link"),
        "Name": at(field_types.UnicodeString, "a string"),
        "Mark": at(field_types.Bytes, "bytes"),
        "Later": at(field_types.UInt, "a field of other builds"),
    },
)
PLACES = {
    "Id": Place(0, 8),
    "Level": Place(8, 4),
    "Kind": Place(12, 4, 0, 3),
    "Rest": Place(12, 4, 3, 29),
    "Links": Place(16, 16),
    "Name": Place(32, 16),
    "Mark": Place(52, 5),
}
SIZE = 64
BUILD = Build("toy-1", "x64", 1, 8, {"_TOY": SIZE}, {"_TOY": PLACES})
AT = 0xFFFF_A000_0000_0100
RAW = BUILD[TOY].struct.build(
    {
        "Id": 0x1122_3344_5566_7788,
        "Level": -3,
        "Kind": 5,
        "Rest": 0x1FFF_FFFF,
        "Links": {"Flink": 1, "Blink": 2},
        "Name": {"Length": 4, "MaximumLength": 6, "Buffer": 0x1000},
        "Mark": b"\x01\x02\x00\xff\xfe",
    }
)


def plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: plain(inner) for name, inner in value.items() if not name.startswith("_")}
    return value


def with_holes(base: int, raw: bytes, holes: frozenset[int]) -> Patchwork:
    return Patchwork({base + i: raw[i : i + 1] for i in range(len(raw)) if i not in holes})


HOLES = st.one_of(
    st.just(frozenset()),
    st.frozensets(st.integers(0, SIZE - 1), max_size=4),
    st.builds(lambda n: frozenset(range(n, SIZE)), st.integers(0, SIZE)),
    st.builds(lambda n: frozenset(range(n)), st.integers(0, SIZE)),
)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.binary(min_size=SIZE, max_size=SIZE), HOLES), max_size=4))
def test_only_the_fields_that_cannot_be_read_are_absent(records: list[tuple[bytes, frozenset[int]]]) -> None:
    addresses = [AT + 0x100 * n for n in range(len(records))]
    space = Patchwork({})
    for address, (raw, holes) in zip(addresses, records, strict=True):
        space.bytes |= with_holes(address, raw, holes).bytes
    view = View(space, BUILD)
    found = view.records(TOY, np.array(addresses, dtype=np.uint64))
    assert len(records) == len(found)
    assert [not holes for _, holes in records] == found.whole.tolist()
    for field, place in PLACES.items():
        for row, (value, (raw, holes)) in enumerate(zip(found.values(field), records, strict=True)):
            parsed = view.parse(TOY, addresses[row])[field]
            if holes & set(range(place.offset, place.offset + place.size)):
                reason = f"{addresses[row] + place.offset:#x}: nothing at "
                assert isinstance(value, Absent)
                assert value == parsed
                assert (value.kind, value.reason.startswith(reason)) == (Kind.UNREADABLE, True)
            else:
                expected = BUILD[TOY].struct.parse(raw)[field]
                assert plain(expected) == plain(parsed)
                assert plain(expected) == plain(value)


def test_a_structure_is_given_in_the_order_of_its_declaration() -> None:
    assert list(TOY.fields) == list(View(Patchwork({AT: RAW}), BUILD).parse(TOY, AT))


def test_a_field_that_the_build_lacks_is_absent_and_says_so() -> None:
    view = View(Patchwork({AT: RAW}), BUILD)
    expected = Absent(Kind.NOT_IN_BUILD, "_TOY.Later is not in the layout of build toy-1")
    assert expected == view.parse(TOY, AT)["Later"]
    records = view.records(TOY, np.array([AT, AT + 8], dtype=np.uint64))
    assert [expected] * 2 == records.values("Later")
    assert records.array("Later").tolist() == [0, 0]


def test_a_structure_that_the_build_lacks_is_refused() -> None:
    unknown = Layout("_NO_SUCH", "made up", {"Field": at(field_types.UInt, "a field")})
    view = View(Patchwork({}), BUILD)
    asks: list[Callable[[], object]] = [
        lambda: view.parse(unknown, AT),
        lambda: view.records(unknown, np.zeros(1, dtype=np.uint64)),
    ]
    for ask in asks:
        with pytest.raises(MissingField, match="_NO_SUCH is not in the layout of build toy-1"):
            ask()


def test_a_structure_of_which_nothing_is_there_has_every_field_absent() -> None:
    found = View(Patchwork({}), BUILD).parse(TOY, AT)
    assert {Kind.UNREADABLE} == {value.kind for name, value in found.items() if name != "Later"}
    assert [AT + place.offset for place in PLACES.values()] == [
        int(found[name].reason.split(":")[0], 16) for name in PLACES
    ]


def test_numbers_of_many_records_are_zero_where_they_could_not_be_read() -> None:
    view = View(with_holes(AT, RAW, frozenset(range(16, SIZE))), BUILD)
    records = view.records(TOY, np.array([AT, 0], dtype=np.uint64))
    assert records.array("Id").tolist() == [0x1122_3344_5566_7788, 0]
    assert records.array("Level").tolist() == [-3, 0]
    assert records.array("Kind").tolist() == [5, 0]
    assert records.array("Rest").tolist() == [0x1FFF_FFFF, 0]


def test_no_addresses_give_no_records() -> None:
    records = View(Patchwork({}), BUILD).records(TOY, np.zeros(0, dtype=np.uint64))
    assert len(records) == 0
    assert [[]] * len(TOY.fields) == [records.values(name) for name in TOY.fields]
    assert all(len(records.array(name)) == 0 for name in TOY.fields)


def test_a_nested_structure_is_the_same_value_of_one_record_and_of_many() -> None:
    view = View(Patchwork({AT: RAW}), BUILD)
    many = view.records(TOY, np.array([AT], dtype=np.uint64)).values("Links")
    assert [plain(view.parse(TOY, AT)["Links"])] == many


@pytest.mark.parametrize("name", ["x64-26100-1742", "x64-7601-17514", "x86-2600-5512"])
def test_every_declared_structure_reads_alike_one_at_a_time_and_many_at_once(name: str) -> None:
    build = builds.load(name)
    dice = random.Random(name)
    for declaration in LAYOUTS.values():
        if declaration not in build:
            continue
        size = build[declaration].sizeof
        base = 0x8000_0000
        view = View(Patchwork({base: dice.randbytes(2 * size)}, build.pointer_size), build)
        records = view.records(declaration, np.array([base, base + size], dtype=np.uint64))
        parsed = [view.parse(declaration, base), view.parse(declaration, base + size)]
        for field in declaration.fields:
            one = [plain(each[field]) for each in parsed]
            assert one == [plain(value) for value in records.values(field)], (declaration.name, field)


# addresses, pointers, strings


@given(st.lists(st.integers(-(1 << 70), 1 << 70)))
def test_numbers_that_are_no_addresses_become_zero(numbers: list[int]) -> None:
    assert [n if 0 <= n < 1 << 64 else 0 for n in numbers] == addresses_of(numbers).tolist()


@pytest.mark.parametrize(("size", "expected"), [(8, 0x8877_6655_4433_2211), (4, 0x4433_2211)])
def test_a_pointer_is_as_wide_as_the_builds(size: int, expected: int) -> None:
    build = Build("toy", "any", 1, size, {}, {})
    view = View(Patchwork({AT: bytes.fromhex("1122334455667788")}), build)
    assert expected == view.pointer(AT)
    assert view.pointer(AT + 8 - size + 1) is None


@settings(max_examples=60)
@given(st.text(min_size=1, max_size=40))
def test_a_string_is_decoded_as_windows_wrote_it(text: str) -> None:
    raw = text.encode("utf-16-le")
    assert text == View(Patchwork({AT: raw}), BUILD).string(AT, len(raw))


def test_half_a_pair_of_surrogates_is_replaced_not_refused() -> None:
    view = View(Patchwork({AT: b"a\0\x00\xd8"}), BUILD)
    assert view.string(AT, 4) == "a\ufffd"


@pytest.mark.parametrize("buffer", [0, AT, 1 << 70])
def test_a_string_of_no_bytes_is_empty_wherever_it_lies(buffer: int) -> None:
    assert View(Patchwork({}), BUILD).string(buffer, 0) == ""


@pytest.mark.parametrize(
    ("buffer", "length"), [(AT, 3), (AT, 0xFFFF), (AT, 0x1_0000), (AT, 1 << 40), (0, 2), (0, 3), (AT, -1)]
)
def test_a_string_that_windows_could_not_have_made_is_implausible_and_is_not_read(buffer: int, length: int) -> None:
    space = Patchwork({})
    assert Absent(Kind.IMPLAUSIBLE, f"a string of {length} bytes at {buffer:#x}") == View(space, BUILD).string(
        buffer, length
    )
    assert space.reads == 0


def test_the_longest_string_is_read() -> None:
    view = View(Patchwork({AT: b"x\0" * (STRING_LIMIT // 2)}), BUILD)
    assert view.string(AT, STRING_LIMIT) == "x" * 0x7FFF


def test_a_string_of_which_a_part_is_missing_is_absent_and_says_why() -> None:
    found = View(Patchwork({AT: b"ab"}), BUILD).string(AT, 4)
    assert Absent(Kind.UNREADABLE, f"{AT:#x}: nothing at {AT + 2:#x}") == found


def test_a_string_may_lie_in_another_space() -> None:
    view = View(Patchwork({}), BUILD)
    assert view.string(AT, 4, Patchwork({AT: b"o\0k\0"})) == "ok"
    assert isinstance(view.string(AT, 4), Absent)


def test_what_is_absent_reads_as_its_reason() -> None:
    assert str(Absent(Kind.UNREADABLE, "why")) == "why"
    assert str(Absent(Kind.UNREADABLE)) == "unreadable"
    assert str(Absent(Kind.NOT_IN_BUILD, "which")) == "not in this build: which"
    assert str(Absent(Kind.NOT_IN_BUILD)) == "not in this build"
