"""How far a layout fits the memory that it is read with, field by field.

Each check takes something that must be true of a Windows kernel whatever its build (a process's id is a multiple of
four, the neighbours of a link point back, a thread names its process) and counts at how many objects it is.  A layout
that is not this kernel's reads the wrong octets of every object, so that its checks fail nearly everywhere; damage,
smear and tampering make a check fail at a few.

Source of the facts: :mod:`process_anatomy.kernel.layout_checks`; Microsoft's wdbgexts.h for the debugger block.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import Enum

from process_anatomy.kernel.kernel import Kernel
from process_anatomy.kernel.layout_checks import process_checks
from process_anatomy.kernel.observations import (
    ENOUGH,
    PROCESS_LIMIT,
    Check,
    Outcome,
    Sample,
)
from process_anatomy.memory.small_dump import SmallDump
from structs.debugger import Statement, statements

SOME = 64
"""Processes that are looked at where a layout is chosen, or was."""
PROVING = {
    "debugger-offset": (),
    "self-map": (),
    "handle-table-owner": (),
    "thread-owner-id": (("_EPROCESS", "UniqueProcessId"),),
}
"""Checks that no other field would pass by chance, each with the fields that it bears out besides its own.

A pointer that leads to something sound, or a list that leads back, proves nothing: its neighbours often do so too.
"""
SHARE = 1 / 3
"""Of the fields that something is told of, how many have to fail together to speak against a layout."""
NEEDED = 8
"""Checks that must have something to say before an estimated layout is believed."""


class Verdict(Enum):
    """What all checks say of a layout."""

    EXACT = "exact layout"
    CONSISTENT = "estimated and consistent"
    DOUBTFUL = "do not trust"


@dataclass(frozen=True, slots=True)
class Proof:
    """What the checks say together.

    Attributes:
        checks: each of them.
        estimated: nobody says that the layout was made for this very kernel: no fact does, or the user brought it.
        small: of a small dump, which holds one process and no page tables.
    """

    checks: tuple[Check, ...]
    estimated: bool
    small: bool = False

    @property
    def passed(self) -> int:
        """Observations that agree with the layout."""
        return sum(check.passed for check in self.checks)

    @property
    def failed(self) -> int:
        """Observations that do not."""
        return sum(check.failed for check in self.checks)

    @property
    def unreadable(self) -> int:
        """Observations that could not be made."""
        return sum(check.unreadable for check in self.checks)

    @property
    def wrong(self) -> tuple[Check, ...]:
        """Those that speak against the layout: each by itself; or several together, where there are few objects."""
        failing = tuple(check for check in self.checks if check.fails and check.field)
        together = len({check.about for check in failing})
        told = len({check.about for check in self.checks if check.outcome is not Outcome.UNKNOWN})
        if together >= ENOUGH and together >= SHARE * told:
            return failing
        return tuple(check for check in failing if check.outcome is Outcome.WRONG)

    @property
    def proved(self) -> frozenset[tuple[str, str]]:
        """Structure and name of each field that the image's memory proves to lie where the layout has it."""
        sure = [
            check
            for check in self.checks
            if check.id in PROVING and check.outcome is Outcome.FITS and (check.decisive or check.passed >= ENOUGH)
        ]
        return frozenset(each for check in sure for each in ((check.structure, check.field), *PROVING[check.id]))

    @property
    def verdict(self) -> Verdict:
        """Whether the layout can be trusted."""
        told = sum(check.outcome is not Outcome.UNKNOWN for check in self.checks)
        if self.wrong or (self.estimated and told < NEEDED and not self.small):
            return Verdict.DOUBTFUL
        return Verdict.CONSISTENT if self.estimated else Verdict.EXACT

    @property
    def reason(self) -> str:
        """Why the layout is not to be trusted, in words; empty where it is."""
        if self.verdict is not Verdict.DOUBTFUL:
            return ""
        if not self.wrong:
            told = sum(check.outcome is not Outcome.UNKNOWN for check in self.checks)
            return f"the layout is estimated, and only {told} checks of it could be made"
        fields = dict.fromkeys(check.about for check in self.wrong)
        return f"the layout does not fit this image: {', '.join(list(fields)[:4])}" + (
            f" and {len(fields) - 4} more" if len(fields) > 4 else ""
        )


def prove(kernel: Kernel, limit: int = PROCESS_LIMIT, quick: bool = False) -> Proof:
    """The checks at the first so many processes, and at the first thread of each.

    Args:
        kernel: the kernel.
        limit: processes at the most.
        quick: leave out what takes further reads.
    """
    small = isinstance(kernel.space, SmallDump)
    found = list(process_checks(Sample(kernel, limit), quick))
    if isinstance(kernel.space, SmallDump):
        found += debugger_checks(statements(kernel.space.debugger, kernel.build))
    return Proof(tuple(found), kernel.build.estimated or not kernel.build.number, small)


def debugger_checks(said: Iterable[Statement], address: int | None = None) -> Iterator[Check]:
    """What the debugger block says of the layout; a structure of another size may still have all fields in place."""
    for statement in said:
        passed, failed = int(statement.agrees), int(statement.contradicts)
        name = "debugger-offset" if statement.field else "debugger-size"
        first = address if failed else None
        counts = passed, failed, 1 - passed - failed
        yield Check(name, statement.structure, statement.field, "system", *counts, first, bool(statement.field))
