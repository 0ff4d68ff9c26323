"""Rows of a view written to a file that programs read: JSON lines, CSV or Parquet, row by row as they come.

Text is written in UTF-8 whatever the console's encoding is; half a surrogate pair, which Windows allows in names,
becomes an escape.
"""

from __future__ import annotations

import csv
import io
import re
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO

from process_anatomy.views.declaration import ADDRESS, Column, View
from process_anatomy.views.records import Record
from process_anatomy.views.schema import ABSENT, json_bytes, json_record

ROWS_AT_ONCE = 1 << 14
"""Rows that are gathered before a part of a Parquet file is written."""
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""What a spreadsheet takes for the beginning of a formula, or cells of its own; the last four are the first in full
width, which some take for the same.  https://owasp.org/www-community/attacks/CSV_Injection"""
INSIDE = re.compile(f"([;\t] *)(?=[{re.escape(''.join(FORMULA))}])")
"""The same behind what parts cells where a comma is the sign of decimals."""


def write_json_lines(view: View, rows: Iterable[Record], file: BinaryIO) -> int:
    """One JSON object a line, as :func:`process_anatomy.views.schema.json_schema` has it; gives the number of rows."""
    count = 0
    for row in rows:
        file.write(json_bytes(json_record(row) | {ABSENT: row.absent}) + b"\n")
        count += 1
    return count


def write_csv(view: View, rows: Iterable[Record], file: BinaryIO) -> int:
    """A line of names and one for each row, in which no spreadsheet finds a formula; gives the number of rows.

    Addresses, and numbers that are read by their bits, are hexadecimal; lists are one text.
    """
    text = io.TextIOWrapper(file, "utf-8", "backslashreplace", newline="", write_through=True)
    count = 0
    try:
        lines = csv.writer(text)
        lines.writerow([*view.names, ABSENT])
        for row in rows:
            cells = [_cell(row[column.name], column) for column in view.columns]
            lines.writerow([*cells, harmless(reasons_text(row.absent))])
            count += 1
    finally:
        with suppress(OSError):
            text.detach()  # the file is whoever's gave it
    return count


def write_parquet(view: View, rows: Iterable[Record], file: BinaryIO) -> int:
    """A Parquet file with the schema of :mod:`process_anatomy.views.arrow`; gives the number of rows.

    Raises:
        RequestError: pyarrow is not installed.
    """
    from process_anatomy.views.arrow import parquet

    return parquet(view, _parts(rows), file)


def _parts(rows: Iterable[Record]) -> Iterator[list[Record]]:
    part: list[Record] = []
    for row in rows:
        part.append(row)
        if len(part) == ROWS_AT_ONCE:
            yield part
            part = []
    yield part


def _cell(value: Any, column: Column) -> str:
    text = value.isoformat() if isinstance(value, datetime) else cell_text(value, column)
    return harmless(text) if isinstance(value, (str, list)) else text


def reasons_text(absent: Mapping[str, str]) -> str:
    """Reasons of cells without a fact, by column, as one text."""
    return "; ".join(f"{name}: {why}" for name, why in absent.items())


def cell_text(value: Any, column: Column) -> str:
    """A cell as one text, empty where there is nothing: numbers that are read by their bits are hexadecimal."""
    if value is None:
        return ""
    if isinstance(value, list):
        return column.separator.join(value)
    if isinstance(value, int) and (column.kind is ADDRESS or column.hexadecimal):
        return f"{value:#x}"
    return str(value)


def harmless(text: str) -> str:
    """Text that no spreadsheet takes for a formula: behind an apostrophe where it begins like one.

    So does what is behind a semicolon or a tab: where a comma is the sign of decimals, spreadsheets part cells there,
    quoted or not.
    """
    return INSIDE.sub(r"\1'", f"'{text}" if text.startswith(FORMULA) else text)


def join_lines(parts: Iterable[Path], file: BinaryIO) -> None:
    """Files of JSON lines as one."""
    for part in parts:
        with part.open("rb") as lines:
            shutil.copyfileobj(lines, file)


def join_csv(parts: Iterable[Path], file: BinaryIO) -> None:
    """CSV files as one, with the names of the first alone."""
    for number, part in enumerate(parts):
        with part.open("rb") as lines:
            names = lines.readline()
            file.write(b"" if number else names)
            shutil.copyfileobj(lines, file)


def join_parquet(parts: Iterable[Path], file: BinaryIO) -> None:
    """Parquet files as one.

    Raises:
        RequestError: pyarrow is not installed.
    """
    from process_anatomy.views import arrow

    arrow.join_parquet(parts, file)


Writer = Callable[[View, Iterable[Record], BinaryIO], int]
WRITERS: dict[str, Writer] = {"jsonl": write_json_lines, "csv": write_csv, "parquet": write_parquet}
"""Name of a format, and ending of its files, to what writes one."""

Joiner = Callable[[Iterable[Path], BinaryIO], None]
JOINERS: dict[str, Joiner] = {"jsonl": join_lines, "csv": join_csv, "parquet": join_parquet}
"""Name of a format to what makes one file of the parts of a view, in their order; there is one at least."""
