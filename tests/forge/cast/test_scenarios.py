"""What every scenario must be as data, whoever is in it."""

from __future__ import annotations

import pytest

from process_anatomy.forge.cast.scenarios import SCENARIOS
from process_anatomy.forge.ground.actors import REGISTRY, SESSION_MANAGER, SUBSYSTEM, SYSTEM, Actor, Scenario
from process_anatomy.forge.ground.generations import VISTA
from process_anatomy.forge.ground.paths import SYSTEM32

ROLES = {
    "System": SYSTEM,
    "Registry": REGISTRY,
    SYSTEM32 + "smss.exe": SESSION_MANAGER,
    SYSTEM32 + "csrss.exe": SUBSYSTEM,
}


@pytest.fixture(params=sorted(SCENARIOS))
def scenario(request: pytest.FixtureRequest) -> Scenario:
    return SCENARIOS[request.param]


def by_pid(scenario: Scenario) -> dict[int, Actor]:
    return {actor.pid: actor for actor in scenario.cast}


def test_system_comes_first_and_every_process_id_is_given_once(scenario: Scenario) -> None:
    assert [actor.role == SYSTEM for actor in scenario.cast] == [True] + [False] * (len(scenario.cast) - 1)
    assert len(by_pid(scenario)) == len(scenario.cast)
    assert all(pid % 4 == 0 for pid in by_pid(scenario))


def test_windows_own_processes_and_no_others_play_its_parts(scenario: Scenario) -> None:
    assert {actor.path: actor.role for actor in scenario.cast if actor.role} == ROLES
    assert all(actor.role == ROLES.get(actor.path, "") for actor in scenario.cast)
    assert all(bool(actor.libraries) == (actor.role == SUBSYSTEM) for actor in scenario.cast)


def test_who_holds_power_and_whom_over_are_in_the_cast(scenario: Scenario) -> None:
    pids = by_pid(scenario).keys()
    assert scenario.powers
    assert {pid for power in scenario.powers for pid in (power.holder, power.target)} <= pids
    assert {pid for way in scenario.ways for pid in way.pids} <= pids


def test_each_step_of_a_way_is_a_power_over_the_next(scenario: Scenario) -> None:
    held = {(power.holder, power.target) for power in scenario.powers}
    assert scenario.ways
    assert all({*zip(way.pids, way.pids[1:], strict=False)} <= held for way in scenario.ways)


def test_a_child_of_what_came_with_vista_had_an_older_parent(scenario: Scenario) -> None:
    cast = by_pid(scenario)
    older = {actor.pid for actor in scenario.cast if actor.since < VISTA}
    for actor in scenario.cast:
        parent = cast.get(actor.parent)
        if actor.pid in older and parent and parent.since >= VISTA:
            assert actor.old_parent in older, actor.name
        assert actor.old_parent is None or actor.pid in older
