"""``anatomy quiz``: questions about an image, answers checked against it, and each miss explained."""

from __future__ import annotations

import re
import shlex
import shutil
import sys
import textwrap
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

import click

from process_anatomy.command.opened import of_image, of_pids, opened, own_note, tell, with_note
from process_anatomy.command.statuses import DONE, NOT_TRUSTED
from process_anatomy.errors import Error, RequestError
from process_anatomy.labs.question import COMPONENTS

if TYPE_CHECKING:
    from process_anatomy.labs.grading import Grade
    from process_anatomy.labs.question import Question
    from process_anatomy.notes.explainer import Explainer

LARGEST = 1 << 20
"""Characters of answers that are read."""
NUMBERED = re.compile(r"\s*(\d{1,4})\s*[.:)]\s?(.*)")
INDENT = "   "


@click.command()
@of_image
@of_pids
@click.option("--seed", type=int, default=0, metavar="N", help="Which questions: the same seed asks the same (0).")
@click.option("--questions", "count", type=click.IntRange(1, 500), default=10, metavar="N", help="How many (10).")
@click.option("--about", type=click.Choice(COMPONENTS), multiple=True, help="Only of this component; may be repeated.")
@click.option("--answers", metavar="FILE", help="Answers, one a line: N: ANSWER; - for standard input.")
@with_note
def quiz(
    image: Path,
    isf: str | None,
    dtb: int | None,
    page_files: str | None,
    pids: list[int],
    seed: int,
    count: int,
    about: tuple[str, ...],
    answers: str | None,
    note: str | None,
) -> int:
    """Ask about an image, over the six components of a process, and check the answers against it.

    \b
      anatomy quiz memory.raw
      anatomy quiz memory.raw --pid 5212 --questions 20 --seed 7
      anatomy quiz memory.raw < /dev/null > sheet.txt
      anatomy quiz memory.raw --answers mine.txt

    On a terminal each question is asked by itself; else the answers are read; without any, the questions are printed.
    """  # noqa: D301  # click's mark for lines that stay as they are
    from process_anatomy.labs.grading import tally
    from process_anatomy.labs.questions import drawn, questions
    from process_anatomy.notes.explainer import Explainer

    given = None if answers is None and sys.stdin.isatty() else _given(answers)
    found = opened(image, isf, dtb, page_files)
    if found.doubt:
        tell([f"nothing is asked, for no answer could be trusted: {found.doubt}"])
        return NOT_TRUSTED
    sheet = drawn(questions(found, pids, seed), count, seed, about)
    if not sheet:
        raise Error("nothing can be asked: too little of this image could be read")
    explain = Explainer("full", own=own_note(note))
    if given is not None and not given:
        _print_sheet(sheet)
        return DONE
    if given is not None and (strange := [number for number in given if not 1 <= number <= len(sheet)]):
        raise RequestError(f"there is an answer to question {strange[0]}, but there are {len(sheet)} questions")
    asked = _one_by_one(sheet) if given is None else _from(given, sheet)
    grades = []
    for number, question, grade in asked:
        grades.append(grade)
        _print(f"{number}. {grade.verdict.value}{f': {grade.remark}' if grade.remark else ''}")
        if grade.verdict.value != "right":
            for line in missed(question, image, explain):
                _print(line, INDENT)
    told = ", ".join(f"{many} {verdict.value}" for verdict, many in tally(grades).items() if many)
    _print(f"{len(sheet)} questions, seed {seed}: {told}")
    return DONE


def _given(place: str | None) -> dict[int, str]:
    """Number of a question to the answer, from a file or standard input; empty where there is none.

    Raises:
        RequestError: it cannot be read, or is no list of answers.
    """
    if place is None or place == "-":
        return answers_of(_read(sys.stdin))
    try:
        with open(place, encoding="utf-8-sig") as file:
            found = answers_of(_read(file))
    except OSError as error:
        raise RequestError(f"the answers {place}: {error.strerror or error}") from None
    if not found:
        raise RequestError(f"the answers {place}: there is none in it")
    return found


def _read(file: TextIO) -> str:
    """All of a file of answers.

    Raises:
        RequestError: it is too large, or no text.
    """
    try:
        text = file.read(LARGEST + 1)
    except UnicodeError:
        raise RequestError("the answers are not text in UTF-8") from None
    if len(text) > LARGEST:
        raise RequestError(f"the answers are longer than {LARGEST >> 20} MB")
    return text


def answers_of(text: str) -> dict[int, str]:
    """Number of a question to its answer, from lines ``3: 0x7ff6a2220000``; without any number, line by line.

    Empty lines and lines that begin with # are left out, but for an empty line among answers without numbers, which
    leaves its question out.

    Raises:
        RequestError: a number comes twice, or some lines have one and others none.
    """
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    found = [(NUMBERED.fullmatch(line), line) for line in lines]
    if not any(match for match, _ in found):
        return {number: line for number, line in enumerate(lines, 1) if line.strip()}
    told: dict[int, str] = {}
    for match, line in found:
        if match is None and line.strip():
            raise RequestError(f"the answer {line.strip()[:40]!r} has no number, as others have: N: ANSWER")
        if match is not None:
            number = int(match[1])
            if number in told:
                raise RequestError(f"question {number} is answered twice")
            told[number] = match[2]
    return {number: answer for number, answer in told.items() if answer.strip()}


def _from(given: Mapping[int, str], sheet: Sequence[Question]) -> Iterator[tuple[int, Question, Grade]]:
    from process_anatomy.labs.grading import grade

    for number, question in enumerate(sheet, 1):
        _print(f"{number}. {question.text}")
        yield number, question, grade(question, given.get(number, ""))


def _one_by_one(sheet: Sequence[Question], ask: Callable[[str], str] = input) -> Iterator[tuple[int, Question, Grade]]:
    """Ask each question; who is nearly right may try once more, and who ends the input attempts no more."""
    from process_anatomy.labs.grading import Verdict, grade

    ended = False
    for number, question in enumerate(sheet, 1):
        answer = ""
        if not ended:
            _print(f"{number}. {question.text} ({question.kind.value}; empty to skip)")
            try:
                answer = ask("> ")
                found = grade(question, answer)
                if found.verdict is Verdict.NEAR:
                    _print(f"{INDENT}nearly: {found.remark}; once more")
                    answer = ask("> ") or answer
            except EOFError:
                ended = True
        yield number, question, grade(question, answer)


def right(question: Question) -> str:
    """What is right, as people write it."""
    from process_anatomy.labs.question import AnswerKind

    answer = question.answer
    if isinstance(answer, tuple):
        return ", ".join(answer)
    if isinstance(answer, bool):
        return "yes" if answer else "no"
    return f"{answer:#x}" if question.kind is AnswerKind.ADDRESS else str(answer)


def missed(question: Question, image: Path, explain: Explainer) -> Iterator[str]:
    """What is told of a question that was not answered right: what is, why, and how to see it."""
    note = explain.library[question.explanation]
    said = explain.general(note)
    yield f"Right is {right(question)}."
    yield f"{note.title}: {said.words} ({said.place})"
    for command in (*question.commands[:1], *question.stock[:1]):
        yield f"See: {command.replace('IMAGE', shlex.quote(str(image)), 1)}"


def _print_sheet(sheet: Sequence[Question]) -> None:
    for number, question in enumerate(sheet, 1):
        _print(f"{number}. {question.text} ({question.kind.value})")


def _print(text: str, indent: str = "") -> None:
    """A line for a terminal of any width, whatever it holds; that of a file is not broken."""
    from process_anatomy.views.shown import safe_text

    width = shutil.get_terminal_size((100, 24)).columns if sys.stdout.isatty() else 1 << 20
    for line in textwrap.wrap(
        safe_text(text), max(width, 40), initial_indent=indent, subsequent_indent=indent or INDENT,
        break_long_words=False, break_on_hyphens=False, drop_whitespace=True,
    ):  # fmt: skip
        click.echo(line)
