"""``anatomy batch``: many images into one case, which a run that was stopped goes on with."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from process_anatomy.command.opened import FORMATS, LEVELS
from process_anatomy.command.statuses import DONE, FAILED, PARTLY

if TYPE_CHECKING:
    from process_anatomy.fleet.case import Outcome

MEGABYTE = 1 << 20


@click.command()
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="PATH…")
@click.option(
    "--out", "case", type=click.Path(path_type=Path), required=True, metavar="CASE", help="The case's folder."
)
@click.option("--format", "form", type=click.Choice(FORMATS), default="parquet", help="What the files are (parquet).")
@click.option("--view", "views", multiple=True, metavar="VIEW", help="Only this view; may be repeated.")
@click.option("--explain", type=click.Choice(LEVELS), default="off", help="As for export.")
@click.option("--no-hash", is_flag=True, help="Name images by their path, not by their SHA-256.")
@click.option("--workers", type=click.IntRange(1, 1024), metavar="N", help="Images side by side (one a processor).")
@click.option("--timeout", type=click.FloatRange(1, 1e6), default=3600, metavar="SECONDS", help="For an image (3600).")
@click.option("--memory", type=click.IntRange(256), metavar="MB", help="Address space for an image (no limit).")
def batch(
    paths: tuple[Path, ...],
    case: Path,
    form: str,
    views: tuple[str, ...],
    explain: str,
    no_hash: bool,
    workers: int | None,
    timeout: float,
    memory: int | None,
) -> int:
    """Export many images, files and folders, into one case; the same command goes on with a run that was stopped.

    \b
      anatomy batch captures/ more/host17.raw --out case
      anatomy query case "select image, process, count(*) from handles group by all"

    Each image is read by a process of its own; what goes wrong there costs that image alone and has its line.  Ends
    with status 4 where some could not be read, 1 where none could.
    """  # noqa: D301  # click's mark for lines that stay as they are
    from process_anatomy.fleet.case import Terms, held, on_this_machine
    from process_anatomy.fleet.case import batch as run
    from process_anatomy.views import view
    from process_anatomy.views.all import exported
    from process_anatomy.views.arrow import schema

    exported(views)
    if form == "parquet":
        schema(view("processes"))  # what Arrow needs is missing for all images alike
    terms = Terms(form, views, explain, not no_hash, timeout, (memory or 0) * MEGABYTE)
    with held(case), on_this_machine(workers or _processors()) as submit:
        outcomes = run(paths, case, terms, submit, _tell)
    done = [one for one in outcomes if one.done]
    rows = sum(one.rows for one in done)
    click.echo(f"{case}: {len(done)} of {len(outcomes)} images, {rows} rows")
    whole = all(one.status == DONE for one in outcomes)
    return DONE if whole and done else PARTLY if done else FAILED


def _processors() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _tell(one: Outcome, number: int, count: int) -> None:
    """What became of an image, as a line: who reads it later has no terminal."""
    from process_anatomy.volatility.cells import safe_text

    what = f"{one.windows}, {one.rows} rows, {one.seconds:g} s" if one.done else one.problem
    doubt = f"; {one.problem}" if one.done and one.problem else ""
    print(
        safe_text(f"{number}/{count} {one.path}: {what}{doubt}"),
        file=sys.stdout if one.done else sys.stderr,
        flush=True,
    )
