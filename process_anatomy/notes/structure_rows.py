"""Which note belongs to a field of a structure, and the facts that fill it in.

As :mod:`process_anatomy.notes.process_rows`: pure functions; the words are in the notes.
"""

from __future__ import annotations

from process_anatomy.walk.across.structures import FieldRow


def field_note(row: FieldRow) -> tuple[str, dict[str, object]]:
    """The note of a field of a structure."""
    facts: dict[str, object] = {
        "structure": row.layout.name,
        "what": row.layout.meaning,
        "field": row.field,
        "address": f"{row.address + row.place.offset:#x}" if row.place else "no address",
        "value": row.text,
        "meaning": row.meaning,
    }
    if row.place is None:
        return "field-row/not-in-build", facts
    if not row.readable:
        return "field-row/unreadable", facts
    return f"field-row/{'system' if row.in_system_space else 'process'}", facts
