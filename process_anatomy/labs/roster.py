"""The students of a class, from a CSV file as learning platforms and spreadsheets write it."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from process_anatomy.errors import LabError, RequestError
from process_anatomy.labs.variants import file_name

LARGEST = 1 << 20
"""Bytes of a roster that is read."""
MOST = 5_000
"""Students of a class."""
IDS = ("student", "id", "student id", "username", "user name", "id number")
NAMES = ("name", "full name")
"""Headings of the columns that are read, in small letters; all others are passed over."""


@dataclass(frozen=True, slots=True)
class Student:
    """One line of a roster.

    Attributes:
        id: decides the variant, and names the folder.
        name: for people; empty where the roster has none.
    """

    id: str
    name: str = ""


def read_roster(path: Path) -> tuple[Student, ...]:
    """The students of a class, in the order of the file.

    Raises:
        LabError: it is no roster; the message says in which line.
    """
    try:
        content = path.read_bytes()
        text = content.decode("utf-8-sig")
    except FileNotFoundError:
        raise LabError(f"{path} is not there") from None
    except UnicodeDecodeError as error:
        raise LabError(f"{path} is no text in UTF-8 (byte {error.start})") from None
    if len(content) > LARGEST:
        raise LabError(f"{path} is too large for a roster")
    first = text.partition("\n")[0]
    lines = csv.reader(io.StringIO(text, newline=""), delimiter=";" if first.count(";") > first.count(",") else ",")
    try:
        return _students(path, [(lines.line_num, [cell.strip() for cell in line]) for line in lines])
    except csv.Error as error:
        raise LabError(f"{path}, line {lines.line_num}: {error}") from None


def _students(path: Path, lines: Sequence[tuple[int, list[str]]]) -> tuple[Student, ...]:
    heads = [cell.casefold() for cell in lines[0][1]] if lines else []
    ids = [at for at, head in enumerate(heads) if head in IDS]
    names = [at for at, head in enumerate(heads) if head in NAMES]
    if len(ids) != 1:
        raise LabError(f"{path}, line 1: one column is called student (or {', '.join(IDS[1:])}); there are {len(ids)}")
    found: dict[str, Student] = {}
    for number, cells in lines[1:]:
        if not any(cells):
            continue
        if len(cells) != len(heads):
            raise LabError(f"{path}, line {number}: {len(cells)} cells, and the first line has {len(heads)}")
        try:
            student = Student(file_name(cells[ids[0]], "the student's id"), cells[names[0]] if names else "")
        except RequestError as error:
            raise LabError(f"{path}, line {number}: {error}") from None
        if student.id.casefold() in found:  # folders of Windows and macOS do not tell case
            raise LabError(f"{path}, line {number}: {student.id} is there already")
        found[student.id.casefold()] = student
    if not 0 < len(found) <= MOST:
        raise LabError(f"{path} has {len(found)} students; a class has from 1 to {MOST}")
    return tuple(found.values())
