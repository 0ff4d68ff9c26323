"""``anatomy samples``: the public memory images that courses use, fetched and compared with what is published."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path

import click

from process_anatomy.command.statuses import DONE
from process_anatomy.errors import RequestError, SampleError
from process_anatomy.samples.catalogue import PublicImage, load, named
from process_anatomy.samples.download import TIMEOUT
from process_anatomy.samples.facts import check_facts
from process_anatomy.samples.fetch import Fetching
from process_anatomy.samples.progress import watched
from process_anatomy.samples.verdicts import Outcome, Verdict
from process_anatomy.samples.verify import OURS, check_file, digests, is_download, published_of, recognised

WHAT = "The public memory images that courses use, fetched and compared with what is published of them."
SIZES = ("bytes", "KB", "MB", "GB", "TB")
SECONDS_LIMIT = 1e6
KEPT = "what was downloaded is kept, and the same command goes on from there"
Command = Callable[..., int]
HEADINGS = ("NAME", "WINDOWS", "DOWNLOAD", "CHECKED BY", "FETCHED", "FACTS")


def catalogued(command: Command) -> Command:
    """The option of every command that looks into the catalogue."""
    option: Callable[[Command], Command] = click.option(
        "--catalogue", type=click.Path(path_type=Path), metavar="FILE", help="Another catalogue, of the same form."
    )
    return option(command)


def _seconds(_context: click.Context, _option: click.Parameter, text: str) -> float:
    """A time that can pass."""
    try:
        value = float(text)
    except ValueError:
        value = 0
    if not 0 < value < SECONDS_LIMIT:
        raise click.BadParameter(f"{text!r} is no number of seconds")
    return value


TO = click.option(
    "--to", type=click.Path(path_type=Path), default=Path(), metavar="FOLDER", help="Where its folder is (here)."
)


@click.group(help=WHAT, short_help="Public memory images.")
def samples() -> None:
    """The public memory images."""


@samples.command("list")
@click.option("--json", "as_json", is_flag=True, help="All that is known, with the pages it is from.")
@catalogued
def list_(as_json: bool, catalogue: Path | None) -> int:
    """Tell what there is."""
    images = load(catalogue)
    if as_json:
        print(json.dumps([asdict(image) for image in images], indent=1))
    else:
        _print_table([HEADINGS, *map(row, images)])
    return DONE


def row(image: PublicImage) -> tuple[str, ...]:
    """An entry as the list shows it."""
    offered, memory = image.download, image.memory
    hashes = [*(offered.hashes if offered else ()), *memory.hashes]
    size = offered.size if offered else None
    return (
        image.name,
        "" if image.windows is None else image.windows.value,
        "" if size is None else human(size.value),
        " ".join(dict.fromkeys(hashes)),
        "by the command" if offered and offered.address else "by hand",
        str(image.facts or ""),
    )


def human(size: int) -> str:
    """A number of bytes in words."""
    value, unit = float(size), 0
    while value >= 1000 and unit < len(SIZES) - 1:
        value, unit = value / 1000, unit + 1
    return f"{value:.0f} {SIZES[unit]}" if value >= 10 or unit == 0 else f"{value:.1f} {SIZES[unit]}"


def _print_table(rows: Sequence[Sequence[str]]) -> None:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for cells in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip())


@samples.command()
@click.argument("name")
@TO
@click.option(
    "--archive", type=click.Path(path_type=Path), metavar="FILE", help="Its download, where you have it already."
)
@click.option("--keep-archive", is_flag=True, help="Keep the download beside the image.")
@click.option(
    "--timeout",
    callback=_seconds,
    default=str(TIMEOUT),
    metavar="SECONDS",
    help="How long a server may stay silent (60).",
)
@catalogued
def fetch(name: str, to: Path, archive: Path | None, keep_archive: bool, timeout: float, catalogue: Path | None) -> int:
    """Download, check and unpack an image."""
    image = named(load(catalogue), name)
    if archive is not None and not archive.is_file():
        raise RequestError(f"{archive} is not a file")
    fetching = Fetching(to, keep_archive=keep_archive, timeout=timeout, progress=watched(), tell=_tell)
    there = fetching.place(image).exists()
    try:
        path = fetching.fetch(image, archive)
    except KeyboardInterrupt:
        raise KeyboardInterrupt(KEPT) from None
    verdicts = [*(_of_file(image, path) if there else ()), *check_facts(image, path)]
    for verdict in verdicts:
        _tell(f"{path.name}: {verdict}")
    _judge(path, [verdict for verdict in verdicts if verdict.outcome is not Outcome.UNREADABLE])
    _tell(f"{path}: {image.title}")
    return DONE


@samples.command()
@click.argument("what", metavar="NAME|FILE")
@TO
@click.option("--as", "name", metavar="NAME", help="What the file is, where it does not say so.")
@click.option("--json", "as_json", is_flag=True, help="The verdicts, with the pages that published them.")
@catalogued
def verify(what: str, to: Path, name: str | None, as_json: bool, catalogue: Path | None) -> int:
    """Compare an image, one that was fetched or any file, with what is published of it."""
    image, path = _meant(load(catalogue), what, to, name)
    verdicts = _of_file(image, path)
    if image.download is None or image.download.form == "none" or not is_download(image, path):
        verdicts += check_facts(image, path)
    if as_json:
        print(
            json.dumps({"name": image.name, "file": str(path), "verdicts": [_plain(one) for one in verdicts]}, indent=1)
        )
    else:
        for verdict in verdicts:
            _tell(f"{path.name}: {verdict}")
    if not verdicts:
        computed = digests(path, [OURS], watched())[OURS]
        raise SampleError(f"nothing is published of {image.name} to compare {path.name} with; its {OURS} is {computed}")
    _judge(path, verdicts)
    return DONE


def _judge(path: Path, verdicts: Sequence[Verdict]) -> None:
    """All must be as published.

    Raises:
        SampleError: something is not, or cannot be read.
    """
    wrong = [verdict for verdict in verdicts if verdict.outcome is not Outcome.SAME]
    if wrong:
        words = " and ".join(sorted({verdict.outcome.value for verdict in wrong}, reverse=True))
        raise SampleError(f"{path}: {len(wrong)} of {len(verdicts)} published data: {words}, {wrong[0].subject} first")


def _meant(images: tuple[PublicImage, ...], what: str, to: Path, name: str | None) -> tuple[PublicImage, Path]:
    """The entry and the file that are meant: a name means what was fetched by it, all else is a file."""
    path = Path(what)
    if name is None and any(image.name == what for image in images):
        image = named(images, what)
        place = Fetching(to).place(image)
        if not place.is_file():
            raise SampleError(f"{place} is not there; anatomy samples fetch {image.name} brings it")
        return image, place
    if not path.is_file():
        raise RequestError(f"{what} is neither the name of a public image nor a file")
    if name is not None:
        return named(images, name), path
    found = recognised(images, path, watched())
    if found is None:
        raise SampleError(
            f"{path} has no published hash and no name that only one image has; --as NAME says what it is"
        )
    return found, path


def _of_file(image: PublicImage, path: Path) -> list[Verdict]:
    return check_file(published_of(image, path), path, watched())


def _plain(verdict: Verdict) -> dict[str, str]:
    return asdict(verdict) | {"outcome": verdict.outcome.value}


def _tell(line: str) -> None:
    from process_anatomy.views.shown import safe_text

    print(safe_text(line), flush=True)
