"""One lab, forged once for all tests of a run, and one whose questions need no image."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from process_anatomy.forge.machine.forging import DEFAULT_BUILD
from process_anatomy.labs.hints import hints
from process_anatomy.labs.lab import Lab, Task
from process_anatomy.labs.making import Order, make
from process_anatomy.labs.question import AnswerKind, Question
from process_anatomy.labs.variants import Secret, read_secret


@dataclass(frozen=True)
class Made:
    """A lab, the folder that it was written to, and what decided it."""

    lab: Lab
    folder: Path
    secret_file: Path
    secret: Secret


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    folder = tmp_path_factory.mktemp("labs")
    file = folder / "teacher.secret"
    file.write_text("a secret that gives every run the same lab\n", encoding="ascii")
    secret = read_secret(file)
    target = folder / "ada"
    return Made(make(Order("hidden-process", "week 3", DEFAULT_BUILD), "ada", secret, target), target, file, secret)


def question(kind: AnswerKind, answer: object, text: str = "What?", **more: object) -> Question:
    given = {"also": (), "slips": (), "stock": ("vol -f IMAGE windows.pslist",)} | more
    return Question(
        f"threads/{kind.name.lower()}/4", "threads", 1, text, kind, answer, "component/threads", "threads",  # type: ignore[arg-type]
        "TID", ("vol -f IMAGE windows.anatomy.threads --pid 4",), pid=4, **given,  # type: ignore[arg-type]
    )  # fmt: skip


HOSTILE = "a\x1b]0;*b*_c_ <script>&amp; $x$ `code` [l](u) \\ \u202e {x} # end"
"""A name as memory may hold it, which a terminal, Markdown, HTML, XML, YAML or LaTeX would act on."""


@pytest.fixture(scope="session")
def on_paper() -> Lab:
    """A lab of one question of each kind, with names that want to be more than text."""
    asked = [
        question(AnswerKind.NUMBER, 0, "How many?", slips=(("4096", "that is the size"),)),
        question(AnswerKind.ADDRESS, 0xFFFF_D9BF_D4A1_17B0),
        question(AnswerKind.NAME, HOSTILE, f"Which name has {HOSTILE}?"),
        question(AnswerKind.PATH, "C:\\Windows\\*.dll"),
        question(AnswerKind.YES_NO, False),
        question(AnswerKind.NAMES, ("8", "12")),
        question(AnswerKind.MOMENT, "2024-02-29T21:10:09+00:00"),
    ]
    tasks = tuple(
        Task(number, each, hints(each, "memory.dmp", "vol -f IMAGE windows.pslist"), ("truth",))
        for number, each in enumerate(asked, 1)
    )
    return Lab("0f" * 16, "week/3", "ada", "lab", DEFAULT_BUILD, 1, "memory.dmp", "00" * 32, tasks)
