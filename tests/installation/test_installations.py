"""`vol` goes on working, finds our plugins and forgets them, however it and they were installed."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from scripts.environments import ROOT, WAYS, CommandError, Kit, Way, editable, pip
from scripts.installations import CASES, HEADINGS, QUICK, examine, leftovers


@pytest.mark.parametrize(("way", "order"), QUICK, ids=lambda value: getattr(value, "__name__", str(value)))
def test_volatility_finds_ours_and_forgets_them(kit: Kit, tmp_path: Path, way: Way, order: str) -> None:
    assert examine(kit, tmp_path, way, order) == dict.fromkeys(HEADINGS[2:], "")
    shutil.rmtree(tmp_path)


def test_the_first_wheels_hide_an_editable_volatility_and_are_seen_to(kit: Kit, tmp_path: Path) -> None:
    """What these tests are for is a fault that they can see."""
    place = editable(kit, tmp_path)
    place.run(*place.volatility)
    place.run(*place.install, kit.first)
    assert place.site / "volatility3" in leftovers(place.site)
    with pytest.raises(CommandError, match="ImportError"):
        place.run(*place.vol, "-h")


def test_ours_installs_from_its_checkout_too(kit: Kit, tmp_path: Path) -> None:
    """`pip install -e .`: plain `vol` runs the checkout's own plugins, no copies."""
    place = editable(kit, tmp_path)
    place.run(*place.volatility)
    subprocess.run(pip("--python", place.python, "install", "--no-deps", "-e", ROOT), check=True, timeout=300)
    assert place.run(place.anatomy, "plugins").strip() == str(ROOT / "plugins")
    assert not (place.site / "process_anatomy" / "plugins").exists()
    said = place.run(place.python, "-c", "import volatility3.plugins as found; print(found.__path__[-1])")
    assert said.strip() == str(ROOT / "plugins")
    assert "notepad.exe" in place.analyse("windows.anatomy.processes", "-p", ROOT / "plugins")


def test_the_matrix_has_every_way() -> None:
    assert {way for way, _ in CASES} == set(WAYS)
    assert len(set(CASES)) == len(CASES)
    assert set(QUICK) < set(CASES)
