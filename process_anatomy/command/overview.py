"""One process taken apart by its six components, on one screen."""

from __future__ import annotations

import shlex
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from process_anatomy.command.parts import (
    NONE,
    PARTS,
    Fact,
    Rows,
    account,
    facts,
    moment_of,
    parent,
    texts,
    told,
    words,
)
from process_anatomy.views.screen import NARROWEST
from process_anatomy.views.shown import safe_text

if TYPE_CHECKING:
    from process_anatomy.notes.explainer import Explainer
    from process_anatomy.views.image import Image

INDENT = "   "
ENOUGH = 4
"""Findings that are told one by one."""
TOLD = ("processes", "completeness")
"""Views of which the overview itself tells what there is."""
WORD = 16
"""Characters of a word that is left out whole."""
CUT = " …"
"""Ends a line of which the rest is left out."""


def overview(image: Image, path: Path, pid: int, level: str, width: int) -> tuple[list[str], tuple[str, ...]] | None:
    """The lines of a process, and what was wrong with the lists and trees that they are from.

    ``None`` where several processes have the id, so that no line would be about one of them.

    Args:
        image: the image.
        path: of the image, for the command that shows more.
        pid: of the process.
        level: how much is explained.
        width: characters of a line.

    Raises:
        RequestError: there is no such process.
        Error: nothing can be told of it; one line says why.
    """
    from process_anatomy.notes.explainer import Explainer

    rows = Rows(image, pid)
    if len(rows("processes")) != 1:
        return None
    width = max(width, NARROWEST)
    found = [*_head(rows, width), *_findings(rows, level, width)]
    for place, component in enumerate(PARTS, 1):
        found += _component(rows, place, component, Explainer(level, own=image.own), width)
    found += _more(rows, path, width)
    said = (line for name, lines in rows.problems.items() if name != "findings" for line in lines)
    return found, tuple(dict.fromkeys(said))


def laid_out(fact: Fact, width: int, indent: str = INDENT) -> str:
    """A fact on one line: as many of its items as there is room for, and how many more there are."""
    text, items, room = safe_text(fact.text), [safe_text(item) for item in fact.items], width - len(indent)
    for number, item in enumerate(items):
        joined = f"{text}{'; ' if number else ''}{item}"
        rest = len(items) - number - 1
        behind = f"; {rest} more" if rest else ""
        if len(joined) + len(behind) <= room:
            text = joined
        elif number:
            text += f"; {rest + 1} more"
            break
        else:
            text = _cut(joined, room - len(behind)) + behind
            break
    return indent + _cut(text, room)


def _cut(text: str, room: int) -> str:
    """Text as far as there is room for it, to the end of a word where that is near."""
    if len(text) <= room:
        return text
    kept = text[: room - len(CUT)]
    before, _, word = kept.rpartition(" ")
    return (before if before and len(word) < WORD else kept) + CUT


def _head(rows: Rows, width: int) -> Iterator[str]:
    """Who it is: name, id, parent, user, times, program and command line."""
    for row in rows("processes"):
        made = next(iter(rows("creation")), None)
        token = next((each for each in rows("tokens") if each["TID"] is None), None)
        by = f"  parent {parent(made)}" if made is not None else f"  parent {told(row, 'PPID')}"
        started = f"started {moment_of(row, 'CreateTime')}"
        yield laid_out(Fact(f"{told(row, 'ImageFileName')}  PID {rows.pid}{by}  {started}"), width, "")
        session = told(row, "SessionId")
        user = "not known" if token is None else f"{account(token)}  integrity {told(token, 'Integrity')}"
        guard = told(row, "Protection")
        more = "" if session == NONE else f"  session {session}"
        more += "" if guard == NONE else f"  protection {guard}"
        more += "  32-bit" if row["Wow64"] else ""
        yield laid_out(Fact(f"user {user}{more}"), width)
        yield laid_out(Fact(f"image path: {told(row, 'ImagePath')}"), width)
        if not str(row["Layout"]).startswith("exact"):
            yield laid_out(Fact(f"layout: {told(row, 'Layout')}"), width)
        if made is not None:
            yield laid_out(Fact(f"command line: {told(made, 'CommandLine')}"), width)
        if texts(row, "Problems"):
            yield laid_out(Fact("odd, or not read: ", texts(row, "Problems")), width)


def _findings(rows: Rows, level: str, width: int) -> Iterator[str]:
    """What does not fit together, and how much was judged: none found is not none judged."""
    found = rows("findings", level)
    judged = rows.problems["findings"]
    most = f", the {ENOUGH} that weigh most below" if len(found) > ENOUGH else ""
    yield laid_out(Fact("; ".join((f"Findings: {len(found) or NONE}{most}", *judged[:1]))), width, "")
    if judged[1:]:
        yield laid_out(Fact("", judged[1:]), width)
    for row in found[:ENOUGH]:
        who = f"{row['Process']} ({row['PID']}) "
        what = words(row, "Explanation").removeprefix(who)
        yield laid_out(Fact(f"{told(row, 'Severity')}  {told(row, 'Rule')}  {what}".rstrip()), width)


def _component(rows: Rows, place: int, component: str, explain: Explainer, width: int) -> Iterator[str]:
    """A component: what it is, what the process has of it, and what could not be read."""
    column, part = PARTS[component]
    note = explain.library[f"component/{component}"]
    whole = next(iter(rows("completeness")), None)
    state = "" if whole is None else f" ({told(whole, column)})"
    said = explain.general(note)
    purpose = safe_text(said.words if said.place in ("", note.source) else said.cited)
    yield from textwrap.wrap(f"{place} {note.title}{state}{f': {purpose}' if purpose else ''}", width)
    for fact in facts(rows, part):
        yield laid_out(fact, width)
    start = f"{column}: "
    obstacles = () if whole is None else (each for each in texts(whole, "Obstacles") if each.startswith(start))
    lost = tuple(each.removeprefix(start) for each in obstacles)
    if lost:
        yield laid_out(Fact("not whole: ", lost), width)


def _more(rows: Rows, path: Path, width: int) -> list[str]:
    """Which command shows a part whole."""
    names = ", ".join(name for name in rows.problems if name not in TOLD)
    command = f"anatomy show {shlex.quote(safe_text(str(path)))} VIEW --pid {rows.pid}"
    return textwrap.wrap(f"Whole: {command} (or --all); VIEW: {names}", width, break_on_hyphens=False)
