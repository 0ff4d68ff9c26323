"""``anatomy lab class``, and the answers of a class graded: one line a student."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from process_anatomy.command.statuses import DONE, FAILED, PARTLY
from process_anatomy.errors import LabError

if TYPE_CHECKING:
    from process_anatomy.labs.book import Line
    from process_anatomy.labs.classes import Outcome
    from process_anatomy.labs.making import Order
    from process_anatomy.labs.roster import Student


def make(order: Order, roster: Path, secret: Path, folder: Path, jobs: int | None) -> int:
    """Make the labs of a class, telling of each; gives the exit status."""
    from process_anatomy.labs.classes import make_class
    from process_anatomy.labs.roster import read_roster
    from process_anatomy.labs.variants import read_secret

    students = read_roster(roster)
    failed = 0
    for number, one in enumerate(make_class(order, students, read_secret(secret), folder, jobs or processors()), 1):
        failed += one.public is None
        _line(one, number, len(students))
    made = len(students) - failed
    click.echo(f"{folder}: {made} of {len(students)} labs; {folder / 'index.html'} leads to them")
    return DONE if not failed else PARTLY if made else FAILED


def processors() -> int:
    """Processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _line(one: Outcome, number: int, count: int) -> None:
    from process_anatomy.views.shown import safe_text

    if one.public is None:
        what = one.problem
    else:
        kept = ", was there" if one.kept else ""
        what = f"{len(one.public['questions'])} questions, {one.public['points']} points{kept}"
    print(
        safe_text(f"{number}/{count} {one.student.id}: {what}"),
        file=sys.stderr if one.public is None else sys.stdout,
        flush=True,
    )


def grade(folder: Path, answers: Path, key: str, target: Path | None) -> int:
    """Grade the answers of a class into a grade book; gives the exit status.

    Args:
        folder: of the class.
        answers: a folder with ``ID.toml`` for each student.
        key: what opens their keys.
        target: the file of the grade book, which is not overwritten; standard output where it is left out.
    """
    from process_anatomy.forge.machine.containers import whole
    from process_anatomy.labs.book import book
    from process_anatomy.labs.opening import handouts_in
    from process_anatomy.labs.roster import Student

    if target is not None and os.path.lexists(target):
        raise LabError(f"{target} is there already, and nothing is overwritten")
    if not answers.is_dir():
        raise LabError(f"{answers} is no folder; a class's answers lie in one, as ID.toml")
    lines: list[Line] = [
        _graded(Student(student), handout, answers / f"{student}.toml", key)
        for student, handout in handouts_in(folder).items()
    ]
    content = book(lines)
    if target is None:
        sys.stdout.flush()
        sys.stdout.buffer.write(content)
    else:
        with whole(target) as path:
            path.write_bytes(content)
        click.echo(f"{target}: {sum(line[2] is not None for line in lines)} of {len(lines)} students graded")
    return PARTLY if any(line[3] for line in lines) else DONE


def _graded(student: Student, handout: Path, path: Path, key: str) -> Line:
    """One student's line: graded, or why it could not be."""
    from process_anatomy.labs.answered import read_answers
    from process_anatomy.labs.graded import graded
    from process_anatomy.labs.opening import lab_of, public_of

    public = public_of(handout)
    if not path.exists():
        return student, public, None, "no answers were handed in"
    try:
        result = graded(lab_of(handout, key), read_answers(path, public))
    except LabError as error:
        return student, public, None, str(error)
    unfinished = f"not attempted: {' '.join(result.unfinished)}" if result.unfinished else ""
    return student, public, result, unfinished
