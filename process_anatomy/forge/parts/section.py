"""A section, as the ranges that map it refer to it."""

from __future__ import annotations

from dataclasses import dataclass

from process_anatomy.forge.pe.headers import Program


@dataclass
class Section:
    """A section as others refer to it.

    Attributes:
        subsection: address of the first subsection.
        prototypes: address of its prototype entries.
        file: name of the file, ``None`` where the page file backs it.
        frames: frames of the first pages that are in memory.
        image: the headers' facts if it is an image.
        file_object: address of the file object, zero where the page file backs it.
    """

    subsection: int
    prototypes: int
    file: str | None
    frames: dict[int, int]
    image: Program | None = None
    file_object: int = 0
