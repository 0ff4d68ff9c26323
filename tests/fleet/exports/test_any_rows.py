"""Whatever rows hold, and however many there are: each form is whole, and is written as rows come."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
import stix2
from hypothesis import given, settings
from hypothesis import strategies as st

from process_anatomy.fleet.exports import FORMS
from process_anatomy.fleet.exports.source import Source, view_of
from process_anatomy.views.declaration import TEXT, TEXTS
from process_anatomy.views.files import FORMULA
from process_anatomy.views.records import Record
from process_anatomy.views.schema import utf8
from tests.fleet.exports.made import hostile, lines, worst, written

ANY = st.text(st.characters(exclude_categories=()), max_size=20)
KEPT = ("Rule", "Severity", "Technique", "Variable", "Value")
"""Columns of which views say what they may hold."""
NUMBER = 30


def holding(text: str) -> Source:
    """A source all of whose texts are this one."""

    def rows(name: str) -> Iterator[Record]:
        found = worst(name)
        for column in view_of(name).columns:
            if column.kind in (TEXT, TEXTS) and column.name not in KEPT:
                found[column.name] = text if column.kind is TEXT else [text]
        yield found

    return replace(hostile(), rows=rows)


def texts(value: Any) -> Iterator[str]:
    """Every text in an object."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, (dict, list)):
        for each in value.values() if isinstance(value, dict) else value:
            yield from texts(each)


@settings(deadline=None, max_examples=25)
@given(ANY)
def test_every_text_arrives_whole_in_every_form(text: str) -> None:
    """As the form's own reader reads it."""
    source = holding(text)
    for form in FORMS.values():
        for name in form.views:
            content = written(source, form.name, name)
            if form.ending.endswith(".csv"):
                rows = list(csv.reader(io.StringIO(content.decode("utf-8"), newline="")))
                assert rows[1:] or name == "tokens"
                assert not any(cell.startswith(FORMULA) for row in rows for cell in row)
            elif form.ending.endswith(".jsonl"):
                (found, *_) = lines(content)
                assert any(utf8(text) in each for each in texts(found))
            elif form.name == "stix":
                told = {one.type: one for one in stix2.parse(content.decode("utf-8")).objects}
                assert told["process"].get("command_line", "") == utf8(text)
            else:
                assert json.loads(content)["runs"][0]["results"][0]["properties"].get("innocent", "") == utf8(text)


class Watched(io.BytesIO):
    """A file that notes, at each write, how many rows were asked for by then."""

    def __init__(self, asked: list[int]) -> None:
        super().__init__()
        self.asked, self.noted = asked, list[int]()

    def write(self, data: Any) -> int:
        self.noted.append(len(self.asked))
        return super().write(data)


@pytest.mark.parametrize(
    ("form", "name"), [("timesketch", "threads"), ("ecs", "threads"), ("ocsf", "modules"), ("sarif", "findings")]
)
def test_entries_are_written_as_rows_come(form: str, name: str) -> None:
    """Each before the next row is asked for, so that however many there are, one is held; processes alone are kept."""
    asked: list[int] = []

    def rows(of: str) -> Iterator[Record]:
        for number in range(NUMBER if of == name else 1):
            if of == name:
                asked.append(number)
            yield worst(of, row=number)

    file = Watched(asked)
    count = FORMS[form].write()(replace(hostile(), rows=rows), name, file)
    assert count == NUMBER * (2 if form == "timesketch" else 1)
    first = file.noted.index(1)
    entries = file.noted[first : first + count]
    assert entries == [1 + number * NUMBER // count for number in range(count)]
