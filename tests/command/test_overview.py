"""One process on one screen: recorded screens, counts beside the forge's truth, and what cannot be read or is hostile.

python -m tests.command.test_overview      # records the screens anew
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from process_anatomy import open_image
from process_anatomy.command.overview import INDENT, laid_out, overview
from process_anatomy.command.parts import PARTS, Fact
from process_anatomy.command.program import main
from process_anatomy.notes.library import default
from process_anatomy.views import view
from process_anatomy.views.image import Image
from process_anatomy.views.records import Record
from process_anatomy.views.screen import NARROWEST
from tests.conftest import SAMPLE

SCREENS = Path(__file__).parent / "screens"
PATH = Path("samples") / "memory of a lab.dmp"
RECORDED = [(5212, 80), (5212, 120), (5212, 200), (7148, 100)]
SCREEN = 42
"""Lines that an overview takes at most where a line has 100 characters or more."""
HOSTILE = "\x1b[31m<script>\u202e\ud800\r\n{process}" + "A" * 32768


@cache
def image_for(pid: int) -> Image:
    """The sample, opened for one process alone: how much a reason tells depends on what was read before."""
    return open_image(SAMPLE)


@pytest.fixture(scope="module")
def image() -> Image:
    return image_for(5212)


def screen(image: Image, pid: int, width: int, level: str = "brief") -> list[str]:
    """The lines of an overview."""
    told = overview(image, PATH, pid, level, width)
    assert told is not None
    return told[0]


def truth(pid: int) -> Any:
    """What the forge put into the sample for a process."""
    made = json.loads((SAMPLE.parent / "lab-win11-22621.truth.json").read_text("utf-8"))
    return next(process for process in made["processes"] if process["pid"] == pid)


@pytest.mark.parametrize(("pid", "width"), RECORDED)
def test_a_screen_is_as_it_was_recorded(pid: int, width: int) -> None:
    recorded = (SCREENS / f"{pid}-{width}.txt").read_text("utf-8")
    assert "\n".join(screen(image_for(pid), pid, width)) + "\n" == recorded


@pytest.mark.parametrize("pid", [4, 5212, 7148, 5588])
def test_a_process_is_one_screen_of_any_width(pid: int) -> None:
    for width in (20, 80, 100, 200):
        lines = screen(image_for(pid), pid, width)
        assert all(len(line) <= max(width, NARROWEST) for line in lines)
        assert len(lines) <= SCREEN or width < 100


@pytest.mark.parametrize("pid", [4, 5212, 7148])
def test_counts_are_those_that_were_forged(pid: int) -> None:
    made, text = truth(pid), "\n".join(screen(image_for(pid), pid, 200))
    for what in ("vads", "handles", "threads"):
        one = {"vads": "VAD", "handles": "handle", "threads": "thread"}[what]
        count = len(made[what])
        assert f"\n{INDENT}{count} {one}{'' if count == 1 else 's'}" in text


def test_the_six_components_come_in_the_order_of_the_notes_each_explained(image: Image) -> None:
    text = " ".join(screen(image, 5212, 200))
    notes = [default()[f"component/{name}"] for name in PARTS]
    assert [note.id for note in notes] == list(default().ids("component/"))[:6]
    places = [text.index(note.brief) for note in notes]
    assert places == sorted(places)
    assert {column for column, _ in PARTS.values()} <= set(view("completeness").names)


def test_a_hidden_process_says_so() -> None:
    text = "\n".join(screen(image_for(7148), 7148, 100))
    assert "\n   odd, or not read: it is not on the list of active processes; other views see it\n" in text
    assert "\n   critical  hidden-process  " in text
    assert "not seen by the active list" in text
    assert "command line: not known (the page is in a page file)" in text


def test_how_much_was_judged_is_told_where_nothing_was_found() -> None:
    (line,) = (line for line in screen(image_for(5588), 5588, 100) if line.startswith("Findings"))
    assert line == "Findings: none; 44 rules were run over 0 running processes"


def test_explanations_are_of_the_level_that_is_asked_for(image: Image) -> None:
    note = default()["component/threads"]
    assert note.analogy in " ".join(screen(image_for(4), 4, 200, "analogy"))
    off = " ".join(screen(image, 5212, 200, "off"))
    assert note.brief not in off
    assert "high  injected-code" in off
    assert "that no file gave it" not in off


class Changed:
    """An image whose rows are changed before they are told."""

    def __init__(self, image: Image, change: Any) -> None:
        self._image, self._change, self.own = image, change, image.own

    def view(self, name: str, **asked: Any) -> Any:
        rows = [self._change(name, row) for row in self._image.view(name, **asked)]
        return Lined(row for row in rows if row is not None)


class Lined(list[Record]):
    """Rows of an answer with which nothing was wrong."""

    problems = ()


def changed(image: Image, change: Any, pid: int = 5212, width: int = 100) -> list[str]:
    return screen(cast(Image, Changed(image, change)), pid, width)


def test_hostile_text_in_any_cell_is_shown_as_text_on_its_line(image: Image) -> None:
    def hostile(name: str, row: Record) -> Record:
        if name == "completeness":  # its words are ours
            return row
        values = {key: HOSTILE if isinstance(value, str) else value for key, value in row.items()}
        values |= {key: [HOSTILE] * 3 for key, value in row.items() if isinstance(value, list)}
        return Record(values, row.depth, row.absent)

    for width in (NARROWEST, 100):
        lines = changed(image, hostile, width=width)
        assert all(line.isprintable() and len(line) <= width for line in lines)
        assert len(lines) <= SCREEN or width < 100
    assert any("\\x1b[31m<script>\\u202e\\ud800\\r\\n{process}AAA" in line for line in lines)


def test_a_process_of_which_nothing_can_be_read_has_a_reason_for_each_fact(image: Image) -> None:
    def unread(name: str, row: Record) -> Record:
        kept = {key: row[key] for key in ("PID", "TID", "Offset", "Offset(V)") if key in row}
        gone = {key: "0x1000: the page is not in memory" for key in row if key not in kept}
        return Record(dict.fromkeys(row, None) | kept, row.depth, gone)

    text = "\n".join(changed(image, unread, width=200))
    why = "not known (the page is not in memory)"
    assert f"image path: {why}" in text
    assert f"command line: {why}" in text
    assert "12 handles: 12 not known (the page is not in memory)" in text
    assert "4 threads: 4 not known (the page is not in memory)" in text
    assert "22 VADs, size not known: 22 not known (the page is not in memory) (size not known)" in text
    assert "private and executable: 22 not known" in text
    assert "odd starts: 4 not known" in text
    assert "no groups could be read" in text
    assert not any(f"no {what}\n" in text for what in ("VADs", "program", "modules", "handles", "threads", "groups"))


def test_what_was_not_read_is_not_told_to_be_missing(image: Image) -> None:
    def lost(name: str, row: Record) -> Record | None:
        if name in ("processes", "creation"):
            return row
        states = {column: "not" for column, _ in PARTS.values()}
        return Record(row | states, 0, {}) if name == "completeness" else None

    text = "\n".join(changed(image, lost))
    for what in ("VADs", "pages", "program", "modules", "handles", "groups", "threads"):
        assert f"no {what} could be read" in text
    assert "user not known" in text


def test_a_view_that_cannot_be_had_is_told_and_the_other_components_stay(image: Image) -> None:
    def refuse(name: str, row: Record) -> Record:
        if name == "handles":
            raise module_error("the table of handles is not in this dump")
        return row

    text = "\n".join(changed(image, refuse))
    assert "\n   no more could be read: the table of handles is not in this dump\n4 Security" in text


def module_error(text: str) -> Exception:
    from process_anatomy.errors import ImageError

    return ImageError(text)


def test_several_processes_with_one_id_are_shown_whole(
    image: Image, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Twice(Changed):
        def view(self, name: str, **asked: Any) -> Any:
            return Lined([*super().view(name, **asked)] * 2)

    assert overview(cast(Image, Twice(image, lambda _, row: row)), PATH, 4, "off", 80) is None
    monkeypatch.setattr("process_anatomy.command.show.overview", lambda *_: None)
    assert main(["show", str(SAMPLE), "--pid", "4"]) == 0
    assert capsys.readouterr().out.startswith("processes: ")


def test_programs_get_every_view_of_a_process(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", str(SAMPLE), "--pid", "5588", "--format", "json"]) == 0
    assert set(json.loads(capsys.readouterr().out)) >= {"processes", "vads", "tokens", "handles", "threads"}


@given(st.text(max_size=60), st.lists(st.text(max_size=40), max_size=8), st.integers(NARROWEST, 130))
def test_a_fact_is_one_line_that_says_how_many_items_it_leaves_out(text: str, items: list[str], width: int) -> None:
    line = laid_out(Fact(text, tuple(items)), width)
    assert line.startswith(INDENT)
    assert line.isprintable()
    assert len(line) <= width


def test_items_that_are_left_out_are_counted() -> None:
    assert laid_out(Fact("five: ", ("a" * 30, "b", "c", "d", "e" * 9)), 49) == f"   five: {'a' * 30}; 4 more"
    assert laid_out(Fact("two: ", ("a" * 60, "b")), 40) == f"   two: {'a' * 22} …; 1 more"
    assert laid_out(Fact("all: ", ("a", "b")), 40) == "   all: a; b"


def record() -> Iterator[Path]:
    """Write every screen anew."""
    for pid, width in RECORDED:
        file = SCREENS / f"{pid}-{width}.txt"
        file.write_text("\n".join(screen(image_for(pid), pid, width)) + "\n", "utf-8")
        yield file


if __name__ == "__main__":
    print(*record(), sep="\n")
