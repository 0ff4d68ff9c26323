"""Rows of our views over a kernel that is open already, as the JSON renderer of `vol` gives them.

Opening an image through Volatility takes seconds where it has to look for the page tables of a 32-bit Windows; here it
is done once for all views.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from volatility3.framework.interfaces.renderers import BaseAbsentValue

from process_anatomy.kernel.identify import Kernel
from process_anatomy.views.image import Image
from process_anatomy.volatility import stock_privilege_descriptions
from process_anatomy.volatility.cells import grid

Rows = list[dict[str, Any]]


def rows_of(kernel: Kernel, name: str, **options: Any) -> Rows:
    """The cells of ``windows.anatomy.NAME``, by column; every option has a name."""
    asked = Image(kernel, stock_privilege_descriptions).view(name, **options)
    found = Rows()

    def visit(node: Any, rows: Rows) -> Rows:
        rows.append(dict(zip(asked.view.names, map(_plain, node.values), strict=True)))
        return rows

    grid(asked.view, asked.rows()).populate(visit, found)
    return found


def _plain(value: Any) -> Any:
    if isinstance(value, BaseAbsentValue):
        return None
    return value.isoformat() if isinstance(value, datetime) else value
