"""What a trace may be told: its parameters, what each means, and whether a scenario gives them rightly."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from process_anatomy.forge.ground.generations import version_of
from process_anatomy.forge.scenarios.declared import Use
from structs.layout import Build

if TYPE_CHECKING:
    from process_anatomy.forge.scenarios.stage import Stage

WINDOWS = {(6, 0): "Windows Vista", (6, 2): "Windows 8", (6, 3): "Windows 8.1"}


@dataclass(frozen=True)
class Parameter:
    """One parameter of a trace.

    Attributes:
        kind: ``str``, ``bool`` or ``int``.
        meaning: what it decides.
        usual: its value where it is not given; ``None`` where it must be.
        choices: the values that it may have, empty for any.
    """

    kind: type
    meaning: str
    usual: str | bool | int | None = None
    choices: tuple[str, ...] = ()


@dataclass(frozen=True)
class StagedTrace:
    """A trace of tampering as scenarios name it.

    Attributes:
        about: what it changes.
        rules: that find it; others may, by what the guilty process is.
        parameters: by name.
        make: makes it; gives the provisional number of the guilty process.
        since: version of Windows that brought what is tampered with.
        first_build: first build in which anything tells of it.
    """

    about: str
    rules: tuple[str, ...]
    parameters: Mapping[str, Parameter]
    make: Callable[[Stage, Use, Mapping[str, Any]], int]
    since: tuple[int, int] = (0, 0)
    first_build: int = 0

    def lacking(self, build: Build) -> str:
        """What it takes that a Windows does not have, empty for nothing."""
        if version_of(build) < self.since:
            return f"{WINDOWS[self.since]} or later"
        return f"build {self.first_build} or later" if build.number < self.first_build else ""

    def values(self, use: Use) -> dict[str, Any]:
        """Every parameter with its value."""
        return {name: use.given.get(name, each.usual) for name, each in self.parameters.items()}


def check_given(trace: StagedTrace, use: Use) -> None:
    """Whether a scenario gives a trace what it takes.

    Raises:
        ScenarioError: it does not; the message says where, and what is allowed.
    """
    for key, value in use.given.items():
        parameter = trace.parameters.get(key)
        if parameter is None:
            known = ", ".join(sorted(trace.parameters)) or "none"
            raise use.places[key].error(f"the trace {use.names[0]!r} has no parameter {key!r}; it has {known}")
        if not isinstance(value, parameter.kind) or (parameter.kind is int and isinstance(value, bool)):
            wanted = {str: "a string", bool: "true or false", int: "a whole number"}[parameter.kind]
            raise use.places[key].error(f"{key} is {value!r}; it must be {wanted}")
        if parameter.choices and value not in parameter.choices:
            raise use.places[key].error(f"{key} is {value!r}; it may be {', '.join(parameter.choices)}")
    for key, parameter in trace.parameters.items():
        if parameter.usual is None and key not in use.given:
            raise use.source.error(f"the trace {use.names[0]!r} needs {key}: {parameter.meaning}")
