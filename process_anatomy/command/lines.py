"""A row for a person at a terminal of any width: who, what it means, and below that the facts that there are."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator

from process_anatomy.views.declaration import View
from process_anatomy.views.records import Record
from process_anatomy.views.shown import safe_text, shown_text

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
    width = max(width, NARROWEST)
    told = {column.name: safe_text(shown_text(row[column.name], column)) for column in view.columns}
    who = " ".join(told.pop(name) for name in ("PID", view.process) if told.get(name))
    words = told.pop(EXPLANATION, "")
    facts = "  ".join(f"{name}: {value}" for name, value in told.items() if value)
    indent, below = "  " * row.depth, "  " * row.depth + " " * INDENT
    first = "  ".join(part for part in (who, words) if part)
    yield from textwrap.wrap(first, width, initial_indent=indent, subsequent_indent=below, break_on_hyphens=False)
    facts_indent = below if first else indent
    yield from textwrap.wrap(facts, width, initial_indent=facts_indent, subsequent_indent=below, break_on_hyphens=False)
