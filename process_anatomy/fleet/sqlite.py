"""Rows of views as tables of one SQLite database, which has no unsigned numbers of 64 bits."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from process_anatomy.views.declaration import ADDRESS, BOOLEAN, INTEGER, Column, View
from process_anatomy.views.records import Record
from process_anatomy.views.schema import ABSENT, utf8

HIGHEST = (1 << 63) - 1


def quoted(name: str) -> str:
    """A name as SQL has it."""
    return '"' + name.replace('"', '""') + '"'


def write_table(view: View, rows: Iterable[Record], database: sqlite3.Connection) -> int:
    """A table of the view's name; gives the number of rows.

    Addresses are text of 18 characters in hexadecimal, which sorts as the numbers do; times are text in UTC, lists and
    the reasons of absent cells JSON.
    """
    columns = ", ".join(f"{quoted(column.name)} {_type(column)}" for column in view.columns)
    database.execute(f"CREATE TABLE {quoted(view.name)} ({columns}, {quoted(ABSENT)} TEXT)")
    places = ", ".join("?" * (len(view.columns) + 1))
    count = 0

    def cells() -> Iterable[list[Any]]:
        nonlocal count
        for row in rows:
            count += 1
            yield [*(_cell(row[c.name], c) for c in view.columns), json.dumps(row.absent) if row.absent else None]

    table = quoted(view.name)  # names are ours
    database.executemany(f"INSERT INTO {table} VALUES ({places})", cells())  # noqa: S608
    return count


def _type(column: Column) -> str:
    return "INTEGER" if column.kind in (INTEGER, BOOLEAN) else "TEXT"


def _cell(value: Any, column: Column) -> Any:
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, int):
        return f"{value:#018x}" if column.kind is ADDRESS else value if -HIGHEST <= value <= HIGHEST else str(value)
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, list):
        return json.dumps(value)
    return None if value is None else utf8(str(value))
