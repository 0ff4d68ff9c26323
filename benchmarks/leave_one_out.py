"""How well a build is read that nobody knows: each build in turn is forged, and hidden with all layouts of its number.

    python benchmarks/leave_one_out.py [LAYOUT ...]
    python benchmarks/leave_one_out.py --facts      # every layout, known only by the facts that partial layouts have

Without names, the newest layout of each build number.  Printed is a Markdown table: the layout that was taken, and of
the fields of _EPROCESS, _ETHREAD and _TOKEN that both have, how many lie right in it as it is, and once it is mended
by the kernel's own code; and how many lie wrong, by what their place rests on.  With ``--facts`` no image is forged:
each layout is made of its own partial facts and the nearest other layout, of its build and of another; counted are all
declared fields, and those that only `dt` shows.
"""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from process_anatomy.errors import Error
from process_anatomy.forge import LAB, forge
from process_anatomy.walk.across.selfcheck import trust
from structs import builds
from structs.layout import MissingField
from structs.mending import BETWEEN, CODE, NEIGHBOUR, PARTIAL
from structs.places import PROVED
from tests.kernel.hidden_builds import STRUCTURES, compared, hidden
from tests.structs.hidden_layouts import as_unknown, others_right_and_wrong, right_and_wrong

TOLD = (CODE, BETWEEN, PROVED, NEIGHBOUR)
HEAD = (
    "hidden",
    "taken",
    "fields",
    "right before",
    "right after",
    *(f"wrong: {each}" for each in TOLD),
    "guesses",
    "of these proved",
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
    proof = trust(kernel)
    after, wrong = compared(kernel.build, truth, proof.proved)
    number = sum(len(truth.places.get(structure, {})) for structure in STRUCTURES)
    failed = (str(wrong[source]) for source in TOLD)
    guesses = {
        (structure, field)
        for structure in STRUCTURES
        for field in kernel.build.places[structure]
        if kernel.build.source(structure, field) == NEIGHBOUR
    }
    counts = str(len(guesses)), str(len(guesses & proof.proved))
    return [name, kernel.build.name, str(number), str(before), str(after), *failed, *counts, proof.verdict.value]


def by_facts() -> None:
    """Print how right layouts made of partial facts are."""
    print(
        "| neighbour | fields | "
        + " | ".join(f"{each}: right | wrong" for each in (PARTIAL, BETWEEN, NEIGHBOUR))
        + " |"
    )
    print("|" + "---|" * 8)
    for same in (True, False):
        found = Counter[tuple[str, bool]](), Counter[tuple[str, bool]]()
        for name in builds.names():
            build = as_unknown(name, same)
            if build is not None:
                found[0].update(right_and_wrong(build, builds.load(name)))
                found[1].update(others_right_and_wrong(build, name))
        for fields, counts in zip(("declared", "of `dt` alone"), found, strict=True):
            cells = [str(counts[each, right]) for each in (PARTIAL, BETWEEN, NEIGHBOUR) for right in (True, False)]
            build_of = "of the same build" if same else "of another build"
            print("| " + " | ".join((build_of, fields, *cells)) + " |", flush=True)


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
    if sys.argv[1:] == ["--facts"]:
        by_facts()
        sys.exit()
    main(sys.argv[1:])
