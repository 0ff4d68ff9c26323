"""Which note belongs to a process by who sees it, and the facts that fill it in.

As :mod:`process_anatomy.notes.process_rows`: pure functions; the words are in the notes.
"""

from __future__ import annotations

from process_anatomy.notes.block_rows import place
from process_anatomy.notes.explainer import Told
from process_anatomy.notes.library import Level, Library
from process_anatomy.notes.process_rows import listing, who
from process_anatomy.walk.crossview.crossings import Crossing
from process_anatomy.walk.crossview.sightings import BACKWARD, CSR, CSRSS_HANDLES, FORWARD, HANDLES, JOB, SESSION
from process_anatomy.walk.crossview.verdicts import HIDDEN, REMNANT

GROUPS = frozenset({CSRSS_HANDLES, HANDLES, CSR, SESSION, JOB})
"""Views that know of a process by the company that it keeps."""
NO_VIEW = "no view"


def crossview_note(row: Crossing) -> tuple[str, dict[str, object]]:
    """The note of a process by who sees it."""
    facts = who(row.process) | {
        "seen": listing([view for view, seen in row.views.items() if seen is True]) or NO_VIEW,
        "missed": listing(row.hidden_from) or NO_VIEW,
        "missing": listing([absence.view for absence in row.absences]) or NO_VIEW,
        "confidence": row.confidence,
        "offset": place(row.process.address) if row.process.address else "an unknown address",
        "physical": place(row.physical),
    }
    return f"crossview-row/{_kind(row)}", facts


def _kind(row: Crossing) -> str:
    if row.verdict == REMNANT and not row.in_place:
        return "elsewhere"
    if row.verdict == HIDDEN:
        missed = set(row.hidden_from)
        if missed in ({FORWARD}, {BACKWARD}):
            return "hidden-one-way"
        return "hidden-from-subsystem" if missed <= GROUPS else "hidden"
    return "idle" if row.process.pid == 0 else row.verdict


def absence_notes(row: Crossing, library: Library) -> str:
    """Why views do not see a process, one sentence for each reason; empty where all that is said is in its note."""
    if not row.in_place:
        return ""
    by_reason: dict[str, list[str]] = {}
    for absence in row.absences:
        by_reason.setdefault(absence.reason, []).append(absence.view)
    return "".join(
        f" {listing(views)}: {library[f'absence/{reason}'].text(Level.BRIEF)}." for reason, views in by_reason.items()
    )


def crossing_row(row: Crossing, library: Library) -> Told:
    """All that is said of a process by who sees it: its note, with the reasons of views that do not."""
    return Told(*crossview_note(row), sober=absence_notes(row, library))
