"""``anatomy explain``: a study guide: each term with its analogy, what it is in the image at hand, and what is near."""

from __future__ import annotations

import shlex
import shutil
import textwrap
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from process_anatomy.command.opened import LEVELS, how_read, of_pids, opened, own_note, status_of, tell, with_note
from process_anatomy.command.statuses import DONE
from process_anatomy.errors import RequestError

if TYPE_CHECKING:
    from process_anatomy.command.parts import Rows
    from process_anatomy.notes.explainer import Explainer
    from process_anatomy.notes.library import Note

INDENT = "   "
NEAR = 6
"""Other terms that are named."""


@click.command()
@click.argument("terms", nargs=-1, metavar="[TERM]…")
@click.option("--image", type=click.Path(path_type=Path), metavar="FILE", help="Tell what each term is in this image.")
@how_read
@of_pids
@click.option("--explain", type=click.Choice(LEVELS[1:]), default="full", help="How much is said (full).")
@with_note
@click.option("--check", is_flag=True, help="What became of each passage of your note, and which terms it lacks.")
def explain(
    terms: tuple[str, ...],
    image: Path | None,
    isf: str | None,
    dtb: int | None,
    page_files: str | None,
    pids: list[int],
    explain: str,
    note: str | None,
    check: bool,
) -> int:
    """Explain terms, all of them where none is named: purpose, analogy, live values, related terms, command.

    \b
      anatomy explain vad peb
      anatomy explain --image memory.raw --pid 5212
      anatomy explain SeDebugPrivilege --image memory.raw --pid 728
      anatomy explain --note processes.md --check
    """  # noqa: D301  # click's mark for lines that stay as they are
    from process_anatomy.notes.about import about
    from process_anatomy.notes.explainer import Explainer
    from process_anatomy.views import column_notes

    if check:
        return _check(note, terms)
    if pids and image is None:
        raise RequestError("--pid is about an image: --image says which")
    if len(pids) > 1:
        raise RequestError("values are those of one process: name one with --pid")
    notes = list({each.id: each for term in terms or (None,) for each in _nearest(about(term, column_notes))}.values())
    explainer = Explainer(explain, own=own_note(note))
    found = None if image is None else opened(image, isf, dtb, page_files)
    rows = None
    if found is not None:
        from process_anatomy.command.live import telling
        from process_anatomy.command.parts import Rows

        pid = pids[0] if pids else telling(found)
        if pid is not None:
            rows = Rows(found, pid)
            names = [row["ImageFileName"] for row in rows("processes")]
            if len(names) != 1:
                raise RequestError(f"several processes have the id {pid}; name another with --pid")
            hint = "" if pids else "; --pid names another"
            _print(f"Values are those of {names[0] or 'a process without a name'} ({pid}){hint}.", "")
    for each in notes:
        for line in _told(each, explainer, rows, image):
            _print(*line)
    return DONE if found is None else status_of(found, None)


def _nearest(found: Iterable[Note]) -> list[Note]:
    """The notes about a word without those of columns that are called so, where others are about it."""
    notes = list(found)
    return [note for note in notes if not note.id.startswith("column/")] or notes


def _told(note: Note, explain: Explainer, rows: Rows | None, image: Path | None) -> Iterator[tuple[str, str]]:
    """The lines about a term, each with what it begins with."""
    from process_anatomy.command.live import live
    from process_anatomy.notes.explainer import YOURS
    from process_anatomy.notes.library import Level
    from process_anatomy.notes.own.matching import mentioned

    said = explain.general(note, Level.BRIEF if explain.level is Level.ANALOGY else None)
    yield f"{note.title} ({note.id})", ""
    yield said.cited, INDENT
    own = explain.own
    for quote in () if own is None else own.mentions(note.id):
        yield f"{YOURS}: {quote.cited}", INDENT
    analogy = None if own is None else own.quote(note.id, Level.ANALOGY)
    if analogy is not None or note.analogy:
        yield f"As a story: {note.analogy if analogy is None else analogy.cited}", INDENT
    for line in () if rows is None else live(rows, note.id):
        yield f"Here: {line}", INDENT
    near = [explain.library[key].title for key in mentioned(f"{said.words} {note.full}") if key != note.id]
    if near:
        yield f"See also: {', '.join(near[:NEAR])}", INDENT
    if note.command:
        where = "IMAGE" if image is None else shlex.quote(str(image))
        pid = "" if rows is None or "--pid" in note.command else f" --pid {rows.pid}"
        command = note.command.replace("--pid PID", f"--pid {rows.pid}") if rows is not None else note.command
        yield f"Shown by: vol -f {where} {command}{pid}", INDENT


def _check(path: str | None, terms: tuple[str, ...]) -> int:
    """What became of each passage of a note, and what it lacks.

    Raises:
        RequestError: there is no note.
        OwnNoteError: it cannot be used.
    """
    from process_anatomy.notes.library import default
    from process_anatomy.notes.own.matching import open_note

    if not path or terms:
        raise RequestError("--check is about a note, and about all of it: --note says which")
    own = open_note(path)
    tell([own.problem] if own.problem else [])
    lacking = list(own.lacking())
    for match in own.matches:
        if match.passage is not None:
            _print(f"{match.how}  {match.passage.key}  {match.key or '-'}  ({match.passage.place})", "")
    for match in lacking:
        _print(f"{match.how}  {default()[match.key].title}  {match.key}", "")
    matched = sum(bool(match.key) for match in own.matches)
    _print(f"{matched} of {len(own.matches)} passages matched, {len(lacking)} terms lacking", "")
    return DONE


def _print(text: str, indent: str) -> None:
    """Text on lines as wide as the terminal, whatever it holds."""
    from process_anatomy.views.shown import safe_text

    width = max(shutil.get_terminal_size((100, 24)).columns, 40)
    for line in textwrap.wrap(
        safe_text(text), width, initial_indent=indent, subsequent_indent=indent or INDENT, break_on_hyphens=False
    ):
        click.echo(line)
