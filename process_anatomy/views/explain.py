"""The view of the terms of the suite."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from process_anatomy.errors import RequestError
from process_anatomy.views.declaration import BOOLEAN, TEXT, Cells, Column, Option, Request, Row, View

if TYPE_CHECKING:
    from process_anatomy.notes.explainer import Explainer
    from process_anatomy.notes.library import Note


def rows(request: Request) -> Iterator[Row]:
    """One row for each note; what became of each passage of the reader's note, where that is asked.

    Raises:
        RequestError: no note is about what was asked, or there is no note of the reader to be checked.
    """
    from process_anatomy.notes.about import about
    from process_anatomy.views import column_notes

    if request.options["check"]:
        yield from _checked(request)
        return
    for note in about(request.options["about"], column_notes):
        yield 0, _told(request.explain, note)


def _told(explain: Explainer, note: Note) -> Cells:
    """What is told of a term: the reader's words where there are any, what only mentions it behind ours."""
    from process_anatomy.notes.explainer import YOURS
    from process_anatomy.notes.library import Level

    kind, _, term = note.id.partition("/")
    own, level = explain.own, Level.FULL if explain.level is Level.BRIEF else explain.level
    said = explain.general(note, level)
    words, source = said.words, said.place if said.place == note.source else f"{said.place}; {note.source}"
    analogy = None if own is None else own.quote(note.id, Level.ANALOGY)
    mentions = [] if own is None or level is Level.OFF else own.mentions(note.id)
    if mentions:
        words = f"{words} {YOURS}: {' '.join(each.cited for each in mentions)}"
    return {
        "Term": term,
        "Kind": kind,
        "Title": note.title,
        "Explanation": words or None,
        "Analogy": (note.analogy if analogy is None else analogy.cited) or None,
        "Command": note.command or None,
        "Source": source or note.source,
        "Match": None if own is None else own.how(note.id) or ("mention" if mentions else "none"),
    }


def _checked(request: Request) -> Iterator[Row]:
    """What became of each passage of the reader's note, then the terms that it says nothing of.

    Raises:
        RequestError: there is no note.
    """
    from process_anatomy.notes.library import default

    own = request.explain.own
    if own is None:
        raise RequestError("--check is about a note: --note says which")
    lacking = list(own.lacking())
    matched = sum(bool(match.key) for match in own.matches)
    request.report([f"{own.path}: {matched} of {len(own.matches)} passages matched, {len(lacking)} terms lacking"])
    for match in (*own.matches, *lacking):
        note, passage = default()[match.key] if match.key else None, match.passage
        words = passage.words if passage else note.brief if note else ""
        yield (
            0,
            {
                "Term": match.key.partition("/")[2] or None,
                "Kind": match.key.partition("/")[0] or None,
                "Title": passage.key if passage else note.title if note else None,
                "Explanation": None if passage and passage.analogy else words or None,
                "Analogy": words or None if passage and passage.analogy else None,
                "Command": note.command or None if note else None,
                "Source": passage.place if passage else note.source if note else None,
                "Match": match.how,
            },
        )


VIEW = View(
    name="explain",
    title="Explains the terms of the suite: purpose, analogy, and the command that shows each. Needs no image.",
    component="process",
    columns=(
        Column("Term", TEXT, "the id under which the note is kept", "notes"),
        Column(
            "Kind", TEXT, "what kind of note it is: a component, a term, a privilege, a protection and so on", "notes"
        ),
        Column("Title", TEXT, "the short name of what is explained", "notes"),
        Column("Explanation", TEXT, "the explanation itself", "notes"),
        Column("Analogy", TEXT, "the same as a gang would see it", "notes; study note, Translation"),
        Column("Command", TEXT, "the command that shows it in an image", "notes"),
        Column("Source", TEXT, "where the fact comes from", "notes"),
        Column(
            "Match",
            TEXT,
            "how your own note was matched: by heading, table row, block id, place in a table, or a mere mention",
            "the note that --note names",
        ),
    ),
    version=(1, 1, 0),
    rows=rows,
    telling=("Term", "Title"),
    options=(
        Option("about", TEXT, "What to explain"),
        Option("check", BOOLEAN, "What became of each passage of your note, and which terms it lacks", False),
    ),
    of_image=False,
    by_process=False,
    process="",
    address="",
    through="",
)
