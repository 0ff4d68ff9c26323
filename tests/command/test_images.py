"""`anatomy info`, `show`, `export`, `schema` and `doctor`, as whoever types them meets them."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import jsonschema
import pytest

from process_anatomy import open_image
from process_anatomy.command import opened
from process_anatomy.command.program import main
from process_anatomy.command.statuses import DONE, FAILED, FOUND, MISUSED, NOT_TRUSTED
from process_anatomy.views.image import Image
from process_anatomy.views.screen import NARROWEST
from tests.conftest import SAMPLE

Capture = pytest.CaptureFixture[str]


def asked(capsys: Capture, *arguments: str | Path) -> tuple[int, str, str]:
    """Exit status, output and error output."""
    status = main([*map(str, arguments)])
    printed = capsys.readouterr()
    return status, printed.out, printed.err


def test_info_says_which_windows_and_how_that_is_known(capsys: Capture) -> None:
    status, out, err = asked(capsys, "info", SAMPLE)
    assert (status, err) == (DONE, "")
    assert "kernel file      ntoskrnl 22621.1848" in out
    assert "captured         2023-11-16T11:32:20+00:00" in out
    told = json.loads(asked(capsys, "info", SAMPLE, "--format", "json")[1])
    assert (told["build"], told["architecture"], told["processes"]) == (22621, "x64", 29)


def test_show_without_a_name_leads_with_what_does_not_fit(capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    status, out, err = asked(capsys, "show", SAMPLE)
    assert status == DONE
    assert out.startswith("findings: ")
    assert "\n\nprocesses: " in out
    first, second = out.split("\n\n")
    assert first.index("shade.exe (7148)\n") < first.index("notepad.exe (5212)\n")
    assert second.splitlines()[1].split()[:3] == ["PID", "ImageFileName", "PPID"]
    assert "anatomy: not on the list of active processes, but in the table of process ids" in err


def test_show_of_a_process_takes_its_components_apart(capsys: Capture) -> None:
    out = asked(capsys, "show", SAMPLE, "--pid", "5740", "--all")[1]
    assert [name for name in ("processes", "vads", "tokens", "handles", "threads") if f"\n{name}: " in f"\n{out}"] == [
        "processes",
        "vads",
        "tokens",
        "handles",
        "threads",
    ]
    assert "5212" not in out


def test_rows_for_programs_fit_the_schema_that_is_printed(capsys: Capture) -> None:
    schema = json.loads(asked(capsys, "schema", "handles", "--own")[1])
    out = asked(capsys, "show", SAMPLE, "handles", "--set", "type=Process", "--format", "json")[1]
    rows = json.loads(out)["handles"]
    assert len(rows) == 113
    for row in rows:
        jsonschema.Draft202012Validator(schema).validate(row)
    lines = asked(capsys, "show", SAMPLE, "handles", "--set", "type=Process", "--format", "jsonl")[1].splitlines()
    assert [json.loads(line) for line in lines] == [{"view": "handles"} | row for row in rows]


def test_csv_is_read_back(capsys: Capture) -> None:
    out = asked(capsys, "show", SAMPLE, "privileges", "--pid", "4,124", "--pid", "0x166c", "--format", "csv")[1]
    rows = list(csv.DictReader(io.StringIO(out)))
    assert {row["PID"] for row in rows} == {"4", "124", "5740"}
    assert all(row["Token"].startswith("0x") for row in rows)


def test_findings_as_severe_as_asked_are_a_status(capsys: Capture, tmp_path: Path) -> None:
    assert asked(capsys, "show", SAMPLE, "processes", "--fail-on", "critical")[0] == FOUND
    assert asked(capsys, "show", SAMPLE, "processes", "--pid", "4", "--fail-on", "critical")[0] == FOUND
    status, out, _ = asked(capsys, "export", SAMPLE, "-o", tmp_path / "case", "--view", "vads", "--fail-on", "high")
    assert (status, out) == (FOUND, f"{tmp_path / 'case'}: 418 rows of 1 view, jsonl\n")


def test_rows_that_are_not_to_be_trusted_are_a_status(capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    image = open_image(SAMPLE)
    monkeypatch.setattr(Image, "doubt", "its trees do not balance")
    monkeypatch.setattr(opened, "opened", lambda *_: image)
    status, _, err = asked(capsys, "show", SAMPLE, "processes", "--fail-on", "info")
    assert status == NOT_TRUSTED
    assert err.endswith("anatomy: do not trust the rows: its trees do not balance\n")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["show"], "anatomy show: Missing argument 'IMAGE'; anatomy show --help shows how it is used"),
        (["show", SAMPLE, "vadz"], "anatomy: there is no view 'vadz'"),
        (["show", SAMPLE, "vads", "--pid", "x"], "anatomy show: Invalid value for '--pid': 'x' is no number"),
        (["show", SAMPLE, "--all"], "anatomy: --all is for processes"),
        (["show", SAMPLE, "vads", "--pid", "4", "--all"], "anatomy: --all is for processes"),
        (["show", SAMPLE, "--pid", "3"], "anatomy: "),
        (["show", SAMPLE, "vads", "--set", "x=1"], "anatomy: 'x=1' is no NAME=VALUE that vads takes"),
        (["show", SAMPLE, "images", "--set", "dump=maybe"], "anatomy: dump is yes or no, not 'maybe'"),
        (["show", SAMPLE, "dt", "--set", "address=there"], "anatomy: address takes a number, not 'there'"),
        (["show", SAMPLE, "--format", "csv"], "anatomy: csv is for one view; 2 were asked for"),
        (["show", SAMPLE, "vads", "--pid", "3"], "anatomy: "),
        (["export", SAMPLE], "anatomy export: Missing option '-o' / '--output'"),
        (["export", SAMPLE, "-o", "x", "--view", "dt"], "anatomy: there is no view 'dt' to be written"),
        (["schema", "x"], "anatomy: there is no view 'x'"),
    ],
)
def test_a_question_that_makes_no_sense_is_one_line(arguments: list[str | Path], words: str, capsys: Capture) -> None:
    status, out, err = asked(capsys, *arguments)
    assert (status, out) == (MISUSED, "")
    assert err.startswith(words)
    assert err.count("\n") == 1


@pytest.mark.parametrize("command", ["info", "show", "export"])
def test_what_is_no_image_is_one_line_and_leaves_nothing(command: str, capsys: Capture, tmp_path: Path) -> None:
    text = tmp_path / "notes.txt"
    text.write_text("nothing but words\n" * 40)
    more = ["-o", tmp_path / "case"] if command == "export" else []
    for file in (text, tmp_path / "absent", tmp_path):
        status, out, err = asked(capsys, command, file, *more)
        assert (status, out, err.count("\n")) == (FAILED, "", 1)
    assert list(tmp_path.iterdir()) == [text]


@pytest.mark.parametrize("width", ["20", "120"])
def test_no_line_is_wider_than_the_terminal(width: str, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", width)
    out = asked(capsys, "show", SAMPLE, "--pid", "7148", "--all")[1]
    assert len(out.splitlines()) > 150
    assert all(len(line) <= max(int(width), NARROWEST) for line in out.splitlines())


def test_wide_tells_every_column_and_rows_that_there_are_none_of_say_so(capsys: Capture) -> None:
    few = asked(capsys, "show", SAMPLE, "processes", "--pid", "4")[1]
    whole = asked(capsys, "show", SAMPLE, "processes", "--pid", "4", "--wide")[1]
    assert "VadRoot" in whole
    assert "VadRoot" not in few
    assert asked(capsys, "show", SAMPLE, "findings", "--pid", "5588")[1] == "no rows\n"


def test_the_doctor_finds_every_plugin(capsys: Capture) -> None:
    status, out, _ = asked(capsys, "doctor")
    assert status == DONE
    assert "volatility3     2." in out
    assert "plugins         27 of 27 seen by vol" in out
