"""Security attributes and claims: read when they prove themselves, refused with the reason when they do not."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from process_anatomy.absent import NOT_APPLICABLE, Absent
from process_anatomy.walk.processes.listed import Process
from process_anatomy.walk.security.attributes import ATTRIBUTE_FLAGS, VALUE_TYPES, Attribute, claims
from process_anatomy.walk.security.tokens import FACTS, Token
from tests.walk.security_pieces import POOL, kernel_over, sid_bytes, sids, utf16

PROCESS = Process(
    address=1, pid=8, ppid=4, name="a.exe", threads=1, handles=1, session=1, wow64=False, create_time=1,
    exit_time=NOT_APPLICABLE, dtb=1, peb=1, vad_root=1, token=1, protection=(0, 0), minimal=False, image_path="",
    seen_by=("forward",), problems=(),
)  # fmt: skip
TYPES = {name: number for number, name in VALUE_TYPES.items()}


def token_with(attributes: int = 0, claimed: int = 0) -> Token:
    """A token that says nothing but where its attributes and claims are."""
    facts: dict[str, Any] = dict.fromkeys(FACTS, NOT_APPLICABLE)
    facts |= {"attributes_at": attributes, "claims_at": claimed}
    return Token(process=PROCESS, thread=None, address=1, problems=(), **facts)


@dataclass
class Heap:
    """Memory that grows piece by piece."""

    pieces: dict[int, bytearray] = field(default_factory=dict)
    end: int = POOL

    def put(self, data: bytes) -> int:
        """Place bytes; gives their address."""
        at, self.end = self.end, self.end + len(data) + 0x20 - len(data) % 16
        self.pieces[at] = bytearray(data)
        return at

    def set(self, at: int, data: bytes) -> None:
        """Overwrite bytes of the piece that starts at or before an address."""
        start = max(piece for piece in self.pieces if piece <= at)
        self.pieces[start][at - start : at - start + len(data)] = data

    def ring(self, head: int, members: list[int]) -> None:
        """Link a head and its members, each by the two pointers at its address."""
        order = [head, *members]
        for index, here in enumerate(order):
            self.set(here, struct.pack("<QQ", order[(index + 1) % len(order)], order[index - 1]))

    def string(self, text: str) -> bytes:
        """A _UNICODE_STRING of a text that is placed beside it."""
        data = utf16(text)
        return struct.pack("<HHIQ", len(data), len(data) + 2, 0, self.put(data or b"\0\0"))

    def value(self, kind: str, value: Any) -> int:
        """A value of an attribute; gives its address."""
        if kind in ("INT64", "UINT64", "BOOLEAN"):
            body = (int(value) & (1 << 64) - 1).to_bytes(8, "little")
        elif kind == "STRING":
            body = self.string(value)
        elif kind == "FQBN":
            body = struct.pack("<Q", value[0]) + self.string(value[1])
        else:
            octets = sid_bytes(value) if kind == "SID" else value
            body = struct.pack("<QI", self.put(octets or b"\0"), len(octets))
        return self.put(bytes(32) + body.ljust(24, b"\0"))

    def collection(self, attributes: list[tuple[str, str, int, list[Any]]]) -> int:
        """Attributes as (name, type, flags, values); gives the collection's address."""
        members = []
        for name, kind, flags, values in attributes:
            body = self.string(name) + struct.pack("<HHII", TYPES[kind], 0, flags, len(values)) + bytes(4 + 16 + 24)
            at = self.put(bytes(32) + body)
            self.ring(at + 0x40, [self.value(kind, value) for value in values])
            members.append(at)
        head = self.put(struct.pack("<II", len(attributes), 0) + bytes(40))
        self.ring(head + 8, members)
        return head

    def read(self, at: int) -> tuple[Attribute, ...]:
        """The attributes that the walk finds in the collection."""
        return claims(kernel_over(self.pieces), [token_with(at)]).attributes


names = st.text(st.characters(codec="utf-16-le", categories=["L", "N", "P", "S"]), min_size=1, max_size=20)
values = st.one_of(
    st.tuples(st.just("INT64"), st.lists(st.integers(-(1 << 63), (1 << 63) - 1), max_size=3)),
    st.tuples(st.just("UINT64"), st.lists(st.integers(0, (1 << 64) - 1), max_size=3)),
    st.tuples(st.just("BOOLEAN"), st.lists(st.booleans(), max_size=3)),
    st.tuples(st.just("STRING"), st.lists(st.text(st.characters(codec="utf-16-le"), max_size=9), max_size=3)),
    st.tuples(st.just("SID"), st.lists(sids, max_size=3)),
    st.tuples(st.just("OCTET_STRING"), st.lists(st.binary(max_size=20), max_size=3)),
    st.tuples(st.just("FQBN"), st.lists(st.tuples(st.integers(0, (1 << 64) - 1), names), max_size=2)),
)
flags = st.sets(st.sampled_from(sorted(ATTRIBUTE_FLAGS))).map(sum)
collections = st.lists(st.tuples(names, values, flags).map(lambda a: (a[0], a[1][0], a[2], a[1][1])), max_size=4)


@settings(max_examples=80, deadline=None)
@given(attributes=collections)
def test_attributes_are_read_as_they_were_written(attributes: list[tuple[str, str, int, list[Any]]]) -> None:
    heap = Heap()
    found = heap.read(heap.collection(attributes))
    assert [(a.name, a.type, len(a.values), a.problems) for a in found] == [
        (name, kind, len(values), ()) for name, kind, _, values in attributes
    ]
    for attribute, (_, kind, mask, given_values) in zip(found, attributes, strict=True):
        assert attribute.flags == ",".join(name for bit, name in ATTRIBUTE_FLAGS.items() if mask & bit)
        if kind != "FQBN":
            assert list(attribute.values) == given_values
        else:
            assert [str(v).rpartition(", version ")[0] for v in attribute.values] == [text for _, text in given_values]


@settings(max_examples=150, deadline=None)
@given(
    attributes=collections.filter(bool),
    damage=st.lists(st.tuples(st.integers(0, 1 << 16), st.binary(min_size=1, max_size=8)), min_size=1, max_size=4),
)
def test_damage_ends_with_a_reason_or_with_an_attribute_of_a_known_kind(
    attributes: list[tuple[str, str, int, list[Any]]], damage: list[tuple[int, bytes]]
) -> None:
    heap = Heap()
    at = heap.collection(attributes)
    starts = sorted(heap.pieces)
    for number, data in damage:
        piece = heap.pieces[starts[number % len(starts)]]
        offset = number % len(piece)
        piece[offset : offset + len(data)] = data[: len(piece) - offset]
    for attribute in heap.read(at):
        if isinstance(attribute.name, Absent):
            assert attribute.problems
        else:
            assert attribute.type in TYPES
            assert attribute.name.isprintable()
        assert all(value.reason for value in attribute.values if isinstance(value, Absent))


def test_a_count_that_the_list_does_not_bear_out_is_not_proved() -> None:
    heap = Heap()
    at = heap.collection([("WIN://PKG", "UINT64", 0, [1])])
    heap.set(at, struct.pack("<I", 3))
    told, attribute = heap.read(at)
    assert told.problems == ("not proved in this build: 1 attributes where 3 are counted",)
    assert (attribute.name, attribute.values) == ("WIN://PKG", (1,))


@pytest.mark.parametrize(
    ("offset", "data", "reason"),
    [
        (0x30, b"\x07\x00", "no value type 7"),
        (0x34, b"\x00\x01\x00\x00", "flags 0x100"),
        (0x20, b"\x00\x00", "a name of 0 bytes"),
        (0x38, b"\xff\xff\x00\x00", "65535 values"),
    ],
)
def test_what_is_no_attribute_is_not_proved(offset: int, data: bytes, reason: str) -> None:
    heap = Heap()
    at = heap.collection([("WIN://PKG", "UINT64", 0, [1])])
    link = int.from_bytes(heap.pieces[at][8:16], "little")
    heap.set(link + offset, data)
    (attribute,) = heap.read(at)
    assert isinstance(attribute.name, Absent)
    assert reason in attribute.problems[0]
    assert attribute.problems[0].startswith("not proved in this build")


def test_claims_of_a_token_come_with_what_they_are_about_and_who_holds_them() -> None:
    heap = Heap()
    user = heap.collection([("ad://ext/department", "STRING", 0, ["Forensics"])])
    device = heap.collection([("ad://ext/managed", "BOOLEAN", 0, [True])])
    groups = heap.put(struct.pack("<QII", heap.put(sid_bytes("S-1-5-21-1-2-3-515")), 7, 0))
    body = bytearray(0x260)
    struct.pack_into("<IIQ", body, 0, 1, 0, groups)
    struct.pack_into("<QQ", body, 0x240, user, device)
    token = token_with(claimed=heap.put(bytes(body)))
    found = claims(kernel_over(heap.pieces), [token])
    assert [(a.kind, a.name, a.values, a.shared) for a in found.attributes] == [
        ("user claim", "ad://ext/department", ("Forensics",), False),
        ("device claim", "ad://ext/managed", (True,), False),
    ]
    assert found.device_groups == ((token, "device group", (("S-1-5-21-1-2-3-515", 7),)),)
