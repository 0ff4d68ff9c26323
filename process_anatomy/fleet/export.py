"""All views of an image in one folder: a file for each, or one database, and a manifest that says what they are of.

The folder appears when all of it is written: it is made under another name beside its place, and renamed.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sqlite3
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

from process_anatomy.errors import Error, RequestError
from process_anatomy.filetime import moment
from process_anatomy.fleet.exports import FORMS
from process_anatomy.fleet.exports.source import Source
from process_anatomy.fleet.exports.writing import write_views
from process_anatomy.fleet.facts import facts
from process_anatomy.fleet.hands import Hands, split
from process_anatomy.fleet.sqlite import write_table
from process_anatomy.fleet.versions import versions
from process_anatomy.fleet.written import Step, Written
from process_anatomy.memory.resident import unfinished
from process_anatomy.samples.progress import Progress, silent
from process_anatomy.samples.verify import OURS, digests
from process_anatomy.views.files import WRITERS
from process_anatomy.views.findings import SEVERITIES
from process_anatomy.views.flat import Origin, flat, flat_records
from process_anatomy.views.image import Answer, Image
from process_anatomy.views.records import Record
from process_anatomy.walk.processes.captured import captured

SQLITE, FINDINGS = "sqlite", "findings"
FORMATS = (*WRITERS, SQLITE)
MANIFEST = "manifest.json"
HANDS = ".hands"
"""Inside an export that is not finished: what several processes write."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What is exported, and how.

    Attributes:
        views: names of views.
        form: one of :data:`FORMATS`, or of :data:`process_anatomy.fleet.exports.FORMS`.
        explain: how much rows say of themselves.
        pids: of processes, all where there is none.
        hashed: rows name the image by its SHA-256, else by that of its path.
        named: what rows call the image, where that is known better.
        overwrite: an earlier export in the same place is replaced.
        hands: processes that write the largest tables side by side, this one among them.
    """

    views: Sequence[str]
    form: str
    explain: str = "off"
    pids: Sequence[int] = ()
    hashed: bool = True
    named: str = ""
    overwrite: bool = False
    hands: int = 1


def image_id(path: Path, hashed: bool, progress: Progress = silent) -> str:
    """What rows call an image: by the hash of its content, or of its path, which costs nothing."""
    if hashed:
        return f"{OURS}:{digests(path, [OURS], progress)[OURS]}"
    return f"path:{hashlib.sha256(os.fsencode(path.absolute())).hexdigest()[:32]}"


def export(
    image: Image, path: Path, folder: Path, asked: Asked, step: Step | None = None, progress: Progress = silent
) -> list[Written]:
    """Write views of an image into a folder.

    Args:
        image: the image.
        path: its file.
        folder: is made.
        asked: what is written.
        step: is told how far the work is.
        progress: is told how far the hash of the image is.

    Raises:
        RequestError: the folder is there and holds something, or the format needs a library that is not installed.
        OSError: it cannot be written; nothing is left behind.
    """
    free(folder, asked.overwrite)
    begun, clock = datetime.now(timezone.utc), time.monotonic()
    origin = Origin(asked.named or image_id(path, asked.hashed, progress), _moment(image))
    severities: Counter[str] = Counter()
    order = list(asked.views)
    with replaced(folder, asked.overwrite) as place:
        if asked.form in FORMS:
            done = list(_forms(image, path, place, asked, origin, step, severities))
        else:
            done = sorted(_views(image, place, asked, origin, step, severities), key=lambda one: order.index(one.view))
        manifest = {
            "image": {"path": str(path.absolute()), "size": path.stat().st_size, "id": origin.image},
            "facts": facts(image),
            "versions": versions(),
            "options": {
                "views": list(asked.views),
                "format": asked.form,
                "explain": asked.explain,
                "pid": [*asked.pids],
            },
            "times": {
                "started": begun.isoformat(timespec="seconds"),
                "seconds": round(time.monotonic() - clock, 2),
            },
            "findings": {each: severities[each] for each in SEVERITIES} if FINDINGS in asked.views else None,
            "views": {one.view: {"file": one.file, "rows": one.rows, "problems": list(one.problems)} for one in done},
        }
        (place / MANIFEST).write_text(json.dumps(manifest, indent=1) + "\n", "utf-8")
    return done


def _moment(image: Image) -> datetime | None:
    return moment(captured(image.kernel))


def _views(
    image: Image, place: Path, asked: Asked, origin: Origin, step: Step | None, severities: Counter[str]
) -> Iterator[Written]:
    """Rows of each view, in files or a database that have them as they are."""
    database = sqlite3.connect(place / f"anatomy.{SQLITE}", isolation_level=None) if asked.form == SQLITE else None
    tables = image.tables(asked.pids).with_hidden
    stripes = split(tables, asked.views, asked.hands) if database is None else []
    apart = {stripe.view for stripe in stripes}
    hands = Hands(lambda name: _answer(image, name, asked), asked.form, origin, stripes, place / HANDS)
    try:
        with hands.helping(asked.hands - 1):
            for number, name in enumerate(sorted(asked.views, key=apart.__contains__)):
                if step is not None:
                    step(name, number, len(asked.views))
                if name in apart:
                    hands.finish()
                done = hands.joined(name, place / f"{name}.{asked.form}") if name in apart else None
                yield done or _written(image, name, place, asked, origin, database, severities)
    finally:
        if database is not None:
            database.close()


def _counted(rows: Iterable[Record], severities: Counter[str]) -> Iterator[Record]:
    """Findings as they pass by, counted by severity."""
    for row in rows:
        severities[str(row["Severity"])] += 1
        yield row


def _written(
    image: Image, name: str, place: Path, asked: Asked, origin: Origin, database: sqlite3.Connection | None,
    severities: Counter[str],
) -> Written:  # fmt: skip
    answer = _answer(image, name, asked)
    view, rows = flat(answer.view), flat_records(answer.view, answer, origin)
    rows = _counted(rows, severities) if name == FINDINGS else rows
    file = f"{name}.{asked.form}" if database is None else f"anatomy.{SQLITE}"
    try:
        if database is not None:
            database.execute("BEGIN")
            count = write_table(view, rows, database)
        else:
            with (place / file).open("xb") as out:
                count = WRITERS[asked.form](view, rows, out)
    except RequestError:
        raise
    except Error as error:
        (place / file).unlink(missing_ok=True) if database is None else database.rollback()
        return Written(name, None, 0, (*answer.problems, str(error)))
    if database is not None:
        database.commit()
    return Written(name, file, count, answer.problems)


def _forms(
    image: Image, path: Path, place: Path, asked: Asked, origin: Origin, step: Step | None, severities: Counter[str]
) -> Iterator[Written]:
    """What other programs read, in files of which each is made of one view, with what others know of its processes."""
    answers: dict[str, Answer] = {}

    def rows(name: str) -> Iterator[Record]:
        level = "brief" if name == FINDINGS else "off"  # a verdict is told in a sentence
        answers[name] = image.view(name, pid=asked.pids if _by_process(name) else (), explain=level, hidden=True)
        found = flat_records(answers[name].view, answers[name], origin)
        return _counted(found, severities) if name == FINDINGS else found

    def problems(name: str) -> tuple[str, ...]:
        return answers[name].problems if name in answers else ()

    known = facts(image)
    source = Source(origin, known, versions()["process-anatomy"] or "", rows, image.doubt, str(path), problems)
    yield from write_views(source, FORMS[asked.form], asked.views, place, step)


def _answer(image: Image, name: str, asked: Asked) -> Answer:
    return image.view(name, pid=asked.pids if _by_process(name) else (), explain=asked.explain, hidden=True)


def _by_process(name: str) -> bool:
    from process_anatomy.views import view

    return view(name).by_process


def free(folder: Path, overwrite: bool) -> None:
    """See that a folder can be made, or replaced.

    Raises:
        RequestError: something is there that may not be replaced.
    """
    if not folder.exists() and not folder.is_symlink():
        return
    if folder.is_symlink() or not folder.is_dir():
        raise RequestError(f"{folder} is there and is no folder")
    if any(folder.iterdir()) and not (overwrite and (folder / MANIFEST).is_file()):
        advice = "--overwrite replaces an earlier export" if not overwrite else "it is no earlier export"
        raise RequestError(f"{folder} is not empty; {advice}")


@contextmanager
def replaced(folder: Path, overwrite: bool) -> Iterator[Path]:
    """A folder to be filled, which takes its place when all is well, and is gone otherwise.

    Raises:
        RequestError: by then something is there that may not be replaced.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    made = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    try:
        with unfinished(made):
            yield made
        free(folder, overwrite)  # seen again: somebody may have put something there
        made.chmod(0o777 & ~_umask())
        if folder.exists():
            old = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
            folder.rename(old / folder.name)
            made.rename(folder)
            shutil.rmtree(old)
        else:
            made.rename(folder)
    except BaseException:
        shutil.rmtree(made, ignore_errors=True)
        raise


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


__all__ = ["FORMATS", "Asked", "Written", "export", "free", "image_id", "replaced"]
