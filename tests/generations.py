"""The kernels that stand for each generation of Windows, and the lab as each of them would have it, forged once."""

from __future__ import annotations

from functools import cache

from process_anatomy.forge import Image, forge
from process_anatomy.forge.cast.lab import LAB

OLDER = [
    "x86-2600-2180", "x86-2600-5512", "x86-3790-1830", "x64-3790-1830", "x86-6000-16386", "x64-6000-16386",
    "x86-7601-24000", "x64-7601-24540", "x64-9200-16384", "x86-9600-16384", "x86-19041-0",
]  # fmt: skip
"""Layouts of every generation of before Windows 8.1, and of 32-bit Windows since."""
NEWER = ["x64-9600-16384", "x64-10240-16384", "x64-14393-0", "x64-17763-0", "x64-22621-382", "x64-26100-1742"]
"""Layouts of 64-bit Windows since 8.1."""
GENERATIONS = [*OLDER, *NEWER, "x64-19041-0", "x64-20348-288", "x64-22000-1"]
"""One layout of each build that is forged."""
BEFORE_VISTA = [name for name in OLDER if "-2600-" in name or "-3790-" in name]


@cache
def lab(build: str) -> Image:
    """The lab with a layout's kernel."""
    return forge(LAB, 11, build)
