"""How time, memory and bytes read grow with the image: forged images of several sizes, each work of the engine in turn.

    python benchmarks/size.py [FOLDER] [--of processes|vads|handles|memory ...] [--runs N]

Images are forged into FOLDER (a temporary one without it; those that lie there are taken as they are): up to 5,000
processes, up to 100,000 VADs or 500,000 handles in one process, and a machine of 1, 4 and 16 GB whose file has holes.
Of each work the seconds of the processor are printed, least of the runs, each in a process of its own, and the slope of
their logarithm over that of the size: 1 where the time is linear, less where a fixed part weighs.  Bytes are counted in
another run: of structures and strings what was copied out of the image, and how much of that is distinct; and what
translations read of page tables, whose entries are asked for once for each address and level.  For the sizes of memory,
the search of physical memory is set beside numpy, which reads the file once.
"""

from __future__ import annotations

import argparse
import json
import math
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from process_anatomy.forge import LAB, Scenario, crowd, forge, write_raw

ROOT = Path(__file__).resolve().parent.parent
SEED = 7
BIG = "explorer.exe"
"""The process of the lab that has many VADs or handles."""


def _lab(memory_size: int, regions: int = 0, handles: int = 0) -> Scenario:
    cast = tuple(
        replace(actor, extra_regions=regions or actor.extra_regions, handles=handles or actor.handles)
        if actor.path.endswith(BIG)
        else actor
        for actor in LAB.cast
    )
    return replace(LAB, memory_size=memory_size, cast=cast)


SIZES: dict[str, tuple[Callable[[int], Scenario], tuple[int, ...], tuple[str, ...]]] = {
    "processes": (
        lambda count: crowd(count, memory_size=max(256 << 20, count * (160 << 10))),
        (625, 1250, 2500, 5000),
        ("processes", "vads", "pages", "loader", "modules", "threads", "starts", "tokens", "handles", "creation"),
    ),
    "vads": (lambda count: _lab(512 << 20, regions=count), (12_500, 25_000, 50_000, 100_000), ("vads", "pages")),
    "handles": (lambda count: _lab(512 << 20, handles=count), (62_500, 125_000, 250_000, 500_000), ("handles",)),
    "memory": (
        lambda gigabytes: _lab(gigabytes << 30),
        (1, 4, 16),
        ("processes", "vads", "handles", "crossview", "search", "numpy"),
    ),
}
"""What grows: the scenario of a size, the sizes, and the work that is done on each."""
WORK = {
    "processes": "processes(kernel).rows",
    "vads": "vads(kernel, listed).rows",
    "pages": "(trees := vads(kernel, listed).rows, "
    "pages(kernel, listed, trees, regions(kernel, listed, trees).rows, sections(kernel, trees)).rows)[1]",
    "loader": "loader_entries(kernel, listed).entries",
    "modules": "modules(kernel, listed).rows",
    "threads": "thread_facts(kernel, threads(kernel, listed))",
    "starts": "Tables(kernel).starts",
    "tokens": "tokens(kernel, listed, threads(kernel, listed).rows)",
    "handles": "handles(kernel, listed).rows",
    "creation": "list(creations(kernel, listed, listed, tokens(kernel, listed)))",
    "crossview": "crossview(kernel).rows",
    "search": "scan(kernel).processes",
    "numpy": "[int(block.max()) for block in np.array_split(np.memmap(sys.argv[1], mode='r').view('<u8'), 1 << 11)]",
}
"""Each work as an expression whose length is the number of rows."""
CHILD = """
import json, resource, sys, time
import numpy as np
from process_anatomy.volatility import open_path
from process_anatomy.walk.across.creation import creations
from process_anatomy.walk.across.regions import regions
from process_anatomy.walk.across.tables import Tables
from process_anatomy.walk.address_space.pages import pages
from process_anatomy.walk.address_space.sections import sections
from process_anatomy.walk.address_space.vads import vads
from process_anatomy.walk.crossview.crossings import crossview
from process_anatomy.walk.handles.opened import handles
from process_anatomy.walk.processes.listed import processes
from process_anatomy.walk.processes.scan import scan
from process_anatomy.walk.program.loader import loader_entries
from process_anatomy.walk.program.modules import modules
from process_anatomy.walk.security.tokens import tokens
from process_anatomy.walk.threads.facts import thread_facts
from process_anatomy.walk.threads.listed import threads
kernel = open_path(sys.argv[1])
listed = processes(kernel).rows
def work():
    return len({work})
if sys.argv[2] == "time":
    start = time.process_time()
    rows = work()
    seconds = time.process_time() - start
    print(json.dumps([rows, seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024]))
else:
    from process_anatomy.memory import physical
    from process_anatomy.memory.physical import MappedMemory
    copied, entries, seen = 0, 0, np.zeros(kernel.space.memory.octets().size // 8 + 1, dtype=np.bool_)
    structures = True
    def note(first, last):
        if not structures:
            return
        low, high = first // 8, (last + 7) // 8
        if len(low):
            wide = int((high - low).max())
            for step in range(wide):
                seen[np.minimum(low + step, high - 1)] = True
    plain_gather, plain_read, plain_words = physical.gather, MappedMemory.read, physical.words
    def counted_words(memory, addresses, size=8):
        global copied, entries
        global structures
        before, structures = copied, False
        answer = plain_words(memory, addresses, size)
        copied, entries, structures = before, entries + copied - before, True
        return answer
    def counted_gather(octets, offsets, size):
        global copied
        there = offsets[offsets >= 0]
        copied += len(there) * size
        note(there, there + size)
        return plain_gather(octets, offsets, size)
    def counted_read(self, address, size):
        global copied
        octets = plain_read(self, address, size)
        if octets:
            copied += size
            at = self.locate(np.array([address], dtype=np.uint64), size)
            note(at, at + size)
        return octets
    for module in list(sys.modules.values()):
        if getattr(module, "gather", None) is plain_gather:
            module.gather = counted_gather
        if getattr(module, "words", None) is plain_words:
            module.words = counted_words
    MappedMemory.read = counted_read
    work()
    print(json.dumps([copied, int(seen.sum()) * 8, entries]))
"""


def measured(image: Path, work: str, how: str) -> list[float]:
    """What a process of its own prints of one work on one image.

    Rows, seconds, MB; or octets of structures copied, distinct ones of those, and octets of page-table entries.
    """
    script = CHILD.replace("{work}", WORK[work])
    run = subprocess.run(
        [sys.executable, "-c", script, str(image), how], check=True, capture_output=True, text=True, cwd=ROOT
    )
    numbers: list[float] = json.loads(run.stdout)
    return numbers


def slope(sizes: list[float], seconds: list[float]) -> float:
    """Of the line through the logarithms, by least squares."""
    x, y = [math.log(size) for size in sizes], [math.log(second) for second in seconds]
    mx, my = sum(x) / len(x), sum(y) / len(y)
    return sum((a - mx) * (b - my) for a, b in zip(x, y, strict=True)) / sum((a - mx) ** 2 for a in x)


def image_of(folder: Path, kind: str, size: int) -> Path:
    """The image of a size, forged if it does not lie there."""
    path = folder / f"{kind}-{size}.raw"
    if not path.exists():
        write_raw(forge(SIZES[kind][0](size), SEED), path)
    return path


def main(folder: Path, kinds: list[str], runs: int) -> None:
    """Print a Markdown table for each thing that grows."""
    for kind in kinds:
        _, sizes, works = SIZES[kind]
        images = [image_of(folder, kind, size) for size in sizes]
        print(
            f"\n| work, by {kind} | "
            + " | ".join(f"{size:,}" for size in sizes)
            + " | slope | MB | copied / distinct | MB of page tables |"
        )
        print("|---" * (len(sizes) + 5) + "|", flush=True)
        for work in works:
            told = [[measured(image, work, "time") for _ in range(runs)] for image in images]
            seconds = [min(second for _, second, _ in tries) for tries in told]
            peak = max(int(mb) for _, _, mb in told[-1])
            read = " | "
            if work not in ("numpy", "search", "crossview"):
                copied, distinct, tables = measured(images[-1], work, "bytes")
                read = f"{copied / distinct:.2f} ({distinct / 1e6:.1f} MB) | {tables / 1e6:.1f}"
            grows = slope([float(size) for size in sizes], seconds)
            print(
                f"| {work} | " + " | ".join(f"{s:.3f}" for s in seconds) + f" | {grows:.2f} | {peak} | {read} |",
                flush=True,
            )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", type=Path, help="where the images are, or are put")
    parser.add_argument("--of", nargs="+", choices=tuple(SIZES), default=list(SIZES), help="what grows; all of it else")
    parser.add_argument("--runs", type=int, default=3, help="of each work on each image; the least counts")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="sizes-") as temporary:
        main(asked.folder or Path(temporary), asked.of, asked.runs)
