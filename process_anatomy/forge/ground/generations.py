"""What tells one generation of Windows from another where no structure does: versions, names, sizes, as data.

Sources: version numbers: "Operating System Version" (learn.microsoft.com/windows/win32/sysinfo); sizes of the
debugger's block: Volatility 2's KDBG signatures.
"""

from __future__ import annotations

from dataclasses import replace

from structs import builds
from structs.layout import Build
from structs.object import POOL_HEADER
from structs.token import TOKEN
from structs.vad import MMVAD

VERSIONS = {2600: (5, 1), 3790: (5, 2), 6000: (6, 0), 7600: (6, 1), 9200: (6, 2), 9600: (6, 3), 10240: (10, 0)}
"""First build number to major and minor version."""
DEBUGGER_SIZES = {2600: 0x290, 3790: 0x318, 6000: 0x328, 6001: 0x330, 7600: 0x340, 9200: 0x360, 9600: 0x380}
"""First build number to the bytes of the debugger's data block."""
SERVICE_PACKS = {
    "2600-2180": 2, "2600-5512": 3, "3790-1830": 1, "3790-3959": 2, "3790-3959-vol2": 2, "6001-18000": 1,
    "6002-18005": 2, "7601-17514": 1, "7601-23418": 1, "7601-24000": 1, "7601-24540": 1,
}  # fmt: skip
"""Layout, without its processor, to the service pack that it belongs to."""
VISTA, WINDOWS_8 = (6, 0), (6, 2)
"""Versions that brought much at once."""
FIRST_WITH_ALL = (6, 3)
"""Version since which the whole cast is forged."""
LAST_FOR_ONE_PROCESSOR = 2600
"""XP is forged for a machine with one processor; since Vista there is no kernel for such machines alone."""


def since(table: dict[int, int], number: int) -> int:
    """The entry of a table by first build numbers that a build number falls to."""
    return table[max((first for first in table if first <= number), default=min(table))]


def version_of(build: Build) -> tuple[int, int]:
    """Major and minor version of Windows."""
    return VERSIONS[max((first for first in VERSIONS if first <= build.number), default=min(VERSIONS))]


def service_pack(build: Build) -> int:
    """Number of the service pack, zero for none."""
    return SERVICE_PACKS.get(build.name.partition("-")[2], 0)


def service_pack_words(build: Build) -> str:
    """The service pack as Windows writes it; empty for none."""
    return f"Service Pack {service_pack(build)}" if service_pack(build) else ""


def complete(build: Build) -> Build:
    """A layout with what its source left out although every kernel of the processor has it: the pool header.

    It is the same in all kernels of a processor that ship one.
    """
    if POOL_HEADER in build:
        return build
    name = POOL_HEADER.name
    other = next(each for each in map(builds.load, builds.names()) if each.arch == build.arch and POOL_HEADER in each)
    sizes, places = {**build.sizes, name: other.sizes[name]}, {**build.places, name: other.places[name]}
    return replace(build, sizes=sizes, places=places, _bound={})


def processors(build: Build) -> int:
    """How many processors the forged machine has."""
    return 1 if build.number <= LAST_FOR_ONE_PROCESSOR else 2


def has_integrity(build: Build) -> bool:
    """Tokens have an integrity level (since Windows Vista)."""
    return "IntegrityLevelIndex" in build[TOKEN]


def hot_patches(build: Build) -> bool:
    """Images can be patched while they are in use, and have pages behind their end for it (since Windows 11 24H2)."""
    return "ImageMappingExtended" in build[MMVAD]


def one_desktop(build: Build) -> bool:
    """Services and the user share session 0, and the logon process starts the services (before Windows Vista)."""
    return not has_integrity(build)
