"""Who runs a plugin, and what the standard output that it prints to can show."""

from __future__ import annotations

import inspect
import sys
from types import TracebackType
from typing import TextIO

COMMAND_LINE = "volatility3.cli"
"""The module of Volatility's command line, ``vol``."""
SHELL = "volatility3.cli.volshell"


def of_command_line(opener: type) -> bool:
    """Whether a plugin was made by ``vol``: by the class that it opens files with."""
    return opener.__module__ == COMMAND_LINE


def on_command_line() -> bool:
    """Whether ``vol`` is what is running, for code that is handed nothing by which it could tell."""
    frame = inspect.currentframe()
    while frame is not None:
        if frame.f_globals.get("__name__") == COMMAND_LINE:
            return True
        frame = frame.f_back
    return False


def tell_of_interruptions() -> None:
    """Have an interruption from the keyboard end ``vol`` with one line and no traceback.

    Python then ends the process as one that was interrupted, which shells tell as status 130.
    """
    before = sys.excepthook

    def told(kind: type[BaseException], error: BaseException, where: TracebackType | None) -> None:
        if issubclass(kind, KeyboardInterrupt):
            print("windows.anatomy: interrupted", file=sys.stderr)
        else:
            before(kind, error, where)

    sys.excepthook = told


def show_every_letter(stream: TextIO | None = None) -> None:
    """Have standard output show letters that its code page lacks as escapes, instead of ending in mid-table.

    Standard error does so of itself.

    Args:
        stream: another one than standard output.
    """
    output = sys.stdout if stream is None else stream
    change = getattr(output, "reconfigure", None)  # what a notebook or a test puts in its place has none
    if change is not None and output.errors == "strict":
        change(errors="backslashreplace")
