"""Stock Volatility sees of a scenario what its answer key says."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from process_anatomy.forge.__main__ import write_all
from process_anatomy.forge.scenarios import forge_scenario


@pytest.mark.proves("stock")
@pytest.mark.parametrize("build", ["x64-20348-1129"])
def test_who_is_hidden_is_on_no_list_and_is_found_by_a_search(
    build: str, tmp_path: Path, stock: Callable[..., list[dict[str, Any]]]
) -> None:
    image = forge_scenario("hidden-process", 4, build)
    path = write_all(image, tmp_path, "hidden", "elf")[0]
    known = {p["pid"]: p["ppid"] for p in image.truth["processes"]}
    (hidden,) = (each["pid"] for each in image.truth["scenario"]["traces"])
    listed = {row["PID"]: row["PPID"] for row in stock(path, "windows.pslist")}
    assert listed == {pid: ppid for pid, ppid in known.items() if pid != hidden}
    assert hidden in {row["PID"] for row in stock(path, "windows.psscan")}
