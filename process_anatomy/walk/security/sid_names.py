r"""Names of SIDs on one machine: what every Windows knows, and what the image says about itself.

Names that SIDs are computed from ship in ``sid_names.toml``.  It is read, and the table of one kind built, when a
SID of that kind is first asked for; every question after that is one look into a table.
"""

from __future__ import annotations

import ntpath
import sys
from collections.abc import Callable, Iterable, Mapping
from functools import cache, cached_property
from importlib.resources import files
from types import MappingProxyType
from typing import Any

from process_anatomy.walk.security.sid_formulas import (
    capability_digest,
    numbers_bytes,
    package_digest,
    package_family,
    pool_digest,
    service_digest,
)
from process_anatomy.walk.security.sids import sid_family, sid_name, sid_numbers

WELL_KNOWN = "well-known"
SERVICE_LIST = "service list"
IMAGE_SERVICES = "image's services"
CAPABILITY_LIST = "capability list"
PACKAGE = "package"
LOGON_SESSION = "logon session"
PROFILE_LIST = "profile list"
UNKNOWN = ""

SOURCES = (WELL_KNOWN, IMAGE_SERVICES, SERVICE_LIST, CAPABILITY_LIST, PACKAGE, LOGON_SESSION, PROFILE_LIST, UNKNOWN)
"""Where a name can come from, the most trusted first."""

DATA = "sid_names.toml"
PACKAGE_NUMBERS = 7
_NONE: Mapping[str, str] = MappingProxyType({})
_NAMELESS = (UNKNOWN, UNKNOWN)


class SidNames:
    r"""Names of SIDs.

    Args:
        accounts: SID to ``AUTHORITY\account``, from logon sessions.
        profiles: SID to the path of the user's profile, from the registry.
        services: names of the image's own services, per-user services as they are there (``CDPUserSvc_3a1f2``).
        packages: families or full names of the image's packages, or monikers of other AppContainers.
    """

    def __init__(
        self,
        accounts: Mapping[str, str] = _NONE,
        profiles: Mapping[str, str] = _NONE,
        services: Iterable[str] = (),
        packages: Iterable[str] = (),
    ) -> None:
        self._accounts, self._profiles = accounts, profiles
        self._services, self._packages = tuple(services), tuple(packages)

    def name(self, sid: str) -> str:
        """The name of a SID, empty if nobody knows one."""
        return self._find(sid)[0]

    def source(self, sid: str) -> str:
        """Who says so: one of :data:`SOURCES`."""
        return self._find(sid)[1]

    def _find(self, sid: str) -> tuple[str, str]:
        if name := sid_name(sid):
            return name, WELL_KNOWN
        if found := self._computed(sid_numbers(sid)):
            return found
        if name := self._accounts.get(sid, ""):
            return name, LOGON_SESSION
        if name := ntpath.basename(self._profiles.get(sid, "").rstrip("\\/")):
            return name, PROFILE_LIST
        if name := sid_family(sid):
            return name, WELL_KNOWN
        return _NAMELESS

    def _computed(self, numbers: tuple[int, ...]) -> tuple[str, str] | None:
        """Name and source of a SID whose numbers are a hash or a GUID."""
        match numbers:
            case (5, 80, _, _, _, _, _):
                return self._service(numbers_bytes(numbers[2:]))
            case (5, 82, _, _, _, _, _):
                return _known(_pools().get(numbers_bytes(numbers[2:])), SERVICE_LIST)
            case (5, 32, _, _, _, _, _, _, _, _):
                return _known(_capabilities().get(numbers_bytes(numbers[2:])), CAPABILITY_LIST)
            case (15, 3, 1024, _, _, _, _, _, _, _, _):
                return _known(_capabilities().get(numbers_bytes(numbers[3:])), CAPABILITY_LIST)
            case (15, 3, _, _, _, _):
                return _known(_devices().get(numbers_bytes(numbers[2:])), CAPABILITY_LIST)
            case (15, 2 | 3, _, _, _, _, _, _, _):
                return _known(self._package(numbers_bytes(numbers[2:])), PACKAGE)
            case (15, 2, _, _, _, _, _, _, _, _, _, _, _):
                parent = self._package(numbers_bytes(numbers[2 : 2 + PACKAGE_NUMBERS]))
                return _known(parent and f"child of {parent}", PACKAGE)
        return None

    def _service(self, digest: bytes) -> tuple[str, str] | None:
        return _known(self._own_services.get(digest), IMAGE_SERVICES) or _known(_services().get(digest), SERVICE_LIST)

    def _package(self, digest: bytes) -> str | None:
        return self._own_packages.get(digest) or _packages().get(digest)

    @cached_property
    def _own_services(self) -> dict[bytes, str]:
        return _table(self._services, service_digest)

    @cached_property
    def _own_packages(self) -> dict[bytes, str]:
        return _table(map(package_family, self._packages), package_digest)


def _known(name: str | None, source: str) -> tuple[str, str] | None:
    return (name, source) if name else None


def _table(names: Iterable[str], digest: Callable[[str], bytes]) -> dict[bytes, str]:
    """Digest to name; of names that differ only in case, the first."""
    found: dict[bytes, str] = {}
    for name in names:
        found.setdefault(digest(name), name)
    return found


@cache
def _data() -> dict[str, Any]:
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    return tomllib.loads(files(__package__).joinpath(DATA).read_text("utf-8"))


def _listed(table: str) -> list[str]:
    """All names of a table of the data file, one a line."""
    return [name for names in _data()[table].values() for name in names.splitlines()]


def shipped_services() -> list[str]:
    """Names of services that ship with the suite."""
    return _listed("services")


def shipped_capabilities() -> list[str]:
    """Names of capabilities that ship with the suite."""
    return _listed("capabilities")


def shipped_packages() -> list[str]:
    """Package families and monikers of other AppContainers that ship with the suite."""
    families = [
        f"{name}_{publisher}" for publisher, names in _data()["packages"].items() for name in names.splitlines()
    ]
    return families + _listed("containers")


@cache
def _services() -> dict[bytes, str]:
    return _table(shipped_services(), service_digest)


@cache
def _capabilities() -> dict[bytes, str]:
    return _table(shipped_capabilities(), capability_digest)


@cache
def _packages() -> dict[bytes, str]:
    return _table(shipped_packages(), package_digest)


@cache
def _pools() -> dict[bytes, str]:
    return {
        digest: f"IIS APPPOOL\\{name}" for digest, name in _table(_listed("application-pools"), pool_digest).items()
    }


@cache
def _devices() -> dict[bytes, str]:
    from uuid import UUID

    return {UUID(interface).bytes_le: name for name, interface in _data()["devices"].items()}
