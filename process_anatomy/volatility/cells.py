"""Rows as Volatility's grid wants them: types, absent values, and text that no terminal acts on."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from volatility3.framework import interfaces, renderers

from process_anatomy.absent import Absent, Kind
from process_anatomy.filetime import moment


def safe_text(text: str) -> str:
    """Text with every character that a terminal or a table would act on shown as an escape."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


FILE_NAME_LIMIT = 64
"""Characters of a name from memory that go into a file's name."""


def safe_file_name(start: str, name: object, ending: str) -> str:
    """A name for a file of ours that holds a name from memory, of which only harmless characters are kept."""
    kept = "".join(c if c.isascii() and (c.isalnum() or c in "-.") else "_" for c in str(name or "")[:FILE_NAME_LIMIT])
    return f"{start}.{kept.strip('.') or 'unnamed'}.{ending}"


ABSENT_VALUES: dict[Kind, type[interfaces.renderers.BaseAbsentValue]] = {
    Kind.UNREADABLE: renderers.UnreadableValue,
    Kind.NOT_APPLICABLE: renderers.NotApplicableValue,
    Kind.NOT_IN_BUILD: renderers.NotAvailableValue,
    Kind.NOT_IN_DUMP: renderers.NotAvailableValue,
    Kind.IMPLAUSIBLE: renderers.UnparsableValue,
    Kind.NOT_PROVED: renderers.NotAvailableValue,
}
"""Kind of absence to Volatility's own absent value."""


class Column(NamedTuple):
    """A column of a plugin: its name and Volatility's type."""

    name: str
    type: Any


def cell(value: Any, kind: Any) -> Any:
    """A value as Volatility's grid wants it for a column of a type."""
    if isinstance(value, Absent):
        return ABSENT_VALUES[value.kind]()
    if value is None:
        return renderers.NotApplicableValue()
    if kind is str:
        return safe_text(str(value))
    if kind is datetime:
        return moment(value) or renderers.UnparsableValue()
    return kind(value)


MASK_48 = (1 << 48) - 1


def short_address(address: Any) -> Any:
    """A kernel address as the stock process plugins print it: without its upper 16 bits."""
    return address & MASK_48 if isinstance(address, int) else address


def grid(columns: Sequence[Column], rows: Iterable[tuple[int, Sequence[Any]]]) -> renderers.TreeGrid:
    """Rows as Volatility's grid."""
    kinds = [column.type for column in columns]
    cells = ((depth, tuple(map(cell, row, kinds))) for depth, row in rows)
    return renderers.TreeGrid([(column.name, column.type) for column in columns], cells)
