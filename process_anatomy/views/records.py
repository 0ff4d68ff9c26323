"""Rows as plain Python records: a dictionary for each row, and what the dictionary cannot say beside it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from types import NoneType
from typing import Any

from process_anatomy.absent import NOT_APPLICABLE, Absent, Kind
from process_anatomy.filetime import moment
from process_anatomy.views.blocks import blocks, columns
from process_anatomy.views.declaration import ADDRESS, BOOLEAN, INTEGER, TEXT, TEXTS, TIME, Column, Row, View
from process_anatomy.views.declaration import Kind as ColumnKind
from process_anatomy.views.problems import no_time

Value = int | str | bool | datetime | list[str] | None
"""What a record holds under a column's name: addresses are whole, times are aware and in UTC."""


PLAIN: dict[ColumnKind, set[type]] = {
    INTEGER: {int, NoneType},
    ADDRESS: {int, NoneType},
    TEXT: {str, NoneType},
    BOOLEAN: {bool, NoneType},
    TIME: {NoneType},
    TEXTS: {NoneType},
}
"""Kind of a column to the types of cells that are values of a record as they are."""
NEEDLESS = str(NOT_APPLICABLE)


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
    return next(records(view, [row]))


def records(view: View, rows: Iterable[Row]) -> Iterator[Record]:
    """The rows of a view as records."""
    names, by_column = view.names, columns(view.names)
    for block in blocks(rows):
        absent: list[dict[str, str]] = [{} for _ in block]
        found = [_plain(values, column, absent) for column, values in zip(view.columns, by_column(block), strict=True)]
        for (depth, _), values, why in zip(block, zip(*found, strict=True), absent, strict=True):
            yield Record(dict(zip(names, values, strict=True)), depth, why)


def _plain(values: Sequence[Any], column: Column, absent: Sequence[dict[str, str]]) -> Sequence[Any]:
    """The cells of a column in Python's own types; where one is absent, ``None``, and the reason is put down."""
    kinds = set(map(type, values))
    if kinds <= PLAIN[column.kind]:
        return values
    found = list(values)
    for row, value in enumerate(values):
        made = value if value is NOT_APPLICABLE else _value(value, column)
        if isinstance(made, Absent):
            absent[row][column.name] = NEEDLESS if made is NOT_APPLICABLE else str(made)
            made = None
        found[row] = made
    return found


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
