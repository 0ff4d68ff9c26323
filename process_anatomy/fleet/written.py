"""Files that are written whole or not at all, and what became of a view that was to be written."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from process_anatomy.errors import RequestError
from process_anatomy.memory.resident import unfinished

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


@contextmanager
def whole(file: Path, overwrite: bool = True) -> Iterator[BinaryIO]:
    """A file to be written that is there when all of it is, and as it was otherwise.

    Args:
        file: its place; its folder is there.
        overwrite: a file that is there by then is replaced.

    Raises:
        RequestError: something is there that may not be replaced.
        OSError: it cannot be written; nothing is left behind.
    """
    kept(file, overwrite)
    made = file.with_name(f".{file.name[:64]}.{secrets.token_hex(8)}")  # one of tempfile would be its owner's alone
    out = made.open("xb")
    try:
        with unfinished(made), out:
            yield out
        kept(file, overwrite)  # seen again: somebody may have put something there
        os.replace(made, file)
    except BaseException:
        made.unlink(missing_ok=True)
        raise


def kept(file: Path, overwrite: bool) -> None:
    """See that a file can be made, or replaced.

    Raises:
        RequestError: something is there that may not be replaced.
    """
    if file.is_dir():
        raise RequestError(f"{file} is a folder")
    if not overwrite and (file.exists() or file.is_symlink()):
        raise RequestError(f"{file} is there; --overwrite replaces it")
