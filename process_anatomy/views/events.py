"""What happened when, as the times in rows of a view tell: for timelines, whoever draws them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import NamedTuple

from process_anatomy.views.declaration import Column, Moment, View
from process_anatomy.views.files import cell_text
from process_anatomy.views.flat import ADDRESS, PID, PROCESS
from process_anatomy.views.records import Record


class Event(NamedTuple):
    """Something that happened at a time.

    Attributes:
        thing: what it happened to, in one word.
        moment: what happened.
        time: when; aware, in UTC.
        whose: which thing it was, in words that no other row of the view has.
    """

    thing: str
    moment: Moment
    time: datetime
    whose: str


def timed(view: View) -> bool:
    """Whether rows of a view tell when something happened."""
    return any(column.moment for column in view.columns)


def events(view: View, row: Record) -> Iterator[Event]:
    """What a row tells: one event for each of its times that is known.

    Args:
        view: as :func:`process_anatomy.views.flat.flat` gives it.
        row: of that view.
    """
    for column in view.columns:
        time = row[column.name]
        if column.moment is not None and isinstance(time, datetime):
            yield Event(view.thing, column.moment, time, whose(view, row))


def whose(view: View, row: Record) -> str:
    """Which thing a row is about: its process, what tells it from others there, and where it lies; nothing is invented.

    Args:
        view: as :func:`process_anatomy.views.flat.flat` gives it.
        row: of that view.
    """
    name = row[PROCESS] if PROCESS in view.names else None
    parts = [f"{'no name' if name is None else name} ({'no id' if row[PID] is None else row[PID]})"]
    named = {column.name: column for column in view.columns}
    return ", ".join([*parts, *_told(row, [named[each] for each in (*view.known_by, ADDRESS) if each in named])])


def _told(row: Record, columns: list[Column]) -> Iterator[str]:
    for column in columns:
        value = row[column.name]
        if value is not None:
            yield f"{column.name} {cell_text(value, column)}"
