"""Type information to places: paths through nested structures, first match wins, nothing is guessed."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from structs import field_types, layout
from structs.layout import Layout, Place, at
from structs.symbols import collect, place_of, places_of

TYPES: dict[str, Any] = {
    "_OUTER": {
        "size": 0x60,
        "fields": {
            "Id": {"offset": 8, "size": 8, "type": "pointer"},
            "Narrow": {"offset": 4, "size": 4, "type": "u32"},
            "u": {"offset": 0x20, "size": 8, "type": "_UNION"},
            "Row": {"offset": 0x30, "size": 0x20, "type": "_INNER[2]"},
            "Lost": {"offset": 0x50, "size": 8, "type": "_UNKNOWN"},
        },
    },
    "_UNION": {
        "size": 8,
        "fields": {
            "Long": {"offset": 0, "size": 4, "type": "u32"},
            "Flags": {"offset": 4, "size": 4, "type": "_FLAGS"},
        },
    },
    "_FLAGS": {"size": 4, "fields": {"Kind": {"offset": 0, "size": 4, "type": "u32", "bit": 7, "bits": 5}}},
    "_INNER": {"size": 0x10, "fields": {"Name": {"offset": 8, "size": 8, "type": "u64"}}},
}


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("Id", Place(8, 8)),
        ("u", Place(0x20, 8)),
        ("u.Long", Place(0x20, 4)),
        ("u.Flags", Place(0x24, 4)),
        ("u.Flags.Kind", Place(0x24, 4, 7, 5)),
        ("Row", Place(0x30, 0x20)),
        ("Row.Name", Place(0x38, 8)),
        ("Nowhere", None),
        ("u.Nowhere", None),
        ("Id.Nowhere", None),
        ("u.Flags.Kind.Deeper", None),
        ("Lost.Field", None),
        ("", None),
    ],
)
def test_a_dotted_path_adds_the_offsets_on_its_way(path: str, expected: Place | None) -> None:
    assert expected == place_of(TYPES, "_OUTER", path)


@settings(max_examples=60)
@given(st.lists(st.integers(0, 1 << 16), min_size=1, max_size=9))
def test_a_path_of_any_depth_is_the_sum_of_its_steps(offsets: list[int]) -> None:
    types = {
        f"_{n}": {"size": 4, "fields": {"Next": {"offset": o, "size": 4, "type": f"_{n + 1}"}}}
        for n, o in enumerate(offsets)
    }
    assert Place(sum(offsets), 4) == place_of(types, "_0", ".".join(["Next"] * len(offsets)))
    assert place_of(types, "_0", ".".join(["Next"] * (len(offsets) + 1))) is None


def test_a_structure_that_holds_itself_is_followed_only_as_far_as_the_path() -> None:
    types = {"_SELF": {"size": 16, "fields": {"Again": {"offset": 4, "size": 16, "type": "_SELF"}}}}
    assert Place(12, 16) == place_of(types, "_SELF", "Again.Again.Again")


def outer(**fields: layout.Field) -> Layout:
    return Layout("_OUTER", "made up", fields)


def test_a_field_is_found_under_its_own_name_where_no_path_is_declared() -> None:
    assert {"Id": Place(8, 8)} == places_of(TYPES, outer(Id=at(field_types.Pointer, "an id")), 8)


def test_the_first_path_that_the_types_have_wins() -> None:
    field = at(field_types.UInt, "a number", "Nowhere.Field", "u.Long", "Narrow")
    assert {"Number": Place(0x20, 4)} == places_of(TYPES, outer(Number=field), 8)


def test_a_path_whose_width_does_not_fit_the_type_gives_way_to_the_next() -> None:
    field = at(field_types.Pointer, "an address", "Narrow", "Id")
    assert {"Address": Place(8, 8)} == places_of(TYPES, outer(Address=field), 8)


def test_the_width_of_a_pointer_is_the_builds_own() -> None:
    field = at(field_types.Pointer, "an address", "Narrow", "Id")
    assert {"Address": Place(4, 4)} == places_of(TYPES, outer(Address=field), 4)


def test_a_field_that_fits_under_no_path_is_left_out() -> None:
    shape = outer(
        Id=at(field_types.Pointer, "an id"), Row=at(field_types.UInt, "too wide"), Gone=at(field_types.UInt, "missing")
    )
    assert {"Id": Place(8, 8)} == places_of(TYPES, shape, 8)


@pytest.mark.parametrize(
    ("kind", "expected"), [(field_types.UInt, Place(0x10, 8)), (field_types.Bytes, Place(0x10, 24))]
)
def test_of_an_array_a_number_is_the_first_element_and_bytes_are_all_of_it(
    kind: field_types.FieldType, expected: Place
) -> None:
    types = {"_OUTER": {"size": 0x40, "fields": {"Roots": {"offset": 0x10, "size": 24, "type": "u64[3]"}}}}
    assert {"Roots": expected} == places_of(types, outer(Roots=at(kind, "several")), 8)


def test_a_bit_field_is_taken_whatever_the_type_says_of_its_width() -> None:
    field = at(field_types.Pointer, "a bit-field", "u.Flags.Kind")
    assert {"Kind": Place(0x24, 4, 7, 5)} == places_of(TYPES, outer(Kind=field), 8)


def test_a_structure_that_the_types_lack_has_no_places() -> None:
    assert places_of(TYPES, Layout("_NOT_HERE", "made up", {"Id": at(field_types.UInt, "an id")}), 8) is None


def test_a_structure_without_any_declared_field_has_no_places() -> None:
    assert places_of(TYPES, outer(Gone=at(field_types.UInt, "missing")), 8) is None


def test_collect_gives_sizes_and_places_of_the_structures_that_were_found() -> None:
    shapes = [
        outer(Id=at(field_types.Pointer, "an id")),
        Layout("_INNER", "made up", {"Name": at(field_types.UInt, "a name")}),
        Layout("_NOT_HERE", "made up", {"Id": at(field_types.UInt, "an id")}),
    ]
    sizes, places = collect(TYPES, shapes, 8)
    assert sizes == {"_OUTER": 0x60, "_INNER": 0x10}
    assert {"_OUTER": {"Id": Place(8, 8)}, "_INNER": {"Name": Place(8, 8)}} == places
