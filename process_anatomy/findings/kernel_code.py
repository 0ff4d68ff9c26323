"""Rules over the kernel's own code: functions that send whoever calls them elsewhere."""

from __future__ import annotations

from collections.abc import Iterator

from process_anatomy.findings.rules import Clue, Severity, rule
from process_anatomy.kernel.identify import SYSTEM_PID
from process_anatomy.walk.across.tables import Tables
from process_anatomy.walk.processes.listed import Process
from process_anatomy.walk.program.hooks import Hook


def _system(tables: Tables) -> Process | None:
    """The process that the kernel's code is that of, where it is asked about."""
    return next((row for row in tables.processes if row.pid == SYSTEM_PID), None)


def _clue(process: Process, hook: Hook, where: str) -> Clue:
    lines = (
        f"{hook.function} at {hook.address:#x} leads to {hook.target:#x}, in {where}",
        f"it begins with {hook.code.hex(' ')}" if hook.code else "its code cannot be read",
    )
    return process, hook.function, lines


@rule("hooked-function", Severity.HIGH, rests=("drivers",))
def hooked_function(tables: Tables) -> Iterator[Clue]:
    """A function of the kernel that leads to code in no driver, where all drivers are known with their places."""
    system = _system(tables)
    if system is None or not all(
        isinstance(row.base, int) and isinstance(row.size, int) for row in tables.drivers.rows
    ):
        return
    for hook in tables.hooks:
        if hook.runs and hook.driver is None:
            yield _clue(system, hook, "no driver")


@rule("redirected-function", Severity.INFO, rests=("drivers",))
def redirected_function(tables: Tables) -> Iterator[Clue]:
    """A function of the kernel that leads into a driver that is listed."""
    system = _system(tables)
    if system is None:
        return
    for hook in tables.hooks:
        if hook.driver is not None:
            yield _clue(system, hook, f"the driver {hook.driver.name}")
