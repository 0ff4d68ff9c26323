"""Rules over the views of processes: who is there, and is left out by a view that should show him."""

from __future__ import annotations

from collections.abc import Iterator

from process_anatomy.findings.rules import Clue, Severity, rule
from process_anatomy.walk.crossview import HIDDEN, LOW, Crossing
from process_anatomy.walk.tables import Tables

HIDING = frozenset({"hidden-process", "half-hidden-process"})
"""The rules that need every view of every process."""


def _hidden(tables: Tables) -> Iterator[Crossing]:
    """Processes that a view should show and does not, where that is more than a guess."""
    chosen = {process.address for process in tables.processes}
    for row in tables.crossings.rows:
        if row.verdict == HIDDEN and row.confidence != LOW and row.process.address in chosen:
            yield row


def _lines(row: Crossing) -> tuple[str, ...]:
    seen = [view for view, sees in row.views.items() if sees is True]
    return (
        f"_EPROCESS {row.process.address:#x}",
        f"not seen by: {', '.join(row.hidden_from)}",
        f"seen by: {', '.join(seen) or 'nothing else'}",
    )


@rule("hidden-process", Severity.CRITICAL)
def hidden_process(tables: Tables) -> Iterator[Clue]:
    """A process that lives, and that the list of active processes does not hold."""
    for row in _hidden(tables):
        if not row.listed:
            yield row.process, ", ".join(row.hidden_from), _lines(row)


@rule("half-hidden-process", Severity.HIGH)
def half_hidden_process(tables: Tables) -> Iterator[Clue]:
    """A process that is listed, and that another view should show and does not."""
    for row in _hidden(tables):
        if row.listed:
            yield row.process, ", ".join(row.hidden_from), _lines(row)
