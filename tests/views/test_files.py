"""Rows in files, read back by libraries that did not write them."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, BinaryIO

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from process_anatomy import open_image
from process_anatomy.absent import NOT_APPLICABLE, Absent, Kind
from process_anatomy.errors import RequestError
from process_anatomy.views.declaration import ADDRESS, BOOLEAN, INTEGER, TEXT, TEXTS, TIME, Column, View
from process_anatomy.views.files import FORMULA, WRITERS, harmless
from process_anatomy.views.records import records
from process_anatomy.views.schema import ABSENT, json_schema, utf8
from tests.conftest import SAMPLE

VIEW = View(
    "odd",
    "One column of each kind.",
    "process",
    (
        Column("number", INTEGER, "a number", "here"),
        Column("below", INTEGER, "a number that may be below zero", "here", signed=True),
        Column("at", ADDRESS, "an address", "here"),
        Column("text", TEXT, "a text", "here"),
        Column("yes", BOOLEAN, "a truth value", "here"),
        Column("when", TIME, "a time", "here"),
        Column("texts", TEXTS, "texts", "here"),
    ),
    lambda request: iter(()),
)
CELLS = st.fixed_dictionaries(
    {
        "number": st.integers(0, (1 << 64) - 1) | st.none(),
        "below": st.integers(-(1 << 63), (1 << 63) - 1),
        "at": st.integers(0, (1 << 64) - 1) | st.just(Absent(Kind.UNREADABLE, "its page is not there")),
        "text": st.text(st.characters()) | st.just(NOT_APPLICABLE),
        "yes": st.booleans(),
        "when": st.integers(0, 1 << 63),
        "texts": st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=8), max_size=3),
    }
)
ROWS = st.lists(CELLS, max_size=6)


def written(name: str, rows: list[dict[str, Any]]) -> bytes:
    """A file's octets."""
    file = io.BytesIO()
    assert WRITERS[name](VIEW, records(VIEW, ((0, cells) for cells in rows)), file) == len(rows)
    return file.getvalue()


@settings(deadline=None)
@given(ROWS)
def test_json_lines_are_rows_of_the_schema(rows: list[dict[str, Any]]) -> None:
    validator = jsonschema.Draft202012Validator(json_schema(VIEW, absent=True))
    found = [json.loads(line) for line in written("jsonl", rows).split(b"\n")[:-1]]
    assert len(found) == len(rows)
    for row, cells in zip(found, rows, strict=True):
        validator.validate(row)
        assert row["number"] == cells["number"]
        for name in ("at", "text"):
            assert (name in row[ABSENT]) == isinstance(cells[name], Absent)
            assert row[name] == (None if isinstance(cells[name], Absent) else utf8(cells[name]))


@settings(deadline=None)
@given(ROWS)
def test_parquet_holds_every_number_whole(rows: list[dict[str, Any]]) -> None:
    """64 bits without a sign, and below zero; half a surrogate pair does not end the file."""
    found = parquet.read_table(io.BytesIO(written("parquet", rows))).to_pylist()
    assert [row["number"] for row in found] == [cells["number"] for cells in rows]
    assert [row["below"] for row in found] == [cells["below"] for cells in rows]
    assert [row["texts"] for row in found] == [cells["texts"] for cells in rows]
    assert [row["at"] for row in found] == [None if isinstance(c["at"], Absent) else c["at"] for c in rows]


@settings(deadline=None)
@given(ROWS)
def test_no_cell_of_csv_is_a_formula(rows: list[dict[str, Any]]) -> None:
    heading, *found = csv.reader(io.StringIO(written("csv", rows).decode("utf-8"), newline=""))
    assert heading == [*VIEW.names, ABSENT]
    assert len(found) == len(rows)
    for row, cells in zip(found, rows, strict=True):
        for name, value in zip(heading, row, strict=True):
            assert name == "below" or not value.startswith(FORMULA)  # a number below zero is one
        assert row[2] == ("" if isinstance(cells["at"], Absent) else f"{cells['at']:#x}")


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\tx", "\r=1"])
def test_a_text_that_begins_like_a_formula_stands_behind_an_apostrophe(text: str) -> None:
    assert harmless(text) == f"'{text}"
    assert harmless(f"x{text}") == f"x{text}"


@pytest.mark.parametrize("text", ["a;=1", "a; -b", "a\t@c", "a;  +d", "\uff1d1", "a;\uff20b"])
def test_no_part_of_a_text_begins_like_a_formula_either(text: str) -> None:
    """A spreadsheet for which a comma is the sign of decimals parts cells at semicolons, even between quotes."""
    told = harmless(text)
    assert told.replace("'", "") == text
    for part in re.split("[;\t]", told):
        assert not part.strip(" ").startswith(FORMULA)


def test_the_time_is_that_of_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    """100 ns since 1601, in UTC, to the microsecond."""
    cells: dict[str, Any] = dict.fromkeys(VIEW.names) | {"when": 133_000_000_000_000_010}
    moment = datetime(2022, 6, 18, 4, 26, 40, 1, tzinfo=timezone.utc)
    assert json.loads(written("jsonl", [cells]))["when"] == moment.isoformat()
    assert parquet.read_table(io.BytesIO(written("parquet", [cells]))).to_pylist()[0]["when"] == moment


class Full(io.RawIOBase):
    """A disk that is full."""

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        raise OSError(28, "No space left on device")


@pytest.mark.parametrize("writer", WRITERS.values(), ids=list(WRITERS))
def test_a_full_disk_is_told_as_such(writer: Callable[[View, Any, BinaryIO], int]) -> None:
    cells: dict[str, Any] = dict.fromkeys(VIEW.names)
    file: Any = Full()
    with pytest.raises(OSError, match="No space left"):
        writer(VIEW, records(VIEW, [(0, cells)] * 3), file)


def test_all_views_are_written_where_there_is_a_place(tmp_path: Path) -> None:
    """One row for each file; the same rows as each view has by itself."""
    image = open_image(SAMPLE)
    with pytest.raises(RequestError, match="no place to write files to"):
        list(image.view("all"))

    @contextmanager
    def output(start: str, name: object, ending: str) -> Iterator[Any]:
        path = tmp_path / f"{start}.{name}.{ending}"
        with path.open("wb") as file:
            yield Named(file, path.name)

    few = ["tokens", "selfcheck"]
    answer = list(image.view("all", output=output, views=few, format="csv", image="host1", explain="full"))
    assert [row["View"] for row in answer] == few
    for row in answer:
        assert row["Rows"] == sum(1 for _ in image.view(str(row["View"]), hidden=True).rows())
        text = (tmp_path / str(row["File output"])).read_text("utf-8")
        lines = list(csv.DictReader(io.StringIO(text, newline="")))
        assert len(lines) == row["Rows"]
        assert {line["image"] for line in lines} == {"host1"}
        assert str(row["Explanation"]).startswith(image.view(str(row["View"])).view.title)


def test_a_view_whose_file_cannot_be_written_costs_itself_alone() -> None:
    image = open_image(SAMPLE)

    @contextmanager
    def output(start: str, name: object, ending: str) -> Iterator[Any]:
        if name == "tokens":
            raise OSError(28, "No space left on device")
        yield Named(io.BytesIO(), f"{name}")

    rows = list(image.view("all", output=output, views=["tokens", "selfcheck"]))
    assert rows[0].absent["File output"] == "the file could not be written: No space left on device"
    assert rows[0]["Problems"] == ["File output: the file could not be written: No space left on device"]
    assert (rows[1]["File output"], rows[1].absent) == ("selfcheck", {})


class Named:
    """A file that knows its name, as those that Volatility opens do."""

    def __init__(self, file: BinaryIO, name: str) -> None:
        self.write, self.preferred_filename = file.write, name
        self.flush, self.closed, self.readable, self.seekable = file.flush, False, file.readable, file.seekable
        self.writable, self.tell, self.close = file.writable, file.tell, file.flush
