"""The page of a case: what became of each image, what was found, and where its rows and its log are.

One file without scripts, pictures or anything from elsewhere; names come from evidence, and are text whatever is in
them.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from process_anatomy.fleet.single import IMAGES, LOGS, folder_name
from process_anatomy.fleet.terms import Outcome
from process_anatomy.views.findings import SEVERITIES
from process_anatomy.views.shown import safe_text

TEMPLATE, STYLE = "summary.html.j2", "summary.css"
ROWS_LIMIT = 10_000
"""Images on the page, those first that somebody should look at; the list has all."""
WORDS = {0: "whole", 3: "not to be trusted", 4: "partly"}
"""Status of an export that has rows, in a word."""
LOST, GRAVE = "not read", ("critical", "high", "medium")


def page(name: str, run: Mapping[str, Any], outcomes: Sequence[Outcome]) -> str:
    """The page.

    Args:
        name: of the case.
        run: versions, options, start and end of the last run.
        outcomes: what became of each image.
    """
    severities = tuple(reversed(SEVERITIES))
    style = (Path(__file__).parent / STYLE).read_text("utf-8")
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    shown = sorted(outcomes, key=_order)[:ROWS_LIMIT]
    states = [_state(one) for one in outcomes]
    text: str = _template().render(
        name=safe_text(name),
        policy=f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'",
        style=style,
        run=run,
        severities=severities,
        states={state: states.count(state) for state in (*WORDS.values(), LOST) if state in states},
        findings={each: sum(one.findings.get(each, 0) for one in outcomes) for each in severities},
        count=len(outcomes),
        rows=sum(one.rows for one in outcomes),
        left=len(outcomes) - len(shown),
        images=[_row(one) for one in shown],
    )
    return text


def _state(one: Outcome) -> str:
    return WORDS.get(one.status or 0, LOST) if one.done else LOST


def _order(one: Outcome) -> tuple[object, ...]:
    """Grave findings first, then what was not read, then the rest."""
    return *(-one.findings.get(each, 0) for each in GRAVE), one.done, one.status == 0, one.path


def _row(one: Outcome) -> dict[str, object]:
    name = folder_name(Path(one.path))
    return {
        "path": safe_text(one.path) + (f" ({safe_text(one.member)})" if one.member else ""),
        "state": _state(one),
        "size": one.size,
        "windows": safe_text(one.windows),
        "layout": safe_text(one.layout),
        "rows": one.rows,
        "findings": one.findings,
        "seconds": one.seconds,
        "problem": safe_text(one.problem),
        "image": one.image,
        "folder": f"{IMAGES}/{one.folder}/" if one.done else "",
        "log": f"{LOGS}/{name}.txt" if one.started else "",
        "grave": any(one.findings.get(each) for each in GRAVE[:2]),
    }


@cache
def _template() -> Any:
    """The template, in which everything is escaped and nothing may be missing."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    loader = FileSystemLoader(Path(__file__).parent)
    return Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True).get_template(
        TEMPLATE
    )
