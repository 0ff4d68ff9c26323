"""Ctrl-C, whenever it comes: one line, status 130, no process and no file left behind."""

from __future__ import annotations

import builtins
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from process_anatomy.command import start
from process_anatomy.command.program import cli, main
from process_anatomy.command.statuses import INTERRUPTED
from tests.conftest import ROOT, SAMPLE

LINE = "anatomy: interrupted\n"
pytestmark = pytest.mark.skipif(os.name == "nt", reason="no such signal there")


def interrupted(
    when: Callable[[psutil.Process], bool], *arguments: str | Path
) -> tuple[int, str, list[psutil.Process]]:
    """Run the command, interrupt it at a moment, and give its status, its errors and what runs on."""
    command = [sys.executable, "-m", "process_anatomy.command", *map(str, arguments)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as run:
        process, ends = psutil.Process(run.pid), time.monotonic() + 60
        while not when(process) and run.poll() is None and time.monotonic() < ends:
            time.sleep(0.01)
        assert run.poll() is None, "it ended before it was interrupted"
        children = process.children(recursive=True)
        run.send_signal(signal.SIGINT)
        _, err = run.communicate(timeout=60)
    # where text was just being run, as dataclasses do, Python ends itself by the signal; shells say 130 of both
    status = INTERRUPTED if run.returncode == -signal.SIGINT else run.returncode
    return status, err, psutil.wait_procs(children, timeout=30)[1]


def test_an_export_that_is_interrupted_leaves_nothing(tmp_path: Path) -> None:
    """While its folder is being filled."""
    status, err, running = interrupted(lambda _: any(tmp_path.iterdir()), "export", SAMPLE, "-o", tmp_path / "out")
    assert (status, err, running) == (INTERRUPTED, LINE, [])
    assert list(tmp_path.iterdir()) == []


def test_a_batch_that_is_interrupted_leaves_no_process_and_nothing_half_done(tmp_path: Path) -> None:
    """While an image is being read by a process of its own; the case says that it was begun."""
    case = tmp_path / "case"

    def reads(process: psutil.Process) -> bool:
        return any(case.glob("images/.*")) and bool(process.children(recursive=True))

    status, err, running = interrupted(reads, "batch", SAMPLE, "--out", case)
    assert (status, err, running) == (INTERRUPTED, LINE, [])
    assert list(case.glob("images/*")) == []
    assert {path.name for path in case.iterdir()} <= {".lock", "images", "logs", "case.json", "summary.html"}


@pytest.mark.parametrize("command", sorted(cli.commands))
def test_every_command_that_is_interrupted_is_one_line(
    command: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def pressed(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(cli.commands[command], "invoke", pressed)
    monkeypatch.setattr(cli.commands[command], "parse_args", lambda *_: [])
    assert main([command]) == INTERRUPTED
    assert capsys.readouterr() == ("", LINE)


def test_a_program_that_is_interrupted_while_it_is_loaded_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    inner = builtins.__import__

    def pressed(name: str, *more: Any) -> Any:
        if name == "process_anatomy.command.program":
            raise KeyboardInterrupt
        return inner(name, *more)

    monkeypatch.setattr(builtins, "__import__", pressed)
    assert start.main(["doctor"]) == INTERRUPTED == start.INTERRUPTED
    assert capsys.readouterr() == ("", LINE)


@pytest.mark.parametrize(
    ("error", "status", "last"), [("KeyboardInterrupt", -signal.SIGINT, ""), ("ValueError", 1, "ValueError")]
)
def test_vol_that_is_interrupted_is_one_line_and_ends_as_interrupted(error: str, status: int, last: str) -> None:
    """Other errors are told as ever."""
    code = f"from process_anatomy.volatility.terminal import tell_of_interruptions as t; t(); raise {error}"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == status
    if last:
        assert done.stderr.splitlines()[-1] == last
    else:
        assert done.stderr == "windows.anatomy: interrupted\n"
