"""Traces that are done to a process that is there: code, threads, views, handles, protections put in or taken away."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from process_anatomy.forge.ground.actors import (
    ALL,
    IDENTIFICATION,
    IMPERSONATION,
    INJECTED,
    NOWHERE,
    Impersonation,
    ThreadPlan,
)
from process_anatomy.forge.ground.holdings import Power
from process_anatomy.forge.objects.devices import DISK
from process_anatomy.forge.scenarios.declared import Use
from process_anatomy.forge.scenarios.parameters import Parameter, StagedTrace
from process_anatomy.forge.scenarios.stage import WINDOWS_OWN, Stage

IN = {
    "in": Parameter(str, "key of the group of which the seed picks the guilty process"),
    "again": Parameter(bool, "take the process of that group that a trace before this one is in", False),
}
VISTA, WINDOWS_8, WINDOWS_81 = (6, 0), (6, 2), (6, 3)
ALL_OF_DEBUGGING = 0x1F000F
"""DEBUG_ALL_ACCESS."""
WRITE, READ = 0x2A, 0x1410
"""PROCESS_CREATE_THREAD, VM_OPERATION and VM_WRITE; QUERY_INFORMATION, QUERY_LIMITED_INFORMATION and VM_READ."""
STEER, COPY_TOKEN = 0x1A, 0xA
"""THREAD_SET_CONTEXT, GET_CONTEXT and SUSPEND_RESUME; TOKEN_DUPLICATE and TOKEN_QUERY."""
RIGHTS = {"Process": WRITE, "Thread": STEER, "Token": COPY_TOKEN}
LIGHT_CORE = 0x61
FILE_ACCESS = 0x12019F
Given = Mapping[str, Any]


def touch(stage: Stage, use: Use, given: Given, programs_only: bool = False) -> int:
    """The process that a trace is done to.

    Raises:
        ScenarioError: the group is of Windows' own accounts, and the trace is of a person's program.
    """
    number = stage.choose(use, again=given["again"])
    if programs_only and stage.actors[number].context in WINDOWS_OWN:
        raise use.places["in"].error(f"the trace {use.names[0]!r} is of a person's program, not of a service")
    return number


def _with(**facts: object) -> Callable[[Stage, Use, Given], int]:
    """A trace that sets some facts of the process."""

    def make(stage: Stage, use: Use, given: Given) -> int:
        number = touch(stage, use, given)
        stage.change(number, **facts)
        return number

    return make


def _thread(stage: Stage, number: int, **facts: Any) -> None:
    """One more thread, that is not like the others."""
    actor = stage.actors[number]
    plan = ThreadPlan(actor.threads, reason=4, **facts)
    stage.change(number, memory=ALL, threads=actor.threads + 1, plans=(*actor.plans, plan))


def _code_in_thread(stage: Stage, use: Use, given: Given) -> int:
    number = touch(stage, use, given)
    stage.change(number, injected=True)
    _thread(stage, number, starts_in=INJECTED, flags=("HideFromDebugger",) if given["hidden_from_debugger"] else ())
    return number


def _thread_from_nowhere(stage: Stage, use: Use, given: Given) -> int:
    number = touch(stage, use, given)
    _thread(stage, number, starts_in=NOWHERE, suspended=stage.dice.below(2))
    return number


def _unlisted(stage: Stage, use: Use, given: Given) -> int:
    number = touch(stage, use, given)
    person = stage.person("")
    names = stage.words.entries(given["from"], stage.build.number, use.source)
    path = stage.words.fill(stage.dice.pick(names).path, person)
    stage.change(number, memory=ALL, unlisted=path)
    return number


def _unseen(view: str) -> Callable[[Stage, Use, Given], int]:
    """A trace that takes the process from one view."""

    def make(stage: Stage, use: Use, given: Given) -> int:
        number = touch(stage, use, given)
        stage.change(number, unseen_by=(*stage.actors[number].unseen_by, view))
        if view in ("forward", "backward"):
            stage.torn.append(number)
        return number

    return make


def _impersonation(stage: Stage, use: Use, given: Given) -> int:
    number = touch(stage, use, given, programs_only=True)
    stage.change(number, impersonates=(Impersonation(0, "system"),))
    return number


def _excess(stage: Stage, use: Use, given: Given) -> int:
    number = touch(stage, use, given, programs_only=True)
    client = stage.context(stage.identity.people[-1], "", use.source)
    plan = Impersonation(0, client, IDENTIFICATION, stage.identity.people[-1].session, taken=IMPERSONATION)
    stage.change(number, impersonates=(plan,))
    return number


def _power(stage: Stage, use: Use, given: Given) -> int:
    number = touch(stage, use, given)
    target = stage.choose(use, "target")
    if target == number:
        raise use.places["target"].error("a process has power over itself; target must be another group than in")
    stage.powers.append(Power(number, given["kind"], target, RIGHTS[given["kind"]]))
    return number


def _debugged(stage: Stage, use: Use, given: Given) -> int:
    number = touch(stage, use, given)
    debugger = stage.choose(use, "debugger")
    if debugger == number:
        raise use.places["debugger"].error("a process does not debug itself; debugger must be another group than in")
    stage.change(number, debugged=True)
    stage.powers.append(Power(debugger, "DebugObject", number, ALL_OF_DEBUGGING))
    return number


def _lsass(stage: Stage, use: Use, given: Given) -> int:
    number = touch(stage, use, given, programs_only=True)
    stage.powers.append(Power(number, "Process", stage.known["lsass.exe"], READ))
    return number


def _weakened(stage: Stage, _use: Use, _given: Given) -> int:
    number = stage.known[stage.dice.pick(("wininit.exe", "services.exe"))]
    stage.change(number, protection=0)
    return number


def _files(stage: Stage, use: Use, given: Given) -> int:
    """Handles to documents, some of which have another ending already."""
    number = touch(stage, use, given)
    actor, person, ending = stage.actors[number], stage.person(""), stage.words.fill("{ending}")
    files = list(actor.holds.files)
    for index in range(given["count"]):
        name = stage.words.fill("\\Users\\{user}\\Documents\\{document}-{number}", person)
        files.append((DISK, name + (ending if index < given["count"] // 2 else ""), FILE_ACCESS))
    stage.change(number, holds=replace(actor.holds, files=tuple(files)))
    return number


_COUNT = Parameter(int, "how many files it has open", 24)
INSIDE: dict[str, StagedTrace] = {
    "code in a thread": StagedTrace(
        "private memory that can be written and run holds code, and a thread starts in it",
        ("injected-code", "thread-in-private-memory"),
        IN | {"hidden_from_debugger": Parameter(bool, "the thread hides from debuggers", False)},
        _code_in_thread,
    ),
    "thread from nowhere": StagedTrace(
        "a thread starts at an address that no range covers", ("thread-outside-images",), IN, _thread_from_nowhere
    ),
    "unlisted library": StagedTrace(
        "a library is mapped, and taken out of all of the loader's lists",
        ("unlisted-module",),
        IN | {"from": Parameter(str, "list of the libraries of which the seed picks one", "libraries")},
        _unlisted,
    ),
    "odd pages": StagedTrace(
        "pages may be run although their range may not, or lie in no range; a library's code is patched",
        ("beyond-vad", "uncovered-code", "patched-code"), IN, _with(memory=ALL, odd_pages=True),
    ),
    "missing id": StagedTrace(
        "the table of ids does not lead to the process", ("half-hidden-process",), IN, _unseen("cid")
    ),
    "unfindable object": StagedTrace(
        "the object's pool header is wiped, so that who searches memory passes it by",
        ("half-hidden-process", "smear"), IN, _unseen("scan"),
    ),
    "torn list": StagedTrace(
        "the list of active processes holds it in one direction only, as when it is read while it changes",
        ("smear",), IN, _unseen("forward"),
    ),
    "foreign impersonation": StagedTrace(
        "a thread of a program without the right to impersonate acts as the system",
        ("foreign-impersonation",), IN, _impersonation, VISTA,
    ),
    "impersonation beyond its level": StagedTrace(
        "a thread acts for a client whose token may only be looked at", ("excess-impersonation",), IN, _excess
    ),
    "power over a higher process": StagedTrace(
        "a handle gives power over a process of higher integrity",
        ("power-over-higher",),
        IN | {
            "target": Parameter(str, "key of the group of which the seed picks the other process"),
            "kind": Parameter(str, "what the handle leads to", "Process", tuple(RIGHTS)),
        },
        _power, VISTA,
    ),
    "debugged": StagedTrace(
        "a process debugs it, with a handle to its debug object",
        ("debugged",),
        IN | {"debugger": Parameter(str, "key of the group of which the seed picks the debugger")},
        _debugged,
    ),
    "lsass access": StagedTrace(
        "a handle lets the process read the memory of lsass.exe", ("lsass-memory",), IN, _lsass
    ),
    "foreign protection": StagedTrace(
        "a program from outside Windows' folder is protected as Windows' core is",
        ("foreign-protection",), IN, _with(protection=LIGHT_CORE), WINDOWS_81, 9600,
    ),
    "weakened protection": StagedTrace(
        "one of Windows' own processes has lost its protection", ("weak-protection",), {}, _weakened, WINDOWS_81, 9600
    ),
    "encrypted files": StagedTrace(
        "many documents are open, and half of them have another ending already; no rule judges that by itself",
        (), IN | {"count": _COUNT}, _files,
    ),
}  # fmt: skip
"""Name in scenarios to the trace."""
