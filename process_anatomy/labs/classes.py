"""The labs of a class: one for each student, made on all processors, each whole or not there.

A class that was stopped is gone on with: labs that are there and are of this secret, lab and student are kept.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import shutil
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from process_anatomy.errors import Error, LabError
from process_anatomy.forge.machine.containers import whole
from process_anatomy.labs.book import book, index
from process_anatomy.labs.lab import FORM
from process_anatomy.labs.making import Order, make
from process_anatomy.labs.opening import CLASS, handout_of, public_of
from process_anatomy.labs.roster import Student
from process_anatomy.labs.variants import Secret

BOOK, INDEX, LOCK = "grades.csv", "index.html", ".lock"
"""What a class's own files are called."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one student's lab.

    Attributes:
        student: whose it is.
        public: what the student may know of it; ``None`` where there is none.
        problem: why there is none.
        kept: it was there already.
    """

    student: Student
    public: dict[str, Any] | None
    problem: str = ""
    kept: bool = False


def make_class(order: Order, students: Sequence[Student], secret: Secret, folder: Path, jobs: int) -> Iterator[Outcome]:
    """Make the labs of a class; gives what became of each as it is done, and writes the class's own files at the end.

    Args:
        order: what is made.
        students: the class.
        secret: the teacher's.
        folder: where to.
        jobs: processes that work at once.

    Raises:
        LabError: the folder is of something else, or of another class.
        OSError: it cannot be written.
    """
    _begun(order, secret, folder)
    with _held(folder):
        yield from _gone_on(order, students, secret, folder, jobs)


def _gone_on(order: Order, students: Sequence[Student], secret: Secret, folder: Path, jobs: int) -> Iterator[Outcome]:
    """What is missing of a class."""
    for left in folder.iterdir():  # what a run that was killed left
        if any(left.name.startswith(f".{student.id}.") for student in students) and not left.is_symlink():
            shutil.rmtree(left, ignore_errors=True)
    done: dict[str, Outcome] = {}
    waiting = []
    for student in students:
        kept = _kept(order, secret, folder / student.id, student)
        if kept is None:
            waiting.append(student)
            continue
        done[student.id] = kept
        yield kept
    for outcome in _made(order, waiting, secret, folder, jobs):
        done[outcome.student.id] = outcome
        yield outcome
    outcomes = [done[student.id] for student in students]
    labs = [(each.student, each.public) for each in outcomes]
    with whole(folder / INDEX) as path:
        path.write_text(index(order.name, order.scenario, order.build, labs), encoding="utf-8", newline="\n")
    if not (folder / BOOK).exists():  # the teacher may have written into it
        with whole(folder / BOOK) as path:
            path.write_bytes(book([(student, public, None, "") for student, public in labs]))


@contextmanager
def _held(folder: Path) -> Iterator[None]:
    """A class for this run alone.

    Raises:
        LabError: another run works on it.
    """
    with (folder / LOCK).open("a") as lock:
        if os.name != "nt":
            import fcntl

            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                raise LabError(f"another run works on {folder}") from None
        yield


def _begun(order: Order, secret: Secret, folder: Path) -> None:
    """The folder, which is new, empty or of this class."""
    folder.mkdir(parents=True, exist_ok=True)
    mine = {"form": FORM, "name": order.name, "scenario": order.scenario, "build": order.build,
            "count": order.count, "format": order.form, "class": secret.identity(order.name, "")}  # fmt: skip
    try:
        there = json.loads((folder / CLASS).read_bytes())
    except FileNotFoundError:
        if any(folder.iterdir()):
            raise LabError(f"{folder} is there and is no class; nothing is overwritten") from None
    except ValueError:
        raise LabError(f"{folder / CLASS} was damaged") from None
    else:
        if there != mine:
            raise LabError(f"{folder} holds another class, or this one made otherwise; nothing is overwritten")
        return
    with whole(folder / CLASS) as path:
        path.write_text(json.dumps(mine, indent=1) + "\n", encoding="utf-8")


def _kept(order: Order, secret: Secret, place: Path, student: Student) -> Outcome | None:
    """The lab that is there already; ``None`` where there is none.

    Raises:
        LabError: something else is in its place.
    """
    if not os.path.lexists(place):
        return None
    public = public_of(handout_of(place))
    if public["identity"] != secret.identity(order.name, student.id):
        raise LabError(f"{place} holds another lab; nothing is overwritten")
    return Outcome(student, public, kept=True)


def _made(order: Order, students: Sequence[Student], secret: Secret, folder: Path, jobs: int) -> Iterator[Outcome]:
    """The labs that are not there, one process for each that is worked on."""
    tasks = [(order, student, secret, folder / student.id) for student in students]
    if min(jobs, len(tasks)) <= 1:
        yield from map(_one, tasks)
        return
    # started anew and not forked: a fork of a process with threads may stop for ever
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(min(jobs, len(tasks)), mp_context=spawn) as pool:
        waiting = [pool.submit(_one, task) for task in tasks]
        try:
            for each in as_completed(waiting):
                yield each.result()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _one(task: tuple[Order, Student, Secret, Path]) -> Outcome:
    order, student, secret, place = task
    try:
        return Outcome(student, make(order, student.id, secret, place).public())
    except Error as error:
        return Outcome(student, None, str(error))
    except OSError as error:
        return Outcome(student, None, f"{error.filename or place}: {error.strerror or error}")
