"""What ``anatomy forge`` tells of scenarios, traces and Windows: lists, and one of them in full."""

from __future__ import annotations

from collections.abc import Iterator

from process_anatomy.errors import ScenarioError
from process_anatomy.forge.scenarios.checked import nearest
from process_anatomy.forge.scenarios.declared import Declared
from process_anatomy.forge.scenarios.parameters import WINDOWS, StagedTrace
from process_anatomy.forge.scenarios.reading import available, scenario
from process_anatomy.forge.scenarios.traces import TRACES
from process_anatomy.forge.scenarios.windows import RELEASES

KINDS = {str: "text", bool: "true or false", int: "number"}


def listed(built_in: dict[str, str]) -> Iterator[str]:
    """Every scenario, trace and Windows, a line each.

    Args:
        built_in: scenarios that are not data, with what they are.
    """
    yield "Scenarios (--scenario NAME; --about NAME tells more):"
    shown = {name: scenario(name).title for name in available()} | built_in
    yield from (f"  {name:34} {title}" for name, title in shown.items())
    yield "Traces, for scenarios of your own (--about NAME):"
    yield from (f"  {name:34} {trace.about}" for name, trace in sorted(TRACES.items()))
    yield "Windows (--build NAME, or the name of a layout):"
    yield from (f"  {name:34} {layout}" for name, layout in RELEASES.items())


def about(name: str) -> Iterator[str]:
    """A scenario or a trace in full.

    Raises:
        ScenarioError: there is none of that name.
    """
    if name in TRACES:
        yield from _trace(name, TRACES[name])
        return
    known = [*available(), *TRACES]
    if name not in known and not name.endswith(".toml"):
        raise ScenarioError(f"no scenario and no trace is called {name!r}{nearest(name, known)}; --list shows all")
    yield from _scenario(scenario(name))


def _trace(name: str, trace: StagedTrace) -> Iterator[str]:
    yield f"{name}: {trace.about}"
    yield f"  found by: {', '.join(trace.rules) or 'no rule'}"
    if trace.since != (0, 0) or trace.first_build:
        needed = [WINDOWS[trace.since]] if trace.since in WINDOWS else []
        needed += [f"build {trace.first_build}"] if trace.first_build else []
        yield f"  needs: {', '.join(needed)} or later"
    for key, each in trace.parameters.items():
        usual = "must be given" if each.usual is None else f"usually {each.usual!r}"
        choices = f" ({', '.join(each.choices)})" if each.choices else ""
        yield f"  {key}: {each.meaning}; {KINDS[each.kind]}{choices}, {usual}"


def _scenario(declared: Declared) -> Iterator[str]:
    yield f"{declared.name}: {declared.title}"
    yield from (f"  {line}" for line in declared.about.strip().splitlines())
    if declared.first or declared.last:
        until = f" to {declared.last}" if declared.last else " on"
        yield f"  builds: from {declared.first}{until}"
    people = ", ".join(f"{user.key} ({user.kind})" for user in declared.users)
    yield f"  machine: {declared.machine.memory >> 20} MB; logged on: {people}"
    for group in declared.groups:
        low, high = group.count
        count = f"{low}" if low == high else f"{low} to {high}"
        yield f"  {group.key}: {count}"
    for use in declared.uses:
        given = "".join(f", {key} = {value!r}" for key, value in use.given.items())
        yield f"  trace: {' or '.join(use.names)}{given}"
    yield f"  file: {declared.source.file}"


def scenario_rows() -> Iterator[str]:
    """The rows of the table of scenarios in docs/scenarios.md."""
    for name in available():
        declared = scenario(name)
        traces = "; ".join(" or ".join(use.names) for use in declared.uses) or "none"
        yield f"| `{name}` | {declared.title}{_since(declared.first)} | {traces} |"


def trace_rows() -> Iterator[str]:
    """The rows of the table of traces in docs/scenarios.md."""
    for name, trace in sorted(TRACES.items()):
        rules = ", ".join(f"`{rule}`" for rule in trace.rules)
        keys = ", ".join(f"`{key}`" for key in trace.parameters)
        since = _since(trace.first_build).strip(" ()") or WINDOWS.get(trace.since, "")
        yield f"| {name} | {trace.about} | {rules} | {keys} | {since} |"


def _since(first: int) -> str:
    return f" (build {first} on)" if first else ""
