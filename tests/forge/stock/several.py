"""A Volatility plugin for tests: what several stock plugins say of one image, at the price of opening it once."""

from __future__ import annotations

import datetime
import json
from collections.abc import Iterator
from typing import Any

from volatility3.framework import interfaces, renderers
from volatility3.plugins.windows import dlllist, handles, privileges, pslist, vadinfo

PLUGINS = {
    "dlllist": dlllist.DllList,
    "handles": handles.Handles,
    "privileges": privileges.Privs,
    "pslist": pslist.PsList,
    "vadinfo": vadinfo.VadInfo,
}


class Several(interfaces.plugins.PluginInterface):  # type: ignore[misc]  # Volatility ships no types
    """The rows of the stock plugins, each as JSON behind its plugin's name."""

    _required_framework_version = (2, 0, 0)
    _version = (1, 0, 0)

    @classmethod
    def get_requirements(cls) -> list[Any]:
        """What any of them asks for, once."""
        asked = {r.name: r for plugin in PLUGINS.values() for r in plugin.get_requirements()}
        return list(asked.values())

    def _rows(self) -> Iterator[tuple[int, tuple[str, str]]]:
        for name, plugin in PLUGINS.items():
            grid = plugin(self.context, self.config_path).run()
            names = [column.name for column in grid.columns]
            found: list[dict[str, Any]] = []
            grid.populate(lambda node, rows, names=names: _add(rows, names, node), found)
            for row in found:
                yield 0, (name, json.dumps(row))

    def run(self) -> Any:
        """All rows."""
        return renderers.TreeGrid([("Plugin", str), ("Row", str)], self._rows())


def _add(rows: list[dict[str, Any]], names: list[str], node: Any) -> list[dict[str, Any]]:
    rows.append({name: _plain(value) for name, value in zip(names, node.values, strict=True)})
    return rows


def _plain(value: Any) -> Any:
    """A cell as the JSON renderer writes it."""
    if isinstance(value, interfaces.renderers.BaseAbsentValue):
        return None
    if isinstance(value, datetime.datetime):
        return value.isoformat()
    return int(value) if isinstance(value, int) and not isinstance(value, bool) else value
