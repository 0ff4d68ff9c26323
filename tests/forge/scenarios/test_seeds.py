"""A seed decides everything that a scenario leaves open: the same one always the same way, another one otherwise."""

from __future__ import annotations

import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from process_anatomy.forge.cast.older import cast_for
from process_anatomy.forge.scenarios import Cast, available, cast, scenario
from structs import builds
from structs.layout import Build

ROOT = Path(__file__).resolve().parents[3]
BUILD = builds.load("x64-26100-1742")
PRINT = """
import hashlib, json
from process_anatomy.forge.scenarios import forge_scenario
image = forge_scenario("hidden-process", 5)
told = json.dumps(image.truth, sort_keys=True).encode()
print(hashlib.sha256(b"".join(image.physical.values()) + told).hexdigest())
"""


def decided(name: str, seed: int, build: Build = BUILD) -> Cast:
    return cast(scenario(name), seed, build)


def test_the_same_seed_gives_the_same_bytes_whatever_python_hashes() -> None:
    """In two interpreters that put sets into another order."""
    answers = {
        subprocess.run(
            [sys.executable, "-c", PRINT], cwd=ROOT, check=True, capture_output=True, text=True,
            env={"PYTHONHASHSEED": number, "PYTHONPATH": str(ROOT)},
        ).stdout
        for number in ("1", "2")
    }  # fmt: skip
    assert len(answers) == 1


@settings(max_examples=12, deadline=None)
@given(st.sampled_from(sorted(available())), st.integers(0, 1 << 40))
def test_whatever_the_seed_a_cast_fits_together(name: str, seed: int) -> None:
    """Ids are given once, parents start before their children, and whoever is named is there."""
    made = decided(name, seed)
    actors = cast_for(BUILD, made.scenario.cast)
    by_pid = {actor.pid: actor for actor in actors}
    assert len(by_pid) == len(actors)
    assert all(pid % 4 == 0 and pid % 0x400 for pid in by_pid)
    assert all(before.started <= after.started for before, after in pairwise(actors[1:]))
    for actor in actors:
        parent = by_pid.get(actor.parent)
        assert parent is None or parent.pid == 4 or parent.started <= actor.started
        assert actor.asked_by is None or actor.asked_by in by_pid
        assert actor.started < made.scenario.uptime
    assert made.roles.keys() == by_pid.keys()
    assert {each["pid"] for each in made.made} == made.traces.keys()


def test_two_seeds_share_nothing_that_could_be_copied() -> None:
    first, second = decided("hidden-process", 1), decided("hidden-process", 2)
    assert first.scenario.identity is not None
    assert second.scenario.identity is not None
    assert first.scenario.computer != second.scenario.computer
    assert first.scenario.identity.machine != second.scenario.identity.machine
    assert first.scenario.boot_time != second.scenario.boot_time
    pids = [{actor.pid for actor in each.scenario.cast[1:]} for each in (first, second)]
    assert len(pids[0] & pids[1]) < len(pids[0]) // 4
    assert first.traces != second.traces


@pytest.mark.parametrize("name", ["hidden-process", "token-theft", "shellcode"])
def test_a_name_never_tells_who_is_guilty(name: str) -> None:
    """Over some seeds, names that are guilty in one machine are innocent in another."""
    guilty: set[str] = set()
    innocent: set[str] = set()
    documents = {f"{word}.exe" for word in scenario(name).words["document"]}
    for seed in range(25):
        made = decided(name, seed)
        for actor in made.scenario.cast:
            plain = "document.exe" if actor.name in documents else actor.name.split("-")[0]
            (guilty if actor.pid in made.traces else innocent).add(plain)
    assert len(guilty) > 4
    assert guilty <= innocent
