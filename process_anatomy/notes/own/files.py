"""The files of a note: one, or those of a folder, as text."""

from __future__ import annotations

import codecs
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from process_anatomy.errors import Error

MOST_BYTES, MOST_IN_ALL, MOST_FILES, MOST_FOLDERS = 1 << 18, 1 << 22, 500, 2000
"""Bytes of a file, bytes and number of the files of a folder, and folders in it that are looked at."""
ENDINGS = (".md", ".markdown")
ENCODINGS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, ""),
    (codecs.BOM_UTF32_BE, ""),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
"""What a file begins with, and the encoding that it then is in; empty where that is not read."""


class OwnNoteError(Error):
    """A note cannot be used; the message says which and why, in one line."""


class NoteFile(NamedTuple):
    """A file of a note.

    Attributes:
        name: its name below the folder that was given, its own name where a file was given.
        text: what is in it, its lines ended by line feeds.
    """

    name: str
    text: str


def note_files(path: str | Path) -> tuple[list[NoteFile], list[str]]:
    """The Markdown in a file, or in a folder and those below it.

    Links to folders are not followed, so that no folder is in itself; hidden folders (``.obsidian``) are left out.

    Returns:
        The files, and of each in a folder that cannot be read one line that says why.

    Raises:
        OwnNoteError: there is none that can be read.
    """
    start = Path(path)
    try:
        if not start.is_dir():
            return [NoteFile(start.name, _text(start))], []
        found = list(_below(start))
    except OSError as error:
        raise OwnNoteError(f"the note {start}: {error.strerror or error}") from None
    if not found:
        raise OwnNoteError(f"the note {start}: no file in this folder ends in {' or '.join(ENDINGS)}")
    if len(found) > MOST_FILES:
        raise OwnNoteError(f"the note {start}: more than {MOST_FILES} files are in this folder")
    files: list[NoteFile] = []
    problems: list[str] = []
    for each in found:
        try:
            files.append(NoteFile(each.relative_to(start).as_posix(), _text(each)))
        except OwnNoteError as error:
            problems.append(str(error))
        except OSError as error:
            problems.append(f"the note {each}: {error.strerror or error}")
        if sum(len(file.text) for file in files) > MOST_IN_ALL:
            raise OwnNoteError(f"the note {start}: the files in this folder are larger than {MOST_IN_ALL >> 20} MB")
    if not files:
        raise OwnNoteError(problems[0])
    return files, problems


def _below(start: Path) -> Iterator[Path]:
    """The Markdown files in a folder, in order of their names, one more than are used at the most."""
    count = 0
    for number, (folder, folders, names) in enumerate(os.walk(start, followlinks=False)):
        if number >= MOST_FOLDERS:
            raise OwnNoteError(f"the note {start}: more than {MOST_FOLDERS} folders are in this one")
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            if name.lower().endswith(ENDINGS) and not name.startswith("."):
                count += 1
                yield Path(folder, name)
                if count > MOST_FILES:
                    return


def _text(path: Path) -> str:
    """What is in a file.

    Raises:
        OSError: it cannot be read.
        OwnNoteError: it is no file of text, or too large.
    """
    if not stat.S_ISREG(path.stat().st_mode):  # a pipe would be waited for
        raise OwnNoteError(f"the note {path} is no file")
    with path.open("rb") as file:
        data = file.read(MOST_BYTES + 1)
    if len(data) > MOST_BYTES:
        raise OwnNoteError(f"the note {path} is larger than {MOST_BYTES >> 10} KB")
    encoding = next((name for mark, name in ENCODINGS if data.startswith(mark)), "utf-8")
    try:
        text = data.decode(encoding) if encoding else ""
    except UnicodeError:
        encoding = ""
    if not encoding or "\0" in text:
        raise OwnNoteError(f"the note {path} is not text in UTF-8, nor in UTF-16 with a byte order mark")
    return text.replace("\r\n", "\n").replace("\r", "\n")
