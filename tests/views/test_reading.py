"""Rows as people read them: recorded screens of three widths, and what holds on every width for whatever memory says.

python -m tests.views.test_reading      # records the screens anew
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from process_anatomy import open_image, views
from process_anatomy.views.declaration import DISABLED
from process_anatomy.views.image import Image
from process_anatomy.views.reading import BESIDE, LONGEST, Head, Plan, Reading, Told, plan_of, told_row
from process_anatomy.views.records import Record
from process_anatomy.views.screen import NARROWEST, Screen, length
from process_anatomy.views.shown import safe_text
from process_anatomy.volatility.cells import grid
from process_anatomy.volatility.notes_renderer import NotesRenderer
from tests.conftest import SAMPLE, Vol

SCREENS = Path(__file__).parent / "screens"
WIDTHS = (80, 120, 200)
SHOWN: dict[str, dict[str, Any]] = {
    "findings": {"pid": 7148},
    "crossview": {"pid": 7148},
    "vads": {"pid": 7148},
    "handles": {"pid": 5212},
    "processes": {},
}
"""Views whose screens are recorded, and of which processes."""
PIECE = 60
"""Lines of a recorded screen."""
HOSTILE = "\x1b[31m<script>\u202e\ud800\r\n{process} " + "A" * 32768


@cache
def image() -> Image:
    return open_image(SAMPLE)


@cache
def rows_of(name: str) -> tuple[Record, ...]:
    return tuple(image().view(name, **SHOWN.get(name, {"pid": 5212})))


def laid_out(name: str, screen: Screen, wide: bool = False) -> list[str]:
    """The lines of a view."""
    view = views.view(name)
    return read(plan_of(view, wide), screen, [told_row(view, row) for row in rows_of(name)])


def read(plan: Plan, screen: Screen, rows: list[Told]) -> list[str]:
    reading = Reading(plan, screen)
    return [*(line for row in rows for line in reading.add(row)), *reading.end()]


def recorded() -> Iterator[tuple[Path, str]]:
    """Each file, and what it is to hold."""
    for name in SHOWN:
        for width in WIDTHS:
            lines = laid_out(name, Screen(width))[:PIECE]
            yield SCREENS / f"{name}-{width}.txt", "\n".join(lines) + "\n"


def test_screens_are_as_they_were_recorded() -> None:
    for path, text in recorded():
        assert path.read_text("utf-8") == text, path.name


@pytest.mark.parametrize("wide", [False, True])
@pytest.mark.parametrize("name", ["vads", "tokens", "findings", "threads"])
def test_no_line_is_wider_than_the_screen_and_no_word_is_lost(name: str, wide: bool) -> None:
    """Every fact of the columns that are shown stands somewhere, however narrow the screen."""
    view = views.view(name)
    for width in (NARROWEST, *WIDTHS):
        lines = laid_out(name, Screen(width), wide)
        assert max(map(length, lines)) <= width
        text = re.sub(r"[│├└─\s]", "", "".join(lines))
        for row in rows_of(name):
            told = dict(told_row(view, row).cells)
            assert told.pop("File output", DISABLED) == DISABLED
            shown = view.names if wide else (*view.telling, "Explanation")
            if width < BESIDE:  # else words of both sides are mixed
                assert re.sub(r"\s", "", told["Explanation"]) in text
            for column in told.keys() & shown:
                assert re.sub(r"\s", "", told[column])[:4] in text, column


def test_an_explanation_that_rows_in_a_row_share_is_told_once() -> None:
    plan = Plan((Head("Name"),))
    rows = [Told(0, {"Name": name, "Explanation": "It is one of them."}) for name in "abc"]
    rows.append(Told(0, {"Name": "d", "Explanation": "It is not."}))
    assert read(plan, Screen(80), rows) == [
        "Name",
        "a",
        "b",
        "c",
        "    (3 rows) It is one of them.",
        "d",
        "    It is not.",
    ]
    assert read(plan, Screen(120), rows) == [
        "Name",
        "a     (3 rows) It is one of them.",
        "b",
        "c",
        "d     It is not.",
    ]


def test_rows_without_an_explanation_are_one_line_each() -> None:
    rows = [Told(0, {"Name": name}) for name in "aab"]
    assert read(Plan((Head("Name"),)), Screen(80), rows) == ["Name", "a", "a", "b"]


def test_a_fact_that_could_not_be_read_is_marked_and_its_reason_stands_below() -> None:
    view = views.view("processes")
    row = dict.fromkeys(view.names) | {"PID": 4, "Problems": ["ImagePath: its page is not there"]}
    gone = {"ImagePath": "its page is not there", "ExitTime": "not applicable", "Protection": "not in this build"}
    text = "\n".join(read(plan_of(view), Screen(80), [told_row(view, Record(row, 0, gone))]))
    assert text == "PID  ImagePath\n  4  ?\n    Problems: ImagePath: its page is not there"


def test_a_tree_is_drawn_with_its_branches_and_without_them_where_the_encoding_has_none() -> None:
    plan = Plan((Head("Name", True),))
    rows = [Told(depth, {"Name": name, "Explanation": name.upper()}) for depth, name in enumerate("abc")]
    rows += [Told(1, {"Name": "d"}), Told(2, {"Name": "e"}), Told(0, {"Name": "f"})]
    assert read(plan, Screen(80), rows) == [
        "Name",
        "a",
        "│     A",
        "├─b",
        "│ │     B",
        "│ └─c",
        "│       C",
        "└─d",
        "  └─e",
        "f",
    ]
    plain = read(plan, Screen(80, drawn=False), rows)
    assert [line[:4].rstrip() for line in plain[:7]] == ["Name", "a", "|", "+-b", "| |", "| `-", "|"]
    assert all(line.isascii() for line in plain)


@settings(deadline=None, max_examples=50)
@example([(0, "", "\x1f\U0001019d\U0002ebe1\U0002ebe10000\x1f\U0001019d\U0001b2fc"), (1, "", "")])
@given(st.lists(st.tuples(st.integers(0, 40), st.text(max_size=90), st.text(max_size=200)), min_size=1, max_size=12))
def test_whatever_rows_hold_fits_and_acts_on_no_terminal(found: list[tuple[int, str, str]]) -> None:
    rows = [
        Told(depth, {"Path": safe_text(path), "PID": "7", "Explanation": safe_text(words), "More": safe_text(words)})
        for depth, path, words in found
    ]
    for width in (NARROWEST, 80, 120):
        for line in read(Plan((Head("Path"), Head("More")), ("PID",)), Screen(width), rows):
            assert line.isprintable()
            assert length(line) <= width


def test_a_text_without_end_is_cut_and_its_length_told_unless_all_was_asked_for() -> None:
    view = views.view("creation")
    row = Record(dict.fromkeys(view.names) | {"PID": 4, "Evidence": [HOSTILE], "CommandLine": HOSTILE}, 0, {})
    few = read(plan_of(view), Screen(80), [told_row(view, row)])
    assert len(few) < 20
    assert "characters; --wide shows all)" in " ".join(few)
    every = read(plan_of(view, wide=True), Screen(80), [told_row(view, row)])
    assert "".join(every).count("A") == 2 * 32768
    assert all(length(line) <= 80 for line in (*few, *every))
    assert LONGEST < 32768


def test_colours_are_marks_around_the_same_text() -> None:
    plain, coloured = (laid_out("findings", Screen(80, colour)) for colour in (False, True))
    assert "\x1b[1m" in coloured[0]
    assert [re.sub(r"\x1b\[[0-9;]*m", "", line) for line in coloured] == plain


def test_many_rows_are_laid_out_in_parts_whose_processes_are_named_once() -> None:
    rows = [Told(0, {"PID": "4", "Process": "System", "Name": f"{number}"}) for number in range(1000)]
    reading = Reading(Plan((Head("Name"),), ("PID", "Process")), Screen(80))
    parts = [list(reading.add(row)) for row in rows]
    assert sum(map(bool, parts)) == 2
    lines = [*(line for part in parts for line in part), *reading.end()]
    assert lines.count("System (4)") == 1
    assert [line.strip() for line in lines if line.strip().isdigit()] == [str(number) for number in range(1000)]


def test_volatility_renders_what_show_prints(capsys: pytest.CaptureFixture[str], monkeypatch: Any) -> None:
    """Of our own plugins, to the letter; with --wide, but for the bits of addresses that stock plugins leave out."""
    monkeypatch.setenv("COLUMNS", "100")
    for name in ("vads", "processes", "findings"):
        answer = image().view(name, **SHOWN.get(name, {}))
        NotesRenderer().render(grid(answer.view, answer.rows()))
        assert capsys.readouterr().out.splitlines() == ["", *laid_out(name, Screen(100))]
    answer = image().view("processes")
    renderer = NotesRenderer()
    renderer.column_hide_list = ["Offset", "Explanation"]
    renderer.render(grid(answer.view, answer.rows(), wide=True))
    out = capsys.readouterr().out
    assert "VadRoot" in out
    assert "Offset(V)" not in out
    assert "runs as" not in out


def test_vol_finds_the_renderer(vol: Vol) -> None:
    """Ours and stock plugins; the choices that vol lists are those that it has found."""
    answer = vol("-r", "notes", "-f", SAMPLE, "windows.anatomy.vads", "--pid", "7148")
    assert answer.status == 0, answer.err
    lines = answer.out.splitlines()
    assert lines[lines.index("shade.exe (7148)") :] == laid_out("vads", Screen(200))
    assert "notes" in vol("-r", "weather").err


if __name__ == "__main__":
    SCREENS.mkdir(exist_ok=True)
    for file, content in recorded():
        file.write_text(content, "utf-8")
        print(file)
