"""`anatomy samples`: what it prints, what it leaves on the disk, and its exit status."""

from __future__ import annotations

import gzip
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from process_anatomy import command
from process_anatomy.command import samples
from process_anatomy.command.program import main
from process_anatomy.command.statuses import DONE, FAILED, INTERRUPTED, MISUSED
from process_anatomy.samples.catalogue import Memory, ProcessFact, PublicImage, load
from process_anatomy.samples.progress import bar, silent, watched
from tests.conftest import Answer
from tests.samples.entries import EMPTY, FACTS, PAGE, SAMPLE, as_toml, hashes, offer, told
from tests.samples.site import Offer, Site, served

ROOT = Path(__file__).resolve().parents[2]
IMAGE = SAMPLE.read_bytes()
ARCHIVE = gzip.compress(IMAGE, 1)
Run = Callable[..., Answer]


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """A site that this test has for itself, asked without a way round."""
    for name in ("http_proxy", "all_proxy", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with served() as found:
        yield found


@pytest.fixture
def image(site: Site) -> PublicImage:
    """Our own image, as if somebody had published it."""
    address = site.put("/lab.dmp.gz", Offer(ARCHIVE))
    return replace(
        FACTS,
        windows=told("Windows 11 22H2"),
        download=offer("lab.dmp.gz", "gz", ARCHIVE, address),
        memory=Memory(told("lab.dmp"), told(len(IMAGE)), hashes(IMAGE, "sha1")),
    )


@pytest.fixture
def run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    """The command, with a catalogue of these entries, in a folder of its own."""

    def run(*arguments: str | Path, images: tuple[PublicImage, ...] = ()) -> Answer:
        catalogue = tmp_path / "catalogue.toml"
        catalogue.write_text(as_toml(*images), "utf-8")
        where = [] if arguments[0] == "list" else ["--to", str(tmp_path)]
        status = main(["samples", *map(str, arguments), "--catalogue", str(catalogue), *where])
        captured = capsys.readouterr()
        assert captured.err.count("\n") == (status != DONE), captured.err
        return Answer(status, captured.out, captured.err)

    return run


def test_the_list_has_a_line_for_each_image(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["samples", "list"]) == DONE
    heading, *lines = capsys.readouterr().out.splitlines()
    assert heading.split("  ")[0] == "NAME"
    assert [line.split()[0] for line in lines] == [image.name for image in load()]


def test_the_list_as_json_has_all_that_the_catalogue_has(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["samples", "list", "--json"]) == DONE
    found = {entry["name"]: entry for entry in json.loads(capsys.readouterr().out)}
    images = {image.name: image for image in load()}
    assert list(found) == list(images)
    for name, image in images.items():
        assert len(found[name]["processes"]) == len(image.processes)
        assert found[name]["memory"]["hashes"].keys() == image.memory.hashes.keys()


def test_a_line_says_what_an_image_can_be_checked_by(image: PublicImage) -> None:
    size = samples.human(len(ARCHIVE))
    assert samples.row(image) == ("lab", "Windows 11 22H2", size, "sha256 md5 sha1", "by the command", "4")
    assert samples.row(EMPTY) == ("lab", "", "", "", "by hand", "")


@pytest.mark.parametrize(
    ("size", "words"),
    [
        (0, "0 bytes"),
        (999, "999 bytes"),
        (1000, "1.0 KB"),
        (180343409, "180 MB"),
        (5 << 30, "5.4 GB"),
        (10**16, "10000 TB"),
    ],
)
def test_a_size_is_said_in_words(size: int, words: str) -> None:
    assert samples.human(size) == words


def test_an_image_is_fetched_and_its_facts_are_checked(run: Run, image: PublicImage, tmp_path: Path) -> None:
    done = run("fetch", "lab", images=(image,))
    assert done.status == DONE
    assert (tmp_path / "lab" / "lab.dmp").read_bytes() == IMAGE
    assert done.out.splitlines()[-5:] == [
        "lab.dmp: build 22621: as published",
        "lab.dmp: process System (4) of 0: as published",
        "lab.dmp: process notepad.exe (5212) of 3920: as published",
        "lab.dmp: process SHADE.exe (7148): as published",
        f"{tmp_path / 'lab' / 'lab.dmp'}: The lab's image",
    ]
    verified = run("verify", "lab", images=(image,))
    assert verified.status == DONE
    assert verified.out.count("as published") == 6
    again = run("fetch", "lab", images=(image,))
    assert again.status == DONE
    assert "it is there already" in again.out
    assert again.out.count("as published") == 6


def test_a_fetched_image_that_differs_later_fails(run: Run, image: PublicImage, tmp_path: Path) -> None:
    run("fetch", "lab", images=(image,))
    with (tmp_path / "lab" / "lab.dmp").open("ab") as file:
        file.write(b"more")
    for action in ("fetch", "verify"):
        done = run(action, "lab", images=(image,))
        assert done.status == FAILED
        assert f"2 of 6 published data: differs, {len(IMAGE):,} bytes first" in done.err


def test_a_fact_that_differs_fails_and_leaves_the_image(run: Run, image: PublicImage, tmp_path: Path) -> None:
    wrong = replace(image, processes=(ProcessFact("calc.exe", 5212, None, PAGE),))
    done = run("fetch", "lab", images=(wrong,))
    assert done.status == FAILED
    assert "lab.dmp: process calc.exe (5212): differs: this id is notepad.exe's" in done.out
    assert "1 of 2 published data: differs, process calc.exe (5212) first" in done.err
    assert (tmp_path / "lab" / "lab.dmp").exists()


def test_an_image_beyond_us_is_fetched_but_not_verified(run: Run, site: Site, tmp_path: Path) -> None:
    data = b"no Windows in here" * 1000
    strange = replace(FACTS, download=offer("lab.raw", "none", data, site.put("/raw", Offer(data))))
    fetched = run("fetch", "lab", images=(strange,))
    assert fetched.status == DONE
    assert "lab.raw: build 22621: cannot be read: " in fetched.out
    verified = run("verify", "lab", images=(strange,))
    assert verified.status == FAILED
    assert "4 of 7 published data: cannot be read, build 22621 first" in verified.err


def test_a_file_is_verified_as_what_it_is_recognised_as(run: Run, image: PublicImage, tmp_path: Path) -> None:
    (tmp_path / "renamed").write_bytes(IMAGE)
    done = run("verify", tmp_path / "renamed", images=(image,))
    assert done.status == DONE
    (tmp_path / "some.gz").write_bytes(ARCHIVE)
    packed = run("verify", tmp_path / "some.gz", images=(image,))
    assert packed.status == DONE
    assert packed.out.count("as published") == 3


def test_a_file_is_verified_as_what_it_is_said_to_be(run: Run, image: PublicImage, tmp_path: Path) -> None:
    (tmp_path / "other").write_bytes(b"something else")
    assert "--as NAME says what it is" in run("verify", tmp_path / "other", images=(image,)).err
    done = run("verify", tmp_path / "other", "--as", "lab", images=(image,))
    assert done.status == FAILED
    assert "6 of 6 published data: differs and cannot be read" in done.err


def test_the_verdicts_as_json_name_their_pages(run: Run, image: PublicImage) -> None:
    done = run("verify", SAMPLE, "--json", images=(image,))
    found = json.loads(done.out)
    assert (found["name"], found["file"]) == ("lab", str(SAMPLE))
    assert {verdict["outcome"] for verdict in found["verdicts"]} == {"as published"}
    assert {verdict["source"] for verdict in found["verdicts"]} == {PAGE}


def test_where_nothing_is_published_our_hash_is_told(run: Run) -> None:
    done = run("verify", SAMPLE, "--as", "lab", images=(EMPTY,))
    assert done.status == FAILED
    assert "nothing is published of lab to compare" in done.err
    assert hashes(IMAGE, "sha256")["sha256"].value in done.err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["fetch", "nothing"], "no public image is called nothing"),
        (["fetch", "lab", "--archive", "nowhere.zip"], "nowhere.zip is not a file"),
        (["verify", "nowhere"], "nowhere is neither the name of a public image nor a file"),
        (["verify", str(SAMPLE), "--as", "nothing"], "no public image is called nothing"),
        (["verify", "a\nb\x1b[31m"], r"a\nb\x1b[31m is neither the name"),
    ],
)
def test_a_request_that_cannot_be_meant_is_misuse(arguments: list[str], words: str, run: Run) -> None:
    done = run(*arguments, images=(EMPTY,))
    assert (done.status, done.out) == (MISUSED, "")
    assert words in done.err


def test_what_was_not_fetched_cannot_be_verified(run: Run, image: PublicImage) -> None:
    done = run("verify", "lab", images=(image,))
    assert done.status == FAILED
    assert "is not there; anatomy samples fetch lab brings it" in done.err


def test_an_image_without_an_address_says_what_to_do(run: Run, tmp_path: Path) -> None:
    by_hand = replace(FACTS, download=replace(offer("lab.dmp.gz", "gz", ARCHIVE), by_hand=told(f"{PAGE}/form")))
    assert "then: anatomy samples fetch lab --archive FILE" in run("fetch", "lab", images=(by_hand,)).err
    (tmp_path / "brought").write_bytes(ARCHIVE)
    assert run("fetch", "lab", "--archive", tmp_path / "brought", images=(by_hand,)).status == DONE
    assert (tmp_path / "lab" / "lab.raw").read_bytes() == IMAGE


def test_a_malformed_catalogue_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "bad.toml").write_text("[[image]]\nname = 5")
    assert main(["samples", "list", "--catalogue", str(tmp_path / "bad.toml")]) == FAILED
    assert capsys.readouterr().err == "anatomy: image 1: name is no str\n"


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["samples"],
        ["samples", "sell"],
        ["samples", "fetch"],
        ["samples", "list", "more\nlines"],
        ["samples", "fetch", "cridex", "--timeout", "soon"],
        ["samples", "fetch", "cridex", "--timeout", "nan"],
        ["samples", "fetch", "cridex", "--timeout", "-1"],
    ],
)
def test_a_wrong_command_line_is_one_line(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == MISUSED
    err = capsys.readouterr().err
    assert err.startswith("anatomy")
    assert err.count("\n") == 1


@pytest.mark.parametrize("arguments", [["--help"], ["samples", "--help"], ["samples", "fetch", "--help"]])
def test_help_is_no_error(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == DONE
    assert "Usage: anatomy" in capsys.readouterr().out


def test_an_error_of_the_system_is_one_line(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object) -> None:
        raise PermissionError(13, "Permission denied", "/x")

    monkeypatch.setattr(samples, "load", refused)
    done = run("list")
    assert (done.status, done.err) == (FAILED, "anatomy: /x: Permission denied\n")


def test_a_bar_is_for_a_terminal_only(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert watched() is silent
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    assert watched() is bar
    with monkeypatch.context() as patched:
        patched.setitem(sys.modules, "rich.progress", None)
        assert watched() is silent
    monkeypatch.setattr(sys, "stderr", None)
    assert watched() is silent


def test_a_bar_leaves_nothing_of_names_to_the_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    with bar("mem[red].raw") as step:
        step(1, 2)
        step(2, None)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "mem[red].raw" in captured.err


def started(*arguments: str | Path) -> subprocess.Popen[str]:
    """The command as a program of its own."""
    environment = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    return subprocess.Popen(
        [sys.executable, "-m", "process_anatomy.command", "samples", *map(str, arguments)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, encoding="utf-8", env=environment, cwd=ROOT,
    )  # fmt: skip


@pytest.mark.skipif(os.name == "nt", reason="no such signal there")
def test_an_interruption_leaves_a_part_that_the_same_command_goes_on_from(
    run: Run, site: Site, image: PublicImage, tmp_path: Path
) -> None:
    offered = site.offers["/lab.dmp.gz"]
    offered.hang = len(ARCHIVE) // 2
    catalogue = tmp_path / "own.toml"
    catalogue.write_text(as_toml(image), "utf-8")
    part = tmp_path / "lab" / "lab.dmp.gz.part"
    with started("fetch", "lab", "--catalogue", catalogue, "--to", tmp_path) as program:
        ends = time.monotonic() + 30
        while time.monotonic() < ends and not (part.exists() and part.stat().st_size > 0):
            time.sleep(0.02)
        program.send_signal(signal.SIGINT)
        _, err = program.communicate(timeout=30)
    assert program.returncode == INTERRUPTED
    assert err == "anatomy: interrupted; what was downloaded is kept, and the same command goes on from there\n"
    kept = part.stat().st_size
    assert 0 < kept <= offered.hang
    offered.hang = None
    assert run("fetch", "lab", images=(image,)).status == DONE
    assert site.ranges == ["", f"bytes={kept}-"]
    assert sorted(path.name for path in (tmp_path / "lab").iterdir()) == ["lab.dmp"]


@pytest.mark.skipif(os.name == "nt", reason="pipes end otherwise there")
def test_a_reader_that_leaves_is_no_reason_for_words() -> None:
    with started("list", "--json") as program:
        assert program.stdout is not None
        assert program.stderr is not None
        program.stdout.close()
        err = program.stderr.read()
        assert (program.wait(30), err) == (FAILED, "")


def test_the_statuses_are_the_documented_ones() -> None:
    assert (DONE, FAILED, MISUSED, INTERRUPTED) == (0, 1, 2, 130)
    assert command.__doc__ is not None
    page = (ROOT / "docs" / "samples.md").read_text("utf-8")
    for status in (DONE, FAILED, MISUSED, INTERRUPTED):
        assert f"| {status} |" in page
        assert str(status) in command.__doc__
