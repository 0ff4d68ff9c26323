"""What happened when: each time of a row that is known, of a thing that no other row has."""

from __future__ import annotations

from datetime import datetime, timezone

import pytest

from process_anatomy import open_image, views
from process_anatomy.absent import Absent, Kind
from process_anatomy.filetime import EPOCH
from process_anatomy.views.declaration import TIME, Cells, Moment, View
from process_anatomy.views.events import events, timed
from process_anatomy.views.flat import Origin, flat, flat_records
from process_anatomy.views.image import Image
from process_anatomy.views.records import records
from tests.conftest import SAMPLE

NOW = datetime(2023, 11, 16, 11, 32, 20, tzinfo=timezone.utc)
TICKS = int((NOW - EPOCH).total_seconds()) * 10**7
TIMED = [view for view in views.views() if timed(flat(view))]


@pytest.fixture(scope="module")
def sample() -> Image:
    return open_image(SAMPLE)


def told(view: View, cells: Cells) -> list[tuple[str, str, str]]:
    rows = flat_records(view, records(view, [(0, view.all(None) | cells)]), Origin(None, None))
    return [(event.thing, event.moment.value, event.whose) for row in rows for event in events(flat(view), row)]


@pytest.mark.parametrize("view", TIMED, ids=lambda view: view.name)
def test_a_view_with_times_says_what_it_is_about_and_by_what_that_is_known(view: View) -> None:
    """Every time that it has is told as something that happened."""
    assert view.thing
    assert set(view.known_by) <= set(view.names)
    assert all(column.moment for column in view.columns if column.kind is TIME)
    for column in view.columns:
        if column.moment is not None:
            assert column.kind is TIME
            assert [moment for _, moment, _ in told(view, {column.name: TICKS})] == [column.moment.value]


@pytest.mark.parametrize("view", TIMED, ids=lambda view: view.name)
def test_no_two_rows_of_an_image_are_the_same_thing(view: View, sample: Image) -> None:
    """The timeliner would make one of them."""
    rows = flat_records(view, sample.view(view.name, explain="off"), Origin(None, None))
    made = [event.whose for row in rows for event in events(flat(view), row) if event.moment is Moment.CREATED]
    assert len(set(made)) == len(made)


def test_what_is_not_known_is_left_out_and_no_time_is_no_event() -> None:
    modules = views.view("modules")
    lost = Absent(Kind.UNREADABLE, "the page is in a page file")
    assert told(modules, {"LoadTime": lost, "PID": 4, "Process": "System", "Base": 0x1000}) == []
    assert told(modules, {"LoadTime": 0, "PID": 4, "Process": "System"}) == []
    row = {"LoadTime": TICKS, "PID": 5212, "Process": lost, "Path": lost, "Base": 0x7FFD6CA00000, "Offset": 0x1000}
    assert told(modules, row) == [("module", "loaded", "no name (5212), Base 0x7ffd6ca00000, address 0x1000")]
