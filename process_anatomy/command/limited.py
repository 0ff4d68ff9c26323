"""``python -m process_anatomy.command.limited BYTES …`` is ``anatomy …`` in a process that may have so much memory.

``unpack ARCHIVE TARGET LIMIT RATIO NOTES`` is done here too, for an archive may ask for memory as an image may.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from pathlib import Path

from process_anatomy.command.program import main
from process_anatomy.command.statuses import DONE, FAILED
from process_anatomy.errors import Error

TOO_MUCH = "it needs more memory than it may have; --memory allows more"
WATCHED = 1.0
"""Seconds between two looks whether the parent is alive."""


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


if __name__ == "__main__":
    threading.Thread(target=end_with, args=(os.getppid(),), daemon=True).start()
    sys.exit(run(sys.argv[1:]))
