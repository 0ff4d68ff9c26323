"""A row for a person at a terminal of any width: who, what it means, and below that the facts that there are."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from datetime import datetime

from process_anatomy.views.declaration import Column, View
from process_anatomy.views.records import Record, Value

EXPLANATION = "Explanation"
INDENT, NARROWEST = 2, 40
"""Characters that lines below the first begin with, and characters of a line at the least."""


def lines(view: View, row: Record, width: int) -> Iterator[str]:
    """The lines of a row.

    Args:
        view: the view that it is of.
        row: the row.
        width: characters of a line.
    """
    from process_anatomy.volatility.cells import safe_text

    width = max(width, NARROWEST)
    told = {column.name: safe_text(_text(row[column.name], column)) for column in view.columns}
    who = " ".join(told.pop(name) for name in ("PID", view.process) if told.get(name))
    words = told.pop(EXPLANATION, "")
    facts = "  ".join(f"{name}: {value}" for name, value in told.items() if value)
    indent, below = "  " * row.depth, "  " * row.depth + " " * INDENT
    first = "  ".join(part for part in (who, words) if part)
    yield from textwrap.wrap(first, width, initial_indent=indent, subsequent_indent=below, break_on_hyphens=False)
    facts_indent = below if first else indent
    yield from textwrap.wrap(facts, width, initial_indent=facts_indent, subsequent_indent=below, break_on_hyphens=False)


def _text(value: Value, column: Column) -> str:
    """A cell as people read it, empty where there is nothing."""
    from process_anatomy.views.files import cell_text

    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M:%S}"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return cell_text(value, column)
