"""A fact that could not be had, as a value, with the reason."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Kind(Enum):
    """Why there is no fact."""

    UNREADABLE = "unreadable"
    NOT_APPLICABLE = "not applicable"
    NOT_IN_BUILD = "not in this build"
    NOT_IN_DUMP = "not in a small dump"
    IMPLAUSIBLE = "not plausible"
    NOT_PROVED = "not proved in this build"


@dataclass(frozen=True, slots=True)
class Absent:
    """Stands where a fact would be.  It has no truth value: what could not be read is neither "yes" nor "no".

    Attributes:
        kind: what sort of absence.
        reason: in words, for the reader; may be empty where the kind says it all.
    """

    kind: Kind
    reason: str = ""

    def __str__(self) -> str:
        if self.kind is Kind.NOT_IN_BUILD and self.reason:
            return f"{self.kind.value}: {self.reason}"
        return self.reason or self.kind.value

    def __bool__(self) -> bool:
        raise TypeError(f"an absent fact is neither true nor false; ask isinstance(x, Absent): {self}")


NOT_APPLICABLE = Absent(Kind.NOT_APPLICABLE)
