"""`anatomy quiz` asks about an image and checks against it: nothing is told beforehand, each miss is explained."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from process_anatomy import open_image
from process_anatomy.command.program import main
from process_anatomy.command.quiz import _one_by_one, answers_of, missed, right
from process_anatomy.errors import RequestError
from process_anatomy.labs.grading import Verdict
from process_anatomy.labs.question import AnswerKind, Question
from process_anatomy.labs.questions import drawn, questions
from process_anatomy.notes.explainer import Explainer

SAMPLE = Path(__file__).resolve().parents[2] / "samples" / "lab-win11-22621.dmp"
ASKED = ("quiz", str(SAMPLE), "--pid", "5212", "--questions", "12", "--seed", "4")


@pytest.fixture(scope="module")
def sheet() -> list[Question]:
    return drawn(questions(open_image(SAMPLE), (5212,), 4), 12, 4)


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(""))


def test_without_answers_the_questions_are_printed_and_nothing_else(
    sheet: list[Question], typed: None, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(ASKED) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines == [f"{n}. {each.text} ({each.kind.value})" for n, each in enumerate(sheet, 1)]


def test_answers_are_checked_against_the_image_and_misses_explained(
    sheet: list[Question], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    told = [f"{number}: {right(each)}" for number, each in enumerate(sheet, 1)]
    answers = tmp_path / "mine.txt"
    answers.write_text("# mine\n" + "\n".join(reversed(told[2:])) + "\n1: no idea at all\n2:\n", "utf-8")
    assert main((*ASKED, "--answers", str(answers))) == 0
    out = capsys.readouterr().out
    assert out.splitlines()[-1] == "12 questions, seed 4: 10 right, 1 wrong, 1 not attempted"
    assert out.count("Right is ") == 2
    assert f"Right is {right(sheet[0])}." in out
    assert f"See: vol -f {SAMPLE} windows.anatomy.{sheet[0].view}" in out


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("1: a\n3) b\n2. c:d\n", {1: "a", 3: "b", 2: "c:d"}),
        ("a\n\nb\n", {1: "a", 3: "b"}),
        ("# sheet\n1: 0x10\n\n2:\n", {1: "0x10"}),
        ("", {}),
    ],
)
def test_answers_are_lines_with_numbers_or_in_order(text: str, found: dict[int, str]) -> None:
    assert answers_of(text) == found


@pytest.mark.parametrize("text", ["1: a\n1: b\n", "1: a\nb\n"])
def test_answers_that_could_be_meant_in_two_ways_are_declined(text: str) -> None:
    with pytest.raises(RequestError):
        answers_of(text)


@given(st.text(max_size=80))
def test_whatever_stands_in_a_file_of_answers_is_read_or_declined(text: str) -> None:
    try:
        assert all(number >= 0 and answer.strip() for number, answer in answers_of(text).items())
    except RequestError:
        return  # in one line, as the next test has it


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (None, "No such file"),
        (b"", "there is none in it"),
        (b"99: x\n", "there is an answer to question 99, but there are 12 questions"),
        (b"\xff\xfe\x00", "not text in UTF-8"),
        (b"x" * (1 << 20) + b"y", "longer than 1 MB"),
    ],
)
def test_answers_that_cannot_be_used_are_one_line(
    data: bytes | None, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "mine.txt"
    if data is not None:
        path.write_bytes(data)
    assert main((*ASKED, "--answers", str(path))) == 2
    told = capsys.readouterr()
    assert said in told.err
    assert told.err.count("\n") == 1
    assert not told.out


def number(answer: int) -> Question:
    text = "How \x1b[31m many?"
    return Question("threads/x/4", "threads", 1, text, AnswerKind.NUMBER, answer, "component/threads", "threads")


def test_who_is_nearly_right_may_try_once_more_and_who_stops_attempts_no_more(
    capsys: pytest.CaptureFixture[str],
) -> None:
    typed: Iterator[str] = iter(["ff", "255", "fe", "fe", "7"])

    def ask(_: str) -> str:
        try:
            return next(typed)
        except StopIteration:
            raise EOFError from None

    sheet = [number(255), number(254), number(7), number(8), number(9)]
    grades = [grade.verdict for _, _, grade in _one_by_one(sheet, ask)]
    assert grades == [Verdict.RIGHT, Verdict.NEAR, Verdict.RIGHT, Verdict.NOT_ATTEMPTED, Verdict.NOT_ATTEMPTED]
    out = capsys.readouterr().out
    assert out.count("nearly: it is right in hexadecimal") == 2
    assert "\x1b" not in out


def test_a_miss_tells_what_is_right_why_and_how_to_see_it() -> None:
    told = list(missed(number(8), Path("a b.raw"), Explainer("full")))
    assert told[0] == "Right is 8."
    assert told[1].startswith("Threads of execution: The scheduler runs threads, not processes")
