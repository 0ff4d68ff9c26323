"""Questions as Moodle imports them (Moodle XML, https://docs.moodle.org/en/Moodle_XML_format).

Numbers are numerical questions; all else are short answers, whose text accepts any case.  In Moodle an asterisk in an
answer stands for any text, so that one of memory is written behind a backslash.
"""

from __future__ import annotations

from html import escape
from xml.etree import ElementTree as Tree  # nosec B405  # it is written here, never parsed

from process_anatomy.labs.hints import explained
from process_anatomy.labs.lab import Lab, Task
from process_anatomy.labs.question import AnswerKind, Question
from process_anatomy.labs.sheets.accepted import accepted
from process_anatomy.labs.sheets.paper import about
from process_anatomy.views.shown import safe_text


def moodle(lab: Lab) -> bytes:
    """The questions of a lab, in a category of the lab and the student."""
    quiz = Tree.Element("quiz")
    category = Tree.SubElement(quiz, "question", type="category")
    place = "/".join(each.replace("/", "//") for each in (lab.name, lab.student))  # a slash of a name is doubled there
    _text(Tree.SubElement(category, "category"), f"$course$/top/{place}")
    for task in lab.tasks:
        quiz.append(_question(lab, task))
    Tree.indent(quiz)
    return bytes(Tree.tostring(quiz, encoding="utf-8", xml_declaration=True)) + b"\n"


def _question(lab: Lab, task: Task) -> Tree.Element:
    question = task.question
    numeric = question.kind is AnswerKind.NUMBER
    made = Tree.Element("question", type="numerical" if numeric else "shortanswer")
    _text(Tree.SubElement(made, "name"), f"{lab.name} {lab.student} {task.name}")
    _html(made, "questiontext", f"<p>{_shown(question.text)}</p><p><small>{_shown(about(task))}</small></p>")
    title, told = explained(question)
    _html(made, "generalfeedback", f"<p><b>{_shown(title)}</b>: {_shown(told)}</p>")
    Tree.SubElement(made, "defaultgrade").text = str(task.points)
    Tree.SubElement(made, "penalty").text = "0.25"
    Tree.SubElement(made, "hidden").text = "0"
    Tree.SubElement(made, "idnumber").text = f"{lab.identity}-{task.name}"
    if not numeric:
        Tree.SubElement(made, "usecase").text = "0"
    for text in (str(question.answer),) if numeric else accepted(question):
        _answer(made, text if numeric else _literal(text), 100, "")
    for slip, what in _slips(question, numeric):
        _answer(made, slip if numeric else _literal(slip), 0, what)
    for hint in task.hints:
        _html(made, "hint", f"<p>{_shown(hint.text)}</p>")
    return made


def _slips(question: Question, numeric: bool) -> list[tuple[str, str]]:
    """Answers that are nearly right, of those that this sort of question can hold."""
    right = {text.casefold() for text in accepted(question)}
    kept = {given: what for given, what in question.slips if given.casefold() not in right}
    return [(given, what) for given, what in kept.items() if not numeric or given.isdecimal()]


def _answer(question: Tree.Element, text: str, fraction: int, feedback: str) -> None:
    answer = Tree.SubElement(question, "answer", fraction=str(fraction), format="moodle_auto_format")
    Tree.SubElement(answer, "text").text = safe_text(text)
    if question.get("type") == "numerical":
        Tree.SubElement(answer, "tolerance").text = "0"
    _html(answer, "feedback", f"<p>{_shown(feedback)}</p>" if feedback else "")


def _literal(text: str) -> str:
    """A text in which no asterisk stands for others."""
    return text.replace("*", "\\*")


def _text(parent: Tree.Element, text: str) -> None:
    Tree.SubElement(parent, "text").text = safe_text(text)


def _html(parent: Tree.Element, name: str, content: str) -> None:
    made = Tree.SubElement(parent, name, format="html")
    Tree.SubElement(made, "text").text = content


def _shown(text: str) -> str:
    return escape(safe_text(text))
