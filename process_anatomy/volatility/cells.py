"""Rows as Volatility's grid wants them: types, absent values, and text that no terminal acts on."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from functools import cached_property
from types import NoneType
from typing import Any

from volatility3.framework import interfaces, renderers
from volatility3.framework.renderers import format_hints

from process_anatomy.absent import NOT_APPLICABLE, Absent, Kind
from process_anatomy.filetime import moment
from process_anatomy.views.blocks import blocks, columns
from process_anatomy.views.declaration import ADDRESS, BOOLEAN, INTEGER, TEXT, TEXTS, TIME, Column, Row, View
from process_anatomy.views.shown import safe_text

FILE_NAME_LIMIT = 64
"""Characters of a name from memory that go into a file's name."""


def safe_file_name(start: str, name: object, ending: str) -> str:
    """A name for a file of ours that holds a name from memory, of which only harmless characters are kept."""
    kept = "".join(
        c if c.isascii() and (c.isalnum() or c in "-.") else "_"
        for c in (name if isinstance(name, str) else "")[:FILE_NAME_LIMIT]
    )
    return f"{start}.{kept.strip('.') or 'unnamed'}.{ending}"


class NotInBuildValue(renderers.NotAvailableValue):
    """Of a fact that this build does not have: no loss, unlike all else that is not available."""


class ViewNode(renderers.TreeNode):
    """A row of a view, whose cells are made in the types of their columns and need not be looked at once more.

    Attributes:
        below: how many rows stand right below it so far.
    """

    below = 0

    def __len__(self) -> int:
        """How many rows stand right below it so far; renderers ask whether there are any."""
        return self.below

    @cached_property
    def values(self) -> list[Any]:
        """The cells, in one list however often they are asked for: renderers ask once for each column."""
        return list(self._values)

    def _validate_values(self, values: Any) -> None:
        """Nothing to be done: :func:`grid` makes each cell by its column's type."""


class ViewGrid(renderers.TreeGrid):
    """Rows of a view, for a renderer that knows how views are read.

    Rows that are shown to a visitor as they come are not kept: a table of a large machine would be most of the
    memory that a run takes.  Without a visitor the tree is there afterwards, as that of any plugin.

    Attributes:
        view: the view.
        wide: all its columns are to be read.
    """

    view: View
    wide: bool
    _passing = False
    _roots = 0

    def populate(self, function: Any = None, initial_accumulator: Any = None, fail_on_errors: bool = True) -> Any:
        """As of any grid: once; rows that a visitor is shown are not kept."""
        if not self.populated:
            self._passing = function is not None
        return super().populate(function, initial_accumulator, fail_on_errors)

    def _append(self, parent: Any, values: Any) -> Any:
        if not self._passing:
            return super()._append(parent, values)
        if parent is None:
            path, self._roots = str(self._roots), self._roots + 1
        else:
            path = f"{parent.path}{self.path_sep}{parent.below}"
            parent.below += 1
        return ViewNode(path, self, parent, values)

    def _find_children(self, node: Any) -> Any:
        if self._passing:
            raise RuntimeError("rows that a visitor was shown are not kept; populate() without one keeps them")
        return super()._find_children(node)


ABSENT_VALUES: dict[Kind, type[interfaces.renderers.BaseAbsentValue]] = {
    Kind.UNREADABLE: renderers.UnreadableValue,
    Kind.NOT_APPLICABLE: renderers.NotApplicableValue,
    Kind.NOT_IN_BUILD: NotInBuildValue,
    Kind.NOT_IN_DUMP: renderers.NotAvailableValue,
    Kind.IMPLAUSIBLE: renderers.UnparsableValue,
    Kind.NOT_PROVED: renderers.NotAvailableValue,
}
"""Kind of absence to Volatility's own absent value."""
ABSENT_CELLS = {kind: value() for kind, value in ABSENT_VALUES.items()}
NOT_THERE = ABSENT_CELLS[Kind.NOT_APPLICABLE]
"""Such values, one of each for all cells."""
GONE = frozenset({NoneType, Absent})
"""Types of values that are not there."""
Values = tuple[Any, ...]
TYPES: dict[Any, Any] = {
    INTEGER: int,
    ADDRESS: format_hints.Hex,
    TEXT: str,
    BOOLEAN: bool,
    TIME: datetime,
    TEXTS: str,
}
"""Kind of a column to the type that Volatility's renderers know."""
BITS = 48
"""Of an address, where Volatility's layers translate no more."""
SHORT_ADDRESSES: dict[str, frozenset[str]] = {
    "claims": frozenset({"Offset"}),
    "completeness": frozenset({"Offset"}),
    "creation": frozenset({"Offset(V)"}),
    "crossview": frozenset({"Offset(Virtual)"}),
    "csrss": frozenset({"EPROCESS", "HandleTo"}),
    "dacls": frozenset({"Offset"}),
    "groups": frozenset({"Token"}),
    "handles": frozenset({"Offset", "Entry", "Header"}),
    "privileges": frozenset({"Token"}),
    "processes": frozenset({"Offset(V)", "VadRoot", "Token"}),
    "threads": frozenset(
        {
            "Offset",
            "StartAddress",
            "Win32StartAddress",
            "KernelStack",
            "InitialStack",
            "StackLimit",
            "ImpersonationToken",
            "Attached",
        }
    ),
    "tokens": frozenset({"Offset"}),
}
"""Columns, by view, whose kernel addresses are printed as stock plugins print them: the bits that are translated."""


def column_type(column: Column) -> Any:
    """Volatility's type for a column."""
    return format_hints.Hex if column.hexadecimal else TYPES[column.kind]


def _text(value: Any) -> str:
    text = value if type(value) is str else str(value)
    return text if text.isprintable() else safe_text(text)


def _moment(value: Any) -> Any:
    return moment(value) or renderers.UnparsableValue()


def _texts(column: Column) -> Callable[[Any], Any]:
    """What makes one line of a list of texts."""
    separator, empty, lines = column.separator, column.empty, column.lines

    def made(value: Any) -> Any:
        if lines and value:  # as stock plugins print bytes
            return "\n".join(safe_text(str(each)) for each in value)
        line = separator.join(map(str, value)) if value else empty
        return NOT_THERE if line is None else _text(line)

    return made


def _shortened(bits: int) -> Callable[[Any], Any]:
    """What makes addresses of numbers, of which only so many of the lowest bits count."""
    mask, kind = (1 << bits) - 1, format_hints.Hex

    def made(value: int) -> Any:
        return kind(value & mask)

    return made


MAKERS: dict[Any, Callable[[Any], Any]] = {TEXT: _text, TIME: _moment}
"""Kind of a column to what makes a cell of a value that is there; of other kinds the type itself does."""
THEMSELVES = frozenset({int, bool})
"""Types of Volatility's whose cells are values as they are."""


def _maker(column: Column, bits: int | None) -> Callable[[Any], Any]:
    """What makes cells of a column of values that are there, of addresses only so many of the lowest bits."""
    if column.kind is TEXTS:
        return _texts(column)
    if bits:
        return _shortened(bits)
    return MAKERS.get(column.kind) or column_type(column)


def _missing(value: Any) -> Any:
    """The cell of a value that is not there."""
    return NOT_THERE if value is None or value is NOT_APPLICABLE else ABSENT_CELLS[value.kind]


def _cells_of(column: Column, bits: int | None) -> Callable[[Values], Iterable[Any]]:
    """What makes the cells of a column of its values, of addresses only so many of the lowest bits."""
    kind, maker = column_type(column), _maker(column, bits)
    plain = {kind} if kind in THEMSELVES or column.kind is TEXT else None

    def made(values: Values) -> Iterable[Any]:
        kinds = set(map(type, values))
        if kinds == plain and (kind is not str or "".join(values).isprintable()):
            return values
        if kinds.isdisjoint(GONE):
            return map(maker, values)
        return [_missing(value) if type(value) in GONE else maker(value) for value in values]

    return made


def grid(view: View, rows: Iterable[Row], bits: int = BITS, wide: bool = False) -> ViewGrid:
    """Rows of a view as Volatility's grid.

    Args:
        view: the view.
        rows: its rows.
        bits: of an address that are translated.
        wide: a renderer that shows some columns only is to show all.
    """
    short = SHORT_ADDRESSES.get(view.name, frozenset())
    makers = [_cells_of(column, bits if column.name in short else None) for column in view.columns]
    by_column = columns(view.names)

    def made() -> Iterator[tuple[int, tuple[Any, ...]]]:
        for block in blocks(rows):
            cells = [make(values) for make, values in zip(makers, by_column(block), strict=True)]
            yield from zip([depth for depth, _ in block], zip(*cells, strict=True), strict=True)

    made_grid = ViewGrid([(column.name, column_type(column)) for column in view.columns], made())
    made_grid.view, made_grid.wide = view, wide
    return made_grid
