"""``anatomy schema``: what a row of a view holds, as a JSON Schema."""

from __future__ import annotations

import json

import click

from process_anatomy.command.statuses import DONE


@click.command()
@click.argument("view")
@click.option("--own", is_flag=True, help="As anatomy show prints it, with the view's own names alone.")
def schema(view: str, own: bool) -> int:
    """Print the JSON Schema of one row of a view, as anatomy export writes it.

    \b
      anatomy schema vads
    """  # noqa: D301  # click's mark for lines that stay as they are
    from process_anatomy.views import view as named
    from process_anatomy.views.flat import flat
    from process_anatomy.views.schema import json_schema

    found = named(view)
    click.echo(json.dumps(json_schema(found if own else flat(found), absent=True), indent=1))
    return DONE
