"""What the page holds: the rows of every view with their explanations, and the notes that explain the rest."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from process_anatomy.errors import Error
from process_anatomy.filetime import moment_text
from process_anatomy.notes.library import Level, Library
from process_anatomy.report.explained import Keeping, explanations
from process_anatomy.report.packing import Packed, packed
from process_anatomy.views import view
from process_anatomy.views.all import exported
from process_anatomy.views.declaration import ADDRESS, EXPLANATION, Request, Row, View
from process_anatomy.views.image import Answer
from process_anatomy.views.ranges import LINE
from process_anatomy.views.records import Record, records

if TYPE_CHECKING:
    from process_anatomy.notes.own.matching import OwnNote

GLOSSARY = ("component", "term")
"""Families of notes that the page has whole."""
KINDS = ("region", "severity", "component-state", "verdict", "parent-state", "integrity", "start-kind")
"""Families of notes about words that cells hold."""
ASKED: Mapping[str, Mapping[str, Any]] = {"pages": {"bytes": LINE}}
"""Options of views that the page asks for: the first bytes of each range."""


@dataclass(slots=True)
class Gathered:
    """A view's rows, as the page and the diagrams have them.

    Attributes:
        view: the view.
        rows: its rows.
        texts: their explanations.
        problems: what was wrong with lists and trees as a whole, and why there are no rows.
        failed: why it cannot be had; empty where it can.
    """

    view: View
    rows: list[Record] = field(default_factory=list)
    texts: list[Any] = field(default_factory=list)
    problems: tuple[str, ...] = ()
    failed: str = ""


def gathered(request: Request) -> Iterator[Gathered]:
    """The rows of every view, one view after another, as each gives them.

    Args:
        request: of the report; its options are not those of the views.
    """
    every = exported()
    for number, name in enumerate(every):
        request.progress(20 + 70 * number / len(every), f"Gathering {name}")
        yield _answered(view(name), request)


def _answered(own: View, request: Request) -> Gathered:
    """What a view says, asked as it is where nobody says more, but for :data:`ASKED`."""
    found = Gathered(own)
    options = {**{option.name: option.default for option in own.options}, **ASKED.get(own.name, {})}

    def ask(report: Callable[[Iterable[str]], None]) -> Request:
        explain = Keeping(request.explain.library, request.explain.own)
        return replace(request, explain=explain, options=options, report=report, output=None, progress=_quiet)

    answer = Answer(own, ask)
    try:
        found.rows.extend(records(own, _noted(answer.rows(), found.texts)))
    except Error as error:
        found.failed = str(error)
    found.problems = (*answer.problems, *filter(None, [found.failed]))
    return found


def _noted(rows: Iterable[Row], texts: list[Any]) -> Iterator[Row]:
    """The same rows, the explanation of each put down."""
    for row in rows:
        texts.append(row[1][EXPLANATION])
        yield row


def _quiet(_percent: float, _text: str) -> None:
    """Tell nobody: the progress is that of the page."""


def packed_view(found: Gathered, library: Library, used: set[str]) -> dict[str, Any]:
    """A view's rows for the page.

    Args:
        found: the rows.
        library: the notes.
        used: is told the ids of the notes that the rows need.
    """
    columns = [column for column in found.view.columns if column.name != EXPLANATION]
    told, keys = explanations(found.texts, found.rows, columns, library)
    used.update(keys)
    lost = {name for row in found.rows for name in row.absent}
    return {
        "count": len(found.rows),
        "depths": packed([row.depth for row in found.rows]),
        "cells": {column.name: packed([row[column.name] for row in found.rows]) for column in columns},
        "absent": {column.name: _reasons(found.rows, column.name) for column in columns if column.name in lost},
        "told": told,
    }


def _reasons(rows: list[Record], name: str) -> Packed:
    """Why cells of a column have no fact; nothing where one has one, or needs none."""
    return packed([row.absent.get(name) for row in rows])


def declared(found: Gathered) -> dict[str, Any]:
    """How a view is declared, and what was wrong with it as a whole."""
    own = found.view
    return {
        "name": own.name,
        "title": own.title,
        "component": own.component,
        "process": own.process,
        "address": own.address,
        "telling": [column.name for column in own.told if column.name != EXPLANATION],
        "count": len(found.rows),
        "problems": list(found.problems),
        "columns": [
            {
                "name": column.name,
                "kind": column.kind.value,
                "meaning": column.meaning,
                "source": column.source,
                "unit": column.unit,
                "hexadecimal": column.kind is ADDRESS or column.hexadecimal,
                "separator": column.separator,
            }
            for column in own.columns
        ],
    }


def notes(library: Library, used: Iterable[str], own: OwnNote | None = None) -> dict[str, dict[str, str]]:
    """The notes that the page needs, by id: those of its rows, and the glossary's.

    Args:
        library: the notes.
        used: ids of those that rows need.
        own: the reader's own note, whose words stand in the glossary in the place of ours.
    """
    ids = dict.fromkeys(key for family in (*GLOSSARY, *KINDS) for key in library.ids(f"{family}/"))
    ids |= dict.fromkeys(sorted(used))
    found = {}
    for key in ids:
        note = library[key]
        told = {
            "title": note.title, "brief": note.brief, "full": note.full, "analogy": note.analogy,
            "source": note.source, "command": note.command,
        }  # fmt: skip
        if own is not None and key.startswith(GLOSSARY):
            told |= _quoted(own, key, note.source)
        found[key] = {name: text for name, text in told.items() if text}
    return found


def _quoted(own: OwnNote, key: str, source: str) -> dict[str, str]:
    """What the reader's note says of a term, by the parts of a note of ours; the places stand before our source."""
    parts = (("brief", Level.BRIEF), ("full", Level.FULL), ("analogy", Level.ANALOGY))
    quotes = {part: quote for part, level in parts if (quote := own.quote(key, level)) is not None}
    places = dict.fromkeys(quote.place for quote in quotes.values())
    return {part: quote.words for part, quote in quotes.items()} | {"source": "; ".join((*places, source))}


def about(request: Request) -> dict[str, Any]:
    """What is known of the image as a whole."""
    from process_anatomy.walk.processes.captured import captured

    kernel = request.tables.kernel
    return {
        "windows": f"Windows build {kernel.number}",
        "layout": kernel.layout if isinstance(kernel.layout, str) else str(kernel.layout),
        "captured": moment_text(captured(kernel)),
        "doubt": request.tables.trust.reason,
        "doubts": list(kernel.doubts),
        "pids": sorted(request.tables.pids),
    }
