"""What runs when Python starts: it finds no module and adds one folder, for a Volatility that our plugins fit."""

from __future__ import annotations

import json
import pkgutil
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import process_anatomy_startup
from process_anatomy_startup import BEYOND, OLDEST, Watcher, plugin_folder, start
from tests.conftest import ROOT

STARTUP = ROOT / "process_anatomy_startup.py"
LOOK = """
import json, process_anatomy_startup
process_anatomy_startup.start()
import volatility3.plugins
import volatility3.framework.constants
print(json.dumps([volatility3.__file__, volatility3.framework.constants.PLUGINS_PATH, volatility3.plugins.__path__]))
"""


def python(code: str, *path: Path) -> str:
    """What a bare Python says that imports from these folders only."""
    before = f"import os, sys; sys.path[:0] = {[*map(str, path)]!r}\n"
    done = subprocess.run([sys.executable, "-I", "-S", "-c", before + code], capture_output=True, text=True, check=True)
    return done.stdout


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A folder of packages with our start-up module and our plugins."""
    folder = tmp_path / "site"
    (folder / "process_anatomy" / "plugins").mkdir(parents=True)
    shutil.copy(STARTUP, folder)
    return folder


def volatility(folder: Path, version: tuple[int, int]) -> Path:
    """A package that has of Volatility what matters here."""
    framework = folder / "volatility3" / "framework"
    plugins = folder / "volatility3" / "plugins"
    plugins.mkdir(parents=True)
    (framework / "constants").mkdir(parents=True)
    for package in (framework.parent, framework):
        (package / "__init__.py").touch()
    major, minor = version
    (framework / "constants" / "__init__.py").write_text(
        f"PLUGINS_PATH = ['own']\nVERSION_MAJOR, VERSION_MINOR = {major}, {minor}\n"
    )
    (plugins / "__init__.py").write_text(
        "from volatility3.framework import constants\n__path__ = constants.PLUGINS_PATH\n"
    )
    return folder


@pytest.mark.parametrize("version", [OLDEST, (2, 29), (2, 100)])
def test_our_folder_comes_last_among_those_of_plugins(site: Path, tmp_path: Path, version: tuple[int, int]) -> None:
    checkout = volatility(tmp_path / "checkout", version)
    file, paths, package = json.loads(python(LOOK, site, checkout))
    assert file == str(checkout / "volatility3" / "__init__.py")
    assert paths == package == ["own", str(site / "process_anatomy" / "plugins")]


@pytest.mark.parametrize("version", [(1, 0), (2, 5), (2, 27), BEYOND, (4, 1)])
def test_a_volatility_that_ours_do_not_fit_is_left_alone(site: Path, tmp_path: Path, version: tuple[int, int]) -> None:
    _, paths, package = json.loads(python(LOOK, site, volatility(tmp_path / "checkout", version)))
    assert paths == package == ["own"]


def test_a_volatility_of_another_shape_is_left_alone(site: Path, tmp_path: Path) -> None:
    checkout = volatility(tmp_path / "checkout", OLDEST)
    (checkout / "volatility3" / "framework" / "constants" / "__init__.py").write_text("PLUGINS_PATH = ['own']\n")
    assert json.loads(python(LOOK, site, checkout))[1:] == [["own"], ["own"]]


def test_started_twice_it_adds_the_folder_once(site: Path, tmp_path: Path) -> None:
    twice = LOOK.replace("process_anatomy_startup.start()", "[process_anatomy_startup.start() for _ in range(2)]")
    assert json.loads(python(twice, site, volatility(tmp_path / "checkout", OLDEST))) == json.loads(
        python(LOOK, site, tmp_path / "checkout")
    )


def test_the_versions_are_those_of_the_dependency() -> None:
    needed = re.search(r'"volatility3>=(\d+)\.(\d+),<(\d+)"', (ROOT / "pyproject.toml").read_text("utf-8"))
    assert needed
    assert (int(needed[1]), int(needed[2])) == OLDEST
    assert (int(needed[3]), 0) == BEYOND


def test_folders_that_the_first_wheels_left_are_removed(site: Path, tmp_path: Path) -> None:
    """They come before the checkout here, as before the hook of an editable installation."""
    (site / "volatility3" / "plugins" / "windows").mkdir(parents=True)
    checkout = volatility(tmp_path / "checkout", OLDEST)
    assert json.loads(python(LOOK, site, checkout))[0] == str(checkout / "volatility3" / "__init__.py")
    assert sorted(path.name for path in site.iterdir() if path.name != "__pycache__") == [
        "process_anatomy", "process_anatomy_startup.py",
    ]  # fmt: skip


def test_a_volatility_beside_ours_keeps_its_folders(site: Path) -> None:
    volatility(site, OLDEST)
    (site / "volatility3" / "plugins" / "windows").mkdir()
    (site / "volatility3" / "plugins" / "windows" / "own.py").touch()
    python(LOOK, site)
    assert (site / "volatility3" / "plugins" / "windows" / "own.py").exists()


def test_the_start_of_other_programs_loads_one_module() -> None:
    code = "before = set(sys.modules); import process_anatomy_startup as s; s.start(); print(set(sys.modules) - before)"
    assert python(code, ROOT).strip() == "{'process_anatomy_startup'}"


@pytest.mark.parametrize("name", ["volatility3.framework", "json", "process_anatomy", ""])
def test_it_finds_no_module(name: str) -> None:
    assert Watcher().find_spec(name) is None


def test_both_files_of_the_start_call_the_same_function() -> None:
    """The older one is a single line that begins with ``import``, the newer one ``module:function``."""
    assert STARTUP.with_suffix(".pth").read_text("utf-8") == (
        "import process_anatomy_startup; process_anatomy_startup.start()\n"
    )
    assert pkgutil.resolve_name(STARTUP.with_suffix(".start").read_text("utf-8").strip()) is start


def test_the_plugins_of_a_checkout_lie_at_its_top(site: Path, tmp_path: Path) -> None:
    assert plugin_folder(str(ROOT)) == str(ROOT / "plugins")
    assert plugin_folder(str(site)) == str(site / "process_anatomy" / "plugins")
    assert process_anatomy_startup.HOME
