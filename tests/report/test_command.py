"""``anatomy report``: the page in its place, whole or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from process_anatomy.command.program import main
from tests.conftest import SAMPLE


def ran(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    status = main(["report", *map(str, arguments)])
    told = capsys.readouterr()
    return status, told.out, told.err


def test_the_page_and_the_diagrams_are_written(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """Where they are wanted; what is there is replaced only on demand, and before the image is opened."""
    page, folder = tmp_path / "a.html", tmp_path / "svg"
    asked = (SAMPLE, "--pid", 4, "-o", page, "--svg", folder)
    status, out, err = ran(capsys, *asked)
    assert (status, err) == (0, "")
    assert out.splitlines()[0].startswith(f"{page}: ")
    assert out.splitlines()[1] == f"{folder}: 1 diagram"
    assert [path.name for path in folder.iterdir()] == ["anatomy.4.System.svg"]
    assert page.read_bytes().startswith(b"<!DOCTYPE html>")
    page.write_text("mine")
    assert ran(capsys, *asked) == (2, "", f"anatomy: {page} is there; --overwrite replaces it\n")
    assert page.read_text() == "mine"
    assert ran(capsys, *asked, "--overwrite")[0] == 0
    assert page.read_bytes().startswith(b"<!DOCTYPE html>")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.html", "svg"]


def test_a_page_that_cannot_be_written_leaves_nothing_behind(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One line; the folder is as it was."""
    page = tmp_path / "a.html"
    page.write_text("mine")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("process_anatomy.fleet.written.os.replace", full)
    status, out, err = ran(capsys, SAMPLE, "--pid", 4, "-o", page, "--overwrite")
    assert (status, out) == (1, "")
    assert err == f"anatomy: {page}: the file could not be written: No space left on device\n"
    assert [path.read_text() for path in tmp_path.iterdir()] == ["mine"]
    monkeypatch.undo()
    status, _, err = ran(capsys, SAMPLE, "--pid", 4, "-o", tmp_path / "nowhere" / "a.html")
    assert (status, err) == (
        1,
        f"anatomy: {tmp_path}/nowhere/a.html: the file could not be written: No such file or directory\n",
    )


def test_a_process_that_is_not_there_gives_no_page(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """Status 2, and no file."""
    status, _, err = ran(capsys, SAMPLE, "--pid", 3, "-o", tmp_path / "a.html")
    assert status == 2
    assert err.startswith("anatomy: ")
    assert list(tmp_path.iterdir()) == []
