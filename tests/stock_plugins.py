"""Rows of several stock plugins over one image that Volatility opens once: a child process prints them as JSON.

Each `vol` looks for the page tables of a 32-bit Windows anew, which takes seconds.

    python tests/stock_plugins.py IMAGE SYMBOLS CACHE PLUGIN...
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

Rows = list[dict[str, Any]]


def stock_rows(image: Path, symbols: Path, names: Sequence[str]) -> dict[str, Rows]:
    """The rows of stock plugins, by the plugin's name."""
    with TemporaryDirectory(prefix="vol-cache-") as cache:
        done = subprocess.run(
            [sys.executable, __file__, str(image), str(symbols), cache, *names],
            capture_output=True, text=True, encoding="utf-8", timeout=300, check=False,
        )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    rows: dict[str, Rows] = json.loads(done.stdout.splitlines()[-1])
    return rows


def _main(image: str, symbols: str, cache: str, *names: str) -> None:
    sys.modules["jsonschema"] = None  # type: ignore[assignment]  # see tests/warm_vol.py
    import volatility3.plugins
    import volatility3.symbols
    from volatility3 import framework
    from volatility3.framework import automagic, constants, contexts, interfaces, plugins

    constants.CACHE_PATH, constants.OFFLINE = cache, True
    volatility3.symbols.__path__ = [symbols, *constants.SYMBOL_BASEPATHS]
    framework.import_files(volatility3.plugins, True)
    known = framework.list_plugins()
    context = contexts.Context()
    context.config["automagic.LayerStacker.single_location"] = Path(image).as_uri()
    magics = automagic.available(context)
    told: dict[str, Rows] = {}
    for name in names:
        kind: Any = next(each for key, each in known.items() if key.rpartition(".")[0] == name)
        if context.modules:
            context.config[f"plugins.{kind.__name__}.kernel"] = next(iter(context.modules))
        plugin: Any = plugins.construct_plugin(
            context, automagic.choose_automagic(magics, kind), kind, "plugins", None, None
        )
        grid, rows = plugin.run(), Rows()

        def visit(node: Any, rows: Rows, columns: Any = grid.columns) -> Rows:
            values = (None if isinstance(v, interfaces.renderers.BaseAbsentValue) else v for v in node.values)
            plain = (v.isoformat() if isinstance(v, datetime) else v for v in values)
            rows.append({column.name: value for column, value in zip(columns, plain, strict=True)})
            return rows

        grid.populate(visit, rows)
        told[name] = rows
    print(json.dumps(told, default=str))


if __name__ == "__main__":
    sys.path.pop(0)
    _main(*sys.argv[1:])
