"""What the forged registry says: the keys and values of its hives, as data.

Sources: Microsoft's documentation of the ProfileList, Services and Select keys, and of service accounts.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from process_anatomy.forge.ground.identity import Identity, Service
from process_anatomy.forge.ground.records import utf16
from process_anatomy.forge.security.contexts import USER

USER_HIVE = f"USER\\{USER}"
"""Where the hive of the lab's user is mounted, below the root of the registry."""
SOFTWARE_FILE = "\\SystemRoot\\System32\\Config\\SOFTWARE"
"""File that the hive SOFTWARE comes from."""
LAB_SERVICE = "LabHelper"
SZ, EXPAND_SZ, DWORD, LINK = 1, 2, 4, 6
"""Types of values."""
OWN_PROCESS, SHARED_PROCESS, FILE_SYSTEM_DRIVER = 0x10, 0x20, 0x2
"""Types of services."""
SERVICE_HOST = "%SystemRoot%\\System32\\svchost.exe -k "

PROFILES = {
    "S-1-5-18": "%systemroot%\\system32\\config\\systemprofile",
    "S-1-5-19": "%systemroot%\\ServiceProfiles\\LocalService",
    "S-1-5-20": "%systemroot%\\ServiceProfiles\\NetworkService",
    USER: "C:\\Users\\student",
}
"""SID to the folder of its profile."""

SERVICES: dict[str, tuple[str | None, str, int]] = {
    "EventLog": ("NT AUTHORITY\\LocalService", SERVICE_HOST + "LocalServiceNetworkRestricted -p", SHARED_PROCESS),
    "Dnscache": ("NT AUTHORITY\\NetworkService", SERVICE_HOST + "NetworkService -p", SHARED_PROCESS),
    "Schedule": ("LocalSystem", SERVICE_HOST + "netsvcs -p", SHARED_PROCESS),
    "Spooler": ("LocalSystem", "%SystemRoot%\\System32\\spoolsv.exe", OWN_PROCESS),
    "LanmanServer": ("LocalSystem", SERVICE_HOST + "netsvcs -p", SHARED_PROCESS),
    "BITS": ("LocalSystem", SERVICE_HOST + "netsvcs -p", SHARED_PROCESS),
    "WinDefend": ("LocalSystem", '"%ProgramFiles%\\Windows Defender\\MsMpEng.exe"', OWN_PROCESS),
    "TrustedInstaller": ("localSystem", "%SystemRoot%\\servicing\\TrustedInstaller.exe", OWN_PROCESS),
    "AppXSvc": ("LocalSystem", SERVICE_HOST + "wsappx -p", SHARED_PROCESS),
    "Themes": ("LocalSystem", SERVICE_HOST + "netsvcs -p", SHARED_PROCESS),
    "wuauserv": ("LocalSystem", SERVICE_HOST + "netsvcs -p", SHARED_PROCESS),
    "LabHelper": ("NT SERVICE\\LabHelper", '"C:\\Program Files\\Lab Helper\\labhelper.exe" --service', OWN_PROCESS),
    "Ntfs": (None, "System32\\drivers\\Ntfs.sys", FILE_SYSTEM_DRIVER),
}
"""Service to its account, command line and type; drivers run as nobody, and LabHelper is nobody's but the lab's."""


@dataclass(frozen=True)
class Key:
    """A key to forge.

    Attributes:
        values: name to (type, data).
        subkeys: name to key.
        volatile: is gone at shutdown.
        link: is a symbolic link to another key.
    """

    values: dict[str, tuple[int, bytes]] = field(default_factory=dict)
    subkeys: dict[str, Key] = field(default_factory=dict)
    volatile: bool = False
    link: bool = False


@dataclass(frozen=True)
class Hive:
    """A hive to forge.

    Attributes:
        name: of its file, and of the key that it is mounted at.
        file: FileUserName, empty for a hive that the boot loader brought.
        root: its topmost key.
        at: where it is mounted, below the root of the registry; empty for its place among those of the machine.
    """

    name: str
    file: str
    root: Key
    at: str = ""

    @property
    def mounted(self) -> str:
        """HiveRootPath."""
        return "\\REGISTRY\\" + (self.at or f"MACHINE\\{self.name}")


def _number(value: int) -> tuple[int, bytes]:
    return DWORD, struct.pack("<I", value)


def _words(kind: int, characters: str) -> tuple[int, bytes]:
    return kind, utf16(characters)


def _service(account: str | None, image: str, kind: int) -> Key:
    values = {"ImagePath": _words(EXPAND_SZ, image), "Start": _number(2), "Type": _number(kind)}
    if account is not None:
        values["ObjectName"] = _words(SZ, account)
    return Key(values)


@dataclass(frozen=True)
class Hives:
    """The hives of a machine, and what they say.

    Attributes:
        system: the hive SYSTEM.
        software: the hive SOFTWARE.
        user: where the hive of whoever sits at the machine is mounted, below the root of the registry.
        profiles: SID to the folder of its profile.
        services: name of a service to its account, command line and type.
        more: hives of accounts and of people.
    """

    system: Hive
    software: Hive
    user: str
    profiles: Mapping[str, str]
    services: Mapping[str, tuple[str | None, str, int]]
    more: tuple[Hive, ...] = ()

    @property
    def mounted(self) -> tuple[str, ...]:
        """Where hives are mounted, below the root of the registry."""
        more = (hive.mounted.removeprefix("\\REGISTRY\\") for hive in self.more)
        return tuple(dict.fromkeys(("MACHINE\\SYSTEM", "MACHINE\\SOFTWARE", self.user, *more)))


def _nested(path: str, last: Key) -> Key:
    """``last`` below the keys of a path, as the topmost of them."""
    for name in reversed(path.split("\\")):
        last = Key(subkeys={name: last})
    return last


def _system(services: Mapping[str, tuple[str | None, str, int]], computer: str = "") -> Hive:
    """The hive SYSTEM, with the name of the machine where one is given."""
    control = Key({"SystemBootDevice": _words(SZ, "multi(0)disk(0)rdisk(0)partition(3)")})
    if computer:
        named = Key({"ComputerName": _words(SZ, computer)})
        control = replace(control, subkeys={"ComputerName": Key(subkeys={"ComputerName": named})})
    return Hive(
        "SYSTEM",
        "",
        Key(
            subkeys={
                "ControlSet001": Key(
                    subkeys={
                        "Control": control,
                        "Services": Key(subkeys={name: _service(*rest) for name, rest in services.items()}),
                    }
                ),
                "CurrentControlSet": Key(
                    {"SymbolicLinkValue": (LINK, utf16("\\REGISTRY\\MACHINE\\SYSTEM\\ControlSet001")[:-2])},
                    volatile=True,
                    link=True,
                ),
                "Select": Key({"Current": _number(1), "Default": _number(1), "Failed": _number(0)}),
            }
        ),
    )


def _profile_list(profiles: Mapping[str, str]) -> Key:
    """The key ProfileList."""
    return Key(
        {"ProfilesDirectory": _words(EXPAND_SZ, "%SystemDrive%\\Users")},
        {sid: Key({"ProfileImagePath": _words(EXPAND_SZ, path)}) for sid, path in profiles.items()},
    )


SYSTEM = _system(SERVICES)

SOFTWARE = Hive(
    "SOFTWARE",
    SOFTWARE_FILE,
    _nested("Microsoft\\Windows NT\\CurrentVersion\\ProfileList", _profile_list(PROFILES)),
)
LAB_HIVES = Hives(SYSTEM, SOFTWARE, USER_HIVE, PROFILES, SERVICES)
"""The hives of the lab's machine."""


def hives_of(identity: Identity, services: Sequence[Service], autostart: Sequence[tuple[str, str]] = ()) -> Hives:
    """The hives of a machine and its people.

    Args:
        identity: whose machine it is.
        services: of the machine, beside those of every Windows.
        autostart: name and command line of what starts with every logon.
    """
    named = {name: rest for name, rest in SERVICES.items() if name != LAB_SERVICE}
    told = dict(sorted((named | {each.name: (each.account, each.image, each.kind) for each in services}).items()))
    windows = {sid: path for sid, path in PROFILES.items() if sid != USER}
    profiles = windows | {person.sid: person.profile for person in identity.people}
    run = Key(subkeys={"Run": Key({name: _words(SZ, line) for name, line in autostart})})
    versions = Key(
        subkeys={
            "Windows": Key(subkeys={"CurrentVersion": run}),
            "Windows NT": Key(subkeys={"CurrentVersion": Key(subkeys={"ProfileList": _profile_list(profiles)})}),
        }
    )
    software = Hive("SOFTWARE", SOFTWARE_FILE, Key(subkeys={"Microsoft": versions}))
    return Hives(_system(told, identity.computer), software, f"USER\\{identity.people[0].sid}", profiles, told)
