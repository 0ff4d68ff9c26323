"""Questions as CTFd challenges: a folder with a ``challenge.yml`` for each, as ctfcli installs them.

The fields are those of ctfcli's specification 0.1 (https://github.com/CTFd/ctfcli), written as YAML whose texts are
JSON's, which YAML 1.2 has whole.  CTFd has one set of challenges for all players, so that these are of one variant.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from process_anatomy.labs.lab import Lab, Task
from process_anatomy.labs.sheets.accepted import accepted
from process_anatomy.labs.sheets.paper import GRADES, about, markdown_text
from process_anatomy.views.shown import safe_text

AUTHOR = "process-anatomy"
WORTH = 25
"""Points of a challenge for each of ours, so that hints cost whole numbers that players of CTFd are used to."""


def ctfd(lab: Lab) -> Iterator[tuple[str, str]]:
    """The name of each challenge's folder, and its ``challenge.yml``."""
    for task in lab.tasks:
        yield task.name, yaml(_challenge(lab, task))


def _challenge(lab: Lab, task: Task) -> dict[str, Any]:
    question = task.question
    text = f"{markdown_text(question.text)}\n\n{markdown_text(about(task))}; the image is {markdown_text(lab.image)}"
    return {
        "name": safe_text(f"{lab.name} {lab.student} {task.name}"),
        "author": AUTHOR,
        "category": question.component.replace("-", " "),
        "description": text,
        "attribution": f"Made by {AUTHOR}",
        "value": task.points * WORTH,
        "type": "standard",
        "flags": [
            {"type": "static", "content": safe_text(text), "data": "case_insensitive"} for text in accepted(question)
        ],
        "tags": [question.component, GRADES[question.difficulty]],
        "hints": [{"content": markdown_text(hint.text), "cost": hint.cost * WORTH} for hint in task.hints],
        "state": "visible",
        "version": "0.1",
    }


def yaml(fields: dict[str, Any]) -> str:
    """Fields as YAML: texts, numbers, and lists of texts or of such fields."""
    lines = []
    for name, value in fields.items():
        if not isinstance(value, list):
            lines.append(f"{name}: {json.dumps(value)}")
            continue
        lines.append(f"{name}:" if value else f"{name}: []")
        for each in value:
            parts = [f"{key}: {json.dumps(part)}" for key, part in each.items()] if isinstance(each, dict) else None
            lines += [f"  - {json.dumps(each)}"] if parts is None else _item(parts)
    return "\n".join(lines) + "\n"


def _item(parts: list[str]) -> list[str]:
    return [f"  {'-' if number == 0 else ' '} {part}" for number, part in enumerate(parts)]
