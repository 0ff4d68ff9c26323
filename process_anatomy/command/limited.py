"""``python -m process_anatomy.command.limited BYTES …`` is ``anatomy …`` in a process that may have so much memory.

``unpack ARCHIVE TARGET LIMIT RATIO NOTES`` is done here too, for an archive may ask for memory as an image may.  With
``serve`` alone, each line of standard input is a task, done by a process that is forked when all programs are read.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import pkgutil
import select
import sys
import threading
import time
import traceback
from contextlib import suppress
from pathlib import Path
from typing import Any

import process_anatomy
from process_anatomy.command.program import main
from process_anatomy.command.statuses import DONE, FAILED
from process_anatomy.errors import Error
from process_anatomy.fleet.processes import LOG, OUT, SERVE

TOO_MUCH = "it needs more memory than it may have; --memory allows more"
WATCHED = 1.0
"""Seconds between two looks whether the parent is alive."""
ROOMS = ("memory", "kernel", "walk", "findings", "notes", "views", "volatility", "fleet", "samples")
"""Whose modules an export may need."""
LIBRARIES = ("pyarrow.parquet", "volatility3.framework.layers", "volatility3.framework.automagic")


def run(arguments: list[str]) -> int:
    """Run the command; gives its exit status.

    Args:
        arguments: bytes of memory, 0 where there is no limit or the system has none, and a command line.
    """
    bound(int(arguments[0]))
    try:
        return _unpacked(*arguments[2:]) if arguments[1] == "unpack" else main(arguments[1:])
    except MemoryError:
        print(f"anatomy: {TOO_MUCH}", file=sys.stderr)
        return FAILED


def bound(memory: int) -> None:
    """Let this process have so many bytes of memory.

    What counts are the pages that are its own: an image that is mapped, however large, is none of them.  Systems other
    than Linux count address space, with the image in it.
    """
    if memory and sys.platform != "win32":
        import resource

        kind = resource.RLIMIT_DATA if sys.platform == "linux" else resource.RLIMIT_AS
        resource.setrlimit(kind, (memory, memory))


def _unpacked(archive: str, target: str, limit: str, ratio: str, notes: str) -> int:
    from process_anatomy.fleet.progress import Notes
    from process_anatomy.fleet.unpacked import unpack_here

    try:
        print(unpack_here(Path(archive), Path(target), int(limit), int(ratio), Notes(Path(notes)).bytes))
    except Error as error:
        print(f"anatomy: {error}", file=sys.stderr)
        return FAILED
    return DONE


def end_with(parent: int) -> None:
    """End when the parent is gone: nobody waits for what is done here."""
    while os.getppid() == parent:
        time.sleep(WATCHED)
    os._exit(FAILED)


def serve() -> None:
    """Fork a process for each task, and say how it ended; ends where nobody can give tasks any more."""
    _read_programs()
    while line := sys.stdin.buffer.readline():
        child = os.fork()
        if child == 0:
            os._exit(_served(json.loads(line)))
        _, status = os.waitpid(child, 0)
        sys.stdout.write(f"{os.waitstatus_to_exitcode(status)}\n")
        sys.stdout.flush()


def _read_programs() -> None:
    """Import what an export may need; what is not installed is told by the export that needs it."""
    for room in ROOMS:
        place = importlib.import_module(f"{process_anatomy.__name__}.{room}")
        for module in pkgutil.walk_packages(place.__path__, f"{place.__name__}."):
            with suppress(ImportError):
                importlib.import_module(module.name)
    for name in LIBRARIES:
        with suppress(ImportError):
            importlib.import_module(name)
    gc.freeze()  # pages that all processes share are not written to for the sake of counting


def _served(task: dict[str, Any]) -> int:
    """Do a task, in the process that was forked for it; gives its exit status."""
    try:
        tasks = os.dup(0)
        for number, name, flags in ((0, os.devnull, os.O_RDONLY), (1, task[OUT], CREATED), (2, task[LOG], CREATED)):
            file = os.open(name, flags, 0o666)
            os.dup2(file, number)
            os.close(file)
        threading.Thread(target=_end_when_closed, args=(tasks,), daemon=True).start()
        status = run([str(task["memory"]), *task["arguments"]])
        sys.stdout.flush()
        sys.stderr.flush()
    except BaseException:  # noqa: BLE001  # nothing of this may run on in the process that serves
        with suppress(Exception):
            traceback.print_exc()
            sys.stderr.flush()
        return FAILED
    return status


CREATED = os.O_WRONLY | os.O_CREAT | os.O_TRUNC


def _end_when_closed(pipe: int) -> None:
    """End when nobody holds the other end of a pipe any more: nobody waits for what is done here."""
    poll = select.poll()
    poll.register(pipe, 0)
    poll.poll()
    os._exit(FAILED)


if __name__ == "__main__":
    if sys.argv[1:] == [SERVE]:
        serve()
    else:
        threading.Thread(target=end_with, args=(os.getppid(),), daemon=True).start()
        sys.exit(run(sys.argv[1:]))
