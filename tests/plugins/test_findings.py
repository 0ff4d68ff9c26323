"""windows.anatomy.findings as a user runs it, on the sample."""

from __future__ import annotations

import json
from typing import Any

import pytest

from process_anatomy.findings import RULES, Severity
from process_anatomy.notes import default
from tests.conftest import ROOT, Vol

SAMPLE = ROOT / "samples" / "lab-win11-22621.dmp"
TRUTH = ROOT / "samples" / "lab-win11-22621.truth.json"


def rows(vol: Vol, *arguments: str) -> list[dict[str, Any]]:
    answer = vol("-r", "json", "-f", SAMPLE, "windows.anatomy.findings", *arguments)
    assert answer.status == 0, answer.err
    return answer.rows


@pytest.fixture(scope="module")
def shown(vol: Vol) -> list[dict[str, Any]]:
    """Everything from info on."""
    return rows(vol, "--severity", "info")


def test_the_sample_has_the_findings_of_its_answer_key_and_no_others(shown: list[dict[str, Any]]) -> None:
    """Above info, for each process."""
    truth = json.loads(TRUTH.read_text("utf-8"))
    told: dict[int, set[str]] = {}
    for row in shown:
        if row["Severity"] != "info":
            told.setdefault(row["PID"], set()).add(row["Rule"])
    assert told == {p["pid"]: set(p["findings"]) for p in truth["processes"] if p["findings"]}
    assert len(told) >= 3


def test_each_row_has_its_rules_severity_technique_and_innocent_causes(shown: list[dict[str, Any]]) -> None:
    for row in shown:
        note = default()[f"finding/{row['Rule']}"]
        assert row["Severity"] == str(RULES[row["Rule"]].severity)
        assert row["Technique"] == (note.technique or None)
        assert row["Innocent"] == note.innocent
        assert row["Evidence"]
        assert row["Process"] in row["Explanation"]
    order = [-Severity[row["Severity"].upper()] for row in shown]
    assert order == sorted(order)


def test_low_is_the_least_severity_unless_another_is_asked_for(shown: list[dict[str, Any]], vol: Vol) -> None:
    assert rows(vol) == [row for row in shown if row["Severity"] != "info"]


def test_a_rule_that_is_named_is_shown_whatever_its_severity_for_the_processes_asked_for(
    shown: list[dict[str, Any]], vol: Vol
) -> None:
    """As many as are asked for, the same rows as among all others."""
    names = {"executable-memory", "debugged"}
    expected = [row for row in shown if row["Rule"] in names and row["PID"] in (5212, 6612)]
    assert rows(vol, "--rule", "executable-memory, debugged", "--pid", "5212,6612") == expected
    assert {row["Rule"] for row in expected} == names


def test_a_hidden_process_is_reached_by_its_id(shown: list[dict[str, Any]], vol: Vol) -> None:
    """The sample's shade.exe, which the list of active processes does not hold."""
    told = rows(vol, "--pid", "7148")
    assert [(row["Process"], row["Rule"], row["Severity"]) for row in told] == [
        ("shade.exe", "hidden-process", "critical")
    ]
    assert told == [row for row in shown if row["PID"] == 7148 and row["Severity"] != "info"]


def test_an_unknown_rule_ends_in_one_line(vol: Vol) -> None:
    answer = vol("-f", SAMPLE, "windows.anatomy.findings", "--rule", "nonsense")
    assert answer.status == 1
    assert "there is no rule nonsense; the rules are" in answer.err
    assert "Traceback" not in answer.err
