"""What is told to be missing, and what brings it, is what the project says of itself."""

from __future__ import annotations

import re

import pytest

from process_anatomy.fleet import versions
from tests.conftest import ROOT


def extras() -> dict[str, set[str]]:
    """Extra to the names of what it brings, with extras of that, as ``pyproject.toml`` has them."""
    tomllib = pytest.importorskip("tomllib", reason="Python 3.10 has none")
    told = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["optional-dependencies"]
    names = re.compile(r"[\w-]+")
    return {
        extra: {name for each in brought for name in names.findall(re.split("[<>=;]", each)[0])}
        for extra, brought in told.items()
    }


def test_every_extra_is_known_and_brings_what_it_is_said_to() -> None:
    told = extras()
    assert set(versions.EXTRAS) == set(told) - {"dev", "docs", "fuzz"}  # who reads images needs none of these
    for extra, names in versions.EXTRAS.items():
        assert set(names) <= told[extra], extra


def test_what_is_missing_is_told_with_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(versions, "of", lambda name: None if name in ("stix2", "polars") else "1")
    assert versions.missing() == {"exports": ["stix2"], "frames": ["polars"]}
