"""Windows' own processes, in every session: what each machine has, whatever its scenario."""

from __future__ import annotations

from process_anatomy.forge.cast.clean import LIGHT_CORE
from process_anatomy.forge.cast.holdings import SHELL
from process_anatomy.forge.cast.paths import SERVICE_HOST
from process_anatomy.forge.ground.actors import (
    ALL,
    PAGED_OUT,
    REGISTRY,
    SESSION_MANAGER,
    SUBSYSTEM,
    SYSTEM,
    TRIMMED,
    Actor,
)
from process_anatomy.forge.ground.generations import FIRST_WITH_ALL, VISTA, WINDOWS_8
from process_anatomy.forge.ground.holdings import Holdings, Named
from process_anatomy.forge.ground.identity import Person
from process_anatomy.forge.ground.paths import SYSTEM32
from process_anatomy.forge.processes.csr import SERVER_LIBRARY
from process_anatomy.forge.registry.hives import USER_HIVE
from process_anatomy.forge.scenarios.declared import Source
from process_anatomy.forge.scenarios.stage import SYSTEM_NUMBER, Stage
from process_anatomy.forge.security.people import WINDOW_MANAGER

PROTECTED_LSASS = 0x41
SPLIT_HOSTS, PROTECTED_HOSTS = 15063, 14393
"""Builds since which each service has a host of its own (``-s``), and since which hosts are protected (``-p``)."""
REGISTRY_PROCESS, SHELL_HOST, TASK_HOST = 17134, 10240, 10240
CORE = "part of Windows"
LAB_WORDS = ("Ledger", "Lab", "ContosoAgent", "contoso-agent")
"""Words in the names of the lab's objects, for which others are drawn."""


def service_arguments(build: int, arguments: str) -> str:
    """A service host's command line as that Windows writes it."""
    if build < SPLIT_HOSTS:
        arguments = arguments.partition(" -s ")[0]
    return arguments if build >= PROTECTED_HOSTS else arguments.replace(" -p", "")


def raise_curtain(stage: Stage) -> None:
    """Put Windows itself on the stage, up to the shell of everybody who is logged on."""
    dice, early = stage.dice, stage.dice.between(3, 6)
    system = stage.add(CORE, Actor(0, 0, "System", role=SYSTEM, threads=dice.between(3, 6), protection=0x72,
                                   minimal=True))  # fmt: skip
    assert system == SYSTEM_NUMBER
    if stage.build.number >= REGISTRY_PROCESS:
        stage.add(CORE, Actor(0, system, "Registry", role=REGISTRY, since=FIRST_WITH_ALL, started=-5, protection=0x72,
                              minimal=True))  # fmt: skip
    manager = stage.add(CORE, Actor(0, system, SYSTEM32 + "smss.exe", role=SESSION_MANAGER, started=early,
                                    protection=LIGHT_CORE, critical=True, threads=1))  # fmt: skip
    first, gone = early + dice.between(3, 6), stage.number()
    stage.known["csrss.exe"] = stage.add(CORE, _subsystem(gone, first, 0, manager))
    starter = stage.add(CORE, Actor(0, gone, SYSTEM32 + "wininit.exe", since=VISTA, started=first + 1, session=0,
                                    protection=LIGHT_CORE, critical=True, threads=1))  # fmt: skip
    logon = _session(stage, 1, first + 1, manager)
    services = stage.add(CORE, Actor(
        0, starter, SYSTEM32 + "services.exe", old_parent=logon, started=first + 2, session=0, protection=LIGHT_CORE,
        critical=True, threads=1,
    ))  # fmt: skip
    lsass = stage.add(CORE, Actor(0, starter, SYSTEM32 + "lsass.exe", old_parent=logon, started=first + 2, session=0,
                                  protection=PROTECTED_LSASS * dice.below(2), threads=1))  # fmt: skip
    stage.known |= {"wininit.exe": starter, "services.exe": services, "lsass.exe": lsass}
    for name, key in (("DcomLaunch", "launcher"), ("Appinfo", "broker"), ("Schedule", "scheduler")):
        group = "DcomLaunch" if key == "launcher" else "netsvcs"
        arguments = service_arguments(stage.build.number, f"-k {group} -p -s {name}")
        stage.known[key] = stage.add(CORE, Actor(
            0, services, SERVICE_HOST, started=first + dice.between(3, 8), session=0, arguments=arguments,
            console=True, threads=dice.between(1, 2), memory=dice.pick((ALL, TRIMMED, TRIMMED)),
        ))  # fmt: skip
    for index, person in enumerate(stage.identity.people):
        began = stage.logon if not index else stage.later(stage.logon)
        if index:
            _session(stage, person.session, began, manager)
        _desktop(stage, person, began + 5)


def _subsystem(parent: int, started: int, session: int, old_parent: int | None = None) -> Actor:
    return Actor(
        0, parent, SYSTEM32 + "csrss.exe", role=SUBSYSTEM, libraries=(SERVER_LIBRARY,), old_parent=old_parent,
        since=(0, 0) if session == 0 else VISTA, started=started, session=session, protection=LIGHT_CORE,
        critical=True, threads=1,
    )  # fmt: skip


def _session(stage: Stage, number: int, started: int, manager: int) -> int:
    """The subsystem, the logon and the window manager of a session; gives the number of the logon."""
    gone = stage.number()
    stage.add(CORE, _subsystem(gone, started, number))
    logon = stage.add(CORE, Actor(0, gone, SYSTEM32 + "winlogon.exe", old_parent=manager, started=started + 1,
                                  session=number, threads=1))  # fmt: skip
    stage.add(CORE, Actor(0, logon, SYSTEM32 + "dwm.exe", f"{WINDOW_MANAGER}@{number}", started + 2, number,
                          since=WINDOWS_8, threads=1, memory=PAGED_OUT))  # fmt: skip
    return logon


def _desktop(stage: Stage, person: Person, started: int) -> None:
    """The shell, and the helpers that services start for it."""
    dice, number = stage.dice, stage.build.number
    context = stage.context(person, "", Source(stage.declared.source.file, 1))
    shell = stage.add("shell", Actor(
        0, stage.number(), "C:\\Windows\\explorer.exe", context, started, person.session,
        holds=_holdings(stage, person) if person is stage.identity.people[0] else Holdings(),
        threads=2, handles=6,
    ))  # fmt: skip
    stage.shells[person.key] = shell
    stage.groups.setdefault("shell", []).append(shell)
    helpers = [("sihost.exe", "scheduler", SHELL_HOST), ("taskhostw.exe", "scheduler", TASK_HOST),
               ("RuntimeBroker.exe", "launcher", SHELL_HOST)]  # fmt: skip
    for name, starter, first in helpers:
        if number >= first:
            stage.add(CORE, Actor(0, stage.known[starter], SYSTEM32 + name, context, started + dice.between(0, 9),
                                  person.session, threads=1, memory=dice.pick((TRIMMED, PAGED_OUT))))  # fmt: skip


def _holdings(stage: Stage, person: Person) -> Holdings:
    """One object of every kind, as the lab's shell holds them, under other names."""
    drawn = {word: stage.words.word("objects", stage.declared.source) for word in LAB_WORDS}

    def named(text: str) -> str:
        for word, other in drawn.items():
            text = text.replace(word, other)
        return text.replace("\\Users\\student", f"\\Users\\{person.account}").replace(
            USER_HIVE, f"USER\\{person.sid}"
        )  # fmt: skip

    return Holdings(
        tuple(Named(each.type, named(each.path), *each[2:]) for each in SHELL.named),
        tuple((named(path), access) for path, access in SHELL.keys),
        tuple((device, named(name), access) for device, name, access in SHELL.files),
        SHELL.views,
    )
