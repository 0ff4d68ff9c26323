"""``anatomy diff``: what came, went and changed between two captures of one machine."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from process_anatomy.command.opened import in_form, of_pids, opened, status_of, tell
from process_anatomy.command.statuses import DONE, FOUND
from process_anatomy.command.tables import print_csv
from process_anatomy.views.declaration import EXPLANATION
from process_anatomy.views.screen import screen_of
from process_anatomy.views.shown import safe_text, shown_text

if TYPE_CHECKING:
    from process_anatomy.fleet.diff import Change, Changes
    from process_anatomy.fleet.moments import Moment
    from process_anatomy.views.declaration import View
    from process_anatomy.views.records import Record

COLUMNS = ("view", "change", "pid", "process", "address", "row", "column", "before", "after", "reason")
"""Of CSV: a line for each fact that changed, and one for each row that came, went or is not known."""
SIGNS = {"came": "+", "went": "-", "changed": "~", "unknown": "?"}
NOTHING = "nothing"


@click.command()
@click.argument("first", type=click.Path(path_type=Path), metavar="IMAGE")
@click.argument("second", type=click.Path(path_type=Path), metavar="IMAGE")
@click.argument("views", nargs=-1, metavar="[VIEW]…")
@in_form
@click.option("--isf", metavar="FILE", help="Your own Volatility symbol table, to take the layout of both from.")
@of_pids
@click.option("--fail-on-change", is_flag=True, help="End with status 5 where anything came, went or changed.")
def diff(
    first: Path,
    second: Path,
    views: tuple[str, ...],
    form: str,
    isf: str | None,
    pids: list[int],
    fail_on_change: bool,
) -> int:
    """Tell what came, went and changed between two captures of one machine.

    \b
      anatomy diff monday.raw tuesday.raw
      anatomy diff monday.raw tuesday.raw handles privileges --pid 728
      anatomy diff monday.raw tuesday.raw --format jsonl

    Processes, modules, VADs, privileges, handles and threads are compared, from the earlier capture to the later one.
    What could not be read in one of them is unknown: it neither came nor went.
    """  # noqa: D301  # click's mark for lines that stay as they are
    from process_anatomy.fleet.diff import UNKNOWN, compared
    from process_anatomy.fleet.diff import diff as told
    from process_anatomy.fleet.moments import Moment, ordered

    names = compared(views)
    images = [opened(path, isf, None, None) for path in (first, second)]
    moments = [Moment(image, pids) for image in images]
    before, after, note = ordered(*moments)
    paths = (first, second) if before is moments[0] else (second, first)
    tell([note] if note else [])
    found = told(before, after, names)
    shown = [(path, moment) for path, moment in zip(paths, (before, after), strict=True)]
    changes = list({"text": _text, "json": _json, "jsonl": _json_lines, "csv": _csv}[form](shown, found))
    for path, moment in shown:
        tell(f"{path}: {line}" for line in moment.problems)
    tell(_unread(changes))
    for image in images:
        if image.doubt:
            return status_of(image, None)
    return FOUND if fail_on_change and any(row.kind != UNKNOWN for one in changes for row in one.rows) else DONE


def _unread(changes: Iterable[Changes]) -> Iterator[str]:
    """How much could not be compared."""
    parts = [f"{one.unread} of {one.view}" for one in changes if one.unread]
    if parts:
        yield f"facts that one image or the other does not hold, which were not compared: {', '.join(parts)}"


def _text(images: list[tuple[Path, Moment]], changes: Iterable[Changes]) -> Iterator[Changes]:
    from process_anatomy.fleet.diff import CHANGED
    from process_anatomy.views import view as named

    width = screen_of().width
    for word, (path, moment) in zip(("before", "after"), images, strict=True):
        taken = "taken at an unknown time" if moment.taken is None else f"taken at {moment.taken:%Y-%m-%d %H:%M:%S}"
        click.echo(f"{word + ':':<8}{safe_text(str(path))}, {taken}")
    for one in changes:
        counts = [f"{count} {kind}" for kind in SIGNS if (count := one.count(kind))]
        click.echo(f"\n{one.view}: {', '.join(counts) or 'nothing changed'}, {one.same} in both")
        view = named(one.view)
        for row in one.rows:
            told = _changed(view, row, width) if row.kind == CHANGED else _alone(view, row.row, width - 2)
            reason = textwrap.wrap(safe_text(row.reason), width - 4, initial_indent="  ", subsequent_indent="  ")
            for number, line in enumerate([*told, *reason]):
                click.echo(f"{' ' if number else SIGNS[row.kind]} {line}")
        yield one


def _alone(view: View, row: Record, width: int) -> Iterator[str]:
    """The lines of a row that came or went: whose it is, and every fact that there is."""
    told = {column.name: safe_text(shown_text(row[column.name], column)) for column in view.columns}
    who = " ".join(told.pop(name) for name in ("PID", view.process) if told.get(name))
    first = "  ".join(part for part in (who, told.pop(EXPLANATION, "")) if part)
    facts = "  ".join(f"{name}: {value}" for name, value in told.items() if value)
    indent = "  " * row.depth
    for text, start in ((first, indent), (facts, f"{indent}  " if first else indent)):
        yield from textwrap.wrap(
            text, width, initial_indent=start, subsequent_indent=f"{indent}  ", break_on_hyphens=False
        )


def _changed(view: View, row: Change, width: int) -> list[str]:
    """The lines of a row that changed: whose it is, by which key, and each fact before and after."""
    facts = "  ".join(f"{name}: {old} -> {new}" for name, old, new in _facts(view, row))
    who = " ".join(str(row.row[name]) for name in ("PID", view.process) if row.row[name] is not None)
    text = safe_text(f"{who}  {_key(view, row)}  {facts}")
    return textwrap.wrap(text, width - 2, subsequent_indent="  ", break_on_hyphens=False)


def _facts(view: View, row: Change) -> Iterator[tuple[str, str, str]]:
    """Each column that changed, with its text before and after."""
    columns = {column.name: column for column in view.columns}
    for name in row.columns:
        sides = [None if side is None else side[name] for side in (row.before, row.after)]
        old, new = (NOTHING if value is None else shown_text(value, columns[name]) for value in sides)
        yield name, old or NOTHING, new or NOTHING


def _key(view: View, row: Change) -> str:
    """What makes the row the same row, without the id and the name of its process."""
    from process_anatomy.fleet.diff import COMPARED

    columns = {column.name: column for column in view.columns}
    parts = [name for name in COMPARED[view.name].key if name != "PID" and row.row[name] is not None]
    more = [name for name in ("Privilege", "Name") if name in columns and name not in row.columns and row.row[name]]
    return "  ".join(f"{name}: {shown_text(row.row[name], columns[name])}" for name in (*parts, *more))


def _record(row: Change) -> dict[str, Any]:
    """A change in the types of JSON."""
    from process_anatomy.views import view as named
    from process_anatomy.views.schema import ABSENT, json_record

    view = named(row.view)
    sides = [None if side is None else json_record(side) | {ABSENT: side.absent} for side in (row.before, row.after)]
    whose = row.row
    return {
        "view": row.view,
        "change": row.kind,
        "pid": whose["PID"],
        "process": whose[view.process],
        "address": whose[view.address],
        "columns": list(row.columns),
        "before": sides[0],
        "after": sides[1],
        "reason": row.reason,
    }


def _moments(images: list[tuple[Path, Moment]]) -> dict[str, dict[str, Any]]:
    return {
        word: {"path": str(path), "captured": None if moment.taken is None else moment.taken.isoformat()}
        for word, (path, moment) in zip(("before", "after"), images, strict=True)
    }


def _json(images: list[tuple[Path, Moment]], changes: Iterable[Changes]) -> Iterator[Changes]:
    every = list(changes)
    views = {
        one.view: {"same": one.same, "unread": one.unread, "changes": [_record(row) for row in one.rows]}
        for one in every
    }
    click.echo(json.dumps(_moments(images) | {"views": views}, indent=1))
    yield from every


def _json_lines(_: list[tuple[Path, Moment]], changes: Iterable[Changes]) -> Iterator[Changes]:
    for one in changes:
        for row in one.rows:
            click.echo(json.dumps(_record(row)))
        yield one


def _csv(_: list[tuple[Path, Moment]], changes: Iterable[Changes]) -> Iterator[Changes]:
    every = list(changes)
    print_csv(COLUMNS, (cells for one in every for row in one.rows for cells in _cells(row)))
    yield from every


def _cells(row: Change) -> Iterator[tuple[Any, ...]]:
    from process_anatomy.views import view as named

    view = named(row.view)
    whose = row.row
    address = whose[view.address]
    where = "" if address is None else f"{address:#x}"
    leading = (row.view, row.kind, whose["PID"], whose[view.process], where, _key(view, row))
    for name, old, new in _facts(view, row) if row.columns else [("", "", "")]:
        yield (*leading, name, old, new, row.reason)
