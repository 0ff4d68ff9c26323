"""``anatomy query``: SQL over exported images."""

from __future__ import annotations

import csv
import io
import json
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import click

from process_anatomy.command.statuses import DONE
from process_anatomy.errors import RequestError


@click.command()
@click.argument("folders", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="CASE… SQL")
@click.option("--file", "file", type=click.Path(path_type=Path), help="The query, in a file; no SQL is given then.")
@click.option("--format", "form", type=click.Choice(["text", "csv", "jsonl"]), default="text", help="What is printed.")
def query(folders: tuple[Path, ...], file: Path | None, form: str) -> int:
    """Ask exports and cases in SQL: every view is a table, and its rows say which image they are of.

    \b
      anatomy query case "select process, count(distinct image) hosts from processes group by 1 order by 2"
      anatomy query before after --file rare-parents.sql --format csv

    The SQL is DuckDB's; names of columns with a space or brackets stand in double quotation marks.
    """  # noqa: D301  # click's mark for lines that stay as they are
    from process_anatomy.fleet.query import Question

    *cases, last = folders
    sql = str(last) if file is None else file.read_text("utf-8")
    where = cases if file is None else list(folders)
    if not where:
        raise RequestError('a case and a query are needed: anatomy query CASE "select * from processes"')
    with closing(Question(where)) as question:
        names, rows = question.answer(sql)
        {"text": _text, "csv": _csv, "jsonl": _json_lines}[form](names, rows)
    return DONE


def _plain(value: Any) -> str:
    from process_anatomy.volatility.cells import safe_text

    if isinstance(value, list):
        return safe_text("; ".join(map(str, value)))
    return "" if value is None else safe_text(str(value))


def _text(names: list[str], rows: Iterator[tuple[Any, ...]]) -> None:
    table = [names, *([_plain(value) for value in row] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    for row in table:
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def _csv(names: list[str], rows: Iterator[tuple[Any, ...]]) -> None:
    from process_anatomy.views.files import harmless

    text = io.TextIOWrapper(sys.stdout.buffer, "utf-8", "backslashreplace", newline="", write_through=True)
    lines = csv.writer(text)
    lines.writerow(names)
    lines.writerows([harmless(_plain(value)) for value in row] for row in rows)
    text.detach()


def _json_lines(names: list[str], rows: Iterator[tuple[Any, ...]]) -> None:
    for row in rows:
        click.echo(json.dumps(dict(zip(names, row, strict=True)), default=str))
