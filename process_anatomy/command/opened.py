"""What every command over an image takes, and the image that it opens."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from process_anatomy.command.statuses import DONE, FOUND, NOT_TRUSTED
from process_anatomy.errors import RequestError
from process_anatomy.views import all as all_views
from process_anatomy.views.findings import SEVERITIES

if TYPE_CHECKING:
    from process_anatomy.notes.own.matching import OwnNote
    from process_anatomy.views.image import Image

Command = Callable[..., int]
FORMATS = (*all_views.FORMATS, "sqlite")
"""What exports are written as."""
LEVELS = ("off", "brief", "full", "analogy")
"""How much rows may say of themselves."""


def _number(_context: click.Context, _option: click.Parameter, text: str | None) -> int | None:
    """A number, hexadecimal behind ``0x``."""
    if text is None:
        return None
    try:
        return int(text, 0)
    except ValueError:
        raise click.BadParameter(f"{text!r} is no number") from None


def _pids(context: click.Context, option: click.Parameter, texts: tuple[str, ...]) -> list[int]:
    """Process ids of an option that may be repeated, and takes several with commas between them."""
    found = [_number(context, option, each) for text in texts for each in text.split(",")]
    return [number for number in found if number is not None]


def how_read(command: Command) -> Command:
    """What somebody may know better of an image."""
    for option in (
        click.option(
            "--dtb", callback=_number, metavar="ADDRESS", help="Physical address of the kernel's page tables."
        ),
        click.option(
            "--page-files", metavar="DIR", help="Folder of its pagefile.sys, swapfile.sys, pagefileN.sys, read too."
        ),
        click.option("--isf", metavar="FILE", help="Your own Volatility symbol table, to take the layout from."),
    ):
        command = option(command)
    return command


def of_image(command: Command) -> Command:
    """The image, and what somebody may know better of it."""
    return click.argument("image", type=click.Path(path_type=Path))(how_read(command))


of_pids = click.option(
    "--pid", "pids", callback=_pids, multiple=True, metavar="PID[,PID…]", help="Only these processes."
)
"""The processes that are asked about."""


with_note = click.option(
    "--note", metavar="PATH", help="Your own Markdown note, or a folder of such: its words in place of ours."
)
"""The reader's own note."""

in_form = click.option(
    "--format",
    "form",
    type=click.Choice(["text", "json", "jsonl", "csv"]),
    default="text",
    help="What is printed (text).",
)
"""How an answer is printed: for people, or for programs."""


def of_rows(command: Command) -> Command:
    """What is asked of rows."""
    for option in (
        click.option(
            "--fail-on", type=click.Choice(SEVERITIES), help="End with status 5 where a finding is as severe, or more."
        ),
        click.option("--explain", type=click.Choice(LEVELS), help="How much rows say of themselves."),
        of_pids,
    ):
        command = option(command)
    return command


def opened(image: Path, isf: str | None, dtb: int | None, page_files: str | None) -> Image:
    """The image, after what has to be known of it was told.

    Raises:
        Error: it cannot be analysed.
    """
    from process_anatomy import open_image

    found = open_image(image, isf, dtb, page_files)
    tell(found.kernel.doubts)
    return found


def own_note(path: str | None) -> OwnNote | None:
    """The reader's own note; where it cannot be used, that is told, and our own words are."""
    from process_anatomy.notes.own.matching import usable

    note, problem = usable(path)
    tell([problem] if problem else [])
    return note


def tell(lines: Iterable[str]) -> None:
    """Each of these on standard error, as a line of its own."""
    from process_anatomy.views.shown import safe_text

    for line in lines:
        print(f"anatomy: {safe_text(line)}", file=sys.stderr)


def status_of(image: Image, fail_on: str | None, status: int = DONE) -> int:
    """The status after an image's rows were given.

    Args:
        image: the image.
        fail_on: the severity from which on a finding counts, ``None`` where none does.
        status: what it is where nothing else is to be said.
    """
    if image.doubt:
        tell([f"do not trust the rows: {image.doubt}"])
        return NOT_TRUSTED
    if status == DONE and fail_on is not None and any(True for _ in image.view("findings", severity=fail_on)):
        return FOUND
    return status


def own_options(name: str, given: Iterable[str]) -> dict[str, Any]:
    """Options of a view from NAME=VALUE.

    Raises:
        RequestError: it has no such option, or the value is none that it takes.
    """
    from process_anatomy.views import view
    from process_anatomy.views.declaration import ADDRESS, BOOLEAN, INTEGER, TEXTS

    known = {option.name: option for option in view(name).options}
    found: dict[str, Any] = {}
    for each in given:
        key, parted, value = each.partition("=")
        option = known.get(key)
        if option is None or not parted:
            raise RequestError(
                f"{each!r} is no NAME=VALUE that {name} takes; it has {', '.join(known) or 'no options'}"
            )
        if option.kind is TEXTS:
            found.setdefault(key, []).append(value)
        elif option.kind is BOOLEAN:
            if value not in ("yes", "no"):
                raise RequestError(f"{key} is yes or no, not {value!r}")
            found[key] = value == "yes"
        elif option.kind in (ADDRESS, INTEGER):
            try:
                found[key] = int(value, 0)
            except ValueError:
                raise RequestError(f"{key} takes a number, not {value!r}") from None
        else:
            found[key] = value
    return found
