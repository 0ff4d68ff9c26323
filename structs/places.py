"""Where a build keeps a field, and what that place rests on."""

from __future__ import annotations

from dataclasses import dataclass

PROVED = "proved on this image"
"""What a place rests on that only a neighbour's layout has, but that something in the image's own memory bears out."""
FACTS, SYMBOLS, NEIGHBOUR, ALIGNMENT = "published facts", "your symbol table", "its neighbour", "a compiler's alignment"
"""What the place of a field rests on where one source has all of a structure: facts of this very kernel, a table that
the user gave, the layout of another kernel, or (where no kernel's symbols describe it) the rules of a compiler.
"""


@dataclass(frozen=True, slots=True)
class Place:
    """Where one build keeps one field.

    Attributes:
        offset: bytes from the start of the structure to the field's storage unit.
        size: bytes of the storage unit.
        bit: lowest bit of a bit-field within the storage unit, else ``None``.
        bits: number of bits of a bit-field, else ``None``.
    """

    offset: int
    size: int
    bit: int | None = None
    bits: int | None = None
