"""The rules by their ids, and how they are run."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum

from process_anatomy.absent import NOT_APPLICABLE
from process_anatomy.errors import RequestError
from process_anatomy.findings.standing import FITNESS, Standing
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
        rests: the tables that it concludes from, by their names in :data:`process_anatomy.findings.standing.FITNESS`;
            it is not run for a process one of whose is broken.
    """

    id: str
    severity: Severity
    judge: Judge
    rests: tuple[str, ...] = ()


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


ADDRESS = re.compile(r"\b0x[0-9a-f]{5,16}\b")
"""What evidence may name of a process's memory: nothing lies in its first 64 KB."""
RULES: dict[str, Rule] = {}
"""Every rule by its id, in the order of the rooms' modules."""


def rule(name: str, severity: Severity, rests: Sequence[str] = ()) -> Callable[[Judge], Judge]:
    """Register a function as a rule that rests on these tables."""
    assert FITNESS.keys() >= set(rests), rests

    def register(judge: Judge) -> Judge:
        assert name not in RULES, name
        RULES[name] = Rule(name, severity, judge, tuple(rests))
        return judge

    return register


@dataclass(frozen=True, slots=True)
class Judgement:
    """What came of running rules.

    Attributes:
        findings: everything that does not fit together, the weightiest first, then by process id.
        ran: ids of the rules that were run.
        processes: how many processes that had not ended they were run for.
        unjudged: by reason, the processes of which some rules could not judge, each with how many rules.
    """

    findings: tuple[Finding, ...]
    ran: tuple[str, ...]
    processes: int
    unjudged: Mapping[str, Mapping[int, int]]

    @property
    def lines(self) -> tuple[str, ...]:
        """How much was judged, and for each reason how many were not: none found is not none judged."""
        ran = f"{len(self.ran)} rules were" if len(self.ran) > 1 else "one rule was"
        told = [f"{ran} run over {self.processes} running {'process' if self.processes == 1 else 'processes'}"]
        for reason, processes in self.unjudged.items():
            most = max(processes.values())
            rules = f"{most} of the rules" if most > 1 else "one of the rules"
            told.append(f"not judged by {rules}, in {len(processes)} of the processes: {reason}")
        return tuple(told)


def judged(tables: Tables, least: Severity = Severity.INFO, rules: Collection[str] = ()) -> Judgement:
    """Run rules; nothing is concluded of a process from a table, on which a rule rests, that is broken or misread.

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
    standing = Standing(tables)
    run = [each for each in RULES.values() if each.severity >= least and (not rules or each.id in rules)]
    found = [
        Finding(each.id, each.severity, process, about, evidence + decompressed(tables, process, evidence))
        for each in run
        for process, about, evidence in each.judge(tables)
        if standing.reason(process.address if process is not None else 0, each.rests) is None
    ]
    running = [process for process in tables.processes if process.exit_time == NOT_APPLICABLE]
    unjudged: dict[str, dict[int, int]] = {}
    for process in running:
        for each in run:
            if (reason := standing.reason(process.address, each.rests)) is not None:
                kind = reason if reason in standing.misread.values() else reason.partition(":")[0].partition(",")[0]
                rules_of = unjudged.setdefault(kind, {})
                rules_of[process.address] = rules_of.get(process.address, 0) + 1
    order = {name: number for number, name in enumerate(RULES)}
    found.sort(key=lambda finding: (-finding.severity, _pid(finding), order[finding.rule]))
    return Judgement(tuple(found), tuple(each.id for each in run), len(running), unjudged)


def decompressed(tables: Tables, process: Process | None, evidence: Sequence[str]) -> tuple[str, ...]:
    """Which of the addresses that evidence names in a process were read from the compression store, in words."""
    if process is None:
        return ()
    named = dict.fromkeys(int(found, 16) for line in evidence for found in ADDRESS.findall(line))
    stored = tables.decompressed(process, list(named))
    return (f"read from the compression store: {', '.join(f'{at:#x}' for at in stored)}",) if stored else ()


def findings(tables: Tables, least: Severity = Severity.INFO, rules: Collection[str] = ()) -> list[Finding]:
    """Everything that does not fit together: the findings of :func:`judged`.

    Raises:
        RequestError: there is no rule of that id.
    """
    return list(judged(tables, least, rules).findings)


def _pid(finding: Finding) -> tuple[int, int]:
    process = finding.process
    if process is None:
        return -1, 0
    return process.pid if isinstance(process.pid, int) else 1 << 32, process.address
