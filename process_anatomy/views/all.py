"""The view of all views: each written to a file, from tables that are walked once."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from process_anatomy.views.declaration import INTEGER, TEXT, TEXTS, Column, Option, Request, Row, View

if TYPE_CHECKING:
    from process_anatomy.views.flat import Origin

NO_PLACE = "there is no place to write files to"
FORMATS = ("jsonl", "csv", "parquet")
LEFT_OUT = frozenset({"all", "dt", "explain", "report"})
"""Views that are no tables of an image: this one, a structure's declaration, the notes, and the page."""


def rows(request: Request) -> Iterator[Row]:
    """One row for each view, when its file is written."""
    from process_anatomy.errors import RequestError
    from process_anatomy.views import view

    if request.output is None:
        raise RequestError(NO_PLACE)
    told: dict[str, None] = {}

    def report(problems: Iterable[str]) -> None:
        new = [problem for problem in problems if problem not in told]
        told.update(dict.fromkeys(new))
        request.report(new)

    request = replace(request, tables=request.tables.with_hidden)
    replace(request, report=report).chosen()
    names = exported(request.options["views"] or ())
    origin = _origin(request)
    for number, name in enumerate(names):
        request.progress(20 + 80 * number / len(names), f"Writing {name}")
        yield 0, _written(request, view(name), origin, told)


def exported(wanted: Iterable[str] = ()) -> tuple[str, ...]:
    """The names of the views that are written, those wanted where some are.

    Raises:
        RequestError: one that is wanted is none of them.
    """
    from process_anatomy.errors import RequestError
    from process_anatomy.views import NAMES

    every = tuple(name for name in NAMES if name not in LEFT_OUT)
    chosen = dict.fromkeys(wanted)
    if strange := [name for name in chosen if name not in every]:
        raise RequestError(f"there is no view {strange[0]!r} to be written; there are {', '.join(every)}")
    return tuple(chosen) or every


def _origin(request: Request) -> Origin:
    from process_anatomy.filetime import moment
    from process_anatomy.views.flat import Origin
    from process_anatomy.walk.processes.captured import captured

    return Origin(request.options["image"] or None, moment(captured(request.tables.kernel)))


def _written(request: Request, view: View, origin: Origin, told: Collection[str]) -> dict[str, object]:
    """A view's rows in a file of their own; problems that were told of the image are not told again."""
    from process_anatomy.absent import Absent, Kind
    from process_anatomy.errors import Error
    from process_anatomy.notes.file_rows import file_note
    from process_anatomy.views.files import WRITERS
    from process_anatomy.views.flat import flat, flat_records
    from process_anatomy.views.problems import answer
    from process_anatomy.views.records import records

    assert request.output is not None
    form = request.options["format"]
    said: dict[str, None] = {}

    def report(problems: Iterable[str]) -> None:
        said.update(dict.fromkeys(problems))

    own = {option.name: option.default for option in view.options}
    asked = replace(request, options=own, report=report, output=None, progress=_quiet)
    file: str | Absent
    count: int | Absent
    try:
        found = records(view, answer(view, asked))
        with request.output("anatomy", view.name, form) as out:
            count = WRITERS[form](flat(view), flat_records(view, found, origin), out)
        file = str(out.preferred_filename)
    except Error as error:
        file = count = Absent(Kind.NOT_APPLICABLE, str(error))
    except OSError as error:
        file = count = Absent(Kind.NOT_APPLICABLE, f"the file could not be written: {error.strerror or error}")
    return {
        "View": view.name,
        "Rows": count,
        "File output": file,
        "Problems": (
            *(line for line in said if line not in told),
            *((f"File output: {file}",) if isinstance(file, Absent) else ()),
        ),
        "Explanation": request.explain(file_note, view.title, count),
    }


def _quiet(_percent: float, _text: str) -> None:
    """Tell nobody: the progress is that of the files."""


VIEW = View(
    name="all",
    title="Writes every view of the image to a file of its own, for programs, from tables that are walked once.",
    component="process",
    columns=(
        Column("View", TEXT, "the view that was written, named as its plugin windows.anatomy.VIEW", "views"),
        Column("Rows", INTEGER, "how many rows it has", "the view"),
        Column("File output", TEXT, "the file that was written, in the folder that -o names", "windows.anatomy.all"),
        Column(
            "Problems",
            TEXTS,
            "what was wrong with lists and trees of the view as a whole, and why a file could not be written",
            "the view",
        ),
        Column(
            "Explanation",
            TEXT,
            "what the view shows and what its file holds, at the level that --explain asks for",
            "notes, view-file",
        ),
    ),
    rows=rows,
    telling=("View", "Rows", "File output"),
    options=(
        Option("format", TEXT, "Format of the files", "jsonl", FORMATS),
        Option("views", TEXTS, "Views that are written, every one where none is named"),
        Option("image", TEXT, "What the rows call the image"),
    ),
    process="",
    address="",
    through="",
)
