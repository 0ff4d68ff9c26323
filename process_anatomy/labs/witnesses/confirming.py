"""What is right is confirmed before a lab is written: by the truth, by our suite, and by stock Volatility.

A witness answers as a student would who reads its rows, and that answer is graded.  Who has nothing to say of a
question says nothing; who answers otherwise ends the lab.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from process_anatomy.errors import LabError
from process_anatomy.labs.grading import Verdict, grade
from process_anatomy.labs.question import AnswerKind, Question
from process_anatomy.labs.witnesses.stock import ByStock
from process_anatomy.labs.witnesses.truth import ByTruth

if TYPE_CHECKING:
    from process_anatomy.views.image import Image
    from process_anatomy.views.records import Record

TRUTH, OURS, STOCK = "truth", "process-anatomy", "volatility"
"""The witnesses."""


def confirmed(
    questions: Sequence[Question], image: Image, truth: ByTruth, stock: ByStock
) -> dict[str, tuple[str, ...]]:
    """Id of each question to who confirms it: our suite, and at least one of the others.

    A question of which neither the truth nor stock Volatility has anything to say is left out.

    Args:
        questions: what is asked.
        image: the image, opened from the file that is handed out.
        truth: what the forge put into it.
        stock: stock Volatility on it.

    Raises:
        LabError: somebody answers otherwise; the message says who, and what.
        ImageError: stock Volatility cannot read the image.
    """
    found = {}
    ours = Ours(image)
    for question in questions:
        if not ours.shows(question):
            what = f"{question.commands[0]} does not show {question.answer!r}, the key to {question.text!r}"
            raise LabError(f"no lab is written: {what}")
        who = [OURS]
        who += [TRUTH] if _agrees(question, TRUTH, truth.answers(question)) else []
        who += [STOCK] if _agrees(question, STOCK, stock.answers(question)) else []
        if len(who) > 1:
            found[question.id] = tuple(who)
    return found


def _agrees(question: Question, who: str, answers: Sequence[object] | None) -> bool:
    """Whether a witness gives the right answer; it has none to give where this is ``False``.

    Raises:
        LabError: it gives another.
    """
    texts = [text(question.kind, each) for each in answers or () if each is not None]
    if not texts:  # who cannot read it denies nothing
        return False
    several = question.kind is AnswerKind.NAMES
    given = [", ".join(texts)] if several else texts
    if all(grade(question, each).verdict is Verdict.RIGHT for each in given):
        return True
    said = ", ".join(map(repr, texts[:3]))
    raise LabError(f"no lab is written: {who} answers {said} to {question.text!r}, and the key has {question.answer!r}")


def text(kind: AnswerKind, value: object) -> str:
    """A fact as somebody writes it who answers a question of a kind."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M:%S}"
    if isinstance(value, int) and kind in (AnswerKind.ADDRESS, AnswerKind.NAMES):
        return f"{value:#x}" if kind is AnswerKind.ADDRESS or value > 1 << 20 else str(value)
    return str(value)


class Ours:
    """Our suite on one image, as the documented commands ask it.

    Args:
        image: the image.
    """

    def __init__(self, image: Image) -> None:
        self._image = image
        self._rows: dict[str, list[Record]] = {}

    def rows(self, question: Question) -> list[Record]:
        """The rows that the documented command gives."""
        command = question.commands[0]
        if command not in self._rows:
            view, pids = asked_by(command)
            self._rows[command] = list(self._image.view(view, pid=pids, explain="off"))
        return self._rows[command]

    def shows(self, question: Question) -> bool:
        """Whether the documented command shows what is right.

        Where a fact is asked for, it stands in a cell of the column that is named; where rows are counted, there are so
        many.  What is concluded from several rows stands in no cell: there have to be facts to conclude from, and who
        concludes is another witness.
        """
        rows = self.rows(question)
        if not question.column:
            return len(rows) == question.answer
        cells = [row[question.column] for row in rows if row[question.column] is not None]
        if question.kind in CONCLUDED:
            return bool(cells)
        return any(grade(question, text(question.kind, each)).verdict is Verdict.RIGHT for each in cells)


CONCLUDED = (AnswerKind.NUMBER, AnswerKind.YES_NO, AnswerKind.NAMES)
"""Kinds of answers that may be concluded from several rows."""


def asked_by(command: str) -> tuple[str, list[int]]:
    """The view that a command of ours asks for, and the processes.

    Raises:
        LabError: it is no such command.
    """
    words = command.split()
    plugins = [word for word in words if word.startswith("windows.anatomy.")]
    if len(plugins) != 1:
        raise LabError(f"{command!r} is no command of this suite")
    pids = [int(words[at + 1]) for at, word in enumerate(words[:-1]) if word == "--pid"]
    return plugins[0].rpartition(".")[2], pids
