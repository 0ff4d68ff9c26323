"""Exports of the sample, made once, and a source of hostile rows: no image has all that memory may hold."""

from __future__ import annotations

import io
import json
from collections.abc import Iterable, Iterator
from datetime import datetime, timezone
from typing import Any

from process_anatomy.fleet.exports import FORMS
from process_anatomy.fleet.exports.source import Source, view_of
from process_anatomy.views.declaration import ADDRESS, BOOLEAN, INTEGER, TEXT, TEXTS, TIME
from process_anatomy.views.flat import Origin
from process_anatomy.views.records import Record

HOSTILE = "=cmd|' /C calc'!A0 \ud800 \x00\x1b[31m\u202e{0} [x](http://e.x) <b>\"\n"
CAPTURED = datetime(2023, 11, 16, 11, 32, 20, 123456, tzinfo=timezone.utc)
VALUES: dict[Any, Any] = {
    INTEGER: (1 << 64) - 1,
    ADDRESS: (1 << 64) - 1,
    TEXT: HOSTILE,
    TEXTS: [HOSTILE, HOSTILE],
    BOOLEAN: True,
    TIME: CAPTURED,
}
HOST = {"Variable": "ComputerName", "Value": "HOST17"}
FINDING = {"Rule": "hidden-process", "Severity": "critical", "Technique": "T1055.012", "Evidence": [HOSTILE]}
NUMBERS = {"pid": 4294967292, "PPID": 4294967288, "TID": 8, "row": 0, "row_parent": None, "row_depth": 0}


OF: dict[str, dict[str, Any]] = {"findings": FINDING, "envars": HOST}


def worst(name: str, **own: Any) -> Record:
    """A row of a view with the worst that its columns can hold, and what is asked for."""
    values = {column.name: VALUES[column.kind] for column in view_of(name).columns}
    known = NUMBERS | ({"TID": None} if name == "tokens" else {}) | OF.get(name, {})
    return Record(values | {key: each for key, each in known.items() if key in values} | own, 0, {})


def bare(name: str) -> Record:
    """A row of which nothing could be read."""
    values: dict[str, Any] = {column.name: None for column in view_of(name).columns}
    known: dict[str, Any] = {"row": 1, "row_depth": 0}
    if name == "findings":
        known |= {"Rule": "hidden-process", "Severity": "info"}
    lost = {column.name: "unreadable: \ud800" for column in view_of(name).columns if column.name not in known}
    return Record(values | known, 0, lost)


def hostile(captured: datetime | None = CAPTURED, doubt: str = "") -> Source:
    """The worst row of each view, and one of which nothing could be read."""

    def rows(name: str) -> Iterable[Record]:
        return iter([worst(name), bare(name)])

    return Source(Origin("sha256:" + "0" * 64, captured), {"build": 22621, "architecture": "x64"}, "0", rows, doubt)


def of_rows(rows: list[Record]) -> Source:
    """A source whose every view has these rows."""
    return Source(Origin(None, None), {}, "0", lambda _: iter(rows))


def written(source: Source, form: str, name: str) -> bytes:
    """A view as a form has it."""
    file = io.BytesIO()
    FORMS[form].write()(source, name, file)
    return file.getvalue()


def lines(content: bytes) -> Iterator[dict[str, Any]]:
    """The objects of JSON lines, which are UTF-8 and hold no half of a surrogate pair."""
    for line in content.splitlines():  # of bytes: text has more ends of lines than JSON lines have
        found = json.loads(line.decode("utf-8"))
        json.dumps(found, ensure_ascii=False).encode("utf-8")
        yield found
