"""The labs of a class: who is in it, what is kept where it is gone on with, grade book and page of the teacher."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from pathlib import Path

import pytest

from process_anatomy.command.program import main
from process_anatomy.errors import LabError
from process_anatomy.labs import classes
from process_anatomy.labs.answered import sheet
from process_anatomy.labs.lab import SEALED, Lab
from process_anatomy.labs.making import Order, tell, whole_folder
from process_anatomy.labs.roster import Student, read_roster
from process_anatomy.labs.sealing import recipient_of, seal
from process_anatomy.labs.sheets.accepted import accepted
from process_anatomy.labs.variants import Secret, read_secret, write_secret
from tests.labs.test_sheets import Page

ROSTER = "\ufeffID;Name;E-mail\nada;=cmd|'/c calc'!A1;a@x\n\nbob;Bob;b@x\ncy;<b>Cy</b>;c@x\n"
FORMULA = "=cmd|'/c calc'!A1"


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    path = tmp_path / "teacher.secret"
    write_secret(path)
    return path


@pytest.fixture
def made(on_paper: Lab, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Labs are made without images; gives the students whose labs were made.  Cy's cannot be."""
    students: list[str] = []

    def make(order: Order, student: str, secret: Secret, target: Path) -> Lab:
        if student == "cy":
            raise LabError("no lab is written: somebody answers otherwise")
        students.append(student)
        lab = replace(on_paper, name=order.name, student=student, identity=secret.identity(order.name, student))
        with whole_folder(target) as folder:
            tell(lab, folder)
            (folder / "handout" / SEALED).write_bytes(seal(lab.key(), [recipient_of(secret)]))
        return lab

    monkeypatch.setattr(classes, "make", make)
    return students


@pytest.fixture
def roster(tmp_path: Path) -> Path:
    path = tmp_path / "roster.csv"
    path.write_text(ROSTER, encoding="utf-8")
    return path


def command(roster: Path, secret: Path, folder: Path, *more: str) -> int:
    common = ["--scenario", "office", "--lab", "week 3", "--secret", str(secret), "-o", str(folder), "--jobs", "1"]
    return main(["lab", "class", str(roster), *common, *more])


def rows(content: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(content)))


def test_a_roster_is_read_as_spreadsheets_write_it(roster: Path) -> None:
    assert read_roster(roster) == (Student("ada", FORMULA), Student("bob", "Bob"), Student("cy", "<b>Cy</b>"))


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("name\nada\n", "line 1: one column is called student"),
        ("student\nada\nADA\n", "line 3: ADA is there already"),
        ("student,name\nada\n", "line 2: 1 cells, and the first line has 2"),
        ("student\n../x\n", "line 2: the student's id '../x' cannot"),
        ("student\n", "0 students"),
        ("", "line 1"),
    ],
)
def test_what_is_wrong_with_a_roster_is_told_with_its_line(tmp_path: Path, text: str, what: str) -> None:
    path = tmp_path / "roster.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(LabError, match=what):
        read_roster(path)


def test_each_student_has_a_lab_and_who_has_none_is_told(
    roster: Path, secret: Path, made: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "class"
    assert command(roster, secret, folder) == 4
    said = capsys.readouterr()
    assert "2 of 3 labs" in said.out
    assert "cy: no lab is written" in said.err
    identities = {
        student: json.loads((folder / student / "handout" / "lab.json").read_text("utf-8"))["identity"]
        for student in made
    }
    assert identities == {each: read_secret(secret).identity("week 3", each) for each in ("ada", "bob")}


def test_a_class_is_gone_on_with_and_its_grade_book_is_left_as_it_is(
    roster: Path, secret: Path, made: list[str], tmp_path: Path
) -> None:
    folder = tmp_path / "class"
    command(roster, secret, folder)
    (folder / "grades.csv").write_text("mine")
    (folder / "bob").rename(tmp_path / "away")
    (folder / ".bob.x1y2").mkdir()  # as a run that was killed leaves it
    assert command(roster, secret, folder) == 4
    assert made == ["ada", "bob", "bob"]
    assert (folder / "grades.csv").read_text() == "mine"
    assert not (folder / ".bob.x1y2").exists()


def test_a_folder_of_something_else_is_left_alone(
    roster: Path, secret: Path, made: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "class"
    folder.mkdir()
    (folder / "thesis.txt").write_text("x")
    assert command(roster, secret, folder) == 1
    assert "nothing is overwritten" in capsys.readouterr().err
    (folder / "thesis.txt").unlink()
    command(roster, secret, folder)
    capsys.readouterr()
    assert command(roster, secret, folder, "--questions", "12") == 1
    assert "another class" in capsys.readouterr().err
    assert made == ["ada", "bob"]


def test_no_spreadsheet_finds_a_formula_in_a_grade_book_and_nobody_has_points_yet(
    roster: Path, secret: Path, made: list[str], tmp_path: Path
) -> None:
    folder = tmp_path / "class"
    command(roster, secret, folder)
    book = rows((folder / "grades.csv").read_text("utf-8"))
    assert [row["student"] for row in book] == ["ada", "bob", "cy"]
    assert book[0]["name"] == f"'{FORMULA}"
    assert {row["points"] for row in book} == {""}


def test_the_page_of_a_class_leads_to_files_that_are_there_and_shows_names_as_text(
    roster: Path, secret: Path, made: list[str], tmp_path: Path
) -> None:
    folder = tmp_path / "class"
    command(roster, secret, folder)
    page = (folder / "index.html").read_text("utf-8")
    read = Page(page)
    assert "b" not in read.tags
    assert "<b>Cy</b>" in read.text
    links = [part.partition('"')[0] for part in page.split('href="')[1:]]
    assert len(links) == 2 * len({link.rpartition("/")[2] for link in links})
    assert all((folder / link).exists() for link in links)


def test_a_class_is_graded_into_a_book_and_each_line_says_what_is_missing(
    roster: Path, secret: Path, made: list[str], on_paper: Lab, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, handed_in = tmp_path / "class", tmp_path / "handed-in"
    command(roster, secret, folder)
    handed_in.mkdir()
    public = json.loads((folder / "ada" / "handout" / "lab.json").read_text("utf-8"))
    text = sheet(public)
    for task in on_paper.tasks:
        text = text.replace(
            f"[{task.name}]\nanswer = ''", f"[{task.name}]\nanswer = {json.dumps(accepted(task.question)[0])}"
        )
    (handed_in / "ada.toml").write_text(text, encoding="utf-8")
    book = tmp_path / "book.csv"
    key = ("--key", str(secret))
    assert main(["lab", "check", str(folder), str(handed_in), *key, "--book", str(book)]) == 4
    first, second = rows(book.read_text("utf-8"))
    assert (first["student"], first["percent"], first["right"], first["remark"]) == ("ada", "100", "7", "")
    assert (second["student"], second["points"], second["remark"]) == ("bob", "", "no answers were handed in")
    (handed_in / "bob.toml").write_text(text, encoding="utf-8")
    capsys.readouterr()
    assert main(["lab", "check", str(folder), str(handed_in), *key]) == 4
    assert "another lab" in rows(capsys.readouterr().out)[1]["remark"]
    assert main(["lab", "check", str(folder), str(handed_in), *key, "--book", str(book)]) == 1
    assert main(["lab", "check", str(folder), str(handed_in)]) == 2
