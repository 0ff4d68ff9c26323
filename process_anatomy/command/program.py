"""The program: its command line, and one line on standard error where it cannot do what was asked."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

import click

from process_anatomy.command.batch import batch
from process_anatomy.command.diff import diff
from process_anatomy.command.doctor import doctor
from process_anatomy.command.explain import explain
from process_anatomy.command.export import export
from process_anatomy.command.forge import forge
from process_anatomy.command.hunt import hunt
from process_anatomy.command.info import info
from process_anatomy.command.lab import lab
from process_anatomy.command.plugins import plugins
from process_anatomy.command.query import query
from process_anatomy.command.quiz import quiz
from process_anatomy.command.report import report
from process_anatomy.command.samples import samples
from process_anatomy.command.schema import schema
from process_anatomy.command.show import show
from process_anatomy.command.statuses import FAILED, INTERRUPTED, MISUSED
from process_anatomy.errors import Error, RequestError

NAME = "anatomy"
COMPLETION = f"_{NAME.upper()}_COMPLETE"
"""What a shell sets that asks how a word may go on."""


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120})
@click.version_option(package_name="process-anatomy", message="process-anatomy %(version)s")
def cli() -> None:
    """Windows processes in memory images: whole images for people and programs, beside the Volatility plugins.

    \b
      anatomy info memory.raw
      anatomy show memory.raw findings
      anatomy export memory.raw -o case --format parquet

    The shell completes words after eval "$(_ANATOMY_COMPLETE=bash_source anatomy)", or zsh_source, or fish_source.
    """  # noqa: D301  # click's mark for lines that stay as they are


for command in (
    info, show, report, export, batch, query, hunt, diff, explain, quiz, schema, samples, forge, lab, plugins, doctor,
):  # fmt: skip
    cli.add_command(command)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; gives its exit status."""
    if COMPLETION in os.environ:
        cli.main(prog_name=NAME)
    try:
        with cli.make_context(NAME, list(sys.argv[1:] if arguments is None else arguments)) as context:
            status: int = cli.invoke(context)
        sys.stdout.flush()
        return status
    except click.exceptions.Exit as ended:
        return int(ended.exit_code)
    except click.exceptions.NoArgsIsHelpError as error:
        return _misused(error, "a command is missing")
    except click.UsageError as error:
        return _misused(error, error.format_message().rstrip("."))
    except BrokenPipeError:  # who read our output has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    except KeyboardInterrupt as interrupted:
        return _say("; ".join(["interrupted", *map(str, interrupted.args)]), INTERRUPTED)
    except RequestError as error:
        return _say(str(error), MISUSED)
    except Error as error:
        return _say(str(error), FAILED)
    except OSError as error:
        return _say(f"{error.filename or 'the system'}: {error.strerror or error}", FAILED)


def _misused(error: click.UsageError, what: str) -> int:
    where = error.ctx.command_path if error.ctx else NAME
    return _say(f"{what}; {where} --help shows how it is used", MISUSED, where)


def _say(message: str, status: int, who: str = NAME) -> int:
    """One line on standard error, whatever the message holds."""
    from process_anatomy.views.shown import safe_text

    print(f"{who}: {safe_text(message)}", file=sys.stderr)
    return status


__all__ = ["cli", "main"]
