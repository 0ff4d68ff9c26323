"""A declaration bound to a build: one shape, read alike by construct and by numpy."""

from __future__ import annotations

import pickle
import random
from typing import Any

import construct
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from structs import builds, field_types
from structs.families import LAYOUTS
from structs.layout import Build, Layout, LayoutError, MissingField, Place, Structure, at
from tests.strategies import NAMES, declared, structure_values, structures, toy_structures


def toy(places: dict[str, Place], size: int = 16, pointer: int = 8, **kinds: field_types.FieldType) -> Structure:
    """A structure of unsigned numbers, save those that ``kinds`` names."""
    shape = Layout("_TOY", "made up", {name: at(kinds.get(name, field_types.UInt), "a field") for name in places})
    return Build("toy-1", "x64", 1, pointer, {"_TOY": size}, {"_TOY": places})[shape]


def plain(value: Any) -> Any:
    """What construct parsed, without construct's own classes."""
    if isinstance(value, dict):
        return {name: plain(inner) for name, inner in value.items() if not name.startswith("_")}
    return value


def cell(structure: Structure, records: np.ndarray[Any, Any], name: str) -> Any:
    """One field of the first record as numpy gives it, in construct's shape."""
    value = structure.column(records, name)[0]
    if value.dtype.names:
        return {member: value[member].item() for member in value.dtype.names}
    return value.tobytes() if value.dtype.kind == "V" else value.item()


def by_hand(structure: Structure, raw: bytes, name: str) -> Any:
    """One field from the bytes at its place alone."""
    place, kind = structure.places[name], structure.layout.fields[name].type
    unit = raw[place.offset : place.offset + place.size]
    pointer = structure.build.pointer_size
    if place.bit is not None:
        return int.from_bytes(unit, "little") >> place.bit & (1 << place.bits) - 1
    if kind in (field_types.Bytes, field_types.Words):
        return unit
    if kind is field_types.ListEntry:
        words = unit[:pointer], unit[pointer:]
        return dict(zip(("Flink", "Blink"), (int.from_bytes(w, "little") for w in words), strict=True))
    if kind is field_types.UnicodeString:
        words = unit[:2], unit[2:4], unit[pointer:]
        return dict(
            zip(("Length", "MaximumLength", "Buffer"), (int.from_bytes(w, "little") for w in words), strict=True)
        )
    return int.from_bytes(unit, "little", signed=kind is field_types.Int)


@pytest.mark.parametrize("name", NAMES)
def test_every_declared_structure_of_a_build_reads_alike_in_construct_in_numpy_and_by_hand(name: str) -> None:
    build = builds.load(name)
    dice = random.Random(name)
    bound = declared(build)
    assert bound
    for structure in bound:
        raw = dice.randbytes(structure.sizeof)
        parsed = structure.struct.parse(raw)
        records = np.frombuffer(raw, dtype=structure.dtype)
        expected = {field: by_hand(structure, raw, field) for field in structure.places}
        assert expected == plain(parsed)
        assert expected == {field: cell(structure, records, field) for field in structure.places}


@pytest.mark.parametrize("name", NAMES)
def test_every_declared_structure_of_a_build_is_rebuilt_from_what_was_parsed(name: str) -> None:
    dice = random.Random(name)
    for structure in declared(builds.load(name)):
        parsed = structure.struct.parse(dice.randbytes(structure.sizeof))
        built = structure.struct.build(parsed)
        assert structure.sizeof == len(built)
        assert parsed == structure.struct.parse(built)


@pytest.mark.parametrize("name", NAMES)
def test_sizes_agree_and_every_field_lies_inside_its_structure(name: str) -> None:
    build = builds.load(name)
    for structure in declared(build):
        sizes = structure.struct.sizeof(), structure.dtype.itemsize, build.sizes[structure.name]
        assert (structure.sizeof,) * 3 == sizes
        for field, place in structure.places.items():
            assert 0 <= place.offset < place.offset + place.size <= structure.sizeof, (structure.name, field)
            if place.bit is not None:
                assert 0 <= place.bit < place.bit + place.bits <= 8 * place.size, (structure.name, field)


@settings(max_examples=120, deadline=None)
@given(st.data())
def test_any_values_come_back_from_a_shipped_structure(data: st.DataObject) -> None:
    structure = data.draw(structures())
    values = data.draw(structure_values(structure))
    built = structure.struct.build(values)
    assert values == plain(structure.struct.parse(built))
    assert values == {name: cell(structure, np.frombuffer(built, structure.dtype), name) for name in values}


@settings(max_examples=150, deadline=None)
@given(toy_structures(), st.data())
def test_any_values_come_back_from_any_structure(structure: Structure, data: st.DataObject) -> None:
    values = data.draw(structure_values(structure))
    built = structure.struct.build(values)
    assert structure.sizeof == len(built) == structure.dtype.itemsize
    assert values == plain(structure.struct.parse(built))
    assert values == {name: by_hand(structure, built, name) for name in values}
    assert values == {name: cell(structure, np.frombuffer(built, structure.dtype), name) for name in values}


@settings(max_examples=60, deadline=None)
@given(toy_structures(), st.data())
def test_a_projection_keeps_the_places_and_the_size(structure: Structure, data: st.DataObject) -> None:
    names = (
        data.draw(st.lists(st.sampled_from(sorted(structure.places) or [""]), unique=True)) if structure.places else []
    )
    raw = data.draw(st.binary(min_size=structure.sizeof, max_size=structure.sizeof))
    dtype = structure.projection(names)
    assert structure.sizeof == dtype.itemsize
    records = np.frombuffer(raw, dtype=dtype)
    assert {n: by_hand(structure, raw, n) for n in names} == {n: cell(structure, records, n) for n in names}


def test_a_column_has_one_value_for_each_record() -> None:
    structure = toy({"Low": Place(0, 4, 0, 3), "High": Place(0, 4, 3, 29), "Next": Place(8, 8)})
    raw = b"".join(structure.struct.build({"Low": n % 8, "High": n, "Next": n << 40}) for n in range(20))
    records = np.frombuffer(raw, dtype=structure.dtype)
    assert [n % 8 for n in range(20)] == structure.column(records, "Low").tolist()
    assert list(range(20)) == structure.column(records, "High").tolist()
    assert [n << 40 for n in range(20)] == structure.column(records, "Next").tolist()


def test_the_highest_bit_of_a_unit_of_eight_bytes_is_kept() -> None:
    structure = toy({"Top": Place(0, 8, 63, 1), "Rest": Place(0, 8, 0, 63)}, size=8)
    raw = structure.struct.build({"Top": 1, "Rest": (1 << 63) - 1})
    assert raw == b"\xff" * 8
    assert structure.column(np.frombuffer(raw, structure.dtype), "Top").tolist() == [1]


@pytest.mark.parametrize("value", [-1, 8, 1 << 70])
def test_a_value_that_does_not_fit_its_bits_is_refused_by_name(value: int) -> None:
    structure = toy({"Kind": Place(0, 4, 2, 3)})
    with pytest.raises(construct.IntegerError, match=f"{value} does not fit the 3 bits of Kind"):
        structure.struct.build({"Kind": value})


@pytest.mark.parametrize(
    "second", [Place(3, 4), Place(0, 4), Place(0, 8), Place(2, 1), Place(0, 4, 0, 1), Place(0, 8, 60, 1)]
)
def test_fields_that_overlap_are_refused_by_name(second: Place) -> None:
    names = "First|bits_0x0_[48]"
    with pytest.raises(LayoutError, match=rf"^_TOY: ({names}|Second) overlaps ({names}|Second) in build toy-1$"):
        toy({"First": Place(0, 4), "Second": second})


def test_storage_units_of_two_widths_at_one_place_are_refused() -> None:
    with pytest.raises(LayoutError, match="overlaps"):
        toy({"First": Place(0, 4, 0, 4), "Second": Place(0, 8, 8, 4)})


def test_bit_fields_that_share_bits_are_refused() -> None:
    with pytest.raises(LayoutError, match="overlaps"):
        toy({"First": Place(0, 4, 0, 4), "Second": Place(0, 4, 3, 4)})


def test_a_bit_position_below_zero_is_refused() -> None:
    with pytest.raises(LayoutError, match="leaves its unit"):
        toy({"First": Place(0, 4, -1, 4)})


@pytest.mark.parametrize("place", [Place(13, 4), Place(16, 1), Place(-1, 4), Place(1 << 40, 8), Place(14, 4, 0, 1)])
def test_a_field_that_leaves_its_structure_is_refused_by_name(place: Place) -> None:
    with pytest.raises(LayoutError, match=r"^_TOY\.Field leaves its structure in build toy-1$"):
        toy({"Field": place})


@pytest.mark.parametrize("place", [Place(0, 4, 30, 3), Place(0, 1, 8, 1), Place(0, 3, 0, 1), Place(0, 16, 0, 1)])
def test_a_bit_field_that_leaves_its_unit_is_refused_by_name(place: Place) -> None:
    with pytest.raises(LayoutError, match=r"^bit-field _TOY\.Field leaves its unit in build toy-1$"):
        toy({"Field": place})


@pytest.mark.parametrize(
    ("kind", "size", "pointer"),
    [
        (field_types.UInt, 3, 8),
        (field_types.UInt, 0, 8),
        (field_types.Int, 16, 8),
        (field_types.Pointer, 4, 8),
        (field_types.Pointer, 8, 4),
        (field_types.FastRef, 4, 8),
        (field_types.FileTime, 4, 8),
        (field_types.Luid, 4, 4),
        (field_types.ListEntry, 8, 8),
        (field_types.ListEntry, 16, 4),
        (field_types.UnicodeString, 8, 8),
        (field_types.UnicodeString, 16, 4),
        (field_types.Bytes, 0, 8),
        (field_types.Bytes, 4097, 8),
    ],
)
def test_a_width_that_does_not_fit_the_type_is_refused_by_name(
    kind: field_types.FieldType, size: int, pointer: int
) -> None:
    with pytest.raises(LayoutError, match=rf"^_TOY\.Field has {size} bytes in build toy-1$"):
        toy({"Field": Place(0, size)}, size=8192, pointer=pointer, Field=kind)


def test_a_missing_field_names_structure_field_and_build() -> None:
    structure = builds.load("x64-7601-17514")[LAYOUTS["_EPROCESS"]]
    assert "Minimal" not in structure
    records = np.zeros(1, dtype=structure.dtype)
    for ask in (structure.place, structure.offset, lambda name: structure.column(records, name)):
        with pytest.raises(MissingField, match=r"_EPROCESS\.Minimal is not in the layout of build x64-7601-17514") as e:
            ask("Minimal")
        assert (e.value.structure, e.value.field, e.value.build) == ("_EPROCESS", "Minimal", "x64-7601-17514")


def test_a_missing_structure_names_structure_and_build() -> None:
    build = builds.load("x64-7601-17514")
    unknown = Layout("_NO_SUCH", "made up", {"Field": at(field_types.UInt, "a field")})
    assert unknown not in build
    with pytest.raises(MissingField, match=r"^_NO_SUCH is not in the layout of build x64-7601-17514$") as error:
        build[unknown]
    assert (error.value.structure, error.value.field, error.value.build) == ("_NO_SUCH", "", "x64-7601-17514")


def test_a_structure_is_bound_once() -> None:
    build = builds.load("x64-19041-3324")
    assert build[LAYOUTS["_TOKEN"]] is build[LAYOUTS["_TOKEN"]]


def test_places_follow_the_declaration_and_leave_out_what_the_build_lacks() -> None:
    shape = Layout("_TOY", "made up", {n: at(field_types.UInt, "a field") for n in ("Last", "Gone", "First")})
    places = {"First": Place(0, 4), "Last": Place(4, 4), "Undeclared": Place(8, 4)}
    structure = Build("toy-1", "x64", 1, 8, {"_TOY": 16}, {"_TOY": places})[shape]
    assert list(structure.places) == ["Last", "First"]


def test_every_declaration_has_a_meaning_for_itself_and_for_each_field() -> None:
    for name, declaration in LAYOUTS.items():
        assert name == declaration.name
        assert declaration.meaning.strip()
        assert all(field.meaning.strip() for field in declaration.fields.values()), name


def test_every_declared_field_is_in_some_build() -> None:
    found = {(s.name, field) for name in NAMES for s in declared(builds.load(name)) for field in s.places}
    assert {(name, field) for name, declaration in LAYOUTS.items() for field in declaration.fields} == found


def test_the_error_of_a_missing_field_can_be_pickled() -> None:
    error = MissingField("_TOY", "Field", "toy-1")
    assert str(error) == str(pickle.loads(pickle.dumps(error)))  # noqa: S301


def test_a_structure_without_public_symbols_lies_as_a_c_compiler_lays_it_out() -> None:
    """Alignment to each member's own size, pointers by the machine's, the whole padded to its widest member."""
    declared_by_hand = Layout(
        "_MINE",
        "",
        {
            "Byte": at(field_types.UInt, ""),
            "Link": at(field_types.ListEntry, ""),
            "Short": at(field_types.UInt, ""),
            "Long": at(field_types.UInt, ""),
            "Pointer": at(field_types.Pointer, ""),
            "Last": at(field_types.UInt, ""),
        },
        widths={"Byte": 1, "Link": lambda p: 2 * p, "Short": 2, "Long": 4, "Pointer": lambda p: p, "Last": 1},
    )
    size, places = declared_by_hand.natural(8)
    assert {name: place.offset for name, place in places.items()} == {
        "Byte": 0, "Link": 8, "Short": 24, "Long": 28, "Pointer": 32, "Last": 40,
    }  # fmt: skip
    assert size == 48
    size, places = declared_by_hand.natural(4)
    assert [place.offset for place in places.values()] == [0, 4, 12, 16, 20, 24]
    assert size == 28
