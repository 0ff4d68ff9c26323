"""Answers of SQL on standard output: a table for people, CSV that no spreadsheet executes, JSON lines."""

from __future__ import annotations

import csv
import io
import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import click

Rows = Iterable[Sequence[Any]]


def plain(value: Any) -> str:
    """A cell in one line, empty where there is nothing."""
    from process_anatomy.views.shown import safe_text

    if isinstance(value, list):
        return safe_text("; ".join(map(str, value)))
    return "" if value is None else safe_text(str(value))


def print_table(names: Sequence[str], rows: Rows) -> None:
    """A table whose columns are as wide as what stands in them."""
    table = [list(names), *([plain(value) for value in row] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    for row in table:
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def print_csv(names: Sequence[str], rows: Rows) -> None:
    """CSV in UTF-8, whatever the console's encoding is."""
    from process_anatomy.views.files import harmless

    sys.stdout.flush()
    text = io.TextIOWrapper(sys.stdout.buffer, "utf-8", "backslashreplace", newline="", write_through=True)
    lines = csv.writer(text)
    lines.writerow(names)
    lines.writerows([harmless(plain(value)) for value in row] for row in rows)
    text.detach()


def print_json_lines(names: Sequence[str], rows: Rows, more: Mapping[str, Any] | None = None) -> None:
    """An object for each row, one a line.

    Args:
        names: of the columns.
        rows: the rows.
        more: what every object begins with.
    """
    for row in rows:
        click.echo(json.dumps({**(more or {}), **dict(zip(names, row, strict=True))}, default=str))
