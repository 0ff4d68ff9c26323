"""The page on security names tests that are there: each boundary has one."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

from tests.conftest import ROOT

PAGE = ROOT / "docs" / "security.md"
NAMED = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")
BOUNDARIES = [line for line in PAGE.read_text("utf-8").splitlines() if line.startswith("|")][2:]


@cache
def named_in(path: Path) -> frozenset[str]:
    """Names of the tests of a file."""
    found = ast.parse(path.read_text("utf-8")).body
    return frozenset(each.name for each in found if isinstance(each, ast.FunctionDef) and each.name.startswith("test_"))


@pytest.mark.parametrize("line", BOUNDARIES, ids=[line.split("|")[1].strip() for line in BOUNDARIES])
def test_each_boundary_is_proved_by_tests_that_are_there(line: str) -> None:
    proofs = NAMED.findall(line.split("|")[3])
    assert proofs
    assert [f"{file}::{name}" for file, name in proofs if name not in named_in(ROOT / file)] == []


def test_every_boundary_is_looked_at() -> None:
    """No other line of the page names a test, and no name stands in another form."""
    assert len(BOUNDARIES) > 15
    assert PAGE.read_text("utf-8").count("tests/") == sum(len(NAMED.findall(line)) for line in BOUNDARIES)
