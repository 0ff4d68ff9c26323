"""Access control lists: decoded exactly when whole, told exactly when damaged."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from process_anatomy.absent import NOT_APPLICABLE, Absent, Kind
from process_anatomy.walk.security.acls import ACE_TYPES, Ace, Acl, read_acls
from tests.walk.security_pieces import POOL, ace_bytes, acl_bytes, kernel_over, sid_bytes, sids

entries = st.tuples(st.sampled_from(sorted(ACE_TYPES)), st.integers(0, 255), st.integers(0, (1 << 32) - 1), sids)


def acl_of(data: bytes) -> Acl | Absent:
    """The list in memory that holds nothing but these bytes."""
    (found,) = read_acls(kernel_over({POOL: data}), np.array([POOL], dtype=np.uint64))
    return found


@settings(max_examples=100, deadline=None)
@given(listed=st.lists(entries, max_size=8), spare=st.integers(0, 64))
def test_a_list_is_read_as_it_was_written(listed: list[tuple[int, int, int, str]], spare: int) -> None:
    found = acl_of(acl_bytes([ace_bytes(*entry) for entry in listed], spare=spare))
    assert isinstance(found, Acl)
    assert [(e.type, e.flags, e.mask, e.sid) for e in found.entries] == listed
    assert found.problems == ()


@settings(max_examples=200, deadline=None)
@given(
    listed=st.lists(entries, min_size=1, max_size=4),
    damage=st.dictionaries(st.integers(0, 400), st.integers(0, 255), min_size=1, max_size=8),
    cut=st.integers(0, 400),
)
def test_a_damaged_list_ends_inside_itself_and_says_why(
    listed: list[tuple[int, int, int, str]], damage: dict[int, int], cut: int
) -> None:
    data = bytearray(acl_bytes([ace_bytes(*entry) for entry in listed]))
    for at, octet in damage.items():
        if at < len(data):
            data[at] = octet
    whole = bytes(data)
    found = acl_of(whole[: max(cut, 1)])
    if isinstance(found, Absent):
        assert found.reason
        return
    size, count = int.from_bytes(whole[2:4], "little"), int.from_bytes(whole[4:6], "little")
    assert all(POOL < entry.address < POOL + size for entry in found.entries)
    assert len(found.entries) == count or found.problems


def test_an_entry_of_no_bytes_does_not_hold_the_walk() -> None:
    found = acl_of(acl_bytes([ace_bytes(0, 0, 1, "S-1-1-0"), bytes(8)] + [bytes(8)] * 3))
    assert isinstance(found, Acl)
    assert len(found.entries) == 1
    assert "has 0 bytes" in found.problems[0]


def test_entries_of_other_kinds_are_named_and_passed_by() -> None:
    strange = b"\x05\x00\x10\x00" + bytes(12)
    found = acl_of(acl_bytes([strange, ace_bytes(1, 0, 0x10000, "S-1-1-0")], revision=4))
    assert isinstance(found, Acl)
    assert [entry.type_name for entry in found.entries] == ["DENIED"]
    assert found.problems == ("entry 1 of 2 is of type 5, which is not decoded",)


def test_no_pointer_is_no_list_and_a_wild_one_has_a_reason() -> None:
    kernel = kernel_over({POOL: b"\x09" * 64})
    none, wild, garbage = read_acls(kernel, np.array([0, 0x1000, POOL], dtype=np.uint64))
    assert none == NOT_APPLICABLE
    assert isinstance(wild, Absent)
    assert wild.kind is Kind.UNREADABLE
    assert isinstance(garbage, Absent)
    assert garbage.kind is Kind.IMPLAUSIBLE


def test_sddl_is_what_windows_writes() -> None:
    found = Acl(
        0,
        (
            Ace(0, 0, 0, 0x10000000, "S-1-5-18"),
            Ace(0, 0, 0x3, 0xA0000000, "S-1-5-32-544"),
            Ace(0, 1, 0x10, 0x120089, "S-1-5-21-1-2-3-1001"),
        ),
        (),
    )
    assert found.sddl == "D:(A;;GA;;;SY)(A;OICI;GRGX;;;BA)(D;ID;0x120089;;;S-1-5-21-1-2-3-1001)"
    assert found.entries[2].rights == "SYNCHRONIZE,READ_CONTROL,0x89"


def test_a_sid_longer_than_its_entry_is_told() -> None:
    sid = bytearray(sid_bytes("S-1-5-32-544"))
    sid[1] = 9
    entry = b"\x00\x00\x18\x00" + bytes(4) + bytes(sid)
    found = acl_of(acl_bytes([entry]))
    assert isinstance(found, Acl)
    assert isinstance(found.entries[0].sid, Absent)
    assert found.problems == ("entry 1 of 1: no SID follows the access mask",)
