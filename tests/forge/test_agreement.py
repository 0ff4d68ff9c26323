"""What other tools say of one Windows is what its key says; ``scripts/write_agreement.py`` asks about every one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from process_anatomy.forge.__main__ import write_all
from process_anatomy.forge.scenarios import forge_scenario
from process_anatomy.volatility.stock import stock as opened
from tests.forge.agreed import ASK, DIFFERENCES, SCENARIO, SEED, STOCK, compared, memprocfs_cells, stock_cell

PAGE = Path(__file__).parents[2] / "docs" / "agreement.md"
THRIFTY = ("windows.pslist", "windows.pstree", "windows.sessions", "windows.getservicesids", "windows.modules")
"""Plugins that no other test compares with a scenario's key, or that are cheap."""


@pytest.mark.proves("stock", "memprocfs")
@pytest.mark.parametrize("build", ["x64-20348-1129"])
def test_stock_volatility_and_memprocfs_say_what_the_key_says(
    build: str, tmp_path: Path, memprocfs: Callable[[str, Path, str], Any]
) -> None:
    image = forge_scenario(SCENARIO, SEED, build)
    path = write_all(image, tmp_path, "office", "elf")[0]
    with opened(path, tmp_path / "symbols") as source:
        cells = {plugin: stock_cell(plugin, source.rows(plugin), image.truth) for plugin in THRIFTY}
    cells |= memprocfs_cells(memprocfs(ASK, path, ""), image.truth)
    assert {name: cell.text for name, cell in cells.items() if cell.missing or cell.beyond} == {}


def test_a_row_too_few_and_one_too_many_are_told() -> None:
    cell = compared([(1, "a"), (2, "b"), (2, "b")], [(1, "a"), (2, "b"), (3, "c")])
    assert (cell.missing, cell.beyond) == ([(3, "c")], [(2, "b")])
    assert cell.text == "**1 missing, 1 beyond** of 3"


def test_every_plugin_stands_in_the_table_and_every_difference_has_words() -> None:
    page = PAGE.read_text("utf-8")
    assert len(STOCK) == 21
    assert [name for name in STOCK if f"\n| {name} | " not in page] == []
    assert {name for _, names in STOCK.values() for name in names} <= DIFFERENCES.keys()
    assert "missing, " not in page.partition("<!-- agreement -->")[2].partition("<!-- end of agreement -->")[0]
