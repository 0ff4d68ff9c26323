"""Cells as people read them, on a terminal or a page, and text that neither acts on."""

from __future__ import annotations

import re
from datetime import datetime

from process_anatomy.views.declaration import Column
from process_anatomy.views.files import cell_text
from process_anatomy.views.records import Value

LIKE_AN_ESCAPE = re.compile(r"\\+(?=x[0-9a-f]{2}|u[0-9a-f]{4}|U[0-9a-f]{8})")
"""Backslashes of letters that look like an escape of ours."""


def safe_text(text: str) -> str:
    r"""Text with every character that a terminal or a table would act on shown as an escape.

    Backslashes stand twice before an escape and before letters that look like one in numbers, so that the letters
    ``\x1b`` are not taken for the character.
    """
    plain = text.isprintable()
    if plain and ("\\" not in text or not LIKE_AN_ESCAPE.search(text)):
        return text
    text = LIKE_AN_ESCAPE.sub(lambda found: found[0] * 2, text)
    if plain:
        return text
    parts, run = [], 0
    for c in text:
        if c.isprintable():
            run = run + 1 if c == "\\" else 0
            parts.append(c)
        else:
            parts.append("\\" * run + c.encode("unicode_escape").decode("ascii"))
            run = 0
    return "".join(parts)


def shown_moment(value: datetime) -> str:
    """A time to the second, in UTC."""
    return f"{value:%Y-%m-%d %H:%M:%S}"


def shown_truth(value: bool) -> str:
    """A truth value."""
    return "yes" if value else "no"


def shown_text(value: Value, column: Column) -> str:
    """A cell as people read it, empty where there is nothing; what it holds is escaped by nobody."""
    if isinstance(value, datetime):
        return shown_moment(value)
    if isinstance(value, bool):
        return shown_truth(value)
    return cell_text(value, column)
