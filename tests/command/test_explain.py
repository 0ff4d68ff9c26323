"""`anatomy explain` is a study guide: each term with what it is in the image at hand, by the image's own rows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from process_anatomy.command.live import COUNTED, TERMS
from process_anatomy.command.parts import PARTS
from process_anatomy.command.program import main
from process_anatomy.notes import FAMILIES, default
from process_anatomy.views import view

SAMPLES = Path(__file__).resolve().parents[2] / "samples"
SAMPLE = SAMPLES / "lab-win11-22621.dmp"
NOTEPAD = 5212
NOT_OF_A_PROCESS = {"administrator-protection", "small-dump", "smear"}
"""Terms of which no cell of a process shows what they are."""


@pytest.fixture(scope="module")
def truth() -> dict[str, Any]:
    told = json.loads((SAMPLES / "lab-win11-22621.truth.json").read_text("utf-8"))
    return next(each for each in told["processes"] if each["pid"] == NOTEPAD)


def test_each_term_and_component_shows_in_cells_that_there_are() -> None:
    terms = {key.partition("/")[2] for key in default().ids("term/")}
    assert terms - TERMS.keys() == NOT_OF_A_PROCESS
    assert {key.partition("/")[2] for key in default().ids("component/")} == PARTS.keys()
    for where in TERMS.values():
        assert set(where.columns) <= set(view(where.view).names), where
    for family, (name, column) in COUNTED.items():
        assert family in FAMILIES
        assert column in view(name).names


def test_values_are_those_of_the_image(truth: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    terms = ("term/eprocess", "term/peb", "vad-tree", "SeShutdownPrivilege", "component/open-handles")
    assert main(["explain", *terms, "--image", str(SAMPLE), "--pid", str(NOTEPAD)]) == 0
    out = " ".join(capsys.readouterr().out.split())
    assert "Values are those of notepad.exe (5212)." in out
    assert f"Here: Offset(V) {truth['eprocess']:#x}, DTB {truth['dtb']:#x}, VadRoot {truth['vad_root']:#x}" in out
    assert f"Here: PEB {truth['peb']:#x}, ImageBaseAddress {truth['image_base']:#x}" in out
    assert f"Here: {len(truth['handles'])} handles: " in out
    assert "Here: primary token: Present" in out
    assert "As a story: " in out
    assert f"Shown by: vol -f {SAMPLE} windows.anatomy.handles --pid 5212" in out


def test_without_a_process_the_one_that_shows_most_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", "sid", "--image", str(SAMPLE)]) == 0
    out = capsys.readouterr().out
    assert out.startswith("Values are those of ")
    assert "--pid names another" in out


def test_without_an_image_all_terms_are_told_and_lead_to_one_another(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain"]) == 0
    out = capsys.readouterr().out
    for key in (*default().ids("component/"), *default().ids("term/")):
        assert f"{default()[key].title} ({key})" in out
    assert out.count("See also: ") > 10
    assert "Here: " not in out


def test_a_note_is_quoted_and_checked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    note = tmp_path / "mine.md"
    note.write_text("# PEB\nWhat the \x1b[31mprogram keeps.\n\n# Lunch\nBread.\n", "utf-8")
    assert main(["explain", "peb", "--note", str(note)]) == 0
    out = capsys.readouterr().out
    assert "What the \\x1b[31mprogram keeps. (mine.md, PEB, line 1)" in out
    assert "\x1b" not in out
    assert main(["explain", "--check", "--note", str(note)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[:2] == [
        "heading  PEB  term/peb  (mine.md, PEB, line 1)",
        "unmatched  Lunch  -  (mine.md, Lunch, line 4)",
    ]
    assert lines[-1].startswith("1 of 2 passages matched, ")


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (["nonsense-word"], 2, "nothing is about 'nonsense-word'"),
        (["--pid", "4"], 2, "--image says which"),
        (["--check"], 2, "--note says which"),
        (["--check", "--note", "gone.md"], 1, "No such file"),
        (["peb", "--image", "gone.raw"], 1, "gone.raw"),
    ],
)
def test_what_makes_no_sense_is_one_line(
    arguments: list[str], status: int, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["explain", *arguments]) == status
    told = capsys.readouterr()
    assert said in told.err
    assert told.err.count("\n") == 1
