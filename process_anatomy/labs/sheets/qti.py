"""Questions as QTI 1.2 for Canvas and others that read its packages, made by text2qti."""

from __future__ import annotations

import re

from process_anatomy.errors import LabError, RequestError
from process_anatomy.labs.hints import explained
from process_anatomy.labs.lab import Lab, Task
from process_anatomy.labs.question import AnswerKind
from process_anatomy.labs.sheets.accepted import accepted
from process_anatomy.labs.sheets.paper import about
from process_anatomy.views.shown import safe_text

MISSING = "QTI needs text2qti: pip install 'process-anatomy[labs]'"
_SPECIAL = re.compile(r"[^A-Za-z0-9 ,:;?]")


def ready() -> None:
    """There must be what makes packages: nothing is forged before.

    Raises:
        RequestError: text2qti is not installed.
    """
    try:
        import text2qti  # noqa: F401
    except ImportError:
        raise RequestError(MISSING) from None


def qti(lab: Lab) -> bytes:
    """The package, a zip file.

    Raises:
        RequestError: text2qti is not installed.
        LabError: text2qti does not take the questions; the message is its own.
    """
    try:
        from text2qti.config import Config
        from text2qti.err import Text2qtiError
        from text2qti.qti import QTI
        from text2qti.quiz import Quiz
    except ImportError:
        raise RequestError(MISSING) from None
    try:
        return bytes(QTI(Quiz(text(lab), config=Config(), source_name="questions")).zip_bytes())
    except Text2qtiError as error:
        raise LabError(f"text2qti does not take the questions: {error}") from None


def text(lab: Lab) -> str:
    """The questions as text2qti reads them (https://github.com/gpoore/text2qti)."""
    lines = [f"Quiz title: {_title(f'{lab.name} {lab.student}')}", ""]
    for task in lab.tasks:
        lines += [*_question(task), ""]
    return "\n".join(lines)


def _question(task: Task) -> list[str]:
    question = task.question
    title, told = explained(question)
    lines = [
        f"Title: {task.name}",
        f"Points: {task.points}",
        f"{task.number}. {_marked(question.text)} ({_marked(about(task))})",
        f"... {_marked(title)}: {_marked(told)}",
    ]
    if question.kind is AnswerKind.NUMBER:
        return [*lines, f"= {_range(int(question.answer))}"]  # type: ignore[arg-type]
    if question.kind is AnswerKind.YES_NO:
        return [*lines, *(f"{'*' if right else ''}{letter}) {word}" for letter, word, right in
                          (("a", "yes", question.answer is True), ("b", "no", question.answer is False)))]  # fmt: skip
    return [*lines, *(f"* {_title(each)}" for each in accepted(question))]


def _range(number: int) -> str:
    """A number as text2qti takes it: its smallest is 0.0001, so that nothing is a range around it."""
    return str(number) if number else "[-0.1, 0.1]"


def _title(words: str) -> str:
    """Text that is taken as it is, in one line."""
    return " ".join(safe_text(words).split())


def _marked(words: str) -> str:
    """Text in which nothing is a mark of Markdown or of LaTeX."""
    return _SPECIAL.sub(lambda found: f"&#{ord(found[0])};", _title(words))
