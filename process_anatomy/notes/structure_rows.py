"""Which note belongs to a field of a structure, and the facts that fill it in.

As :mod:`process_anatomy.notes.process_rows`: pure functions; the words are in the notes.
"""

from __future__ import annotations

from process_anatomy.notes.explainer import Told
from process_anatomy.walk.across.structures import FieldRow

UNEXPLAINED = "a structure of the kernel's symbols that no other view reads"


def field_note(row: FieldRow) -> Told:
    """The note of a field of a structure; one whose place rests on a neighbour alone says so."""
    kind = row.type or "a type that symbols do not tell"
    facts: dict[str, object] = {
        "structure": row.structure,
        "what": row.what or UNEXPLAINED,
        "field": row.field,
        "address": "no address" if row.here is None else f"{row.here:#x}",
        "offset": "no offset" if row.place is None else f"{row.place.offset:#x}",
        "value": row.text,
        "meaning": row.meaning or f"of type {kind}",
        "type": kind,
    }
    return Told(f"field-row/{_kind(row)}", facts, guessed=row.guessed)


def _kind(row: FieldRow) -> str:
    """The last part of the note's id."""
    if row.place is None:
        return "not-in-build"
    if row.address is None:
        return "layout"
    if not row.readable:
        return "unreadable"
    if row.value is None:
        return "part"
    return "system" if row.in_system_space else "process"
