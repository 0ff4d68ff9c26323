"""Fixtures that every test may use: images that we did not make, and `vol` as a user runs it."""

from __future__ import annotations

import importlib.util
import json
import lzma
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from process_anatomy.kernel.identify import Kernel
from process_anatomy.volatility import open_path
from tests.warm_vol import WarmVol

# beside this library jsonschema parses a grammar for three seconds when it is imported, for a format of no schema here
sys.modules["rfc3987_syntax"] = None  # type: ignore[assignment]
ROOT = Path(__file__).resolve().parent.parent
SHARED = ROOT.parent / "shared"
SAMPLE = ROOT / "samples" / "lab-win11-22621.dmp"
CHUNK = 1 << 20


@dataclass(frozen=True)
class Answer:
    """What a run of `vol` gave.

    Attributes:
        status: exit status.
        out: standard output.
        err: standard error.
    """

    status: int
    out: str
    err: str

    @property
    def rows(self) -> list[dict[str, Any]]:
        """The rows of a JSON answer, children after their parents, without the nesting."""
        flat: list[dict[str, Any]] = []
        pending = list(reversed(json.loads(self.out)))
        while pending:
            row = pending.pop()
            pending.extend(reversed(row.pop("__children")))
            flat.append(row)
        return flat


Vol = Callable[..., Answer]
Stock = Callable[..., list[dict[str, Any]]]
"""An image, a folder of symbol tables, a stock plugin and its arguments to the rows."""


def environment() -> dict[str, str]:
    """What runs of `vol` see of the environment: only what is installed, and a wide screen."""
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return kept | {"PYTHONIOENCODING": "utf-8", "COLUMNS": "200"}


@pytest.fixture(scope="session")
def cold_vol() -> Vol:
    """`vol` started as an installed program; slow, for tests of just that."""
    program = shutil.which("vol", path=str(Path(sys.executable).parent))
    assert program, "vol is not installed beside the Python that runs the tests"

    def run(*arguments: str | Path, cwd: Path | None = None) -> Answer:
        with tempfile.TemporaryDirectory(prefix="vol-cache-") as cache:
            done = subprocess.run(
                [program, "-q", "--offline", "--cache-path", cache, *map(str, arguments)],
                capture_output=True, text=True, encoding="utf-8", timeout=300, cwd=cwd or ROOT, env=environment(),
            )  # fmt: skip
        return Answer(done.returncode, done.stdout, done.stderr)

    return run


@pytest.fixture(scope="session")
def vol(cold_vol: Vol) -> Iterator[Vol]:
    """`vol` of the environment that the tests run in, offline and quiet; our plugins must be installed there."""
    if not hasattr(os, "fork"):
        yield cold_vol
        return
    warm = WarmVol(environment(), SAMPLE)

    def run(*arguments: str | Path, cwd: Path | None = None) -> Answer:
        return Answer(*warm.run([*map(str, arguments)], cwd or ROOT))

    yield run
    warm.close()


@pytest.fixture(scope="session")
def stock_plugin(vol: Vol) -> Stock:
    """Rows of a stock plugin; of several over an image that is slow to open: :mod:`tests.stock_plugins`."""

    def rows(image: Path, symbols: Path, plugin: str, *arguments: str | Path) -> list[dict[str, Any]]:
        answer = vol("-s", symbols, "-r", "json", "-f", image, plugin, *arguments)
        assert answer.status == 0, answer.err
        return answer.rows

    return rows


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder beside the checkout with images and facts that we did not make."""
    if not SHARED.is_dir():
        pytest.skip("the folder with foreign images is not beside the checkout")
    return SHARED


@pytest.fixture(scope="session")
def foreign(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Name of a foreign image to its path, unpacked sparsely and once."""
    folder = tmp_path_factory.mktemp("foreign")

    def unpacked(name: str) -> Path:
        path = folder / name
        if not path.exists():
            with lzma.open(shared / "images" / f"{name}.xz") as packed, path.open("wb") as image:
                while data := packed.read(CHUNK):
                    if data.count(0) == len(data):
                        image.seek(len(data), os.SEEK_CUR)
                    else:
                        image.write(data)
                image.truncate()
        return path

    return unpacked


@pytest.fixture(scope="session")
def case(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Name of a case from the field to its image: an unpacked file, or ``NAME.raw`` with the changes of its JSON."""
    folder = tmp_path_factory.mktemp("cases")

    def made(name: str) -> Path:
        path = folder / name
        if not path.exists():
            changes = shared / "cases" / f"{path.stem}.json"
            packed = shared / "cases" / ("base-19041.raw.xz" if changes.exists() else f"{name}.xz")
            content = bytearray(lzma.decompress(packed.read_bytes()))
            for at, octets in json.loads(changes.read_text())["patches"] if changes.exists() else ():
                content[at : at + len(octets) // 2] = bytes.fromhex(octets)
            path.write_bytes(content)
        return path

    return made


@pytest.fixture(scope="session")
def opened(foreign: Callable[[str], Path]) -> Callable[[str], Kernel]:
    """Name of a foreign image, without its ending, to its kernel, identified once; for tests that change nothing."""
    known: dict[str, Kernel] = {}

    def kernel(name: str) -> Kernel:
        if name not in known:
            known[name] = open_path(foreign(f"{name}.raw"))
        return known[name]

    return kernel


@pytest.fixture(scope="session")
def winxp(foreign: Callable[[str], Path]) -> Path:
    """The foreign image of 32-bit Windows XP SP3 with PAE; its answer key is ``winxp-2600-pae``."""
    return foreign("winxp-2600-pae.raw")


@pytest.fixture(scope="session")
def win7x86(foreign: Callable[[str], Path]) -> Path:
    """The foreign image of 32-bit Windows 7 SP1 with PAE; its answer key is ``win7-7601-x86-pae``."""
    return foreign("win7-7601-x86-pae.raw")


@pytest.fixture(scope="session")
def truth(shared: Path) -> Callable[[str], dict[str, Any]]:
    """Name of a foreign image, without its ending, to its answer key."""

    def read(name: str) -> dict[str, Any]:
        whole: dict[str, Any] = json.loads((shared / "images" / f"{name}.truth.json").read_text())
        return whole

    return read


@pytest.fixture(scope="session")
def published_symbols(
    shared: Path, truth: Callable[[str], dict[str, Any]], tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], Path]:
    """Name of a foreign image to a folder with its symbol table for the stock plugins.

    A copy: where stock Volatility takes a table for missing, it opens it for writing and then deletes it.
    """
    folder = Path(shutil.copytree(shared / "isf", tmp_path_factory.mktemp("symbols") / "isf"))

    def of(name: str) -> Path:
        answers = truth(name.split(".", 1)[0])
        table = f"{answers['pdb_guid']}-{answers['pdb_age']}.json.xz"
        if not any(folder.rglob(table)):
            pytest.skip(f"the symbol table {table} is not beside the checkout")
        return folder

    return of


@pytest.fixture(scope="session")
def memprocfs() -> Callable[[str, Path, str], Any]:
    """Runs a script that asks MemProcFS about an image and prints ``ANSWER`` and JSON; gives the JSON."""
    folders = []
    for package in ("memprocfs", "leechcorepyc"):
        found = importlib.util.find_spec(package)
        if found is None or not found.submodule_search_locations:
            pytest.skip("MemProcFS is not installed")
        folders.append(found.submodule_search_locations[0])
    environment = os.environ | {"LD_LIBRARY_PATH": os.pathsep.join(folders)}

    def ask(script: str, image: Path, given: str = "") -> Any:
        command = [sys.executable, "-c", script, str(image)]
        done = subprocess.run(command, input=given, capture_output=True, text=True, timeout=120, env=environment)
        if "ImportError" in done.stderr or "ModuleNotFoundError" in done.stderr:
            pytest.skip("MemProcFS does not load here (it needs libusb-1.0)")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout.rpartition("ANSWER")[2])

    return ask
