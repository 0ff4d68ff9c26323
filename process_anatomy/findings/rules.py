"""The rules by their ids, and how they are run."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from enum import IntEnum

from process_anatomy.errors import RequestError
from process_anatomy.walk.across.tables import Tables
from process_anatomy.walk.processes.listed import Process


class Severity(IntEnum):
    """How much a finding weighs: what it would mean if none of its innocent causes held."""

    INFO = 0
    LOW = 1
    MEDIUM = 2
    HIGH = 3
    CRITICAL = 4

    def __str__(self) -> str:
        return self.name.lower()


Clue = tuple["Process | None", str, tuple[str, ...]]
"""What a rule hands over: the process (``None``: the image), what it is about in a few words, and the evidence."""
Judge = Callable[[Tables], Iterable[Clue]]


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule.

    Attributes:
        id: its name, which is also that of its note.
        severity: of each of its findings.
        judge: looks at the tables, and gives clues.
    """

    id: str
    severity: Severity
    judge: Judge


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that does not fit together.

    Attributes:
        rule: id of the rule that told it.
        severity: how much it weighs.
        process: the process, ``None`` where it is the image as a whole.
        about: what it is about, in a few words.
        evidence: the facts that it rests on, with their addresses, one line each.
    """

    rule: str
    severity: Severity
    process: Process | None
    about: str
    evidence: tuple[str, ...]


RULES: dict[str, Rule] = {}
"""Every rule by its id, in the order of the rooms' modules."""


def rule(name: str, severity: Severity) -> Callable[[Judge], Judge]:
    """Register a function as a rule."""

    def register(judge: Judge) -> Judge:
        assert name not in RULES, name
        RULES[name] = Rule(name, severity, judge)
        return judge

    return register


def findings(tables: Tables, least: Severity = Severity.INFO, rules: Collection[str] = ()) -> list[Finding]:
    """Everything that does not fit together, the weightiest first, then by process id.

    A rule that is not asked for is not run, and a table that no rule asks for is not walked.

    Args:
        tables: of the processes to judge.
        least: rules that weigh less are left out.
        rules: ids of the rules to run; all of them where none is named.

    Raises:
        RequestError: there is no rule of that id.
    """
    if unknown := sorted(set(rules) - RULES.keys()):
        raise RequestError(f"there is no rule {unknown[0]}; the rules are {', '.join(RULES)}")
    found = [
        Finding(each.id, each.severity, *clue)
        for each in RULES.values()
        if each.severity >= least and (not rules or each.id in rules)
        for clue in each.judge(tables)
    ]
    order = {name: number for number, name in enumerate(RULES)}
    return sorted(found, key=lambda finding: (-finding.severity, _pid(finding), order[finding.rule]))


def _pid(finding: Finding) -> tuple[int, int]:
    process = finding.process
    if process is None:
        return -1, 0
    return process.pid if isinstance(process.pid, int) else 1 << 32, process.address
