"""A lab that was made: who gets what, when none is made, and how it is solved and graded on the command line."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from process_anatomy import open_image
from process_anatomy.command.program import main
from process_anatomy.errors import LabError
from process_anatomy.labs.answered import sheet
from process_anatomy.labs.lab import Lab
from process_anatomy.labs.making import USUAL, selection, whole_folder, without_tales
from process_anatomy.labs.question import COMPONENTS, Question
from process_anatomy.labs.sheets.accepted import accepted
from process_anatomy.labs.witnesses.confirming import OURS, STOCK, TRUTH, confirmed
from process_anatomy.labs.witnesses.stock import READINGS, ByStock, sort_of
from tests.labs.conftest import Made


class Nobody:
    """A witness that has nothing to say."""

    def answers(self, question: Question) -> list[object] | None:
        return None


class Liar:
    """A witness that says something else."""

    def answers(self, question: Question) -> list[object] | None:
        return ["something else"]


def test_a_lab_asks_about_all_six_components_and_two_witnesses_confirm_each_key(made: Made) -> None:
    assert len(made.lab.tasks) == USUAL
    assert {task.question.component for task in made.lab.tasks} == set(COMPONENTS)
    for task in made.lab.tasks:
        assert OURS in task.confirmed
        assert {TRUTH, STOCK} & set(task.confirmed)
    by_stock = sum(STOCK in task.confirmed for task in made.lab.tasks)
    assert by_stock >= USUAL // 2


def test_a_lab_asks_about_what_its_scenario_is_about_and_names_nobody_who_is_to_be_found(made: Made) -> None:
    hidden = next(task for task in made.lab.tasks if sort_of(task.question)[0] == "process-id/hidden")
    assert isinstance(hidden.question.answer, tuple)
    for pid in hidden.question.answer:
        assert not [task for task in made.lab.tasks if f"({pid})" in task.question.text]
    asked = [task.question for task in made.lab.tasks]
    for guilty in {each.pid for each in asked if each.pid is not None}:
        kept = selection(asked, [guilty], 12, 7)
        assert len(kept) == 12
        of_it = [each for each in asked if each.pid == guilty]
        assert len([each for each in kept if each.pid == guilty]) >= min(2, len(of_it))


def test_a_key_that_a_witness_denies_makes_no_lab(made: Made) -> None:
    image = open_image(made.folder / "handout" / made.lab.image)
    asked = [task.question for task in made.lab.tasks if not task.question.column or "pid" in task.question.id][:2]
    asked = asked or [made.lab.tasks[0].question]
    for truth, stock, who in ((Liar(), Nobody(), TRUTH), (Nobody(), Liar(), STOCK)):
        with pytest.raises(LabError, match=f"no lab is written: {who} answers"):
            confirmed(asked, image, truth, stock)  # type: ignore[arg-type]
    assert confirmed(asked, image, Nobody(), Nobody()) == {}  # type: ignore[arg-type]


def test_a_stock_plugin_runs_once_for_all_processes_that_are_asked_about(made: Made) -> None:
    calls: list[tuple[str, list[int]]] = []

    class Source:
        def rows(self, plugin: str, pids: Iterable[int] = ()) -> list[dict[str, Any]]:
            calls.append((plugin, list(pids)))
            return []

    asked = [task.question for task in made.lab.tasks]
    stock = ByStock(Source(), asked)
    for each in [*asked, *asked]:
        stock.rows(each)
    assert len(calls) == len({plugin for plugin, _ in calls})
    for plugin, pids in calls:
        readings = [(each.pid, READINGS.get(sort_of(each)[0])) for each in asked]
        wanted = {pid for pid, reading in readings if reading and reading[::2] == (plugin, False)}
        assert set(pids) == wanted - {None}


def test_no_question_names_a_process_with_the_id_that_another_asks_for(made: Made) -> None:
    asked = [task.question for task in made.lab.tasks]
    first = next(each for each in asked if each.pid is not None)
    who = replace(first, id="process-id/pid/x", component="process-id", answer=first.pid or 0, pid=None)
    for seed in range(8):
        chosen = without_tales([*asked, who], 10, seed)
        told = " ".join(each.text for each in chosen)
        assert who not in chosen or f"({who.answer})" not in told


def test_the_handout_holds_neither_seed_nor_answers_and_only_the_key_has_them(made: Made) -> None:
    handout = made.folder / "handout"
    files = [path for path in handout.rglob("*") if path.is_file()]
    assert {path.name for path in files} >= {"lab.json", "answers.toml", "questions.md", "questions.html", "key.age"}
    assert not list(made.folder.rglob("*.truth.json"))
    for path in files:
        if path.suffix in (".json", ".toml", ".md", ".html"):
            text = path.read_text("utf-8")
            assert str(made.lab.seed) not in text
            assert made.secret.content.decode() not in text
    public = json.loads((handout / "lab.json").read_text("utf-8"))
    assert not [each for each in public["questions"] if {"answer", "also", "slips", "column", "id"} & set(each)]


def test_whoever_has_the_secret_makes_the_same_variant_again(made: Made) -> None:
    assert made.lab.seed == made.secret.seed("week 3", "ada")
    assert made.lab.identity == made.secret.identity("week 3", "ada")


def test_a_folder_that_cannot_be_finished_is_not_there(tmp_path: Path) -> None:
    target = tmp_path / "lab"
    with pytest.raises(ZeroDivisionError), whole_folder(target) as folder:
        (folder / "half").write_text(str(1 // 0))
    assert os.listdir(tmp_path) == []
    with whole_folder(target) as folder:
        (folder / "whole").write_text("x")
    assert os.listdir(tmp_path) == ["lab"]
    with pytest.raises(LabError, match="nothing is overwritten"), whole_folder(target):
        pass
    assert os.listdir(target) == ["whole"]


def written(lab: Lab, tmp_path: Path, texts: dict[str, str]) -> Path:
    """The file of answers that students are given, filled in."""
    lines = sheet(lab.public()).splitlines()
    for name, text in texts.items():
        at = lines.index(f"[{name}]") + 1
        assert lines[at] == "answer = ''"
        lines[at] = f"answer = '''{text}'''"
    path = tmp_path / "answers.toml"
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


def test_a_lab_is_graded_with_the_secret(made: Made, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    right = {task.name: accepted(task.question)[0] for task in made.lab.tasks}
    path = written(made.lab, tmp_path, right)
    key = ("--key", str(made.secret_file))
    assert main(["lab", "check", str(made.folder), str(path), *key]) == 0
    told = capsys.readouterr().out
    assert f"ada: {made.lab.points} of {made.lab.points} points (100 %)" in told
    first = made.lab.tasks[0]
    path = written(made.lab, tmp_path, {first.name: "something else"})
    assert main(["lab", "check", str(made.folder / "handout"), str(path), *key, "--format", "json"]) == 4
    graded = json.loads(capsys.readouterr().out)
    assert graded["points"] == 0
    assert graded["questions"][0]["verdict"] == "wrong"
    assert len(graded["unfinished"]) == len(made.lab.tasks) - 1


def test_a_miss_is_explained_with_the_command_that_shows_it(
    made: Made, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first = made.lab.tasks[0]
    path = written(made.lab, tmp_path, {first.name: "something else"})
    assert main(["lab", "check", str(made.folder), str(path), "--key", str(made.secret_file)]) == 4
    told = capsys.readouterr().out
    assert f"vol -f {made.lab.image} windows.anatomy.{first.question.view}" in told
    assert first.question.text in told


def test_without_the_key_only_the_form_is_told(made: Made, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = written(made.lab, tmp_path, {made.lab.tasks[0].name: "something else"})
    assert main(["lab", "check", str(made.folder), str(path)]) == 4
    told = capsys.readouterr().out
    assert f"1 of {USUAL} questions attempted" in told
    assert "wrong" not in told


def test_another_key_and_another_lab_are_told_apart(
    made: Made, on_paper: Lab, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = written(made.lab, tmp_path, {})
    other = tmp_path / "other.secret"
    assert main(["lab", "secret", str(other)]) == 0
    assert main(["lab", "check", str(made.folder), str(path), "--key", str(other)]) == 1
    assert "the key is not the one" in capsys.readouterr().err
    assert main(["lab", "check", str(made.folder), str(path), "--key", str(tmp_path / "absent")]) == 2
    assert "is not there" in capsys.readouterr().err
    path = written(on_paper, tmp_path, {})
    assert main(["lab", "check", str(made.folder), str(path), "--key", str(made.secret_file)]) == 1
    assert "answers of another lab" in capsys.readouterr().err
    assert main(["lab", "check", str(tmp_path), str(path)]) == 1
    assert "is no lab" in capsys.readouterr().err


def test_a_walk_through_a_lab_shows_each_answer_in_rows_of_its_command(
    made: Made, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["lab", "solve", str(made.folder), "--key", str(made.secret_file), "--no-stock"]) == 0
    told = capsys.readouterr().out
    for task in made.lab.tasks:
        assert f"{task.name} ({task.points} points)" in told
    assert told.count("  $ vol -f ") == len(made.lab.tasks)
    assert "no rows" not in told
    assert main(["lab", "solve", str(made.folder)]) == 1
    assert "--key" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        (["nothing"], "there is no scenario 'nothing'"),
        (["office", "--build", "x64-1"], "no Windows is called 'x64-1'"),
        (["office", "--format", "tar"], "there is no format 'tar'"),
        (["office", "--recipient", "age1x", "--passphrase-file", "y"], "not both"),
        (["office", "--student", "a/b"], "cannot be the name of a folder"),
        (["office", "--questions", "9"], "10<=x<=20"),
    ],
)
def test_an_order_that_makes_no_sense_is_told_before_anything_is_forged(
    made: Made, tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], what: str
) -> None:
    common = ["--student", "ada", "--secret", str(made.secret_file), "-o", str(tmp_path / "x")]
    assert main(["lab", "new", *common, *arguments]) == 2
    said = capsys.readouterr().err
    assert what in said
    assert len(said.splitlines()) == 1
    assert os.listdir(tmp_path) == []


def test_a_lab_that_is_there_is_not_made_again(made: Made, capsys: pytest.CaptureFixture[str]) -> None:
    common = ["--student", "ada", "--secret", str(made.secret_file), "-o", str(made.folder)]
    assert main(["lab", "new", "office", *common]) == 1
    assert "nothing is overwritten" in capsys.readouterr().err


@pytest.mark.parametrize("library", ["pyrage", "text2qti"])
def test_a_library_that_is_missing_is_told_with_its_extra_before_anything_is_forged(
    made: Made, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, library: str
) -> None:
    monkeypatch.setitem(sys.modules, library, None)
    common = ["--student", "ada", "--secret", str(made.secret_file), "-o", str(tmp_path / "x")]
    assert main(["lab", "new", "office", *common]) == 2
    said = capsys.readouterr().err
    assert f"{library}: pip install 'process-anatomy[labs]'" in said
    assert len(said.splitlines()) == 1
    assert os.listdir(tmp_path) == []
