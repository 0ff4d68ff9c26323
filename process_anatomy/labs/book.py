"""What a teacher keeps of a class: a grade book that no spreadsheet executes, and a page with all labs."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping
from html import escape
from typing import Any
from urllib.parse import quote

from process_anatomy.labs.graded import Result
from process_anatomy.labs.grading import Verdict
from process_anatomy.labs.lab import HANDOUT, INSTRUCTOR
from process_anatomy.labs.roster import Student
from process_anatomy.labs.sheets.paper import document
from process_anatomy.views.files import harmless
from process_anatomy.views.shown import safe_text

HEADINGS = (
    "student", "name", "lab", "points", "of", "percent", "right", "near", "wrong", "not attempted", "hints", "remark",
)  # fmt: skip
Public = Mapping[str, Any]
Line = tuple[Student, "Public | None", "Result | None", str]
"""A student, what is known of the lab, its grading where it was graded, and what is to be said."""
FILES = (
    (HANDOUT, "questions.html", "questions"),
    (HANDOUT, "hints.md", "hints"),
    (INSTRUCTOR, "moodle.xml", "Moodle"),
    (INSTRUCTOR, "qti.zip", "QTI"),
    (INSTRUCTOR, "ctfd", "CTFd"),
)


def book(lines: Iterable[Line]) -> bytes:
    """A grade book as CSV in UTF-8, one line a student; without grades, its cells are empty and not zero."""
    text = io.StringIO(newline="")
    written = csv.writer(text)
    written.writerow(HEADINGS)
    for student, public, result, remark in lines:
        identity, of = ("", "") if public is None else (public["identity"], public["points"])
        cells: list[object] = [student.id, student.name, identity]
        if result is None:
            cells += ["", of, "", "", "", "", "", ""]
        else:
            share = round(100 * result.points / result.lab.points, 1)
            cells += [f"{result.points:g}", of, f"{share:g}", *(result.count(verdict) for verdict in Verdict)]
            cells.append(sum(each.hints for each in result.marked))
        written.writerow([harmless(each) if isinstance(each, str) else each for each in (*cells, remark)])
    return text.getvalue().encode("utf-8", "backslashreplace")


def index(name: str, scenario: str, build: str, labs: Iterable[tuple[Student, Public | None]]) -> str:
    """One page for the teacher: each student's lab with its files.

    Args:
        name: of the lab.
        scenario: what its images show.
        build: layout of the kernel in them.
        labs: each student and what is known of the lab; ``None`` where it could not be made.
    """
    rows = [_row(student, public) for student, public in labs]
    body = [
        f"<h1>{_html(name)}</h1>",
        f"<p>Scenario {_html(scenario)} on {_html(build)}, {len(rows)} students. This page and the folders"
        f" <code>{INSTRUCTOR}</code> tell the answers: give each student the folder <code>{HANDOUT}</code>"
        " alone.</p>",
        "<p>Who has the secret makes any of these labs again, grades it and walks through it:</p>",
        "<p><code>anatomy lab check ID ANSWERS.toml --key SECRET</code><br>"
        "<code>anatomy lab solve ID --key SECRET</code></p>",
        "<table><tr><th>Student<th>Name<th>Questions<th>Points<th>Files<th>Image (SHA-256)</tr>",
        *rows,
        "</table>",
    ]
    return document(name, body)


def _row(student: Student, public: Public | None) -> str:
    who = f"<tr><td>{_html(student.id)}<td>{_html(student.name)}"
    if public is None:
        return f"{who}<td colspan=4>could not be made</tr>"
    links = " ".join(f'<a href="{quote(f"{student.id}/{folder}/{file}")}">{title}</a>' for folder, file, title in FILES)
    sha256 = _html(str(public["sha256"])[:16])
    return f"{who}<td>{len(public['questions'])}<td>{public['points']}<td>{links}<td><code>{sha256}…</code></tr>"


def _html(text: str) -> str:
    return escape(safe_text(text))
