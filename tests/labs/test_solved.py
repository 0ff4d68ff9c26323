"""A lab is solved from what is handed out alone: the sheet's questions, the commands of its hints, and the image.

Who solves it knows no key: each question's last hint names a view and a column, and what the question names (numbers,
types, privileges) leaves the rows that it is about.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
import tomllib

from process_anatomy import open_image
from process_anatomy.command.program import main
from process_anatomy.views.image import Image
from process_anatomy.views.records import Record
from tests.labs.conftest import Made

QUESTION = re.compile(r"^\*\*(q\d+)\*\* \((?:\w+), (\d+) points; answer: ([^)]*)\)\n\n(.*)$", re.MULTILINE)
HINT = re.compile(r"windows\.anatomy\.(\w+)((?: --[\w-]+ \S+)*), (?:column (.+)|whose rows are counted)$")
CLUE = re.compile(r"0x[0-9a-f]+|\b\d+\b|\bSe[A-Z]\w+Privilege\b|\bS-1-[\d-]+|\"[^\"]+\"|\b(?:type|variable) (\w+)")


ENABLED = "enabled"
UNUSUAL = 1 << 12
"""Numbers below stand in many columns, for many reasons."""


def clues(text: str, process: str) -> list[Any]:
    """What a question names beside its process: numbers as such."""
    found = []
    for clue in CLUE.finditer(text):
        word = (clue[1] or clue[0]).strip('"')
        if word != process:
            found.append(int(word, 0) if re.fullmatch(r"0x[0-9a-f]+|\d+", word) else word)
    return sorted(found, key=lambda clue: isinstance(clue, int) and clue < UNUSUAL)


def about(rows: Iterable[Record], named: Iterable[Any]) -> list[Record]:
    """The rows that a question is about: those that hold what it names."""
    kept = list(rows)
    for clue in named:
        if len(kept) > 1:
            kept = [row for row in kept if clue in row.values()] or kept
    return kept


def solved(image: Image, text: str, form: str, hint: str) -> str:
    """An answer by the command of a hint; empty where the rows leave it open."""
    name, options, column = HINT.search(hint).groups()  # type: ignore[union-attr]
    pid = re.search(r"--pid (\d+)", options)
    rows = about(
        image.view(name, pid=int(pid[1]) if pid else (), explain="off", hidden=True), clues(text, pid[1] if pid else "")
    )
    if column is None:
        return str(len(rows))
    told = [row[column] for row in rows if row[column] is not None]
    if not told:
        return ""
    if "How many levels" in text:
        return str(1 + max(value for value in told if isinstance(value, int)))
    if "How many" in text and len(told) > 1:
        return str(sum(ENABLED in str(value).lower() for value in told) if ENABLED in text else len(told))
    if "does the list of active processes not hold" in text:
        return ", ".join(str(row["PID"]) for row in rows if "hidden" in str(row[column]))
    if form == "yes or no":
        return "yes" if told[0] is True or ENABLED in str(told[0]).lower() else "no"
    different = {worded(value, "hexadecimal" in form) for value in told}
    return different.pop() if len(different) == 1 else ""


def worded(value: Any, hexadecimal: bool) -> str:
    """A cell as an answer."""
    if isinstance(value, list):
        return ", ".join(value)
    return f"{value:#x}" if hexadecimal and isinstance(value, int) else str(value)


def answers(handout: Path) -> tuple[str, dict[str, str]]:
    """The answers of a whole sheet, as the file that is handed in, and by question."""
    image = open_image(handout / "memory.dmp")
    sheet = (handout / "questions.md").read_text("utf-8")
    hints = dict(
        re.findall(r"^## (q\d+) .*?\n\n((?:\d\. .*\n)+)", (handout / "hints.md").read_text("utf-8"), re.MULTILINE)
    )
    found = {
        number: solved(image, text, form, hints[number].splitlines()[-1])
        for number, _, form, text in QUESTION.findall(sheet)
    }
    file = (handout / "answers.toml").read_text("utf-8")
    identity = tomllib.loads(file)["lab"]
    parts = [
        f"[{number}]\nanswer = '{answer}'\nhints = {hints[number].count('. (')}\n" for number, answer in found.items()
    ]
    return f'lab = "{identity}"\n\n' + "\n".join(parts), found


def test_the_documented_commands_answer_every_question_of_the_sheet(
    made: Made, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text, found = answers(made.folder / "handout")
    (tmp_path / "answers.toml").write_text(text, "utf-8")
    assert len(found) == len(made.lab.tasks)
    key = ("--key", str(made.secret_file))
    main(["lab", "check", str(made.folder), str(tmp_path / "answers.toml"), *key, "--format", "json"])
    graded = json.loads(capsys.readouterr().out)
    verdicts = Counter(question["verdict"] for question in graded["questions"])
    assert verdicts == {"right": len(found)}
    assert graded["points"] > 0.3 * made.lab.points  # what is left where every hint was taken
