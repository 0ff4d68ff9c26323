"""Which note belongs to a finding, and the facts that fill it in.

As :mod:`process_anatomy.notes.process_rows`: pure functions; the words are in the notes.
"""

from __future__ import annotations

from process_anatomy.findings import Finding
from process_anatomy.notes.library import Library, Words
from process_anatomy.notes.process_rows import who

Fact = tuple[str, dict[str, object]]
OURS = "thread "
"""How what a finding is about begins where that is no name from memory but a noun of ours."""


def finding_note(row: Finding) -> Fact:
    """The note of a finding."""
    subject = {"process": Words("this image"), "pid": "all of it"} if row.process is None else who(row.process)
    about = Words(row.about) if row.about.startswith(OURS) else row.about
    return f"finding/{row.rule}", {**subject, "about": about}


def innocent(row: Finding, library: Library) -> str:
    """What else would give the same picture as a finding."""
    return library[f"finding/{row.rule}"].innocent


def technique(row: Finding, library: Library) -> str:
    """The id of MITRE ATT&CK that a finding points to, empty where there is none."""
    return library[f"finding/{row.rule}"].technique
