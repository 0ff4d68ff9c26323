"""Answers and images as Jupyter shows them: tables, in which nothing that memory holds is more than text."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from html import escape
from itertools import islice

from process_anatomy.views.declaration import Column, View
from process_anatomy.views.records import Record
from process_anatomy.views.shown import safe_text, shown_text

ROWS = 100
"""Rows that are shown; a notebook keeps what it shows."""
LONGEST = 300
"""Characters of a cell."""
ALARM = "color:#b00020;font-weight:bold"


def text(value: str) -> str:
    """Text that is nothing else in HTML: no mark-up, no character that a page acts on."""
    return escape(safe_text(value), quote=True)


def table(view: View, rows: Iterable[Record], doubt: str = "") -> str:
    """The first rows of a view as a table: what a column means is told where the pointer rests on its name.

    Where there is no fact, so is the reason.

    Args:
        view: the view.
        rows: its rows.
        doubt: why they are not to be trusted; empty where they are.
    """
    found = list(islice(rows, ROWS + 1))
    shown = [c for c in view.columns if any(row[c.name] not in (None, []) or c.name in row.absent for row in found)]
    heads = "".join(f'<th title="{text(column.meaning)}">{text(column.name)}</th>' for column in shown)
    body = "".join(f"<tr>{''.join(_cells(shown, row))}</tr>" for row in found[:ROWS])
    more = f"the first {ROWS} rows" if len(found) > ROWS else f"{len(found)} row{'' if len(found) == 1 else 's'}"
    warning = f'<div style="{ALARM}">do not trust: {text(doubt)}</div>' if doubt else ""
    caption = f"<caption>{text(view.name)}: {text(view.title)} ({more})</caption>"
    return f"{warning}<table>{caption}<thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table>"


def _cells(columns: list[Column], row: Record) -> Iterator[str]:
    for column in columns:
        if (why := row.absent.get(column.name)) is not None:
            yield f'<td title="{text(why)}">&ndash;</td>'
            continue
        told = shown_text(row[column.name], column)
        cut = told if len(told) <= LONGEST else f"{told[:LONGEST]}…"
        yield f'<td style="text-align:left">{text(cut)}</td>'


def lines(problems: Iterable[str]) -> str:
    """What was wrong with a view as a whole, as a list; nothing where nothing was."""
    told = "".join(f"<li>{text(line)}</li>" for line in problems)
    return f"<ul>{told}</ul>" if told else ""


def facts(title: str, told: Mapping[str, str]) -> str:
    """Facts by name, as a table of two columns."""
    rows = "".join(f"<tr><th>{text(name)}</th><td>{text(value)}</td></tr>" for name, value in told.items())
    return f"<table><caption>{text(title)}</caption><tbody>{rows}</tbody></table>"
