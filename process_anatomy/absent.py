"""A fact that could not be had, as a value, with the reason."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any


class Kind(Enum):
    """Why there is no fact."""

    UNREADABLE = "unreadable"
    NOT_APPLICABLE = "not applicable"
    NOT_IN_BUILD = "not in this build"
    NOT_IN_DUMP = "not in a small dump"
    IMPLAUSIBLE = "not plausible"
    NOT_PROVED = "not proved in this build"

    @property
    def lost(self) -> bool:
        """Whether the fact may exist, but could not be had: what no process has, or no build, is no loss."""
        return self not in (Kind.NOT_APPLICABLE, Kind.NOT_IN_BUILD)


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
FEW = 2
"""Facts that are told one by one, each with the address that could not be read, where all lack for one reason."""

MANY = " more"
"""Ends the names in a line that is about more facts than these."""


def without_place(reason: str) -> str:
    """A reason without the address that it begins with."""
    place, colon, rest = reason.partition(": ")
    return rest if colon and place.startswith("0x") else reason


def absent_in(values: Sequence[Any]) -> list[int]:
    """Which of these values are absent, by their number; of most columns none is, which takes no look at each."""
    if Absent not in set(map(type, values)):
        return []
    return [number for number, value in enumerate(values) if type(value) is Absent]


def reasons(facts: Iterable[tuple[str, Absent]]) -> list[str]:
    """Why facts could not be had, one line for each reason: ``user, owner and 38 more: not in the dump``.

    Args:
        facts: names of facts, each with its reason.
    """
    alike: dict[str, dict[str, str]] = {}
    for name, fact in facts:
        alike.setdefault(without_place(str(fact)), {})[name] = str(fact)
    lines: dict[str, list[str]] = {}
    for why, group in alike.items():
        for name, reason in group.items():
            lines.setdefault(reason if len(group) <= FEW else why, []).append(name)
    return [f"{_naming(names)}: {reason}" for reason, names in lines.items()]


def _naming(names: list[str]) -> str:
    """Names as a line of problems begins with them: two at the most, and how many more."""
    if len(names) > FEW:
        return f"{', '.join(names[:FEW])} and {len(names) - FEW}{MANY}"
    return " and ".join(names)
