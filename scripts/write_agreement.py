"""Write the table of ``docs/agreement.md``: what other tools say of an office machine of each Windows.

    python scripts/write_agreement.py            # rewrite the table; takes two minutes of processor time
    python scripts/write_agreement.py --check    # say whether it is out of date, status 1 if it is

Each image is read by stock Volatility with the symbol table that the forge writes, and by MemProcFS, which must be
installed.
"""

from __future__ import annotations

import importlib.util
import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from process_anatomy.forge.__main__ import write_all
from process_anatomy.forge.scenarios import forge_scenario
from process_anatomy.volatility.stock import stock
from scripts.generated import ROOT, renewed
from tests.forge.agreed import ASK, DIFFERENCES, SCENARIO, SEED, STOCK, WINDOWS, Cell, memprocfs_cells, stock_cell

PAGE = ROOT / "docs" / "agreement.md"
TABLE = re.compile(r"<!-- agreement -->\n(?:.*\n)*?<!-- end of agreement -->\n")


def cells(layout: str, folder: Path) -> dict[str, Cell]:
    """All cells of one Windows, by the first cell of their rows."""
    image = forge_scenario(SCENARIO, SEED, layout)
    path = write_all(image, folder, layout, "elf")[0]
    truth = json.loads((folder / f"{layout}.truth.json").read_text("utf-8"))
    with stock(path, folder / "symbols") as source:
        found = {plugin: stock_cell(plugin, source.rows(plugin), truth) for plugin in STOCK}
    told = memprocfs_cells(asked(path), truth)
    path.unlink()
    return found | {f"MemProcFS: {name}": cell for name, cell in told.items()}


def asked(image: Path) -> dict[str, list[Any]]:
    """What MemProcFS says of an image."""
    found = [importlib.util.find_spec(package) for package in ("memprocfs", "leechcorepyc")]
    folders = [place for spec in found if spec for place in spec.submodule_search_locations or ()]
    done = subprocess.run(
        [sys.executable, "-c", ASK, str(image)],
        capture_output=True, text=True, timeout=300, check=True,
        env=os.environ | {"LD_LIBRARY_PATH": os.pathsep.join(folders)},
    )  # fmt: skip
    answer: dict[str, list[Any]] = json.loads(done.stdout.rpartition("ANSWER")[2])
    return answer


def table(columns: dict[str, dict[str, Cell]]) -> str:
    """The table, and what the names of differences mean that stand in it."""
    lines = [f"| | {' | '.join(columns)} |", "|---" * (1 + len(columns)) + "|"]
    lines += [
        f"| {row} | {' | '.join(one[row].text for one in columns.values())} |" for row in next(iter(columns.values()))
    ]
    used = {name for one in columns.values() for cell in one.values() for name in cell.names}
    lines += ["", *(f"- **{name}**: {what}." for name, what in DIFFERENCES.items() if name in used)]
    return "\n".join(lines)


def main(check: bool) -> int:
    """Rewrite or check the page; 1 if it was out of date."""
    with tempfile.TemporaryDirectory(prefix="agreement-") as folder:
        columns = {name: cells(layout, Path(folder)) for name, layout in WINDOWS.items()}
    fresh = f"<!-- agreement -->\n\n{table(columns)}\n\n<!-- end of agreement -->\n"
    return int(renewed(PAGE, TABLE.sub(lambda _: fresh, PAGE.read_text("utf-8")), check))


if __name__ == "__main__":
    if sys.argv[1:] not in ([], ["--check"]):
        sys.exit(__doc__)
    checking = sys.argv[1:] == ["--check"]
    sys.exit(1 if main(checking) and checking else 0)
