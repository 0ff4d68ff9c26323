"""Hypothesis strategies shared by the test modules: values of structures, memory, page tables and lists."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hypothesis import strategies as st

from process_anatomy.memory.physical import Run
from structs import builds, field_types, layout
from structs.families import LAYOUTS
from structs.layout import Build, Layout, Place, Structure

PAGE = 0x1000
NAMES = builds.names()
WORD = st.integers(0, (1 << 64) - 1)

# structures


def declared(build: Build) -> list[Structure]:
    """Every declared structure that a build has, bound to it."""
    return [build[each] for each in LAYOUTS.values() if each in build]


def unsigned(size: int) -> st.SearchStrategy[int]:
    """Numbers that fill ``size`` bytes."""
    return st.integers(0, (1 << 8 * size) - 1)


def field_values(structure: Structure, name: str) -> st.SearchStrategy[Any]:
    """What one field of a structure can hold."""
    place, kind = structure.place(name), structure.layout.fields[name].type
    pointer = structure.build.pointer_size
    if place.bits is not None:
        return st.integers(0, (1 << place.bits) - 1)
    if kind in (field_types.Bytes, field_types.Words):
        return st.binary(min_size=place.size, max_size=place.size)
    if kind is field_types.Int:
        return st.integers(-(1 << 8 * place.size - 1), (1 << 8 * place.size - 1) - 1)
    if kind is field_types.ListEntry:
        return st.fixed_dictionaries({"Flink": unsigned(pointer), "Blink": unsigned(pointer)})
    if kind is field_types.UnicodeString:
        members = {"Length": unsigned(2), "MaximumLength": unsigned(2), "Buffer": unsigned(pointer)}
        return st.fixed_dictionaries(members)
    return unsigned(place.size)


def structure_values(structure: Structure) -> st.SearchStrategy[dict[str, Any]]:
    """A value for every field that the structure's build has."""
    return st.fixed_dictionaries({name: field_values(structure, name) for name in structure.places})


@st.composite
def structures(draw: st.DrawFn) -> Structure:
    """Any declared structure of any build that ships."""
    return draw(st.sampled_from(declared(builds.load(draw(st.sampled_from(NAMES))))))


@st.composite
def toy_structures(draw: st.DrawFn) -> Structure:
    """A made-up structure: fields of every type, bit-fields that share units, gaps between them."""
    pointer = draw(st.sampled_from([4, 8]))
    sizes = {
        field_types.UInt: st.sampled_from([1, 2, 4, 8]),
        field_types.Int: st.sampled_from([1, 2, 4, 8]),
        field_types.Bytes: st.integers(1, 24),
        field_types.FileTime: st.just(8),
        field_types.Luid: st.just(8),
        field_types.Pointer: st.just(pointer),
        field_types.FastRef: st.just(pointer),
        field_types.ListEntry: st.just(2 * pointer),
        field_types.UnicodeString: st.just(2 * pointer),
    }
    kinds = list(sizes)
    fields: dict[str, layout.Field] = {}
    places: dict[str, Place] = {}
    here = 0
    for number in range(draw(st.integers(1, 8))):
        here += draw(st.integers(0, 9))
        if draw(st.booleans()):
            kind = kinds[draw(st.integers(0, len(kinds) - 1))]
            size = draw(sizes[kind])
            fields[f"Field{number}"] = layout.at(kind, "a field")
            places[f"Field{number}"] = Place(here, size)
        else:
            size = draw(st.sampled_from([1, 2, 4, 8]))
            bit = 0
            while bit < 8 * size and len(fields) < 24:
                bit += draw(st.integers(0, 3))
                bits = draw(st.integers(1, 8 * size))
                if bit + bits > 8 * size:
                    break
                fields[f"Bits{number}At{bit}"] = layout.at(field_types.UInt, "a bit-field")
                places[f"Bits{number}At{bit}"] = Place(here, size, bit, bits)
                bit += bits
        here += size
    order = draw(st.permutations(list(fields)))
    shape = Layout("_TOY", "made up", {name: fields[name] for name in order})
    total = here + draw(st.integers(0, 9)) or 1
    return Build("toy", "x64", 0, pointer, {"_TOY": total}, {"_TOY": places})[shape]


# physical memory


def runs(buffer: int, reach: int = 96) -> st.SearchStrategy[list[Run]]:
    """Runs in no order that overlap, reach past the buffer, or lie outside it."""
    run = st.builds(Run, st.integers(0, reach), st.integers(0, 40), st.integers(-4, buffer + 8))
    return st.lists(run, max_size=8)


# page tables

INDEXES = (0, 1, 255, 256, 511)
"""The entries of each table that are in use: both ends, and both sides of the middle."""
FRAMES = 0x210
"""Frames of the memory that tables lie in: one large page and a little more."""
TABLES = range(1, 7)
"""Frames that hold tables."""
SWIZZLE = st.sampled_from([0, 1 << 45, 1 << 46, 1 << 47])
"""Frame bits that Windows sets in entries that are not valid, above all memory."""
FLAGS = st.sampled_from([0, 1 << 63, 0x62, 0x8000_0000_0000_0066, 0x100])

Tables = Mapping[int, Mapping[int, int]]
"""Frame to (index to entry)."""


FAR = 1 << 30
"""A frame far past the image: its number needs bits that no frame of the image has."""


def frames(*, far: bool = True) -> st.SearchStrategy[int]:
    """Frames of tables, mostly; else of data, at the end of memory, or past it."""
    data = [0, 7, 8, 0x200, FRAMES - 1, FRAMES, FRAMES + 9]
    return st.one_of(st.sampled_from(TABLES), st.sampled_from([*data, FAR] if far else data))


def entries(*, hostile: bool = True) -> st.SearchStrategy[int]:
    """Page-table entries of every kind.

    Args:
        hostile: also entries that no system writes, or that Volatility reads in another way: bit 7 of a
            transition entry, its frame bits above all memory, reserved bits of a large page, any 64 bits.
    """
    table = st.builds(lambda f, x: f * PAGE | 1 | x, st.sampled_from(TABLES), FLAGS)
    page = st.builds(lambda f, x: f * PAGE | 1 | x, frames(), FLAGS)
    large = st.builds(lambda f, x: f * PAGE | 0x81 | x, st.sampled_from([0, 0x40000, 1 << 24]), FLAGS)
    transition = st.builds(
        lambda f, s, p: f * PAGE | s | 0x800 | p, frames(far=hostile), SWIZZLE, st.sampled_from([0, 0x60])
    )
    prototype = st.builds(lambda a: a << 16 | 0x400, st.integers(0, (1 << 48) - 1))
    in_file = st.builds(lambda o, n: o << 32 | n << 1 | 0x80, st.integers(1, (1 << 32) - 1), st.integers(0, 15))
    zero = st.sampled_from([0, 0x80, 0x20, 0xC0])
    usual = [table, table, table, page, large, transition, prototype, in_file, zero]
    if not hostile:
        return st.one_of(usual)
    odd = st.sampled_from([0x80, 0x1000, 0x7E000, 0x200 * PAGE])
    strange = st.builds(lambda e, x: e | x, st.one_of(large, transition), odd)
    return st.one_of(*usual, strange, WORD)


def tables(*, hostile: bool = True, most: int = len(INDEXES)) -> st.SearchStrategy[dict[int, dict[int, int]]]:
    """Tables that point at data, at one another and at themselves."""
    table = st.dictionaries(st.sampled_from(INDEXES), entries(hostile=hostile), min_size=1, max_size=most)
    return st.fixed_dictionaries(dict.fromkeys(TABLES, table))


def addresses() -> st.SearchStrategy[int]:
    """Virtual addresses that meet the tables' entries, canonical or not."""
    picks = st.tuples(*[st.sampled_from(INDEXES)] * 5)

    def address(index: tuple[int, ...], offset: int, canonical: int) -> int:
        value = offset
        for level, number in enumerate(reversed(index)):
            value |= number << 12 + 9 * level
        if canonical:
            value &= (1 << canonical) - 1
            value |= (1 << 64) - (1 << canonical) if value >> canonical - 1 else 0
        return value

    inside = st.one_of(st.sampled_from([0, 8, 0xFFF]), st.integers(0, PAGE - 1))
    return st.one_of(st.builds(address, picks, inside, st.sampled_from([0, 48, 48, 57])), WORD)


# lists


def link_addresses(most: int = 24) -> st.SearchStrategy[list[int]]:
    """Addresses of list entries in no order; none touches another."""
    places = st.lists(st.integers(1, 500), min_size=1, max_size=most, unique=True)
    return places.map(lambda numbers: [0x8000_0000 + 32 * n for n in numbers])
