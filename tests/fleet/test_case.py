"""Many images in one case: whatever happens to one, or to the run, the others are whole."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest

from process_anatomy.command.program import main
from process_anatomy.command.statuses import DONE, FAILED, MISUSED, PARTLY
from process_anatomy.errors import RequestError
from process_anatomy.fleet import case as casing
from process_anatomy.fleet.case import CASE, IMAGES, Outcome, Terms, batch, folder_name, found, held
from process_anatomy.fleet.export import MANIFEST
from tests.conftest import ROOT, SAMPLE

FEW = ("--view", "processes", "--no-hash")
pytestmark = pytest.mark.skipif(os.name == "nt", reason="what is killed there has no signal to be killed by")


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


def listed(case: Path) -> dict[str, dict[str, Any]]:
    """What became of each image, by its file's name."""
    told = json.loads((case / CASE).read_text("utf-8"))["images"]
    return {Path(one["path"]).name: one for one in told}


def test_a_folder_of_everything_costs_each_its_own_line(
    images: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    case = tmp_path / "case"
    assert main(["batch", str(images), "--out", str(case), *FEW]) == PARTLY
    printed = capsys.readouterr()
    assert printed.out.splitlines()[-1] == f"{case}: 2 of 5 images, 58 rows"
    told = listed(case)
    assert set(told) == {"one.dmp", "two.dmp", "notes.txt", "empty.raw", "dangling"}
    assert {name for name, one in told.items() if one["folder"]} == {"one.dmp", "two.dmp"}
    assert told["notes.txt"]["problem"].startswith("this looks like a text file, not a memory image")
    assert told["empty.raw"]["problem"] == "the file is empty"
    assert told["dangling"]["problem"] == "No such file or directory"
    assert len(printed.err.splitlines()) == 3
    for name in ("one.dmp", "two.dmp"):
        folder = case / IMAGES / told[name]["folder"]
        assert json.loads((folder / MANIFEST).read_text("utf-8"))["views"]["processes"]["rows"] == 29


def test_what_is_done_is_not_done_again(images: Path, tmp_path: Path) -> None:
    """Unless the image or the question changed."""
    asked: list[str] = []

    def submit(_: Any, image: str, folder: str, terms: Terms) -> Future[Outcome]:
        asked.append(Path(image).name)
        future: Future[Outcome] = Future()
        future.set_result(casing.exported(image, folder, terms))
        return future

    case, terms = tmp_path / "case", Terms(views=("processes",), hashed=False)
    one = images / "one.dmp"
    for expected, how in ((["one.dmp"], terms), ([], terms), (["one.dmp"], Terms("csv", ("processes",), hashed=False))):
        asked.clear()
        with held(case):
            (outcome,) = batch([one], case, how, submit, lambda *_: None)
        assert (asked, outcome.rows, outcome.status) == (expected, 29, DONE)
    os.utime(one, ns=(1, 1))
    with held(case):
        batch([one], case, Terms("csv", ("processes",), hashed=False), submit, lambda *_: None)
    assert asked == ["one.dmp"] * 2
    assert [path.name for path in (case / IMAGES).iterdir()] == [folder_name(one)]


def test_a_run_that_is_killed_anywhere_neither_doubles_nor_loses_a_row(images: Path, tmp_path: Path) -> None:
    """The same command goes on with it; its folders are whole at any moment."""
    case = tmp_path / "case"
    command = [sys.executable, "-m", "process_anatomy.command", "batch", str(images), "--out", str(case), *FEW]
    chance = random.Random(7)
    for _ in range(5):
        with subprocess.Popen(
            command, cwd=ROOT, start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        ) as run:
            time.sleep(chance.uniform(0.2, 2.5))
            if run.poll() is None:
                os.killpg(run.pid, signal.SIGKILL)
        for folder in case.glob(f"{IMAGES}/[!.]*"):
            assert json.loads((folder / MANIFEST).read_text("utf-8"))["views"]["processes"]["rows"] == 29
    assert subprocess.run(command, cwd=ROOT, capture_output=True, check=False).returncode == PARTLY
    assert sorted(path.name for path in (case / IMAGES).iterdir()) == sorted(
        folder_name(path) for path in (images / "one.dmp", images / "deep" / "two.dmp")
    )
    assert sum(one["rows"] for one in listed(case).values()) == 58


def test_time_and_memory_that_run_out_cost_that_image_alone(images: Path, tmp_path: Path) -> None:
    with held(tmp_path / "case"):
        place = str(tmp_path / "case" / IMAGES / "x")
        slow = casing.exported(str(images / "one.dmp"), place, Terms(views=("processes",), timeout=0.05))
        small = casing.exported(str(images / "one.dmp"), place, Terms(views=("processes",), memory=200 << 20))
    assert slow.problem == "it took more than 0.05 s and was given up; --timeout allows more"
    assert small.status != DONE
    assert small.problem
    assert list((tmp_path / "case" / IMAGES).iterdir()) == []


def test_a_worker_that_dies_costs_its_image_alone(images: Path, tmp_path: Path) -> None:
    def submit(*_: object) -> Future[Outcome]:
        future: Future[Outcome] = Future()
        future.set_exception(RuntimeError("gone"))
        return future

    case = tmp_path / "case"
    with held(case):
        outcomes = batch([images / "one.dmp"], case, Terms(), submit, lambda *_: None)
    assert [one.problem for one in outcomes] == ["its worker ended: RuntimeError: gone"]


def test_two_batches_do_not_work_on_one_case(images: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    case = tmp_path / "case"
    with held(case):
        assert main(["batch", str(images), "--out", str(case)]) == MISUSED
    assert capsys.readouterr().err == f"anatomy: another batch works on {case}\n"
    with pytest.raises(RequestError, match="is there and is no case"), held(images):
        pass
    assert not (images / IMAGES).exists()


def test_nothing_that_can_be_read_is_a_failure(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("words")
    assert main(["batch", str(tmp_path / "notes.txt"), "--out", str(tmp_path / "case"), *FEW]) == FAILED


def test_each_file_is_found_once(images: Path) -> None:
    """However many names and links lead to it."""
    files = [one for one in found([images, images / "one.dmp", images / "loop" / "one.dmp"]) if isinstance(one, Path)]
    assert [path.name for path in files] == ["notes.txt", "one.dmp", "two.dmp"]


def test_a_library_that_is_missing_is_told_once(
    images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Before anything is read or made."""
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    assert main(["batch", str(images), "--out", str(tmp_path / "case"), *FEW]) == MISUSED
    assert capsys.readouterr().err == "anatomy: Arrow tables need pyarrow: pip install 'process-anatomy[fleet]'\n"
    assert not (tmp_path / "case").exists()
