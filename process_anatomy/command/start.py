"""Where the program begins: one that is interrupted before it is loaded says so in one line too."""

from __future__ import annotations

import signal
import sys
from collections.abc import Sequence

INTERRUPTED = 130
"""As in :mod:`process_anatomy.command.statuses`, of which nothing may be loaded here."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Load the command and run it; gives its exit status."""
    try:
        from process_anatomy.command.program import main as program

        status = program(arguments)
    except KeyboardInterrupt:
        print("anatomy: interrupted", file=sys.stderr)
        status = INTERRUPTED
    if arguments is None:  # the process ends now: an interruption would come too late for all but its status
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    return status
