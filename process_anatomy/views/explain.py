"""The view of the terms of the suite."""

from __future__ import annotations

from collections.abc import Iterator

from process_anatomy.views.declaration import TEXT, Column, Option, Request, Row, View


def rows(request: Request) -> Iterator[Row]:
    """One row for each note."""
    from process_anatomy.notes import Level
    from process_anatomy.notes.about import about
    from process_anatomy.views import column_notes

    level = request.explain.level
    for note in about(request.options["about"], column_notes):
        kind, _, term = note.id.partition("/")
        yield (
            0,
            {
                "Term": term,
                "Kind": kind,
                "Title": note.title,
                "Explanation": note.text(Level.FULL if level is Level.BRIEF else level) or None,
                "Analogy": note.analogy or None,
                "Command": note.command or None,
                "Source": note.source,
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
    ),
    rows=rows,
    telling=("Term", "Title"),
    options=(Option("about", TEXT, "What to explain"),),
    of_image=False,
    by_process=False,
    process="",
    address="",
    through="",
)
