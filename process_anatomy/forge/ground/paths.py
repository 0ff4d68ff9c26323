"""Folders whose paths others begin with, and what they were called before Windows Vista."""

from __future__ import annotations

from process_anatomy.forge.ground.generations import one_desktop
from structs.layout import Build

SYSTEM32 = "C:\\Windows\\System32\\"
PROFILES = "C:\\Users\\", "C:\\Documents and Settings\\"
TEMPORARY = "\\AppData\\Local\\Temp", "\\Local Settings\\Temp"
"""Parts of paths since Windows Vista, and before."""


def then_path(build: Build, path: str) -> str:
    """A path as it was then: users' folders had other names before Windows Vista."""
    if not one_desktop(build):
        return path
    return path.replace(*PROFILES).replace(*TEMPORARY)
