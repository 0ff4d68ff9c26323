"""Which single losses of memory take rows or change values without a word.

    python benchmarks/losses.py [--only TEXT] [--kinds zero,garbage,missing,blank] [--objects N] [--output FILE]

Forges a small laboratory machine, and changes it in one place at a time (``tests/walk/losses.py``): a page of system
space that holds a structure is missing or holds zeros; a field of a structure that some view reads is zero or garbage.
Prints what was lost in silence, by view and by what was changed.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import sys
import time
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from process_anatomy.forge import forge
from tests.walk.damaged import kernel_of
from tests.walk.losses import (
    KEYS,
    Loss,
    field_losses,
    heard,
    judged,
    of_victims,
    page_losses,
    read_by,
    silences,
    small_lab,
)

SEED = 7


def main() -> None:
    """Try them all, and print what was silent."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help="losses whose words hold this")
    parser.add_argument("--kinds", default="zero,garbage,other,missing,blank")
    parser.add_argument("--objects", type=int, default=1, help="objects of each structure")
    parser.add_argument("--output", help="a file for one JSON line a silence")
    asked = parser.parse_args()
    start = time.monotonic()
    image = forge(small_lab(), SEED)
    places = read_by(image)
    chosen = of_victims(image, places, asked.objects)
    losses = [*page_losses(image, places), *field_losses(image, places, chosen)]
    kinds = asked.kinds.split(",")
    losses = sorted((x for x in losses if x.kind in kinds and asked.only in x.what), key=lambda x: kinds.index(x.kind))
    kernel = kernel_of(image)
    before, rules = heard(kernel, KEYS), judged(kernel_of(image))
    print(f"{len(losses)} losses, {time.monotonic() - start:.0f} s to prepare", file=sys.stderr, flush=True)

    def tried(loss: Loss) -> list[dict[str, object]]:
        return [
            {
                "what": loss.what, "kind": loss.kind, "address": hex(loss.address), "view": each.view,
                "lost": [" ".join(key) for key in each.lost], "changed": dict(each.changed),
                "indirect": each.indirect, "sample": dict(each.sample),
            }
            for each in silences(loss, image, before, rules)
        ]  # fmt: skip

    globals()["tried"] = tried
    globals()["LOSSES"] = losses
    rows = []
    with multiprocessing.get_context("fork").Pool(2) as pool:
        for done, found in enumerate(pool.imap(_tried, range(len(losses)), chunksize=1)):
            rows += found
            if asked.output and found:
                with open(asked.output, "a", encoding="utf-8") as file:
                    file.writelines(json.dumps(row) + "\n" for row in found)
            if done % 50 == 0:
                print(f"{done} of {len(losses)}, {time.monotonic() - start:.0f} s", file=sys.stderr, flush=True)
    lost = {(row["what"], row["address"]) for row in rows if row["lost"]}
    other = {(row["what"], row["address"]) for row in rows if row["indirect"]}
    any_value = {(row["what"], row["address"]) for row in rows if row["changed"]}
    print(
        f"{len(losses)} losses: {len(lost)} take rows in silence, {len(any_value)} change a value,"
        f" {len(other)} another than their own"
    )
    by_view = Counter[str]()
    for row in rows:
        by_view[str(row["view"])] += bool(row["lost"])
    print("views that lose rows:", dict(by_view.most_common()))


def _tried(number: int) -> list[dict[str, object]]:
    found: list[dict[str, object]] = globals()["tried"](globals()["LOSSES"][number])
    return found


if __name__ == "__main__":
    main()
