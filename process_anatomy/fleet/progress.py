"""How far an image is, written where whoever waits for it may look: a worker has no terminal, and may be elsewhere."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from process_anatomy.samples.progress import Step

PROGRESS = "progress"
"""Inside the folder of an image that is not finished."""
OFTEN = 0.5
"""Seconds between two notes of bytes, at least."""
PERCENT = 100


class Notes:
    """Notes in a file, the last one whole at any moment.

    Args:
        file: where they go.
    """

    def __init__(self, file: Path) -> None:
        self._file, self._next = file, 0.0

    def view(self, name: str, number: int, count: int) -> None:
        """A view is being written: its name, its number and how many there are."""
        self._note(f"{number + 1}/{count} {name}")

    @contextmanager
    def bytes(self, text: str) -> Iterator[Step]:
        """Work on so many bytes of so many, as :data:`process_anatomy.samples.progress.Progress` has it."""
        what = text.partition(" ")[0]

        def step(done: int, total: int | None) -> None:
            if time.monotonic() >= self._next:
                self._note(f"{what} {done * PERCENT // total}%" if total else f"{what} {done >> 20} MB")

        yield step

    def _note(self, text: str) -> None:
        self._next = time.monotonic() + OFTEN
        with suppress(OSError):  # what nobody can read costs nobody an image
            other = self._file.with_suffix(".new")
            other.write_text(text, "utf-8")
            os.replace(other, self._file)


@dataclass(frozen=True, slots=True)
class Now:
    """An image that is being exported.

    Attributes:
        name: of its folder, once it has one.
        doing: what is being done, empty where nothing is known yet.
    """

    name: str
    doing: str


def going_on(images: Path) -> list[Now]:
    """What is being exported into a case's folder of images."""
    found = []
    for folder in sorted(images.glob(".*")):
        doing = ""
        with suppress(OSError):
            doing = (folder / PROGRESS).read_text("utf-8")
        found.append(Now(folder.name[1:].rpartition(".")[0], doing))
    return found


__all__ = ["PROGRESS", "Notes", "Now", "going_on"]
