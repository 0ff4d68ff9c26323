"""The audit of dependencies: a known fault fails it, and what could not be asked is told and is no all-clear."""

from __future__ import annotations

import json
import subprocess
from typing import Any

import pytest

from scripts import audit

CLEAN = {"name": "numpy", "version": "2.1.0", "vulns": []}
FAULTY = {"name": "jinja2", "version": "3.0", "vulns": [{"id": "GHSA-1", "fix_versions": ["3.1.5"], "aliases": []}]}
SKIPPED = {"name": "process-anatomy", "skip_reason": "not found"}


def test_a_known_fault_fails() -> None:
    lines, status = audit.told(json.dumps({"dependencies": [CLEAN, FAULTY, SKIPPED], "fixes": []}), "Found 1 fault")
    assert (lines, status) == (["jinja2 3.0: GHSA-1, mended in 3.1.5"], 1)


def test_packages_without_a_fault_are_counted() -> None:
    lines, status = audit.told(json.dumps({"dependencies": [CLEAN, SKIPPED], "fixes": []}), "")
    assert (lines, status) == (["no fault is known of 1 packages that are installed here"], 0)


@pytest.mark.parametrize("out", ["", "not JSON", "[]", '{"dependencies": 4}'])
def test_where_nobody_answers_it_says_so_and_does_not_fail(out: str) -> None:
    lines, status = audit.told(out, "a traceback\nConnectionError: nobody there\n")
    assert (lines, status) == ([f"{audit.UNKNOWN}: ConnectionError: nobody there"], 0)


def test_one_who_does_not_end_is_given_up(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def slow(*_: Any, **more: Any) -> None:
        raise subprocess.TimeoutExpired("pip_audit", more["timeout"])

    monkeypatch.setattr(subprocess, "run", slow)
    assert audit.main() == 0
    assert capsys.readouterr().out == f"{audit.UNKNOWN}: nobody answered within {audit.SECONDS} s\n"
