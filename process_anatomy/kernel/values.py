"""What a register or a place on the stack holds while a function is followed without being run."""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Pointer:
    """An address that the function began with, and a number added to it.

    Attributes:
        base: ``first`` or ``second`` argument, ``stack``, or ``processor``: what the kernel keeps of the processor that
            runs the function.
        offset: what was added.
    """

    base: str
    offset: int = 0


@dataclass(frozen=True, slots=True)
class Read:
    """What was read of the structure.

    Attributes:
        offset: bytes from the start of the structure.
        size: bytes that were read.
        shift: bits that it was shifted to the right afterwards.
        mask: the bits that were kept after the shift, ``None`` for all.
        tested: what was kept is only whether one of these bits is set.
        base: of the structure, as of a :class:`Pointer`.
        through: what was read before, where one read led to the next: their offsets, the first one's first.
    """

    offset: int
    size: int
    shift: int = 0
    mask: int | None = None
    tested: bool = False
    base: str = "first"
    through: tuple[int, ...] = ()

    @property
    def bits(self) -> tuple[int, int] | None:
        """The bits that count: the first, from the start of the structure, and how many; ``None`` if not in one run."""
        mask = self.kept
        low = (mask & -mask).bit_length() - 1
        count = (mask >> max(low, 0)).bit_length()
        if not mask or mask >> low != (1 << count) - 1:
            return None
        return 8 * self.offset + self.shift + low, count

    @property
    def kept(self) -> int:
        """The bits that were kept, after the shift."""
        whole = (1 << max(8 * self.size - self.shift, 0)) - 1
        return whole if self.mask is None else whole & self.mask

    def masked(self, mask: int) -> Read:
        """The same with only these bits kept."""
        return replace(self, mask=self.kept & mask)


@dataclass(frozen=True, slots=True)
class Global:
    """What lies at a fixed address.

    Attributes:
        address: where.
        size: bytes that were read, of which the lowest count.
    """

    address: int
    size: int


@dataclass(frozen=True, slots=True)
class Part:
    """Some bits of an address that the function began with.

    Attributes:
        pointer: the address.
        shift: bits that it was shifted to the right.
        mask: the bits that were kept after that, ``None`` for all.
    """

    pointer: Pointer
    shift: int
    mask: int | None = None


@dataclass(frozen=True, slots=True)
class Mixed:
    """Several values combined by exclusive or; one that was combined with itself is gone."""

    terms: frozenset[Read | Global | Part]


@dataclass(frozen=True, slots=True)
class Element:
    """What was read of a table at a fixed address.

    Attributes:
        table: where the table begins.
        scale: bytes of an element.
        index: number of the element.
    """

    table: int
    scale: int
    index: Mixed


Value = Pointer | Read | Global | Part | Mixed | Element | int | None
"""What a register or a place on the stack holds; ``None`` where it is not known."""
Given = Pointer | Read | Element


def terms_of(value: Value) -> frozenset[Read | Global | Part] | None:
    """What a value is mixed of; ``None`` where it is nothing that can be mixed."""
    if isinstance(value, Mixed):
        return value.terms
    plain = isinstance(value, Global | Part) or (isinstance(value, Read) and not value.tested)
    return frozenset({value}) if plain else None  # type: ignore[arg-type]  # one of the three


def lowest(value: Read | Global | Part, size: int) -> Read | Global | Part:
    """The low bytes of a value that can be mixed."""
    whole = (1 << 8 * size) - 1
    if isinstance(value, Global):
        return replace(value, size=min(size, value.size))
    if isinstance(value, Part):
        return replace(value, mask=whole if value.mask is None else value.mask & whole)
    if size >= value.size:
        return value
    return replace(value, size=size) if value.mask is None and not value.shift else value.masked(whole)
