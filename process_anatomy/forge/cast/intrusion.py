"""A second scenario: the laboratory's machine on a bad day, with one intruder for each trace that a rule looks for.

Most of its processes are ordinary.  Each intruder shows one thing that does not fit, as far as one can be shown alone.
"""

from __future__ import annotations

from process_anatomy.forge.cast.holdings import SHELL
from process_anatomy.forge.cast.paths import SERVICE_HOST
from process_anatomy.forge.ground.actors import (
    IDENTIFICATION,
    IMPERSONATION,
    INJECTED,
    NOWHERE,
    PAGED_OUT,
    REGISTRY,
    SESSION_MANAGER,
    SUBSYSTEM,
    SYSTEM,
    TRIMMED,
    Actor,
    Impersonation,
    Scenario,
    ThreadPlan,
)
from process_anatomy.forge.ground.generations import FIRST_WITH_ALL, VISTA
from process_anatomy.forge.ground.holdings import Power, Way
from process_anatomy.forge.ground.paths import SYSTEM32
from process_anatomy.forge.processes.csr import SERVER_LIBRARY

DOWNLOADS, EXPLORER = "C:\\Users\\student\\Downloads\\", 3920
STUDENT = "limited"


def _intruder(pid: int, name: str, *misfits: str, **more: object) -> Actor:
    """A program that the student started, with what does not fit in it."""
    facts = {"started": 900 + pid // 4, "session": 1, "threads": 1, "misfits": misfits} | more
    return Actor(pid, EXPLORER, DOWNLOADS + name, STUDENT, **facts)  # type: ignore[arg-type]


INTRUSION = Scenario(
    "intrusion",
    (
        Actor(
            4, 0, "System", role=SYSTEM, threads=4, protection=0x72, minimal=True, findings=("shared-token",),
            misfits=("hooked functions",),
            plans=(ThreadPlan(2, starts_in=NOWHERE),),
        ),
        Actor(124, 4, "Registry", role=REGISTRY, since=FIRST_WITH_ALL, started=-5, protection=0x72, minimal=True),
        Actor(
            388, 4, SYSTEM32 + "smss.exe", role=SESSION_MANAGER, started=4, protection=0x61, critical=True,
            memory=PAGED_OUT,
        ),
        Actor(
            512, 504, SYSTEM32 + "csrss.exe", role=SUBSYSTEM, libraries=(SERVER_LIBRARY,), old_parent=388, started=9,
            session=0, protection=0x61, critical=True, threads=1,
        ),
        Actor(
            588, 504, SYSTEM32 + "wininit.exe", since=VISTA, started=10, session=0, protection=0x61, critical=True,
            threads=1,
        ),
        Actor(
            596, 580, SYSTEM32 + "csrss.exe", role=SUBSYSTEM, libraries=(SERVER_LIBRARY,), since=VISTA,
            started=10, session=1, protection=0x61, critical=True, threads=1,
        ),
        Actor(672, 580, SYSTEM32 + "winlogon.exe", old_parent=388, started=10, session=1, threads=1),
        Actor(
            716, 588, SYSTEM32 + "services.exe", old_parent=672, started=11, session=0, critical=True, threads=1,
            findings=("weak-protection",),
        ),
        Actor(
            728, 588, SYSTEM32 + "lsass.exe", old_parent=672, started=11, session=0, protection=0x41, threads=1,
            findings=("twin",),
        ),
        Actor(
            868, 716, SERVICE_HOST, console=True, started=12, session=0, arguments="-k DcomLaunch -p", memory=TRIMMED,
        ),
        Actor(
            1480, 716, SERVICE_HOST, console=True, started=17, session=0, arguments="-k netsvcs -p", threads=1,
            memory=PAGED_OUT,
        ),
        Actor(1900, 716, SYSTEM32 + "spoolsv.exe", started=19, session=0, threads=1, memory=PAGED_OUT),
        Actor(EXPLORER, 3844, "C:\\Windows\\explorer.exe", STUDENT, 73, 1, holds=SHELL, threads=2, handles=4),
        _intruder(
            5000, "implant.exe", injected=True, odd_pages=True, unlisted=DOWNLOADS + "implant.dll",
            threads=3, handles=3,
            plans=(ThreadPlan(1, starts_in=INJECTED, flags=("HideFromDebugger",)), ThreadPlan(2, starts_in=NOWHERE)),
        ),
        _intruder(5040, "copied.exe", "copied image"),
        _intruder(5080, "emptied.exe", "emptied program"),
        _intruder(5140, "overwritten.exe", "overwritten program"),
        _intruder(5160, "moved.exe", "moved program"),
        _intruder(5200, "nameless.exe", "image without a file"),
        _intruder(5240, "halflisted.exe", "half-listed library"),
        _intruder(5280, "listed.exe", "listed library"),
        _intruder(5320, "mistold.exe", "mistold library"),
        _intruder(5360, "falsepath.exe", "false path"),
        _intruder(5400, "otherfile.exe", "other file"),
        _intruder(5440, "shortname.exe", "short name"),
        _intruder(5480, "privileged.exe", "forged privileges"),
        _intruder(5520, "flagged.exe", "forged flags"),
        _intruder(5560, "silent.exe", "silent debugger", debugged=True),
        _intruder(5600, "undead.exe", "false end"),
        _intruder(5640, "smeared.exe", "foreign handle table"),
        _intruder(5680, "thief.exe", "stolen token", findings=("raised-integrity", "system-token")),
        Actor(
            5720, EXPLORER, DOWNLOADS + "getsystem.exe", started=2_100, session=1, threads=1, memory=TRIMMED,
            asked_by=1480, findings=("chosen-parent", "system-token"),
        ),
        Actor(
            5760, EXPLORER, DOWNLOADS + "lift.exe", "accessibility", 2_110, 1, threads=1, memory=TRIMMED,
            findings=("raised-integrity",),
        ),
        _intruder(
            5800, "puppet.exe", memory=TRIMMED, impersonates=(Impersonation(0, "system"),),
            findings=("foreign-impersonation",),
        ),
        _intruder(
            5840, "overreach.exe", memory=TRIMMED, findings=("excess-impersonation",),
            impersonates=(Impersonation(0, "bob", IDENTIFICATION, taken=IMPERSONATION),),
        ),
        _intruder(5880, "svchost.exe", console=True, memory=TRIMMED, findings=("wrong-parent", "wrong-path")),
        _intruder(5920, "scvhost.exe", memory=TRIMMED, findings=("look-alike",)),
        Actor(
            5960, EXPLORER, SYSTEM32 + "lsass.exe", STUDENT, 2_160, 1, threads=1, memory=TRIMMED,
            findings=("twin", "wrong-parent", "wrong-session", "wrong-user"),
        ),
        _intruder(6000, "shield.exe", memory=TRIMMED, protection=0x61, findings=("foreign-protection",)),
        Actor(
            6040, 1900, DOWNLOADS + "invoice.exe", STUDENT, 2_180, 1, threads=1, memory=TRIMMED, asked_by=5000,
            findings=("chosen-parent",),
        ),
        _intruder(6080, "shade.exe", memory=PAGED_OUT, hidden=True),
        _intruder(6160, "reach.exe", memory=PAGED_OUT, findings=("power-over-higher",)),
        _intruder(6200, "peek.exe", memory=PAGED_OUT, findings=("lsass-memory",)),
        _intruder(6240, "adopted.exe", memory=TRIMMED, asked_by=5000, findings=("chosen-parent",)),
        _intruder(6120, "noid.exe", memory=PAGED_OUT, unseen_by=("cid",)),
    ),
    powers=(Power(6160, "Process", 5760, 0x2A), Power(6200, "Process", 728, 0x1410)),
    ways=(Way("high", (6160, 5760)),),
)  # fmt: skip
"""One trace for each rule.  Of those that hold others, reach.exe may write into lift.exe, and peek.exe may read
what lsass.exe keeps.  adopted.exe has the shell as its parent, like all others, but implant.exe made it."""
