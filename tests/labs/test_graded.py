"""A whole file of answers: who is it of, what can be read of it, and how many points it gives."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from process_anatomy.errors import LabError
from process_anatomy.labs.answered import Answers, read_answers
from process_anatomy.labs.graded import graded, ill_formed
from process_anatomy.labs.grading import Verdict
from process_anatomy.labs.lab import Lab
from process_anatomy.labs.sheets.accepted import accepted

NUMBER, ADDRESS, NAME, PATH, YES_NO, NAMES, MOMENT = (f"q0{number}" for number in range(1, 8))


def answers(lab: Lab, texts: Mapping[str, str], hints: Mapping[str, int] | None = None) -> Answers:
    return Answers(lab.identity, texts, hints or {})


def points(lab: Lab, name: str, text: str, hints: int = 0) -> float:
    result = graded(lab, answers(lab, {name: text}, {name: hints}))
    return next(each.points for each in result.marked if each.task.name == name)


def test_every_text_that_platforms_accept_is_right_here_too(on_paper: Lab) -> None:
    for task in on_paper.tasks:
        for text in accepted(task.question):
            assert points(on_paper, task.name, text) == task.points, text


def test_all_that_is_right_gives_all_points(on_paper: Lab) -> None:
    result = graded(on_paper, answers(on_paper, {task.name: accepted(task.question)[0] for task in on_paper.tasks}))
    assert result.points == on_paper.points
    assert result.unfinished == []


@pytest.mark.parametrize(
    ("answer", "share"),
    [("8, 12", 1), ("8", 0.5), ("8, 4", 0), ("8, 12, 4", 0.5), ("4, 16, 20", 0), ("", 0)],
)
def test_a_part_of_several_things_gives_its_share_and_each_wrong_one_takes_one_away(
    on_paper: Lab, answer: str, share: float
) -> None:
    assert points(on_paper, NAMES, answer) == 4 * share


def test_one_thing_is_right_or_gives_nothing_however_near(on_paper: Lab) -> None:
    result = graded(on_paper, answers(on_paper, {NUMBER: "4096", MOMENT: "2024-02-29 22:10:09"}))
    assert result.count(Verdict.NEAR) == 2
    assert result.points == 0


def test_what_was_not_attempted_is_not_wrong_and_costs_nothing(on_paper: Lab) -> None:
    result = graded(on_paper, answers(on_paper, {YES_NO: "yes", NAME: "?"}, {PATH: 3}))
    assert result.count(Verdict.WRONG) == 1
    assert result.count(Verdict.NOT_ATTEMPTED) == len(on_paper.tasks) - 1
    assert result.points == 0
    assert YES_NO not in result.unfinished


@pytest.mark.parametrize(("hints", "left"), [(0, 4), (1, 4), (2, 3), (3, 1)])
def test_hints_cost_what_they_say_and_the_first_is_free(on_paper: Lab, hints: int, left: int) -> None:
    assert points(on_paper, YES_NO, "no", hints) == left


def test_hints_never_lead_below_nothing(on_paper: Lab) -> None:
    assert points(on_paper, NAMES, "8", 3) == 0


def test_a_lab_reads_as_it_was_sealed(on_paper: Lab) -> None:
    assert Lab.read(on_paper.key()) == on_paper


def filled(lab: Lab, tmp_path: Path, text: str) -> Path:
    path = tmp_path / "answers.toml"
    path.write_text(f'lab = "{lab.identity}"\n{text}', encoding="utf-8")
    return path


def test_answers_without_quotation_marks_mean_the_same(on_paper: Lab, tmp_path: Path) -> None:
    text = (
        f"[{NUMBER}]\nanswer = 0\n[{ADDRESS}]\nanswer = 0x7fff\n[{YES_NO}]\nanswer = false\n"
        f"[{NAMES}]\nanswer = [8, 12]\n[{MOMENT}]\nanswer = 2024-02-29T21:10:09Z\nhints = 1\n"
    )
    read = read_answers(filled(on_paper, tmp_path, text), on_paper.public())
    assert {name: text for name, text in read.texts.items() if text} == {
        NUMBER: "0",
        ADDRESS: "0x7fff",
        YES_NO: "no",
        NAMES: "8, 12",
        MOMENT: "2024-02-29T21:10:09+00:00",
    }
    assert read.hints[MOMENT] == 1


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("[q01]\nanswer = a b\n", "line 3"),
        ("[q99]\nanswer = ''\n", "'q99', which is no question"),
        ("[q01]\nanwser = ''\n", "not 'anwser'"),
        ("[q01]\nhints = 9\n", "from 0 to 3"),
        ("[q01]\nhints = true\n", "from 0 to 3"),
        ("[q01]\nanswer = {a = 1}\n", "one text"),
        ("q01 = 5\n", "takes a table"),
    ],
)
def test_what_cannot_be_graded_is_told_with_its_place(on_paper: Lab, tmp_path: Path, text: str, what: str) -> None:
    with pytest.raises(LabError, match=what):
        read_answers(filled(on_paper, tmp_path, text), on_paper.public())


def test_answers_of_another_lab_are_told(on_paper: Lab, tmp_path: Path) -> None:
    path = tmp_path / "answers.toml"
    for text, what in (('lab = "ff"\n', "another lab"), ("[q01]\nanswer = ''\n", "does not say which lab")):
        path.write_text(text, encoding="utf-8")
        with pytest.raises(LabError, match=what):
            read_answers(path, on_paper.public())
    with pytest.raises(LabError, match="is not there"):
        read_answers(tmp_path / "absent", on_paper.public())


def test_what_cannot_be_right_is_told_without_the_key(on_paper: Lab) -> None:
    given = {task.name: "" for task in on_paper.tasks} | {NUMBER: "many", YES_NO: "perhaps", NAME: "x", MOMENT: "noon"}
    assert set(ill_formed(on_paper.public(), answers(on_paper, given))) == {NUMBER, YES_NO, MOMENT}
    right = {task.name: accepted(task.question)[0] for task in on_paper.tasks}
    assert ill_formed(on_paper.public(), answers(on_paper, right)) == {}
