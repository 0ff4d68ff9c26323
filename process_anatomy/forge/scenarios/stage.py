"""The cast in the making: processes under provisional numbers, which get their ids when all of them are known."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from process_anatomy.forge.ground.actors import Actor
from process_anatomy.forge.ground.dice import Dice
from process_anatomy.forge.ground.generations import one_desktop
from process_anatomy.forge.ground.holdings import Power
from process_anatomy.forge.ground.identity import Identity, Person
from process_anatomy.forge.scenarios.declared import ADMINISTRATOR, MANAGED, STANDARD, Declared, Source, Use
from process_anatomy.forge.scenarios.words import Words
from process_anatomy.forge.security.people import STANDARD as STANDARD_CONTEXT
from process_anatomy.forge.security.people import context_name
from structs.layout import Build

SYSTEM_NUMBER = 4
WINDOWS_OWN = {"system", "local-service", "network-service"}
RESERVED = 0x400
"""The table of ids, like all handle tables, keeps the first entry of each of its pages for itself."""
LATE_START = 400
"""Seconds from boot after which ids are given out in no order."""
LAST_SECONDS = 40
"""Seconds before the image in which nothing starts."""


def dice_for(name: str, seed: int, what: str) -> Dice:
    """Chance for one purpose: another purpose, scenario or seed has other numbers."""
    digest = hashlib.sha256(f"{name}\0{seed}\0{what}".encode()).digest()
    return Dice(int.from_bytes(digest[:8], "little"))


@dataclass
class Stage:
    """The cast in the making.

    Attributes:
        declared: the scenario.
        build: which Windows runs.
        seed: the seed.
        identity: whose machine it is.
        boot_time: seconds since 1970 when it started.
        uptime: seconds from there to the image.
        logon: seconds from boot to the first logon.
        actors: provisional number to the process.
        roles: provisional number to the role that it plays.
        groups: key of a group to the numbers of its processes.
        known: name of one of Windows' own to the number of its first process.
        shells: key of a user to the number of the shell.
        guilty: number to the traces that it has.
        powers: handles that give power, by provisional numbers.
        made: facts of each trace, for the answer key.
        torn: numbers of processes that one direction of the active list misses.
    """

    declared: Declared
    build: Build
    seed: int
    identity: Identity
    boot_time: int
    uptime: int
    logon: int
    actors: dict[int, Actor] = field(default_factory=dict)
    roles: dict[int, str] = field(default_factory=dict)
    groups: dict[str, list[int]] = field(default_factory=dict)
    known: dict[str, int] = field(default_factory=dict)
    shells: dict[str, int] = field(default_factory=dict)
    guilty: dict[int, list[str]] = field(default_factory=dict)
    powers: list[Power] = field(default_factory=list)
    made: list[dict[str, Any]] = field(default_factory=list)
    torn: list[int] = field(default_factory=list)
    last: int = 0

    def __post_init__(self) -> None:
        """Chance for everything that is not asked for by name."""
        self.dice = dice_for(self.declared.name, self.seed, "cast")
        self.words = Words(self.declared, self.dice)

    def number(self) -> int:
        """The next provisional number; that of a process that has ended and left nothing, if it stays unused."""
        self.last += 4
        return self.last

    def add(self, role: str, actor: Actor) -> int:
        """Put a process on the stage; its own number is given here."""
        number = self.number()
        self.actors[number] = replace(actor, pid=number)
        self.roles[number] = role
        return number

    def change(self, number: int, **facts: Any) -> None:
        """Change a process."""
        self.actors[number] = replace(self.actors[number], **facts)

    def expect(self, number: int, *rules: str) -> None:
        """Say that rules must find something in a process."""
        self.change(number, findings=(*self.actors[number].findings, *rules))

    def person(self, key: str) -> Person:
        """The person of a key; the one at the keyboard for none."""
        return next((each for each in self.identity.people if each.key == key), self.identity.people[0])

    def kind(self, person: Person) -> str:
        """What kind of user a person is."""
        return next(user.kind for user in self.declared.users if user.key == person.key)

    def context(self, person: Person, runs_as: str, source: Source) -> str:
        """The name of a person's security context.

        Args:
            person: whose.
            runs_as: the kind that is asked for; empty for the usual one.
            source: who asks.

        Raises:
            ScenarioError: this person cannot have it.
        """
        if runs_as in WINDOWS_OWN:
            return runs_as
        kind, wanted = self.kind(person), runs_as or "limited"
        if kind == STANDARD:
            if wanted != "limited":
                raise source.error(f"{person.key} is no administrator and cannot run anything as {wanted!r}")
            return context_name(STANDARD_CONTEXT, person.key)
        if wanted == "managed-administrator" and kind != MANAGED:
            raise source.error(f"{person.key} is not of kind {MANAGED!r} and has no account that Windows manages")
        if wanted == "full" and kind != ADMINISTRATOR:
            wanted = "managed-administrator"
        return context_name(wanted, person.key)

    def later(self, after: int = 0) -> int:
        """A moment behind the logon and behind another moment, in seconds from boot."""
        least = max(self.logon + 20, after + 1)
        return self.dice.between(least, max(least, self.uptime - LAST_SECONDS))

    def choose(self, use: Use, key: str = "in", again: bool = False) -> int:
        """One process of the group that a trace names: of several equal ones that nothing was done to before.

        Args:
            use: the trace.
            key: the parameter that names the group.
            again: take the one that something was done to last.
        """
        group = use.given[key]
        members = [n for n in self.groups.get(group, ()) if self.actors[n].ended is None]
        if not members:
            raise use.places[key].error(f"no process of the group {group!r} is left to be chosen")
        touched = [number for number in members if number in self.guilty]
        if again:
            if not touched:
                raise use.source.error(f"again: no trace before this one is in the group {group!r}")
            return touched[-1]
        return self.dice.pick([number for number in members if number not in self.guilty] or members)

    def finish(self) -> tuple[tuple[Actor, ...], dict[int, int]]:
        """The cast in the order in which it started, and provisional number to process id."""
        order = sorted(self.actors, key=lambda n: (n != SYSTEM_NUMBER, self.actors[n].started, n))
        pids = self._ids(order)
        for number in self.torn:  # the neighbours lead past who is missing on one side
            listed = [n for n in order if not self.actors[n].hidden]
            at = listed.index(number)
            for beside in (listed[at - 1], *listed[at + 1 : at + 2]):  # behind the last one is the list's head
                self.expect(beside, "smear")
        cast = tuple(
            replace(
                actor,
                pid=pids[number],
                parent=pids.get(actor.parent, 0),
                old_parent=None if actor.old_parent is None else pids[actor.old_parent],
                asked_by=None if actor.asked_by is None else pids[actor.asked_by],
            )
            for number, actor in ((number, self.actors[number]) for number in order)
        )
        return cast, pids

    def _ids(self, order: Iterable[int]) -> dict[int, int]:
        """Process ids: of what starts with Windows in a rising order, of the rest in none, and none given twice."""
        dice = dice_for(self.declared.name, self.seed, "ids")
        wished = {each.key: each.pid for each in self.declared.groups if each.pid is not None}
        pids = {SYSTEM_NUMBER: 4}
        pids |= {number: pid for key, pid in wished.items() for number in self.groups.get(key, ())[:1]}
        taken, here = {0, *pids.values()}, 4 * dice.between(60, 120)
        gone = [n for actor in self.actors.values() for n in (actor.parent, actor.old_parent)
                if n and n not in self.actors]  # fmt: skip
        highest = max(4000, 8 * len(self.actors) * 4)
        for number in (*order, *sorted({*gone})):
            if number in pids:
                continue
            started = self.actors[number].started if number in self.actors else self.uptime
            while True:
                if started < LATE_START:
                    here += 4 * dice.between(1, 24)
                    pid = here
                else:
                    pid = 4 * dice.between(200, highest)
                if pid not in taken and pid % RESERVED:
                    break
            pids[number] = pid
            taken.add(pid)
        return pids


def powers_of(powers: Iterable[Power], pids: Mapping[int, int]) -> tuple[Power, ...]:
    """Powers with the ids of processes."""
    return tuple(Power(pids[p.holder], p.kind, pids[p.target], p.access) for p in powers)


def in_sessions(build: Build) -> bool:
    """Whether a machine can have several people at work in sessions of their own, apart from services."""
    return not one_desktop(build)
