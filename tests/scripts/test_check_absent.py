"""The check that no code takes the truth of a fact that may be absent."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from scripts.check_absent import wrong_places
from tests.conftest import ROOT

CODE = """from process_anatomy.absent import Absent


def asked(fact: int | Absent, facts: list[int | Absent], sure: int) -> list[object]:
    found: list[object] = [{expression}]
    return found
"""


@pytest.mark.parametrize(
    ("expressions", "wrong"),
    [
        (
            [
                "fact or 1", "not fact", "1 if fact else 2", "[1 for each in facts if each]", "any(facts)",
                "all(facts)", "bool(fact)", "sure and fact or 1",
            ],
            True,
        ),
        (
            ["1 if isinstance(fact, Absent) else fact or 2", "sure or fact", "not facts", "fact == 1", "any([sure])"],
            False,
        ),
    ],
)  # fmt: skip
def test_truth_of_an_absent_fact_is_named_by_its_line_and_nothing_else(
    expressions: list[str], wrong: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A package of its own, with the real declaration, so that little has to be read."""
    package = tmp_path / "process_anatomy"
    package.mkdir()
    (package / "__init__.py").touch()
    shutil.copy(ROOT / "process_anatomy" / "absent.py", package)
    names = [f"process_anatomy/case{number}.py" for number in range(len(expressions))]
    for name, expression in zip(names, expressions, strict=True):
        (tmp_path / name).write_text(CODE.replace("{expression}", expression), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    assert wrong_places(["process_anatomy"], str(ROOT / "pyproject.toml")) == (
        [f"{n}:5" for n in names] if wrong else []
    )
