"""Questions and hints as Markdown, and as one page that prints."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import escape

from process_anatomy.labs.lab import ANSWERS, Lab, Task
from process_anatomy.labs.question import COMPONENTS
from process_anatomy.notes.library import default

GRADES = {1: "easy", 2: "medium", 3: "hard"}
"""Difficulties in words."""
HOW = (
    "Work on {image} with Volatility 3: its own plugins (vol -s symbols -f {image} windows.pslist) need the folder"
    " symbols, those of process-anatomy (vol -f {image} windows.anatomy.processes) need none. Write your answers into"
    " {answers}. Case does not count; times are in UTC, and addresses hexadecimal."
)
COSTS = "Hints come one by one; what they cost is taken from the points of their question, so note how many you took."
_SPECIAL = re.compile(r"[\\`*_\[\]#]|([<>&|~])")
"""What Markdown acts on: before the first a backslash stands, the others are written by their number."""
_STYLE = """
body { font: 11pt/1.45 Georgia, serif; max-width: 46em; margin: 2em auto; padding: 0 1em; color: #111; }
h1, h2 { font-family: system-ui, sans-serif; line-height: 1.2; } h2 { font-size: 1.1em; margin-top: 2em; }
article { break-inside: avoid; border-top: 1px solid #bbb; padding: .6em 0; }
.about { color: #444; font-size: .9em; } code { overflow-wrap: anywhere; }
.line { border-bottom: 1px solid #888; height: 1.8em; } details { font-size: .9em; margin: .2em 0; }
@media print { details { display: none; } body { margin: 0; max-width: none; } }
"""


def by_component(lab: Lab) -> Iterator[tuple[str, str, list[Task]]]:
    """The title and the brief explanation of each component that is asked about, and its questions."""
    notes = default()
    for component in COMPONENTS:
        tasks = [task for task in lab.tasks if task.question.component == component]
        if tasks:
            note = notes[f"component/{component}"]
            yield note.title, note.brief, tasks


def markdown_text(text: str) -> str:
    """Text that Markdown shows as it is: nothing in it is a mark."""
    return _SPECIAL.sub(lambda found: f"&#{ord(found[1])};" if found[1] else f"\\{found[0]}", _printable(text))


def _printable(text: str) -> str:
    from process_anatomy.views.shown import safe_text

    return safe_text(text)


def about(task: Task) -> str:
    """What a question is worth and how its answer is written."""
    points = f"{task.points} points"
    return f"{GRADES[task.question.difficulty]}, {points}; answer: {task.question.kind.value}"


def markdown(lab: Lab) -> str:
    """The question sheet, without hints."""
    lines = [f"# {markdown_text(lab.name)}", "", f"Student: {markdown_text(lab.student)} · {lab.points} points", ""]
    lines += [markdown_text(HOW.format(image=lab.image, answers=ANSWERS)), "", COSTS]
    for title, brief, tasks in by_component(lab):
        lines += ["", f"## {title}", "", f"_{brief}_"]
        for task in tasks:
            lines += ["", f"**{task.name}** ({markdown_text(about(task))})", "", markdown_text(task.question.text)]
    return "\n".join(lines) + "\n"


def hint_sheet(lab: Lab) -> str:
    """The hints, in a file of their own so that nobody sees them by chance."""
    lines = [f"# Hints: {markdown_text(lab.name)}", "", COSTS]
    for task in lab.tasks:
        lines += ["", f"## {task.name} ({task.points} points)", ""]
        for number, hint in enumerate(task.hints, 1):
            price = "free" if not hint.cost else f"costs {hint.cost} point{'' if hint.cost == 1 else 's'}"
            lines.append(f"{number}. ({price}) {markdown_text(hint.text)}")
    return "\n".join(lines) + "\n"


def page(lab: Lab) -> str:
    """The question sheet as one page without scripts: hints open where it is shown, and are not printed."""
    body = [
        f"<h1>{_html(lab.name)}</h1>",
        f"<p>Student: <b>{_html(lab.student)}</b> · {lab.points} points</p>",
        f"<p>{_html(HOW.format(image=lab.image, answers=ANSWERS))} {_html(COSTS)}</p>",
    ]
    for title, brief, tasks in by_component(lab):
        body.append(f"<h2>{_html(title)}</h2><p class=about>{_html(brief)}</p>")
        body += [_article(task) for task in tasks]
    return document(lab.name, body)


def _article(task: Task) -> str:
    hints = "".join(
        f"<details><summary>Hint {number}: {'free' if not hint.cost else f'costs {hint.cost}'}</summary>"
        f"<p>{_html(hint.text)}</p></details>"
        for number, hint in enumerate(task.hints, 1)
    )
    return (
        f'<article id="{task.name}"><p class=about><b>{task.name}</b> · {_html(about(task))}</p>'
        f"<p>{_html(task.question.text)}</p><div class=line></div>{hints}</article>"
    )


def document(title: str, body: list[str]) -> str:
    """A page that loads nothing and runs nothing."""
    policy = "default-src 'none'; style-src 'unsafe-inline'"
    head = (
        '<!doctype html>\n<html lang="en"><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
        f'<meta name="viewport" content="width=device-width"><title>{_html(title)}</title><style>{_STYLE}</style>\n'
    )
    return head + "\n".join(body) + "\n</html>\n"


def _html(text: str) -> str:
    return escape(_printable(text))
