"""``python -m process_anatomy.forge``: what it cannot do is told in one line."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from process_anatomy.command.program import main as anatomy
from process_anatomy.forge import DEFAULT_BUILD, LAB, __main__, forge, write_page_files, write_raw
from process_anatomy.forge.__main__ import main, write_all
from process_anatomy.forge.machine.containers import FORMATS
from process_anatomy.volatility import open_path

TRUTH = {"build": 22621, "pdb_guid": "0" * 32, "pdb_age": 1}
SYMBOLS = {"metadata": {"windows": {"pdb": {"database": "ntkrnlmp.pdb"}}}}


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


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--scenario", "nobody"], "no scenario is called 'nobody'"),
        (["--build", "Windows 95"], "no Windows is called 'Windows 95'"),
        (["--memory", "3 MB"], "'3 MB' is no size"),
        (["--about", "nothing"], "no scenario and no trace is called 'nothing'"),
        (["--compressed", "much"], "invalid float value: 'much'"),
        (["--odd"], "unrecognized arguments: --odd"),
    ],
)
def test_what_it_does_not_take_is_told_in_one_line(
    arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """By the command anatomy too, as wrong usage, with the way to its help."""
    assert anatomy(["forge", *arguments]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("anatomy forge: ")
    assert words in line
    assert line.endswith("anatomy forge --help shows how it is used")


def test_the_command_of_the_suite_forges(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Three files, named on standard output; its help has the options."""
    assert anatomy(["forge", "--output", str(tmp_path), "--scenario", "clean-brokers"]) == 0
    written = [Path(line.partition(" (")[0]) for line in capsys.readouterr().out.splitlines()]
    assert len(written) == 3
    assert all(path.is_file() and path.is_relative_to(tmp_path) for path in written)
    assert anatomy(["forge", "--help"]) == 0
    assert "--five-levels" in capsys.readouterr().out


def test_what_there_is_is_listed_and_told_of(capsys: pytest.CaptureFixture[str]) -> None:
    """Scenarios, traces and Windows; a trace with its parameters, a scenario with its words for instructors."""
    assert main(["--list"]) == 0
    told = capsys.readouterr().out
    assert all(words in told for words in ("hidden-process", "clean-brokers", "stolen token", "11 24h2"))
    assert main(["--about", "chosen parent"]) == 0
    assert "must be given" in capsys.readouterr().out
    assert main(["--about", "ransomware"]) == 0
    assert "trace: encrypted files, in = 'workers', again = True" in capsys.readouterr().out


def test_a_name_has_scenario_and_seed_and_nothing_is_overwritten_without_being_asked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is refused before anything is forged; with the option the files are replaced."""
    arguments = ["--scenario", "office", "--seed", "3", "--output", str(tmp_path), "--memory", "32 MB"]
    assert main(arguments) == 0
    paths = [Path(line.partition(" (")[0]) for line in capsys.readouterr().out.splitlines()]
    assert [path.name for path in paths[:2]] == ["office-3-win11-22621.dmp", "office-3-win11-22621.truth.json"]
    before = paths[0].read_bytes()
    with monkeypatch.context() as patched:
        patched.setattr(__main__, "forge_scenario", None)
        with pytest.raises(SystemExit) as ended:
            main(arguments)
    assert ended.value.code == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert "office-3-win11-22621.dmp: it is there already; --overwrite replaces it" in line
    paths[0].write_bytes(b"old")
    assert main([*arguments, "--overwrite"]) == 0
    assert paths[0].read_bytes() == before


def test_where_one_file_cannot_be_written_none_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The image was written before the table; what was there before stays."""
    image = SimpleNamespace(truth=TRUTH, symbols=SYMBOLS)
    symbols = tmp_path / "symbols" / "windows" / "ntkrnlmp.pdb" / f"{'0' * 32}-1.json.xz"
    symbols.mkdir(parents=True)

    def written(_: object, path: Path) -> None:
        path.write_bytes(b"memory")

    monkeypatch.setitem(FORMATS, "raw", (".raw", written))
    with pytest.raises(OSError, match="directory"):
        write_all(image, tmp_path, "lab", "raw")  # type: ignore[arg-type]
    assert [path.name for path in tmp_path.iterdir()] == ["symbols"]


def test_folders_that_were_made_for_files_that_were_not_written_go_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Interrupted between the folders and the files: the place is as it was."""

    def interrupted(_: object, path: Path) -> None:
        raise KeyboardInterrupt

    monkeypatch.setitem(FORMATS, "raw", (".raw", interrupted))
    image: Any = SimpleNamespace(truth=TRUTH, symbols=SYMBOLS)
    for folder in (tmp_path, tmp_path / "new" / "one"):
        with pytest.raises(KeyboardInterrupt):
            write_all(image, folder, "lab", "raw")
        assert list(tmp_path.iterdir()) == []


@pytest.mark.proves("forged")
@pytest.mark.parametrize("build", ["x86-7601-24000", "x86-2600-5512"])
def test_a_layout_that_ships_is_read_as_exact(build: str, tmp_path: Path) -> None:
    """The image states its revision where no PDB is known to have its layout."""
    path = tmp_path / "image.raw"
    write_raw(forge(LAB, build=build), path)
    kernel = open_path(path)
    assert (kernel.build.name, kernel.build.estimated) == (build, False)
    assert kernel.build.origin.endswith(f"revision {build.rpartition('-')[2]} by version resource")


@pytest.mark.skipif(os.name == "nt", reason="links there need a right that few have")
def test_a_link_under_a_name_that_is_written_is_replaced_and_not_followed(tmp_path: Path) -> None:
    """What it leads to stays as it is; a folder of page files that is a link is refused."""
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "file").write_text("kept")
    output = tmp_path / "output"
    output.mkdir()
    image = forge(LAB)
    for name in ("lab.raw", "lab.truth.json"):
        (output / name).symlink_to(mine / "file")
    paths = write_all(image, output, "lab", "raw")
    assert not any(path.is_symlink() for path in paths)
    assert open_path(paths[0]).build.name == DEFAULT_BUILD
    (output / "lab-page-files").symlink_to(mine)
    with pytest.raises(NotADirectoryError, match="it is a link"):
        write_page_files(image, output / "lab-page-files")
    assert [(path.name, path.read_text()) for path in mine.iterdir()] == [("file", "kept")]


@pytest.mark.parametrize("written", [False, True])
def test_an_interruption_is_one_line_and_leaves_nothing(
    written: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """While it is forged, and while half of it is written."""

    def interrupted(_: object, path: object = None, *__: object) -> None:
        if isinstance(path, Path):
            path.write_bytes(b"half")
        raise KeyboardInterrupt

    if written:
        monkeypatch.setattr(__main__, "forge", lambda *_: SimpleNamespace(truth=TRUTH, symbols=SYMBOLS, pointer_size=8))
        monkeypatch.setitem(FORMATS, "raw", (".raw", interrupted))
    else:
        monkeypatch.setattr(__main__, "forge", interrupted)
    assert main(["--output", str(tmp_path), "--format", "raw"]) == 130
    assert capsys.readouterr().err == "python -m process_anatomy.forge: interrupted\n"
    assert [path for path in tmp_path.rglob("*") if not path.is_dir() or path.name.startswith(".")] == []


def test_vmwares_two_files_are_written_together_or_not_at_all(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A state of another image is not replaced unasked, and nothing is written beside it."""
    asked = ["--output", str(tmp_path), "--scenario", "clean-brokers", "--format", "vmware"]
    state = tmp_path / "clean-brokers-win11-22621.vmsn"
    state.write_bytes(b"mine")
    with pytest.raises(SystemExit):
        main(asked)
    assert f"{state}: it is there already" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == [state.name]
    assert main([*asked, "--overwrite"]) == 0
    named = [line.partition(" (")[0] for line in capsys.readouterr().out.splitlines()]
    assert {str(state), str(state.with_suffix(".vmem"))} < set(named)
    assert state.read_bytes() != b"mine"
