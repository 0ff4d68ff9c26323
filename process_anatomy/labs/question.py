"""A question about one image: its text, what is right, what is nearly right, and where the answer can be seen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import Enum
from typing import Any

from process_anatomy.errors import Error

COMPONENTS = (
    "private-address-space",
    "executable-program",
    "open-handles",
    "security-context",
    "process-id",
    "threads",
)
"""What questions are about: the components of a process, in the order of their notes."""
EASY, MEDIUM, HARD = 1, 2, 3
"""How difficult a question is: one cell of one row; rows counted or joined; what only stands out to who compares."""


class QuestionError(Error):
    """A question that was stored cannot be used; the message says why, in one line."""


class AnswerKind(Enum):
    """What an answer is, and so how it is compared; the value is how people are told to write it."""

    NUMBER = "a number"
    ADDRESS = "an address or number in hexadecimal"
    NAME = "a name"
    PATH = "a path"
    YES_NO = "yes or no"
    NAMES = "all of them, with commas between"
    MOMENT = "a time in UTC, as 2023-11-16 09:06:52"


Right = int | str | bool | tuple[str, ...]
"""What is right: a number or an address (whole, 64 bits), a name, a path or a moment (ISO 8601, UTC), yes or no, or
several names."""


@dataclass(frozen=True, slots=True)
class Question:
    """One question about an image.

    Attributes:
        id: component, what is asked, and of what, parted by slashes; the same for the same fact of the same image.
        component: the component of a process that it is about, one of :data:`COMPONENTS`.
        difficulty: :data:`EASY`, :data:`MEDIUM` or :data:`HARD`.
        text: the question, one sentence; names in it are as memory has them, escaped by nobody.
        kind: what the answer is.
        answer: what is right, as :data:`Right` says.
        also: other forms that are right too, for instance an account without its domain.
        slips: answers that are nearly right, each with what they are instead; that must not tell what is right.
        commands: commands of ours that show it, with ``IMAGE`` for the file.
        stock: commands of stock Volatility that show it, likewise; none where it has nothing that does.
        explanation: id of the note that explains what is asked.
        pid: of the process that it is about, ``None`` where it is about the whole image.
        view: the view that the answer is from.
        column: the column of it; empty where the answer is a count of rows.
    """

    id: str
    component: str
    difficulty: int
    text: str
    kind: AnswerKind
    answer: Right
    explanation: str
    view: str
    column: str = ""
    commands: tuple[str, ...] = ()
    stock: tuple[str, ...] = ()
    also: tuple[str, ...] = ()
    slips: tuple[tuple[str, str], ...] = ()
    pid: int | None = None

    def asked(self) -> dict[str, Any]:
        """What may be shown to who is asked: neither what is right nor what nearly is, nor where it stands.

        In types of JSON.
        """
        kept = ("id", "component", "difficulty", "text", "pid")
        return {name: getattr(self, name) for name in kept} | {"kind": self.kind.name, "write": self.kind.value}

    def stored(self) -> dict[str, Any]:
        """All of it in types of JSON, for a key; :meth:`restored` reads it."""
        return asdict(self) | {"kind": self.kind.name}

    @classmethod
    def restored(cls, stored: Mapping[str, Any]) -> Question:
        """A question as :meth:`stored` gave it, whether or not JSON was in between.

        Raises:
            QuestionError: it is no such question.
        """
        try:
            kind = AnswerKind[stored["kind"]]
            texts = {name: str(stored[name]) for name in ("id", "component", "text", "explanation", "view", "column")}
            lists = {name: tuple(map(str, stored[name])) for name in ("commands", "stock", "also")}
            slips = tuple((str(given), str(what)) for given, what in stored["slips"])
            answer = stored["answer"]
            pid, difficulty = stored["pid"], stored["difficulty"]
        except (KeyError, TypeError, ValueError) as error:
            raise QuestionError(f"this is no stored question: {type(error).__name__} {error}") from None
        right = tuple(map(str, answer)) if isinstance(answer, (list, tuple)) else answer
        if type(right) is not _TYPES[kind] or not isinstance(difficulty, int) or not isinstance(pid, int | None):
            raise QuestionError(f"the stored question {texts['id']} has an answer, difficulty or pid of another type")
        return cls(kind=kind, answer=right, pid=pid, difficulty=difficulty, slips=slips, **texts, **lists)  # type: ignore[arg-type]


_TYPES: Mapping[AnswerKind, type] = {
    AnswerKind.NUMBER: int,
    AnswerKind.ADDRESS: int,
    AnswerKind.NAME: str,
    AnswerKind.PATH: str,
    AnswerKind.YES_NO: bool,
    AnswerKind.NAMES: tuple,
    AnswerKind.MOMENT: str,
}
