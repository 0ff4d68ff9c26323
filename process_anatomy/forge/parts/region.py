"""One range of a process's address space, which a VAD will describe."""

from __future__ import annotations

from dataclasses import dataclass

from process_anatomy.forge.parts.section import Section


@dataclass
class Region:
    """One range of a process's address space.

    Attributes:
        start: first address.
        size: bytes, whole pages.
        protection: index into the protection table.
        note: what the range is for.
        section: what it maps, ``None`` for private memory.
        kind: VAD type.
        commit: committed pages.
        mem_commit: committed as a whole when it was reserved.
        long: described by a longer node where this Windows has such: the kernel made the range for the process.
        extension: pages at the end of an image's range that are not the image's.
    """

    start: int
    size: int
    protection: int
    note: str
    section: Section | None = None
    kind: int = 0
    commit: int = 0
    mem_commit: bool = False
    long: bool = False
    extension: int = 0
