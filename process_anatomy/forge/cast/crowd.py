"""The laboratory machine with many more user programs: for tests of scale."""

from __future__ import annotations

from dataclasses import replace

from process_anatomy.forge.cast.lab import LAB
from process_anatomy.forge.ground.actors import Actor, Scenario


def crowd(processes: int, regions: int = 0, memory_size: int = 256 << 20) -> Scenario:
    """The lab with many more user programs: for tests of scale.

    Args:
        processes: how many user programs to add.
        regions: private ranges that each of them has beyond the usual ones.
        memory_size: bytes of physical memory.
    """
    added = tuple(
        Actor(
            8004 + 4 * 8 * number, 3920, f"C:\\Program Files\\Crowd\\worker{number:05}.exe", "limited", 2_000 + number,
            1, threads=1, extra_regions=regions,
        )
        for number in range(processes)
    )  # fmt: skip
    return replace(LAB, name=f"crowd-{processes}", cast=LAB.cast + added, memory_size=memory_size)
