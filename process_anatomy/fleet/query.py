"""SQL over the exports of one image or of many: every view is a table, whose rows say which image they are of."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from process_anatomy.errors import RequestError
from process_anatomy.fleet.export import MANIFEST
from process_anatomy.fleet.single import IMAGES
from process_anatomy.fleet.sqlite import quoted
from process_anatomy.views import view
from process_anatomy.views.all import exported
from process_anatomy.views.declaration import TIME
from process_anatomy.views.flat import flat

READERS = {"parquet": "read_parquet", "jsonl": "read_json_auto", "csv": "read_csv_auto"}
"""Format of files to DuckDB's function that reads them."""


class Question:
    """Tables over exports, and what they answer.

    Args:
        folders: exports, and cases of many.

    Raises:
        RequestError: there is no export, its files are no tables for SQL, or DuckDB is not installed.
    """

    def __init__(self, folders: Iterable[Path]) -> None:
        try:
            import duckdb
        except ImportError:
            raise RequestError("queries need DuckDB: pip install 'process-anatomy[fleet]'") from None
        self._error = duckdb.Error
        self._database = duckdb.connect(":memory:", config={"autoinstall_known_extensions": "false"})
        exports = [export for folder in folders for export in _exports(folder)]
        tables = {name: list(_files(exports, name)) for name in exported()}
        forms = {file.suffix[1:] for files in tables.values() for file in files}
        if len(forms) != 1:
            held = f"files of several formats: {', '.join(sorted(forms))}" if forms else "no files of a format"
            raise RequestError(f"these exports hold {held}; all parquet, all jsonl or all csv can be asked")
        for name, files in tables.items():
            for form in forms if files else ():
                some = _listed(str(file) for file in files if file.suffix[1:] == form)
                columns = _utc(name) if form == "parquet" else "*"
                relation = f"{READERS[form]}({some}, union_by_name = true)"
                self._database.execute(f'CREATE VIEW "{name}" AS SELECT {columns} FROM {relation}')  # noqa: S608

    def answer(self, sql: str) -> tuple[list[str], Iterator[tuple[Any, ...]]]:
        """The names of the columns, and the rows.

        Raises:
            RequestError: it is no SQL, or asks for what there is not; the first line of the reason.
        """
        try:
            found = self._database.execute(sql)
            names = [column[0] for column in found.description or ()]
        except self._error as error:
            raise RequestError(str(error).splitlines()[0]) from None
        return names, self._rows(found)

    def _rows(self, found: Any) -> Iterator[tuple[Any, ...]]:
        try:
            while rows := found.fetchmany(1 << 12):
                yield from rows
        except self._error as error:
            raise RequestError(str(error).splitlines()[0]) from None

    def close(self) -> None:
        """Give the database up."""
        self._database.close()


def _utc(name: str) -> str:
    """All columns, times without a zone: one with it can be shown only where more is installed, and all are UTC."""
    times = [column.name for column in flat(view(name)).columns if column.kind is TIME]
    return f"* REPLACE ({', '.join(f'make_timestamp(epoch_us({quoted(time)})) AS {quoted(time)}' for time in times)})"


def _exports(folder: Path) -> Iterator[Path]:
    """The exports that a folder holds, or is.

    Raises:
        RequestError: it is none, and holds none.
    """
    found = (
        [folder] if (folder / MANIFEST).is_file() else sorted(p.parent for p in folder.glob(f"{IMAGES}/*/{MANIFEST}"))
    )
    if not found:
        raise RequestError(f"{folder} is no export and holds none; anatomy export and anatomy batch make them")
    yield from found


def _files(exports: Iterable[Path], name: str) -> Iterator[Path]:
    for export in exports:
        yield from (file for form in READERS if (file := export / f"{name}.{form}").is_file())


def _listed(files: Iterable[str]) -> str:
    return "[" + ", ".join("'" + file.replace("'", "''") + "'" for file in files) + "]"
