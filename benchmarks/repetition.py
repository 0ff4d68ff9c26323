"""How much explanations repeat themselves: per view, the share of rows whose text another row of the process also has.

``python benchmarks/repetition.py IMAGE [IMAGE …]`` prints a table in Markdown, columns for each image.  A row counts
as repeated where another row of the same view and the same process (column PID) has the same text at the level asked
for, letter by letter (``same text``), or apart from numbers and addresses (``same words``): the first says nothing of
its own, the second nothing but where it lies and how much it is.  ``any process`` is the share of rows whose words a
row of any other process has, too, apart from its name and id.  Views without a column of processes are left out.
"""

from __future__ import annotations

import argparse
import re
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import process_anatomy
from process_anatomy.views import NAMES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from process_anatomy.views.image import Image

PROCESS, TEXT = "PID", "Explanation"


NUMBER = re.compile(r"0x[0-9a-f]+|(?<![(\w.])\d[\d,]*(?![\w.])")


def repetition(image: Image, view: str, level: str) -> tuple[int, int, int, int] | None:
    """How many rows of a view have an explanation that another row of the process also has.

    Args:
        image: an open image.
        view: a view's name.
        level: ``brief``, ``full`` or ``analogy``.

    Returns:
        Rows with the same text as another of the process, with the same words, with the same words as a row of any
        process, and all explained rows; ``None`` where the view tells no process, or explains none of its rows.
    """
    try:
        rows = list(image.view(view, explain=level))
    except process_anatomy.Error:  # a view that needs an option, or one that shows no rows of an image
        return None
    rows = [row for row in rows if PROCESS in row and row.get(TEXT) is not None]
    if not rows:
        return None
    names = {each["PID"]: str(each["ImageFileName"]) for each in image.view("processes", explain="off")}
    texts = [(row[PROCESS], str(row[TEXT])) for row in rows]
    words = [(pid, NUMBER.sub("#", text)) for pid, text in texts]
    alike = [
        (None, text.replace(f"{names.get(pid)} ({pid})", "P").replace(names.get(pid, "?"), "P")) for pid, text in words
    ]
    return _repeated(texts), _repeated(words), _repeated(alike), len(rows)


def _repeated(texts: Sequence[tuple[object, str]]) -> int:
    """How many of these occur more than once."""
    return sum(times for times in Counter(texts).values() if times > 1)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("images", nargs="+", metavar="IMAGE")
    parser.add_argument("--level", default="brief", choices=("brief", "full", "analogy"))
    chosen = parser.parse_args()
    images = [process_anatomy.open_image(path) for path in chosen.images]
    names = [Path(path).name for path in chosen.images]
    print("| view |" + "".join(f" {name}: rows | same text | same words | any process |" for name in names))
    print("|---|" + "---|---|---|---|" * len(images))
    for view in NAMES:
        counts = [repetition(image, view, chosen.level) for image in images]
        if any(counts):
            print(f"| `{view}` |" + "".join(map(_cells, counts)), flush=True)


def _cells(counts: tuple[int, int, int, int] | None) -> str:
    """The columns of one image."""
    if counts is None:
        return " - | - | - | - |"
    *shares, rows = counts
    return f" {rows:,} |" + "".join(f" {share / rows:.0%} |" for share in shares)


if __name__ == "__main__":
    main()
