"""What smear does: findings that it makes up, and how much of each table is still found.

    python benchmarks/smear.py [DRAWS]

A forged machine at two moments (``tests/walk/smear.py``).  Of the kernel's pages so many percent, drawn by lot, are of
the second moment, the rest of the first; twelve draws for each share, unless another number is said.  Findings are
those that neither moment has by itself.  Recall: what is the same at both moments and is found.  Precision: what is
found and was there at one of them.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from process_anatomy.forge import Image
from process_anatomy.kernel.identify import Kernel
from process_anatomy.walk.across.tables import Tables
from tests.walk.damaged import kernel_of
from tests.walk.smear import SHARES, Machine, machine, made_up, told

TABLES = ("processes", "VADs", "handles", "threads")
Facts = Mapping[str, frozenset[tuple[int, ...]]]


def found(kernel: Kernel) -> Facts:
    """What the tables of an image hold, by table; hidden processes too."""
    tables = Tables(kernel, hidden=True)
    rows = tables.processes
    alive = {row.address for row in rows if row.lives}
    entries = tables.handle_tables.entries
    held = zip(entries.owner.tolist(), entries.value.tolist(), entries.object.tolist(), strict=True)
    return {
        "processes": frozenset((row.address, row.pid) for row in rows if row.lives and isinstance(row.pid, int)),
        "VADs": frozenset(
            (vad.process.address, vad.start, vad.end)
            for vad in tables.vads.rows
            if isinstance(vad.start, int) and isinstance(vad.end, int)
        ),
        "handles": frozenset((rows[owner].address, value, target) for owner, value, target in held),
        "threads": frozenset((t.process.address, t.address) for t in tables.threads.rows if t.process.address in alive),
    }


def truth(image: Image) -> Facts:
    """What the tables of an image hold when nothing is smeared."""
    return found(kernel_of(image))


def main(draws: int) -> None:
    """One line for each share of pages."""
    both: Machine = machine()
    first, second = truth(both.first), truth(both.second)
    whole = told(kernel_of(both.first)) | told(kernel_of(both.second))
    print(f"{len(both.shared)} kernel pages, {draws} draws; recall / precision in percent")
    print(f"| pages of later (%) | critical, high | medium | low | {' | '.join(TABLES)} | not identified |")
    print("|---" * (5 + len(TABLES)) + "|")
    for percent in SHARES:
        severities, hits, wanted, right, given = (Counter[str]() for _ in range(5))
        lost = 0
        for draw in range(draws):
            kernel = both.smeared(percent, draw)
            if kernel is None:
                lost += 1
                continue
            for severity, rule, _ in made_up(kernel, whole):
                severities[str(severity)] += 1
                severities[f"{severity} {rule}"] += 1
            facts = found(kernel)
            for table in TABLES:
                steady = first[table] & second[table]
                hits[table] += len(facts[table] & steady)
                wanted[table] += len(steady)
                right[table] += len(facts[table] & (first[table] | second[table]))
                given[table] += len(facts[table])
        weighty = severities["critical"] + severities["high"]
        cells = [f"{100 * hits[t] / wanted[t]:.1f} / {100 * right[t] / given[t]:.1f}" for t in TABLES]
        print(
            f"| {percent} | {weighty} | {severities['medium']} | {severities['low']} | {' | '.join(cells)} | {lost} |"
        )
        for rule, count in sorted(severities.items()):
            if " " in rule:
                print(f"    {rule}: {count}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 12)
