"""How well a build is read that nobody knows: each build in turn is forged, and hidden with all layouts of its number.

    python benchmarks/leave_one_out.py [LAYOUT ...]

Without names, the newest layout of each build number.  Printed is a Markdown table: the layout that was taken, and of
the fields of _EPROCESS, _ETHREAD and _TOKEN that both have, how many lie right in it as it is, and once it is mended
by the kernel's own code; and how many lie wrong, by what their place rests on.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from process_anatomy.errors import Error
from process_anatomy.forge import LAB, forge
from process_anatomy.walk.across.selfcheck import trust
from structs import builds
from structs.layout import MissingField
from structs.mending import SOURCES
from tests.kernel.hidden_builds import STRUCTURES, compared, hidden

HEAD = (
    "hidden",
    "taken",
    "fields",
    "right before",
    "right after",
    *(f"wrong by {each}" for each in SOURCES),
    "verdict",
)


def row(name: str) -> list[str]:
    """The table's row of one layout."""
    truth = builds.load(name)
    try:
        kernel = hidden(forge(LAB, 11, name), truth.number)
    except (Error, MissingField) as error:
        return [name, str(error)[:60], *[""] * (len(HEAD) - 2)]
    before, _ = compared(builds.load(kernel.build.name), truth)
    after, wrong = compared(kernel.build, truth)
    number = sum(len(truth.places.get(structure, {})) for structure in STRUCTURES)
    failed = (str(wrong[source]) for source in SOURCES)
    return [name, kernel.build.name, str(number), str(before), str(after), *failed, trust(kernel).verdict.value]


def main(names: list[str]) -> None:
    """Print the table."""
    numbers: dict[tuple[str, int], str] = {}
    for name in builds.names():
        build = builds.load(name)
        numbers[build.arch, build.number] = name
    print("| " + " | ".join(HEAD) + " |\n|" + "---|" * len(HEAD))
    for name in names or sorted(numbers.values(), key=lambda each: (each.split("-")[0], builds.load(each).number)):
        print("| " + " | ".join(row(name)) + " |", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
