"""``anatomy hunt``: the shipped hunting queries over exported images."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from process_anatomy.command.opened import tell
from process_anatomy.command.statuses import DONE, FAILED, FOUND, PARTLY
from process_anatomy.command.tables import plain, print_csv, print_json_lines
from process_anatomy.errors import RequestError
from process_anatomy.views.screen import screen_of

if TYPE_CHECKING:
    from process_anatomy.fleet.hunting import Found

BITS = ("address", "handle", "granted_access", "range_start")
"""Columns whose numbers are read by their bits."""


@click.command()
@click.argument("cases", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="CASE…")
@click.option("--only", "names", multiple=True, metavar="NAME", help="Only this query; may be repeated.")
@click.option("--format", "form", type=click.Choice(["text", "csv", "jsonl"]), default="text", help="What is printed.")
@click.option("--fail-on-found", is_flag=True, help="End with status 5 where a query finds anything.")
def hunt(cases: tuple[Path, ...], names: tuple[str, ...], form: str, fail_on_found: bool) -> int:
    """Ask exports and cases the hunting queries that ship (docs/hunting.md has each with its SQL).

    \b
      anatomy hunt case
      anatomy hunt case --only rare-parents --only paths-out-of-place --format jsonl

    What is found is worth a look, and no more: each query says what else gives the same picture.  Images whose layout
    does not fit are left out.  Ends with status 4 where some images or queries could not be asked, 1 where none could.
    """  # noqa: D301  # click's mark for lines that stay as they are
    from process_anatomy.fleet.hunting import chosen
    from process_anatomy.fleet.hunting import hunt as ask
    from process_anatomy.fleet.query import Question

    hunts = chosen(names)
    if form == "csv" and len(hunts) != 1:
        raise RequestError(f"csv is for one query; {len(hunts)} were asked for (--only names one)")
    whole = True
    asked = any_found = False
    with closing(Question(cases, trusted=True)) as question:
        for export in question.doubtful:
            whole = False
            tell([f"{export.path} is left out: {export.doubt}"])
        for number, found in enumerate(ask(question, hunts)):
            _show(found, form, question.names, number)
            tell(f"{found.hunt.name}: {line}" for line in found.limits)
            whole = whole and not found.limits
            asked = asked or found.asked
            any_found = any_found or bool(found.rows)
    if fail_on_found and any_found:
        return FOUND
    return FAILED if not asked else DONE if whole else PARTLY


def _show(found: Found, form: str, images: Mapping[str, str], number: int) -> None:
    if form == "csv":
        print_csv(found.names, found.rows)
    elif form == "jsonl":
        print_json_lines(found.names, found.rows, {"hunt": found.hunt.name, "question": found.hunt.question})
    elif found.asked:
        _lines(found, images, number)


def _lines(found: Found, images: Mapping[str, str], number: int) -> None:
    """A query and what it found, for people on a terminal of any width."""
    width = screen_of().width
    hunt = found.hunt
    click.echo(f"{chr(10) if number else ''}{hunt.name}: {len(found.rows) or 'nothing'} found")
    words = [hunt.question, *([f"Innocent: {hunt.innocent}."] if found.rows else [])]
    for line in words:
        click.echo(textwrap.fill(line, width, initial_indent="  ", subsequent_indent="  "))
    for row in found.rows:
        image, process, pid, address, *facts = row
        where = "" if address is None else f" at {_cell('address', address)}"
        click.echo(f"{images.get(image, image)}  {plain(process)} ({plain(pid)}){where}")
        cells = zip(found.names[4:], facts, strict=True)
        told = [f"{name}: {_cell(name, value)}" for name, value in cells if value is not None]
        wrapped = textwrap.fill("  ".join(told), width, initial_indent="    ", subsequent_indent="    ")
        click.echo(wrapped)


def _cell(name: str, value: Any) -> str:
    return f"{value:#x}" if name in BITS and isinstance(value, int) else plain(value)
