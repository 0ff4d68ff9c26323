"""Folders, patterns, lists and links: which files are meant, and what is said of the rest."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from process_anatomy.command.program import main
from process_anatomy.command.statuses import MISUSED
from process_anatomy.errors import RequestError
from process_anatomy.fleet.found import companions, found, listed
from process_anatomy.fleet.terms import Outcome

NOBODY = 65534
pytestmark = pytest.mark.skipif(os.name == "nt", reason="links need a privilege there")


def files(*paths: Path, without: Path | None = None) -> list[str]:
    """Names of the files that are meant."""
    return [one.name for one in found(paths, without) if isinstance(one, Path)]


def problems(*paths: Path) -> dict[str, str]:
    """Names of what is no file, with the reason."""
    return {Path(one.path).name: one.problem for one in found(paths) if isinstance(one, Outcome)}


@contextmanager
def nobody() -> Iterator[None]:
    """Without the rights of root, who may read everything."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


def test_each_file_is_found_once(images: Path) -> None:
    """However many names, links and patterns lead to it."""
    assert files(images, images / "one.dmp", images / "loop" / "one.dmp", images / "**" / "*.dmp") == [
        "notes.txt",
        "one.dmp",
        "two.dmp",
    ]


def test_a_folder_that_may_not_be_read_has_its_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "open").mkdir()
    (tmp_path / "open" / "a.raw").write_bytes(b"a")
    (tmp_path / "closed").mkdir(mode=0)
    monkeypatch.chdir(tmp_path)  # for the folders above are not everybody's
    tmp_path.chmod(0o755)
    with nobody():
        assert (files(Path()), problems(Path())) == (["a.raw"], {"closed": "Permission denied"})


def test_pipes_and_devices_are_not_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert problems(tmp_path, Path("/dev/zero")) == {"pipe": "it is no file", "zero": "it is no file"}


def test_the_case_is_not_looked_into(images: Path) -> None:
    """It may lie in the folder that is searched."""
    assert files(images, without=images / "deep") == ["notes.txt", "one.dmp"]


@pytest.mark.parametrize("ending", [".vmss", ".vmsn"])
def test_a_pair_of_vmware_is_one_image(ending: str, tmp_path: Path) -> None:
    """Whichever of its files is named; a saved state that holds its memory itself is one too."""
    for name in ("snap.vmem", f"snap{ending}", f"alone{ending}"):
        (tmp_path / name).write_bytes(b"x")
    assert files(tmp_path) == [f"alone{ending}", "snap.vmem"]
    assert files(tmp_path / f"snap{ending}") == ["snap.vmem"]
    assert companions(tmp_path / "snap.vmem") == [tmp_path / f"snap{ending}"]
    assert companions(tmp_path / f"alone{ending}") == []


def test_a_pattern_with_a_file_of_its_own_name_is_that_file(tmp_path: Path) -> None:
    (tmp_path / "mem[1].raw").write_bytes(b"x")
    (tmp_path / "mem1.raw").write_bytes(b"x")
    assert files(tmp_path / "mem[1].raw") == ["mem[1].raw"]
    assert files(tmp_path / "mem?.raw") == ["mem1.raw"]
    assert problems(tmp_path / "mem?.lime") == {"mem?.lime": "no file fits the pattern"}


@pytest.mark.parametrize(
    "data",
    [
        b"a.raw\nb c.raw\n\n",
        b"\xef\xbb\xbfa.raw\r\nb c.raw",
        b"a.raw\0b c.raw\0",
        "a.raw\r\nb c.raw\r\n".encode("utf-16"),
    ],
    ids=["lines", "of Windows", "zero bytes", "of PowerShell"],
)
def test_a_list_names_paths(data: bytes, tmp_path: Path) -> None:
    (tmp_path / "list").write_bytes(data)
    assert listed(tmp_path / "list") == [Path("a.raw"), Path("b c.raw")]


def test_a_list_that_is_none_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "list").write_bytes(b"\xff\xfea")
    with pytest.raises(RequestError, match="is no list of paths"):
        listed(tmp_path / "list")
    assert main(["batch", "--out", str(tmp_path / "case")]) == MISUSED
    assert "no image, folder or list is named" in capsys.readouterr().err
