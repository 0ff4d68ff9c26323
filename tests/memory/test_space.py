"""Finding equal numbers in arrays gives what numpy's own functions give, which load what takes long."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from process_anatomy.memory.space import among, distinct, firsts

NUMBERS = st.lists(st.integers(0, 9) | st.integers(0, (1 << 64) - 1), max_size=30)


@given(NUMBERS, NUMBERS)
def test_equal_numbers_are_found_as_numpy_finds_them(some: list[int], others: list[int]) -> None:
    values, known = np.array(some, dtype=np.uint64), np.array(others, dtype=np.uint64)
    each, back = distinct(values)
    once, rows = firsts(values)
    expected, first, inverse = np.unique(values, return_index=True, return_inverse=True)
    assert each.tolist() == once.tolist() == expected.tolist()
    assert back.tolist() == inverse.tolist()
    assert rows.tolist() == first.tolist()
    assert among(values, known).tolist() == np.isin(values, known).tolist()
    assert among(values[None, :], known).tolist() == [np.isin(values, known).tolist()]
