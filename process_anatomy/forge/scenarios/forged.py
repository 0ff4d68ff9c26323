"""Forging a scenario: an image, and an answer key that says who plays which role and which traces are where."""

from __future__ import annotations

from pathlib import Path

from process_anatomy.forge.machine.forging import DEFAULT_BUILD, forge
from process_anatomy.forge.parts.image import Image
from process_anatomy.forge.scenarios.casting import cast
from process_anatomy.forge.scenarios.declared import Declared
from process_anatomy.forge.scenarios.reading import scenario
from process_anatomy.forge.scenarios.stage import dice_for
from structs import builds
from structs.layout import Build

PLAIN = "program"
MASK = (1 << 63) - 1


def forge_scenario(
    declared: Declared | str | Path,
    seed: int,
    build: str | Build = DEFAULT_BUILD,
    pae: bool | None = None,
    five_levels: bool = False,
) -> Image:
    """Forge an image of a scenario.

    The answer key has ``scenario``: its name, title and seed, the people, and each trace with the ids of the guilty
    process (``pid``) and of what came with it (``beside``), its parameters (``given``) and the rules that find it.
    Each process has its ``role`` and its ``traces``.

    Args:
        declared: a scenario, its name, or its file.
        seed: decides everything that a scenario leaves open; the same seed gives the same bytes everywhere.
        build: a layout that ships, by name or loaded.
        pae: as :func:`process_anatomy.forge.machine.forging.forge` takes it.
        five_levels: likewise.

    Raises:
        ScenarioError: it is malformed, or this Windows cannot show it.
        OutOfFramesError: it does not fit its memory.
    """
    declared = declared if isinstance(declared, Declared) else scenario(declared)
    build = builds.load(build) if isinstance(build, str) else build
    decided = cast(declared, seed, build)
    image = forge(decided.scenario, dice_for(declared.name, seed, "forge").bits(63), build, pae, five_levels)
    truth = image.truth
    truth["arguments"]["seed"] = seed
    del truth["ways"]  # only of the built-in scenarios they are all known
    identity = decided.scenario.identity
    assert identity is not None
    living = {process["pid"] for process in truth["processes"]}
    truth["scenario"] = {
        "about": declared.about,
        "computer": identity.computer,
        "domain": identity.domain,
        "machine_sid": identity.machine,
        "name": declared.name,
        "people": [
            {"account": p.account, "authority": p.authority, "key": p.key, "session": p.session, "sid": p.sid}
            for p in identity.people
        ],
        "seed": seed,
        "title": declared.title,
        "traces": [each for each in decided.made if each["pid"] in living],
    }
    for process in truth["processes"]:
        process["role"] = decided.roles.get(process["pid"], PLAIN)
        process["traces"] = decided.traces.get(process["pid"], [])
    return image
