"""Forged images with a compression store, one of each generation, made once and shared by the tests of a session."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any

from process_anatomy.forge import LAB, Image, forge
from process_anatomy.kernel.identify import Kernel
from structs import builds
from structs.page_entry import MMPTE_SOFTWARE
from tests.walk.damaged import kernel_of

GENERATIONS = [
    "x64-14393-0", "x64-15063-0", "x64-16299-15", "x64-17763-0", "x64-18362-476", "x64-19041-3324", "x64-22000-2003",
    "x64-22621-382", "x64-26100-1742", "x86-14393-0", "x86-15063-0", "x86-17763-0", "x86-19041-508",
]  # fmt: skip
"""A layout of each generation of the store, and of those of the entries that lead there."""
MASK = 1 << 45
"""The bit that the forged kernels flip in entries that are not valid."""
ACTORS = {4, 124, 388, 512, 588, 672, 716, 728, 3920, 4476, 5212}
SHARE = 0.4


@cache
def stored(build: str) -> Image:
    """An image 40 % of whose private pages are compressed."""
    flips = "SwizzleBit" in builds.load(build)[MMPTE_SOFTWARE]
    cast = tuple(actor for actor in LAB.cast if actor.pid in ACTORS)
    return forge(replace(LAB, cast=cast, compressed=SHARE, invalid_pte_mask=MASK if flips else 0), 7, build)


@cache
def kernel(build: str) -> Kernel:
    """The kernel in that image; for tests that change nothing."""
    return kernel_of(stored(build))


def pages(image: Image) -> list[dict[str, Any]]:
    """The truth of each page: where it is, its key, its checksum (``None`` where nobody can have it), and its root."""
    roots = {process["pid"]: process["dtb"] for process in image.truth["processes"]}
    return [page | {"dtb": roots[page["pid"]]} for page in image.truth["compressed"]]
