"""SOF-ELK takes the rows of ``processes`` as it takes those of stock ``windows.pslist``: JSON lines, by their names.

Its filters (1001-preprocess-json, 1620-preprocess-volatility) read one object a line and know plugins by the folder.
"""

from __future__ import annotations

import ast
import inspect
import json
import textwrap
from datetime import datetime
from typing import Any

import pytest
from volatility3.cli.text_renderer import JsonLinesRenderer
from volatility3.plugins.windows.pslist import PsList

from process_anatomy import open_image
from process_anatomy.volatility import grid
from tests.conftest import SAMPLE

OURS = "File output"
"""The last column of pslist is of its option ``--dump``; in its place come our own."""


def stock_columns() -> list[tuple[str, str]]:
    """Names and types of the columns of stock pslist, as its source has them."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(PsList.run)))
    (columns,) = (node for node in ast.walk(tree) if isinstance(node, ast.List))
    pairs = [each.elts for each in columns.elts if isinstance(each, ast.Tuple)]
    return [(ast.unparse(name).strip("'f").replace("{offsettype}", "(V)"), ast.unparse(kind)) for name, kind in pairs]


def test_processes_as_json_lines_are_what_pslist_would_be(capsys: pytest.CaptureFixture[str]) -> None:
    answer = open_image(SAMPLE).view("processes", explain="off")
    JsonLinesRenderer().render(grid(answer.view, answer.rows()))
    lines: list[dict[str, Any]] = [json.loads(line) for line in capsys.readouterr().out.splitlines() if line]
    assert len(lines) == len(list(answer))
    stock = [(name, kind) for name, kind in stock_columns() if name != OURS]
    assert len(stock) == 10
    kinds = {"int": int, "str": str, "bool": bool, "format_hints.Hex": int, "datetime.datetime": str}
    for line in lines:
        assert {name for name, _ in stock} <= line.keys()
        for name, kind in stock:
            value = line[name]
            assert value is None or type(value) is kinds[kind], name
            assert kind != "datetime.datetime" or value is None or datetime.fromisoformat(value)
