"""How a view is declared: its columns, its options, and the function that fills its rows.

A declaration costs nothing to import: no memory is read, and neither numpy nor a walk is imported, before rows are
asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Any, NamedTuple

from process_anatomy.absent import Absent

if TYPE_CHECKING:
    from process_anatomy.notes.explainer import Explainer
    from process_anatomy.walk.across.tables import Tables
    from process_anatomy.walk.processes.listed import Process
    from process_anatomy.walk.security.contexts import Security

Cells = dict[str, Any]
"""Name of each column of a view to its value: as its kind says, ``None`` where there is nothing to tell, or absent."""
Row = tuple[int, Cells]
"""A row: how deep it lies below its parent, where rows form a tree (else 0), and its cells."""
Output = Callable[[str, object, str], AbstractContextManager[Any]]
"""Opens a file to be written, as :class:`Request` says."""
PROBLEMS, EXPLANATION = "Problems", "Explanation"
"""Columns that all views over an image have, and people are always shown."""
FILE_OUTPUT, DISABLED = "File output", "Disabled"
"""The column of a file that was written, and what it says where none was asked for, as stock plugins have both."""
NAMED = 8
"""Processes that are left out and named."""


class Kind(Enum):
    """What a column holds."""

    INTEGER = "integer"
    ADDRESS = "address"
    TEXT = "text"
    BOOLEAN = "boolean"
    TIME = "time"
    TEXTS = "list of texts"


INTEGER, ADDRESS, TEXT, BOOLEAN, TIME, TEXTS = Kind


class Moment(Enum):
    """What happened at the time that a column holds, as a verb of what the row is about."""

    CREATED = "created"
    ENDED = "ended"
    LOADED = "loaded"
    EXPIRES = "expires"


class Column(NamedTuple):
    """A column of a view.

    Attributes:
        name: as stock Volatility spells it, where a stock plugin has the fact.
        kind: what its cells hold: an address is whole (64 bits), a time a FILETIME (100 ns since 1601, UTC).
        meaning: what it says, for people.
        source: the structure, document or note that the fact comes from.
        unit: of its numbers, where they count something.
        hexadecimal: its numbers are read by their bits, and shown so.
        signed: its numbers may be below zero; all others fit 64 bits without a sign.
        separator: stands between its texts where a list becomes one line.
        lines: each of its texts is a line of its own where people read it.
        empty: what a list without texts is as one line; ``None`` where that says nothing.
        moment: what happened at its times, for timelines; ``None`` where another view is the one to tell.
    """

    name: str
    kind: Kind
    meaning: str
    source: str
    unit: str = ""
    hexadecimal: bool = False
    signed: bool = False
    separator: str = "; "
    empty: str | None = None
    moment: Moment | None = None
    lines: bool = False


class Option(NamedTuple):
    """A question of its own that a view can be asked.

    Attributes:
        name: of the option.
        kind: what it takes: text, a truth value, an address, or several texts.
        meaning: what it does, for people.
        default: what it is where it is not given.
        choices: the only texts that it takes, where there are only these.
        columns: where it names any, the option keeps rows of which one of these columns holds its text.
    """

    name: str
    kind: Kind
    meaning: str
    default: Any = None
    choices: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()


def _unsaid(_: Iterable[str]) -> None:
    """Tell nobody."""


def _no_progress(_percent: float, _text: str) -> None:
    """Tell nobody."""


def _no_descriptions() -> Mapping[int, str]:
    """None at hand."""
    return {}


def or_none(value: Any) -> Any:
    """A cell's value, ``None`` where it is empty; absent where it could not be had."""
    return value if isinstance(value, Absent) or value else None


@dataclass(frozen=True, slots=True)
class Request:
    """What a view is asked: of which tables, how explained, with which options.

    Attributes:
        tables: of the image; a view that is over no image has none, and does not look.
        explain: explains rows.
        options: of the view, by name, each with its default where it was not given.
        report: is told what was wrong with a list or a tree as a whole, one line each.
        progress: is told how far the work is, in percent, and what is done.
        output: opens a file to be written, where there is a place for files, else ``None``: from what its name starts
            with, a name from memory that goes into it, and its ending; once closed, the file knows its name as
            ``preferred_filename``.  One that cannot be written raises ``OSError`` and leaves nothing behind.
        privilege_descriptions: gives what stock Volatility says of each privilege, by number, where that is at hand.
        page: makes a :class:`process_anatomy.views.report.Page` of the image, where there is what can.
    """

    tables: Tables
    explain: Explainer
    options: Mapping[str, Any] = field(default_factory=dict)
    report: Callable[[Iterable[str]], None] = _unsaid
    progress: Callable[[float, str], None] = _no_progress
    output: Output | None = None
    privilege_descriptions: Callable[[], Mapping[int, str]] = _no_descriptions
    page: Callable[[Request], Any] | None = None

    def chosen(self) -> Sequence[Process]:
        """The processes that are asked about; what was wrong with their list, and who is hidden, is reported.

        Raises:
            RequestError: one was asked for that there is not.
        """
        from process_anatomy.walk.across.chosen import UNLISTED

        self.report(self.tables.listed.problems)
        if self.tables.searched:
            self.progress(20, "Searching physical memory")
        hidden = (row for row in self.tables.unlisted if self.tables.hidden or row.pid in self.tables.pids)
        self.report([f"process {row.pid}: {UNLISTED}" for row in hidden])
        self.report(self.left_out())
        return self.tables.processes

    def left_out(self) -> list[str]:
        """One line that names the processes without rows that the table of ids holds; none where there is none."""
        rows = self.tables.left_out
        names = [f"{'no name' if isinstance(row.name, Absent) else row.name} ({row.pid})" for row in rows[:NAMED]]
        if len(rows) > NAMED:
            names.append(f"{len(rows) - NAMED} more")
        said = "not on the list of active processes, but in the table of process ids, and so without rows here"
        return [f"{said}: {', '.join(names)} (--pid shows them, windows.anatomy.crossview tells more)"] if names else []

    def security(self) -> Security:
        """Their security contexts; what was wrong with lists of threads is reported.

        Raises:
            RequestError: one was asked for that there is not.
        """
        self.chosen()
        self.progress(40, "Walking tokens")
        self.report(self.tables.threads.problems)
        return self.tables.security


@dataclass(frozen=True, slots=True)
class View:
    """A view of an image: one table that people and programs can ask for.

    Attributes:
        name: of the view; the plugin is ``windows.anatomy.NAME``.
        title: what it shows, in one line.
        component: the component of a process that it belongs to, by the id of its note; ``process`` where it tells of
            several.
        columns: in their order.
        rows: from a request to rows, in the order in which they are shown; who shows them asks for
            :func:`process_anatomy.views.problems.answer`.
        version: of its columns: major where one went or came to mean something else, minor where one came.
        options: of its own.
        of_image: it is over an image; one that is not is asked without.
        by_process: it can be asked for single processes.
        doubt: why its rows are not to be trusted, in words, empty where they are; from the tables.  What all views do
            where it is left out.
        process: the column with the name of the process that a row is about, empty where no column has it.
        address: the column with the address of what a row is about, empty where no column has one.
        thing: what a row is about, in one word, where something happened to it at a time.
        known_by: the columns that tell which one of its process it is.
        telling: the columns that tell a reader most, in the order in which they are read; beside them stand, unnamed
            here, what could not be read and the explanation.
        whole: a row tells of a process as a whole, so that who it is stands in the row; else rows are read process by
            process, below its name.
        through: the fields that lead to its rows and that no column shows, named as in a column's source; ``None``
            where its rows are concluded from so many that each rests on the layout as a whole.
    """

    name: str
    title: str
    component: str
    columns: tuple[Column, ...]
    rows: Callable[[Request], Iterator[Row]]
    version: tuple[int, int, int] = (1, 0, 0)
    options: tuple[Option, ...] = ()
    of_image: bool = True
    by_process: bool = True
    doubt: Callable[[Tables], str] | None = None
    process: str = "Process"
    address: str = "Offset"
    thing: str = ""
    known_by: tuple[str, ...] = ()
    telling: tuple[str, ...] = ()
    whole: bool = False
    through: str | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """The names of its columns."""
        return tuple(column.name for column in self.columns)

    @property
    def told(self) -> tuple[Column, ...]:
        """The columns that people are shown where they do not ask for all.

        Those that tell most, then what could not be read, and the explanation.
        """
        known = {column.name: column for column in self.columns}
        return tuple(known[name] for name in (*self.telling, PROBLEMS, EXPLANATION) if name in known)

    def all(self, value: Any) -> Cells:
        """Cells that all hold one value, to be filled in: those of a row of which little can be told."""
        return dict.fromkeys(self.names, value)
