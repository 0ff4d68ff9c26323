"""Findings in SARIF 2.1.0: each rule with its words, each finding as a result; nothing but verdicts.

https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html has the format.
"""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import BinaryIO

from process_anatomy.fleet.exports.findings import PAGE, Finding, findings
from process_anatomy.fleet.exports.source import Document, Source, filled
from process_anatomy.notes import default
from process_anatomy.views.schema import json_bytes

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
LEVELS = ("note", "note", "warning", "error", "error")
"""Of findings from info to critical."""
RANKS = (5.0, 25.0, 50.0, 75.0, 95.0)
"""The same as ``rank``, from 0 to 100."""


def write(source: Source, name: str, file: BinaryIO) -> int:
    """Write one run, result by result; gives how many."""
    rules = sorted(note.partition("/")[2] for note in default().ids("finding/"))
    places = {rule: place for place, rule in enumerate(rules)}
    tool = {"driver": {"name": "process-anatomy", "version": source.version, "rules": [_rule(rule) for rule in rules]}}
    file.write(b'{"$schema": "' + SCHEMA.encode() + b'", "version": "2.1.0", "runs": [{"tool": ' + json_bytes(tool))
    file.write(
        b',\n"artifacts": ' + json_bytes([_artifact(source)]) + b',\n"columnKind": "utf16CodeUnits",\n"results": ['
    )
    count = 0
    for finding in findings(source):
        file.write((b",\n" if count else b"\n") + json_bytes(_result(source, finding, places[finding.rule])))
        count += 1
    file.write(b'],\n"invocations": ' + json_bytes([_invocation(source)]) + b"}]}\n")
    return count


def _rule(rule: str) -> Document:
    note = default()[f"finding/{rule}"]
    name = "".join(part.capitalize() for part in rule.split("-"))
    tags = [note.technique] if note.technique else []
    return filled(
        {
            "id": rule,
            "name": name if name.casefold() != rule else None,  # the standard wants another one, or none
            "shortDescription": {"text": note.title},
            "help": {"text": f"{note.title}; see {PAGE}"},
            "properties": {"tags": tags},
        }
    )


def _artifact(source: Source) -> Document:
    kind, _, value = (source.origin.image or "").partition(":")
    return filled(
        {
            "location": {"uri": _uri(source)},
            "description": {"text": "the memory image"},
            "hashes": {"sha-256": value} if kind == "sha256" else None,
        }
    )


def _uri(source: Source) -> str:
    """Where the image is, or was on the machine that wrote the rows."""
    path = source.path
    if re.match(r"[A-Za-z]:[\\/]|\\\\", path):
        return PureWindowsPath(path).as_uri()
    if path.startswith("/"):
        return PurePosixPath(path).as_uri()
    return Path(path).absolute().as_uri() if path else "memory"


def _result(source: Source, finding: Finding, place: int) -> Document:
    row = finding.row
    who = None if row["pid"] is None else f"{'no name' if row['process'] is None else row['process']} ({row['pid']})"
    logical = [{"name": who, "fullyQualifiedName": who, "kind": "process"}] if who else None
    return filled(
        {
            "ruleId": finding.rule,
            "ruleIndex": place,
            "level": LEVELS[finding.severity],
            "rank": RANKS[finding.severity],
            "message": {"text": literal("\n".join([finding.text, *finding.evidence]))},
            "locations": [
                filled(
                    {
                        "physicalLocation": {"artifactLocation": {"uri": _uri(source), "index": 0}},
                        "logicalLocations": logical,
                    }
                )
            ],
            "guid": finding.id,
            "partialFingerprints": {"processAnatomyFinding/v1": finding.id},
            "properties": {
                "severity": row["Severity"],
                "technique": finding.technique,
                "innocent": row["Innocent"],
                "problems": row["Problems"],
            },
        }
    )


def _invocation(source: Source) -> Document:
    """Whether the findings are whole: what rules could not judge, and whether the rows are to be trusted at all."""
    said = [("error", f"do not trust the findings: {source.doubt}")] if source.doubt else []
    told = [*said, *(("note", line) for line in source.problems("findings"))]
    notes = [{"level": level, "message": {"text": literal(line)}} for level, line in told]
    return filled({"executionSuccessful": not source.doubt, "toolExecutionNotifications": notes})


def literal(text: str) -> str:
    """Text in which no reader finds a placeholder or a link (3.11.5 and 3.11.6 of the standard), whatever it holds."""
    return re.sub(r"([\[\]])(?=\(|[^\[\]]*\]\()", r"\\\1", text.replace("{", "{{").replace("}", "}}"))
