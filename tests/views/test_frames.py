"""Answers as tables of pandas and polars, and as Jupyter shows them."""

from __future__ import annotations

import builtins
from collections.abc import Iterator
from html.parser import HTMLParser
from typing import Any

import pytest

from process_anatomy import open_image
from process_anatomy.absent import Absent, Kind
from process_anatomy.errors import Error, RequestError
from process_anatomy.views import html, view
from process_anatomy.views.declaration import Request, Row
from process_anatomy.views.image import Answer, Image
from tests.conftest import SAMPLE

pandas = pytest.importorskip("pandas")
polars = pytest.importorskip("polars")
WORST = "<script>alert('\"')</script>&\u202e\x00\ud800=1"
BIG = (1 << 64) - 1
VIEW = view("threads")


@pytest.fixture(scope="module")
def sample() -> Image:
    return open_image(SAMPLE)


def answered(*rows: dict[str, Any]) -> Answer:
    """An answer of these cells, without an image."""

    class Made(Answer):
        def rows(self) -> Iterator[Row]:
            return iter([(0, VIEW.all(None) | cells) for cells in rows])

        @property
        def doubt(self) -> str:
            return ""

    def nothing(_: Any) -> Request:
        raise AssertionError

    return Made(VIEW, nothing)


class Seen(HTMLParser):
    """The marks and the text of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.marks: list[str] = []
        self.said: list[str] = []
        self.titles: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.marks.append(tag)
        self.titles += [value or "" for name, value in attrs if name == "title"]

    def handle_data(self, data: str) -> None:
        self.said.append(data)


@pytest.mark.parametrize("name", ["threads", "vads", "tokens", "findings"])
def test_both_tables_hold_what_the_records_hold(name: str, sample: Image) -> None:
    """Every number whole, every time in UTC, nothing where there is nothing."""
    rows = list(sample.view(name, explain="off"))
    answer = sample.view(name, explain="off")
    frame, table = answer.to_pandas(), answer.to_polars()
    assert list(frame.columns) == table.columns == [*answer.view.names, "depth", "absent"]
    assert len(frame) == len(table) == len(rows)
    for column in answer.view.names:
        assert table[column].to_list() == [row[column] for row in rows], column
        for found, row in zip(frame[column], rows, strict=True):
            value = row[column]
            if isinstance(value, list):
                assert list(found) == value
            else:
                assert (pandas.isna(found) and value is None) or found == value, column
    assert [dict(each) for each in frame["absent"]] == [row.absent for row in rows]
    assert [dict(each) for each in table["absent"].to_list()] == [row.absent for row in rows]


def test_a_gap_changes_no_address() -> None:
    """A column of pandas with gaps would be one of floating-point numbers."""
    answer = answered({"Offset": BIG}, {"Offset": Absent(Kind.UNREADABLE, "paged out")}, {"Offset": BIG - 1})
    assert [None if pandas.isna(each) else int(each) for each in answer.to_pandas()["Offset"]] == [BIG, None, BIG - 1]
    assert answer.to_polars()["Offset"].to_list() == [BIG, None, BIG - 1]


def test_half_a_surrogate_pair_ends_no_table() -> None:
    answer = answered({"Process": WORST})
    assert answer.to_pandas()["Process"][0] == answer.to_polars()["Process"][0] == WORST.replace("\ud800", "\\ud800")


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_a_library_that_is_missing_is_named_with_what_brings_it(
    library: str, sample: Image, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = builtins.__import__

    def without(name: str, *rest: Any) -> Any:
        if name == library:
            raise ImportError(name)
        return real(name, *rest)

    answer = sample.view("processes", explain="off")
    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(RequestError, match=rf"{library} need {library}: pip install 'process-anatomy\[frames\]'"):
        getattr(answer, f"to_{library}")()


def test_nothing_that_memory_holds_is_more_than_text_on_a_page() -> None:
    """Neither in a cell nor in a reason, which is an attribute."""
    page = answered({"Process": WORST, "Name": Absent(Kind.UNREADABLE, WORST), "Flags": (WORST, WORST)})._repr_html_()
    seen = Seen(page)
    assert set(seen.marks) == {"table", "caption", "thead", "tbody", "tr", "th", "td"}
    shown = WORST.replace("\u202e", "\\u202e").replace("\x00", "\\x00").replace("\ud800", "\\ud800")
    assert shown in seen.said
    assert any(shown in title for title in seen.titles)
    page.encode("utf-8")
    assert not set(page) & set("\u202e\x00\ud800")


def test_a_page_shows_a_column_only_where_a_row_has_something_to_tell() -> None:
    heads = Seen(answered({"PID": 4, "CreateTime": None}, {"Name": Absent(Kind.UNREADABLE, "gone")})._repr_html_()).said
    assert {"PID", "Name"} <= set(heads)
    assert not {"TID", "CreateTime"} & set(heads)


def test_a_page_is_as_long_as_a_notebook_bears() -> None:
    """It says so; a cell is cut too."""
    page = answered(*({"PID": number, "Name": "x" * 10_000} for number in range(html.ROWS + 50)))._repr_html_()
    assert page.count("<tr>") == html.ROWS + 1
    assert f"the first {html.ROWS} rows" in page
    assert len(page) < html.ROWS * (html.LONGEST + 300)


def test_what_speaks_against_the_rows_stands_above_them(sample: Image, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "do not trust" not in sample.view("processes")._repr_html_()
    monkeypatch.setattr(Answer, "doubt", "the layout <b>does not</b> fit")
    page = sample.view("processes")._repr_html_()
    assert page.startswith("<div")
    assert "do not trust: the layout &lt;b&gt;does not" in page
    assert "shade.exe (7148)" in page  # what was wrong with the list as a whole


def test_an_answer_without_rows_says_why(sample: Image) -> None:
    """In the place of the table."""
    answer = sample.view("vads", pid=3)
    with pytest.raises(Error) as why:
        list(answer)
    assert str(why.value) in Seen(answer._repr_html_()).said


def test_an_image_shows_what_is_known_of_it(sample: Image) -> None:
    said = Seen(sample._repr_html_()).said
    assert "2023-11-16 11:32:20 UTC" in said
    assert "the layout fits the image" in said
    assert repr(sample) == "<image of Windows build 22621, ntoskrnl 22621.1848>"
    assert repr(sample.view("csrss")).startswith("<view csrss: ")
