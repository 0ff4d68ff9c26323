"""Events in the Elastic Common Schema: what there is of each process, thread and module, and findings as alerts.

https://www.elastic.co/docs/reference/ecs/ecs-field-reference has the fields.  What these have no place for is under
``anatomy``, by the names of our columns, as the schema has it for fields of one's own.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, BinaryIO

from process_anatomy.fleet.exports.findings import Finding, findings
from process_anatomy.fleet.exports.source import (
    Document,
    Source,
    basename,
    cells,
    filled,
    reasons,
    rows_of,
    view_of,
    write_lines,
)
from process_anatomy.fleet.exports.whole import Whole
from process_anatomy.views.records import Record

VERSION = "8.11.0"
ARCHITECTURES = {"x64": "x86_64", "x86": "x86"}
SCORES = (21, 21, 47, 73, 99)
"""``event.severity`` of findings from info to critical: the scores by which Elastic's own rules tell them apart."""


def write(source: Source, name: str, file: BinaryIO) -> int:
    """Write what there is of a view, an event a line; gives how many."""
    return write_lines(documents(source, name), file)


def documents(source: Source, name: str) -> Iterator[Document]:
    """The events of a view."""
    if name == "findings":
        yield from _alerts(source)
        return
    told = {"processes": _process, "threads": _thread, "modules": _module}[name]
    if name == "processes":
        for whole in source.wholes:
            yield _event(source, name, whole.row, told(source, whole.row, whole))
        return
    for _, row in rows_of(source, name):
        yield _event(source, name, row, told(source, row, source.whole(row)))


def _common(source: Source, name: str) -> Document:
    captured, facts = source.origin.captured, source.facts
    return {
        "@timestamp": captured.isoformat() if captured else None,
        "ecs": {"version": VERSION},
        "host": {
            "hostname": source.host,
            "architecture": ARCHITECTURES.get(str(facts.get("architecture"))),
            "os": {"family": "windows", "type": "windows", "kernel": _build(facts.get("build"))},
        },
        "labels": {"image": source.origin.image},
        "tags": ["do-not-trust"] if source.doubt else None,
        "event": {"module": "process_anatomy", "dataset": f"process_anatomy.{name}", "provider": "process-anatomy"},
    }


def _build(number: Any) -> str | None:
    return None if number is None else str(number)


def _event(source: Source, name: str, row: Record, told: Document) -> Document:
    base = _common(source, name)
    event = base["event"] | {"kind": "state"} | told.pop("event")
    own = {"error": {"message": reasons(row)}, "anatomy": {name: cells(view_of(name), row)}}
    return filled(base | own | told | {"event": event})


def _of_process(source: Source, row: Record, whole: Whole | None) -> Document:
    """The process that a row is about; its path and its command line only where it is known which process that is."""
    if whole is None:
        return {"pid": row["pid"], "name": row["process"]}
    return {
        "pid": whole.pid,
        "name": whole.name,
        "entity_id": source.id_of(whole),
        "executable": whole.row["ImagePath"],
        "command_line": whole.command_line,
        "working_directory": whole.folder,
        "start": _time(whole.row["CreateTime"]),
        "end": _time(whole.row["ExitTime"]),
        "parent": {"pid": whole.row["PPID"]},
    }


def _user(whole: Whole | None) -> Document | None:
    return None if whole is None else {"id": whole.user, "name": whole.user_name, "domain": whole.domain}


def _process(source: Source, row: Record, whole: Whole | None) -> Document:
    return {
        "message": f"process {row['process']} ({row['pid']})",
        "event": {"category": ["process"], "type": ["info"]},
        "process": _of_process(source, row, whole),
        "user": _user(whole),
    }


def _thread(source: Source, row: Record, whole: Whole | None) -> Document:
    start, end = _time(row["CreateTime"]), _time(row["ExitTime"])
    thread = {"id": row["TID"], "name": row["Name"]}
    return {
        "message": f"thread {row['TID']} of {row['process']} ({row['pid']})",
        "event": {"category": ["process"], "type": ["info"], "start": start, "end": end},
        "process": _of_process(source, row, whole) | {"thread": thread},
        "user": _user(whole),
    }


def _module(source: Source, row: Record, whole: Whole | None) -> Document:
    path = row["Path"] if row["Path"] is not None else row["MappedPath"]
    name = row["Name"] if row["Name"] is not None else basename(path)
    return {
        "message": f"module {name} of {row['process']} ({row['pid']})",
        "event": {"category": ["library"], "start": _time(row["LoadTime"])},
        "dll": {"name": name, "path": path},
        "process": _of_process(source, row, whole),
        "user": _user(whole),
    }


def _alerts(source: Source) -> Iterator[Document]:
    for finding in findings(source):
        row, base = finding.row, _common(source, "findings")
        whole = source.whole(row)
        event = base["event"] | {
            "kind": "alert",
            "category": ["intrusion_detection"],
            "type": ["info"],
            "id": finding.id,
            "severity": SCORES[finding.severity],
        }
        yield filled(
            base
            | {
                "message": finding.text,
                "event": event,
                "rule": {
                    "id": finding.rule,
                    "name": finding.title,
                    "ruleset": "process-anatomy",
                },
                "threat": _threat(finding),
                "process": _of_process(source, row, whole) if row["pid"] is not None else None,
                "user": _user(whole),
                "error": {"message": "; ".join(finding.problems) or None},
                "anatomy": {"findings": cells(view_of("findings"), row)},
            }
        )


def _threat(finding: Finding) -> Document | None:
    main, sub = finding.techniques
    if main is None:
        return None
    return {"framework": "MITRE ATT&CK", "technique": {"id": [main], "subtechnique": {"id": [sub] if sub else None}}}


def _time(value: Any) -> str | None:
    return None if value is None else str(value.isoformat())
