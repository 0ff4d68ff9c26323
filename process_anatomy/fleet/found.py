"""Which files are meant: folders, patterns and lists to paths, each once; what cannot be an image, with its reason."""

from __future__ import annotations

import glob
import os
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from process_anatomy.errors import RequestError
from process_anatomy.fleet.terms import Outcome
from process_anatomy.memory.page_file_names import is_page_file, page_files_in

PAIRS = {".vmem": (".vmss", ".vmsn")}
"""VMware: a file of memory to what tells where each part of it belongs, of the same name beside it."""
UTF16 = (b"\xff\xfe", b"\xfe\xff")
"""How a list begins that PowerShell's ``>`` made."""


def listed(file: Path) -> list[Path]:
    """The paths in a list: one a line, or with zero bytes between them; relative ones are of the current folder.

    Args:
        file: the list; ``-`` is standard input.

    Raises:
        RequestError: it is no list.
        OSError: it cannot be read.
    """
    data = sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()
    text = os.fsdecode(data.removeprefix(b"\xef\xbb\xbf"))
    if data.startswith(UTF16):
        try:
            text = data.decode("utf-16")
        except UnicodeDecodeError:
            raise RequestError(f"{file} is no list of paths") from None
    lines = text.split("\0") if "\0" in text else text.splitlines()
    return [Path(line) for line in lines if line.strip()]


def found(paths: Iterable[Path], without: Path | None = None, *, page_files: bool = True) -> Iterator[Path | Outcome]:
    """The files that are meant, each once; what cannot be one, with the reason.

    Args:
        paths: files, patterns, and folders, which are searched without following links to folders.
        without: a folder that is not looked into: the case itself.
        page_files: whether what is called as page files are is meant too, where a folder is.
    """
    seen: set[tuple[int, int]] = set()
    left = _identity(without) if without is not None else None
    for path in paths:
        if path.is_dir():
            yield from _below(path, seen, left, page_files)
        elif not os.path.lexists(path) and glob.has_magic(str(path)):
            names = sorted(glob.iglob(str(path), recursive=True))
            for each in map(Path, names):
                yield from _below(each, seen, left, page_files) if each.is_dir() else _once(each, seen)
            if not names:
                yield Outcome(str(path), 0, None, problem="no file fits the pattern")
        else:
            yield from _once(path, seen)


def page_files_beside(path: Path) -> list[Path]:
    """The files beside an image that are called as page files are."""
    try:
        return [Path(each) for each in page_files_in(str(path.parent)).values() if Path(each) != path]
    except OSError:
        return []


def companions(path: Path) -> list[Path]:
    """The files beside an image that belong to it."""
    return [each for ending in PAIRS.get(path.suffix, ()) if (each := path.with_suffix(ending)).is_file()]


def _below(
    folder: Path, seen: set[tuple[int, int]], left: tuple[int, int] | None, page_files: bool
) -> Iterator[Path | Outcome]:
    lost: list[OSError] = []
    for place, folders, files in os.walk(folder, onerror=lost.append):
        folders[:] = sorted(name for name in folders if left is None or _identity(Path(place, name)) != left)
        for name in sorted(files):
            if page_files or not is_page_file(name):
                yield from _once(Path(place, name), seen)
        for error in lost:
            yield Outcome(str(error.filename), 0, None, problem=f"{error.strerror}")
        lost.clear()


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        told = path.stat()
    except OSError:
        return None
    return told.st_dev, told.st_ino


def _once(path: Path, seen: set[tuple[int, int]]) -> Iterator[Path | Outcome]:
    for ending, others in PAIRS.items():  # the pair is opened by the file of memory
        if path.suffix in others and path.with_suffix(ending).is_file():
            path = path.with_suffix(ending)
    try:
        told = path.stat()
    except OSError as error:
        yield Outcome(str(path), 0, None, problem=f"{error.strerror}")
        return
    if (told.st_dev, told.st_ino) in seen:
        return
    seen.add((told.st_dev, told.st_ino))
    if not path.is_file():
        yield Outcome(str(path), 0, None, problem="it is no file")
    elif told.st_size == 0:
        yield Outcome(str(path), 0, None, problem="the file is empty")
    else:
        yield path
