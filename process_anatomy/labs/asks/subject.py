"""A process that is asked about: its rows in each view, and questions about them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from hashlib import sha256
from typing import TYPE_CHECKING

from process_anatomy.errors import Error
from process_anatomy.labs.question import AnswerKind, Question, Right
from process_anatomy.notes.library import NoteError, default

if TYPE_CHECKING:
    from process_anatomy.views.image import Image
    from process_anatomy.views.records import Record, Value

FEW = 3
"""Questions of one sort about rows of one process."""
OURS, STOCK = "vol -f IMAGE windows.anatomy.{view} --pid {pid}", "vol -f IMAGE windows.{plugin} --pid {pid}"
PID_COLUMN = {"csrss": "ClientPID"}
"""Column with the id of the process that a row is about, where it is not PID."""


def shuffled(seed: int, key: str) -> bytes:
    """Where something stands in the order that a seed gives, the same on every machine and beside whatever else."""
    return sha256(f"{seed}/{key}".encode("utf-8", "backslashreplace")).digest()


class Seen:
    """What views say of some processes, each view asked once.

    Args:
        image: the image.
        pids: ids of the processes.
        seed: chooses among rows that could be asked about alike.
    """

    def __init__(self, image: Image, pids: Sequence[int], seed: int) -> None:
        self.image, self.pids, self.seed = image, tuple(pids), seed
        self._rows: dict[str, dict[int, list[Record]]] = {}

    def rows(self, view: str, pid: int) -> list[Record]:
        """The rows of a view about a process; none where the view cannot be had."""
        if view not in self._rows:
            found: dict[int, list[Record]] = {}
            try:
                for row in self.image.view(view, pid=self.pids, explain="off"):
                    of = row[PID_COLUMN.get(view, "PID")]
                    if isinstance(of, int):
                        found.setdefault(of, []).append(row)
            except Error:
                found = {}
            self._rows[view] = found
        return self._rows[view].get(pid, [])


class Subject:
    """One process that is asked about.

    Attributes:
        pid: its id, which no other process of the image has.
        name: its name and id, for a question.
    """

    def __init__(self, seen: Seen, pid: int, name: str) -> None:
        self._seen, self.pid, self.name = seen, pid, f"{name} ({pid})"

    def rows(self, view: str) -> list[Record]:
        """Its rows of a view, none where there are none."""
        return self._seen.rows(view, self.pid)

    def one(self, view: str) -> Record | None:
        """Its only row of a view; ``None`` where there is not exactly one."""
        rows = self.rows(view)
        return rows[0] if len(rows) == 1 else None

    def whole(self, column: str) -> bool:
        """Whether nothing is missing of a component, by its column in the view of completeness."""
        row = self.one("completeness")
        return row is not None and row[column] == "whole"

    def few(self, rows: Iterable[Record], *columns: str) -> list[Record]:
        """A few rows, as the seed chooses: of those in which none of some columns is without a fact.

        Args:
            rows: of a view.
            columns: the columns; the first tells rows apart, and no two rows that it does not tell apart are given.
        """
        known: dict[Value, list[Record]] = {}
        for row in rows:
            if not any(row[column] is None or row[column] == "" for column in columns):
                known.setdefault(_hashable(row[columns[0]]), []).append(row)
        alone = [found[0] for found in known.values() if len(found) == 1]
        return sorted(alone, key=lambda row: shuffled(self._seen.seed, f"{self.pid}/{row[columns[0]]}"))[:FEW]

    def question(
        self,
        key: str,
        difficulty: int,
        text: str,
        kind: AnswerKind,
        answer: Right,
        *,
        view: str,
        column: str = "",
        stock: str | tuple[str, ...] = (),
        explanation: str = "",
        also: Iterable[str] = (),
        slips: Iterable[tuple[str, str]] = (),
        detail: object = "",
    ) -> Question:
        """A question about this process.

        Args:
            key: component and what is asked, parted by a slash.
            difficulty: how difficult it is.
            text: the question.
            kind: what the answer is.
            answer: what is right.
            view: the view that the answer is from.
            column: the column, empty where rows are counted.
            stock: plugins of stock Volatility that show it.
            explanation: id of the note about it, that of the component where it is left out.
            also: what is right too.
            slips: what is nearly right, and what that is.
            detail: what tells it from other questions of the sort about the process.
        """
        component = key.partition("/")[0]
        plugins = (stock,) if isinstance(stock, str) else stock
        behind = f"/{detail}" if detail != "" else ""
        return Question(
            id=f"{key}/{self.pid}{behind}",
            component=component,
            difficulty=difficulty,
            text=text,
            kind=kind,
            answer=answer,
            explanation=explanation or f"component/{component}",
            view=view,
            column=column,
            commands=(OURS.format(view=view, pid=self.pid),),
            stock=tuple(STOCK.format(plugin=plugin, pid=self.pid) for plugin in plugins),
            also=tuple(dict.fromkeys(each for each in also if each and each != answer)),
            slips=tuple((given, what) for given, what in slips if given and given != str(answer)),
            pid=self.pid,
        )


def note_of(key: str, otherwise: str) -> str:
    """The id of a note, that of another where there is none of it: an image may hold a value that no Windows has."""
    try:
        return default()[key].id
    except NoteError:
        return otherwise


def number(row: Record, column: str) -> int:
    """A cell of a column of numbers, in which there is a fact."""
    value = row[column]
    if not isinstance(value, int):
        raise TypeError(f"{column} has no number")
    return value


def _hashable(value: Value) -> Value:
    return ", ".join(value) if isinstance(value, list) else value
