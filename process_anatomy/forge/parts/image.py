"""A forged machine, ready to be written to a file."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass
class PageFile:
    """A page file of a forged machine.

    Attributes:
        number: which entries of page tables have.
        name: what it is called where page files are collected.
        path: where the machine has it.
        pages: how many it has.
        content: number of a page to what it holds; all others are zero.
    """

    number: int
    name: str
    path: str
    pages: int
    content: dict[int, bytes] = field(default_factory=dict, repr=False)


@dataclass
class Image:
    """A forged machine.

    Attributes:
        physical: frame number to 4096 bytes, for the frames in use; all other memory is zero.
        runs: (first frame, number of frames) of each stretch of memory.
        memory_size: bytes up to the end of memory.
        truth: everything a tool should find.
        symbols: a symbol table (Volatility's format) for this kernel, as a dictionary ready for JSON.
        system_time: when the image was taken, in Windows' count.
        uptime: how long the system had run, in 100 nanoseconds.
        page_files: the page files that belong to it, where some pages are in them.
        user_frames: frames that only the user half of processes maps.
    """

    physical: dict[int, bytes] = field(repr=False)
    runs: list[tuple[int, int]]
    memory_size: int
    truth: dict[str, Any] = field(repr=False)
    symbols: dict[str, Any] = field(repr=False)
    system_time: int
    uptime: int
    page_files: list[PageFile] = field(default_factory=list, repr=False)
    user_frames: frozenset[int] = field(default=frozenset(), repr=False)

    @property
    def pointer_size(self) -> int:
        """Bytes of an address: 8, or 4 on 32-bit Windows."""
        return 4 if self.truth.get("arch") == "x86" else 8

    def _repr_pretty_(self, printer: Any, _cycle: bool) -> None:
        """What interactive shells and reports of failed tests print: never all of memory."""
        printer.text(repr(self))
