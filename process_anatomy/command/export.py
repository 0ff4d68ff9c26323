"""``anatomy export``: everything in an image, in files or a database that programs read."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from process_anatomy.command.opened import FORMATS, of_image, of_rows, opened, status_of, tell
from process_anatomy.command.statuses import DONE, NOT_TRUSTED, PARTLY
from process_anatomy.errors import RequestError
from process_anatomy.fleet.exports import FORMS, chosen


@click.command()
@of_image
@click.option("-o", "--output", "folder", type=click.Path(path_type=Path), required=True, help="The folder to be made.")
@click.option(
    "--format", "form", type=click.Choice((*FORMATS, *FORMS)), default="jsonl", help="What the files are (jsonl)."
)
@click.option("--view", "views", multiple=True, metavar="VIEW", help="Only this view; may be repeated.")
@of_rows
@click.option("--no-hash", is_flag=True, help="Name the image in each row by its path, not by its SHA-256.")
@click.option("--image", "named", default="", metavar="TEXT", help="What the rows call the image.")
@click.option(
    "--workers",
    type=click.IntRange(1, 1024),
    metavar="N",
    help="Processes that write the largest tables of a large image side by side (one a processor).",
)
@click.option("--progress", type=click.Path(path_type=Path), hidden=True)
@click.option("--overwrite", is_flag=True, help="Replace an earlier export.")
def export(
    image: Path,
    isf: str | None,
    dtb: int | None,
    page_files: str | None,
    folder: Path,
    form: str,
    views: tuple[str, ...],
    pids: list[int],
    explain: str | None,
    fail_on: str | None,
    no_hash: bool,
    named: str,
    workers: int | None,
    progress: Path | None,
    overwrite: bool,
) -> int:
    """Write every view of an image into a folder, in one run: a file for each, or one database, and manifest.json.

    \b
      anatomy export memory.raw -o case
      anatomy export memory.raw -o case --format parquet --view processes --view vads
      anatomy export memory.raw -o timeline --format timesketch
      anatomy export case -o siem --format ecs

    Rows are flat and of one form (docs/schema.md); they say nothing of themselves unless --explain asks for it.
    What other programs read has their forms, and only the views that these have a place for (docs/exports.md).  They
    are made of an earlier export or of a case too, without its images.
    """  # noqa: D301  # click's mark for lines that stay as they are
    from process_anatomy.fleet.export import Asked, free
    from process_anatomy.fleet.export import export as write
    from process_anatomy.fleet.hands import processors
    from process_anatomy.fleet.progress import Notes
    from process_anatomy.samples.progress import watched
    from process_anatomy.views.all import exported

    names = chosen(FORMS[form], views) if form in FORMS else exported(views)
    if image.is_dir() and form in FORMS:
        return _again(image, folder, form, names, overwrite, pids, fail_on)
    free(folder, overwrite)
    found = opened(image, isf, dtb, page_files)
    asked = Asked(names, form, explain or "off", pids, not no_hash, named, overwrite, workers or processors())
    if progress is not None:
        notes = Notes(progress)
        done = write(found, image, folder, asked, notes.view, notes.bytes)
    else:
        watched_by = _shown if sys.stderr is not None and sys.stderr.isatty() else None
        done = write(found, image, folder, asked, watched_by, watched())
    told: dict[str, None] = {}
    for one in done:
        new = [line for line in one.problems if line not in told]
        told.update(dict.fromkeys(new))
        tell(f"{one.view}: {line}" for line in new)
    lost = [one.view for one in done if one.file is None]
    views_done = len(done) - len(lost)
    rows = sum(one.rows for one in done)
    what = "entries" if form in FORMS else "rows"
    click.echo(f"{folder}: {rows} {what} of {views_done} view{'' if views_done == 1 else 's'}, {form}")
    return status_of(found, fail_on, PARTLY if lost else DONE)


def _again(
    case: Path, folder: Path, form: str, views: tuple[str, ...], overwrite: bool, pids: list[int], fail_on: str | None
) -> int:
    """What other programs read, of rows that were exported before."""
    from process_anatomy.fleet.stored import doubts, export_again

    if pids or fail_on:
        raise RequestError("--pid and --fail-on are for images; this is a folder of earlier exports")
    done = list(export_again(case, folder, form, views, overwrite))
    lost = [(export, one) for export, written in done for one in written if one.file is None]
    tell(f"{export.path}: {one.view}: {one.problems[-1]}" for export, one in lost)
    tell(doubts(done))
    entries = sum(one.rows for _, written in done for one in written)
    click.echo(f"{folder}: {entries} entries of {len(done)} image{'' if len(done) == 1 else 's'}, {form}")
    return NOT_TRUSTED if doubts(done) else PARTLY if lost else DONE


def _shown(name: str, number: int, count: int) -> None:
    """A line that the next one replaces."""
    print(f"\r{number + 1}/{count} {name:<16}", end="\r", file=sys.stderr, flush=True)
