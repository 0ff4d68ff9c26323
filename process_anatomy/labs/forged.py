"""The image of a variant, as the forge makes it: one of the scenarios for a seed."""

from __future__ import annotations

from process_anatomy.errors import LabError, RequestError, ScenarioError
from process_anatomy.forge.memory.frames import OutOfFramesError
from process_anatomy.forge.parts.image import Image
from process_anatomy.forge.scenarios import available, forge_scenario, scenario
from structs import builds, partial
from structs.layout import LayoutError


def checked(name: str, build: str) -> str:
    """There must be such a scenario and such a layout; gives the scenario's own name.

    Args:
        name: of a scenario that ships, or its file.
        build: name of a layout.

    Raises:
        RequestError: there is no such thing; the message says what there is.
        ScenarioError: the scenario's file is malformed.
    """
    if name not in available() and not name.endswith(".toml"):
        raise RequestError(
            f"there is no scenario {name!r}; there are {', '.join(available())}, and files that end in .toml"
        )
    known = [*builds.names(), *partial.names()]
    if build not in known:
        raise RequestError(f"there is no layout {build!r}; there are {len(known)}, for instance {known[-1]}")
    return scenario(name).name


def forged(name: str, build: str, seed: int) -> Image:
    """The image of a scenario for a seed.

    Raises:
        RequestError: there is no such scenario or layout.
        LabError: this scenario cannot be had of this Windows.
    """
    checked(name, build)
    try:
        return forge_scenario(name, seed, build)
    except (ScenarioError, OutOfFramesError, ValueError, LayoutError) as error:
        raise LabError(f"{name} cannot be forged for {build}: {error}") from None
