"""``images --dump`` where nothing can be written: every row stays and says so, and nothing half-written is left."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path, PureWindowsPath
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from volatility3 import cli

from process_anatomy.absent import Absent
from process_anatomy.kernel.identify import Kernel
from process_anatomy.notes.explainer import Explainer
from process_anatomy.views import view
from process_anatomy.views.declaration import Request
from process_anatomy.volatility import Anatomy, open_path
from process_anatomy.volatility.cells import safe_file_name
from process_anatomy.walk.across.tables import Tables
from tests.conftest import ROOT, Vol

SAMPLE = ROOT / "samples" / "lab-win11-22621.dmp"
OPTIONS = {"module": "", "all": False, "dump": True}


def test_an_output_folder_that_is_a_file_is_told_in_every_row(vol: Vol, tmp_path: Path) -> None:
    """As many rows as without --dump, status 0."""
    (tmp_path / "file").write_text("mine")
    rows = vol("-r", "json", "-o", tmp_path / "file", "-f", SAMPLE, "windows.anatomy.images", "--dump").rows
    without = vol("-r", "json", "-f", SAMPLE, "windows.anatomy.images").rows
    assert len(rows) == len(without) > 20
    told = [row for row in rows if "the image could not be written: Not a directory" in (row["Problems"] or "")]
    assert len(told) == sum(row["PagesMissing"] < row["Pages"] for row in rows)
    assert all(row["File output"] is None for row in told)
    assert (tmp_path / "file").read_text() == "mine"


@pytest.fixture(scope="module")
def kernel() -> Kernel:
    """Of the sample."""
    return open_path(SAMPLE)


@pytest.fixture
def limited() -> Iterator[Callable[[int], None]]:
    """Sets how long a file may become, as a full disk would."""
    resource = pytest.importorskip("resource", reason="this system has no limit of a file's size")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    yield lambda size: resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


def dumped(kernel: Kernel, folder: Path) -> list[dict[str, Any]]:
    """Rows of the view, with files as ``vol -o FOLDER`` opens them."""
    command = cli.CommandLine()
    command.output_dir = str(folder)
    plugin = SimpleNamespace(open=command.file_handler_class_factory())
    output: Any = lambda *name: Anatomy._output(plugin, *name)  # type: ignore[arg-type]  # noqa: E731
    request = Request(Tables(kernel, frozenset()), Explainer("off"), OPTIONS, output=output)
    return [cells for _, cells in view("images").rows(request)]


def test_a_disk_that_fills_leaves_no_file_under_any_name(
    kernel: Kernel, tmp_path: Path, limited: Callable[[int], None]
) -> None:
    """Each row has its problem; neither a cut file nor one with a temporary name stays."""
    limited(0x2800)  # two pages and a half
    rows = dumped(kernel, tmp_path)
    limited(1 << 40)
    failed = [row for row in rows if isinstance(row["File output"], Absent)]
    assert len(failed) == sum(row["PagesMissing"] < row["Pages"] for row in rows) > 5
    assert all(any("could not be written" in problem for problem in row["Problems"]) for row in failed)
    assert list(tmp_path.iterdir()) == []


def test_images_together_stay_within_the_limit_of_the_image(
    kernel: Kernel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However often one page is mapped: what would be too much is not begun, and its row says so."""
    monkeypatch.setattr("process_anatomy.views.memory_files.LEAST", 3 << 20)
    monkeypatch.setattr("process_anatomy.views.memory_files.TIMES", 0)
    rows = dumped(kernel, tmp_path)
    refused = [row for row in rows if isinstance(row["File output"], Absent)]
    assert all("more than 3 MiB, the limit for this image" in row["Problems"][-1] for row in refused)
    written = {row["File output"]: row["Pages"] * 4096 for row in rows if isinstance(row["File output"], str)}
    assert written == {path.name: path.stat().st_size for path in tmp_path.iterdir()}
    room = (3 << 20) - sum(written.values())
    assert 0 <= room < min(row["Pages"] * 4096 for row in refused)


def test_a_file_is_told_by_the_name_that_it_has_at_last(kernel: Kernel, tmp_path: Path) -> None:
    """Where the name was taken, it has a number; what is told is what is there."""
    first = [row["File output"] for row in dumped(kernel, tmp_path)]
    second = [row["File output"] for row in dumped(kernel, tmp_path)]
    names = [name for name in first + second if isinstance(name, str)]
    assert len(names) == len(set(names)) > 10
    assert {path.name for path in tmp_path.iterdir()} == set(names)


@pytest.mark.skipif(sys.platform != "linux", reason="a folder that nobody may write to is known for Linux")
def test_a_folder_that_nobody_may_write_to_is_told_in_every_row(kernel: Kernel) -> None:
    """Not even root makes files in /proc."""
    rows = dumped(kernel, Path("/proc"))
    assert any(isinstance(row["File output"], Absent) for row in rows)
    assert not any(isinstance(row["File output"], str) for row in rows)


HOSTILE = [
    "..\\..\\x", "../../etc/passwd", "/etc/passwd", "C:\\x", "a\0b", "CON", "nul.txt", "..", "", "x" * 9999, "a:stream",
    "\u202egnp.exe", "\ud800", "=cmd()", "</script>", "'; drop table x", "a\n2026-01-01 ERROR root: fake",
    "$(id)", "-rf", "\x1b[2J",
]  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE, ids=range(len(HOSTILE)))
def test_a_name_from_memory_stays_in_its_folder_and_is_plain(name: str) -> None:
    """No separator, no device of Windows, no stream, nothing that a shell or a terminal acts on, no more than fits."""
    made = safe_file_name("pid.4.0x1000", name, "img")
    assert re.fullmatch(r"pid\.4\.0x1000\.[A-Za-z0-9._-]{1,64}\.img", made)
    assert (Path(made).name, PureWindowsPath(made).name) == (made, made)


@given(st.text(st.characters(exclude_categories=()), max_size=80))
def test_any_name_from_memory_gives_a_plain_one(name: str) -> None:
    made = safe_file_name("start", name, "img")
    assert re.fullmatch(r"start\.[A-Za-z0-9._-]{1,64}\.img", made)


@pytest.mark.skipif(sys.platform == "win32", reason="links there need a right that few have")
def test_a_link_under_the_name_of_a_file_is_not_followed(kernel: Kernel, tmp_path: Path) -> None:
    """What it leads to stays as it is, or does not come to be."""
    (tmp_path / "first").mkdir()
    names = [row["File output"] for row in dumped(kernel, tmp_path / "first")]
    first, second, *_ = [name for name in names if isinstance(name, str)]
    (tmp_path / "mine").write_text("kept")
    (tmp_path / "again").mkdir()
    (tmp_path / "again" / first).symlink_to(tmp_path / "mine")
    (tmp_path / "again" / second).symlink_to(tmp_path / "nowhere")
    again = [row["File output"] for row in dumped(kernel, tmp_path / "again")]
    written = [tmp_path / "again" / name for name in again if isinstance(name, str)]
    assert len(written) == len([name for name in names if isinstance(name, str)])
    assert not any(path.is_symlink() for path in written)
    assert (tmp_path / "mine").read_text() == "kept"
    assert not (tmp_path / "nowhere").exists()
