"""Rows of our plugins over a kernel that is open already, as the JSON renderer of `vol` gives them.

Opening an image through Volatility takes seconds where it has to look for the page tables of a 32-bit Windows; here it
is done once for all plugins.
"""

from __future__ import annotations

import importlib
from datetime import datetime
from typing import Any

from volatility3.framework.interfaces.renderers import BaseAbsentValue

from process_anatomy.kernel.identify import Kernel
from process_anatomy.volatility import Anatomy, cell

Rows = list[dict[str, Any]]


def plugin_named(name: str) -> type[Anatomy]:
    """The class of ``windows.anatomy.NAME``."""
    module = importlib.import_module(f"volatility3.plugins.windows.anatomy.{name}")
    return next(
        each
        for each in vars(module).values()
        if isinstance(each, type) and issubclass(each, Anatomy) and each.__module__ == module.__name__
    )


def rows_of(kernel: Kernel, name: str, **options: Any) -> Rows:
    """The cells of ``windows.anatomy.NAME``, by column; every option has a name."""
    kind = plugin_named(name)
    plugin: Any = object.__new__(kind)
    plugin._config_cache = {"pid": [], "explain": "brief"} | options
    plugin._progress_callback = None
    found = []
    for _, row in plugin.rows(kernel):
        assert len(row) == len(kind.columns)
        values = [_plain(cell(value, column.type)) for value, column in zip(row, kind.columns, strict=True)]
        found.append({column.name: value for column, value in zip(kind.columns, values, strict=True)})
    return found


def _plain(value: Any) -> Any:
    if isinstance(value, BaseAbsentValue):
        return None
    return value.isoformat() if isinstance(value, datetime) else value
