"""Rows for programs: one form for every view."""

from __future__ import annotations

from datetime import datetime, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from process_anatomy.views import views
from process_anatomy.views.declaration import View
from process_anatomy.views.flat import ADDRESS, LEADING, PID, PROCESS, Origin, flat, flat_records
from process_anatomy.views.records import Record
from process_anatomy.views.schema import ABSENT

OF_IMAGE = [view for view in views() if view.of_image]
WITHOUT_ADDRESS = {"access", "envars", "findings", "selfcheck", "all", "report"}
ORIGIN = Origin("sha256:00", datetime(2026, 1, 2, tzinfo=timezone.utc))


def record(view: View, depth: int = 0, **absent: str) -> Record:
    return Record({name: None if name in absent else f"{name}'s" for name in view.names}, depth, absent)


@pytest.mark.parametrize("view", OF_IMAGE, ids=lambda view: view.name)
def test_no_two_columns_are_one_to_a_database(view: View) -> None:
    """SQL does not tell capital letters from small ones."""
    names = [name.lower() for name in (*flat(view).names, ABSENT)]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("view", OF_IMAGE, ids=lambda view: view.name)
def test_process_and_address_are_named_alike(view: View) -> None:
    names = flat(view).names
    assert names[: len(LEADING)] == tuple(column.name for column in LEADING)
    assert (ADDRESS in names) == (view.name not in WITHOUT_ADDRESS)
    assert (PID in names) == ("PID" in view.names)
    assert (PROCESS in names) == bool(view.process)
    assert {view.process, view.address} <= {*view.names, ""}


@pytest.mark.parametrize("view", OF_IMAGE, ids=lambda view: view.name)
def test_every_value_and_reason_keeps_its_column(view: View) -> None:
    lost = view.names[-1]
    (row,) = flat_records(view, [record(view, **{lost: "gone"})], ORIGIN)
    assert list(row) == list(flat(view).names)
    values = [row[name] for name in flat(view).names[len(LEADING) :]]
    assert values == [None if name == lost else f"{name}'s" for name in view.names]
    assert row.absent == {flat(view).names[-1]: "gone"}
    assert (row["image"], row["captured"]) == ORIGIN


@settings(deadline=None)
@given(st.lists(st.integers(0, 4)))
def test_a_row_names_the_one_that_it_lies_under(depths: list[int]) -> None:
    """The last row before it that is less deep; the numbers are those of the order."""
    view = OF_IMAGE[0]
    rows = list(flat_records(view, [record(view, depth) for depth in depths], ORIGIN))
    assert [row["row"] for row in rows] == list(range(len(depths)))
    for number, depth in enumerate(depths):
        above = [other for other in range(number) if depths[other] < depth]
        assert rows[number]["row_parent"] == (above[-1] if above else None)
        assert rows[number]["row_depth"] == depth
