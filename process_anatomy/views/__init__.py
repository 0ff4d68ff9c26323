"""Views: what can be asked of an image, each declared once: its columns, and how a row fills them."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from typing import TYPE_CHECKING

from process_anatomy.errors import RequestError

if TYPE_CHECKING:
    from process_anatomy.notes.library import Note
    from process_anatomy.views.declaration import View

NAMES = (
    "processes",
    "vads",
    "pages",
    "privileges",
    "tokens",
    "groups",
    "claims",
    "dacls",
    "creation",
    "workingset",
    "modules",
    "images",
    "crossview",
    "completeness",
    "dt",
    "explain",
    "peb",
    "envars",
    "tebs",
    "findings",
    "handles",
    "access",
    "threads",
    "csrss",
    "selfcheck",
    "all",
    "report",
)
"""Every view, in the order in which their columns are explained."""


def view(name: str) -> View:
    """The view of a name; its module is imported when it is first asked for.

    Raises:
        RequestError: there is none of that name.
    """
    if name not in NAMES:
        raise RequestError(f"there is no view {name!r}; there are {', '.join(NAMES)}")
    found: View = import_module(f"{__name__}.{name}").VIEW
    return found


def views() -> Iterator[View]:
    """Every view."""
    return map(view, NAMES)


def column_notes() -> Iterator[Note]:
    """The notes of all columns, as other notes are: what each says, and where that comes from."""
    from process_anatomy.notes.library import Note

    for each in views():
        for column in each.columns:
            yield Note(f"column/{each.name}/{column.name}", column.name, column.meaning, source=column.source)


__all__ = ["NAMES", "column_notes", "view", "views"]
