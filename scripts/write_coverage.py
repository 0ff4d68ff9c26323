"""Write ``docs/coverage.md``: which Windows is backed by what, each cell linked to the tests that prove it.

    python scripts/write_coverage.py            # rewrite the page
    python scripts/write_coverage.py --check    # say whether it is out of date, status 1 if it is

Nothing is typed here: layouts are those that ship, all else is collected from the tests.  A test says what it proves
with a marker, ``@pytest.mark.proves("stock")``; of which Windows is told by its parameters (a layout's or an image's
name, as in ``x86-2600-5512`` or ``win10-19041.raw``), else by the marker, as in
``@pytest.mark.proves("stock", "x64-19041")``.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from scripts.generated import ROOT, renewed
from structs import builds, partial
from structs.machines import KERNELS

PAGE = ROOT / "docs" / "coverage.md"
ANSWER = "PROVES"
KINDS = {
    "forged": "forged image",
    "foreign": "foreign image",
    "stock": "agrees with stock Volatility",
    "memprocfs": "agrees with MemProcFS",
    "real": "real bytes seen",
}
"""What a test can prove, and the column that tells it."""
WINDOWS = {
    2600: "XP", 3790: "Server 2003, XP x64", 6000: "Vista", 6001: "Vista SP1, Server 2008", 6002: "Vista SP2",
    7600: "7, Server 2008 R2", 7601: "7 SP1", 9200: "8, Server 2012", 9600: "8.1, Server 2012 R2", 10240: "10 1507",
    10586: "10 1511", 14393: "10 1607, Server 2016", 15063: "10 1703", 16299: "10 1709", 17134: "10 1803",
    17763: "10 1809, Server 2019", 18362: "10 1903, 1909", 19041: "10 2004 to 22H2", 20348: "Server 2022",
    22000: "11 21H2", 22621: "11 22H2, 23H2", 25398: "Server 23H2", 26100: "11 24H2, 25H2, Server 2025",
    28000: "11 26H1", 29531: "previews after 26H1",
}  # fmt: skip
"""Build number to the release that it is of."""
ELSEWHERE = {"sample": "x64-22621", "winxp-2600-pae": "x86-2600", "forged": "x64-22621"}
"""Names of images that do not tell the processor, or nothing."""
HEAD = """# What each Windows is backed by

Made by `python scripts/write_coverage.py` from the layouts that ship and from the tests: a number is that of the tests
that prove the cell, each a link to where they are. An empty cell is not known to be wrong; nothing here proves it.

- **layouts**: how many of this build ship; which one applies is told by PDB, by revision, or by how well it fits
  ([windows.anatomy.selfcheck](selfcheck.md)). Those of partial facts have some sizes and offsets of that very kernel,
  and all else from a neighbour. Which field of each build is proved by whom, and how often that was right, is measured
  [there](selfcheck.md#a-build-that-nobody-knows); `windows.anatomy.dt` says it of each field (Source). The four
  kernels whose public PDB has no types, which no tool that needs symbols opens, are known by name and read as well:
  17763.2867, 19041.4957, 26100.1455 and 26100.3476 ([proved](../tests/kernel/test_kernels_without_types.py)).
- **forged image**: an image of this build is forged, and read back as its answer key says.
- **foreign image**: an image of an independent generator is reported as its answer key says.
- **agrees with stock Volatility**, **agrees with MemProcFS**: the same rows, on forged or foreign images.
- **real bytes seen**: crash dumps of real machines.

"""
Proofs = dict[str, dict[str, dict[str, int]]]
"""Windows (``x64-19041``) to kind of proof to test file to number of tests."""


class Collector:
    """What pytest asks while it collects: which tests prove what."""

    def __init__(self) -> None:
        self.found: list[tuple[str, str, str]] = []

    def pytest_collection_finish(self, session: Any) -> None:
        """Remember what each collected test proves, and of which Windows."""
        for item in session.items:
            for mark in item.iter_markers("proves"):
                kind, *of = mark.args
                for windows in of or [told_by_name(item.name.partition("[")[2].rstrip("]"))]:
                    self.found.append((item.nodeid.partition("::")[0], kind, windows))


def told_by_name(name: str) -> str:
    """Which Windows the parameters of a test name, empty where they name none."""
    for known, windows in ELSEWHERE.items():
        if known in name:
            return windows
    numbers = (number for number in re.findall(r"(?<!\d)\d{4,5}(?!\d)", name) if int(number) in WINDOWS)
    number = next(numbers, "")
    return f"{'x86' if 'x86' in name else 'x64'}-{number}" if number else ""


def collect() -> list[tuple[str, str, str]]:
    """Test file, kind and Windows of each proof, by a pytest of its own that only collects."""
    command = [sys.executable, str(Path(__file__)), "--collect"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, encoding="utf-8", check=False)
    _, found, answer = done.stdout.rpartition(ANSWER)
    if not found:
        raise RuntimeError(f"the tests cannot be collected:\n{done.stdout}{done.stderr}")
    return [(file, kind, windows) for file, kind, windows in json.loads(answer)]


def collect_here() -> None:
    """Print the proofs in this process: pytest may not run inside of pytest."""
    import pytest

    files = [path for path in sorted((ROOT / "tests").rglob("test_*.py")) if "mark.proves" in path.read_text("utf-8")]
    collector = Collector()
    pytest.main(["--collect-only", "-q", "-p", "no:cacheprovider", *map(str, files)], plugins=[collector])
    print(ANSWER + json.dumps(collector.found))


def by_windows(found: Iterable[tuple[str, str, str]]) -> Proofs:
    """The proofs by Windows.

    Raises:
        ValueError: a test proves something that there is no column for, or names no Windows.
    """
    proofs: Proofs = {}
    for file, kind, windows in found:
        if kind not in KINDS:
            raise ValueError(f"{file} proves {kind!r}, which is none of {', '.join(KINDS)}")
        if windows:
            files = proofs.setdefault(windows, {}).setdefault(kind, {})
            files[file] = files.get(file, 0) + 1
    return proofs


def page(proofs: Proofs) -> str:
    """The whole page."""
    lines = ["| Windows | build | processor | layouts | " + " | ".join(KINDS.values()) + " |"]
    lines.append("|" + "---|" * (4 + len(KINDS)))
    for number, release in WINDOWS.items():
        for arch in KERNELS:
            layouts = sum(name.startswith(f"{arch}-{number}-") for name in builds.names())
            part = sum(name.startswith(f"{arch}-{number}-") for name in partial.names())
            if layouts or part:
                told = proofs.get(f"{arch}-{number}", {})
                cells = [cell(told.get(kind, {})) for kind in KINDS]
                whole = f"[{layouts}](../tests/structs/test_builds.py)" if layouts else ""
                some = f"[{part} of partial facts](../tests/structs/test_partial.py)" if part else ""
                layout = ", ".join(filter(None, (whole, some)))
                lines.append(f"| {release} | {number} | {arch} | {layout} | " + " | ".join(cells) + " |")
    totals = {kind: sum(bool(told.get(kind)) for told in proofs.values()) for kind in KINDS}
    counts = ", ".join(f"{KINDS[kind]} {count}" for kind, count in totals.items())
    return f"{HEAD}{chr(10).join(lines)}\n\nGenerations in each column: {counts}.\n"


def cell(files: dict[str, int]) -> str:
    """The tests of a cell, with links to their files."""
    return ", ".join(f"[{count}](../{file})" for file, count in sorted(files.items()))


def main(check: bool, run: Callable[[], list[tuple[str, str, str]]] = collect) -> int:
    """Rewrite or check the page; 1 if it was out of date."""
    return int(renewed(PAGE, page(by_windows(run())), check))


if __name__ == "__main__":
    if sys.argv[1:] == ["--collect"]:
        collect_here()
        sys.exit()
    if sys.argv[1:] not in ([], ["--check"]):
        sys.exit(__doc__)
    checking = sys.argv[1:] == ["--check"]
    sys.exit(1 if main(checking) and checking else 0)
