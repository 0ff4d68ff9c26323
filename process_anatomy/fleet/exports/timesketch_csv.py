"""The events of :mod:`process_anatomy.fleet.exports.timesketch` as CSV, whose first line names the fields."""

from __future__ import annotations

from typing import BinaryIO

from process_anatomy.fleet.exports.source import Source, view_of, write_csv
from process_anatomy.fleet.exports.timesketch import documents
from process_anatomy.views.flat import LEADING

FIRST = ("message", "timestamp", "datetime", "timestamp_desc", "data_type", "image", "hostname")


def write(source: Source, name: str, file: BinaryIO) -> int:
    """Write the events of a view; gives how many."""
    leading = {column.name for column in LEADING}
    own = [column.name for column in view_of(name).columns if column.name not in leading]
    return write_csv([*FIRST, *own, "absent"], documents(source, name), file)
