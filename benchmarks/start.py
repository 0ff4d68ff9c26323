"""What our plugins add to a run of `vol` before their first row, and what rows cost, beside a plugin of constants.

    python benchmarks/start.py [IMAGE]

Whole processes run in turn: `vol` without our plugins and with them, over a plugin that takes the image's layer and
yields one constant row; then ours.  Seconds are those that the processor worked, the least of some runs, so that what
else a machine does counts little.  Rows are counted in one process: from tables that are walked, through the cells to a
renderer, beside the same cells made beforehand.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

from volatility3.cli.text_renderer import QuickTextRenderer
from volatility3.framework.renderers import TreeGrid

from process_anatomy import open_image
from process_anatomy.volatility.cells import grid

ROOT = Path(__file__).resolve().parent.parent
SAMPLE = ROOT / "samples" / "lab-win11-22621.dmp"
RUNS = 7
LEAST_ROWS = 3_000
"""Rows that are shown in one measurement, at the least."""
CONSTANT = """
from volatility3.framework import interfaces, renderers
from volatility3.framework.configuration import requirements

class Constant(interfaces.plugins.PluginInterface):
    _required_framework_version = (2, 0, 0)

    @classmethod
    def get_requirements(cls):
        return [requirements.TranslationLayerRequirement(name="primary", architectures=["Intel32", "Intel64"])]

    def run(self):
        return renderers.TreeGrid([("PID", int)], iter([(0, (4,))]))
"""
RUN = """
import sys
with_ours, root = sys.argv[1] == "with", sys.argv[2]
sys.path.insert(0, root)
sys.meta_path[:] = [each for each in sys.meta_path if type(each).__module__ != "process_anatomy_startup"]
sys.argv = ["vol", *sys.argv[3:]]
if with_ours:
    from volatility3.framework import constants
    constants.PLUGINS_PATH.append(root + "/plugins")
from volatility3 import cli
cli.main()
"""
VIEWS = ("vads", "privileges", "envars", "modules")
"""Views whose tables are kept, so that only rows are counted."""
LEVELS = ("off", "brief")


def seconds(command: list[str]) -> float:
    """Seconds that the processor worked for a command, which has to succeed."""
    with open(os.devnull, "wb") as nothing:
        started = subprocess.Popen(command, stdout=nothing, stderr=nothing)
        _, status, used = os.wait4(started.pid, 0)
    started.returncode = os.waitstatus_to_exitcode(status)
    if started.returncode:
        raise subprocess.CalledProcessError(started.returncode, command)
    return used.ru_utime + used.ru_stime


def starts(image: Path) -> None:
    """Print what each kind of run costs, and what ours adds."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "constant.py").write_text(CONSTANT)
        common = ["-q", "--offline", "--cache-path", folder, "-r", "quick", "-p", folder, "-f", str(image)]

        def vol(ours: str, *asked: str) -> list[str]:
            return [sys.executable, "-c", RUN, ours, str(ROOT), *common, *asked]

        anatomy = [sys.executable, "-c", "from process_anatomy.command.start import main; main()"]
        os.environ["PYTHONPATH"] = str(ROOT)
        kinds = {
            "`vol` without our plugins, one constant row": vol("without", "constant.Constant"),
            "`vol` with our plugins, one constant row": vol("with", "constant.Constant"),
            "`windows.anatomy.processes --explain off`": vol("with", "windows.anatomy.processes", "--explain", "off"),
            "`windows.anatomy.processes`": vol("with", "windows.anatomy.processes"),
            "`anatomy --help`": [*anatomy, "--help"],
            "`anatomy show IMAGE processes`": [*anatomy, "show", str(image), "processes"],
        }
        for command in kinds.values():
            seconds(command)
        least = dict.fromkeys(kinds, float("inf"))
        for _ in range(RUNS):
            for kind, command in kinds.items():
                least[kind] = min(least[kind], seconds(command))
    first = next(iter(least.values()))
    print("| run | processor (s) | beside the first |\n|---|---|---|")
    for kind, taken in least.items():
        print(f"| {kind} | {taken:.3f} | {taken - first:+.3f} |")


def least_of(*works: Callable[[], object]) -> list[float]:
    """Seconds of the processor that each work takes, run in turn, the least of some runs."""
    best = [float("inf")] * len(works)
    for _ in range(RUNS):
        for number, work in enumerate(works):
            start = time.process_time()
            work()
            best[number] = min(best[number], time.process_time() - start)
    return best


def shown(grid_of: TreeGrid) -> None:
    """Show rows to nobody, with the quickest of Volatility's renderers."""
    with open(os.devnull, "w") as nothing, redirect_stdout(nothing):
        QuickTextRenderer().render(grid_of)


def row_costs(answer: Any, least: int) -> tuple[int, list[float]]:
    """How many rows a view has, and microseconds of the processor for each: ours, and a row of the same cells."""
    made: list[tuple[int, tuple[Any, ...]]] = []
    ours = grid(answer.view, answer.rows())
    ours.populate(lambda node, _: made.append((0, tuple(node.values))), None)
    columns = [(column.name, column.type) for column in ours.columns]
    times = -(-least // max(len(made), 1))

    def of_ours() -> None:
        for _ in range(times):
            shown(grid(answer.view, answer.rows()))

    def of_constants() -> None:
        for _ in range(times):
            shown(TreeGrid(columns, iter(made)))

    return len(made), [taken / times / max(len(made), 1) * 1e6 for taken in least_of(of_ours, of_constants)]


def rows(image: Path) -> None:
    """Print what a row costs through our cells, beside rows of constants with the same cells."""
    of = open_image(image)
    print("\n| view | rows | explained | a row (us) | a constant row (us) | ratio |\n|---|---|---|---|---|---|")
    for name in VIEWS:
        for level in LEVELS:
            count, (ours, constant) = row_costs(of.view(name, explain=level), LEAST_ROWS)
            print(f"| {name} | {count} | {level} | {ours:.1f} | {constant:.1f} | {ours / constant:.2f} |", flush=True)


if __name__ == "__main__":
    if len(sys.argv) > 2:
        sys.exit(__doc__)
    given = Path(sys.argv[1]) if len(sys.argv) == 2 else SAMPLE
    starts(given)
    rows(given)
