"""Rows in blocks are the same rows, and none is lost by what comes after it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as some

from process_anatomy.errors import Error
from process_anatomy.views.blocks import BLOCK, blocks, columns
from process_anatomy.views.declaration import Row


def numbered(count: int) -> list[Row]:
    return [(0, {"one": number, "other": str(number)}) for number in range(count)]


@given(some.integers(0, 3 * BLOCK + 1))
def test_blocks_are_the_rows_in_their_order(count: int) -> None:
    found = list(blocks(numbered(count)))
    assert [row for block in found for row in block] == numbered(count)
    assert all(0 < len(block) <= BLOCK for block in found)
    assert found == [] or all(len(block) == BLOCK for block in found[:-1])


@given(some.integers(0, 2 * BLOCK))
def test_rows_before_an_error_are_given_before_it_is_raised(count: int) -> None:
    def rows() -> Iterator[Row]:
        yield from numbered(count)
        raise Error("no more of it")

    found: list[Row] = []
    with pytest.raises(Error, match="no more of it"):
        found.extend(row for block in blocks(rows()) for row in block)
    assert found == numbered(count)


@pytest.mark.parametrize("names", [("one",), ("other", "one")])
def test_columns_are_the_cells_by_name(names: tuple[str, ...]) -> None:
    rows = numbered(5)
    assert columns(names)(rows) == [tuple(cells[name] for _, cells in rows) for name in names]
