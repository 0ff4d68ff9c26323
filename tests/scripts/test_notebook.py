"""The notebook in samples/ is one, and its cells give what stands beside them."""

from __future__ import annotations

import nbformat
import pytest

from scripts import write_notebook

pytest.importorskip("pandas")
pytest.importorskip("polars")


def test_the_notebook_shows_what_its_cells_give(capsys: pytest.CaptureFixture[str]) -> None:
    assert (write_notebook.main(check=True), capsys.readouterr().out) == (0, "")


def test_the_notebook_is_one_that_jupyter_opens() -> None:
    """Tables are tables there, and no cell ended with an error."""
    notebook = nbformat.read(write_notebook.NOTEBOOK, as_version=4)
    nbformat.validate(notebook)
    given = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    assert {output.output_type for output in given} == {"execute_result", "stream"}
    assert sum("<table>" in output.data.get("text/html", "") for output in given if "data" in output) >= 3


def test_a_cell_gives_what_it_prints_and_its_last_value() -> None:
    """As Jupyter has it: nothing for None, a table where the value has one."""
    names = {"one": type("One", (), {"_repr_html_": lambda _: "<b>1</b>", "__repr__": lambda _: "one"})()}
    assert write_notebook.outputs("x = 1\nprint(x)\nNone", names, 1) == [
        {"name": "stdout", "output_type": "stream", "text": ["1\n"]}
    ]
    (found,) = write_notebook.outputs("one", names, 2)
    assert found["data"] == {"text/plain": ["one"], "text/html": ["<b>1</b>"]}
    (found,) = write_notebook.outputs("x", names, 3)
    assert found["data"] == {"text/plain": ["1"]}
