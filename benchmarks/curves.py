"""How much of each table is still found in smeared and torn images: ours beside stock Volatility and MemProcFS.

    python benchmarks/curves.py [--draws N] [--output FILE] [--picture FILE] [--redraw FILE]

A forged machine at two moments (``tests/walk/smear.py``).  Smear: each kernel page, tables that map system space
included, is of the second moment with a chance of so many percent; raw files.  Loss: each page of the image, page
tables and user memory included, is missing with such a chance; bitmap crash dumps, which leave pages out, and for
MemProcFS, which does not open these, raw files with zeros in their place.  Every tool has the same pages, in a process
of its own with a time limit.  The truth is the answer key.  Recall: what
processes alive at both moments have at both, and is found.  Precision: what is found and was there at one of them; of
ours also without rows that their own column of problems marks.  An image that a tool cannot open, or not in time,
counts as nothing found.
"""

from __future__ import annotations

import argparse
import json
import lzma
import os
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
sys.path.insert(0, str(Path(__file__).resolve().parent))

from compare import memprocfs_environment
from picture import chart

from process_anatomy.forge import Image, write_bitmap_dump, write_raw
from tests.walk.smear import Machine, machine, tables_at_second

TABLES = ("processes", "VADs", "handles", "threads", "tokens")
TOOLS = ("ours", "Volatility", "MemProcFS")
SMEARED = (0.1, 0.3, 1, 3, 10)
LOST = (1, 3, 10, 30, 50)
SECONDS = 300
"""After which a tool is given up on one image."""
LOW = (1 << 48) - 1
"""Bits of kernel addresses that every tool prints."""
Fact = tuple[int | str, ...]
Facts = Mapping[str, frozenset[Fact]]

STOCK = {
    "processes": ("windows.pslist", ("PID", "Offset(V)")),
    "VADs": ("windows.vadinfo", ("PID", "Start VPN", "End VPN")),
    "handles": ("windows.handles", ("PID", "HandleValue", "Offset")),
    "threads": ("windows.threads", ("PID", "Offset")),
    "tokens": ("windows.getsids", ("PID", "SID")),
}
OURS = {
    "processes": ("processes", ("PID", "Offset(V)")),
    "VADs": ("vads", ("PID", "Start VPN", "End VPN")),
    "handles": ("handles", ("PID", "HandleValue", "Offset")),
    "threads": ("threads", ("PID", "Offset")),
    "tokens": ("groups", ("PID", "SID")),
}
MEMPROCFS = """
import json, sys, memprocfs
vmm = memprocfs.Vmm(["-device", sys.argv[1], "-disable-symbolserver", "-disable-symbols", "-waitinitialize"])
told = {name: [] for name in ("processes", "VADs", "handles", "threads", "tokens")}
def rows(table, ask):
    try:
        told[table] += ask()
    except RuntimeError:
        pass
for p in vmm.process_list():
    rows("processes", lambda: [(p.pid, p.eprocess)])
    rows("VADs", lambda: [(p.pid, vad["start"], vad["end"]) for vad in p.maps.vad()])
    rows("handles", lambda: [(p.pid, h["handle"], h["va-object"]) for h in p.maps.handle()])
    rows("threads", lambda: [(p.pid, t["va-ethread"]) for t in p.maps.thread()])
    rows("tokens", lambda: [(p.pid, line.split()[-1]) for line in
         vmm.vfs.read(f"/pid/{p.pid}/token/sid-all.txt", 1 << 16, 0).decode().splitlines() if "S-1-" in line])
print(json.dumps({"told": told}))
"""


def stock_told(image: Path, symbols: Path) -> dict[str, list[Any]]:
    """What stock plugins say; a plugin that fails says nothing."""
    from process_anatomy.errors import ImageError
    from process_anatomy.volatility.stock import stock

    told: dict[str, list[Any]] = {}
    with stock(image, symbols) as source:
        for table, (plugin, columns) in STOCK.items():
            try:
                told[table] = [[row[column] for column in columns] for row in source.rows(plugin)]
            except (ImageError, AttributeError, ValueError, TypeError) as error:
                print(f"{plugin}: {error}", file=sys.stderr)
    return {"told": told}  # type: ignore[dict-item]


def our_told(image: Path) -> dict[str, dict[str, list[Any]]]:
    """What our views say, hidden processes among them; rows that say nothing of problems also by themselves."""
    from process_anatomy.views.image import Image as OpenImage
    from process_anatomy.volatility import open_path

    opened = OpenImage(open_path(str(image)))
    told: dict[str, list[Any]] = {}
    plain: dict[str, list[Any]] = {}
    for table, (view, columns) in OURS.items():
        told[table], plain[table] = [], []
        for _, cells in opened.view(view, explain="off", hidden=True).rows():
            if table == "tokens" and (isinstance(cells["TID"], int) or cells["Kind"] not in {"user", "group"}):
                continue
            row = [cells[column] for column in columns]
            if all(isinstance(cell, int | str) for cell in row):
                told[table].append(row)
                if not cells["Problems"]:
                    plain[table].append(row)
    return {"told": told, "plain": plain}


def facts_of(told: Mapping[str, list[Any]]) -> Facts:
    """Rows of a tool as facts that compare: addresses of the kernel without their upper 16 bits."""
    return {
        table: frozenset(
            tuple(cell & LOW if isinstance(cell, int) else cell for cell in row)
            for row in told.get(table, ())
            if all(isinstance(cell, int | str) for cell in row)
        )
        for table in TABLES
    }


def truth(image: Image, alive: bool) -> Facts:
    """What the answer key says, of all processes or of those that have not ended."""
    found: dict[str, list[Fact]] = {table: [] for table in TABLES}
    for p in image.truth["processes"]:
        if alive and p["exited"]:
            continue
        pid = p["pid"]
        found["processes"].append((pid, p["eprocess"]))
        found["VADs"] += [(pid, vad["start"], vad["end"]) for vad in p["vads"]]
        found["handles"] += [(pid, h["handle"], h["object"]) for h in p["handles"]]
        found["threads"] += [(pid, thread["ethread"]) for thread in p["threads"]]
        if p["token"]:
            found["tokens"] += [(pid, each["sid"]) for each in p["token"]["sids"]]
    return facts_of(found)


def damaged(both: Machine, kind: str, percent: float, draw: int) -> Image:
    """The machine with so many percent of its pages of the second moment (``smear``), or without them (``loss``)."""
    frames, dice = dict(both.first.physical), Random(f"{kind} {percent} {draw}")  # noqa: S311
    if kind == "smear":
        later = dict(both.shared) | tables_at_second(both)
        frames |= {frame: later[frame] for frame in sorted(later) if dice.random() * 100 < percent}
    else:
        frames = {frame: page for frame, page in sorted(frames.items()) if dice.random() * 100 >= percent}
    return replace(both.first, physical=frames)


def asked(tool: str, image: Path, symbols: Path) -> dict[str, Facts] | None:
    """What a tool says of an image; ``None`` where it cannot open it, or not in time."""
    environment = dict(os.environ)
    if tool == "MemProcFS":
        command, environment = [sys.executable, "-c", MEMPROCFS, str(image)], memprocfs_environment() or environment
    else:
        command = [sys.executable, __file__, "--ask", tool, str(image), str(symbols)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=SECONDS, check=False)
    except subprocess.TimeoutExpired:
        return None
    if done.returncode:
        print(f"{tool}: {done.stderr.strip().splitlines()[-1:]}", file=sys.stderr, flush=True)
        return None
    told = json.loads(done.stdout.splitlines()[-1])
    return {key: facts_of(rows) for key, rows in told.items()}


@dataclass
class Score:
    """What a tool found at one point, summed over draws: counts of facts by table."""

    wanted: Counter[str] = field(default_factory=Counter)
    hits: Counter[str] = field(default_factory=Counter)
    given: Counter[str] = field(default_factory=Counter)
    right: Counter[str] = field(default_factory=Counter)
    plain: Counter[str] = field(default_factory=Counter)
    plain_right: Counter[str] = field(default_factory=Counter)
    unopened: int = 0

    def add(self, told: dict[str, Facts] | None, steady: Facts, ever: Facts) -> None:
        """Take what a tool says of one image."""
        self.unopened += told is None
        for table in TABLES:
            self.wanted[table] += len(steady[table])
            if told is not None:
                said = told["told"][table]
                self.hits[table] += len(said & steady[table])
                self.given[table] += len(said)
                self.right[table] += len(said & ever[table])
                plain = told.get("plain", told["told"])[table]
                self.plain[table] += len(plain)
                self.plain_right[table] += len(plain & ever[table])

    def row(self) -> dict[str, Any]:
        """Recall, precision and precision of rows without a mark, in percent by table; images not opened."""

        def share(part: Counter[str], whole: Counter[str]) -> dict[str, float | None]:
            return {t: round(100 * part[t] / whole[t], 1) if whole[t] else None for t in TABLES}

        return {
            "recall": share(self.hits, self.wanted),
            "precision": share(self.right, self.given),
            "unmarked": share(self.plain_right, self.plain),
            "invented": {t: self.plain[t] - self.plain_right[t] for t in TABLES},
            "unopened": self.unopened,
        }


def measured(both: Machine, folder: Path, draws: int, tools: tuple[str, ...]) -> list[dict[str, Any]]:
    """Every point of every curve."""
    symbols = _symbols(both.first, folder)
    points = [("smear", 0.0), *(("smear", share) for share in SMEARED), *(("loss", float(share)) for share in LOST)]
    rows = []
    for kind, percent in points:
        scores = {tool: Score() for tool in tools}
        second = both.second if kind == "smear" else both.first
        old, new = truth(both.first, True), truth(second, True)
        steady = {t: old[t] & new[t] for t in TABLES}
        ever = {t: truth(both.first, False)[t] | truth(second, False)[t] for t in TABLES}
        if kind == "smear":
            steady["VADs"] -= both.given_back
        for draw in range(draws if percent else 1):
            image, raw, dump = damaged(both, kind, percent, draw), folder / "image.raw", folder / "image.dmp"
            write_raw(image, raw)
            write_bitmap_dump(image, dump)
            for tool in tools:
                path = raw if kind == "smear" or tool == "MemProcFS" else dump
                scores[tool].add(asked(tool, path, symbols), steady, ever)
        for tool in tools:
            rows.append({"kind": kind, "percent": percent, "tool": tool} | scores[tool].row())
            print(json.dumps(rows[-1]), file=sys.stderr, flush=True)
    return rows


def _symbols(image: Image, folder: Path) -> Path:
    pdb = image.symbols["metadata"]["windows"]["pdb"]["database"]
    path = folder / "windows" / pdb / f"{image.truth['pdb_guid']}-{image.truth['pdb_age']}.json.xz"
    path.parent.mkdir(parents=True)
    path.write_bytes(lzma.compress(json.dumps(image.symbols).encode()))
    return folder


def table(rows: list[dict[str, Any]], kind: str) -> str:
    """The points of one kind of damage as a Markdown table: recall / precision in percent."""
    lines = [f"| pages (%) | tool | {' | '.join(TABLES)} | not opened |", "|---" * (3 + len(TABLES)) + "|"]
    for row in rows:
        if row["kind"] == kind:
            cells = " | ".join(f"{_text(row['recall'][t])} / {_text(row['precision'][t])}" for t in TABLES)
            unopened = "-" if row["tool"] == "Volatility" else row["unopened"]  # each of its plugins fails by itself
            lines.append(f"| {row['percent']:g} | {row['tool']} | {cells} | {unopened} |")
    return "\n".join(lines)


def _text(share: float | None) -> str:
    return "-" if share is None else f"{share:g}"


def main() -> None:
    """Measure, or draw again what was measured, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--draws", type=int, default=3, help="images of each point")
    parser.add_argument("--tools", default=",".join(TOOLS))
    parser.add_argument("--output", type=Path, help="a file for the points, as JSON")
    parser.add_argument("--redraw", type=Path, nargs="+", help="files of points to print instead of measuring")
    parser.add_argument("--picture", type=Path, help="a file for the picture, as SVG")
    parser.add_argument("--ask", nargs=3, metavar=("TOOL", "IMAGE", "SYMBOLS"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.ask:
        tool, image, symbols = options.ask
        print(json.dumps(our_told(Path(image)) if tool == "ours" else stock_told(Path(image), Path(symbols))))
        return
    if options.redraw:
        points = [row for path in options.redraw for row in json.loads(path.read_text(encoding="utf-8"))]
        order = {tool: number for number, tool in enumerate(TOOLS)}
        points.sort(key=lambda row: (row["kind"] != "smear", row["percent"], order[row["tool"]]))
    else:
        with tempfile.TemporaryDirectory(prefix="curves-") as folder:
            points = measured(machine(), Path(folder), options.draws, tuple(options.tools.split(",")))
    if options.output:
        options.output.write_text(json.dumps(points), encoding="utf-8")
    if options.picture:
        options.picture.write_text(chart(points, TABLES, TOOLS), encoding="utf-8")
    for kind in ("smear", "loss"):
        print(f"\n{kind}, recall / precision in percent\n\n{table(points, kind)}")
    invented = sum(sum(row["invented"].values()) for row in points if row["tool"] == "ours")
    print(f"\nrows of ours that were never there and say nothing, in these draws: {invented}")


if __name__ == "__main__":
    main()
