"""What a comparison with a published datum gave."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Outcome(Enum):
    """How a datum compares with what is published, the best first."""

    SAME = "as published"
    UNREADABLE = "cannot be read"
    DIFFERS = "differs"


@dataclass(frozen=True, slots=True)
class Verdict:
    """One datum, compared.

    Attributes:
        subject: what was compared.
        outcome: what came of it.
        reason: what is there instead, or why it cannot be read.
        source: the page that published it.
    """

    subject: str
    outcome: Outcome
    reason: str
    source: str

    def __str__(self) -> str:
        return f"{self.subject}: {self.outcome.value}" + (f": {self.reason}" if self.reason else "")
