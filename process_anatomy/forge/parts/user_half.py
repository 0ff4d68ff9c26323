"""What a process got below the kernel's half: the truth of it."""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field
from typing import Any

from process_anatomy.forge.memory.frames import PAGE
from process_anatomy.forge.parts.module import Module
from process_anatomy.forge.parts.region import Region


@dataclass(frozen=True)
class SmallHalf:
    """The truth of a 32-bit half.

    Attributes:
        peb: the 32-bit PEB.
        ldr: the 32-bit loader's data.
        heaps: the 32-bit heaps, the default one first.
        modules: what the 32-bit loader lists.
        environment: what the 32-bit parameters lead to.
        tebs: the 32-bit TEB of each thread.
    """

    peb: int
    ldr: int
    heaps: list[int]
    modules: list[Module]
    environment: dict[str, str]
    tebs: list[int]


@dataclass
class UserHalf:
    """What a process got: the truth of its user half.

    Attributes:
        zone: where its private memory begins.
        modules: what the loader lists, the program first.
        unlisted: what is mapped, but taken out of the loader's lists.
        listed: the modules as the loader's lists tell them.
        pages: how some pages lie there, and what they hold.
        odd_pages: pages that do not go with the VAD tree.
        small: its 32-bit half.
    """

    peb: int = 0
    tebs: list[int] = field(default_factory=list)
    stacks: list[tuple[int, int]] = field(default_factory=list)
    zone: int = 0
    heap: int = 0
    heaps: list[int] = field(default_factory=list)
    ldr: int = 0
    modules: list[Module] = field(default_factory=list)
    unlisted: list[Module] = field(default_factory=list)
    listed: list[dict[str, Any]] = field(default_factory=list)
    parameters: int = 0
    regions: list[Region] = field(default_factory=list)
    pages: list[dict[str, Any]] = field(default_factory=list)
    odd_pages: list[dict[str, Any]] = field(default_factory=list)
    command_line: str = ""
    current_directory: str = ""
    environment: dict[str, str] = field(default_factory=dict)
    small: SmallHalf | None = None

    def note(self, address: int, state: str, note: str, content: bytearray | None = None) -> None:
        """Add a page to the truth: how it lies there and what it holds, ``None`` where nobody can tell."""
        if state == "demand-zero":
            content = bytearray(PAGE)
        self.pages.append(
            {
                "crc32": None if content is None else zlib.crc32(content),
                "head": None if content is None else content[:16].hex(),
                "note": note,
                "state": state,
                "va": address,
            }
        )
