"""Rules over handles: power that a process holds over others."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from process_anatomy.absent import NOT_APPLICABLE
from process_anatomy.findings.known import READS_LSASS, is_known
from process_anatomy.findings.places import Places
from process_anatomy.findings.rules import Clue, Severity, rule
from process_anatomy.walk.across.tables import Tables

if TYPE_CHECKING:
    from process_anatomy.walk.across.access import Step

TOLD = 8
"""Handles that are told of one process at the most."""


@rule("power-over-higher", Severity.MEDIUM, rests=("handles",))
def power_over_higher(tables: Tables) -> Iterator[Clue]:
    """A process with a handle that gives it power over a process, or a token, of a higher integrity level."""
    upwards = _by_process(step for step in tables.access.steps if step.upwards)
    for process in tables.processes:
        own = upwards.get(process.address, [])
        lines = [
            f"handle {step.handle.value:#x} to {step.target.label} ({step.target.integrity}), {step.kind} "
            f"{step.handle.object:#x}: {', '.join(step.powers)}"
            for step in own[:TOLD]
        ]
        if len(own) > TOLD:
            lines.append(f"and {len(own) - TOLD} more of the like")
        if own:
            yield process, own[0].target.label, (*lines, f"its own integrity is {own[0].holder.integrity}")


@rule("lsass-memory", Severity.MEDIUM, rests=("handles",))
def lsass_memory(tables: Tables) -> Iterator[Clue]:
    """A process with a handle through which it can read the memory of lsass.exe, and that is not known to do so."""
    places = Places(tables)
    readers = _by_process(step for step in tables.access.steps if step.reads_secrets)
    for process in tables.processes:
        path = process.image_path
        if not process.own_space or process.exit_time != NOT_APPLICABLE or not isinstance(path, str):
            continue
        own = readers.get(process.address)
        if not own or is_known(READS_LSASS, process, places, tables.number):
            continue
        lines = [
            f"handle {step.handle.value:#x} to {step.target.label}, _EPROCESS {step.handle.object:#x}: "
            f"{', '.join(step.powers)}, access {step.handle.access:#x}"
            for step in own[:TOLD]
        ]
        yield process, own[0].target.label, (*lines, f"its program is {path}")


def _by_process(steps: Iterable[Step]) -> dict[int, list[Step]]:
    """Steps by the address of the process that holds the handle."""
    found: dict[int, list[Step]] = {}
    for step in steps:
        found.setdefault(step.handle.process.address, []).append(step)
    return found
