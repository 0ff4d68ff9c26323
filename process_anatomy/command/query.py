"""``anatomy query``: SQL over exported images."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import click

from process_anatomy.command.statuses import DONE
from process_anatomy.command.tables import print_csv, print_json_lines, print_table
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
        {"text": print_table, "csv": print_csv, "jsonl": print_json_lines}[form](names, rows)
    return DONE
