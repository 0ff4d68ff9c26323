"""Where programs lie: volumes by what they are, the Windows folder as Windows names it, containers by their own."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from process_anatomy.absent import NOT_APPLICABLE, Absent
from process_anatomy.kernel.identify import SYSTEM_PID
from process_anatomy.walk.across.tables import Tables
from process_anatomy.walk.processes.listed import Process

WINDOWS = "\\windows"
"""What the Windows folder is called in what is expected of processes."""
DRIVE = re.compile(r"^(?:\\\?\?\\)?([a-z]:)(?=\\)")
SYSTEM_ROOT = "\\systemroot\\"
OWN_SYSTEM = frozenset({"smss.exe", "csrss.exe", "wininit.exe", "services.exe"})
"""The programs that a container has for itself, and a person's session never all of."""
CORE_SIGNER = 6
"""Signer WinTcb (_PS_PROTECTED_SIGNER): no program of anybody else has it."""
PROTECTED_SINCE = 9600
"""The first build in which the programs above are protected by that signer."""


def read_toml(name: str) -> dict[str, Any]:
    """One of the tables of data beside the rules."""
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    return tomllib.loads(files(__package__).joinpath(name).read_text("utf-8"))


@cache
def _volumes() -> tuple[tuple[re.Pattern[str], bool], ...]:
    """The devices that volumes are, each with whether anybody may mount one."""
    rows = read_toml("volumes.toml")["volume"]
    return tuple((re.compile(f"({row['pattern']})(?=\\\\)"), row.get("mounted", False)) for row in rows)


def split(path: str) -> tuple[str, str]:
    """The volume or drive that a path begins with, and the path from its root; in lower case.

    The volume of a path below the Windows folder's own name is that name; of a share or an odd device it is empty, and
    the path stays whole.
    """
    small = path.lower()
    if small.startswith(SYSTEM_ROOT):
        return SYSTEM_ROOT.rstrip("\\"), WINDOWS + "\\" + small.removeprefix(SYSTEM_ROOT)
    if drive := DRIVE.match(small):
        return drive[1], small[drive.end() :]
    for pattern, _ in _volumes():
        if found := pattern.match(small):
            return found[0], small[found.end() :]
    return "", small


def from_volume(path: str) -> str:
    """A path from the root of its volume, in lower case; a path of a network or an odd device stays as it is."""
    return split(path)[1]


def _mounted(volume: str) -> bool:
    """Whether anybody may mount such a volume while Windows runs."""
    return any(mounted and pattern.match(volume + "\\") for pattern, mounted in _volumes())


@dataclass(frozen=True, slots=True)
class Container:
    """A container whose processes share this Windows' kernel: a server silo.

    Attributes:
        key: address of the silo, or less the session where the build does not name the silo.
        session: its session, ``None`` where none of its processes tells.
        volume: that its own Windows runs from; empty where it is not known, or where there are several (layers).
        members: addresses of its processes.
    """

    key: int
    session: int | None
    volume: str
    members: frozenset[int]


class Places:
    """Where Windows and its containers have their programs in an image.

    Attributes:
        known: whether it is known where Windows lies.
        containers: each container.
    """

    def __init__(self, tables: Tables) -> None:
        root = tables.system_root
        self.known = isinstance(root, str)
        self.drive, self.root = split(str(root) + "\\x") if self.known else ("", WINDOWS + "\\x")
        self.root = self.root.removesuffix("\\x")
        self.volume = _own_volume(tables)
        self.containers = tuple(_containers(tables, self.volume))
        self._of: Mapping[int, Container] = {at: each for each in self.containers for at in each.members}

    def container(self, process: Process) -> Container | None:
        """The container that a process is in."""
        return self._of.get(process.address)

    def place(self, path: str, process: Process) -> str:
        r"""Where a path lies in the Windows that its process is of, in lower case.

        What lies in that Windows' folder begins with ``\windows``, whatever the folder is called; what lies elsewhere
        on a volume is told from its root; what only has the folder's name on another volume stays whole.
        """
        volume, rest = split(path)
        container = self.container(process)
        if container is not None:
            known = container.volume, "c:", SYSTEM_ROOT.rstrip("\\")
            own = not container.volume or volume in known or _mounted(volume)  # disk and layers together are its root
            return rest if own else path.lower()
        if volume == SYSTEM_ROOT.rstrip("\\"):
            return rest
        strange = _mounted(volume) and volume != self.volume
        if volume.endswith(":") and self.drive:
            strange = volume != self.drive
        inside = rest.startswith(self.root + "\\")
        if not inside:
            return path.lower() if rest.startswith(WINDOWS + "\\") else rest
        return path.lower() if strange else WINDOWS + rest.removeprefix(self.root)


def _own_volume(tables: Tables) -> str:
    """The volume that Windows runs from: that of the first program, which System starts."""
    for process in tables.everyone.rows:
        path = process.image_path
        if process.ppid == SYSTEM_PID and isinstance(path, str) and path.lower().endswith("\\smss.exe"):
            return split(path)[0]
    return ""


def _containers(tables: Tables, volume: str) -> list[Container]:
    """The containers: by the silo that their processes name, else by a session that has a whole Windows of its own."""
    groups: dict[int, list[Process]] = {}
    for process in tables.everyone.rows:
        silo = tables.silos.get(process.address, NOT_APPLICABLE)
        if isinstance(silo, int):
            groups.setdefault(silo, []).append(process)
        elif isinstance(process.session, int) and process.session:
            groups.setdefault(-process.session, []).append(process)
    found = []
    for key, members in groups.items():
        core = [p for p in members if isinstance(p.image_path, str) and from_volume(p.image_path) in _core_paths()]
        volumes = {split(str(p.image_path))[0] for p in core}
        if key < 0 and not _own_windows(tables.number, core, volumes, volume):
            continue
        session = next((p.session for p in members if isinstance(p.session, int)), None)
        own = volumes.pop() if len(volumes) == 1 else ""
        found.append(Container(key, session, own, frozenset(p.address for p in members)))
    return found


@cache
def _core_paths() -> frozenset[str]:
    return frozenset(f"{WINDOWS}\\system32\\{name}" for name in OWN_SYSTEM)


def _own_windows(number: int, core: list[Process], volumes: set[str], host: str) -> bool:
    """Whether these are the core of a Windows of its own: all of it, on one volume that the host's is not."""
    if len(volumes) != 1 or host in volumes or not host:
        return False
    names = {str(p.image_path).lower().rpartition("\\")[2] for p in core}
    return names == OWN_SYSTEM and (number < PROTECTED_SINCE or all(_core(p) for p in core))


def _core(process: Process) -> bool:
    """Whether a process has the protection that Windows' core has, and nobody else."""
    protection = process.protection
    return not isinstance(protection, Absent) and protection[0] > 0 and protection[1] == CORE_SIGNER
