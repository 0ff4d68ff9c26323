"""Processes that do one thing to one image, and may have so much memory and so much time.

On Linux they are forked from a process that has read all programs and nothing else, which halves what a small image
costs; that process has one thread, and serves one image at a time.  Elsewhere each is started anew.
"""

from __future__ import annotations

import atexit
import errno
import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from process_anatomy.errors import Error

GIVEN_UP = "it took more than {seconds:g} s and was given up; --timeout allows more"
ENDED = "its process ended with status {status}"
KILLED = "its process was killed by signal {number}"
GONE = "its process ended: {reason}"
NO_MEMORY = ("--memory allows more", os.strerror(errno.ENOMEM))
SERVE = "serve"
FORKS = sys.platform == "linux"
"""Elsewhere what libraries start before a fork may not live behind it."""
OUT, LOG = "out", "log"
"""Inside the folder of an image that is not finished: what its process said."""


class CutError(Error):
    """It was given up, or its process ended."""


@dataclass(frozen=True, slots=True)
class Ran:
    """What a process of an image left.

    Attributes:
        status: exit status.
        out: standard output.
        log: standard error.
    """

    status: int
    out: str
    log: str

    @property
    def last(self) -> str:
        """The last line of its log, which says why something is not there, not whole or not to be trusted."""
        lines = self.log.strip().splitlines()
        return lines[-1].removeprefix("anatomy: ") if lines else ""


class Server:
    """A process that forks one for each task; :mod:`process_anatomy.command.limited` is the other end."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [*COMMAND, SERVE], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0,
            start_new_session=True, env=_environment(),
        )  # fmt: skip

    def run(self, task: dict[str, object], seconds: float) -> int:
        """Do a task; gives the exit status of its process, negative where a signal killed it.

        Raises:
            TimeoutError: it takes longer.
            EOFError: the server ended; the message says why, as far as that is known.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with suppress(BrokenPipeError):
            self._process.stdin.write(json.dumps(task).encode() + b"\n")
        until, answer = time.monotonic() + seconds, b""
        while not answer.endswith(b"\n"):
            ready, _, _ = select.select([self._process.stdout], [], [], max(until - time.monotonic(), 0))
            if not ready:
                raise TimeoutError
            piece = self._process.stdout.read(64)
            if not piece:
                raise EOFError(self._end())
            answer += piece
        return int(answer)

    def _end(self) -> str:
        assert self._process.stderr is not None
        lines = self._process.stderr.read().decode("utf-8", "replace").strip().splitlines()
        return lines[-1] if lines else f"status {self._process.wait()}"

    def kill(self) -> None:
        """End it and what it forked."""
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)

    def close(self) -> None:
        """Let it end, and wait until it has."""
        for pipe in (self._process.stdin, self._process.stdout, self._process.stderr):
            if pipe is not None:
                pipe.close()
        self._process.wait()


COMMAND = (sys.executable, "-m", "process_anatomy.command.limited")
IDLE: list[Server] = []
RUNNING: set[Server | subprocess.Popen[bytes]] = set()
"""Servers that wait for a task of this process, and what works at one, in all of its threads."""


def run(arguments: Sequence[str], folder: Path, memory: int, seconds: float, asked: float) -> Ran:
    """Run a command of ours in a process of its own.

    Args:
        arguments: of the command.
        folder: takes what it says.
        memory: bytes that it may have, 0 where there is no limit.
        seconds: that are left for it.
        asked: seconds that there were for all of it, for the message.

    Raises:
        CutError: it took too long, needed too much memory, or was killed.
    """
    status = (_forked if FORKS else _started)(arguments, folder, memory, seconds, asked)
    done = Ran(status, *((folder / name).read_text("utf-8", "replace") for name in (OUT, LOG)))
    if status < 0:
        raise CutError(KILLED.format(number=-status))
    if status and done.last.endswith(NO_MEMORY):
        raise CutError(done.last)
    return done


def _forked(arguments: Sequence[str], folder: Path, memory: int, seconds: float, asked: float) -> int:
    server = IDLE.pop() if IDLE else Server()
    RUNNING.add(server)
    try:
        task = {"memory": memory, "arguments": [*arguments], OUT: str(folder / OUT), LOG: str(folder / LOG)}
        status = server.run(task, seconds)
    except BaseException as error:
        server.kill()
        server.close()
        if isinstance(error, TimeoutError):
            raise CutError(GIVEN_UP.format(seconds=asked)) from None
        if isinstance(error, EOFError):
            raise CutError(GONE.format(reason=error)) from None
        raise
    finally:
        RUNNING.discard(server)
    IDLE.append(server)
    return status


def _started(arguments: Sequence[str], folder: Path, memory: int, seconds: float, asked: float) -> int:
    with (
        (folder / OUT).open("wb") as out,
        (folder / LOG).open("wb") as log,
        subprocess.Popen(
            [*COMMAND, str(memory), *arguments], stdin=subprocess.DEVNULL, stdout=out, stderr=log, env=_environment()
        ) as process,
    ):
        RUNNING.add(process)
        try:
            return process.wait(max(seconds, 0))
        except subprocess.TimeoutExpired:
            raise CutError(GIVEN_UP.format(seconds=asked)) from None
        finally:
            process.kill()
            RUNNING.discard(process)


def give_up() -> None:
    """Kill the processes of images that run now, for nobody waits for them any more."""
    for process in tuple(RUNNING):
        process.kill()


@atexit.register
def close() -> None:
    """Let servers that have no task end."""
    while IDLE:
        IDLE.pop().close()


def _environment() -> dict[str, str]:
    """What the process of an image sees: one thread for each library, for images are what runs side by side."""
    return os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "PYTHONIOENCODING": "utf-8"}
