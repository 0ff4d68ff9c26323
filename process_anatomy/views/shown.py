"""Cells as people read them, on a terminal or a page, and text that neither acts on."""

from __future__ import annotations

from datetime import datetime

from process_anatomy.views.declaration import Column
from process_anatomy.views.files import cell_text
from process_anatomy.views.records import Value


def safe_text(text: str) -> str:
    """Text with every character that a terminal or a table would act on shown as an escape."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


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
