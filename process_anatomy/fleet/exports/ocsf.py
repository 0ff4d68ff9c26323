"""Events of the Open Cybersecurity Schema Framework: what a query of processes and modules found, and findings.

https://schema.ocsf.io/1.6.0 has the classes: Process Query (5015), Module Query (5011), Detection Finding (2004).
What they have no place for is under ``unmapped``, with the reasons of what there is no fact for.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timezone
from typing import Any, BinaryIO

from process_anatomy.fleet.exports.findings import Finding, findings
from process_anatomy.fleet.exports.source import (
    Document,
    Source,
    basename,
    cells,
    filled,
    lost,
    milliseconds,
    rows_of,
    view_of,
    write_lines,
)
from process_anatomy.fleet.exports.whole import Whole
from process_anatomy.views.records import Record

VERSION = "1.6.0"
PROCESS_QUERY, MODULE_QUERY, DETECTION_FINDING = 5015, 5011, 2004
QUERY = CREATE = 1
EXISTS, INFORMATIONAL, REGULAR_FILE, RULE = 1, 1, 1, 1
STANDARD, UNKNOWN, WINDOWS = 1, 0, 100
INTEGRITY = {"untrusted": 1, "low": 2, "medium": 3, "high": 4, "system": 5, "protected": 6}
LATE = "the image does not tell when it was taken: the time is that of the query"


def write(source: Source, name: str, file: BinaryIO) -> int:
    """Write what there is of a view, an event a line; gives how many."""
    return write_lines(documents(source, name), file)


def documents(source: Source, name: str) -> Iterator[Document]:
    """The events of a view."""
    now = milliseconds(source.origin.captured or datetime.now(timezone.utc))
    if name == "findings":
        for finding in findings(source):
            yield filled(_finding(source, finding, now))
    elif name == "processes":
        for whole in source.wholes:
            told = {"process": _process(source, whole.row, whole)}
            yield _found(source, name, whole.row, PROCESS_QUERY, now, told)
    else:
        for _, row in rows_of(source, name):
            told = {"process": _process(source, row, source.whole(row)), "module": _module(row)}
            yield _found(source, name, row, MODULE_QUERY, now, told)


def _found(source: Source, name: str, row: Record, kind: int, now: int | None, told: Document) -> Document:
    """What a query found of one row."""
    asked = f"windows.anatomy.{name}"
    return filled(
        _event(source, kind, now, INFORMATIONAL, source.id(name, row["row"]))
        | {"query_info": {"name": asked, "query_string": asked}, "query_result_id": EXISTS}
        | told
        | {"unmapped": _unmapped(source, name, row)}
    )


def _event(source: Source, kind: int, now: int | None, severity: int, uid: str) -> Document:
    said = [f"do not trust: {source.doubt}"] if source.doubt else []
    late = [] if source.origin.captured else [LATE]
    return {
        "activity_id": QUERY,
        "category_uid": kind // 1000,
        "class_uid": kind,
        "type_uid": kind * 100 + QUERY,
        "severity_id": severity,
        "time": now,
        "device": _device(source),
        "status_detail": "; ".join([*said, *late]) or None,
        "metadata": {
            "version": VERSION,
            "product": {"name": "process-anatomy", "vendor_name": "process-anatomy", "version": source.version},
            "uid": uid,
            "profiles": ["host"] if source.host else None,
            "correlation_uid": source.origin.image,
        },
    }


def _device(source: Source) -> Document | None:
    """The computer, where its name is known; what sort it is nobody knows."""
    build = source.facts.get("build")
    system = {"name": "Windows", "type_id": WINDOWS, "build": None if build is None else str(build)}
    return {"hostname": source.host, "type_id": UNKNOWN, "os": system} if source.host else None


def _unmapped(source: Source, name: str, row: Record) -> Document:
    build = source.facts.get("build")
    return {**cells(view_of(name), row), "image": source.origin.image, "build": build, "absent": lost(row)}


def _process(source: Source, row: Record, whole: Whole | None) -> Document:
    """The process of a row; whatever else is known of it where it is known which process that is."""
    if whole is None:
        uid = source.id("process of", row["row"]) if row["pid"] is None else None  # the class asks for one of them
        return {"pid": row["pid"], "name": row["process"], "uid": uid}
    parent, session = whole.row["PPID"], whole.row["SessionId"]
    known = whole.user is not None or whole.user_name is not None
    return {
        "pid": whole.pid,
        "name": whole.name,
        "uid": source.id_of(whole),
        "cmd_line": whole.command_line,
        "working_directory": whole.folder,
        "created_time": milliseconds(whole.row["CreateTime"]),
        "terminated_time": milliseconds(whole.row["ExitTime"]),
        "file": _file(whole.row["ImagePath"]),
        "parent_process": None if parent is None else {"pid": parent},
        "session": None if session is None else {"uid": str(session)},
        "user": {"uid": whole.user, "name": whole.user_name, "domain": whole.domain} if known else None,
        "integrity": whole.integrity.capitalize() if whole.integrity in INTEGRITY else whole.integrity,
        "integrity_id": None if whole.integrity is None else INTEGRITY.get(whole.integrity, 99),
    }


def _file(path: Any) -> Document | None:
    name = basename(path)
    return None if name is None else {"name": name, "path": path, "type_id": REGULAR_FILE}


def _module(row: Record) -> Document:
    base, path = row["Base"], row["Path"] if row["Path"] is not None else row["MappedPath"]
    return {
        "base_address": f"{base:#x}" if isinstance(base, int) else None,
        "file": _file(path),
        "load_type_id": STANDARD if row["State"] == "listed" else UNKNOWN,
    }


def _finding(source: Source, finding: Finding, now: int | None) -> Document:
    row = finding.row
    whole = source.whole(row)
    process = _process(source, row, whole) if row["pid"] is not None else None
    about = filled({"data": list(finding.evidence), "process": process})
    return _event(source, DETECTION_FINDING, now, finding.severity + 1, finding.id) | {
        "message": finding.text,
        "finding_info": {
            "uid": finding.id,
            "title": finding.title,
            "desc": finding.text,
            "analytic": {"uid": finding.rule, "name": finding.title, "type_id": RULE},
            "attacks": _attacks(finding),
            "data_sources": [source.origin.image] if source.origin.image else None,
        },
        "evidences": [about] if about else None,
        "unmapped": {"innocent": row["Innocent"], "problems": row["Problems"], "image": source.origin.image},
    }


def _attacks(finding: Finding) -> list[Document] | None:
    main, sub = finding.techniques
    if main is None:
        return None
    return [filled({"technique": {"uid": main}, "sub_technique": {"uid": sub}})]
