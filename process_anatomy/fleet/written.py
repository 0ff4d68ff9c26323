"""What became of a view that was to be written."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

Step = Callable[[str, int, int], None]
"""Told the name of a view, its number, and how many there are, before it is written."""


@dataclass(frozen=True, slots=True)
class Written:
    """A view's rows in a file.

    Attributes:
        view: its name.
        file: the file's name, ``None`` where it could not be made.
        rows: how many rows.
        problems: what was wrong with lists and trees as a whole, and why there is no file.
    """

    view: str
    file: str | None
    rows: int
    problems: tuple[str, ...]
