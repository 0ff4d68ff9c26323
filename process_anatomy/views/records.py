"""Rows as plain Python records: a dictionary for each row, and what the dictionary cannot say beside it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import TYPE_CHECKING, Any

from process_anatomy.absent import Absent, Kind
from process_anatomy.filetime import moment
from process_anatomy.views.declaration import BOOLEAN, TEXTS, TIME, Column, Row, View
from process_anatomy.views.problems import no_time

if TYPE_CHECKING:
    from process_anatomy.views.declaration import Kind as ColumnKind

Value = int | str | bool | datetime | list[str] | None
"""What a record holds under a column's name: addresses are whole, times are aware and in UTC."""


OWN = frozenset({int, str})
"""Types whose values a record has as they are, unless the column makes something of them."""
MADE = frozenset({TEXTS, TIME, BOOLEAN})


class Record(dict[str, Value]):
    """A row by column: ``None`` where there is no fact.  Text is as memory has it, escaped by nobody.

    Attributes:
        depth: how deep the row lies below its parent, where rows form a tree, else 0.
        absent: the columns without a fact that there should be one for, each with the reason in words.
    """

    def __init__(self, values: dict[str, Value], depth: int, absent: dict[str, str]) -> None:
        super().__init__(values)
        self.depth, self.absent = depth, absent


def lost(row: Record, name: str) -> bool:
    """Whether a cell has no fact although there may be one: it applies to the row, and the build has it."""
    return not row.absent.get(name, Kind.NOT_APPLICABLE.value).startswith(
        (Kind.NOT_APPLICABLE.value, Kind.NOT_IN_BUILD.value)
    )


def record(view: View, row: Row) -> Record:
    """A row of a view as a record."""
    depth, cells = row
    values: dict[str, Value] = {}
    absent: dict[str, str] = {}
    for column in view.columns:
        name = column.name
        value = cells[name]
        if value is not None and (type(value) not in OWN or column.kind in MADE):
            value = _value(value, column)
            if isinstance(value, Absent):
                absent[name] = str(value)
                value = None
        values[name] = value
    return Record(values, depth, absent)


def records(view: View, rows: Iterable[Row]) -> Iterator[Record]:
    """The rows of a view as records."""
    return (record(view, row) for row in rows)


def _value(value: Any, column: Column) -> Value | Absent:
    """A cell's value in Python's own types."""
    if value is None or isinstance(value, Absent):
        return value
    kind: ColumnKind = column.kind
    if kind is TEXTS:
        return [str(each) for each in value]
    if kind is TIME:
        return moment(value) or no_time(value)
    if kind is BOOLEAN:
        return bool(value)
    return int(value) if isinstance(value, int) else str(value)
