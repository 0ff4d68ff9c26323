"""``python -m process_anatomy.forge``: what it cannot do is told in one line."""

from __future__ import annotations

from pathlib import Path

import pytest

from process_anatomy.forge import LAB, forge, write_raw
from process_anatomy.forge.__main__ import main
from process_anatomy.volatility import open_path


def test_an_output_that_cannot_be_written_is_told_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Status 1, with the path and the system's reason."""
    taken = tmp_path / "file"
    taken.write_text("mine")
    with pytest.raises(SystemExit) as ended:
        main(["--output", str(taken)])
    assert ended.value.code == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("python -m process_anatomy.forge: ")
    assert str(taken) in line
    assert taken.read_text() == "mine"


def test_a_layout_that_lacks_what_is_forged_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """As wrong usage, with the structure that is missing."""
    with pytest.raises(SystemExit) as ended:
        main(["--output", str(tmp_path), "--build", "x64-6002-18005"])
    assert ended.value.code == 2
    assert "_WOW64_PROCESS is not in the layout" in capsys.readouterr().err


@pytest.mark.proves("forged")
@pytest.mark.parametrize("build", ["x86-7601-24000", "x86-2600-5512"])
def test_a_layout_that_ships_is_read_as_exact(build: str, tmp_path: Path) -> None:
    """The image states its revision where no PDB is known to have its layout."""
    path = tmp_path / "image.raw"
    write_raw(forge(LAB, build=build), path)
    kernel = open_path(path)
    assert (kernel.build.name, kernel.build.estimated) == (build, False)
    assert kernel.build.origin.endswith(f"revision {build.rpartition('-')[2]} by version resource")
