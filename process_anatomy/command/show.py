"""``anatomy show``: views of an image for people, and for programs that read one answer."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from process_anatomy.command.opened import in_form, of_image, of_rows, opened, own_options, status_of, tell
from process_anatomy.command.overview import overview
from process_anatomy.errors import RequestError

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
@click.option("--all", "whole", is_flag=True, help="All components of a process whole, not an overview of it.")
@of_rows
def show(
    image: Path,
    isf: str | None,
    dtb: int | None,
    page_files: str | None,
    views: tuple[str, ...],
    form: str,
    options: tuple[str, ...],
    whole: bool,
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
      anatomy show memory.raw handles --set type=Process --format csv
      anatomy show memory.raw findings --fail-on high
    """  # noqa: D301  # click's mark for lines that stay as they are
    if whole and (views or not pids):
        raise RequestError("--all is for processes: --pid names them, and no view is named beside it")
    names = tuple(dict.fromkeys(views)) or (OF_PROCESS if pids else OVERVIEW)
    if (options or form == "csv") and len(names) != 1:
        raise RequestError(f"{'--set' if options else 'csv'} is for one view; {len(names)} were asked for")
    asked = {name: own_options(name, options) for name in names}
    found = opened(image, isf, dtb, page_files)
    if form == "text" and not (views or whole) and len(set(pids)) == 1:
        told = overview(found, image, pids[0], explain or "brief", _width())
        if told is not None:
            for line in told[0]:
                click.echo(line)
            tell(told[1])
            return status_of(found, fail_on)
    level = explain or ("brief" if form == "text" else "off")
    answers = [found.view(name, pid=pids, explain=level, **asked[name]) for name in names]
    {"text": _text, "json": _json, "jsonl": _json_lines, "csv": _csv}[form](answers)
    for answer in answers:
        tell(answer.problems)
    return status_of(found, fail_on)


def _width() -> int:
    """Characters of a line of the terminal."""
    return shutil.get_terminal_size((100, 24)).columns


def _text(answers: list[Answer]) -> None:
    from process_anatomy.command.lines import lines

    width = _width()
    for number, answer in enumerate(answers):
        if len(answers) > 1:
            click.echo(f"{chr(10) if number else ''}{answer.view.name}: {answer.view.title}")
        for row in answer:
            for line in lines(answer.view, row, width):
                click.echo(line)


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
