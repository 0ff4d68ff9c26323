"""What a case says of itself: a list for programs, and a page for people, each whole at any moment."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from process_anatomy.errors import Error
from process_anatomy.fleet.single import IMAGES, STARTED, folder_name, outcome_of
from process_anatomy.fleet.summary import page
from process_anatomy.fleet.terms import Outcome, Terms
from process_anatomy.fleet.versions import versions
from process_anatomy.fleet.written import whole

CASE, SUMMARY = "case.json", "summary.html"
"""Inside a case: the list of images, and the page."""
SHARE = 0.02
"""How much of the time may go into writing both again."""
KEPT = "what is done is kept, and the same command goes on"


class Record:
    """What became of the images of a case, in this run and in earlier ones.

    Args:
        case: its folder.
        terms: how images are exported in this run.
        meant: paths of this run; what earlier runs say of them is forgotten.
    """

    def __init__(self, case: Path, terms: Terms, meant: Iterable[Path]) -> None:
        self._case, self._next = case, 0.0
        self._run: dict[str, Any] = {"versions": versions(), "options": asdict(terms), "started": _now(), "ended": None}
        ours = {folder_name(path) for path in meant}
        before = {folder_name(Path(one.path)): one for one in _before(case)}
        self._before = [one for name, one in before.items() if name not in ours]

    def now_and_then(self, outcomes: Sequence[Outcome]) -> None:
        """Write it, where that costs little: the longer it gets, the more seldom.

        Raises:
            Error: it cannot be written.
        """
        begun = time.monotonic()
        if begun >= self._next:
            self._write(outcomes)
            self._next = time.monotonic() + (time.monotonic() - begun) / SHARE

    def at_the_end(self, outcomes: Sequence[Outcome]) -> None:
        """Write it for the last time.

        Raises:
            Error: it cannot be written.
        """
        self._run["ended"] = _now()
        self._write(outcomes)

    def _write(self, outcomes: Sequence[Outcome]) -> None:
        every = sorted([*self._before, *outcomes], key=lambda one: one.path)
        told = self._run | {"images": [asdict(one) for one in every]}
        replaced(self._case / CASE, json.dumps(told, indent=1) + "\n")
        replaced(self._case / SUMMARY, page(self._case.name, self._run, every))


def replaced(file: Path, text: str) -> None:
    """Write a file that is there whole, or as it was.

    Raises:
        Error: it cannot be written.
    """
    try:
        with whole(file) as made:
            made.write(text.encode("utf-8", "backslashreplace"))
    except OSError as error:
        raise Error(f"{file}: {error.strerror}; {KEPT}") from None


def _before(case: Path) -> Iterator[Outcome]:
    """What earlier runs made: as the list says it, and, which counts more, as the exports say it."""
    with suppress(OSError, ValueError, TypeError, KeyError):
        for told in json.loads((case / CASE).read_text("utf-8"))["images"]:
            one = Outcome(**told)
            if not one.done:
                yield one
    for file in sorted(case.glob(f"{IMAGES}/[!.]*/{STARTED}")):
        one_of = outcome_of(file.parent)
        if one_of is not None:
            yield one_of


def _now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="seconds")
