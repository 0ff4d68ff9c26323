"""Traces that are a process more: hidden, under a chosen parent, with a token that it should not have, or masked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from process_anatomy.forge.ground.actors import Actor
from process_anatomy.forge.ground.identity import Person
from process_anatomy.forge.ground.paths import SYSTEM32
from process_anatomy.forge.scenarios.declared import MANAGED, Use
from process_anatomy.forge.scenarios.parameters import Parameter, StagedTrace
from process_anatomy.forge.scenarios.stage import Stage

VISTA, CREATOR_KEPT = (6, 0), 10240
"""Since which version integrity levels are there, and since which build the kernel keeps who asked for a process."""
NEW = {
    "from": Parameter(str, "list of the programs of which the seed picks one", "downloads"),
    "user": Parameter(str, "key of whose program it is; the one at the keyboard where it is left out", ""),
}
STARTED = NEW | {"started_by": Parameter(str, "key of the group that starts it; the shell where it is left out", "")}
MASKS = ("svchost", "lsass", "csrss", "services", "explorer", "spoolsv", "winlogon", "taskhostw", "dllhost")
"""Names that look-alikes are made of."""
BORROWED = ("svchost.exe", "taskhostw.exe", "WmiPrvSE.exe")
"""Programs of Windows that only services start, and from its own folder."""
LIKE = {"l": "1", "o": "0", "s": "5"}
Given = Mapping[str, Any]


def _starter(stage: Stage, use: Use, person: Person) -> int:
    """Who starts it."""
    return stage.choose(use, "started_by") if use.given.get("started_by") else stage.shells[person.key]


def _new(stage: Stage, use: Use, given: Given, **facts: Any) -> int:
    """A program more, of a person; what is given here goes before what is usual."""
    person = stage.person(given["user"])
    starter = facts.pop("starter", None) or _starter(stage, use, person)
    started = stage.later(stage.actors[starter].started)
    path = facts.pop("path", "")
    if not path:
        known = stage.words.entries(given["from"], stage.build.number, use.source)
        used = {actor.path for actor in stage.actors.values()}
        paths = [stage.words.fill(entry.path, person) for entry in known]
        path = stage.dice.pick([each for each in paths if each not in used] or paths)
    context = facts.pop("context", "") or stage.context(person, "", use.source)
    actor = Actor(0, starter, path, context, started, person.session, threads=stage.dice.between(1, 4),
                  solitary=True, **facts)  # fmt: skip
    return stage.add("program", actor)


def _hidden(stage: Stage, use: Use, given: Given) -> int:
    also = tuple(view for view in ("cid", "csrss", "session") if given[f"also_{view}"])
    return _new(stage, use, given, hidden=True, unseen_by=also)


def _chosen_parent(stage: Stage, use: Use, given: Given) -> int:
    person = stage.person(given["user"])
    asker = _starter(stage, use, person) if use.given.get("started_by") else _helper(stage, use, given)
    parent = stage.choose(use, "parent")
    late = max(stage.actors[parent].started, stage.actors[asker].started)
    number = _new(stage, use, given, starter=parent, asked_by=asker)
    stage.change(number, started=stage.later(late))
    return number


def _helper(stage: Stage, use: Use, given: Given) -> int:
    """A program of the person that chooses parents for others; the shell may do so, and is not accused of it."""
    return _new(stage, use, {"user": given["user"], "from": given["from"]})


def _system_token(stage: Stage, use: Use, given: Given) -> int:
    person = stage.person(given["user"])
    starter, broker = _starter(stage, use, person), stage.known["broker"]
    number = _new(stage, use, given, starter=starter, context="system",
                  asked_by=broker if given["through_a_service"] else starter)  # fmt: skip
    stage.expect(number, "system-token")
    if given["through_a_service"]:
        stage.expect(number, "chosen-parent")
    elif not stage.actors[starter].context.startswith(("full", "managed")):
        stage.expect(number, "raised-integrity")
    return number


def _raised(stage: Stage, use: Use, given: Given) -> int:
    person = stage.person(given["user"])
    starter = _starter(stage, use, person)
    kind = "managed-administrator" if stage.kind(person) == MANAGED else "accessibility"
    return _new(stage, use, given, starter=starter, context=stage.context(person, kind, use.source))


def _like(stage: Stage, use: Use, given: Given) -> int:
    """A name of which two letters changed places, or one looks like another."""
    name, dice = stage.dice.pick(MASKS), stage.dice
    ways = [name[:at] + LIKE[letter] + name[at + 1 :] for at, letter in enumerate(name) if letter in LIKE]
    ways += [
        name[:at] + name[at + 1] + name[at] + name[at + 2 :]
        for at in range(1, len(name) - 2)
        if name[at] != name[at + 1]
    ]
    folder = stage.words.fill("{folders}", stage.person(given["user"]))
    return _new(stage, use, given, path=f"{folder}\\{dice.pick(ways)}.exe")


def _elsewhere(stage: Stage, use: Use, given: Given) -> int:
    folder = stage.words.fill("{folders}", stage.person(given["user"]))
    return _new(stage, use, given, path=f"{folder}\\{stage.dice.pick(BORROWED)}")


def _twin(stage: Stage, use: Use, given: Given) -> int:
    number = _new(stage, use, given, path=SYSTEM32 + "lsass.exe")
    stage.expect(stage.known["lsass.exe"], "twin")
    return number


_PARENT = Parameter(str, "key of the group of which the seed picks the parent on record")
_MASKED = {name: NEW[name] for name in ("user",)} | {
    "started_by": STARTED["started_by"],
}
NEWCOMERS: dict[str, StagedTrace] = {
    "hidden process": StagedTrace(
        "a process more, which was unlinked from the list of active processes",
        ("hidden-process",),
        STARTED | {
            "also_cid": Parameter(bool, "its id was taken out of the table of ids too", False),
            "also_csrss": Parameter(bool, "csrss.exe does not know it either", False),
            "also_session": Parameter(bool, "it was taken out of its session's list too", False),
        },
        _hidden,
    ),
    "chosen parent": StagedTrace(
        "a process more, whose parent on record is a service, although a person's program asked for it",
        ("chosen-parent",), STARTED | {"parent": _PARENT}, _chosen_parent, first_build=CREATOR_KEPT,
    ),
    "token of the system": StagedTrace(
        "a process more, that a person's program started with a token of the system (CreateProcessAsUser, WithToken)",
        ("system-token",),
        STARTED | {"through_a_service": Parameter(bool, "the secondary logon service asked for it", False)},
        _system_token,
    ),
    "raised integrity": StagedTrace(
        "a process more, of higher integrity than its parent, although no service that elevates took part",
        ("raised-integrity",), STARTED, _raised, VISTA, CREATOR_KEPT,
    ),
    "name like Windows' own": StagedTrace(
        "a process more, whose name is almost that of one of Windows' own", ("look-alike",), _MASKED, _like
    ),
    "Windows' name elsewhere": StagedTrace(
        "a process more, with the name of one of Windows' own and another folder and parent",
        ("wrong-parent", "wrong-path"), _MASKED, _elsewhere,
    ),
    "second of its kind": StagedTrace(
        "a process more, with the program of lsass.exe, of which there is one",
        ("twin", "wrong-parent", "wrong-session", "wrong-user"), _MASKED, _twin,
    ),
}  # fmt: skip
"""Name in scenarios to the trace."""
