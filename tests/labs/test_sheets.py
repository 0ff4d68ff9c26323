"""The questions of a lab in the forms of platforms, each read back by a parser that is not ours."""

from __future__ import annotations

import io
import zipfile
from html.parser import HTMLParser
from typing import Any
from xml.etree import ElementTree as Tree

import pytest
import yaml
from markdown import markdown as rendered

from process_anatomy.labs.answered import read_answers, sheet
from process_anatomy.labs.lab import Lab
from process_anatomy.labs.question import AnswerKind
from process_anatomy.labs.sheets.accepted import accepted
from process_anatomy.labs.sheets.ctfd import ctfd
from process_anatomy.labs.sheets.moodle import moodle
from process_anatomy.labs.sheets.paper import hint_sheet, markdown, page
from process_anatomy.labs.sheets.qti import qti
from process_anatomy.views.shown import safe_text
from tests.labs.conftest import HOSTILE

TYPES = {"category", "numerical", "shortanswer"}
NEEDED = ("name", "author", "category", "description", "attribution", "value")
"""Fields without which ctfcli takes no challenge."""
QTI = "{http://www.imsglobal.org/xsd/ims_qtiasiv1p2}"
CONTENT = "{http://www.imsglobal.org/xsd/imsccv1p1/imscp_v1p1}"


class Page(HTMLParser):
    """Names of elements, and all text."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.text = ""
        self.feed(source)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)

    def handle_data(self, data: str) -> None:
        self.text += data


def text_of(parent: Tree.Element, path: str) -> str:
    found = parent.find(path)
    assert found is not None
    return found.text or ""


def test_moodle_has_one_question_for_each_of_the_lab_and_what_is_right_gives_all_points(on_paper: Lab) -> None:
    quiz = Tree.fromstring(moodle(on_paper))  # noqa: S314  # it is ours
    first, *asked = quiz.findall("question")
    assert quiz.tag == "quiz"
    assert text_of(first, "category/text") == "$course$/top/week//3/ada"
    assert {each.get("type") for each in [first, *asked]} == TYPES
    assert len(asked) == len(on_paper.tasks)
    for element, task in zip(asked, on_paper.tasks, strict=True):
        assert Page(text_of(element, "questiontext/text")).text.startswith(safe_text(task.question.text))
        assert text_of(element, "defaultgrade") == str(task.points)
        assert len(element.findall("hint")) == len(task.hints)
        right = [text_of(each, "text") for each in element.findall("answer") if each.get("fraction") == "100"]
        assert right[0].replace("\\*", "*") == safe_text(accepted(task.question)[0])
        assert all("*" not in each.replace("\\*", "") for each in right)  # it would stand for any text


def test_moodle_tells_what_is_nearly_right_and_gives_nothing_for_it(on_paper: Lab) -> None:
    answers = Tree.fromstring(moodle(on_paper)).findall("question")[1].findall("answer")  # noqa: S314
    assert [(each.get("fraction"), text_of(each, "text"), text_of(each, "tolerance")) for each in answers] == [
        ("100", "0", "0"),
        ("0", "4096", "0"),
    ]
    assert Page(text_of(answers[1], "feedback/text")).text == "that is the size"


def test_ctfd_challenges_have_the_fields_that_ctfcli_asks_for(on_paper: Lab) -> None:
    read = [(folder, yaml.safe_load(text)) for folder, text in ctfd(on_paper)]
    assert [folder for folder, _ in read] == [task.name for task in on_paper.tasks]
    assert len({each["name"] for _, each in read}) == len(read)
    for (_, each), task in zip(read, on_paper.tasks, strict=True):
        assert not [name for name in NEEDED if each.get(name) is None]
        assert each["type"] == "standard"
        assert each["state"] == "visible"
        assert all(set(flag) == {"type", "content", "data"} and flag["type"] == "static" for flag in each["flags"])
        assert each["flags"][0]["content"] == safe_text(accepted(task.question)[0])
        assert [hint["cost"] * task.points for hint in each["hints"]] == [
            hint.cost * each["value"] for hint in task.hints
        ]


def test_qti_is_a_package_whose_manifest_names_its_files_and_whose_items_are_the_questions(on_paper: Lab) -> None:
    with zipfile.ZipFile(io.BytesIO(qti(on_paper))) as package:
        assert package.testzip() is None
        manifest = Tree.fromstring(package.read("imsmanifest.xml"))  # noqa: S314
        named = [each.get("href") or "" for each in manifest.iter(f"{CONTENT}file")]
        assert named
        assert set(named) <= set(package.namelist())
        assessment = Tree.fromstring(package.read(next(name for name in named if "assessment_meta" not in name)))  # noqa: S314
    items = list(assessment.iter(f"{QTI}item"))
    assert [each.get("title") for each in items] == [task.name for task in on_paper.tasks]
    for item, task in zip(items, on_paper.tasks, strict=True):
        shown = Page(next(item.iter(f"{QTI}mattext")).text or "")
        assert " ".join(shown.text.split()).startswith(" ".join(safe_text(task.question.text).split()))
        assert "script" not in shown.tags
    texts = {each.text for each in items[1].iter(f"{QTI}varequal")}
    assert "0xffffd9bfd4a117b0" in texts
    assert "0xd9bfd4a117b0" in texts


@pytest.mark.parametrize("make", [page, lambda lab: rendered(markdown(lab)), lambda lab: rendered(hint_sheet(lab))])
def test_a_name_from_memory_is_text_on_every_sheet(on_paper: Lab, make: Any) -> None:
    read = Page(make(on_paper))
    assert "script" not in read.tags
    assert "a" not in read.tags
    assert "\x1b" not in read.text
    assert "\u202e" not in read.text


def test_the_sheets_show_names_as_they_are(on_paper: Lab) -> None:
    for made in (page(on_paper), rendered(markdown(on_paper))):
        assert safe_text(HOSTILE) in Page(made).text


def test_a_page_runs_nothing_and_loads_nothing(on_paper: Lab) -> None:
    read = Page(page(on_paper))
    assert not {"script", "img", "link", "iframe", "form", "object"} & set(read.tags)
    assert "default-src 'none'" in page(on_paper)


def test_sheets_for_students_do_not_tell_what_is_right(on_paper: Lab) -> None:
    telling = [task for task in on_paper.tasks if task.question.kind is AnswerKind.MOMENT]
    for text in (page(on_paper), markdown(on_paper), hint_sheet(on_paper), sheet(on_paper.public())):
        for task in telling:
            assert not [each for each in accepted(task.question) if each in text]


def test_the_file_of_answers_reads_as_empty_as_it_is_given(on_paper: Lab, tmp_path: Any) -> None:
    public = on_paper.public()
    path = tmp_path / "answers.toml"
    path.write_text(sheet(public), encoding="utf-8")
    given = read_answers(path, public)
    assert set(given.texts.values()) == {""}
    assert set(given.hints.values()) == {0}
