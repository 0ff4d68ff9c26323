"""Each scenario is found where it is, and nowhere else: by the suite's rules, against the answer key."""

from __future__ import annotations

import pytest

from process_anatomy.findings import Severity, findings
from process_anatomy.forge import Image
from process_anatomy.forge.scenarios import forge_scenario
from process_anatomy.walk.across.tables import Tables
from tests.walk.damaged import kernel_of

TRIED = [
    ("office", 1, "x64-22621-382"),
    ("hidden-process", 2, "x64-22621-382"),
    ("hollowed-svchost", 3, "x64-26100-1742"),
]


def accused(image: Image) -> dict[int | None, set[str]]:
    """Process id to the rules above information that find something in it."""
    found: dict[int | None, set[str]] = {}
    for each in findings(Tables(kernel_of(image), hidden=True)):
        if each.severity > Severity.INFO:
            pid = each.process.pid if each.process else None
            assert pid is None or isinstance(pid, int)
            found.setdefault(pid, set()).add(each.rule)
    return found


@pytest.mark.proves("forged")
@pytest.mark.parametrize(("name", "seed", "build"), TRIED)
def test_the_rules_find_the_guilty_and_accuse_nobody_else(name: str, seed: int, build: str) -> None:
    image = forge_scenario(name, seed, build)
    guilty = {p["pid"]: set(p["findings"]) for p in image.truth["processes"] if p["findings"]}
    assert accused(image) == guilty
    assert {each["pid"] for each in image.truth["scenario"]["traces"]} <= guilty.keys()
