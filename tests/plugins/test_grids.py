"""The grid of a view is what Volatility's own grid makes of the same rows, and keeps none that a visitor was shown."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from volatility3.framework.renderers import TreeGrid

from process_anatomy import open_image
from process_anatomy.views import view, views
from process_anatomy.views.image import Image
from process_anatomy.volatility.cells import ViewGrid, grid
from tests.conftest import SAMPLE

Shown = list[tuple[str, str | None, int, list[Any]]]


@pytest.fixture(scope="module")
def sample() -> Image:
    return open_image(SAMPLE)


def shown(of: TreeGrid) -> Shown:
    """What a visitor sees of each row: path, path of the one above, depth and cells."""
    seen: Shown = []

    def visit(node: Any, _: None) -> None:
        seen.append((node.path, node.parent and node.parent.path, node.path_depth, node.values))

    of.populate(visit, None)
    return seen


def stock(of: ViewGrid) -> TreeGrid:
    """Volatility's own grid of the same rows, which looks at the type of every cell."""
    return TreeGrid([(column.name, column.type) for column in of.columns], of._generator)


@pytest.mark.parametrize(
    "name", [each.name for each in views() if each.of_image and each.name not in ("all", "report")]
)
def test_the_cells_of_each_view_have_the_types_of_their_columns(name: str, sample: Image) -> None:
    asked = sample.view(name)
    ours, theirs = shown(grid(asked.view, asked.rows())), shown(stock(grid(asked.view, asked.rows())))
    assert repr(ours) == repr(theirs)
    assert ours


def made(depths: list[int]) -> Iterator[tuple[int, dict[str, object]]]:
    names = view("csrss").names
    for number, depth in enumerate(depths):
        yield depth, dict.fromkeys(names, None) | {"PID": number}


@given(st.lists(st.integers(0, 4), max_size=30))
def test_rows_hang_where_their_depths_say(depths: list[int]) -> None:
    asked = view("csrss")
    assert repr(shown(grid(asked, made(depths)))) == repr(shown(stock(grid(asked, made(depths)))))


def test_rows_that_a_visitor_was_shown_are_not_kept() -> None:
    of = grid(view("csrss"), made([0, 1, 0]))
    assert len(shown(of)) == of.row_count == 3
    assert shown(of) == []  # as of any grid that is populated
    with pytest.raises(RuntimeError, match="not kept"):
        of.children(None)


def test_without_a_visitor_the_tree_is_kept() -> None:
    of = grid(view("csrss"), made([0, 1, 0]))
    of.populate()
    assert [of.children(node) != [] for node in of.children(None)] == [True, False]
    assert of.visit(None, lambda _, count: count + 1, 0) == 3
