"""Questions are answered by the image, by nobody's guess: the forge's key and stock Volatility are the witnesses."""

from __future__ import annotations

import importlib.util
import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from process_anatomy import open_image
from process_anatomy.errors import RequestError
from process_anatomy.labs.asks.subject import note_of
from process_anatomy.labs.grading import Verdict, grade
from process_anatomy.labs.questions import COMPONENTS, AnswerKind, Question, QuestionError, drawn, questions
from process_anatomy.notes import default
from process_anatomy.views.image import Image

ROOT = Path(__file__).resolve().parents[2]
SAMPLE = ROOT / "samples" / "lab-win11-22621.dmp"
NOTEPAD = 5212


@pytest.fixture(scope="module")
def image() -> Image:
    return open_image(SAMPLE)


@pytest.fixture(scope="module")
def found(image: Image) -> list[Question]:
    return questions(image, seed=5)


@pytest.fixture(scope="module")
def notepad(image: Image) -> dict[str, Question]:
    """What is asked about one process, by component and sort, where there is one of the sort."""
    return {"/".join(each.id.split("/")[:2]): each for each in questions(image, (NOTEPAD,))}


@pytest.fixture(scope="module")
def truth() -> dict[str, Any]:
    told = json.loads((ROOT / "samples" / "lab-win11-22621.truth.json").read_text("utf-8"))
    return next(each for each in told["processes"] if each["pid"] == NOTEPAD)


def written(question: Question) -> str:
    """What is right, as somebody would write it."""
    answer = question.answer
    if isinstance(answer, tuple):
        return ", ".join(answer)
    if isinstance(answer, bool):
        return "yes" if answer else "no"
    return f"{answer:#x}" if question.kind is AnswerKind.ADDRESS else str(answer)


def test_each_component_is_asked_about_in_three_grades_of_difficulty(found: list[Question]) -> None:
    asked = {(each.component, each.difficulty) for each in found}
    assert asked == {(component, difficulty) for component in COMPONENTS for difficulty in (1, 2, 3)}
    assert all(count == 1 for count in Counter(each.id for each in found).values())


def test_what_is_right_is_graded_right_and_each_slip_near(found: list[Question]) -> None:
    for each in found:
        assert grade(each, written(each)).verdict is Verdict.RIGHT, each
        assert all(grade(each, other).verdict is Verdict.RIGHT for other in each.also), each
        assert all(grade(each, slip).verdict is Verdict.NEAR for slip, _ in each.slips), each


def test_what_is_shown_before_the_answer_does_not_hold_it(found: list[Question]) -> None:
    for each in found:
        if each.kind is not AnswerKind.YES_NO and len(written(each)) > 4:
            shown = json.dumps([each.asked(), each.commands, each.stock])
            assert written(each) not in shown.replace(each.text, "") or each.column == "PPID", each


def test_the_key_of_the_forge_has_the_same_answers(notepad: dict[str, Question], truth: dict[str, Any]) -> None:
    vads = truth["vads"]
    expected = {
        "private-address-space/vads": len(vads),
        "open-handles/handles": len(truth["handles"]),
        "threads/threads": len(truth["threads"]),
        "process-id/pid": truth["pid"],
        "process-id/ppid": truth["ppid"],
        "process-id/eprocess": truth["eprocess"],
        "process-id/session": truth["session"],
        "executable-program/base": truth["image_base"],
        "executable-program/commandline": truth["command_line"],
        "executable-program/currentdirectory": truth["current_directory"],
        "executable-program/debugged": bool(truth["debug_port"]),
    }
    assert {name: notepad[name].answer for name in expected} == expected
    assert notepad["process-id/created"].answer == truth["create_time"].replace("Z", "+00:00")[:19] + "+00:00"


def test_the_answers_of_an_image_that_was_not_forged_by_us_are_those_of_its_key(
    foreign: Callable[[str], Path], shared: Path
) -> None:
    told = json.loads((shared / "images" / "win10-19041.truth.json").read_text("utf-8"))
    truth = {each["pid"]: each for each in told["processes"] if not each["exited"]}
    asked = questions(open_image(foreign("win10-19041.raw")))
    facts: dict[str, Callable[[dict[str, Any]], Any]] = {
        "vads": lambda each: len(each["vads"]),
        "handles": lambda each: len(each["handles"]),
        "threads": lambda each: len(each["threads"]),
        "ppid": lambda each: each["ppid"],
        "eprocess": lambda each: each["eprocess"],
        "base": lambda each: each["image_base"],
    }
    checked = Counter[str]()
    for each in asked:
        sort = each.id.split("/")[1]
        if sort in facts and each.pid is not None:
            assert each.answer == facts[sort](truth[each.pid]), each
            checked[sort] += 1
    assert checked.keys() == facts.keys()


def test_the_process_that_is_on_no_list_is_asked_for(found: list[Question]) -> None:
    assert next(each for each in found if each.id == "process-id/hidden").answer == ("7148",)


def test_a_seed_draws_the_same_sheet_again_and_another_another(image: Image, found: list[Question]) -> None:
    assert questions(image, seed=5) == found
    sheet = drawn(found, 12, 1)
    assert sheet == drawn(list(reversed(found)), 12, 1)
    assert sheet != drawn(found, 12, 2)
    assert Counter(each.component for each in sheet) == dict.fromkeys(COMPONENTS, 2)
    assert [each.difficulty for each in sheet] == sorted(each.difficulty for each in sheet)
    assert {each.component for each in drawn(found, 5, components=["threads"])} == {"threads"}
    assert len(drawn(found, 10**6)) == len(found)


def test_a_question_comes_back_from_json_as_it_was(found: list[Question]) -> None:
    assert [Question.restored(json.loads(json.dumps(each.stored()))) for each in found] == found


@pytest.mark.parametrize(
    "broken", [{"kind": "SONG"}, {"answer": None}, {"answer": "5"}, {"slips": [1]}, {"pid": "x"}, {"also": 5}]
)
def test_a_broken_stored_question_is_declined(found: list[Question], broken: dict[str, Any]) -> None:
    number = next(each for each in found if each.kind is AnswerKind.NUMBER)
    with pytest.raises(QuestionError):
        Question.restored(number.stored() | broken)
    with pytest.raises(QuestionError):
        Question.restored({})


def test_each_has_an_explanation_and_commands_that_exist(found: list[Question], image: Image) -> None:
    for each in found:
        assert default()[each.explanation].brief, each
        assert each.view in image.views
        assert all(f"windows.anatomy.{each.view}" in command for command in each.commands)
    plugins = importlib.util.find_spec("volatility3.framework.plugins")
    assert plugins is not None
    assert plugins.submodule_search_locations
    folder = Path(next(iter(plugins.submodule_search_locations)))
    stock = {command.split()[3] for each in found for command in each.stock}
    assert len(stock) > 10
    for name in stock:
        assert folder.joinpath(*name.split(".")).with_suffix(".py").is_file(), name


def test_a_process_that_is_not_there_is_not_asked_about(image: Image) -> None:
    with pytest.raises(RequestError):
        questions(image, (12345678,))


def test_a_value_that_no_windows_has_is_explained_by_what_it_is_a_value_of() -> None:
    assert note_of("wait-reason/UserRequest", "term/ethread") == "wait-reason/UserRequest"
    assert note_of("wait-reason/0x77", "term/ethread") == "term/ethread"
    assert note_of("protection/", "term/vad-node") == "term/vad-node"
