"""Many images in one case: whatever happens to one, or to the run, the others are whole."""

from __future__ import annotations

import gzip
import hashlib
import json
import lzma
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pytest
from pyarrow import parquet

from process_anatomy.command.program import main
from process_anatomy.command.statuses import DONE, FAILED, MISUSED, PARTLY
from process_anatomy.errors import RequestError
from process_anatomy.fleet import processes, single
from process_anatomy.fleet.case import LOCK, TRIES, batch, held
from process_anatomy.fleet.engine import Crew
from process_anatomy.fleet.export import MANIFEST
from process_anatomy.fleet.record import CASE, SUMMARY
from process_anatomy.fleet.single import IMAGES, LOGS, UNPACKED, folder_name
from process_anatomy.fleet.terms import Outcome, Terms
from tests.conftest import ROOT, SAMPLE
from tests.samples.archives import seven, zipped

LEAST = 2 if processes.FORKS else 1
"""Processes below a batch that works at an image: the one that forks, and the fork."""
FEW = ("--view", "processes", "--no-hash")
pytestmark = pytest.mark.skipif(os.name == "nt", reason="what is killed there has no signal to be killed by")


def listed(case: Path) -> dict[str, dict[str, Any]]:
    """What became of each image, by its file's name."""
    told = json.loads((case / CASE).read_text("utf-8"))["images"]
    return {Path(one["path"]).name: one for one in told}


def at_once(do: Callable[..., Outcome], *arguments: Any) -> Future[Outcome]:
    """Do it now, in this process."""
    future: Future[Outcome] = Future()
    future.set_result(do(*arguments))
    return future


def test_a_folder_of_everything_costs_each_its_own_line(
    images: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One table, printed and in the case; the good ones are done, and what was unpacked is gone."""
    case = images / "case"
    (images / "two.zip").write_bytes(zipped({"host2/two.dmp": (images / "deep" / "two.dmp").read_bytes()}))
    (images / "deep" / "two.dmp").unlink()
    (images / "bomb.xz").write_bytes(lzma.compress(bytes(1 << 24)))
    (images / "broken.7z").write_bytes(seven({"a.raw": b"data"})[:40])
    (images / "noise.raw").write_bytes(random.Random(3).randbytes(1 << 16))
    (images / "circle").symlink_to(images / "circle")
    assert main(["batch", str(images), str(images / "*.vmem"), "--out", str(case), *FEW]) == PARTLY
    printed = capsys.readouterr()
    assert printed.out.splitlines()[-1] == f"{case}: 2 of 10 images, 60 rows; {case / SUMMARY}"
    told = listed(case)
    problems = {name: one["problem"] for name, one in told.items() if not one["folder"]}
    assert set(told) == {"one.dmp", "two.zip", *problems}
    assert problems.pop("notes.txt").startswith("this looks like a text file, not a memory image")
    assert problems.pop("broken.7z").startswith("broken.7z cannot be unpacked: ")
    assert problems.pop("noise.raw")
    assert problems == {
        "empty.raw": "the file is empty",
        "dangling": "No such file or directory",
        "circle": "Too many levels of symbolic links",
        "bomb.xz": "bomb.xz cannot be unpacked: it unpacks to more than 1,000 times its own size",
        "*.vmem": "no file fits the pattern",
    }
    assert len(printed.err.splitlines()) == 8
    ids = set()
    for name, member in (("one.dmp", None), ("two.zip", "host2/two.dmp")):
        manifest = json.loads((case / IMAGES / told[name]["folder"] / MANIFEST).read_text("utf-8"))
        assert manifest["views"]["processes"]["rows"] == 30
        assert (manifest["image"]["path"], manifest["image"].get("member")) == (str(images / name), member)
        assert manifest["image"]["size"] == SAMPLE.stat().st_size
        ids.add(manifest["image"]["id"])
    assert len(ids) == 2
    assert not (case / UNPACKED).exists()


@pytest.mark.usefixtures("here")
def test_what_was_unpacked_is_kept_where_that_is_asked(images: Path, tmp_path: Path) -> None:
    """An image in an archive is named by its own content."""
    (images / "two.gz").write_bytes(gzip.compress(SAMPLE.read_bytes(), 1))
    case = tmp_path / "case"
    with held(case):
        (one,) = batch(
            [images / "two.gz"], case, Terms(views=("processes",), keep=True), Crew(at_once, 1), lambda *_: None
        )
    assert one.image == f"sha256:{hashlib.sha256(SAMPLE.read_bytes()).hexdigest()}"
    (kept,) = case.glob(f"{UNPACKED}/*/*")
    assert (kept.name, kept.read_bytes()) == ("two", SAMPLE.read_bytes())


@pytest.mark.usefixtures("here")
def test_what_is_done_is_not_done_again(images: Path, tmp_path: Path) -> None:
    """Unless the image or the question changed."""
    asked: list[str] = []

    def submit(do: Callable[..., Outcome], image: str, *more: Any) -> Future[Outcome]:
        asked.append(Path(image).name)
        return at_once(do, image, *more)

    case, terms = tmp_path / "case", Terms(views=("processes",), hashed=False)
    one = images / "one.dmp"
    for expected, how in ((["one.dmp"], terms), ([], terms), (["one.dmp"], Terms("csv", ("processes",), hashed=False))):
        asked.clear()
        with held(case):
            (outcome,) = batch([one], case, how, Crew(submit, 1), lambda *_: None)
        assert (asked, outcome.rows, outcome.status) == (expected, 30, DONE)
    os.utime(one, ns=(1, 1))
    with held(case):
        batch([one], case, Terms("csv", ("processes",), hashed=False), Crew(submit, 1), lambda *_: None)
    assert asked == ["one.dmp"] * 2
    assert [path.name for path in (case / IMAGES).iterdir()] == [folder_name(one)]


def whole(case: Path) -> None:
    """Whatever is in its place is all there."""
    for folder in case.glob(f"{IMAGES}/[!.]*"):
        assert json.loads((folder / MANIFEST).read_text("utf-8"))["views"]["processes"]["rows"] == 30
        assert parquet.read_metadata(folder / "processes.parquet").num_rows == 30
    if (case / CASE).exists():
        json.loads((case / CASE).read_text("utf-8"))


def complete(case: Path, paths: Sequence[Path]) -> None:
    """Every image is there, once, and nothing else."""
    assert sorted(path.name for path in (case / IMAGES).iterdir()) == sorted(map(folder_name, paths))
    whole(case)
    assert {name: one["rows"] for name, one in listed(case).items() if one["folder"]} == {
        path.name: 30 for path in paths
    }
    assert [path.name for path in case.iterdir() if path.name.startswith(".")] == [LOCK]


@pytest.mark.usefixtures("here")
def test_a_run_that_is_killed_at_any_point_neither_doubles_nor_loses_a_row(images: Path, tmp_path: Path) -> None:
    """Thirty points; the same command goes on with it, and what is in its place is whole at each of them."""
    case, chance = tmp_path / "case", random.Random(7)
    paths = [images / "one.dmp", images / "deep" / "two.dmp", images / "three.gz", images / "four.dmp"]
    paths[2].write_bytes(gzip.compress(SAMPLE.read_bytes(), 1))
    shutil.copy(SAMPLE, paths[3])
    terms = Terms(views=("processes",), hashed=False)

    def run() -> None:
        with held(case):
            batch(paths, case, terms, Crew(at_once, 2), lambda *_: None)

    begun = time.monotonic()
    run()
    lasts = time.monotonic() - begun
    complete(case, paths)
    for round_ in range(30):
        if round_ % 6 == 0:
            shutil.rmtree(case)
        child = os.fork()
        if child == 0:
            with suppress(BaseException):
                run()
            os._exit(0)
        time.sleep(chance.uniform(0, lasts / 2))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        whole(case)
    run()
    complete(case, paths)


def test_a_command_that_is_killed_leaves_no_process_and_is_gone_on_with(images: Path, tmp_path: Path) -> None:
    """The processes of its images end by themselves, though only the command was killed."""
    case = tmp_path / "case"
    paths = [images / "one.dmp", images / "deep" / "two.dmp"]
    command = [sys.executable, "-m", "process_anatomy.command", "batch", *map(str, paths), "--out", str(case), *FEW]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as run:
        while len(children := psutil.Process(run.pid).children(recursive=True)) < LEAST:
            time.sleep(0.05)
        run.kill()
    assert psutil.wait_procs(children, timeout=60)[1] == []
    whole(case)
    assert subprocess.run(command, cwd=ROOT, capture_output=True, check=False).returncode == DONE
    complete(case, paths)


@pytest.mark.usefixtures("here")
def test_an_image_that_changes_while_it_is_read_is_not_whole(
    images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its rows are of no one moment: it is told, and read again the next time."""
    inner, one = single._run, images / "one.dmp"

    def growing(*arguments: Any) -> processes.Ran:
        with one.open("ab") as file:
            file.write(b"more")
        return inner(*arguments)

    monkeypatch.setattr(single, "_run", growing)
    for path, status, problem in ((one, PARTLY, single.CHANGED), (images / "deep" / "two.dmp", DONE, "")):
        with held(tmp_path / "case"):
            (told,) = batch([path], tmp_path / "case", Terms(views=("processes",)), Crew(at_once, 1), lambda *_: None)
        assert (told.status, told.problem, told.tries) == (status, problem, 1)
    assert single.earlier(one, tmp_path / "case", Terms(views=("processes",))) is None


@pytest.mark.parametrize(
    ("terms", "problem"),
    [
        (Terms(timeout=0.05), "it took more than 0.05 s and was given up; --timeout allows more"),
        (Terms(memory=64 << 20), "it needs more memory than it may have; --memory allows more"),
    ],
)
def test_time_and_memory_that_run_out_cost_that_image_alone(
    terms: Terms, problem: str, images: Path, tmp_path: Path
) -> None:
    """It is tried once more, and told."""
    case = tmp_path / "case"
    with held(case):
        (one,) = batch([images / "one.dmp"], case, terms, Crew(at_once, 1), lambda *_: None)
    assert (one.problem, one.cut, one.tries) == (problem, True, TRIES)
    assert list((case / IMAGES).iterdir()) == []


@pytest.mark.usefixtures("here")
def test_a_worker_that_dies_costs_its_image_alone(images: Path, tmp_path: Path) -> None:
    """And nothing but a second try where it died by chance."""
    asked: list[str] = []

    def submit(do: Callable[..., Outcome], image: str, *more: Any) -> Future[Outcome]:
        asked.append(Path(image).name)
        if asked.count("two.dmp") == 1 or image.endswith("one.dmp"):
            future: Future[Outcome] = Future()
            future.set_exception(RuntimeError("gone"))
            return future
        return at_once(do, image, *more)

    case = tmp_path / "case"
    both = [images / "one.dmp", images / "deep" / "two.dmp"]
    with held(case):
        two, one = batch(both, case, Terms(views=("processes",)), Crew(submit, 1), lambda *_: None)
    assert (asked[:2], sorted(asked[2:])) == (["one.dmp", "two.dmp"], ["one.dmp", "two.dmp"])
    assert (one.problem, one.tries, one.done) == ("its worker ended: RuntimeError: gone", TRIES, False)
    assert (two.rows, two.tries) == (30, 2)


def test_two_batches_do_not_work_on_one_case(images: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    case = tmp_path / "case"
    with held(case):
        assert main(["batch", str(images), "--out", str(case)]) == MISUSED
    assert capsys.readouterr().err == f"anatomy: another batch works on {case}\n"
    with pytest.raises(RequestError, match="is there and is no case"), held(images):
        pass
    assert not (images / IMAGES).exists()


@pytest.mark.parametrize("name", [IMAGES, UNPACKED, LOGS, LOCK])
def test_a_link_in_a_case_is_not_followed(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What it leads to is neither written to nor tidied up."""
    case, mine = tmp_path / "case", tmp_path / "mine"
    (mine / ".hidden").mkdir(parents=True)
    with held(case):
        pass
    shutil.rmtree(case / name) if (case / name).is_dir() else (case / name).unlink(missing_ok=True)
    (case / CASE).write_text("{}")
    (case / name).symlink_to(mine / "new" if name == LOCK else mine)
    assert main(["batch", str(SAMPLE), "--out", str(case), *FEW]) == MISUSED
    assert capsys.readouterr().err == f"anatomy: {case / name} is a link; what a case holds lies in it\n"
    assert [path.name for path in mine.rglob("*")] == [".hidden"]


def test_a_folder_with_images_of_somebody_else_is_no_case(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Though one of that name is in every case: nothing in it is tidied up."""
    kept = tmp_path / IMAGES / ".thumbnails"
    kept.mkdir(parents=True)
    for other in (False, True):
        if other:
            (tmp_path / "more").mkdir()
        assert main(["batch", str(SAMPLE), "--out", str(tmp_path), *FEW]) == MISUSED
        assert capsys.readouterr().err == f"anatomy: {tmp_path} is there and is no case\n"
        assert kept.is_dir()


def test_nothing_that_can_be_read_is_a_failure(tmp_path: Path) -> None:
    (tmp_path / "empty.raw").touch()
    assert main(["batch", str(tmp_path), "--out", str(tmp_path / "case"), *FEW]) == FAILED


def test_a_library_that_is_missing_is_told_once(
    images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Before anything is read or made."""
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    assert main(["batch", str(images), "--out", str(tmp_path / "case"), *FEW]) == MISUSED
    assert capsys.readouterr().err == "anatomy: Arrow tables need pyarrow: pip install 'process-anatomy[fleet]'\n"
    assert not (tmp_path / "case").exists()
