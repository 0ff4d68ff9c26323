"""``anatomy plugins``: the folder that ``vol -p`` takes, for a Volatility that does not find our plugins by itself."""

from __future__ import annotations

from pathlib import Path

import click

import process_anatomy
from process_anatomy.command.statuses import DONE
from process_anatomy_startup import plugin_folder


@click.command(short_help='The folder for vol -p "$(anatomy plugins)".')
def plugins() -> int:
    """Print the folder with the plugins windows.anatomy.*, for Volatility's option -p.

    \b
      vol -p "$(anatomy plugins)" -f IMAGE windows.anatomy.processes

    Needed only where plain vol does not list them.  Volatility must run in the same environment: the plugins import
    this package.
    """  # noqa: D301  # click's mark for lines that stay as they are
    click.echo(folder())
    return DONE


def folder() -> Path:
    """Where the plugins of this very engine lie."""
    return Path(plugin_folder(str(Path(process_anatomy.__path__[0]).resolve().parent)))
