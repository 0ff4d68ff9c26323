"""Windows by the words that people use: "Windows 11 24H2", "Server 2022", "XP SP3 x86", "22621".

Sources: Microsoft Learn, "Windows release health" and "Operating System Version", for which build is which release.
"""

from __future__ import annotations

import re

from process_anatomy.errors import ScenarioError
from process_anatomy.forge.scenarios.checked import nearest
from structs import builds, partial

RELEASES = {
    "xp sp2": "2600-2180", "xp sp3": "2600-5512", "xp": "2600-5512", "server 2003 sp1": "3790-1830",
    "server 2003 sp2": "3790-3959", "server 2003": "3790-3959", "xp x64": "3790-3959",
    "vista": "6000-16386", "vista sp1": "6001-18000", "server 2008": "6001-18000",
    "7": "7601-24000", "7 sp1": "7601-24000", "server 2008 r2": "7601-24000", "8": "9200-16384",
    "server 2012": "9200-16384", "8.1": "9600-16384", "server 2012 r2": "9600-16384", "10 1507": "10240-16384",
    "10 1511": "10586-0", "10 1607": "14393-0", "server 2016": "14393-0", "10 1703": "15063-0", "10 1709": "16299-15",
    "10 1803": "17134-1", "10 1809": "17763-0", "server 2019": "17763-0", "10 1903": "18362-0", "10 1909": "18362-0",
    "10 2004": "19041-0", "10 20h2": "19041-0", "10 21h1": "19041-0", "10 21h2": "19041-0", "10 22h2": "19041-0",
    "10": "19041-0", "server 2022": "20348-1129", "11 21h2": "22000-1", "11 22h2": "22621-382", "11 23h2": "22621-2428",
    "11": "22621-382", "11 24h2": "26100-1742", "11 25h2": "26100-1742", "server 2025": "26100-1742",
}  # fmt: skip
"""Release, without the word Windows and in lower case, to the layout that stands for it, without its processor."""
PROCESSORS = {"x86": "x86", "32-bit": "x86", "x64": "x64", "64-bit": "x64"}
SAME = {r"\bservice pack (\d)": r"sp\1", r"\bwindows\b": "", r"\bversion\b": ""}
"""Ways to write the same."""


def layout_of(words: str) -> str:
    """The name of the layout of a Windows.

    Args:
        words: the name of a layout, a release, or a build number; with ``x86`` or ``x64`` where both are meant.

    Raises:
        ScenarioError: nothing is known under these words.
    """
    known = [*builds.names(), *partial.names()]
    if words in known:
        return words
    said = words.lower()
    for pattern, plain in SAME.items():
        said = re.sub(pattern, plain, said)
    parts = said.split()
    arch = next((PROCESSORS[part] for part in parts if part in PROCESSORS), "")
    release = " ".join(part for part in parts if part not in PROCESSORS)
    if arch == "x64" and release == "xp":
        release = "xp x64"
    layout = RELEASES.get(release, "")
    for processor in (arch,) if arch else ("x64", "x86"):
        if layout and f"{processor}-{layout}" in known:
            return f"{processor}-{layout}"
        if release.isdecimal() and int(release) > 1000 and (fits := _of_number(processor, release)):
            return fits
    if layout:
        raise ScenarioError(f"of {words!r} no layout for {arch} ships")
    hint = nearest(release, RELEASES)
    raise ScenarioError(f"no Windows is called {words!r}{hint}; anatomy forge --list names those that are, layouts too")


def _of_number(processor: str, number: str) -> str:
    """The first layout of a build number."""
    found = [name for name in builds.names() if name.startswith(f"{processor}-{number}-")]
    return min(found, key=lambda name: (len(name), name)) if found else ""
