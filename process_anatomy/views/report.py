"""The view of the page of an image: one HTML file, and the diagram of each process as SVG."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import NamedTuple

from process_anatomy.views.declaration import BOOLEAN, INTEGER, TEXT, TEXTS, Column, Option, Request, Row, View

NO_PLACE = "there is no place to write files to"
NO_MAKER = "nothing here makes pages"
PAGE, DIAGRAM = "page", "diagram"


class Diagram(NamedTuple):
    """The drawing of a process.

    Attributes:
        pid: of the process; ``None`` where it could not be read.
        name: of its program; empty where it could not be read.
        svg: the drawing, a file of its own.
    """

    pid: int | None
    name: str
    svg: str


class Page(NamedTuple):
    """A page, and the diagrams that are in it.

    Attributes:
        text: the page, one HTML file.
        views: how many views it has.
        rows: how many rows of them.
        problems: why views have no rows, one line each.
        diagrams: of each process, drawn when they are asked for, once.
    """

    text: str
    views: int
    rows: int
    problems: tuple[str, ...]
    diagrams: Iterable[Diagram]


def rows(request: Request) -> Iterator[Row]:
    """One row for the page when it is written, and one for each diagram where these are wanted.

    Where all processes are asked for, hidden ones are among them.
    """
    from process_anatomy.errors import RequestError

    if request.output is None:
        raise RequestError(NO_PLACE)
    make = request.page
    if make is None:
        raise RequestError(NO_MAKER)
    if not request.tables.pids:
        request = replace(request, tables=request.tables.with_hidden)
    request.chosen()
    page: Page = make(request)
    yield _written(request, PAGE, page.text, "report", "html", page)
    if request.options["svg"]:
        names: Counter[str] = Counter()
        for one in page.diagrams:
            name = f"{'unknown' if one.pid is None else one.pid}.{one.name}"
            names[name] += 1  # an id may be used again while its first owner is remembered
            number = f".{names[name]}" if names[name] > 1 else ""
            yield _written(request, DIAGRAM, one.svg, name + number, "svg", one)


def _written(request: Request, content: str, text: str, name: str, ending: str, about: Page | Diagram) -> Row:
    """A text in a file of its own."""
    from process_anatomy.absent import Absent, Kind
    from process_anatomy.notes.file_rows import page_note

    assert request.output is not None
    data = text.encode("utf-8", "backslashreplace")
    file: str | Absent
    size: int | Absent = len(data)
    try:
        with request.output("anatomy", name, ending) as out:
            out.write(data)
        file = str(out.preferred_filename)
    except OSError as error:
        file = size = Absent(Kind.NOT_APPLICABLE, f"the file could not be written: {error.strerror or error}")
    whole = isinstance(about, Page)
    problems = (about.problems if isinstance(about, Page) else ()) + (
        (f"File output: {file}",) if isinstance(file, Absent) else ()
    )
    return 0, {
        "PID": about.pid if isinstance(about, Diagram) else None,
        "Process": about.name if isinstance(about, Diagram) else None,
        "Content": content,
        "Rows": about.rows if isinstance(about, Page) else None,
        "Size": size,
        "File output": file,
        "Problems": problems,
        "Explanation": request.explain(page_note, whole, file, about.rows if isinstance(about, Page) else 0),
    }


VIEW = View(
    name="report",
    title="Writes one page with every view of the image: pictures, explanations, search, and no request to anywhere.",
    component="process",
    columns=(
        Column("PID", INTEGER, "the process that a diagram is of; empty for the page", "_EPROCESS.UniqueProcessId"),
        Column("Process", TEXT, "the program of that process; empty for the page", "_EPROCESS.ImageFileName"),
        Column("Content", TEXT, "what the file is: the page, or a diagram", "windows.anatomy.report"),
        Column("Rows", INTEGER, "how many rows of all views the page has", "the views"),
        Column("Size", INTEGER, "how large the file is", "windows.anatomy.report", unit="bytes"),
        Column("File output", TEXT, "the file that was written, in the folder that -o names", "windows.anatomy.report"),
        Column(
            "Problems",
            TEXTS,
            "why a view has no rows in the page, and why a file could not be written",
            "the views",
        ),
        Column("Explanation", TEXT, "what the file holds, at the level that --explain asks for", "notes, view-file"),
    ),
    rows=rows,
    telling=("PID", "Process", "Content", "Rows", "Size", "File output"),
    options=(Option("svg", BOOLEAN, "Write the diagram of each process as an SVG file too", False),),
    address="",
    through="",
)
