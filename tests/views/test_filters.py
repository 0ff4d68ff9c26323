"""Options that keep rows: for the questions that readers ask of one view."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from process_anatomy import open_image, views
from process_anatomy.absent import NOT_APPLICABLE, Absent, Kind
from process_anatomy.views.declaration import INTEGER, TEXT, Column, Option, Request, Row, View
from process_anatomy.views.image import Image
from process_anatomy.views.problems import answer
from tests.conftest import SAMPLE

HIDDEN = 7148
"""A process of the sample that the active list does not hold."""
LOST = Absent(Kind.UNREADABLE, "its page is not there")
FILTERS = [(view, option) for view in views.views() for option in view.options if option.columns]


@pytest.fixture(scope="module")
def sample() -> Image:
    return open_image(SAMPLE)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("handles", {"target": "LSASS.exe"}),
        ("privileges", {"privilege": "sedebug", "state": "enabled"}),
        ("tokens", {"user": "student"}),
        ("vads", {"mapped": "helper.dll"}),
    ],
)
def test_rows_that_are_kept_are_those_that_hold_the_text(name: str, options: dict[str, str], sample: Image) -> None:
    view = views.view(name)
    columns = {option.name: option.columns for option in view.options}
    kept = list(sample.view(name, **options))
    whole = [
        row
        for row in sample.view(name)
        if all(any(text.lower() in str(row[c] or "").lower() for c in columns[key]) for key, text in options.items())
    ]
    assert kept
    assert kept == whole
    assert {row.depth for row in kept} == {0}


@pytest.mark.parametrize(("view", "option"), FILTERS, ids=lambda each: each.name)
def test_a_filter_looks_at_columns_of_text(view: View, option: Option) -> None:
    kinds = {column.name: column.kind for column in view.columns}
    assert {kinds[name] for name in option.columns} == {TEXT}


def test_rows_that_cannot_be_judged_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """What does not apply is no match, and nothing that is missing."""
    names: list[Any] = ["a.dll", LOST, NOT_APPLICABLE, None, "b.exe", LOST]

    def rows(_: Request) -> Iterator[Row]:
        for number, name in enumerate(names):
            yield number, {"Number": number, "Name": name}

    columns = (Column("Number", INTEGER, "a number", "here"), Column("Name", TEXT, "a name", "here"))
    view = View("odd", "Odd.", "process", columns, rows, options=(Option("name", TEXT, "a name", columns=("Name",)),))
    told: list[str] = []
    nothing: Any = None
    request = Request(nothing, nothing, {"name": "DLL"}, told.extend)
    assert list(answer(view, request)) == [(0, {"Number": 0, "Name": "a.dll"})]
    assert told == ["--name: 2 rows are left out whose Name could not be read"]


def test_a_hidden_process_that_a_view_leaves_out_is_named_in_one_line(sample: Image) -> None:
    """Every view that can be asked for single processes: it has rows of it, or one line says which command has."""
    for view in views.views():
        if not view.by_process or not view.of_image or view.name in ("all", "report"):  # these write files
            continue
        asked = sample.view(view.name, explain="off")
        if not any(row.get("PID") == HIDDEN for row in asked):
            (line,) = (line for line in asked.problems if "shade.exe (7148)" in line)
            assert "--pid shows them" in line, view.name
