"""The notes about a word, without an image."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from process_anatomy.errors import RequestError
from process_anatomy.notes.library import FAMILIES, Note, default

COLUMN = "column"
"""Family of the notes of columns, which are written where each view is declared."""
TEMPLATES = (
    *(family for family in FAMILIES if family.endswith("-row")),
    "privilege-state",
    "finding",
    "check-outcome",
    "layout-verdict",
)
"""Families whose notes are for rows: they hold placeholders."""


def about(question: str | None, columns: Callable[[], Iterable[Note]] = tuple) -> Iterator[Note]:
    """The notes about a word: a family, an id, or a part of a title; components and terms without a question.

    Args:
        question: the word.
        columns: gives the notes of columns.

    Raises:
        RequestError: there is none.
    """
    library = default()
    shown = [family for family in FAMILIES if family not in TEMPLATES]
    if not question:
        for family in ("component", "term"):
            yield from (library[key] for key in library.ids(f"{family}/"))
        return
    wanted = question.strip().lower()
    notes = [library[key] for family in shown for key in library.ids(f"{family}/")]
    notes += columns()
    found = [n for n in notes if n.id.lower() == wanted or n.id.lower().startswith(f"{wanted}/")]
    found = found or [n for n in notes if wanted in (n.id.lower().partition("/")[2], n.id.lower().split("/")[-1])]
    found = found or [n for n in notes if wanted in n.title.lower() or wanted in n.id.lower()]
    if not found:
        raise RequestError(f"nothing is about {question!r}; kinds are {', '.join((*shown, COLUMN))}")
    yield from found
