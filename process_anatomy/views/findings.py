"""The view of what does not fit together."""

from __future__ import annotations

from collections.abc import Iterator

from process_anatomy.views.declaration import INTEGER, TEXT, TEXTS, Column, Option, Request, Row, View

SEVERITIES = ("info", "low", "medium", "high", "critical")
"""Names of severities in rising order; the engine has them too, and is not imported for the list of options."""


def rows(request: Request) -> Iterator[Row]:
    """One row for each finding, the weightiest first, then by process id."""
    from process_anatomy.findings import Severity, judged
    from process_anatomy.findings.hiding import HIDING
    from process_anatomy.notes.finding_rows import finding_note, innocent, technique

    explain = request.explain
    rules = [name.strip() for name in (request.options["rule"] or "").split(",") if name.strip()]
    least = Severity.INFO if rules else Severity(SEVERITIES.index(request.options["severity"]))
    tables = request.tables if rules and not HIDING & set(rules) else request.tables.with_hidden
    request.report(tables.everyone.problems)
    judgement = judged(tables, least, rules)
    request.report(judgement.lines)
    for row in judgement.findings:
        process = row.process
        yield (
            0,
            {
                "PID": None if process is None else process.pid,
                "Process": None if process is None else process.name,
                "Rule": row.rule,
                "Severity": str(row.severity),
                "Evidence": row.evidence,
                "Technique": technique(row, explain.library) or None,
                "Innocent": innocent(row, explain.library),
                "Problems": () if process is None else process.problems,
                "Explanation": explain(finding_note, row),
            },
        )


VIEW = View(
    name="findings",
    title="Lists what does not fit together in each process, explained: evidence, innocent causes, ATT&CK technique.",
    component="process",
    columns=(
        Column(
            "PID",
            INTEGER,
            "the id of the process that the finding is about; empty for the image as a whole",
            "_EPROCESS.UniqueProcessId",
        ),
        Column("Process", TEXT, "the short name of the process that the finding is about", "_EPROCESS.ImageFileName"),
        Column(
            "Rule", TEXT, "the id of the rule that found it; docs/findings.md lists them all", "Rules of this suite"
        ),
        Column(
            "Severity",
            TEXT,
            "how much it would weigh if none of its innocent causes held: info, low, medium, high, critical",
            "Severities of this suite",
        ),
        Column(
            "Evidence",
            TEXTS,
            "the facts that the finding rests on, with their addresses",
            "The tables of the other plugins",
            empty="",
        ),
        Column(
            "Technique",
            TEXT,
            "the id of the technique of MITRE ATT&CK that it points to; empty where there is none",
            "MITRE ATT&CK, Enterprise matrix",
        ),
        Column(
            "Innocent", TEXT, "what else gives the same picture, and is to be ruled out first", "Rules of this suite"
        ),
        Column(
            "Problems",
            TEXTS,
            "what could not be read of the process, so that not all of it could be judged",
            "Page-table entries; kinds of absence",
        ),
        Column(
            "Explanation",
            TEXT,
            "what was found and what it would mean, at the level that --explain asks for",
            "Notes of this suite",
        ),
    ),
    rows=rows,
    telling=("PID", "Process", "Severity", "Rule", "Technique", "Evidence", "Innocent"),
    options=(
        Option(
            "severity",
            TEXT,
            "Least severity to show; info is what healthy systems show as well",
            "low",
            SEVERITIES,
        ),
        Option("rule", TEXT, "Rules to run, whatever their severity: one,another"),
    ),
    address="",
)
