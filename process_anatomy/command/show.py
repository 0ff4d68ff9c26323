"""``anatomy show``: views of an image for people, and for programs that read one answer."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from process_anatomy.command.opened import (
    in_form,
    of_image,
    of_rows,
    opened,
    own_note,
    own_options,
    status_of,
    tell,
    with_note,
)
from process_anatomy.command.overview import overview
from process_anatomy.command.places import into
from process_anatomy.errors import RequestError
from process_anatomy.views.screen import BOLD, screen_of, wrapped

if TYPE_CHECKING:
    from process_anatomy.views.image import Answer

OVERVIEW = ("findings", "processes")
"""Views that are shown where none is named."""
OF_PROCESS = ("processes", "creation", "modules", "vads", "tokens", "privileges", "handles", "threads", "findings")
"""The same where processes are: each of the components that a process has."""


@click.command()
@of_image
@click.argument("views", nargs=-1, metavar="[VIEW]…")
@in_form
@click.option("--set", "options", multiple=True, metavar="NAME=VALUE", help="An option of the view; may be repeated.")
@click.option("--wide", is_flag=True, help="Every column, in the order of files, not only those that tell most.")
@click.option("-o", "--output", "folder", type=click.Path(path_type=Path), help="Folder for the files of dump=yes.")
@click.option("--all", "whole", is_flag=True, help="All components of a process whole, not an overview of it.")
@with_note
@of_rows
def show(
    image: Path,
    isf: str | None,
    dtb: int | None,
    page_files: str | None,
    views: tuple[str, ...],
    form: str,
    options: tuple[str, ...],
    wide: bool,
    folder: Path | None,
    whole: bool,
    note: str | None,
    pids: list[int],
    explain: str | None,
    fail_on: str | None,
) -> int:
    """Show views of an image; without a name, what does not fit together, and who runs.

    Of one process, without a name, an overview of its six components; with --all each of them whole.

    \b
      anatomy show memory.raw
      anatomy show memory.raw --pid 5212
      anatomy show memory.raw vads --pid 5212
      anatomy show memory.raw vads --pid 5212 --wide
      anatomy show memory.raw vads --pid 5212 --set address=0x15943a40000 --set bytes=256
      anatomy show memory.raw vads --pid 5212 --set dump=yes -o case
      anatomy show memory.raw handles --set type=Process --format csv
      anatomy show memory.raw findings --fail-on high
      anatomy show memory.raw --pid 5212 --note processes.md
    """  # noqa: D301  # click's mark for lines that stay as they are
    if whole and (views or not pids):
        raise RequestError("--all is for processes: --pid names them, and no view is named beside it")
    names = tuple(dict.fromkeys(views)) or (OF_PROCESS if pids else OVERVIEW)
    if (options or form == "csv") and len(names) != 1:
        raise RequestError(f"{'--set' if options else 'csv'} is for one view; {len(names)} were asked for")
    asked = {name: own_options(name, options) for name in names}
    found = opened(image, isf, dtb, page_files)
    found.own = own_note(note)
    if form == "text" and not (views or whole) and len(set(pids)) == 1:
        told = overview(found, image, pids[0], explain or "brief", screen_of().width)
        if told is not None:
            for line in told[0]:
                click.echo(line)
            tell(told[1])
            return status_of(found, fail_on)
    level = explain or ("brief" if form == "text" else "off")
    place = None if folder is None else into(folder)
    answers = [found.view(name, pid=pids, explain=level, output=place, **asked[name]) for name in names]
    if form == "text":
        _text(answers, wide)
    else:
        {"json": _json, "jsonl": _json_lines, "csv": _csv}[form](answers)
    for answer in answers:
        tell(answer.problems)
    return status_of(found, fail_on)


def _text(answers: list[Answer], wide: bool) -> None:
    from process_anatomy.views.reading import Reading, plan_of, told_row

    screen = screen_of()
    for number, answer in enumerate(answers):
        if len(answers) > 1:
            heading = wrapped(f"{answer.view.name}: {answer.view.title}", screen.width)
            for line in ["", *heading] if number else heading:
                click.echo(screen.marked(line, BOLD), color=screen.colour)
        reading = Reading(plan_of(answer.view, wide), screen)
        for row in answer:
            for line in reading.add(told_row(answer.view, row)):
                click.echo(line, color=screen.colour)
        rest = list(reading.end())
        for line in rest or ["no rows"]:
            click.echo(line, color=screen.colour)


def _json(answers: list[Answer]) -> None:
    from process_anatomy.views.schema import ABSENT, json_record

    whole = {answer.view.name: [json_record(row) | {ABSENT: row.absent} for row in answer] for answer in answers}
    click.echo(json.dumps(whole, indent=1))


def _json_lines(answers: list[Answer]) -> None:
    from process_anatomy.views.schema import ABSENT, json_record

    for answer in answers:
        for row in answer:
            click.echo(json.dumps({"view": answer.view.name} | json_record(row) | {ABSENT: row.absent}))


def _csv(answers: list[Answer]) -> None:
    from process_anatomy.views.files import write_csv

    sys.stdout.flush()
    for answer in answers:
        write_csv(answer.view, answer, sys.stdout.buffer)
