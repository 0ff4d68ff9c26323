"""``anatomy forge``: a practice image, its answer key and its symbol table."""

from __future__ import annotations

import click


@click.command(
    short_help="Make a practice image, its answer key and its symbol table.",
    add_help_option=False,
    context_settings={"ignore_unknown_options": True},
)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def forge(arguments: tuple[str, ...]) -> int:
    """Forge an image as ``python -m process_anatomy.forge`` does, which declares the options."""
    from process_anatomy.forge.__main__ import main

    try:
        return main(arguments, "anatomy forge")
    except SystemExit as ended:
        return int(ended.code or 0)
