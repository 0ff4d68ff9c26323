"""Which note belongs to a finding, and the facts that fill it in.

As :mod:`process_anatomy.notes.process_rows`: pure functions; the words are in the notes.
"""

from __future__ import annotations

from process_anatomy.findings import Finding
from process_anatomy.notes.library import Library
from process_anatomy.notes.process_rows import who

Fact = tuple[str, dict[str, object]]


def finding_note(row: Finding) -> Fact:
    """The note of a finding."""
    subject = {"process": "this image", "pid": "all of it"} if row.process is None else who(row.process)
    return f"finding/{row.rule}", {**subject, "about": row.about}


def innocent(row: Finding, library: Library) -> str:
    """What else would give the same picture as a finding."""
    return library[f"finding/{row.rule}"].innocent


def technique(row: Finding, library: Library) -> str:
    """The id of MITRE ATT&CK that a finding points to, empty where there is none."""
    return library[f"finding/{row.rule}"].technique
