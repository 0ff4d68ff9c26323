"""How many things that are no processes the search of memory lists, and how many processes it misses.

    python benchmarks/phantoms.py [MEGABYTES]

For each kind of garbage (``tests/walk/garbage.py``) as many megabytes, 1024 unless said, in pieces of 64, each mapped
in the kernel's space behind the forged machine with hidden processes.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from process_anatomy.forge import forge
from process_anatomy.forge.cast.hiding import HIDING
from process_anatomy.walk.crossview.crossings import crossview
from tests.walk.garbage import KINDS, MEGABYTE, surrounded

PIECE = 64


def main(megabytes: int) -> None:
    """One line for each kind."""
    image = forge(HIDING, 5)
    real = {process["eprocess"] for process in image.truth["processes"]}
    for kind in KINDS:
        phantoms = missed = 0
        start = time.monotonic()
        for piece in range(megabytes // PIECE):
            rows = crossview(surrounded(image, kind(PIECE * MEGABYTE, piece + 1))).rows
            found = {row.process.address for row in rows if row.in_place}
            phantoms += sum(not row.in_place or row.process.address not in real for row in rows)
            missed += len(real - found)
        seconds = time.monotonic() - start
        print(f"{kind.__name__:14} {megabytes} MB: {phantoms} phantoms, {missed} missed, {seconds:.0f} s", flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1024)
