"""Rules over the image itself: what contradicts itself as memory changed while it was taken, and what is missing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import fields

from process_anatomy.absent import NOT_APPLICABLE, Absent
from process_anatomy.findings.rules import Clue, Severity, rule
from process_anatomy.findings.standing import Standing
from process_anatomy.walk.across.access import DOUBT
from process_anatomy.walk.across.chosen import UNLISTED
from process_anatomy.walk.across.tables import Tables
from process_anatomy.walk.processes.contradictions import RENAMED, RUNS_ON
from process_anatomy.walk.processes.listed import NOT_READ, Process

LINES = 4
"""Lines of one kind of trouble that are told of one process at the most."""
MISSING = frozenset(f.name for f in fields(Process))
"""How problems begin that tell of a fact that is not there, and of nothing that contradicts another."""


OF_OTHER_RULES = (RENAMED, RUNS_ON, UNLISTED)
"""How problems begin that rules of their own judge: a program renamed, a process that ended and runs, a hidden one."""


@rule("smear", Severity.LOW)
def smear(tables: Tables) -> Iterator[Clue]:
    """Records that contradict one another in a way that a change during the capture explains."""
    if not tables.whole:  # a small dump holds pieces, which need not go together
        return
    for problem in tables.everyone.problems:
        yield None, "the list of processes", (problem,)
    told: dict[int, list[str]] = {process.address: [] for process in tables.processes}
    for vad in tables.vads.rows:
        lines = [line for line in vad.problems if line.startswith(("its left ", "its right ", "VAD root ", "names "))]
        told[vad.process.address] += [f"VAD {vad.address:#x}: {line}" for line in lines]
    for thread in tables.threads.rows:
        lines = [line for line in thread.problems if line.startswith("it says that it belongs to")]
        told[thread.process.address] += [f"thread {thread.address:#x}: {line}" for line in lines]
    for step in tables.access.steps:
        if step.doubted and step.handle.process.address in told:
            told[step.handle.process.address].append(f"handle {step.handle.value:#x} to {step.target.label}: {DOUBT}")
    for process in tables.processes:
        own = [line for line in process.problems if line.partition(":")[0] not in MISSING]
        own = [line for line in own if not line.startswith(OF_OTHER_RULES)]
        if len(process.seen_by) == 1 and not tables.listed.broken:
            own.append(f"the list of active processes holds it in one direction only ({process.seen_by[0]})")
        lines = [f"_EPROCESS {process.address:#x}: {line}" for line in own]
        if lines := lines + _few(told[process.address]):
            yield process, f"_EPROCESS {process.address:#x}", tuple(lines)


@rule("not-judged", Severity.INFO)
def not_judged(tables: Tables) -> Iterator[Clue]:
    """What is broken of a process or could not be read, so that rules were not run or had nothing to judge."""
    if not tables.whole:
        return
    standing = Standing(tables)
    for reason in dict.fromkeys(standing.list.values()):
        yield None, "the list of active processes", (f"who is missing in a list is not judged: {reason}",)
    unknown = {row.process.address: 0 for row in tables.pages.rows}
    for row in tables.pages.rows:
        unknown[row.process.address] += row.unknown
    for process in tables.processes:
        if process.exit_time != NOT_APPLICABLE:
            continue
        lines = [line for line in process.problems if line.partition(":")[0] in MISSING]
        token = tables.primary[process.address]
        lines += [f"token, {fact}" for fact in _gone(token, ("user", "integrity", "present", "enabled"))]
        lines += standing.reasons(process.address)
        if pages := unknown.get(process.address, 0):
            lines.append(f"{pages} pages lie under page tables that are not in memory")
        for peb in tables.pebs:
            if peb.process is process:
                lines += [f"{peb.bits}-bit PEB, {fact}" for fact in _gone(peb, ("image_base", "image_path"))]
        if lines:
            yield process, f"_EPROCESS {process.address:#x}", tuple(lines)


def _gone(row: object, names: Sequence[str]) -> Iterator[str]:
    for name in names:
        value = getattr(row, name)
        if isinstance(value, Absent) and value.kind in NOT_READ:
            yield f"{name}: {value}"


def _few(lines: list[str]) -> list[str]:
    more = len(lines) - LINES
    return [*lines[:LINES], f"and {more} more of the like"] if more > 0 else lines
