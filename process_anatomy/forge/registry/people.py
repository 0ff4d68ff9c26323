"""Hives of accounts and of people: SAM, SECURITY, and an NTUSER.DAT for everyone who is logged on.

They have the keys that name accounts, the machine's SID, what starts with a logon and what the shell started;
values that hold secrets are not there.

Sources: "Windows Internals", 7th edition, part 2 (files that hives come from); Volatility 3's
``windows.registry.userassist`` (the entries of UserAssist since Windows 7).
"""

from __future__ import annotations

import codecs
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from process_anatomy.forge.ground.actors import Scenario
from process_anatomy.forge.ground.clock import filetime
from process_anatomy.forge.ground.dice import Dice
from process_anatomy.forge.ground.generations import version_of
from process_anatomy.forge.ground.identity import Identity, Person
from process_anatomy.forge.ground.paths import then_path
from process_anatomy.forge.ground.records import utf16
from process_anatomy.forge.registry.hives import SZ, Hive, Key
from process_anatomy.forge.security.sids import sid_bytes
from structs.layout import Build

NONE, BINARY = 0, 3
"""Types of values."""
CONFIG = "\\SystemRoot\\System32\\Config\\"
BUILT_IN = {"Administrator": 500, "Guest": 501, "DefaultAccount": 503, "WDAGUtilityAccount": 504}
"""Accounts that every Windows 10 has, and the last part of their SIDs."""
PROGRAMS_STARTED = "{CEBFF5CD-ACE2-4F4F-9178-9926F41749EA}"
"""The key of UserAssist that counts programs, rather than shortcuts."""
FOLDERS = {
    "C:\\Windows\\System32\\": "{1AC14E77-02E7-4E5D-B744-2EB1AE5198B7}\\",
    "C:\\Windows\\": "{F38BF404-1D43-42F2-9305-67DE0B28FC23}\\",
    "C:\\Program Files\\": "{6D809377-6AF0-444B-8957-A3773F02200E}\\",
}
"""What UserAssist writes for a folder, the longer ones first: its KNOWNFOLDERID."""
FIRST_COUNTED = (6, 1)
"""Version of Windows since which UserAssist has this form."""
STARTED = struct.Struct("<IIII44xQI")
"""An entry of UserAssist: session, how often, times and milliseconds in the foreground, last time."""


@dataclass(frozen=True)
class Started:
    """What the shell of a person started.

    Attributes:
        path: of the program.
        count: how often.
        focus: how often it came to the foreground.
        milliseconds: how long it was there.
        last: when it was last started, as Windows counts time.
    """

    path: str
    count: int
    focus: int
    milliseconds: int
    last: int


def hives_of_people(
    build: Build,
    identity: Identity,
    started: Mapping[str, Sequence[Started]],
    autostart: Sequence[tuple[str, str]],
) -> tuple[Hive, ...]:
    """SAM, SECURITY, and the hive of each person.

    Args:
        build: says whether UserAssist has the form that is written here.
        identity: whose machine it is.
        started: SID of a person to what the shell started.
        autostart: name and command line of what starts with a logon of the first of them.
    """
    counted = version_of(build) >= FIRST_COUNTED
    return (
        Hive("SAM", CONFIG + "SAM", _sam(identity)),
        Hive("SECURITY", CONFIG + "SECURITY", _security(build, identity)),
        *(
            Hive(
                f"NTUSER.DAT of {person.sid}",
                f"\\??\\{then_path(build, person.profile)}\\ntuser.dat",
                _own(started.get(person.sid, ()) if counted else (), autostart if not index else ()),
                f"USER\\{person.sid}",
            )
            for index, person in enumerate(identity.people)
        ),
    )


def _sam(identity: Identity) -> Key:
    """Accounts of this machine, each by its number and by its name, whose value has the number for its type."""
    own = {p.account: int(p.sid.rpartition("-")[2]) for p in identity.people if _local(p, identity)}
    accounts = dict(sorted((BUILT_IN | own).items()))
    numbers = {f"{number:08X}": Key() for number in sorted(accounts.values())}
    names = Key(subkeys={name: Key({"": (number, b"")}) for name, number in accounts.items()})
    users = Key(subkeys={**numbers, "Names": names})
    return Key(subkeys={"SAM": Key(subkeys={"Domains": Key(subkeys={"Account": Key(subkeys={"Users": users})})})})


def _local(person: Person, identity: Identity) -> bool:
    return person.sid.startswith(f"{identity.machine}-")


def _security(build: Build, identity: Identity) -> Key:
    """The machine's SID and name, where the local policy keeps them."""
    policy = {
        "PolAcDmN": Key({"": (NONE, _counted(identity.computer))}),
        "PolAcDmS": Key({"": (NONE, sid_bytes(build, identity.machine))}),
    }
    return Key(subkeys={"Policy": Key(subkeys=policy)})


def _counted(characters: str) -> bytes:
    """A counted string whose characters lie behind it."""
    data = utf16(characters)[:-2]
    return struct.pack("<HHI", len(data), len(data) + 2, 8) + data


def _own(started: Sequence[Started], autostart: Sequence[tuple[str, str]]) -> Key:
    counts = {codecs.encode(_shown(each.path), "rot13"): (BINARY, _entry(each)) for each in started}
    assist = Key(subkeys={PROGRAMS_STARTED: Key(subkeys={"Count": Key(counts)})})
    current = Key(
        subkeys={
            "Explorer": Key(subkeys={"UserAssist": assist}),
            "Run": Key({name: (SZ, utf16(line)) for name, line in autostart}),
        }
    )
    windows = Key(subkeys={"Windows": Key(subkeys={"CurrentVersion": current})})
    return Key(subkeys={"Software": Key(subkeys={"Microsoft": windows})})


def _shown(path: str) -> str:
    """A path as UserAssist writes it."""
    for folder, number in FOLDERS.items():
        if path.startswith(folder):
            return number + path.removeprefix(folder)
    return path


def _entry(each: Started) -> bytes:
    return STARTED.pack(0, each.count, each.focus, each.milliseconds, each.last, 0)


def started_by_shells(scenario: Scenario, dice: Dice) -> dict[str, list[Started]]:
    """What the shells of a machine's people started: SID of a person to programs, each once.

    Args:
        scenario: with an identity.
        dice: decide how often, and how long a program was in the foreground.
    """
    found: dict[str, list[Started]] = {}
    for person in scenario.identity.people if scenario.identity else ():
        shells = {a.pid for a in scenario.cast if a.path.endswith("\\explorer.exe") and a.session == person.session}
        last: dict[str, int] = {}
        for actor in scenario.cast:
            if actor.parent in shells and actor.session == person.session:
                last[actor.path] = max(actor.started, last.get(actor.path, 0))
        found[person.sid] = [
            Started(path, dice.between(1, 60), dice.between(1, 200), dice.between(1, 7200) * 1000,
                    filetime(scenario.boot_time + seconds))
            for path, seconds in sorted(last.items())
        ]  # fmt: skip
    return found
