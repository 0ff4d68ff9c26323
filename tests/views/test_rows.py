"""What the views say of images: rows filled by name, as records, for JSON and for Arrow, the same facts in each."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import jsonschema
import pyarrow as pa
import pytest

from process_anatomy import Error, open_image, views
from process_anatomy.absent import Absent
from process_anatomy.errors import RequestError
from process_anatomy.kernel.identify import Kernel
from process_anatomy.views.all import exported
from process_anatomy.views.arrow import schema as arrow_schema
from process_anatomy.views.arrow import table
from process_anatomy.views.declaration import ADDRESS, BOOLEAN, INTEGER, TEXT, TEXTS, TIME, View
from process_anatomy.views.image import Image
from process_anatomy.views.records import Record
from process_anatomy.views.schema import json_record, json_schema
from tests.conftest import SAMPLE, Vol

TYPES: dict[Any, type] = {INTEGER: int, ADDRESS: int, TEXT: str, BOOLEAN: bool, TIME: datetime, TEXTS: list}
SMALL_DUMP = "triage-x64-9600-111217-27671-criticalrocket.dmp"
OVER_IMAGES = [*exported(), "dt"]


@pytest.fixture(scope="module")
def sample() -> Image:
    """The image that ships."""
    return open_image(SAMPLE)


def check(view: View, found: list[Record]) -> None:
    """Every row is of the view's kinds, fits its JSON Schema and its Arrow schema, and loses nothing on the way."""
    validator = jsonschema.Draft202012Validator(
        json_schema(view), format_checker=jsonschema.Draft202012Validator.FORMAT_CHECKER
    )
    for row in found:
        assert tuple(row) == view.names
        for column in view.columns:
            value = row[column.name]
            assert value is None or type(value) is TYPES[column.kind], (column.name, value)
            assert value is None or column.name not in row.absent
        plain = json.loads(json.dumps(json_record(row)))
        validator.validate(plain)
    arrow = table(view, found)
    assert arrow.schema.equals(arrow_schema(view), check_metadata=True)
    for row, back in zip(found, arrow.to_pylist(), strict=True):
        assert dict(back.pop("absent")) == row.absent
        assert back.pop("depth") == row.depth
        told = {name: row[name].replace(tzinfo=back[name].tzinfo) for name in row if isinstance(row[name], datetime)}
        assert back == dict(row) | told


@pytest.mark.parametrize("name", OVER_IMAGES)
def test_rows_of_the_sample_are_of_their_kinds_and_fit_both_schemas(name: str, sample: Image) -> None:
    """Cells are filled by name: all columns, in their order, and no others."""
    answer = sample.view(name)
    for _, cells in answer.rows():
        assert cells.keys() == set(answer.view.names)
    check(answer.view, list(answer))


@pytest.mark.parametrize("image", ["winxp-2600-pae", "win7-7601-x86-pae", "srv2016-14393"])
def test_rows_of_foreign_images_are_of_their_kinds_and_fit_both_schemas(
    image: str, opened: Callable[[str], Kernel]
) -> None:
    """Every view, on 32-bit and 64-bit Windows, with what they lack."""
    of = Image(opened(image))
    for name in OVER_IMAGES:
        answer = of.view(name)
        check(answer.view, list(answer))


def asked(image: Image, name: str) -> tuple[list[Record], str]:
    """What a view says, or why it says nothing."""
    try:
        return list(image.view(name)), ""
    except Error as error:
        return [], str(error)


def test_a_small_dump_is_told_by_the_views_that_it_has_facts_for(shared: Path) -> None:
    """The others end with one line; reasons stand beside the cells without a fact."""
    of = open_image(shared / "real" / SMALL_DUMP)
    (process,) = of.view("processes")
    assert process["PID"] is not None
    absent = 0
    for name in OVER_IMAGES:
        found, said = asked(of, name)
        assert len(said.splitlines()) == int(bool(said))
        check(views.view(name), found)
        absent += sum(len(row.absent) for row in found)
        assert all(reason for row in found for reason in row.absent.values())
    assert absent > 20


def test_explanations_need_no_image(vol: Vol) -> None:
    """The view of words gives what its plugin gives."""
    view = views.view("explain")
    assert not view.of_image
    rows = vol("-r", "json", "windows.anatomy.explain", "--about", "column").rows
    assert [row["Term"] for row in rows] == [f"{each.name}/{name}" for each in views.views() for name in each.names]


def test_records_are_the_rows_that_vol_prints(sample: Image, vol: Vol) -> None:
    """Value for value, but for addresses, which are whole, and lists, which are no lines yet."""
    printed = vol("-r", "json", "-f", SAMPLE, "windows.anatomy.processes").rows
    for row, shown in zip(sample.view("processes"), printed, strict=True):
        assert (row["PID"], row["ImageFileName"], row["Explanation"]) == (
            shown["PID"], shown["ImageFileName"], shown["Explanation"],
        )  # fmt: skip
        assert row["SeenBy"] == shown["SeenBy"].split(",")
        whole = row["Offset(V)"]
        assert isinstance(whole, int)
        assert whole >> 48 == 0xFFFF
        assert whole & 0xFFFF_FFFF_FFFF == shown["Offset(V)"]


def test_a_view_is_asked_for_processes_levels_and_options(sample: Image) -> None:
    """By id, one or several; nothing is explained at the level off."""
    assert {row["PID"] for row in sample.view("vads", pid=[4, 5740], explain="off")} == {4, 5740}
    assert {row["Explanation"] for row in sample.view("vads", pid=5740, explain="off")} == {None}
    assert {row["Type"] for row in sample.view("handles", type=["Process"])} == {"Process"}
    assert sample.views == views.NAMES


def test_trees_keep_their_depth(sample: Image) -> None:
    """A node lies one deeper than the one that its address is the parent of."""
    depth = {row["Offset"]: row.depth for row in sample.view("vads", pid=5740)}
    for row in sample.view("vads", pid=5740):
        assert row.depth == depth.get(row["Parent"], -1) + 1


def test_a_request_that_makes_no_sense_is_answered_in_one_line(sample: Image) -> None:
    """What is wrong, and what there is instead."""
    for wrong, what in (
        (lambda: sample.view("weather"), "there is no view 'weather'"),
        (lambda: sample.view("vads", colour="red"), "vads has no option colour; it has mapped"),
        (lambda: sample.view("handles", kind="x"), "handles has no option kind; it has type"),
        (lambda: sample.view("vads", explain="loudly"), "explain is one of off, brief, full, analogy"),
        (lambda: sample.view("selfcheck", pid=4), "takes no pid"),
        (lambda: sample.view("findings", severity="mild"), "severity is one of info, low"),
        (lambda: list(sample.view("vads", pid=3)), "no process has id 3"),
        (lambda: list(sample.view("images", dump=True)), "no place to write images to"),
    ):
        with pytest.raises(RequestError, match=what):
            wrong()


def test_a_hidden_process_is_found_by_its_id_and_said_to_be_hidden(sample: Image) -> None:
    """As with `--pid`: the problem is told with the list and in the row."""
    answer = sample.view("processes", pid=7148)
    (row,) = answer
    assert row["ImageFileName"] == "shade.exe"
    assert any("not on the list of active processes" in str(line) for line in row["Problems"] or [])
    assert any("7148" in line for line in answer.problems)


def test_views_of_one_image_share_what_is_walked(sample: Image, monkeypatch: pytest.MonkeyPatch) -> None:
    """Trees are walked once for four views that need them."""
    from process_anatomy.walk.address_space import vads

    walked = []
    trees = vads.vads
    monkeypatch.setattr(vads, "vads", lambda *asked: walked.append(1) or trees(*asked))
    of = Image(sample.kernel)
    for name in ("vads", "pages", "modules", "threads"):
        assert list(of.view(name))
    assert len(walked) == 1


def test_no_cell_of_the_sample_is_absent_without_a_reason(sample: Image) -> None:
    """What a record says is missing can always be asked why."""
    for name in OVER_IMAGES:
        for _, cells in sample.view(name).rows():
            assert all(str(value) for value in cells.values() if isinstance(value, Absent))


def test_arrow_fields_say_what_they_mean_and_in_which_unit(sample: Image) -> None:
    """For whoever opens the file without us."""
    form = sample.view("vads", pid=4).to_arrow().schema
    assert form.metadata[b"view"] == b"vads"
    for column in views.view("vads").columns:
        assert form.field(column.name).metadata[b"description"].decode() == column.meaning
    assert form.field("CommitCharge").metadata[b"unit"] == b"pages"
    assert form.field("Offset").type == pa.uint64()
    assert form.field("Balance").type == pa.int64()
    assert json_schema(views.view("vads"))["properties"]["CommitCharge"]["x-unit"] == "pages"


def test_a_number_that_no_column_can_hold_is_left_out_with_the_reason() -> None:
    """And text that UTF-8 cannot hold is escaped, not refused."""
    view = views.view("dt")
    row = Record(dict.fromkeys(view.names), 0, {}) | {"Offset": -1, "Value": "a\ud800b"}
    made = table(view, [Record(dict(row), 0, {})]).to_pylist()[0]
    assert made["Offset"] is None
    assert made["Value"] == "a\\ud800b"
    assert "does not fit" in dict(made["absent"])["Offset"]
