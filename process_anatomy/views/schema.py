"""What a row of a view holds, as a JSON Schema, and a record as that schema has it."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from process_anatomy.views.declaration import ADDRESS, BOOLEAN, INTEGER, TEXT, TEXTS, TIME, Column, View
from process_anatomy.views.records import Record

DIALECT = "https://json-schema.org/draft/2020-12/schema"
ABSENT = "absent"
"""Name of what holds the reasons of the cells without a fact, by column, beside the columns of a row."""
ENCODER = json.JSONEncoder(ensure_ascii=False)
UNSIGNED, LOWEST, HIGHEST = (1 << 64) - 1, -(1 << 63), (1 << 63) - 1
TYPES: dict[Any, dict[str, Any]] = {
    INTEGER: {"type": ["integer", "null"], "minimum": 0, "maximum": UNSIGNED},
    ADDRESS: {"type": ["integer", "null"], "minimum": 0, "maximum": UNSIGNED},
    TEXT: {"type": ["string", "null"]},
    BOOLEAN: {"type": ["boolean", "null"]},
    TIME: {"type": ["string", "null"], "format": "date-time"},
    TEXTS: {"type": ["array", "null"], "items": {"type": "string"}},
}
"""Kind of a column to what JSON holds of it."""


def json_schema(view: View, *, absent: bool = False) -> dict[str, Any]:
    """The JSON Schema of one row of a view, as :func:`json_record` gives it.

    Args:
        view: the view.
        absent: the row has the reasons of its cells without a fact too, by column, as rows in files have.
    """
    reasons = {
        ABSENT: {
            "description": "the columns of the row without a fact, each with the reason",
            "type": "object",
            "additionalProperties": {"type": "string"},
        }
    }
    return {
        "$schema": DIALECT,
        "title": f"windows.anatomy.{view.name}",
        "description": view.title,
        "x-version": ".".join(map(str, view.version)),
        "type": "object",
        "properties": {column.name: _property(column) for column in view.columns} | (reasons if absent else {}),
        "required": [*view.names, *((ABSENT,) if absent else ())],
        "additionalProperties": False,
    }


def _property(column: Column) -> dict[str, Any]:
    kind = dict(TYPES[column.kind])
    if column.signed:
        kind |= {"minimum": LOWEST, "maximum": HIGHEST}
    unit = {"x-unit": column.unit} if column.unit else {}
    return {"description": column.meaning, **kind, **unit}


def json_record(record: Record) -> dict[str, Any]:
    """A record in the types of JSON: times as text in UTC, to the microsecond."""
    if datetime not in set(map(type, record.values())):
        return {**record}
    return {name: value.isoformat() if isinstance(value, datetime) else value for name, value in record.items()}


def utf8(value: Any) -> Any:
    """Text that UTF-8 can hold, alone or in lists and objects: half a surrogate pair becomes an escape."""
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode("utf-8")
    if isinstance(value, dict):
        return {utf8(key): utf8(each) for key, each in value.items()}
    return [utf8(each) for each in value] if isinstance(value, (list, tuple)) else value


def json_bytes(value: object) -> bytes:
    """JSON in UTF-8, in which half a surrogate pair is the text of an escape; what holds none is not gone through.

    Readers decline the whole file where half a pair is escaped as JSON does it.
    """
    try:
        return ENCODER.encode(value).encode()
    except UnicodeEncodeError:
        return ENCODER.encode(utf8(value)).encode()
