"""An image and where it is mapped in this boot."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from process_anatomy.forge.parts.section import Section
from process_anatomy.forge.pe.headers import Program


@dataclass(frozen=True)
class Module:
    """An image and where it is mapped in this boot."""

    name: str
    path: str
    base: int
    section: Section

    @property
    def program(self) -> Program:
        """What its headers say."""
        assert self.section.image is not None
        return self.section.image

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
        }
