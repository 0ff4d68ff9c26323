"""Every trace of tampering as scenarios name it: what it changes, its parameters, and the rules that find it.

Those of the forge (:data:`process_anatomy.forge.traces.table.TRACES`) are done to a process of a group that the
scenario names, under their own names; the others are in :mod:`inside` (done to a process that is there) and
:mod:`newcomers` (a process more).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from process_anatomy.forge.ground.actors import ALL
from process_anatomy.forge.scenarios.declared import Use
from process_anatomy.forge.scenarios.inside import IN, INSIDE, touch
from process_anatomy.forge.scenarios.newcomers import NEWCOMERS
from process_anatomy.forge.scenarios.parameters import StagedTrace
from process_anatomy.forge.scenarios.stage import SYSTEM_NUMBER, Stage
from process_anatomy.forge.traces import table

ABOUT = {
    "copied image": "a program lies in private memory that can be written and run",
    "emptied program": "the program was unmapped, and private memory with another one lies in its place",
    "overwritten program": "the program's own pages hold the header and the code of another one",
    "moved program": "the PEB names a library as the program",
    "image without a file": "an image is mapped behind which no file stands",
    "half-listed library": "a library is in some of the loader's lists and not in the others",
    "listed library": "the loader lists a library that is nowhere",
    "mistold library": "the loader tells another path, time and size of libraries than they have",
    "false path": "the process parameters name another program",
    "other file": "the file that the kernel audited is not the one that is mapped",
    "short name": "the kernel's short name is another program's",
    "stolen token": "the process has the token object of System",
    "forged privileges": "privileges are enabled that the token does not have",
    "forged flags": "a flag says that the token is an AppContainer's, and it has no package",
    "silent debugger": "the process is debugged, and its PEB denies it",
    "false end": "the process runs, and has a time of its end",
    "foreign handle table": "the handle table names another process, as after a smear",
    "hooked functions": "functions of the kernel lead to code that is in no driver",
}
"""What each of the forge's traces changes; the one that is not here is made with another."""
FOR_PROGRAMS = frozenset({"other file", "short name", "stolen token", "forged privileges", "forged flags"})
"""Traces that would be another story in one of Windows' own services."""


def _misfit(name: str) -> Callable[[Stage, Use, Mapping[str, Any]], int]:
    """A trace of the forge, as something that is done to a process of a group."""

    def make(stage: Stage, use: Use, given: Mapping[str, Any]) -> int:
        number = touch(stage, use, given, programs_only=name in FOR_PROGRAMS)
        actor = stage.actors[number]
        stage.change(number, memory=ALL, misfits=(*actor.misfits, name), debugged=actor.debugged or "debugger" in name)
        if name == "stolen token":
            stage.expect(SYSTEM_NUMBER, "shared-token")
            stage.expect(number, "system-token", "raised-integrity")
        return number

    return make


def _hook(stage: Stage, _use: Use, _given: Mapping[str, Any]) -> int:
    system = stage.actors[SYSTEM_NUMBER]
    stage.change(SYSTEM_NUMBER, misfits=(*system.misfits, "hooked functions"))
    return SYSTEM_NUMBER


TRACES: dict[str, StagedTrace] = {
    **{
        name: StagedTrace(
            about, table.TRACES[name].rules, {} if name == "hooked functions" else IN,
            _hook if name == "hooked functions" else _misfit(name), table.TRACES[name].since,
        )
        for name, about in ABOUT.items()
    },
    **INSIDE,
    **NEWCOMERS,
}  # fmt: skip
"""Name in scenarios to the trace."""
