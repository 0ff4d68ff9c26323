"""One image as one page: a self-contained HTML file, and the diagram of each process as SVG.

The page holds the rows of the views as they are, column-wise and packed, and shows them: it has no columns of its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from process_anatomy.views.declaration import Request
    from process_anatomy.views.report import Page

__all__ = ["made"]


def made(request: Request) -> Page:
    """The page of an image; what makes it is imported when it is asked for.

    Args:
        request: of the report.

    Raises:
        RequestError: there is no such process, or jinja2 is not installed.
    """
    from process_anatomy.report.making import page

    return page(request)
