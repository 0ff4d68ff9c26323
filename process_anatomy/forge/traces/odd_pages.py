"""Pages that do not go with the VAD tree: more rights than their range, a patched library, a range out of the tree."""

from __future__ import annotations

from typing import Any

from process_anatomy.forge.memory.frames import DIRTY, NO_EXECUTE, PAGE, USER_CODE, USER_DATA
from process_anatomy.forge.memory.page_tables import Space
from process_anatomy.forge.memory.protections import READ_WRITE
from process_anatomy.forge.parts.region import Region
from process_anatomy.forge.parts.user_half import UserHalf

BEYOND, UNCOVERED = 0x900000, 0xA00000
"""Where the odd pages lie behind the beginning of the process's zone of private memory."""
UNCOVERED_PAGES = 2
PATCHED_MODULE = 2
"""The module whose first page of code is patched: behind the program and ntdll.dll."""
CODE = b"\x90\x90\xc3 this is practice, not a program "


def odd_pages(user: UserHalf, space: Space) -> list[dict[str, Any]]:
    """Give a process one of each; tells what was done, with the first address and the number of pages."""
    beyond = user.zone + BEYOND
    user.regions.append(Region(beyond, 4 * PAGE, READ_WRITE, "executable against its VAD", commit=4))
    space.map(beyond, space.memory.take(b"WRITTEN-FIRST " + CODE), USER_DATA & ~NO_EXECUTE)
    space.map(beyond + PAGE, space.memory.take(b"PLAIN-DATA"), USER_DATA)
    patched = user.modules[PATCHED_MODULE].base + PAGE
    space.map(patched, space.memory.take(b"\xe9\x00\x10\x00\x00 PATCHED " + CODE), USER_CODE | DIRTY)
    uncovered = user.zone + UNCOVERED
    for step in range(UNCOVERED_PAGES):
        space.map(uncovered + step * PAGE, space.memory.take(b"HIDDEN " + CODE), USER_CODE)
    return [
        {"kind": "beyond", "pages": 1, "rights": "RWX", "va": beyond},
        {"kind": "private-copy", "pages": 1, "rights": "R-X", "va": patched},
        {"kind": "uncovered", "pages": UNCOVERED_PAGES, "rights": "R-X", "va": uncovered},
    ]
