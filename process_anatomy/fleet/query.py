"""SQL over the exports of one image or of many: every view is a table, whose rows say which image they are of."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from process_anatomy.errors import RequestError
from process_anatomy.fleet.export import MANIFEST
from process_anatomy.fleet.facts import FITS
from process_anatomy.fleet.record import CASE
from process_anatomy.fleet.single import IMAGES
from process_anatomy.fleet.sqlite import quoted
from process_anatomy.views import view
from process_anatomy.views.all import exported
from process_anatomy.views.declaration import TIME
from process_anatomy.views.flat import flat
from process_anatomy.views.schema import utf8

READERS = {"parquet": "read_parquet", "jsonl": "read_json_auto", "csv": "read_csv_auto"}
"""Format of files to DuckDB's function that reads them."""
CAPTURES = "captures"
"""The table of the images themselves, beside those of views."""
COLUMNS = ("image", "path", "captured", "build", "architecture", "kernel_file", "verdict")
TEXT = "VARCHAR"


@dataclass(frozen=True, slots=True)
class Export:
    """An export that is asked.

    Attributes:
        folder: where it is.
        image: what its rows call the image.
        path: of the image.
        facts: what is known of the image as a whole.
    """

    folder: Path
    image: str
    path: str
    facts: dict[str, Any]

    @property
    def doubt(self) -> str:
        """Why no row of it is to be trusted, empty where they are."""
        verdict = str(self.facts.get("verdict"))
        return "" if verdict == FITS else verdict

    @property
    def row(self) -> tuple[Any, ...]:
        """The image in the table :data:`CAPTURES`."""
        taken = self.facts.get("captured")
        when = datetime.fromisoformat(taken).astimezone(timezone.utc).replace(tzinfo=None) if taken else None
        names = ("build", "architecture", "kernel file", "verdict")
        told = (self.image, self.path, *(self.facts.get(name) for name in names))
        image, path, *known = (utf8(each) for each in told)  # names of files may be no text that UTF-8 can hold
        return (image, path, when, *known)


class Question:
    """Tables over exports, and what they answer.

    Args:
        folders: exports, and cases of many.
        trusted: exports whose layout does not fit the image are left out.

    Attributes:
        exports: those that are asked.
        doubtful: those that were left out.

    Raises:
        RequestError: there is no export, its files are no tables for SQL, or DuckDB is not installed.
    """

    def __init__(self, folders: Iterable[Path], trusted: bool = False) -> None:
        try:
            import duckdb
        except ImportError:
            raise RequestError("queries need DuckDB: pip install 'process-anatomy[fleet]'") from None
        self._error = duckdb.Error
        self._database = duckdb.connect(":memory:", config={"autoinstall_known_extensions": "false"})
        found = [export for folder in folders for export in exports_in(folder)]
        self.doubtful = [export for export in found if trusted and export.doubt]
        self.exports = [export for export in found if export not in self.doubtful]
        if not self.exports:
            raise RequestError("none of these images has rows that are to be trusted: their layouts do not fit")
        tables = {name: list(_files(self.exports, name)) for name in exported()}
        forms = {file.suffix[1:] for files in tables.values() for file in files}
        if len(forms) != 1:
            held = f"files of several formats: {', '.join(sorted(forms))}" if forms else "no files of a format"
            raise RequestError(f"these exports hold {held}; all parquet, all jsonl or all csv can be asked")
        for name, files in tables.items():
            for form in forms if files else ():
                some = _listed(str(file) for file in files if file.suffix[1:] == form)
                columns = _utc(name) if form == "parquet" else "*"
                relation = f"{READERS[form]}({some}, union_by_name = true)"
                self._run(f'CREATE VIEW "{name}" AS SELECT {columns} FROM {relation}')  # noqa: S608
        kinds = {"build": "INTEGER", "captured": "TIMESTAMP"}
        self._run(f"CREATE TABLE {CAPTURES} ({', '.join(f'{name} {kinds.get(name, TEXT)}' for name in COLUMNS)})")
        rows = list({export.image: export.row for export in self.exports}.values())
        places = ", ".join("?" * len(COLUMNS))
        self._database.executemany(f"INSERT INTO {CAPTURES} VALUES ({places})", rows)  # noqa: S608

    def answer(self, sql: str) -> tuple[list[str], Iterator[tuple[Any, ...]]]:
        """The names of the columns, and the rows.

        Raises:
            RequestError: it is no SQL, or asks for what there is not; the first line of the reason.
        """
        found = self._run(sql)
        return [column[0] for column in found.description or ()], self._rows(found)

    def _run(self, sql: str) -> Any:
        try:
            return self._database.execute(sql)
        except self._error as error:
            raise RequestError(str(error).splitlines()[0]) from None

    @property
    def names(self) -> dict[str, str]:
        """What rows call each image to a name for people: its file's, or the whole path where files share one."""
        paths = {export.image: export.path for export in self.exports}
        short = {image: path.replace("\\", "/").rpartition("/")[2] for image, path in paths.items()}
        told = list(short.values())
        return {image: name if told.count(name) == 1 else paths[image] for image, name in short.items()}

    def lacking(self, views: Sequence[str]) -> dict[str, list[str]]:
        """What rows call each image to those of these views that no export of it has."""
        found: dict[str, list[str]] = {}
        for export in self.exports:
            missing = [name for name in views if not any(_files([export], name))]
            known = found.get(export.image, missing)
            found[export.image] = [name for name in known if name in missing]
        return found

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


def exports_in(folder: Path) -> Iterator[Export]:
    """The exports that a folder holds, or is.

    Raises:
        RequestError: it is none, and holds none, or one of them cannot be read.
    """
    if (folder / MANIFEST).is_file():
        found = [folder]
    else:
        found = sorted(place.parent for place in folder.glob(f"{IMAGES}/*/{MANIFEST}"))
    if not found and (folder / CASE).is_file():
        raise RequestError(f"{folder} is a case of which no image was exported; {CASE} in it says why")
    if not found:
        raise RequestError(f"{folder} is no export and holds none; anatomy export and anatomy batch make them")
    for place in found:
        try:
            told = json.loads((place / MANIFEST).read_text("utf-8"))
            yield Export(place, told["image"]["id"], told["image"]["path"], dict(told["facts"]))
        except (OSError, ValueError, KeyError, TypeError):
            raise RequestError(f"{place / MANIFEST} cannot be read as the manifest of an export") from None


def _files(exports: Iterable[Export], name: str) -> Iterator[Path]:
    for export in exports:
        yield from (file for form in READERS if (file := export.folder / f"{name}.{form}").is_file())


def _listed(files: Iterable[str]) -> str:
    return "[" + ", ".join("'" + file.replace("'", "''") + "'" for file in files) + "]"
