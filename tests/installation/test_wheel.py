"""What the wheel holds, and where."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from tests.conftest import ROOT

INSIDE = "process_anatomy/plugins/"


@pytest.fixture(scope="session")
def names(wheel: Path) -> list[str]:
    """Every path in the wheel."""
    with zipfile.ZipFile(wheel) as packed:
        return packed.namelist()


def test_the_wheel_puts_nothing_beside_its_own_packages(names: list[str]) -> None:
    """Above all no folder ``volatility3``, which would hide a Volatility that is installed from its checkout."""
    places = {name.split("/")[0] for name in names}
    assert {place for place in places if not place.endswith(".dist-info")} == {
        "structs", "process_anatomy",
        "process_anatomy_startup.py", "process_anatomy_startup.pth", "process_anatomy_startup.start",
    }  # fmt: skip


def test_every_plugin_is_in_the_wheel(names: list[str]) -> None:
    plugins = {path.relative_to(ROOT / "plugins").as_posix() for path in (ROOT / "plugins").rglob("*.py")}
    assert len(plugins) > 20
    assert {name.removeprefix(INSIDE) for name in names if name.startswith(INSIDE)} == plugins


def test_every_layout_is_in_the_wheel(names: list[str]) -> None:
    """And what `dt` reads of all structures, in one small file."""
    data = {path.relative_to(ROOT).as_posix() for path in (ROOT / "structs" / "offsets").iterdir()}
    assert data <= set(names)
    assert "structs/offsets/published.z" in data


def test_no_package_of_plugins_hides_those_of_volatility() -> None:
    assert list((ROOT / "plugins").rglob("__init__.py")) == []
