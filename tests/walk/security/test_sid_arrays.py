"""SIDs and arrays of them in memory."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from process_anatomy.absent import NOT_APPLICABLE, Absent, Kind
from process_anatomy.memory.space import Addresses
from process_anatomy.walk.security import sid_arrays
from process_anatomy.walk.security.sid_arrays import GROUP_LIMIT, read_sid_arrays, read_sids
from tests.walk.security_pieces import POOL, kernel_over, sid_bytes, sids

SIDS = POOL + 0x10000


def numbers(*values: int) -> Addresses:
    return np.array(values, dtype=np.uint64)


def laid_out(arrays: list[list[tuple[str, int]]]) -> tuple[dict[int, bytes], list[int]]:
    """Arrays one behind the other with gaps, their SIDs elsewhere; gives memory and the arrays' addresses."""
    pieces, at, sid_at, starts = {}, POOL, SIDS, []
    for array in arrays:
        starts.append(at)
        data = b""
        for sid, attributes in array:
            pieces[sid_at] = sid_bytes(sid)
            data += struct.pack("<QII", sid_at, attributes, 0)
            sid_at += 0x50
        pieces[at] = data
        at += len(data) + 0x10
    return pieces, starts


@settings(max_examples=60, deadline=None)
@given(arrays=st.lists(st.lists(st.tuples(sids, st.integers(0, (1 << 32) - 1)), max_size=5), min_size=1, max_size=5))
def test_arrays_are_read_as_they_were_written(arrays: list[list[tuple[str, int]]]) -> None:
    pieces, starts = laid_out(arrays)
    counts = numbers(*map(len, arrays))
    assert read_sid_arrays(kernel_over(pieces), numbers(*starts), counts) == [tuple(array) for array in arrays]


def test_an_absurd_count_is_refused_and_its_neighbours_are_read() -> None:
    pieces, starts = laid_out([[("S-1-1-0", 7)], [("S-1-5-18", 0)]])
    found = read_sid_arrays(kernel_over(pieces), numbers(starts[0], starts[1], POOL), numbers(1, 1 << 31, 0))
    assert found[0] == (("S-1-1-0", 7),)
    assert isinstance(found[1], Absent)
    assert str(1 << 31) in found[1].reason
    assert found[2] == ()


def test_many_large_arrays_are_bounded_together(monkeypatch: pytest.MonkeyPatch) -> None:
    each, count = GROUP_LIMIT // 8, 3 + 5
    monkeypatch.setattr(sid_arrays, "TOTAL_LIMIT", 3 * each)
    wild = numbers(*range(0x1000, 0x1000 + 8 * count, 8))
    found = read_sid_arrays(kernel_over({}), wild, numbers(*[each] * count))
    assert sum(isinstance(array, Absent) for array in found) == 5


def test_what_is_no_sid_has_a_reason() -> None:
    pieces = {
        POOL: bytes([1, 16, *[0] * 6]),
        POOL + 0x100: bytes([2, 1, *[0] * 10]),
        POOL + 0x200: b"\x01\x02\0\0\0\0\0\5",
    }
    found = read_sids(kernel_over(pieces), numbers(POOL, POOL + 0x100, POOL + 0x200, 0x4000, 0))
    kinds = [sid.kind for sid in found if isinstance(sid, Absent)]
    assert kinds == [Kind.IMPLAUSIBLE, Kind.IMPLAUSIBLE, Kind.UNREADABLE, Kind.UNREADABLE, Kind.NOT_APPLICABLE]
    assert found[-1] == NOT_APPLICABLE
    assert all(sid.reason for sid in found[:-1] if isinstance(sid, Absent))


def test_an_entry_whose_sid_is_gone_costs_only_itself() -> None:
    pieces, starts = laid_out([[("S-1-1-0", 7), ("S-1-5-18", 1), ("S-1-5-11", 2)]])
    del pieces[SIDS + 0x50]
    ((first, second, third),) = read_sid_arrays(kernel_over(pieces), numbers(*starts), numbers(3))
    assert (first, third) == (("S-1-1-0", 7), ("S-1-5-11", 2))
    assert isinstance(second[0], Absent)
    assert second[1] == 1
