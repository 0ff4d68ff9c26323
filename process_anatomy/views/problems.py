"""Why cells have no fact, told where people look for it: in the column of problems, once for each reason."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from process_anatomy.absent import FEW, MANY, Absent, Kind, absent_in, reasons, without_place
from process_anatomy.filetime import EARLIEST, LATEST
from process_anatomy.views.blocks import blocks, columns
from process_anatomy.views.declaration import PROBLEMS, TIME, Cells, Option, Request, Row, View
from process_anatomy.views.estimates import marked

NOT_A_TIME = Absent(Kind.IMPLAUSIBLE, "it is not a time that Windows could have written")

NO_TIME = Absent(Kind.IMPLAUSIBLE, "no time is set")


def answer(view: View, request: Request, wanted: Callable[[Iterable[Row]], Iterable[Row]] = iter) -> Iterator[Row]:
    """The rows that a view answers a request with, each with the reasons of its absent cells among its problems.

    Args:
        view: the view.
        request: what it is asked.
        wanted: passes on the rows that are wanted, of all that the view has.
    """
    rows: Iterable[Row] = wanted(view.rows(request))
    for option in view.options:
        text = request.options.get(option.name)
        if option.columns and text:
            rows = _kept(option, str(text), rows, request.report)
    rows = told(view, rows)
    if request.tables is None or not request.explain.speaks or not request.tables.kernel.build.estimated:
        return rows
    return marked(view, request.tables, request.explain, rows)


def _kept(option: Option, text: str, rows: Iterable[Row], report: Callable[[Iterable[str]], None]) -> Iterator[Row]:
    """The rows of which a column of the option holds its text, in capital or small letters, each at the root of a tree.

    Rows that cannot be judged, since such a column could not be read, are counted and told.
    """
    unknown = 0
    for _, cells in rows:
        if holds(option, text, cells):
            yield 0, cells
        elif any(isinstance(value, Absent) and value.kind.lost for value in map(cells.get, option.columns)):
            unknown += 1
    if unknown:
        what = "row is left out whose" if unknown == 1 else "rows are left out whose"
        report([f"--{option.name}: {unknown} {what} {' or '.join(option.columns)} could not be read"])


def holds(option: Option, text: str, cells: Cells) -> bool:
    """Whether one of an option's columns holds its text, in capital or small letters."""
    sought = text.casefold()
    return any(isinstance(value, str) and sought in value.casefold() for value in map(cells.get, option.columns))


def told(view: View, rows: Iterable[Row]) -> Iterator[Row]:
    """Rows of a view, the reasons of absent cells among their problems.

    What does not apply needs no reason, and what a build does not have is no problem of a row: every row would say it.
    """
    if PROBLEMS not in view.names:
        yield from rows
        return
    times = frozenset(column.name for column in view.columns if column.kind is TIME)
    by_column = columns(view.names)
    for block in blocks(rows):
        impossible: dict[int, Cells] = {}
        lost: dict[int, list[tuple[str, Absent]]] = {}
        for name, values in zip(view.names, by_column(block), strict=True):
            if name in times:
                for row, why in enumerate(map(no_time, values)):
                    if why is not None:
                        impossible.setdefault(row, {})[name] = why
                        lost.setdefault(row, []).append((name, why))
            for row in absent_in(values):
                if values[row].kind.lost:
                    lost.setdefault(row, []).append((name, values[row]))
        if not lost:
            yield from block
            continue
        for row, (depth, cells) in enumerate(block):
            if row not in lost:
                yield depth, cells
                continue
            whole = cells | impossible.get(row, {})
            yield depth, whole | {PROBLEMS: _completed(whole[PROBLEMS], lost[row])}


def no_time(value: Any) -> Absent | None:
    """Why a FILETIME is no moment; ``None`` where it is one, or is absent already."""
    if not isinstance(value, int) or EARLIEST <= value < LATEST:
        return None
    return NOT_A_TIME if value else NO_TIME


def _completed(problems: Any, lost: list[tuple[str, Absent]]) -> tuple[str, ...]:
    """Problems of a row, and the reasons of its absent cells that none of them gives."""
    known = () if problems is None or isinstance(problems, Absent) else tuple(map(str, problems))
    unsaid = [(name, gone) for name, gone in lost if not any(str(gone) in line for line in known)]
    alike = Counter(without_place(str(gone)) for _, gone in unsaid)
    for why, number in alike.items():  # a line that is about many facts says it for these too
        if any(why in line for line in known if number > FEW or MANY in line):
            unsaid = [(name, gone) for name, gone in unsaid if without_place(str(gone)) != why]
    return (*known, *reasons(unsaid))
