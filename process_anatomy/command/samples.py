"""``anatomy samples``: the public memory images that courses use, fetched and compared with what is published."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

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
HEADINGS = ("NAME", "WINDOWS", "DOWNLOAD", "CHECKED BY", "FETCHED", "FACTS")


def add(commands: Any) -> None:
    """Add the command and what it can do."""
    samples = commands.add_parser("samples", help="public memory images", description=WHAT)
    actions = samples.add_subparsers(required=True, metavar="ACTION")
    listing = actions.add_parser("list", help="what there is")
    listing.add_argument("--json", action="store_true", help="all that is known, with the pages it is from")
    listing.set_defaults(run=_list)
    fetching = actions.add_parser("fetch", help="download, check and unpack an image")
    fetching.add_argument("name", metavar="NAME", help="as the list has it")
    fetching.add_argument("--to", type=Path, default=Path(), metavar="FOLDER", help="where its folder is made (here)")
    fetching.add_argument("--archive", type=Path, metavar="FILE", help="its download, where you have it already")
    fetching.add_argument("--keep-archive", action="store_true", help="keep the download beside the image")
    fetching.add_argument(
        "--timeout", type=_seconds, default=TIMEOUT, metavar="SECONDS", help="how long a server may stay silent (60)"
    )
    fetching.set_defaults(run=_fetch)
    verifying = actions.add_parser("verify", help="compare an image with what is published of it")
    verifying.add_argument("what", metavar="NAME|FILE", help="an image that was fetched, or any file")
    verifying.add_argument("--to", type=Path, default=Path(), metavar="FOLDER", help="where it was fetched to (here)")
    verifying.add_argument("--as", dest="name", metavar="NAME", help="what the file is, where it does not say so")
    verifying.add_argument("--json", action="store_true", help="the verdicts, with the pages that published them")
    verifying.set_defaults(run=_verify)
    for action in (listing, fetching, verifying):
        action.add_argument("--catalogue", type=Path, metavar="FILE", help="another catalogue, of the same form")


def _seconds(text: str) -> float:
    """A time that can pass."""
    try:
        value = float(text)
    except ValueError:
        value = 0
    if not 0 < value < SECONDS_LIMIT:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of seconds")
    return value


def _list(chosen: argparse.Namespace) -> int:
    images = load(chosen.catalogue)
    if chosen.json:
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


def _fetch(chosen: argparse.Namespace) -> int:
    image = named(load(chosen.catalogue), chosen.name)
    if chosen.archive is not None and not chosen.archive.is_file():
        raise RequestError(f"{chosen.archive} is not a file")
    fetching = Fetching(
        chosen.to, keep_archive=chosen.keep_archive, timeout=chosen.timeout, progress=watched(), tell=_tell
    )
    there = fetching.place(image).exists()
    path = fetching.fetch(image, chosen.archive)
    verdicts = [*(_of_file(image, path) if there else ()), *check_facts(image, path)]
    for verdict in verdicts:
        _tell(f"{path.name}: {verdict}")
    _judge(path, [verdict for verdict in verdicts if verdict.outcome is not Outcome.UNREADABLE])
    _tell(f"{path}: {image.title}")
    return DONE


def _verify(chosen: argparse.Namespace) -> int:
    images = load(chosen.catalogue)
    image, path = _meant(chosen, images)
    verdicts = _of_file(image, path)
    if image.download is None or image.download.form == "none" or not is_download(image, path):
        verdicts += check_facts(image, path)
    if chosen.json:
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


def _meant(chosen: argparse.Namespace, images: tuple[PublicImage, ...]) -> tuple[PublicImage, Path]:
    """The entry and the file that are meant: a name means what was fetched by it, all else is a file."""
    path = Path(chosen.what)
    if chosen.name is None and any(image.name == chosen.what for image in images):
        image = named(images, chosen.what)
        place = Fetching(chosen.to).place(image)
        if not place.is_file():
            raise SampleError(f"{place} is not there; anatomy samples fetch {image.name} brings it")
        return image, place
    if not path.is_file():
        raise RequestError(f"{chosen.what} is neither the name of a public image nor a file")
    if chosen.name is not None:
        return named(images, chosen.name), path
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
    from process_anatomy.volatility.cells import safe_text

    print(safe_text(line), flush=True)
