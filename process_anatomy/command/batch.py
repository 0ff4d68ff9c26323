"""``anatomy batch``: many images into one case, which a run that was stopped goes on with."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from process_anatomy.command.opened import FORMATS, LEVELS
from process_anatomy.command.statuses import DONE, FAILED, PARTLY
from process_anatomy.command.watching import watched

if TYPE_CHECKING:
    from process_anatomy.fleet.engine import Cluster

MEGABYTE = 1 << 20


@click.command()
@click.argument("paths", nargs=-1, type=click.Path(path_type=Path), metavar="PATH…")
@click.option(
    "--out", "case", type=click.Path(path_type=Path), required=True, metavar="CASE", help="The case's folder."
)
@click.option(
    "--list",
    "lists",
    multiple=True,
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="A file of paths, one a line; repeated.",
)
@click.option("--format", "form", type=click.Choice(FORMATS), default="parquet", help="What the files are (parquet).")
@click.option("--view", "views", multiple=True, metavar="VIEW", help="Only this view; may be repeated.")
@click.option("--explain", type=click.Choice(LEVELS), default="off", help="As for export.")
@click.option("--page-files", is_flag=True, help="Page files that lie beside an image are read with it.")
@click.option("--no-hash", is_flag=True, help="Name images by their path, not by their SHA-256.")
@click.option("--workers", type=click.IntRange(1, 1024), metavar="N", help="Images side by side (one a processor).")
@click.option("--scheduler", metavar="tls://HOST:PORT", help="A Dask cluster does the work, not this machine.")
@click.option("--tls-ca", type=click.Path(path_type=Path), metavar="FILE", help="The certificate that it trusts.")
@click.option("--tls-cert", type=click.Path(path_type=Path), metavar="FILE", help="Our certificate.")
@click.option("--tls-key", type=click.Path(path_type=Path), metavar="FILE", help="Its key.")
@click.option("--timeout", type=click.FloatRange(1, 1e6), default=3600, metavar="SECONDS", help="For an image (3600).")
@click.option(
    "--memory", type=click.IntRange(256), metavar="MB", help="For an image (no limit); mapped files do not count."
)
@click.option("--unpacked", type=click.IntRange(1), metavar="MB", help="What an archive may unpack to (65536).")
@click.option("--ratio", type=click.IntRange(1), default=1000, metavar="N", help="… and times its own size (1000).")
@click.option("--keep", is_flag=True, help="What came out of archives stays in the case.")
def batch(
    paths: tuple[Path, ...],
    case: Path,
    lists: tuple[Path, ...],
    form: str,
    views: tuple[str, ...],
    explain: str,
    page_files: bool,
    no_hash: bool,
    workers: int | None,
    scheduler: str | None,
    tls_ca: Path | None,
    tls_cert: Path | None,
    tls_key: Path | None,
    timeout: float,
    memory: int | None,
    unpacked: int | None,
    ratio: int,
    keep: bool,
) -> int:
    """Export many images, files, folders and patterns, into one case; the same command goes on where it was stopped.

    \b
      anatomy batch captures/ more/host17.raw "shares/*/mem.7z" --out case
      find /mnt -name "*.vmem" | anatomy batch --list - --out case
      anatomy query case "select image, process, count(*) from handles group by all"

    Each image is read by a process of its own; what goes wrong there costs that image alone and has its line.  Ends
    with status 4 where some could not be read, 1 where none could.
    """  # noqa: D301  # click's mark for lines that stay as they are
    from process_anatomy.fleet.case import batch as run
    from process_anatomy.fleet.case import held
    from process_anatomy.fleet.engine import on_cluster, on_this_machine, size
    from process_anatomy.fleet.found import listed
    from process_anatomy.fleet.record import SUMMARY
    from process_anatomy.fleet.single import IMAGES
    from process_anatomy.fleet.terms import Terms
    from process_anatomy.samples.unpack import SIZE_LIMIT
    from process_anatomy.views import view
    from process_anatomy.views.all import exported
    from process_anatomy.views.arrow import schema

    if not paths and not lists:
        raise click.UsageError("no image, folder or list is named")
    exported(views)
    if form == "parquet":
        schema(view("processes"))  # what Arrow needs is missing for all images alike
    meant = [*paths, *(path for file in lists for path in listed(file))]
    limit = unpacked * MEGABYTE if unpacked else SIZE_LIMIT
    terms = Terms(form, views, explain, not no_hash, timeout, (memory or 0) * MEGABYTE, limit, ratio, keep, page_files)
    cluster = _cluster(scheduler, tls_ca, tls_cert, tls_key)
    hands = size(workers, terms.memory)
    workers_of = on_cluster(cluster, case) if cluster else on_this_machine(hands)
    with held(case), workers_of as crew, watched(case / IMAGES) as tell:
        outcomes = run(meant, case, terms, crew, tell)
    done = [one for one in outcomes if one.done]
    rows = sum(one.rows for one in done)
    click.echo(f"{case}: {len(done)} of {len(outcomes)} images, {rows} rows; {case / SUMMARY}")
    whole = all(one.status == DONE for one in outcomes)
    return DONE if whole and done else PARTLY if done else FAILED


def _cluster(scheduler: str | None, ca: Path | None, certificate: Path | None, key: Path | None) -> Cluster | None:
    from process_anatomy.fleet.engine import Cluster

    if scheduler is None:
        return None
    if ca is None or certificate is None or key is None:
        raise click.UsageError("--scheduler needs --tls-ca, --tls-cert and --tls-key")
    return Cluster(scheduler, ca, certificate, key)
