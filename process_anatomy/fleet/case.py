"""Many images into one case: a folder for each, written whole or not at all, so that a run can be stopped at any time.

Every image is exported by a process of its own (:mod:`process_anatomy.fleet.single`), and what goes wrong there is a
line about that image.  A case that is there already is gone on with: images that were exported as they are now, with
the same options, are not read again.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, wait
from contextlib import contextmanager, suppress
from dataclasses import replace
from itertools import chain, islice
from pathlib import Path

from process_anatomy.errors import Error, RequestError
from process_anatomy.fleet.engine import Crew
from process_anatomy.fleet.found import found
from process_anatomy.fleet.record import CASE, KEPT, SUMMARY, Record
from process_anatomy.fleet.single import IMAGES, LOGS, UNPACKED, earlier, exported
from process_anatomy.fleet.terms import Outcome, Terms

LOCK = ".lock"
"""Inside a case: what says that somebody works on it."""
AHEAD = 3
"""Images that are handed out for each that is worked on: workers shall not wait."""
TRIES = 2
Left = Iterator[tuple[Path, int]]
"""Images that are to be exported, and the number of the try."""


@contextmanager
def held(case: Path) -> Iterator[None]:
    """A case for this run alone.

    Raises:
        RequestError: another run works on it, or it is a folder of something else.
        OSError: nothing can be written there.
    """
    if case.exists() and not _is_case(case):
        raise RequestError(f"{case} is there and is no case")
    for name in (IMAGES, UNPACKED, LOGS, LOCK):
        if (case / name).is_symlink():
            raise RequestError(f"{case / name} is a link; what a case holds lies in it")
    (case / IMAGES).mkdir(parents=True, exist_ok=True)
    with (case / LOCK).open("a") as lock:
        if os.name != "nt":
            import fcntl

            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                raise RequestError(f"another batch works on {case}") from None
        for left in (*case.glob(f"{IMAGES}/.*"), *case.glob(f"{UNPACKED}/.*")):  # what a run that was killed left
            shutil.rmtree(left, ignore_errors=True)
        for left in (*case.glob(f".{CASE}.*"), *case.glob(f".{SUMMARY}.*")):
            left.unlink(missing_ok=True)
        yield


def _is_case(folder: Path) -> bool:
    """Whether a batch made it, or can: what a run that was killed left there is removed without a question."""
    if not folder.is_dir():
        return False
    begun = [path.name for path in folder.iterdir()] in ([], [IMAGES])
    images = folder / IMAGES
    return (begun and not (images.is_dir() and any(images.iterdir()))) or (
        images.is_dir() and any((folder / name).is_file() for name in (LOCK, CASE))
    )


def batch(
    paths: Iterable[Path], case: Path, terms: Terms, crew: Crew, tell: Callable[[Outcome, int, int], None]
) -> list[Outcome]:
    """Export images into a case, which :func:`held` holds; gives what became of each.

    Args:
        paths: files, patterns and folders.
        case: the folder of the case.
        terms: how each image is exported.
        crew: does the work; see :mod:`process_anatomy.fleet.engine`.
        tell: is told what became of an image, how many are done, and of how many.

    Raises:
        Error: nothing more can be written into the case; what is done is kept.
    """
    meant = list(found(paths, without=case, page_files=not terms.page_files))
    outcomes: list[Outcome] = []
    record = Record(case, terms, [one if isinstance(one, Path) else Path(one.path) for one in meant])

    def ended(one: Outcome) -> None:
        outcomes.append(one)
        tell(one, len(outcomes), len(meant))

    left, terms = _shared(_left(meant, case, terms, ended), terms, crew)
    waiting: dict[Future[Outcome], tuple[Path, int]] = {}
    again: list[tuple[Path, int]] = []
    try:
        while True:
            for path, tries in left:
                waiting[crew.submit(exported, str(path.absolute()), str(case.absolute()), terms)] = path, tries
                if len(waiting) >= AHEAD * crew.hands:
                    break
            if not waiting:
                if not again:
                    break
                left, terms = _shared(iter(again), terms, crew)  # at the end, when the machine has less to do
                again = []
                continue
            for future in wait(waiting, return_when=FIRST_COMPLETED).done:
                path, tries = waiting.pop(future)
                one = replace(_result(future, path), path=str(path), tries=tries)
                if one.blocked:
                    raise Error(f"{one.blocked}; {KEPT}")
                if one.cut and tries < TRIES:
                    again.append((path, tries + 1))
                else:
                    ended(one)
            record.now_and_then(outcomes)
    except BaseException:
        for future in waiting:
            future.cancel()
        with suppress(Error):
            record.at_the_end(outcomes)
        raise
    outcomes.sort(key=lambda one: one.path)
    record.at_the_end(outcomes)
    return outcomes


def _shared(left: Left, terms: Terms, crew: Crew) -> tuple[Left, Terms]:
    """The same images, and terms by which fewer images than there is room for share what is free."""
    first = list(islice(left, crew.hands))
    hands = min(crew.within, crew.hands // max(len(first), 1))
    return chain(first, left), replace(terms, hands=max(hands, 1))


def _left(meant: Iterable[Path | Outcome], case: Path, terms: Terms, ended: Callable[[Outcome], None]) -> Left:
    """Paths of images that are to be exported, for the first time; what is known of the others is told."""
    for one in meant:
        known = one if isinstance(one, Outcome) else earlier(one, case, terms)
        if known is not None:
            ended(known)
        elif isinstance(one, Path):
            yield one, 1


def _result(future: Future[Outcome], path: Path) -> Outcome:
    try:
        return future.result()
    except Exception as error:  # noqa: BLE001  # a worker that died costs its image alone
        return Outcome(str(path), 0, None, problem=f"its worker ended: {type(error).__name__}: {error}", cut=True)
