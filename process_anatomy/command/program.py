"""The program: its command line, and one line on standard error where it cannot do what was asked."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from typing import NoReturn

from process_anatomy.command import plugins, samples
from process_anatomy.command.statuses import FAILED, INTERRUPTED, MISUSED
from process_anatomy.errors import Error, RequestError


class _Parser(argparse.ArgumentParser):
    """Says what is wrong with a command line in one line."""

    def error(self, message: str) -> NoReturn:
        from process_anatomy.volatility.cells import safe_text

        self.exit(MISUSED, safe_text(f"{self.prog}: {message}; {self.prog} --help shows how it is used") + "\n")


def parser() -> argparse.ArgumentParser:
    """The command line."""
    found = _Parser(
        prog="anatomy", description="Windows processes in memory images: what goes with the Volatility plugins."
    )
    commands = found.add_subparsers(required=True, metavar="COMMAND", parser_class=_Parser)
    samples.add(commands)
    plugins.add(commands)
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; gives its exit status."""
    try:
        chosen = parser().parse_args(arguments)
        status: int = chosen.run(chosen)
        sys.stdout.flush()
        return status
    except BrokenPipeError:  # who read our output has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    except KeyboardInterrupt:
        return _say("interrupted; what was downloaded is kept, and the same command goes on from there", INTERRUPTED)
    except RequestError as error:
        return _say(str(error), MISUSED)
    except Error as error:
        return _say(str(error), FAILED)
    except OSError as error:
        return _say(f"{error.filename or 'the system'}: {error.strerror or error}", FAILED)


def _say(message: str, status: int) -> int:
    """One line on standard error, whatever the message holds."""
    from process_anatomy.volatility.cells import safe_text

    print(f"anatomy: {safe_text(message)}", file=sys.stderr)
    return status
