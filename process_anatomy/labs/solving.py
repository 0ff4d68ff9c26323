"""A walk through a lab: question by question the commands and, from running them, the rows that show what is right."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from process_anatomy import open_image
from process_anatomy.errors import Error
from process_anatomy.labs.grading import Verdict, grade
from process_anatomy.labs.hints import explained, filled
from process_anatomy.labs.lab import Lab, Task
from process_anatomy.labs.question import AnswerKind, Question
from process_anatomy.labs.sheets.accepted import accepted
from process_anatomy.labs.witnesses.confirming import STOCK, Ours, text
from process_anatomy.labs.witnesses.stock import ByStock, command_of, sort_of

MOST_ROWS = 8
"""Rows of one command that are shown."""
WIDEST = 72
"""Characters of a cell that are shown."""
SMALL = 1 << 20
"""Numbers beyond are addresses."""
BY_BITS = ("HandleValue", "GrantedAccess")
"""Columns whose numbers are hexadecimal, however small."""
NAMING = ("PID", "Process", "ImageFileName")
"""Columns that say whom a row is about."""


def walkthrough(lab: Lab, handout: Path, image: Path, with_stock: bool = True) -> Iterator[str]:
    """The lines of a walk through a lab.

    Args:
        lab: with what is right.
        handout: the folder of the image and its symbol table.
        image: the image.
        with_stock: run stock Volatility too, which takes some seconds.

    Raises:
        Error: the image cannot be read.
    """
    from process_anatomy.volatility.stock import stock

    yield f"{lab.name}, {lab.student}: {lab.scenario} on {lab.build}, {len(lab.tasks)} questions, {lab.points} points"
    ours = Ours(open_image(image))
    with stock(image, handout / "symbols") if with_stock else nullcontext() as source:
        others = ByStock(source, [task.question for task in lab.tasks]) if source is not None else None
        for task in lab.tasks:
            yield ""
            yield from _steps(task, lab.image, ours, others)


def _steps(task: Task, image: str, ours: Ours, others: ByStock | None) -> Iterator[str]:
    question = task.question
    title, told = explained(question)
    yield f"{task.name} ({task.points} points) {question.text}"
    yield f"  answer: {accepted(question)[0]}"
    yield f"  confirmed by: {', '.join(task.confirmed)}"
    yield f"  {title}: {told}"
    yield f"  $ {filled(question.commands[0], image)}"
    yield from table(question, ours.rows(question))
    command = command_of(question)
    if STOCK not in task.confirmed or others is None or command is None:
        return
    yield f"  $ {filled(command, image)}"
    try:
        rows = others.rows(question)
    except Error as error:
        yield f"    {error}"
        return
    yield from table(question, rows or [])


def table(question: Question, rows: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """The rows that show what is right, with the columns that do."""
    if not rows:
        yield "    no rows"
        return
    _, detail = sort_of(question)
    wanted = question.answer if isinstance(question.answer, tuple) else (detail,) if detail else ()
    keyed = [row for row in rows if any(_is_key(each, key) for each in row.values() for key in wanted)]
    about = keyed or [row for row in rows if _own(row, question)] or list(rows)
    named = [name for name in NAMING if name in rows[0]]
    keys = [name for name in rows[0] if any(_is_key(row[name], key) for row in keyed for key in wanted)]
    right = [question.column] if question.column in rows[0] else _right(question, about)
    columns = list(dict.fromkeys([*named, *keys, *right]))
    cells = [columns, *([_cell(name, row[name]) for name in columns] for row in about[:MOST_ROWS])]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for line in cells:
        yield "    " + "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
    if len(about) > MOST_ROWS:
        yield f"    and {len(about) - MOST_ROWS} more: {len(about)} rows"
    elif not question.column:
        yield f"    {len(about)} rows"


def _own(row: Mapping[str, Any], question: Question) -> bool:
    return question.pid is not None and question.pid in (row.get("PID"), row.get("Pid"), row.get("Process ID"))


def _right(question: Question, rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Columns of a stock plugin in which what is right stands, or else those that it may be concluded from."""
    held = [
        n for n in rows[0] if any(grade(question, text(question.kind, r[n])).verdict is Verdict.RIGHT for r in rows)
    ]
    return held or [name for name in rows[0] if name not in NAMING][:6]


def _is_key(value: object, key: str) -> bool:
    """Whether a cell is what a row is known by: numbers are written in both ways there."""
    if isinstance(value, bool) or value is None:
        return False
    return key in (f"{value:x}", f"{value:#x}", str(value)) if isinstance(value, int) else str(value) == key


def _cell(column: str, value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, int) and not isinstance(value, bool) and (value > SMALL or column in BY_BITS):
        return f"{value:#x}"
    shown = ", ".join(map(str, value)) if isinstance(value, list) else text(AnswerKind.NAME, value)
    return shown if len(shown) <= WIDEST else f"{shown[: WIDEST - 1]}…"
