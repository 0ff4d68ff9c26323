"""One image of a case: exported in a process of its own, with a limit of time and of memory, whole or not at all."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from process_anatomy.errors import Error
from process_anatomy.fleet import processes
from process_anatomy.fleet.export import MANIFEST, image_id
from process_anatomy.fleet.found import companions, page_files_beside
from process_anatomy.fleet.processes import CutError, Ran
from process_anatomy.fleet.progress import PROGRESS
from process_anatomy.fleet.terms import Outcome, Terms
from process_anatomy.fleet.unpacked import image_in
from process_anatomy.fleet.versions import of
from process_anatomy.samples.packed import packed_as
from process_anatomy.views.shown import safe_text

IMAGES, UNPACKED, LOGS = "images", "unpacked", "logs"
"""Inside a case: the folders of exports, of what came out of archives, and of what was said of each image."""
STARTED = "batch.json"
"""Inside an export: what it was made of and how, which must be the same for it to be used again, and its outcome."""
NOT_TRUSTED, PARTLY = 3, 4
"""Statuses of an export that has rows and yet is not as it should be."""
FULL = tuple(os.strerror(code) for code in (errno.ENOSPC, errno.EROFS, getattr(errno, "EDQUOT", errno.ENOSPC)))
"""What keeps every image from being written, as systems say it."""
CHANGED = "the file changed while it was read"


class RefusedError(Error):
    """It has no rows, and would not have any at another try.

    Attributes:
        status: what its process ended with.
    """

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


def folder_name(path: Path) -> str:
    """The name of an image's folder in a case: the same for the same path."""
    kept = "".join(c if c.isascii() and (c.isalnum() or c in "-_.") else "_" for c in path.name)[:64].strip(".")
    return f"{kept or 'image'}-{hashlib.sha256(os.fsencode(path.absolute())).hexdigest()[:12]}"


def started(path: Path, terms: Terms) -> dict[str, Any]:
    """What an export is made of and how."""
    beside = page_files_beside(path) if terms.page_files else []
    files = [(each, each.stat()) for each in (path, *companions(path), *beside)]
    what = {
        "path": str(path.absolute()),
        "files": [[each.name, told.st_size, told.st_mtime_ns] for each, told in files],
    }
    how = {"form": terms.form, "views": list(terms.views), "explain": terms.explain, "hashed": terms.hashed}
    return what | how


def earlier(path: Path, case: Path, terms: Terms) -> Outcome | None:
    """What an earlier run made of an image; ``None`` where it is to be exported."""
    folder = case / IMAGES / folder_name(path)
    try:
        same = json.loads((folder / STARTED).read_text("utf-8"))["of"] == started(path, terms)
    except (OSError, ValueError, TypeError, KeyError):
        return None
    one = outcome_of(folder) if same else None
    return None if one is None else replace(one, path=str(path))


def outcome_of(folder: Path) -> Outcome | None:
    """What an export says of itself; ``None`` where it is no whole one."""
    try:
        told = json.loads((folder / STARTED).read_text("utf-8"))["outcome"]
        return replace(Outcome(**told), tries=0) if (folder / MANIFEST).is_file() else None
    except (OSError, ValueError, TypeError, KeyError):
        return None


def exported(image: str, case: str, terms: Terms) -> Outcome:
    """Export one image in a process of its own.

    Args:
        image: its path.
        case: the folder of the case.
        terms: how.
    """
    path, images = Path(image), Path(case, IMAGES)
    begun = time.monotonic()
    now = datetime.now(timezone.utc).isoformat(timespec="seconds")
    outcome = Outcome(image, 0, None, started=now, tries=1)
    place = images / folder_name(path)
    log: list[str] = []
    try:
        before = started(path, terms)
        outcome = replace(outcome, size=path.stat().st_size)
        with _folder(images, place.name) as made:
            try:
                outcome = _exported(path, made, place, terms, begun, outcome, log)
            finally:
                _write_log(made, place, outcome, log)
            outcome = replace(outcome, seconds=round(time.monotonic() - begun, 2))
            if started(path, terms) != before:
                worst = NOT_TRUSTED if outcome.status == NOT_TRUSTED else PARTLY
                outcome = replace(outcome, status=worst, problem=CHANGED)
            (made / "rows" / STARTED).write_text(json.dumps({"of": before, "outcome": asdict(outcome)}), "utf-8")
            shutil.rmtree(place, ignore_errors=True)
            (made / "rows").rename(place)
            return outcome
    except RefusedError as error:
        outcome = replace(outcome, status=error.status, problem=str(error))
    except CutError as error:
        outcome = replace(outcome, problem=str(error), cut=True)
    except OSError as error:
        outcome = replace(outcome, problem=f"{error.filename or images}: {error.strerror}")
    blocked = outcome.problem if outcome.problem.endswith(FULL) else ""
    return replace(outcome, folder="", blocked=blocked, seconds=round(time.monotonic() - begun, 2))


@contextmanager
def _folder(parent: Path, name: str) -> Iterator[Path]:
    """A folder that is gone afterwards; what is not finished begins with a full stop."""
    made = Path(tempfile.mkdtemp(prefix=f".{name}.", dir=parent))
    try:
        yield made
    finally:
        shutil.rmtree(made, ignore_errors=True)


def _write_log(made: Path, place: Path, outcome: Outcome, log: Iterable[str]) -> None:
    """What was said of an image, where the case has it: of one that was not read as well."""
    logs = place.parent.parent / LOGS
    logs.mkdir(exist_ok=True)
    text = "".join([f"{safe_text(outcome.path)}\n{outcome.started}, process-anatomy {of('process-anatomy')}\n", *log])
    (made / LOGS).write_bytes(text.encode("utf-8", "backslashreplace"))
    (made / LOGS).replace(logs / f"{place.name}.txt")


def _exported(
    path: Path, made: Path, place: Path, terms: Terms, begun: float, outcome: Outcome, log: list[str]
) -> Outcome:
    """Fill a folder with the rows of an image."""
    rows, notes = made / "rows", made / PROGRESS
    asked = ["-o", str(rows), "--progress", str(notes), "--format", terms.form, "--explain", terms.explain]
    asked += ["--workers", str(terms.hands)]
    asked += [word for name in terms.views for word in ("--view", name)]
    if terms.page_files and page_files_beside(path):
        asked += ["--page-files", str(path.parent)]
    with _source(path, place, notes, terms, begun, log) as (source, member):
        if member:
            outcome = replace(outcome, member=member)
        if not terms.hashed:
            asked += ["--image", image_id(path / member if member else path, hashed=False)]
        done = _run(["export", str(source), *asked], made, terms, begun, log)
    if not (rows / MANIFEST).is_file():
        raise RefusedError(done.last or processes.ENDED.format(status=done.status), done.status)
    told = json.loads((rows / MANIFEST).read_text("utf-8"))
    told["image"] |= {"path": str(path.absolute())} | ({"member": member} if member else {})
    (rows / MANIFEST).write_text(json.dumps(told, indent=1) + "\n", "utf-8")
    facts = told["facts"]
    return replace(
        outcome,
        status=done.status,
        folder=place.name,
        image=told["image"]["id"],
        rows=sum(view["rows"] for view in told["views"].values()),
        windows=facts["kernel file"] or f"build {facts['build']}",
        layout=facts["layout"],
        findings={severity: count for severity, count in (told["findings"] or {}).items() if count},
        problem=done.last if done.status in (NOT_TRUSTED, PARTLY) else "",
    )


@contextmanager
def _source(
    path: Path, place: Path, notes: Path, terms: Terms, begun: float, log: list[str]
) -> Iterator[tuple[Path, str]]:
    """The image itself, or out of its archive, with its path there."""
    if packed_as(path) is None:
        yield _plain(path, notes.parent), ""
        return
    unpacked = place.parent.parent / UNPACKED
    unpacked.mkdir(exist_ok=True)
    with _folder(unpacked, place.name) as made:
        asked = ["unpack", str(path), str(made), str(terms.unpacked), str(terms.ratio), str(notes)]
        done = _run(asked, notes.parent, terms, begun, log)
        if done.status:
            raise RefusedError(done.last or processes.ENDED.format(status=done.status), done.status)
        yield image_in(made), done.out.removesuffix("\n")
        if terms.keep:
            shutil.rmtree(unpacked / place.name, ignore_errors=True)
            made.rename(unpacked / place.name)
    with suppress(OSError):
        unpacked.rmdir()  # unless something is in it


def _plain(path: Path, folder: Path) -> Path:
    """The path, or one of a link to it where Volatility, which takes addresses in UTF-8, could not open it."""
    try:
        os.fsencode(path.absolute()).decode()
    except UnicodeDecodeError:
        for each in (path, *companions(path)):
            (folder / f"image{each.suffix.encode('ascii', 'ignore').decode()}").symlink_to(each.absolute())
        return folder / f"image{path.suffix.encode('ascii', 'ignore').decode()}"
    return path


def _run(arguments: list[str], folder: Path, terms: Terms, begun: float, log: list[str]) -> Ran:
    """Run the command in a process of its own, for as long as is left; what it says goes into the log.

    Raises:
        CutError: it took too long, needed too much memory, or was killed.
    """
    left = terms.timeout - (time.monotonic() - begun)
    try:
        done = processes.run(arguments, folder, terms.memory, left, terms.timeout)
    except CutError as error:
        with suppress(OSError):
            log.append((folder / processes.LOG).read_text("utf-8", "replace"))
        log.append(f"{error}\n")
        raise
    log += [done.log, processes.ENDED.format(status=done.status) + "\n"]
    return done
