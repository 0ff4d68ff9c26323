"""Processes with what other views know of each: whom it acts as, and how it was started.

Rows are joined by addresses, which are exact, never by ids, which Windows gives out again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from process_anatomy.views.records import Record


@dataclass(frozen=True, slots=True)
class Whole:
    """A process.

    Attributes:
        row: of the view ``processes``.
        user: SID of whom its token acts as.
        account: name of that user, with its domain where there is one.
        integrity: level of its token.
        command_line: in its PEB, where the process itself can change it.
        folder: that relative paths start from, likewise.
    """

    row: Record
    user: str | None
    account: str | None
    integrity: str | None
    command_line: str | None
    folder: str | None

    @property
    def pid(self) -> Any:
        """Its id."""
        return self.row["pid"]

    @property
    def name(self) -> Any:
        """The short name of its program."""
        return self.row["process"]

    @property
    def domain(self) -> str | None:
        """Where its user is from, where the name says it."""
        return self.account.rpartition("\\")[0] or None if self.account else None

    @property
    def user_name(self) -> str | None:
        """Its user's name without that."""
        return self.account.rpartition("\\")[2] or None if self.account else None


def wholes(rows: Callable[[str], Iterable[Record]]) -> list[Whole]:
    """Each process with what its token and its PEB tell.

    Args:
        rows: gives the flat rows of a view.
    """
    tokens: dict[Any, tuple[Any, ...]] = {
        row["address"]: (row["User"], row["UserName"], row["Integrity"])
        for row in rows("tokens")
        if row["TID"] is None and row["address"] is not None
    }
    blocks: dict[Any, tuple[Any, ...]] = {
        (row["DTB"], row["address"]): (row["CommandLine"], row["CurrentDirectory"])
        for row in rows("peb")
        if row["address"] is not None
    }
    return [
        Whole(row, *_texts(tokens.get(row["Token"]), 3), *_texts(blocks.get((row["DTB"], row["PEB"])), 2))
        for row in rows("processes")
    ]


def _texts(found: tuple[Any, ...] | None, number: int) -> tuple[Any, ...]:
    return (None,) * number if found is None else tuple(text or None for text in found)
