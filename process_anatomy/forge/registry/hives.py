"""What the forged registry says: the keys and values of its hives, as data.

Sources: Microsoft's documentation of the ProfileList, Services and Select keys, and of service accounts.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field

from process_anatomy.forge.ground.records import utf16
from process_anatomy.forge.security.contexts import USER

USER_HIVE = f"USER\\{USER}"
MOUNTED = ("MACHINE\\SYSTEM", "MACHINE\\SOFTWARE", USER_HIVE)
"""Where hives are mounted, below the root of the registry."""
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
    """

    name: str
    file: str
    root: Key

    @property
    def mounted(self) -> str:
        """HiveRootPath."""
        return f"\\REGISTRY\\MACHINE\\{self.name}"


def _number(value: int) -> tuple[int, bytes]:
    return DWORD, struct.pack("<I", value)


def _words(kind: int, characters: str) -> tuple[int, bytes]:
    return kind, utf16(characters)


def _service(account: str | None, image: str, kind: int) -> Key:
    values = {"ImagePath": _words(EXPAND_SZ, image), "Start": _number(2), "Type": _number(kind)}
    if account is not None:
        values["ObjectName"] = _words(SZ, account)
    return Key(values)


def _nested(path: str, last: Key) -> Key:
    """``last`` below the keys of a path, as the topmost of them."""
    for name in reversed(path.split("\\")):
        last = Key(subkeys={name: last})
    return last


SYSTEM = Hive(
    "SYSTEM",
    "",
    Key(
        subkeys={
            "ControlSet001": Key(
                subkeys={
                    "Control": Key({"SystemBootDevice": _words(SZ, "multi(0)disk(0)rdisk(0)partition(3)")}),
                    "Services": Key(subkeys={name: _service(*rest) for name, rest in SERVICES.items()}),
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

SOFTWARE = Hive(
    "SOFTWARE",
    "\\SystemRoot\\System32\\Config\\SOFTWARE",
    _nested(
        "Microsoft\\Windows NT\\CurrentVersion\\ProfileList",
        Key(
            {"ProfilesDirectory": _words(EXPAND_SZ, "%SystemDrive%\\Users")},
            {sid: Key({"ProfileImagePath": _words(EXPAND_SZ, path)}) for sid, path in PROFILES.items()},
        ),
    ),
)
