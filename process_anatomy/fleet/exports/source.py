"""What exports are made of: the flat rows of an image's views, wherever they come from, and what is known of it."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any, BinaryIO

from process_anatomy.absent import Kind
from process_anatomy.errors import Error
from process_anatomy.fleet.exports.whole import Whole, wholes
from process_anatomy.views import view
from process_anatomy.views.declaration import ADDRESS, View
from process_anatomy.views.files import cell_text, harmless, reasons_text
from process_anatomy.views.flat import LEADING, Origin, flat
from process_anatomy.views.records import Record
from process_anatomy.views.schema import json_bytes, utf8

LONG = (1 << 63) - 1
"""The largest number that Elasticsearch and OpenSearch index as one."""
Document = dict[str, Any]


@dataclass(frozen=True)
class Source:
    """The rows of an image.

    Attributes:
        origin: which image, and when it was taken.
        facts: what is known of it as a whole, as :func:`process_anatomy.fleet.facts.facts` has it.
        version: of this suite.
        rows: gives the rows of a view, as :func:`process_anatomy.views.flat.flat` has them.
        doubt: why they are not to be trusted; empty where they are.
        path: of the image.
        problems: what was wrong with a view as a whole; known once its rows were asked for.
    """

    origin: Origin
    facts: Mapping[str, Any]
    version: str
    rows: Callable[[str], Iterable[Record]]
    doubt: str = ""
    path: str = ""
    problems: Callable[[str], Iterable[str]] = lambda _: ()

    @cached_property
    def wholes(self) -> list[Whole]:
        """The processes, each with its user and its command line; some texts for each process, and no more."""
        return wholes(self.rows)

    @cached_property
    def host(self) -> str | None:
        """The computer's name, as the environment of every process that tells one says it; else ``None``.

        It is the only fact here that lies in user memory of others: where one of them says something else, or earlier
        rows are without environments, there is none.
        """
        try:
            told = {str(row["Value"]).upper() for row in self.rows("envars") if _is_host(row)}
        except Error:
            return None
        return told.pop() if len(told) == 1 else None

    @cached_property
    def by_pid(self) -> dict[int, Whole]:
        """Process id to its process, of ids that only one has."""
        found: dict[int, list[Whole]] = {}
        for whole in self.wholes:
            if isinstance(whole.pid, int):
                found.setdefault(whole.pid, []).append(whole)
        return {pid: several[0] for pid, several in found.items() if len(several) == 1}

    def whole(self, row: Record) -> Whole | None:
        """The process that a row is about, ``None`` where its id does not say which one that is."""
        pid = row["pid"]
        return self.by_pid.get(pid) if isinstance(pid, int) else None

    def id(self, *what: object) -> str:
        """An id that is the same in every export of the image: of something in it, or of what is said of that.

        It has the form of a random one, for which STIX asks; its bits are those of a hash.
        """
        whole = json.dumps([self.origin.image, *map(str, what)])
        return str(uuid.UUID(bytes=hashlib.sha256(whole.encode()).digest()[:16], version=4))

    def id_of(self, whole: Whole) -> str:
        """The id of a process."""
        return self.id("process", whole.row["address"], whole.pid)


def _is_host(row: Record) -> bool:
    return str(row["Variable"]).upper() == "COMPUTERNAME" and bool(row["Value"])


def view_of(name: str) -> View:
    """A view as its flat rows have it."""
    return flat(view(name))


def filled(document: Document) -> Document:
    """Without what there is no fact for: nothing, and objects and lists that are left with nothing."""
    found: Document = {}
    for name, value in document.items():
        kept = filled(value) if isinstance(value, dict) else value
        if kept is not None and kept != {} and kept != []:
            found[name] = kept
    return found


def cells(view: View, row: Record) -> Document:
    """The view's own columns of a row that there is a fact for; numbers are such that every index can hold them.

    Addresses, numbers that are read by their bits and those above 63 bits are text.
    """
    leading = {column.name for column in LEADING}
    found: Document = {}
    for column in view.columns:
        value = row[column.name]
        if value is None or value == [] or column.name in leading:
            continue
        if isinstance(value, datetime):
            found[column.name] = value.isoformat()
        elif isinstance(value, int) and not isinstance(value, bool):
            plain = column.kind is not ADDRESS and not column.hexadecimal and -LONG <= value <= LONG
            found[column.name] = value if plain else cell_text(value, column)
        else:
            found[column.name] = value
    return found


def reasons(row: Record) -> str | None:
    """Why cells have no fact, in one line; ``None`` where none needs a reason."""
    return reasons_text(lost(row)) or None


def lost(row: Record) -> dict[str, str]:
    """Why cells have no fact, by column; what does not apply needs no reason."""
    return {name: why for name, why in row.absent.items() if why != str(Kind.NOT_APPLICABLE.value)}


def basename(path: object) -> str | None:
    """The last part of a path as Windows writes it; ``None`` where there is none."""
    return (path.replace("/", "\\").rpartition("\\")[2] or None) if isinstance(path, str) else None


def milliseconds(time: object) -> int | None:
    """A moment as milliseconds since 1970; ``None`` where there is none."""
    return microseconds(time) // 1000 if isinstance(time, datetime) else None


def microseconds(time: datetime) -> int:
    """A moment as microseconds since 1970."""
    return int(time.timestamp()) * 10**6 + time.microsecond


def write_lines(documents: Iterable[Document], file: BinaryIO) -> int:
    """One JSON object a line; gives how many."""
    count = 0
    for document in documents:
        file.write(json_bytes(document) + b"\n")
        count += 1
    return count


def write_csv(names: list[str], documents: Iterable[Document], file: BinaryIO) -> int:
    """A line of names and one for each document, in which no spreadsheet finds a formula; gives how many."""
    text = io.TextIOWrapper(file, "utf-8", newline="", write_through=True)
    count = 0
    try:
        lines = csv.DictWriter(text, names, restval="")
        lines.writeheader()
        for document in documents:
            lines.writerow({name: _cell(value) for name, value in utf8(document).items()})
            count += 1
    finally:
        with suppress(OSError):
            text.detach()  # the file is whoever's gave it
    return count


def _cell(value: Any) -> Any:
    if isinstance(value, list):
        value = "; ".join(map(str, value))
    return harmless(value) if isinstance(value, str) else value


def rows_of(source: Source, name: str) -> Iterator[tuple[View, Record]]:
    """Rows of a view, each with the view that it is of."""
    form = view_of(name)
    for row in source.rows(name):
        yield form, row
