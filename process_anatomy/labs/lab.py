"""A lab: one student's image and the questions about it, with what each is worth and what its hints cost."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from process_anatomy.errors import LabError
from process_anatomy.labs.question import Question, QuestionError

FORM = 1
"""Of what is written; another one is of another version of the suite."""
IMAGE_STEM, IDENTITY_FILE, ANSWERS, SEALED = "memory", "lab.json", "answers.toml", "key.age"
"""What a lab's files are called."""
HANDOUT, INSTRUCTOR = "handout", "instructor"
"""The two folders of a lab: what the student is given, and what tells the answers."""
WORTH = 4
"""Points of an easy question; one of medium difficulty is worth twice as many, a hard one three times."""


@dataclass(frozen=True, slots=True)
class Hint:
    """Help with a question.

    Attributes:
        text: what it says, in plain text.
        cost: points that it costs who takes it.
    """

    text: str
    cost: int


@dataclass(frozen=True, slots=True)
class Task:
    """A question of a lab.

    Attributes:
        number: from 1 on.
        question: what is asked, and what is right.
        hints: help with it, the cheapest first; who takes one takes those before it.
        confirmed: who confirmed what is right: ``truth``, ``process-anatomy``, ``volatility``.
    """

    number: int
    question: Question
    hints: tuple[Hint, ...] = ()
    confirmed: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """What the question is called in files."""
        return f"q{self.number:02}"

    @property
    def points(self) -> int:
        """What it is worth."""
        return WORTH * self.question.difficulty


@dataclass(frozen=True, slots=True)
class Lab:
    """One student's lab, with what is right.

    Attributes:
        identity: what it is told from others by; says nothing of the seed.
        name: of the lab, the same for all students.
        student: whose it is.
        scenario: what the image was forged from.
        build: layout of the kernel in it.
        seed: what decided everything in it.
        image: name of the image's file.
        sha256: of the image, hexadecimal.
        tasks: the questions.
    """

    identity: str
    name: str
    student: str
    scenario: str
    build: str
    seed: int
    image: str
    sha256: str
    tasks: tuple[Task, ...]

    @property
    def points(self) -> int:
        """What all questions are worth."""
        return sum(task.points for task in self.tasks)

    def key(self) -> bytes:
        """All of it, to be sealed; :meth:`read` reads it."""
        kept = ("identity", "name", "student", "scenario", "build", "seed", "image", "sha256")
        tasks = [
            {
                "question": task.question.stored(),
                "hints": [[hint.text, hint.cost] for hint in task.hints],
                "confirmed": task.confirmed,
            }
            for task in self.tasks
        ]
        whole = {"form": FORM} | {name: getattr(self, name) for name in kept} | {"tasks": tasks}
        return json.dumps(whole, ensure_ascii=True).encode("ascii")

    @classmethod
    def read(cls, key: bytes) -> Lab:
        """A lab from what was sealed.

        Raises:
            LabError: it is of another version, or was made by somebody else.
        """
        try:
            whole = json.loads(key)
            if whole["form"] != FORM:
                raise LabError(f"the sealed answers are of form {whole['form']}, and this version reads form {FORM}")
            tasks = tuple(_task(number, each) for number, each in enumerate(whole["tasks"], 1))
            texts = {name: str(whole[name]) for name in _TEXTS}
            return cls(seed=int(whole["seed"]), tasks=tasks, **texts)
        except (KeyError, TypeError, ValueError, QuestionError) as error:
            raise LabError(f"what was sealed is no lab: {type(error).__name__} {error}") from None

    def public(self) -> dict[str, Any]:
        """What the student may know of it, in types of JSON."""
        told = {name: getattr(self, name) for name in ("identity", "name", "student", "image", "sha256")}
        asked = [
            {"name": task.name, "points": task.points, "costs": [hint.cost for hint in task.hints]}
            | {name: value for name, value in task.question.asked().items() if name != "id"}
            for task in self.tasks
        ]
        return {"form": FORM} | told | {"points": self.points, "questions": asked}


_TEXTS = ("identity", "name", "student", "scenario", "build", "image", "sha256")


def _task(number: int, stored: Mapping[str, Any]) -> Task:
    hints = tuple(Hint(str(text), int(cost)) for text, cost in stored["hints"])
    return Task(number, Question.restored(stored["question"]), hints, tuple(map(str, stored["confirmed"])))
