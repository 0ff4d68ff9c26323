"""Whatever a name in memory holds, it is a text in SQL: no statement, no table, no file."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from process_anatomy.fleet.export import MANIFEST
from process_anatomy.fleet.query import Question
from process_anatomy.fleet.sqlite import write_table
from process_anatomy.views.files import WRITERS
from process_anatomy.views.schema import utf8
from tests.fleet.exports.made import view_of, worst

NAMES = [
    "'; drop table processes; --", "\"); drop view processes; --", "..\\..\\x", "/etc/passwd", "a\0b", "CON",
    "x" * 9999, "\u202egnp.exe", "\ud800", "=cmd()", "</script><script>alert(1)</script>",
    "a\n2026-01-01 ERROR root: fake", "{0}%s$1",
]  # fmt: skip
FOLDER = "it's; drop table captures --\"]"
VIEW = view_of("processes")


@settings(deadline=None, max_examples=50)
@given(st.text(st.characters(exclude_categories=()), max_size=20) | st.sampled_from(NAMES))
def test_a_name_is_a_text_in_sqlite(name: str) -> None:
    database = sqlite3.connect(":memory:")
    write_table(VIEW, [worst("processes", process=name), worst("processes")], database)
    assert database.execute("SELECT process FROM processes").fetchall()[0] == (utf8(name),)
    assert database.execute("SELECT name FROM sqlite_master").fetchall() == [("processes",)]
    database.close()


@pytest.mark.parametrize("form", ["jsonl", "csv", "parquet"])
def test_names_are_texts_in_queries_and_so_is_the_folder_that_they_lie_in(form: str, tmp_path: Path) -> None:
    """As many rows as names, each as it is written, and the tables of views and images still there."""
    folder = tmp_path / FOLDER
    folder.mkdir()
    with (folder / f"processes.{form}").open("wb") as file:
        WRITERS[form](VIEW, [worst("processes", process=name, row=row) for row, name in enumerate(NAMES)], file)
    told = {
        "image": {"id": "'; drop table captures", "path": f"{FOLDER}\udcff"},
        "facts": {"verdict": "'; drop table captures"},
    }
    (folder / MANIFEST).write_text(json.dumps(told))
    question = Question([folder])
    _, rows = question.answer("SELECT process FROM processes ORDER BY row")
    found = [row[0] for row in rows]
    assert len(found) == len(NAMES)
    if form != "csv":  # there formulas stand behind an apostrophe
        assert found == [utf8(name) for name in NAMES]
    assert list(question.answer("SELECT image, path FROM captures")[1]) == [
        ("'; drop table captures", f"{FOLDER}\\udcff")
    ]
    question.close()
