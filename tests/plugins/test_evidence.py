"""What a whole run asks of the system: the image is opened for nothing but reading, and nothing is written beside it.

The witness is strace, which sees the calls of every library and not only those of Python.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from process_anatomy_startup import LEFTOVER
from tests.conftest import ROOT, SAMPLE, environment

LEFTOVERS = {Path(LEFTOVER), ROOT / "volatility3" / "plugins" / "windows"}
"""Of the installed start-up file, and of the checkout's, which the programs here run with."""
CALL = re.compile(r"^(?:\d+ +)?(\w+)\((.*)$")
QUOTED = re.compile(r'(?:(?:AT_FDCWD|\d+)<([^>]*)>, )?"((?:[^"\\]|\\.)*)"')
ASKING = re.compile(
    r"l?stat|newfstatat|stat[fx]s?|f?access|faccessat2?|chdir|execve|getcwd|l?(get|list)xattr|readlink(at)?"
)
"""Calls with a path that change nothing."""
CHANGING = ("O_WRONLY", "O_RDWR", "O_CREAT", "O_TRUNC", "O_APPEND", "O_TMPFILE")


@dataclass(frozen=True)
class Touch:
    """A path that was opened or changed.

    Attributes:
        path: whole.
        changes: the call can change what is there.
        line: what strace says of it.
    """

    path: Path
    changes: bool
    line: str


def touches(log: str) -> Iterator[Touch]:
    """The calls of a log that open or change something."""
    for line in log.splitlines():
        found = CALL.match(line)
        if found is None or ASKING.fullmatch(found[1]):
            continue
        opens = found[1] in ("open", "openat", "openat2")
        for folder, path in QUOTED.findall(found[2])[: 1 if opens else 2]:
            whole = Path(os.path.normpath(Path(folder or ROOT, path)))
            changes = not opens or any(flag in line for flag in CHANGING)
            yield Touch(whole, changes and not line.endswith("(File exists)"), line)


@dataclass(frozen=True)
class Places:
    """Where a run may find and leave something.

    Attributes:
        image: the evidence.
        output: the folder that the user names.
        cache: Volatility's, by ``--cache-path``.
        home: the user's, where Volatility makes ``.cache/volatility3``.
        temporary: of the system.
    """

    image: Path
    output: Path
    cache: Path
    home: Path
    temporary: Path


@pytest.fixture
def places(tmp_path: Path) -> Places:
    found = Places(*(tmp_path / name for name in ("evidence/image.dmp", "output", "cache", "home", "temporary")))
    for folder in (found.image.parent, found.cache, found.home, found.temporary):
        folder.mkdir()
    shutil.copy(SAMPLE, found.image)
    return found


@pytest.fixture(scope="session")
def traced(tmp_path_factory: pytest.TempPathFactory) -> Callable[[list[str], Places], list[Touch]]:
    """Runs a program under strace and gives what it opened and changed."""
    program = shutil.which("strace")
    if program is None:
        pytest.skip("strace is not installed")
    log = tmp_path_factory.mktemp("strace") / "log"
    flags = ["-f", "--seccomp-bpf", "-y", "-s", "4096", "-e", "trace=%file", "-o", str(log)]
    if subprocess.run([program, *flags, "true"], capture_output=True).returncode:
        pytest.skip("strace may not trace here")

    def run(command: list[str], places: Places) -> list[Touch]:
        own = {"HOME": places.home, "TMPDIR": places.temporary, "XDG_CACHE_HOME": places.home / ".cache"}
        ours = {"PYTHONPATH": str(ROOT)} | {key: str(own[key]) for key in own}
        done = subprocess.run(
            [program, *flags, *command], cwd=ROOT, capture_output=True, text=True, env=environment() | ours, timeout=120
        )
        assert (done.returncode, "Traceback" in done.stderr) == (0, False), done.stderr
        assert "explorer.exe" in done.stdout or (places.output / "processes.jsonl").exists()
        return list(touches(log.read_text("utf-8", "replace")))

    return run


def of_python(path: Path) -> bool:
    """Whether it is what Python makes of modules, or the empty folder of the first wheels that is removed."""
    return "__pycache__" in path.parts or path in LEFTOVERS


def commands(places: Places) -> dict[str, list[str]]:
    """Name of a case to a program that reads the image."""
    vol = [str(Path(sys.executable).parent / "vol"), "-q", "--offline", "--cache-path", str(places.cache)]
    anatomy, image = [sys.executable, "-m", "process_anatomy.command"], str(places.image)
    return {
        "vol": [*vol, "-f", image, "windows.anatomy.processes"],
        "show": [*anatomy, "show", image, "processes"],
        "export": [*anatomy, "export", image, "-o", str(places.output), "--view", "processes"],
    }


@pytest.mark.parametrize("name", ["vol", "show", "export"])
def test_the_image_is_opened_for_reading_alone_and_nothing_is_written_beside_it(
    name: str, places: Places, traced: Callable[[list[str], Places], list[Touch]]
) -> None:
    """Outside the output there are only Volatility's cache and what is gone again from the temporary folder."""
    before = (places.image.read_bytes(), places.image.stat().st_mtime_ns, places.image.stat().st_mode)
    touched = traced(commands(places)[name], places)
    opened = [one for one in touched if one.path == places.image]
    assert opened
    assert [one.line for one in opened if one.changes or "O_RDONLY" not in one.line] == []
    allowed = [places.cache, places.home / ".cache", places.home, places.temporary, Path("/dev/null"), Path("/dev/tty")]
    if name == "export":  # it is made under another name beside its place, and renamed
        beside = [one.path for one in touched if one.path.name.startswith(f".{places.output.name}.")]
        assert beside
        allowed += [places.output, *beside]
    changed = [one for one in touched if one.changes and not any(map(one.path.is_relative_to, allowed))]
    assert [one.line for one in changed if not of_python(one.path)] == []
    assert [path.name for path in places.image.parent.iterdir()] == [places.image.name]
    assert list(places.temporary.iterdir()) == []
    assert {path.relative_to(places.home).parts[:2] for path in places.home.rglob("*") if path.is_file()} <= {
        (".cache", "volatility3")
    }
    assert (places.image.read_bytes(), places.image.stat().st_mtime_ns, places.image.stat().st_mode) == before


def test_a_write_is_seen(places: Places, traced: Callable[[list[str], Places], list[Touch]]) -> None:
    """What the test above looks with sees a file that is opened for writing, one that is renamed, and no more."""
    code = (
        "import os, sys; open(sys.argv[1]).close(); open('a', 'w').close(); os.rename('a', 'b'); print('explorer.exe')"
    )
    change = f"import os; os.chdir({str(places.temporary)!r}); {code}"
    told = {(one.path.name, one.changes) for one in traced([sys.executable, "-c", change, str(places.image)], places)}
    assert {("image.dmp", False), ("a", True), ("b", True)} <= told
    assert ("image.dmp", True) not in told
