"""Rows laid out to be read: a compact line of facts, and beside or below it what they mean.

One layout for ``anatomy show`` and for ``vol -r notes``.  Facts stand in columns as wide as what they hold; what has no
room there stands below with its name.  An explanation that several rows in a row have is told once.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby, zip_longest
from typing import NamedTuple

from process_anatomy.views.branches import branches
from process_anatomy.views.columns import Table, table_of
from process_anatomy.views.declaration import (
    ADDRESS,
    DISABLED,
    EXPLANATION,
    FILE_OUTPUT,
    INTEGER,
    PROBLEMS,
    Column,
    View,
)
from process_anatomy.views.records import Record, Value, lost
from process_anatomy.views.screen import ALARM, BOLD, DIM, Screen, length, padded, wrapped
from process_anatomy.views.shown import safe_text, shown_text

BLOCK, MOST = 400, 50_000
"""Rows that are laid out together, and as many of a tree at the most, whose rows are only parted at its roots."""
SCREENFUL = 40
"""Lines after which the names of columns are told again where another process begins."""
BESIDE, PART, WIDEST = 110, 0.42, 100
"""Places of a line from which on explanations stand beside facts, their part of it at the least, and theirs at most."""
INDENT, GAP = 2, 2
SLIM = 16
"""Places of a paragraph at the least, however deep its row lies."""
LONGEST = 500
"""Characters of a fact that are told where not all columns were asked for."""
UNKNOWN = "?"
"""Stands for a fact that could not be had; the problems of the row say why."""
WHOLE = "--wide shows all"


class Head(NamedTuple):
    """A column as it is read.

    Attributes:
        name: of the column.
        right: its facts stand on the right, as numbers do.
    """

    name: str
    right: bool = False


class Told(NamedTuple):
    """A row as it is read.

    Attributes:
        depth: how deep it lies below its parent, where rows form a tree, else 0.
        cells: the text of each column, empty where there is nothing to tell; no character in it acts on a terminal, but
            for ends of lines of columns that have lines.
    """

    depth: int
    cells: Mapping[str, str]


class Said(NamedTuple):
    """A paragraph below a row or beside it.

    Attributes:
        text: what is said.
        marks: its colours and weights.
    """

    text: str
    marks: tuple[str, ...] = ()


class _Placed(NamedTuple):
    """A row with what the tree has in front of it, and of the lines below."""

    row: Told
    front: str
    under: str


class Plan(NamedTuple):
    """Which columns are read, and where.

    Attributes:
        heads: the columns that stand in a row, in their order.
        above: those that stand above rows that have them in common: the process that they are of.
        whole: every fact is told to its end.
    """

    heads: tuple[Head, ...]
    above: tuple[str, ...] = ()
    whole: bool = False


def plan_of(view: View, wide: bool = False) -> Plan:
    """How a view is read.

    Args:
        view: the view.
        wide: with all its columns in their order, not only those that tell most.
    """
    known = {column.name: column for column in view.columns}
    above = () if wide or view.whole else tuple(name for name in ("PID", view.process) if name in known)
    names = view.names if wide else view.telling
    heads = tuple(
        Head(name, known[name].kind is ADDRESS or (known[name].kind is INTEGER and not known[name].hexadecimal))
        for name in names
        if name not in (*above, PROBLEMS, EXPLANATION)
    )
    return Plan(heads, above, wide)


def _shown(value: Value, column: Column) -> str:
    if column.lines and isinstance(value, list):
        return "\n".join(map(safe_text, value))
    return safe_text(shown_text(value, column))


def told_row(view: View, row: Record) -> Told:
    """A record as it is read."""
    cells = {column.name: _shown(row[column.name], column) for column in view.columns}
    return Told(row.depth, cells | {name: UNKNOWN for name in row.absent if lost(row, name)})


class Reading:
    """Lays rows out as they come, a block of them at a time."""

    def __init__(self, plan: Plan, screen: Screen) -> None:
        """Begin.

        Args:
            plan: which columns are read.
            screen: where.
        """
        self._plan, self._screen = plan, screen
        self._rows: list[Told] = []
        self._who = ""
        self._since = SCREENFUL
        """Lines since the names of columns were told."""

    def add(self, row: Told) -> Iterator[str]:
        """Take a row; gives the lines of those that were waiting, where there are enough."""
        if len(self._rows) >= MOST or (len(self._rows) >= BLOCK and row.depth == 0):
            yield from self.end()
        nothing = {FILE_OUTPUT: ""} if row.cells.get(FILE_OUTPUT) == DISABLED else {}  # nobody asked for a file
        self._rows.append(Told(row.depth, {**row.cells, **nothing}))

    def end(self) -> Iterator[str]:
        """The lines of the rows that are still waiting."""
        rows, self._rows = self._rows, []
        if not rows:
            return
        indent = INDENT if self._plan.above else 0
        explained = any(row.cells.get(EXPLANATION) for row in rows)
        beside = explained and self._screen.width >= BESIDE
        room = self._screen.width - indent
        placed = [
            _Placed(row, *front)
            for row, front in zip(rows, branches([row.depth for row in rows], self._screen), strict=True)
        ]
        table = table_of(
            [(head.name, head.right) for head in self._plan.heads],
            [row.cells for row in rows],
            [each.front for each in placed],
            room - (int(room * PART) + GAP if beside else 0),
        )
        left = table.width + GAP if beside else 0
        for who, group in groupby(placed, key=lambda each: self._name(each.row)):
            yield from self._heading(who, table, indent)
            for _, run in groupby(group, key=lambda each: each.row.cells.get(EXPLANATION) or id(each)):
                for line in self._run(list(run), table, room, left):
                    self._since += 1
                    yield f"{' ' * indent}{line}".rstrip()

    def _name(self, row: Told) -> str:
        """The process that a row is of, where it stands above rows."""
        if not self._plan.above:
            return ""
        pid, *names = (row.cells.get(name, "") for name in self._plan.above)
        return f"{' '.join(names)} ({pid})" if any(names) else pid

    def _heading(self, who: str, table: Table, indent: int) -> Iterator[str]:
        """Whose rows follow, and the names of columns where they are far above."""
        if who != self._who:
            self._who = who
            yield from (self._screen.marked(line, BOLD) for line in wrapped(who, self._screen.width))
            self._since += 1
        if self._since >= SCREENFUL:
            self._since = 0
            yield " " * indent + self._screen.marked(table.names, DIM)

    def _run(self, run: Sequence[_Placed], table: Table, room: int, left: int) -> Iterator[str]:
        """Rows with one explanation.

        Args:
            run: the rows.
            table: their columns.
            room: places of a line.
            left: places that facts take where explanations stand beside them, else 0.
        """
        explained = run[0].row.cells.get(EXPLANATION, "")
        words = f"({len(run)} rows) {explained}" if len(run) > 1 else explained
        told = [Said(words)] if words else []
        parts = [(each, table.lines(each.row.cells, each.front, each.under)) for each in run]
        more = [list(self._below(each.row.cells, table, room - left)) for each in run]
        if left and not any(more):
            facts = [line for _, lines in parts for line in lines]
            yield from _side_by_side(facts, self._lines(told, room - left), left, run[-1].under)
            return
        for number, ((each, lines), own) in enumerate(zip(parts, more, strict=True)):
            if left:
                beside = self._lines([*(() if number else told), *own], room - left)
                yield from _side_by_side(lines, beside, left, each.under)
                continue
            yield from lines
            before, after = (told, []) if len(run) == 1 else ([], told if number == len(run) - 1 else [])
            front = each.under + " " * (INDENT + GAP)
            yield from (front + line for line in self._lines([*before, *own, *after], room - length(front)))

    def _below(self, cells: Mapping[str, str], table: Table, room: int) -> Iterator[Said]:
        """The facts that have no room in a row, short ones joined in one line, and what was not read."""
        most = sys.maxsize if self._plan.whole else LONGEST
        line = ""
        for name in (head.name for head in self._plan.heads):
            text = cells.get(name, "")
            if not table.stands_below(name, text):
                continue
            if "\n" in text:
                yield from ([Said(line)] if line else [])
                line = ""
                yield from (Said(part) for part in text.split("\n"))
                continue
            said = f"{name}: {self._screen.cut(text, most, WHOLE)}"
            if line and length(line) + length(said) + GAP > room:
                yield Said(line)
                line = ""
            line += f"{'  ' if line else ''}{said}"
        if line:
            yield Said(line)
        problems = cells.get(PROBLEMS, "")
        if problems:
            yield Said(f"{PROBLEMS}: {self._screen.cut(problems, most, WHOLE)}", (ALARM,))

    def _lines(self, paragraphs: Iterable[Said], room: int) -> list[str]:
        """Paragraphs on their lines."""
        width = max(min(room, WIDEST), SLIM)
        return [self._screen.marked(line, *said.marks) for said in paragraphs for line in wrapped(said.text, width)]


def _side_by_side(left: Sequence[str], right: Sequence[str], width: int, under: str = "") -> Iterator[str]:
    """Lines beside lines.

    Args:
        left: those on the left.
        right: those on the right.
        width: places of those on the left, with the space behind them.
        under: what stands on the left below the last of them.
    """
    for one, other in zip_longest(left, right):
        yield f"{padded(under if one is None else one, width)}{other or ''}"
