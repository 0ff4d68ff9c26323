"""SOF-ELK takes the rows of ``processes`` as it takes those of stock ``windows.pslist``: JSON lines, by their names.

Its filters read one object a line (1001-preprocess-json) and know plugins by the folder (1620-preprocess-volatility);
what they make of a row of pslist, by 6620-volatility-common of 2026, is what is done here.
"""

from __future__ import annotations

import ast
import inspect
import json
import textwrap
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from volatility3.cli.text_renderer import JsonLinesRenderer
from volatility3.plugins.windows.pslist import PsList

from process_anatomy import open_image
from process_anatomy.fleet.export import Asked, export
from process_anatomy.volatility import grid
from tests.conftest import SAMPLE

RENAMED = {
    "PID": "pid",
    "PPID": "parent.pid",
    "ImageFileName": "name",
    "Threads": "thread.count",
    "Handles": "handle.count",
    "SessionId": "session_id",
    "Wow64": "wow64",
}
"""Columns that the filter takes, and the field of ``process`` that each becomes."""
OF_OTHERS = {"OffsetV", "Audit", "Cmd", "Path"}
"""Columns of other plugins that it would take as well, for something else."""
INTEGERS = {"pid", "parent.pid", "thread.count", "handle.count", "session_id"}
"""Fields that it converts, without a word where that makes 0 of a text."""
DATES = {"CreateTime": "start", "ExitTime": "end"}
OURS = "File output"
"""The last column of pslist is of its option ``--dump``; in its place come our own."""


def stock_columns() -> list[tuple[str, str]]:
    """Names and types of the columns of stock pslist, as its source has them."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(PsList.run)))
    (columns,) = (node for node in ast.walk(tree) if isinstance(node, ast.List))
    pairs = [each.elts for each in columns.elts if isinstance(each, ast.Tuple)]
    return [(ast.unparse(name).strip("'f").replace("{offsettype}", "(V)"), ast.unparse(kind)) for name, kind in pairs]


def filtered(line: dict[str, Any]) -> dict[str, Any]:
    """What the filter makes of a row: its ``process``."""
    assert not OF_OTHERS & line.keys()
    process = {to: line.pop(name) for name, to in RENAMED.items()}
    for name in INTEGERS:
        assert process[name] is None or type(process[name]) is int
    assert process["wow64"] is None or type(process["wow64"]) is bool
    for name, to in DATES.items():
        if line[name] and line[name] != "null":
            process[to] = datetime.fromisoformat(line[name])
    return process | {"status": "exited" if "end" in process else "running"}


def test_the_filter_makes_of_them_what_an_export_in_the_same_schema_says(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    image = open_image(SAMPLE)
    answer = image.view("processes", explain="off")
    JsonLinesRenderer().render(grid(answer.view, answer.rows()))
    taken = [filtered(json.loads(line)) for line in capsys.readouterr().out.splitlines() if line]
    assert {process["status"] for process in taken} == {"running", "exited"}
    export(image, SAMPLE, tmp_path / "ecs", Asked(("processes",), "ecs", hashed=False))
    lines = (tmp_path / "ecs" / "processes.ecs.jsonl").read_text("utf-8").splitlines()
    ours = {process["pid"]: process for process in (json.loads(line)["process"] for line in lines)}
    for process in taken:
        told = ours[process["pid"]]
        assert told["parent"]["pid"] == process["parent.pid"]
        assert told["name"].startswith(process["name"].removesuffix("."))
        assert [datetime.fromisoformat(told[name]) if name in told else None for name in ("start", "end")] == [
            process.get(name) for name in ("start", "end")
        ]


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
