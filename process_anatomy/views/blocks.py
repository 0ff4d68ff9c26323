"""Rows a block at a time, so that what is asked of every cell is asked of whole columns.

A loop in Python over each cell of a row takes longer than what it does; over a column it is one call.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from operator import itemgetter
from typing import Any

from process_anatomy.views.declaration import Cells, Row

BLOCK = 128
"""Rows of a block: many enough that what a block costs does not count, few enough that nobody waits for the first."""


def blocks(rows: Iterable[Row]) -> Iterator[list[Row]]:
    """Rows in blocks, in their order; those before an error are given before it is raised."""
    block: list[Row] = []
    try:
        for row in rows:
            block.append(row)
            if len(block) == BLOCK:
                yield block
                block = []
    except Exception:
        if block:
            yield block
        raise
    if block:
        yield block


def columns(names: tuple[str, ...]) -> Callable[[list[Row]], list[tuple[Any, ...]]]:
    """What gives the cells of a block column by column, in the order of some names."""
    if len(names) < 2:  # of one name itemgetter gives the value itself
        return lambda block: [tuple(cells[name] for _, cells in block) for name in names]
    cells_of: Callable[[Cells], tuple[Any, ...]] = itemgetter(*names)
    return lambda block: list(zip(*[cells_of(cells) for _, cells in block], strict=True))
