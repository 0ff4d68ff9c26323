"""Rules over the views of processes: who is there, and is left out by a view that should show him."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import fields

from process_anatomy.absent import Absent
from process_anatomy.findings.rules import Clue, Severity, rule
from process_anatomy.walk.across.tables import Tables
from process_anatomy.walk.crossview.client_ids import CID
from process_anatomy.walk.crossview.crossings import Crossing
from process_anatomy.walk.crossview.sightings import BACKWARD, FORWARD, SCAN
from process_anatomy.walk.crossview.verdicts import HIDDEN, LOW
from process_anatomy.walk.processes.listed import NOT_READ, Process

LISTS = frozenset({FORWARD, BACKWARD})
TELLING = LISTS | {CID, SCAN}
"""Views from which tampering alone takes a living process; others can lose one with the memory that they lie in."""
IDENTITY = ("pid", "name", "create_time", "exit_time", "threads", "dtb")
FACTS = tuple(field.name for field in fields(Process))
HIDING = frozenset({"hidden-process", "half-hidden-process"})
"""The rules that need every view of every process."""


def _hidden(tables: Tables) -> Iterator[tuple[Crossing, frozenset[str]]]:
    """Processes that a telling view should show and does not, with these views.

    What could not be read of a process may be what the view goes by: who it is must be known, and for the search of
    memory all of its object.
    """
    chosen = {process.address for process in tables.processes}
    for row in tables.crossings.rows if tables.whole else ():  # a small dump has one process
        if row.verdict != HIDDEN or row.confidence == LOW or row.process.address not in chosen:
            continue
        telling = TELLING if _known(row.process, FACTS) else TELLING - {SCAN}
        if _known(row.process, IDENTITY) and (views := telling & set(row.hidden_from)):
            yield row, frozenset(views)


def _known(process: Process, names: Sequence[str]) -> bool:
    facts = (getattr(process, name) for name in names)
    return not any(isinstance(fact, Absent) and fact.kind in NOT_READ for fact in facts)


def _lines(row: Crossing) -> tuple[str, ...]:
    seen = [view for view, sees in row.views.items() if sees is True]
    return (
        f"_EPROCESS {row.process.address:#x}",
        f"not seen by: {', '.join(row.hidden_from)}",
        f"seen by: {', '.join(seen) or 'nothing else'}",
    )


@rule("hidden-process", Severity.CRITICAL, rests=("list",))
def hidden_process(tables: Tables) -> Iterator[Clue]:
    """A process that lives, and that the list of active processes does not hold."""
    for row, views in _hidden(tables):
        if not row.listed and views >= LISTS:
            yield row.process, ", ".join(row.hidden_from), _lines(row)


@rule("half-hidden-process", Severity.HIGH, rests=("list",))
def half_hidden_process(tables: Tables) -> Iterator[Clue]:
    """A process that is listed, and that another view should show and does not."""
    for row, views in _hidden(tables):
        # who is missing in one direction of the list alone is where the list does not point back: it was torn
        if row.listed and views - LISTS:
            yield row.process, ", ".join(row.hidden_from), _lines(row)
