"""From what a scenario says, a seed and a Windows to a cast: who is called what, who is guilty, who stands beside."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from process_anatomy.forge.cast.paths import SERVICE_HOST
from process_anatomy.forge.ground.actors import ALL, PAGED_OUT, TRIMMED, Actor, Scenario
from process_anatomy.forge.ground.dice import Dice
from process_anatomy.forge.ground.generations import hot_patches
from process_anatomy.forge.ground.holdings import Power
from process_anatomy.forge.ground.identity import Identity, Person, Service
from process_anatomy.forge.registry.hives import OWN_PROCESS, SHARED_PROCESS
from process_anatomy.forge.scenarios.core import raise_curtain, service_arguments
from process_anatomy.forge.scenarios.declared import LAUNCHER, MANAGED, SERVICES, SHELL, Declared, Entry, Group
from process_anatomy.forge.scenarios.stage import Stage, dice_for, in_sessions, powers_of
from process_anatomy.forge.scenarios.traces import TRACES
from process_anatomy.forge.scenarios.words import Words
from structs.layout import Build

YEARS = {2600: 2009, 3790: 2010, 6000: 2011, 7600: 2015, 9200: 2016, 9600: 2018, 10240: 2018, 14393: 2019, 17763: 2021,
         18362: 2021, 19041: 2023, 20348: 2023, 22000: 2023, 22621: 2023, 26100: 2025}  # fmt: skip
"""First build number to a year in which such a Windows was at work."""
EPOCH_YEAR, YEAR, DAY = 1970, 31_556_952, 86_400
SPAN = 300
"""Days of that year among which the seed chooses."""
FIRST_PERSON = 1001
FIRST_MANAGED = 26100
WIDE, MOST_OF_32_BITS = 8, 2 << 30
ACCOUNTS = {"system": "LocalSystem", "local-service": "NT AUTHORITY\\LocalService",
            "network-service": "NT AUTHORITY\\NetworkService"}  # fmt: skip
CODED = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"
READS = 0x1410
HANDLES = 6, 60
"""Handles of a program."""
MEMORY = (ALL, TRIMMED, TRIMMED, PAGED_OUT)
"""How much of a program is in memory, of which the seed picks."""


@dataclass(frozen=True)
class Cast:
    """A scenario with everything decided.

    Attributes:
        scenario: what is forged.
        roles: process id to the role that the process plays.
        traces: process id to the names of its traces.
        made: each trace with its process and its parameters.
    """

    scenario: Scenario
    roles: dict[int, str]
    traces: dict[int, list[str]]
    made: list[dict[str, Any]]


def cast(declared: Declared, seed: int, build: Build) -> Cast:
    """Decide everything that a scenario leaves open.

    Args:
        declared: the scenario.
        seed: decides.
        build: which Windows runs.

    Raises:
        ScenarioError: this Windows cannot show it; the message says where it is asked for, and what it takes.
    """
    _check_windows(declared, build)
    dice = dice_for(declared.name, seed, "machine")
    hours = dice.between(*declared.machine.uptime)
    uptime = hours * 3600 + dice.below(3600)
    year = YEARS[max((first for first in YEARS if first <= build.number), default=min(YEARS))] - EPOCH_YEAR
    boot = year * YEAR + dice.below(SPAN) * DAY + dice.between(6 * 3600, 20 * 3600)
    identity = _identity(declared, dice, Words(declared, dice))
    stage = Stage(declared, build, seed, identity, boot, uptime, dice.between(40, 300))
    raise_curtain(stage)
    services = [service for group in declared.groups for service in _group(stage, group)]
    for use in declared.uses:
        name = stage.dice.pick(use.names)
        trace = TRACES[name]
        before = {*stage.actors}
        given = trace.values(use)
        number = trace.make(stage, use, given)
        stage.expect(number, *trace.rules)
        stage.guilty.setdefault(number, []).append(name)
        added = sorted({*stage.actors} - before - {number})
        stage.made.append({"trace": name, "pid": number, "beside": added, "given": given, "rules": list(trace.rules)})
    actors, pids = stage.finish()
    if len(actors) != len({actor.pid for actor in actors}):
        raise declared.source.error("two processes have one process id")
    scenario = Scenario(
        declared.name, actors, declared.machine.memory, boot, uptime, identity.computer,
        identity.people[0].profile + "\\", powers_of(stage.powers, pids), (), 0, declared.machine.compressed,
        declared.machine.paged, identity, tuple(services), _autostart(stage), declared.machine.old_pages,
    )  # fmt: skip
    made = [each | {"pid": pids[each["pid"]], "beside": [pids[n] for n in each["beside"]]} for each in stage.made]
    return Cast(
        scenario,
        {pids[number]: role for number, role in stage.roles.items()},
        {pids[number]: names for number, names in stage.guilty.items()},
        made,
    )


def _check_windows(declared: Declared, build: Build) -> None:
    """Whether this Windows can show the scenario."""
    source = declared.source
    if build.number < declared.first or (declared.last and build.number > declared.last):
        until = f" to {declared.last}" if declared.last else " on"
        raise (declared.bounds or source).error(
            f"{declared.name} is for builds from {declared.first}{until}, not for {build.name}"
        )
    if build.pointer_size < WIDE and declared.machine.memory > MOST_OF_32_BITS:
        raise source.error(f"{declared.machine.memory >> 30} GB of memory are more than {build.name} has addresses for")
    if len(declared.users) > 1 and not in_sessions(build):
        raise declared.users[1].source.error(f"several people at work need Windows Vista or later, not {build.name}")
    for user in declared.users:
        if user.kind == MANAGED and build.number < FIRST_MANAGED:
            raise user.source.error(f"Administrator Protection needs build {FIRST_MANAGED} or later, not {build.name}")
    for use in declared.uses:
        for name in use.names:
            if lacking := TRACES[name].lacking(build):
                raise use.source.error(f"the trace {name!r} needs {lacking}, not {build.name}")
            if name == "blinded loader" and not hot_patches(build):
                raise use.source.error(f"the trace {name!r} needs build 26100 or later, not {build.name}")


def _identity(declared: Declared, dice: Dice, words: Words) -> Identity:
    computer = words.word(declared.machine.hosts, declared.source).upper()[:15]
    machine, realm = (_sid(dice) for _ in range(2))
    joined = bool(dice.below(2)) if declared.machine.domain is None else declared.machine.domain
    domain = words.word("domains", declared.source).upper() if joined else "WORKGROUP"
    used: set[str] = set()
    people = []
    luid = dice.between(0x18000, 0x60000)
    for index, user in enumerate(declared.users):
        account = words.word(user.names, user.source)
        while account in used:
            account += str(dice.between(2, 9))
        used.add(account)
        luid += dice.between(0x2000, 0x30000)
        rid = dice.between(1103, 4800) if joined else FIRST_PERSON + index
        people.append(
            Person(
                user.key, account, domain if joined else computer, f"{realm if joined else machine}-{rid}", index + 1,
                luid + dice.between(0x10, 0x80), luid, f"S-1-5-5-0-{luid - dice.between(0x20, 0x900)}",
                "ADMIN_" + "".join(dice.pick(CODED) for _ in range(10)), f"{machine}-{FIRST_PERSON + 20 + index}",
                (luid + 0x40000000, luid + 0x40000000 + dice.between(0x100, 0x9000)),
            )
        )  # fmt: skip
    return Identity(computer, machine, domain, tuple(people))


def _sid(dice: Dice) -> str:
    return "S-1-5-21-" + "-".join(str(dice.between(1 << 27, (1 << 32) - 1)) for _ in range(3))


def _group(stage: Stage, group: Group) -> list[Service]:
    """Put a group's processes on the stage; gives what the registry says of its services."""
    entries = stage.words.entries(group.programs, stage.build.number, group.source)
    count = stage.dice.between(*group.count)
    members = stage.groups.setdefault(group.key, [])
    services = []
    for entry in stage.words.several(entries, count):
        person = None if group.service else stage.person(group.user)
        number = stage.add(group.key, _actor(stage, group, entry, person))
        members.append(number)
        if entry.reads_lsass:
            stage.powers.append(Power(number, "Process", stage.known["lsass.exe"], READS))
        if entry.service:
            services.append(_service(stage, entry))
    return services


def _service(stage: Stage, entry: Entry) -> Service:
    host = entry.path == SERVICE_HOST
    image = stage.words.fill(entry.path).replace("C:\\Windows", "%SystemRoot%")
    arguments = entry.arguments.partition(" -s ")[0]
    line = f"{image} {arguments}".rstrip() if host else f'"{image}"'
    return Service(entry.service, ACCOUNTS[entry.account or "system"], line, SHARED_PROCESS if host else OWN_PROCESS)


def _actor(stage: Stage, group: Group, entry: Entry, person: Person | None) -> Actor:
    dice, known = stage.dice, stage.known
    path, arguments = (stage.words.fill(text, person) for text in (entry.path, entry.arguments))
    threads = dice.between(*group.threads)
    memory = dice.pick(MEMORY)
    if person is None:
        return Actor(
            0, known["services.exe"], path, entry.account or "system", 14 + dice.below(60), 0,
            service_arguments(stage.build.number, arguments), threads, console=path == SERVICE_HOST, memory=memory,
            protection=entry.protection, extra_regions=dice.between(2, 20),
            handles=dice.between(*HANDLES), solitary=True,
        )  # fmt: skip
    runs_as = group.runs_as
    context = stage.context(person, runs_as, group.source)
    shell = stage.shells[person.key]
    asked_by, job = None, ""
    if runs_as in ("full", "managed-administrator", "accessibility"):
        asked_by = known["broker"]
    parent = {SHELL: shell, SERVICES: known["services.exe"], LAUNCHER: known["launcher"]}.get(group.parent)
    if runs_as == "low-box":
        parent, job = known["launcher"], "application"
    if parent is None:
        parent = dice.pick(stage.groups[group.parent]) if stage.groups.get(group.parent) else shell
    started = stage.later(max(stage.actors[parent].started, stage.actors[shell].started))
    ended = min(started + dice.between(1, 90), stage.uptime - 1) if group.ended else None
    return Actor(
        0, parent, path, context, started, person.session, arguments, threads, ended, memory=memory, asked_by=asked_by,
        job=job, compiles=group.compiles, wow64=group.wow64 and stage.build.pointer_size > 4,
        protection=entry.protection, extra_regions=dice.between(2, 30), handles=dice.between(*HANDLES),
        solitary=True,
    )  # fmt: skip


def _autostart(stage: Stage) -> tuple[tuple[str, str], ...]:
    """What starts with every logon: some programs, whether they are at work or not."""
    paths = sorted({actor.path for number, actor in stage.actors.items()
                    if stage.roles[number] not in ("part of Windows", "shell") and not actor.context.startswith("sy")
                    and actor.path.startswith(("C:\\Program", "C:\\Users"))})  # fmt: skip
    chosen = stage.words.several(paths, min(3, len(paths)))
    return tuple((path.rpartition("\\")[2].removesuffix(".exe"), f'"{path}"') for path in sorted(chosen))
