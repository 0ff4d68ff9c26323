"""From a declaration and a build's places to a construct Struct and a numpy dtype.

A :class:`Layout` is the shape of one Windows structure: its fields, their types and one line of
meaning each.  Where the fields lie is not in the code: a :class:`Build` carries the places (offset,
size and, for bit-fields, bit position) that one Windows kernel gives them.  Binding the two gives a
:class:`Structure`, which is read in two ways that must always agree:

* ``Structure.struct``: a fixed-size ``construct`` Struct, for single objects and for building;
* ``Structure.dtype``: a numpy structured dtype, for thousands of records at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import construct
import numpy as np
import numpy.typing as npt

from structs.field_types import LITTLE_ENDIAN, Bytes, FieldType, ListEntry, Luid, UInt, UnicodeString, Words
from structs.mending import Mending
from structs.places import ALIGNMENT, FACTS, NEIGHBOUR, SYMBOLS, Place

__all__ = ["Build", "Field", "Layout", "LayoutError", "MissingField", "Place", "Structure", "at"]


class LayoutError(Exception):
    """A declaration and a build's places do not fit together."""


class MissingField(LayoutError):
    """A build's structure has no such field (or no such structure at all).

    Attributes:
        structure: the structure's Windows name, for instance ``_EPROCESS``.
        field: the field's name, or an empty string where the whole structure is missing.
        build: the build's name, for instance ``x64-19041-0``.
    """

    def __init__(self, structure: str, field: str, build: str) -> None:
        self.structure, self.field, self.build = structure, field, build
        what = f"{structure}.{field}" if field else structure
        super().__init__(f"{what} is not in the layout of build {build}")

    def __reduce__(self) -> tuple[type[MissingField], tuple[str, str, str]]:
        return type(self), (self.structure, self.field, self.build)


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a declaration.

    Attributes:
        type: how its bytes are read.
        meaning: one line for a reader who sees the field for the first time.
        paths: where the symbol facts keep it, first match wins: dotted names through nested
            structures and unions, for builds that moved it.  Empty means the field's own name.
    """

    type: FieldType
    meaning: str
    paths: tuple[str, ...] = ()


def at(kind: FieldType, meaning: str, *paths: str) -> Field:
    """Declare a field; ``paths`` only where a build keeps it under another name."""
    return Field(kind, meaning, paths)


@dataclass(frozen=True, slots=True)
class Layout:
    """The shape of one Windows structure.

    Attributes:
        name: the structure's Windows name.
        meaning: one line: what the structure is and where it lives.
        fields: field name to declaration; the names are Windows' own.
        widths: bytes of each field, for a structure that no kernel's public symbols describe; a function of
            the pointer size where they depend on it.  Its fields are declared in memory order, all of them,
            and lie where a C compiler puts them (see :meth:`natural`).  Whoever reads such a structure
            proves it on the memory before believing it.
    """

    name: str
    meaning: str
    fields: Mapping[str, Field]
    widths: Mapping[str, int | Callable[[int], int]] = field(default_factory=dict)

    def paths(self, field: str) -> tuple[str, ...]:
        """The dotted paths under which symbol facts may keep ``field``."""
        return self.fields[field].paths or (field,)

    def natural(self, pointer_size: int) -> tuple[int, dict[str, Place]]:
        """Size and places by the C compiler's alignment rules, from :attr:`widths`."""
        places: dict[str, Place] = {}
        here = widest = 0
        for name, width in self.widths.items():
            size = width if isinstance(width, int) else width(pointer_size)
            kind = self.fields[name].type
            alignment = (
                pointer_size if kind in (ListEntry, UnicodeString) or kind is Words else 8 if kind is Bytes else size
            )
            alignment = 4 if kind is Luid else alignment  # two numbers of four bytes
            here += -here % alignment
            places[name] = Place(here, size)
            here += size
            widest = max(widest, alignment)
        return here + -here % widest, places


@dataclass(frozen=True)
class Build:
    """What one Windows kernel build gives the declarations: sizes and places.

    Attributes:
        name: the layout's name, for instance ``x64-19041-3324``.
        arch: ``x64`` or ``x86``.
        number: the build number of the kernel branch, for instance 19041.
        pointer_size: 4 or 8 bytes.
        sizes: structure name to its size in bytes.
        places: structure name to (field name to :class:`Place`).
        estimated: the layout was not made for this very kernel; readers must be told.
        origin: how the layout was chosen, in words for the reader.
        natural: the structures that no kernel's public symbols describe; see :meth:`Layout.natural`.
        pdb: name, GUID and age of the PDB that a user's symbol table was made of, empty where it tells none.
        sources: structure name to (field name to what its place rests on), of the structures that were mended; see
            :meth:`source`.
        mendings: how the fields of these moved, those that are not declared as well.
        base: name of the layout that ships which this one was mended from; empty where that is its own name.
        other_entries: it was made for page-table entries of another size than this kernel's.
        later_sizes: structure name to the other sizes that updates are known to have given it, at its end.
        types: every structure that a user's symbol table has, in the shape of :data:`structs.symbols.Types`; ``None``
            where the layout ships with the suite (see :mod:`structs.published`).
    """

    name: str
    arch: str
    number: int
    pointer_size: int
    sizes: Mapping[str, int]
    places: Mapping[str, Mapping[str, Place]]
    estimated: bool = False
    origin: str = ""
    natural: frozenset[str] = frozenset()
    pdb: str = ""
    sources: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    mendings: Mapping[str, Mending] = field(default_factory=dict, repr=False, compare=False)
    base: str = ""
    other_entries: bool = False
    later_sizes: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    types: Mapping[str, Mapping[str, Any]] | None = field(default=None, repr=False, compare=False)
    _bound: dict[str, Structure] = field(default_factory=dict, repr=False, compare=False)

    def __getitem__(self, layout: Layout) -> Structure:
        """The layout bound to this build.

        Raises:
            MissingField: this build has no such structure.
        """
        if layout.name not in self._bound:
            if layout.name not in self.sizes:
                raise MissingField(layout.name, "", self.name)
            self._bound[layout.name] = Structure(layout, self)
        return self._bound[layout.name]

    def __contains__(self, layout: Layout) -> bool:
        return layout.name in self.sizes

    def place(self, structure: str, field: str) -> Place | None:
        """Where a field lies, by the Windows name of its structure; ``None`` where this build has it not."""
        return self.places.get(structure, {}).get(field)

    def source(self, structure: str, field: str) -> str:
        """What the place of a field rests on, in words."""
        told = self.sources.get(structure, {}).get(field)
        if told is not None:
            return told
        if structure in self.natural:
            return ALIGNMENT
        return (NEIGHBOUR if self.estimated else FACTS) if self.number else SYMBOLS

    @property
    def pool_unit(self) -> int:
        """Bytes that the pools count in, at multiples of which their objects lie: two pointers' size."""
        return 2 * self.pointer_size

    @property
    def fast_ref(self) -> int:
        """The bits of an _EX_FAST_REF that count references and are no part of the address: 3 on x86, 4 on x64."""
        return self.pool_unit - 1


class _BitFields(construct.Adapter):  # type: ignore[misc]  # construct ships no types
    """Splits storage units into the bit-fields that share them, and joins them again."""

    def __init__(self, subcon: Any, bits: Mapping[str, tuple[str, int, int]]) -> None:
        super().__init__(subcon)
        self.bits = bits
        self.units = {unit for unit, _, _ in bits.values()}

    def _decode(self, obj: Any, context: Any, path: str) -> Any:
        whole = {name: value for name, value in obj.items() if name not in self.units}
        for name, (unit, shift, mask) in self.bits.items():
            whole[name] = obj[unit] >> shift & mask
        return construct.Container(whole)

    def _encode(self, obj: Any, context: Any, path: str) -> Any:
        whole = {name: value for name, value in obj.items() if name not in self.bits}
        whole |= dict.fromkeys(self.units, 0)
        for name, (unit, shift, mask) in self.bits.items():
            value = obj[name]
            if not 0 <= value <= mask:
                raise construct.IntegerError(f"{value} does not fit the {mask.bit_length()} bits of {name}", path=path)
            whole[unit] |= value << shift
        return whole


class Structure:
    """A layout bound to a build: the same bytes for construct and for numpy.

    Attributes:
        layout: the declaration.
        build: whose places.
        places: field name to place, only fields that this build has.
    """

    def __init__(self, layout: Layout, build: Build) -> None:
        self.layout = layout
        self.build = build
        given = build.places.get(layout.name, {})
        self.places: dict[str, Place] = {name: given[name] for name in layout.fields if name in given}
        self._check()

    @property
    def name(self) -> str:
        """The structure's Windows name."""
        return self.layout.name

    @property
    def sizeof(self) -> int:
        """Bytes of the whole structure."""
        return self.build.sizes[self.layout.name]

    def __contains__(self, field: str) -> bool:
        return field in self.places

    def place(self, field: str) -> Place:
        """The field's place.

        Raises:
            MissingField: the build's structure has no such field.
        """
        try:
            return self.places[field]
        except KeyError:
            raise MissingField(self.name, field, self.build.name) from None

    def offset(self, field: str) -> int:
        """Bytes from the start of the structure to the field (or its storage unit).

        Raises:
            MissingField: the build's structure has no such field.
        """
        return self.place(field).offset

    @cached_property
    def bits(self) -> dict[str, tuple[str, int, int]]:
        """Bit-field name to (name of its storage unit in the dtype, shift, mask)."""
        return {
            name: (_unit(place), place.bit, (1 << (place.bits or 0)) - 1)
            for name, place in self.places.items()
            if place.bit is not None
        }

    def _check(self) -> None:
        """Refuse places that leave the structure, overlap, or do not fit their type."""
        pointer = self.build.pointer_size
        taken: list[tuple[int, int, str]] = []
        for name, place in self.places.items():
            if place.offset < 0 or place.offset + place.size > self.sizeof:
                raise LayoutError(f"{self.name}.{name} leaves its structure in build {self.build.name}")
            if place.bit is not None:
                if place.size not in LITTLE_ENDIAN or not 0 <= place.bit <= 8 * place.size - (place.bits or 0):
                    raise LayoutError(f"bit-field {self.name}.{name} leaves its unit in build {self.build.name}")
            elif not self.layout.fields[name].type.fits(place.size, pointer):
                raise LayoutError(f"{self.name}.{name} has {place.size} bytes in build {self.build.name}")
            taken.append((place.offset, place.size, name if place.bit is None else _unit(place)))
        self._refuse_overlaps(set(taken))
        units: dict[str, set[tuple[int, int, str]]] = {}
        for name, place in self.places.items():
            if place.bit is not None:
                units.setdefault(_unit(place), set()).add((place.bit, place.bits or 0, name))
        for shared in units.values():
            self._refuse_overlaps(shared)

    def _refuse_overlaps(self, taken: set[tuple[int, int, str]]) -> None:
        """Raise where two of (start, length, name) share a byte, or a bit of a unit."""
        end, last = 0, ""
        for start, size, name in sorted(taken):
            if start < end:
                raise LayoutError(f"{self.name}: {name} overlaps {last} in build {self.build.name}")
            end, last = start + size, name

    def _units(self) -> dict[str, Place]:
        """Name to place of each member of the dtype, in order: fields and storage units."""
        members = {name if place.bit is None else _unit(place): place for name, place in self.places.items()}
        return dict(sorted(members.items(), key=lambda item: item[1].offset))

    @cached_property
    def struct(self) -> Any:
        """The fixed-size construct: ``parse`` gives a Container of the fields, ``build`` takes one."""
        parts: list[Any] = []
        here = 0
        for name, place in self._units().items():
            if place.offset > here:
                parts.append(construct.Padding(place.offset - here))
            parts.append(name / self._type(name).construct(place.size, self.build.pointer_size))
            here = place.offset + place.size
        if self.sizeof > here:
            parts.append(construct.Padding(self.sizeof - here))
        return _BitFields(construct.Struct(*parts), self.bits)

    @cached_property
    def dtype(self) -> np.dtype[np.void]:
        """The numpy view of the same bytes; bit-fields come as their storage units (see :meth:`column`)."""
        return self.projection(self.places)

    def projection(self, fields: Iterable[str]) -> np.dtype[np.void]:
        """The dtype with only ``fields``, at their places in the whole structure."""
        wanted = {name if name not in self.bits else self.bits[name][0] for name in fields}
        members = {name: place for name, place in self._units().items() if name in wanted}
        return np.dtype(
            {
                "names": list(members),
                "formats": [
                    self._type(name).dtype(place.size, self.build.pointer_size) for name, place in members.items()
                ],
                "offsets": [place.offset for place in members.values()],
                "itemsize": self.sizeof,
            }
        )

    def _type(self, member: str) -> FieldType:
        return self.layout.fields[member].type if member in self.layout.fields else UInt

    def column(self, records: npt.NDArray[np.void], field: str) -> npt.NDArray[Any]:
        """One field of many records; a bit-field is cut out of its unit.

        Raises:
            MissingField: the build's structure has no such field.
        """
        self.place(field)
        if field not in self.bits:
            return records[field]
        unit, shift, mask = self.bits[field]
        units = records[unit]
        cut: npt.NDArray[Any] = units >> units.dtype.type(shift) & units.dtype.type(mask)
        return cut


def _unit(place: Place) -> str:
    return f"bits_{place.offset:#x}_{place.size}"
