"""A whole file of answers graded, by the rules of R/exams.

One answer is right or not, and so has all points of its question or none; only where several things are asked for is
there a part of them: each that is right gives its share, and each that is wrong takes as much away, down to nothing
(the rule "true" of exams_eval, https://www.r-exams.org).  What was not attempted is not wrong.  What hints cost is
taken from what a question gave, and never leads below nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from process_anatomy.labs.answered import Answers
from process_anatomy.labs.grading import Grade, Verdict, grade, parts
from process_anatomy.labs.lab import Lab, Task
from process_anatomy.labs.question import AnswerKind, Question


@dataclass(frozen=True, slots=True)
class Marked:
    """What became of the answer to one question.

    Attributes:
        task: the question.
        answer: what was answered.
        grade: what it is worth, in words.
        hints: how many hints were taken.
        points: what it gave, after the hints.
    """

    task: Task
    answer: str
    grade: Grade
    hints: int
    points: float


@dataclass(frozen=True, slots=True)
class Result:
    """A file of answers, graded.

    Attributes:
        lab: the lab.
        marked: each question, in order.
    """

    lab: Lab
    marked: tuple[Marked, ...]

    @property
    def points(self) -> float:
        """What all answers gave."""
        return sum(each.points for each in self.marked)

    def count(self, verdict: Verdict) -> int:
        """How many answers there are of a verdict."""
        return sum(each.grade.verdict is verdict for each in self.marked)

    @property
    def unfinished(self) -> list[str]:
        """Names of the questions that were not attempted."""
        return [each.task.name for each in self.marked if each.grade.verdict is Verdict.NOT_ATTEMPTED]


def graded(lab: Lab, answers: Answers) -> Result:
    """The answers to a lab, graded.

    Args:
        lab: with what is right.
        answers: of this lab.
    """
    marked = []
    for task in lab.tasks:
        text, taken = answers.texts.get(task.name, ""), answers.hints.get(task.name, 0)
        found = grade(task.question, text)
        cost = sum(hint.cost for hint in task.hints[:taken])
        points = max(0.0, _share(task.question, text, found) * task.points - cost)
        marked.append(Marked(task, text, found, taken, points))
    return Result(lab, tuple(marked))


def _share(question: Question, answer: str, found: Grade) -> float:
    """The part of its points that an answer gives."""
    if found.verdict is Verdict.RIGHT:
        return 1.0
    if found.verdict is Verdict.NOT_ATTEMPTED or not isinstance(question.answer, tuple):
        return 0.0
    told, wanted = parts(question, answer)
    return max(0.0, (len(told & wanted) - len(told - wanted)) / len(wanted))


def ill_formed(public: Mapping[str, Any], answers: Answers) -> dict[str, str]:
    """What can be said of answers without knowing what is right: name of a question to what is the matter.

    Args:
        public: what the student may know of the lab.
        answers: of this lab.
    """
    found = {}
    for each in public["questions"]:
        kind = AnswerKind[each["kind"]]
        other = Question("", each["component"], 1, "", kind, _NOBODY[kind], "", "")
        said = grade(other, answers.texts[each["name"]])
        if said.verdict is Verdict.WRONG and said.remark:
            found[str(each["name"])] = said.remark
    return found


_NOBODY: dict[AnswerKind, Any] = dict.fromkeys(AnswerKind, "\ufffe") | {
    AnswerKind.NUMBER: -1,
    AnswerKind.ADDRESS: -1,
    AnswerKind.YES_NO: True,
    AnswerKind.NAMES: ("\ufffe",),
    AnswerKind.MOMENT: "0001-01-01T00:00:00+00:00",
}
"""For each kind an answer that nobody gives, so that only what is said of the form is left."""
