"""Explanations of files that hold the rows of a view."""

from __future__ import annotations

from process_anatomy.absent import Absent


def file_note(title: str, rows: int | Absent) -> tuple[str, dict[str, object]]:
    """The note of a view's file.

    Args:
        title: what the view shows, in one sentence.
        rows: how many of its rows were written; absent with the reason where the file was not.
    """
    if isinstance(rows, Absent):
        return "view-file/not-written", {"title": title, "reason": str(rows)}
    return "view-file/written", {"title": title, "rows": f"{rows} row{'' if rows == 1 else 's'}"}


def page_note(page: bool, file: str | Absent, rows: int) -> tuple[str, dict[str, object]]:
    """The note of a page or a diagram that was written.

    Args:
        page: it is the page, else a diagram.
        file: its name; absent with the reason where it was not written.
        rows: how many rows the page has.
    """
    if isinstance(file, Absent):
        title = "The page of the image." if page else "The diagram of a process."
        return "view-file/not-written", {"title": title, "reason": str(file)}
    return f"view-file/{'page' if page else 'diagram'}", {"file": file, "rows": f"{rows} row{'' if rows == 1 else 's'}"}
