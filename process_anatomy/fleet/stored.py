"""Forms of rows that were exported before: of one image, or of the many of a case; no image is opened again."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from process_anatomy.errors import Error, RequestError
from process_anatomy.fleet.export import MANIFEST, free, replaced
from process_anatomy.fleet.exports import FORMS, Form
from process_anatomy.fleet.exports.source import Source, view_of
from process_anatomy.fleet.exports.writing import write_views
from process_anatomy.fleet.query import Export, exports_in
from process_anatomy.fleet.written import Written
from process_anatomy.views.arrow import parquet_records
from process_anatomy.views.declaration import TIME
from process_anatomy.views.flat import DEPTH, Origin
from process_anatomy.views.records import Record
from process_anatomy.views.schema import ABSENT

Done = Iterator[tuple[Export, list[Written]]]


class LostError(Error):
    """An export does not hold a view whose rows are needed."""


def export_again(case: Path, folder: Path, name: str, views: tuple[str, ...], overwrite: bool = False) -> Done:
    """Write a form of each export that a folder holds, or is, into a folder of its own; each as it is done.

    Args:
        case: an export of rows, or a case of many.
        folder: is made; where there are many, with a folder in it for each.
        name: of the form.
        views: that are written.
        overwrite: what an earlier run made in the same place is replaced.

    Raises:
        RequestError: there is no export there, or what is asked for cannot be made of it.
        OSError: it cannot be written; nothing is left behind.
    """
    free(folder, overwrite)
    form, alone = FORMS[name], (case / MANIFEST).is_file()
    with replaced(folder, overwrite) as made:
        told = []
        for export in exports_in(case):
            place = made if alone else made / export.folder.name
            place.mkdir(exist_ok=alone)
            done = _write(export, form, views, place)
            told.append((export, done))
            yield export, done
        if not alone:
            names = [export.folder.name for export, _ in told]
            (made / MANIFEST).write_text(json.dumps({"case": str(case.absolute()), "exports": names}) + "\n", "utf-8")


def _write(export: Export, form: Form, views: tuple[str, ...], place: Path) -> list[Written]:
    manifest = json.loads((export.folder / MANIFEST).read_text("utf-8"))
    done = list(write_views(source_of(export, manifest), form, views, place))
    made = {
        "options": {"views": list(views), "format": form.name},
        "views": {one.view: {"file": one.file, "rows": one.rows, "problems": list(one.problems)} for one in done},
    }
    (place / MANIFEST).write_text(json.dumps(manifest | made, indent=1) + "\n", "utf-8")
    return done


def source_of(export: Export, manifest: Mapping[str, Any]) -> Source:
    """The rows of an export, read anew from its files each time they are asked for."""
    taken = export.facts.get("captured")
    origin = Origin(export.image, datetime.fromisoformat(taken) if taken else None)
    version = str(manifest.get("versions", {}).get("process-anatomy") or "")
    told = manifest.get("views", {})

    def rows(name: str) -> Iterator[Record]:
        return _rows(export.folder, name)

    def problems(name: str) -> tuple[str, ...]:
        return tuple(told.get(name, {}).get("problems", ()))

    return Source(origin, export.facts, version, rows, export.doubt, export.path, problems)


def _rows(folder: Path, name: str) -> Iterator[Record]:
    if (file := folder / f"{name}.parquet").is_file():
        return parquet_records(view_of(name), file)
    if (file := folder / f"{name}.jsonl").is_file():
        return _records(name, file)
    raise LostError(f"{folder} has no {name}.parquet and no {name}.jsonl, which this is made of")


def _records(name: str, file: Path) -> Iterator[Record]:
    """Rows of JSON lines, times as such.

    Raises:
        RequestError: a line is no row of the view.
    """
    view = view_of(name)
    times = [column.name for column in view.columns if column.kind is TIME]
    with file.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, 1):
            try:
                told = json.loads(line)
                for time in times:
                    told[time] = datetime.fromisoformat(told[time]) if told[time] else None
                yield Record({each: told[each] for each in view.names}, told[DEPTH], told[ABSENT])
            except (ValueError, KeyError, TypeError):
                raise RequestError(f"{file}, line {number}: no row of {name} as this version writes it") from None


def doubts(done: Iterable[tuple[Export, list[Written]]]) -> list[str]:
    """One line for each export whose rows are not to be trusted."""
    return [f"{export.path}: do not trust the rows: {export.doubt}" for export, _ in done if export.doubt]
