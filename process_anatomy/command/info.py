"""``anatomy info``: which Windows is in an image, how that is known, and how far it can be relied on."""

from __future__ import annotations

import json
from pathlib import Path

import click

from process_anatomy.command.opened import of_image, opened, status_of


@click.command()
@of_image
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", help="text or json.")
def info(image: Path, isf: str | None, dtb: int | None, page_files: str | None, form: str) -> int:
    """Tell which Windows is in an image, and how that is known.

    \b
      anatomy info memory.raw
    """  # noqa: D301  # click's mark for lines that stay as they are
    from process_anatomy.fleet.facts import facts
    from process_anatomy.views.shown import safe_text

    found = opened(image, isf, dtb, page_files)
    told = facts(found)
    if form == "json":
        click.echo(json.dumps(told, indent=1))
        return status_of(found, None)
    width = max(map(len, told)) + 2
    for name, value in told.items():
        for number, line in enumerate(value if isinstance(value, list) else [value]):
            click.echo(f"{'' if number else name:<{width}}{'not known' if line is None else safe_text(str(line))}")
    return status_of(found, None)
