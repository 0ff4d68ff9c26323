"""``anatomy plugins``: the folder that ``vol -p`` takes, for a Volatility that does not find our plugins by itself."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import process_anatomy
from process_anatomy.command.statuses import DONE
from process_anatomy_startup import plugin_folder

WHAT = """\
Print the folder with the plugins windows.anatomy.*, for Volatility's option -p:

  vol -p "$(anatomy plugins)" -f IMAGE windows.anatomy.processes

Needed only where plain vol does not list them.  Volatility must run in the same environment: the plugins
import this package.
"""


def add(commands: Any) -> None:
    """Add the command."""
    printing = commands.add_parser(
        "plugins",
        help='the folder for vol -p "$(anatomy plugins)"',
        description=WHAT,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    printing.set_defaults(run=_print)


def _print(_: argparse.Namespace) -> int:
    print(folder())
    return DONE


def folder() -> Path:
    """Where the plugins of this very engine lie."""
    return Path(plugin_folder(str(Path(process_anatomy.__path__[0]).resolve().parent)))
