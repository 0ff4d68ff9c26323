"""Many images into one case: a folder for each, written whole or not at all, so that a run can be stopped at any time.

Every image is exported by a process of its own, with a limit of time and of memory, and what goes wrong there is a line
about that image.  A case that is there already is gone on with: images that were exported as they are now, with the
same options, are not read again.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from process_anatomy.errors import RequestError
from process_anatomy.fleet.export import MANIFEST

IMAGES, CASE, LOCK = "images", "case.json", ".lock"
"""Inside a case: the folder of exports, the list of images, and what says that somebody works on it."""
STARTED = "batch.json"
"""Inside an export: what it was made of and how, which must be the same for it to be used again."""
DONE, NOT_TRUSTED, PARTLY = 0, 3, 4
"""Statuses of an export that has rows."""
KILLED = "it took more than {seconds:g} s and was given up; --timeout allows more"
Submit = Callable[..., "Future[Outcome]"]


@dataclass(frozen=True, slots=True)
class Terms:
    """How every image is exported.

    Attributes:
        form: format of the files.
        views: names of views, every one where none is named.
        explain: how much rows say of themselves.
        hashed: images are named by their SHA-256, else by the hash of their path.
        timeout: seconds that an image may take.
        memory: bytes of address space that its process may have, 0 where there is no limit.
    """

    form: str = "parquet"
    views: tuple[str, ...] = ()
    explain: str = "off"
    hashed: bool = True
    timeout: float = 3600
    memory: int = 0


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of an image.

    Attributes:
        path: of the image.
        size: bytes of it.
        status: exit status of its export; ``None`` where it was not tried.
        folder: its export inside the case, empty where there is none.
        rows: how many rows, of all views.
        windows: the kernel's file or build.
        problem: why there are no rows, or why they are not whole, in one line.
        seconds: that it took.
    """

    path: str
    size: int
    status: int | None
    folder: str = ""
    rows: int = 0
    windows: str = ""
    problem: str = ""
    seconds: float = 0

    @property
    def done(self) -> bool:
        """Whether there are rows of it."""
        return bool(self.folder)


def found(paths: Iterable[Path]) -> Iterator[Path | Outcome]:
    """The files that are meant, each once; what cannot be one, with the reason.

    Args:
        paths: files and folders, which are searched without following links to folders.
    """
    seen: set[tuple[int, int]] = set()
    for path in paths:
        if path.is_dir():
            lost: list[OSError] = []
            for folder, folders, files in os.walk(path, onerror=lost.append):
                folders.sort()
                for name in sorted(files):
                    yield from _once(Path(folder, name), seen)
            for error in lost:
                yield Outcome(str(error.filename), 0, None, problem=f"{error.strerror}")
        else:
            yield from _once(path, seen)


def _once(path: Path, seen: set[tuple[int, int]]) -> Iterator[Path | Outcome]:
    try:
        told = path.stat()
    except OSError as error:
        yield Outcome(str(path), 0, None, problem=f"{error.strerror}")
        return
    if (told.st_dev, told.st_ino) in seen:
        return
    seen.add((told.st_dev, told.st_ino))
    if not path.is_file():
        yield Outcome(str(path), 0, None, problem="it is no file")
    elif told.st_size == 0:
        yield Outcome(str(path), 0, None, problem="the file is empty")
    else:
        yield path


def folder_name(path: Path) -> str:
    """The name of an image's folder in a case: the same for the same path."""
    kept = "".join(c if c.isascii() and (c.isalnum() or c in "-_.") else "_" for c in path.name)[:64].strip(".")
    return f"{kept or 'image'}-{hashlib.sha256(os.fsencode(path.absolute())).hexdigest()[:12]}"


def started(path: Path, terms: Terms) -> dict[str, Any]:
    """What an export is made of and how."""
    told = path.stat()
    how = {name: value for name, value in asdict(terms).items() if name not in ("timeout", "memory")}
    what = {"path": str(path.absolute()), "size": told.st_size, "mtime": told.st_mtime_ns}
    return what | how | {"views": list(terms.views)}


@contextmanager
def held(case: Path) -> Iterator[None]:
    """A case for this run alone.

    Raises:
        RequestError: another run works on it, or it is a folder of something else.
    """
    if case.exists() and (not case.is_dir() or (any(case.iterdir()) and not (case / IMAGES).is_dir())):
        raise RequestError(f"{case} is there and is no case")
    (case / IMAGES).mkdir(parents=True, exist_ok=True)
    with (case / LOCK).open("a") as lock:
        if os.name != "nt":
            import fcntl

            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                raise RequestError(f"another batch works on {case}") from None
        for left in (case / IMAGES).glob(".*"):  # what a run that was killed had not finished
            shutil.rmtree(left, ignore_errors=True)
        yield


def batch(
    paths: Iterable[Path], case: Path, terms: Terms, submit: Submit, tell: Callable[[Outcome, int, int], None]
) -> list[Outcome]:
    """Export images into a case, which :func:`held` holds; gives what became of each.

    Args:
        paths: files and folders.
        case: the folder of the case.
        terms: how each image is exported.
        submit: runs a function of its arguments elsewhere, and gives its future; see :func:`on_this_machine`.
        tell: is told what became of an image, how many are done, and of how many.
    """
    outcomes: list[Outcome] = []
    waiting: dict[Future[Outcome], Path] = {}
    meant = list(found(paths))
    for one in meant:
        known = one if isinstance(one, Outcome) else earlier(one, case, terms)
        if known is not None:
            outcomes.append(known)
            tell(known, len(outcomes), len(meant))
        elif isinstance(one, Path):
            waiting[submit(exported, str(one), str(case / IMAGES / folder_name(one)), terms)] = one
    try:
        for future in as_completed(waiting):
            outcomes.append(_result(future, waiting[future]))
            tell(outcomes[-1], len(outcomes), len(meant))
            write_list(case, outcomes)
    except BaseException:
        for future in waiting:
            future.cancel()
        raise
    outcomes.sort(key=lambda one: one.path)
    write_list(case, outcomes)
    return outcomes


def _result(future: Future[Outcome], path: Path) -> Outcome:
    try:
        return future.result()
    except Exception as error:  # noqa: BLE001  # a worker that died costs its image alone
        return Outcome(str(path), 0, None, problem=f"its worker ended: {type(error).__name__}: {error}")


def earlier(path: Path, case: Path, terms: Terms) -> Outcome | None:
    """What an earlier run made of an image; ``None`` where it is to be exported."""
    folder = case / IMAGES / folder_name(path)
    try:
        if json.loads((folder / STARTED).read_text("utf-8")) != started(path, terms):
            return None
    except (OSError, ValueError):
        return None
    return _of_folder(path, folder, DONE, "", 0)


def exported(image: str, folder: str, terms: Terms) -> Outcome:
    """Export one image in a process of its own.

    Args:
        image: its path.
        folder: the folder to be made.
        terms: how.
    """
    path, place = Path(image), Path(folder)
    begun = time.monotonic()
    before = started(path, terms)
    made = Path(tempfile.mkdtemp(prefix=".", dir=place.parent))
    asked = [image, "-o", str(made / "rows"), "--format", terms.form, "--explain", terms.explain]
    asked += [] if terms.hashed else ["--no-hash"]
    asked += [word for name in terms.views for word in ("--view", name)]
    try:
        done = subprocess.run(
            [sys.executable, "-m", "process_anatomy.command.limited", str(terms.memory), "export", *asked],
            stdin=subprocess.DEVNULL, capture_output=True, text=True, encoding="utf-8", errors="replace",
            timeout=terms.timeout, check=False, env=_environment(),
        )  # fmt: skip
        if not (made / "rows" / MANIFEST).is_file():
            problem = (done.stderr.strip().splitlines() or [f"its process ended with status {done.returncode}"])[-1]
            return _failed(path, done.returncode, problem.removeprefix("anatomy: "), begun)
        (made / "rows" / STARTED).write_text(json.dumps(before), "utf-8")
        (made / "rows" / "log.txt").write_text(done.stderr, "utf-8")
        shutil.rmtree(place, ignore_errors=True)
        (made / "rows").rename(place)
        return _of_folder(path, place, done.returncode, _worst(done.stderr, done.returncode), time.monotonic() - begun)
    except subprocess.TimeoutExpired:
        return _failed(path, None, KILLED.format(seconds=terms.timeout), begun)
    except OSError as error:
        return _failed(path, None, f"{error.filename or 'the system'}: {error.strerror}", begun)
    finally:
        shutil.rmtree(made, ignore_errors=True)


def _failed(path: Path, status: int | None, problem: str, begun: float) -> Outcome:
    size = 0
    with suppress(OSError):
        size = path.stat().st_size
    return Outcome(str(path), size, status, problem=problem, seconds=round(time.monotonic() - begun, 2))


def _worst(log: str, status: int) -> str:
    """Why an export is not whole, or not to be trusted: the last line of its log."""
    lines = log.strip().splitlines()
    return lines[-1].removeprefix("anatomy: ") if lines and status in (NOT_TRUSTED, PARTLY) else ""


def _of_folder(path: Path, folder: Path, status: int, problem: str, seconds: float) -> Outcome:
    told = json.loads((folder / MANIFEST).read_text("utf-8"))
    rows = sum(view["rows"] for view in told["views"].values())
    windows = told["facts"]["kernel file"] or f"build {told['facts']['build']}"
    return Outcome(str(path), told["image"]["size"], status, folder.name, rows, windows, problem, round(seconds, 2))


def _environment() -> dict[str, str]:
    """What the process of an image sees: one thread for each library, for images are what runs side by side."""
    return os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "PYTHONIOENCODING": "utf-8"}


def write_list(case: Path, outcomes: Iterable[Outcome]) -> None:
    """The list of a case's images, whole at any moment."""
    with tempfile.NamedTemporaryFile("w", encoding="utf-8", dir=case, prefix=".list.", delete=False) as file:
        json.dump({"images": [asdict(one) for one in outcomes]}, file, indent=1)
    Path(file.name).replace(case / CASE)


@contextmanager
def on_this_machine(workers: int) -> Iterator[Submit]:
    """Runs as many images side by side as there are workers."""
    with ThreadPoolExecutor(workers) as pool:
        try:
            yield pool.submit
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
