"""Images in a folder, and their exports without the start of a process for each."""

from __future__ import annotations

import io
import shutil
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import pytest

from process_anatomy.command import limited
from process_anatomy.fleet import processes, single
from process_anatomy.fleet.processes import Ran
from process_anatomy.fleet.terms import Terms
from tests.conftest import SAMPLE


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """A folder with two images and what else lies in such folders."""
    folder = tmp_path / "captures"
    (folder / "deep").mkdir(parents=True)
    for path in (folder / "one.dmp", folder / "deep" / "two.dmp"):
        shutil.copy(SAMPLE, path)
    (folder / "notes.txt").write_text("nothing but words\n" * 40)
    (folder / "empty.raw").touch()
    (folder / "dangling").symlink_to(tmp_path / "nowhere")
    (folder / "loop").symlink_to(folder)
    (folder / "same.dmp").hardlink_to(folder / "one.dmp")
    return folder


def run_here(arguments: list[str], folder: Path, terms: Terms, begun: float, log: list[str]) -> Ran:
    """What a process of an image does, done in this one, without its limits."""
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        status = limited.run(["0", *arguments])
    log.append(err.getvalue())
    return Ran(status, out.getvalue(), err.getvalue())


@pytest.fixture(autouse=True)
def no_servers() -> Iterator[None]:
    """No process of ours outlives a test."""
    yield
    processes.close()


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Images are exported in the process of the test."""
    monkeypatch.setattr(single, "_run", run_here)
