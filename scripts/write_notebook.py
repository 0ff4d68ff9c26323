"""Run the cells of the notebook in samples/ and write what they give beside them.

    python scripts/write_notebook.py            # rewrite samples/anatomy.ipynb
    python scripts/write_notebook.py --check    # say whether it is out of date, status 1 if it is

Cells are run as Jupyter runs them, without its kernel: what a cell prints, and the value of its last expression as a
table where it has one, as text otherwise.
"""

from __future__ import annotations

import ast
import contextlib
import io
import json
import os
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from scripts.generated import ROOT, renewed

NOTEBOOK = ROOT / "samples" / "anatomy.ipynb"


def outputs(source: str, names: dict[str, Any], number: int) -> list[dict[str, Any]]:
    """What a cell gives.

    Args:
        source: its text.
        names: what cells before it have defined; what it defines comes in.
        number: how many cells were run, with it.
    """
    tree, printed = ast.parse(source), io.StringIO()
    last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    value = None
    with contextlib.redirect_stdout(printed):
        exec(compile(tree, "cell", "exec"), names)  # noqa: S102  # the notebook is ours
        if isinstance(last, ast.Expr):
            value = eval(compile(ast.Expression(last.value), "cell", "eval"), names)  # noqa: S307  # as above
    found: list[dict[str, Any]] = []
    if printed.getvalue():
        found.append({"name": "stdout", "output_type": "stream", "text": _lines(printed.getvalue())})
    if value is not None:
        data = {"text/plain": _lines(repr(value))}
        if hasattr(value, "_repr_html_"):
            data["text/html"] = _lines(value._repr_html_())
        found.append({"data": data, "execution_count": number, "metadata": {}, "output_type": "execute_result"})
    return found


def _lines(text: str) -> list[str]:
    return text.splitlines(keepends=True)


def run(notebook: dict[str, Any]) -> dict[str, Any]:
    """A notebook with what its cells give, run in the folder of the checkout."""
    names: dict[str, Any] = {"__name__": "__main__"}
    before, number = Path.cwd(), 0
    os.chdir(ROOT)
    try:
        cells = []
        for cell in notebook["cells"]:
            if cell["cell_type"] == "code":
                number += 1
                done = outputs("".join(cell["source"]), names, number)
                cells.append(cell | {"execution_count": number, "outputs": done})
            else:
                cells.append(cell)
    finally:
        os.chdir(before)
    return notebook | {"cells": cells}


def main(check: bool) -> int:
    """Rewrite the notebook, or say whether it is out of date; gives 1 where it is."""
    fresh = json.dumps(run(json.loads(NOTEBOOK.read_text("utf-8"))), indent=1, ensure_ascii=False) + "\n"
    return int(renewed(NOTEBOOK, fresh, check))


if __name__ == "__main__":
    if sys.argv[1:] not in ([], ["--check"]):
        sys.exit(__doc__)
    checking = sys.argv[1:] == ["--check"]
    sys.exit(main(checking) if checking else main(checking) and 0)
