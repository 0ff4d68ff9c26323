"""What an analysis may cost, told without a clock: pages, translations, records and modules against stored numbers.

After a change that has to cost more, or that costs less, ``python -m tests.test_budget --update`` stores the numbers of
today; without the option it prints what differs.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import process_anatomy
from process_anatomy.kernel.identify import Kernel
from process_anatomy.views.all import exported
from process_anatomy.views.image import Image
from process_anatomy.volatility import open_path
from tests.conftest import ROOT, SAMPLE, SHARED
from tests.work import counted

Costs = dict[str, dict[str, int]]
"""What was done (a view, say) to the numbers of it."""

STORED = Path(__file__).with_name("budget.json")
ROOM = 1.05
"""How much more than is stored a number may be."""
FOREIGN = "win10-19041"
OURS = ("process_anatomy", "structs")
HEAVY = (
    "numpy", "numpy.ma", "construct", "pefile", "iced_x86", "click", "rich", "jinja2", "pyarrow", "duckdb", "dask",
    "pandas", "polars", "volatility3.cli", "volatility3.framework",
)  # fmt: skip
"""Modules that take long to load; each is 1 where it was loaded, else 0."""
STARTS = {
    "anatomy --help": "from process_anatomy.command.start import main; main(['--help'])",
    "anatomy show": f"from process_anatomy.command.start import main; main(['show', {str(SAMPLE)!r}, 'processes'])",
    "every plugin, none run": f"""
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
for path in sorted(Path({str(ROOT)!r}).glob("plugins/windows/anatomy/*.py")):
    spec = spec_from_file_location(path.stem, path)
    spec.loader.exec_module(module_from_spec(spec))
""",
    "first row": f"""
from process_anatomy import open_image
next(open_image({str(SAMPLE)!r}).view("processes", explain="off").rows())
""",
}
"""What a program does, run in a process of its own; which modules it has then loaded is counted."""


def work_of_views(open_kernel: Callable[[], Kernel]) -> tuple[Costs, dict[str, int]]:
    """What opening an image and each view of it cost, each from tables of its own; and explanations filled in."""
    with counted() as work:
        kernel = open_kernel()
    costs, words = {"opening": work.counts()}, {"opening": work.words}
    for name in exported():
        with counted() as work:
            for _ in Image(kernel).view(name, explain="off").rows():
                pass
        costs[name], words[name] = work.counts(), work.words
    return costs, words


def modules_of(code: str) -> dict[str, int]:
    """How many modules of ours a program loads, and which of the :data:`HEAVY` ones."""
    after = f"""
import json, sys
{code}
names = list(sys.modules)
ours = [name for name in names if name.partition(".")[0] in {OURS!r}]
heavy = {{name: int(name in names) for name in {HEAVY!r}}}
print("\\n" + json.dumps({{"modules of ours": len(ours)}} | heavy))
"""
    where = str(Path(process_anatomy.__file__).resolve().parent.parent)
    done = subprocess.run(
        [sys.executable, "-c", after], capture_output=True, text=True, timeout=120,
        env=os.environ | {"PYTHONPATH": where},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found: dict[str, int] = json.loads(done.stdout.splitlines()[-1])
    return found


def beyond(now: Costs, stored: Costs) -> Iterator[str]:
    """Each number that is more than the stored one and its room, and each that is stored nowhere, in a line."""
    for what, numbers in now.items():
        for name, number in numbers.items():
            limit = stored.get(what, {}).get(name)
            if limit is None or number > limit * ROOM:
                yield f"{what}, {name}: {number}, stored {limit}"


def stored(part: str) -> Costs:
    """The numbers of one part of the file."""
    whole: dict[str, Costs] = json.loads(STORED.read_text())
    return whole[part]


@pytest.fixture(scope="module")
def sample_work() -> tuple[Costs, dict[str, int]]:
    return work_of_views(lambda: open_path(SAMPLE))


def test_views_of_the_sample_do_no_more_than_they_did(sample_work: tuple[Costs, dict[str, int]]) -> None:
    assert list(beyond(sample_work[0], stored("sample"))) == []


def test_no_words_are_filled_in_where_nothing_is_explained(sample_work: tuple[Costs, dict[str, int]]) -> None:
    assert {view: words for view, words in sample_work[1].items() if words} == {}


def test_words_are_counted_where_rows_are_explained() -> None:
    with counted() as work:
        rows = list(Image(open_path(SAMPLE)).view("csrss", explain="brief").rows())
    assert work.words >= len(rows) > 0


def test_views_of_a_foreign_image_do_no_more_than_they_did(foreign: Callable[[str], Path]) -> None:
    costs, words = work_of_views(lambda: open_path(foreign(f"{FOREIGN}.raw")))
    assert list(beyond(costs, stored(FOREIGN))) == []
    assert not any(words.values())


@pytest.mark.parametrize("start", STARTS)
def test_programs_load_no_more_than_they_did(start: str) -> None:
    assert list(beyond({start: modules_of(STARTS[start])}, stored("starts"))) == []


def test_what_costs_more_is_told() -> None:
    kept = {"vads": {"pages": 100, "records": 0}}
    assert list(beyond({"vads": {"pages": 105, "records": 0}}, kept)) == []
    assert list(beyond({"vads": {"pages": 106, "records": 1}}, kept)) == [
        "vads, pages: 106, stored 100",
        "vads, records: 1, stored 0",
    ]
    assert list(beyond({"new": {"pages": 1}}, kept)) == ["new, pages: 1, stored None"]


def today() -> dict[str, Costs]:
    """The numbers of today; of the foreign image those that are stored, where it is not beside the checkout."""
    found = {
        "starts": {start: modules_of(code) for start, code in STARTS.items()},
        "sample": work_of_views(lambda: open_path(SAMPLE))[0],
    }
    packed = SHARED / "images" / f"{FOREIGN}.raw.xz"
    if not packed.exists():
        return found | {FOREIGN: stored(FOREIGN)}
    import lzma

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"{FOREIGN}.raw"
        path.write_bytes(lzma.decompress(packed.read_bytes()))
        return found | {FOREIGN: work_of_views(lambda: open_path(path))[0]}


def written(costs: dict[str, Costs]) -> str:
    """The numbers as the file has them: a line for each thing that was done."""
    parts = [
        f"{json.dumps(part)}: {{\n" + ",\n".join(f" {json.dumps(what)}: {json.dumps(of)}" for what, of in each.items())
        for part, each in costs.items()
    ]
    return "{\n" + "\n},\n".join(parts) + "\n}\n}\n"


def changes(now: dict[str, Costs]) -> Iterator[str]:
    """Each number that is not the stored one, in a line."""
    before: dict[str, Costs] = json.loads(STORED.read_text()) if STORED.exists() else {}
    for part, costs in now.items():
        for what, numbers in costs.items():
            for name, number in numbers.items():
                old = before.get(part, {}).get(what, {}).get(name)
                if number != old:
                    yield f"{part}: {what}, {name}: {old} -> {number}"


if __name__ == "__main__":
    measured = today()
    print(*changes(measured), sep="\n")
    if "--update" in sys.argv[1:]:
        STORED.write_text(written(measured))
