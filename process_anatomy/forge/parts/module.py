"""An image and where it is mapped in this boot."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from process_anatomy.forge.memory.frames import PAGE
from process_anatomy.forge.memory.protections import EXECUTE_WRITE_COPY
from process_anatomy.forge.parts.region import Region
from process_anatomy.forge.parts.section import Section
from process_anatomy.forge.pe.headers import Program

IMAGE_MAP = 2
"""VAD type of an image's range."""
SCP_IN_EXCEPTION_TABLE = 0x200000
"""Flag of the loader's entries since Windows 11 24H2; the same bit said before that an image is not at its base."""


@dataclass(frozen=True)
class Module:
    """An image and where it is mapped in this boot.

    Attributes:
        name: file name.
        path: full path.
        base: first address.
        section: the section of its file.
        extension: pages that the kernel maps behind its end.
    """

    name: str
    path: str
    base: int
    section: Section
    extension: int = 0

    @property
    def program(self) -> Program:
        """What its headers say."""
        assert self.section.image is not None
        return self.section.image

    @property
    def end(self) -> int:
        """The first address behind the image itself."""
        return self.base + self.program.size

    def region(self, commit: int) -> Region:
        """The range that maps it."""
        size = self.program.size + self.extension * PAGE
        return Region(
            self.base, size, EXECUTE_WRITE_COPY, self.name, self.section, IMAGE_MAP, commit, extension=self.extension
        )

    def facts(self) -> dict[str, Any]:
        """The module as the loader's lists show it."""
        return {
            "base": self.base,
            "checksum": self.program.checksum,
            "entry": self.base + self.program.entry,
            "file": self.section.file,
            "name": self.name,
            "path": self.path,
            "size": self.program.size,
            "timestamp": self.program.timestamp,
        } | ({"flags": SCP_IN_EXCEPTION_TABLE} if self.extension else {})
