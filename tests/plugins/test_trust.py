"""A layout that does not fit: rows are shown and marked, and the command line ends with a status of its own."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import ROOT, SAMPLE, Answer, Vol, environment

WRONG = next((ROOT / "samples" / "symbols").rglob("*.json.xz"))
"""The symbol table of Windows 11 22621, whose processes lie as those of Windows 10 19041 do, and little else."""
REASON = "do not trust: the layout does not fit this image: _ETHREAD.Process, _ETHREAD.Teb, _ETHREAD.InitialStack"


@pytest.fixture(scope="module", params=["processes", "threads", "selfcheck"])
def answer(request: pytest.FixtureRequest, vol: Vol, foreign: Callable[[str], Path]) -> Answer:
    """What a plugin says of Windows 10 19041 through the layout of Windows 11 22621."""
    image = foreign("win10-19041.raw")
    return vol("-r", "json", "-f", image, f"windows.anatomy.{request.param}", "--isf", WRONG)


def test_the_command_ends_with_status_3_and_every_row_is_marked(answer: Answer) -> None:
    """The first row says why; the warning too."""
    assert answer.status == 3
    assert REASON in answer.err
    rows = answer.rows
    assert len(rows) > 30
    assert rows[0]["Problems"].startswith(REASON)
    assert all(row["Problems"].startswith("do not trust") for row in rows)


@pytest.mark.parametrize("renderer", ["quick", "csv", "pretty", "jsonl"])
def test_every_renderer_shows_its_rows_before_the_command_ends(
    renderer: str, vol: Vol, foreign: Callable[[str], Path]
) -> None:
    """Those that print at the end too."""
    answer = vol("-r", renderer, "-f", foreign("win10-19041.raw"), "windows.anatomy.processes", "--isf", WRONG)
    assert answer.status == 3
    assert answer.out.count("do not trust") >= 37


def test_a_layout_that_fits_ends_with_status_0_and_marks_nothing(vol: Vol) -> None:
    """All is as it is without the check."""
    answer = vol("-r", "json", "-f", SAMPLE, "windows.anatomy.selfcheck")
    assert answer.status == 0
    assert "do not trust" not in answer.out + answer.err
    assert answer.rows[0]["Result"] == "exact layout"
    assert {row["Result"] for row in answer.rows[1:]} <= {"fits", "fits mostly"}


LIBRARY = """
import sys
from volatility3 import framework
from volatility3.framework import automagic, contexts, plugins
import volatility3.plugins
framework.import_files(volatility3.plugins, True)
context = contexts.Context()
context.config["automagic.LayerStacker.single_location"] = "file://" + sys.argv[1]
context.config["plugins.Processes.isf"] = sys.argv[2]
from volatility3.plugins.windows.anatomy.processes import Processes
chosen = automagic.choose_automagic(automagic.available(context), Processes)
grid = plugins.construct_plugin(context, chosen, Processes, "plugins", None, None).run()
from volatility3.cli.text_renderer import QuickTextRenderer
renderer = QuickTextRenderer()
renderer.filter, renderer.column_hide_list = None, None
renderer.render(grid)
print("still here")
"""


def test_a_program_that_uses_volatility_as_a_library_is_left_alone(foreign: Callable[[str], Path]) -> None:
    """The rows are marked; nobody ends the program."""
    command = [sys.executable, "-c", LIBRARY, str(foreign("win10-19041.raw")), str(WRONG)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, env=environment(), cwd=ROOT)
    assert done.returncode == 0, done.stderr
    assert REASON in done.stdout
    assert done.stdout.endswith("still here\n")
