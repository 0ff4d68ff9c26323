"""Which parts of what processes keep of themselves were read from the compression store."""

from __future__ import annotations

from collections.abc import Sequence

from process_anatomy.kernel.identify import Kernel
from process_anatomy.memory.view import addresses_of
from process_anatomy.walk.address_space.compressed import compressed
from process_anatomy.walk.program.pebs import Peb

PARAMETERS = "process parameters"
PARTS = ("PEB", PARAMETERS, "environment", "loader data")
"""The parts, by what begins there."""


def compressed_parts(kernel: Kernel, pebs: Sequence[Peb]) -> list[tuple[str, ...]]:
    """For each PEB, those of :data:`PARTS` whose first page is in the compression store."""
    places = [
        (number, part, at, peb.root)
        for number, peb in enumerate(pebs)
        for part, at in zip(PARTS, (peb.address, peb.parameters, peb.environment, peb.ldr), strict=True)
        if isinstance(at, int) and at and isinstance(peb.root, int)
    ]
    there = compressed(kernel, addresses_of([at for _, _, at, _ in places]), addresses_of([r for _, _, _, r in places]))
    found: list[list[str]] = [[] for _ in pebs]
    for (number, part, _, _), stored in zip(places, there.tolist(), strict=True):
        if stored:
            found[number].append(part)
    return [tuple(parts) for parts in found]
