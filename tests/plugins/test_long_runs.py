"""One process or many, for as long as it takes: nothing grows, nothing is left, and all say the same."""

from __future__ import annotations

import gc
import lzma
import os
import signal
import subprocess
import sys
from pathlib import Path
from random import Random

import psutil
import pytest

from process_anatomy import open_image
from process_anatomy.command.program import main
from process_anatomy.command.statuses import INTERRUPTED
from process_anatomy.memory.resident import CUT_OFF
from tests.conftest import ROOT, SAMPLE

COMMAND = [sys.executable, "-m", "process_anatomy.command"]
VIEWS = ("processes", "tokens", "groups", "privileges", "dacls", "images", "creation", "modules")
RUNS = 200
PLATEAU = 8 << 20
"""Bytes that a process may grow by in its later runs: what the system's allocator moves about, far below a leak."""
MOMENTS = 3
KEY = "../autumn.secret"
linux = pytest.mark.skipif(sys.platform != "linux", reason="descriptors and memory are counted as Linux tells them")


def held() -> tuple[int, int]:
    """Descriptors and bytes of this process."""
    process = psutil.Process()
    return process.num_fds(), process.memory_info().rss - process.memory_info().shared


@linux
def test_two_hundred_runs_in_one_process_hold_no_more_than_a_few() -> None:
    """Descriptors to the number, memory to a plateau, and the rows are the same."""
    told, marks = set(), {}
    for number in range(RUNS):
        image = open_image(SAMPLE)
        if not number % 20:
            told.add(repr([cells["PID"] for _, cells in image.view("processes").rows()]))
        if number + 1 in (RUNS // 4, RUNS):
            gc.collect()
            marks[number + 1] = held()
    (few, small), (many, large) = marks.values()
    assert len(told) == 1
    assert many <= few  # what other tests of the process left may go meanwhile
    assert large - small < PLATEAU


@linux
def test_an_image_that_is_packed_is_let_go_of(tmp_path: Path) -> None:
    """Volatility's caches keep layers; the file below and what unpacks it are closed when nobody reads the image."""
    packed = tmp_path / "image.dmp.xz"
    packed.write_bytes(lzma.compress(SAMPLE.read_bytes(), preset=0))

    def opened() -> int:
        gc.collect()
        return sum(path.path == str(packed) for path in psutil.Process().open_files())

    image = open_image(packed)
    assert list(image.view("processes").rows())
    assert opened() > 0
    del image
    assert opened() == 0


def test_eight_views_at_once_say_what_each_says_alone() -> None:
    alone = {name: "\n".join(repr(cells) for _, cells in open_image(SAMPLE).view(name).rows()) for name in VIEWS}
    code = (
        "import sys; from process_anatomy import open_image\n"
        "for _, cells in open_image(sys.argv[1]).view(sys.argv[2]).rows(): print(repr(cells))"
    )
    running = {
        name: subprocess.Popen([sys.executable, "-c", code, SAMPLE, name], cwd=ROOT, stdout=subprocess.PIPE, text=True)
        for name in VIEWS
    }
    together = {name: run.communicate(timeout=300)[0].rstrip("\n") for name, run in running.items()}
    assert together == alone


@pytest.mark.skipif(sys.platform != "linux", reason="the signal of a file that is cut off is known for Linux")
def test_a_file_that_becomes_shorter_while_it_is_read_is_told_in_one_line(tmp_path: Path) -> None:
    image = tmp_path / "image.dmp"
    image.write_bytes(SAMPLE.read_bytes())
    code = (
        "import os, sys; from process_anatomy import open_image\n"
        "image = open_image(sys.argv[1]); os.truncate(sys.argv[1], 4096)\n"
        "print(len(list(image.view('vads').rows())))"
    )
    done = subprocess.run([sys.executable, "-c", code, image], cwd=ROOT, capture_output=True)
    assert (done.returncode, done.stdout, done.stderr) == (1, b"", CUT_OFF)


@pytest.mark.skipif(sys.platform != "linux", reason="the signal of a file that is cut off is known for Linux")
@pytest.mark.parametrize("what", ["file", "folder"])
def test_what_was_being_written_of_a_file_that_is_cut_off_goes(what: str, tmp_path: Path) -> None:
    image = tmp_path / "image.dmp"
    image.write_bytes(SAMPLE.read_bytes())
    code = (
        "import os, sys; from pathlib import Path; from process_anatomy import open_image\n"
        "from process_anatomy.fleet.export import replaced; from process_anatomy.fleet.written import whole\n"
        "target = Path(sys.argv[1]).parent / 'written'\n"
        "with replaced(target, False) if sys.argv[2] == 'folder' else whole(target) as made:\n"
        "    (made / 'a').write_text('half') if sys.argv[2] == 'folder' else made.write(b'half')\n"
        "    assert len(os.listdir(target.parent)) == 2\n"
        "    image = open_image(sys.argv[1]); os.truncate(sys.argv[1], 4096); list(image.view('vads').rows())"
    )
    done = subprocess.run([sys.executable, "-c", code, image, what], cwd=ROOT, capture_output=True)
    assert (done.returncode, done.stderr) == (1, CUT_OFF)
    assert [path.name for path in tmp_path.iterdir()] == ["image.dmp"]


@pytest.mark.skipif(os.name == "nt", reason="no such signal there")
@pytest.mark.parametrize(
    "arguments",
    [
        ("show", SAMPLE, "processes"), ("report", SAMPLE, "-o", "out.html"), ("export", SAMPLE, "-o", "out"),
        ("lab", "new", "hidden-process", "--student", "ada", "-o", "out", "--secret", KEY),
    ],
    ids=lambda arguments: arguments[0],
)  # fmt: skip
def test_an_interruption_at_any_moment_is_one_line_and_leaves_nothing(
    arguments: tuple[str | Path, ...], tmp_path: Path
) -> None:
    """At moments by lot; one that was done before has its whole output and says nothing."""
    dice, folder = Random(str(arguments[0])), tmp_path / "run"
    folder.mkdir()
    assert main(["lab", "secret", str(tmp_path / "autumn.secret")]) == 0
    for _ in range(MOMENTS):
        run = subprocess.Popen(
            [*COMMAND, *map(str, arguments)], cwd=folder, env=os.environ | {"PYTHONPATH": str(ROOT)},
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        try:
            run.wait(dice.uniform(0.4, 2.0))
        except subprocess.TimeoutExpired:
            children = psutil.Process(run.pid).children(recursive=True)
            run.send_signal(signal.SIGINT)
            _, err = run.communicate(timeout=60)
            if run.returncode == 0:  # it was done, and about to end
                break
            assert err == "anatomy: interrupted\n"
            assert run.returncode in (INTERRUPTED, -signal.SIGINT)
            assert psutil.wait_procs(children, timeout=30)[1] == []
            assert list(folder.iterdir()) == []
        else:
            run.communicate()
            break
