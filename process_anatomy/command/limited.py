"""``python -m process_anatomy.command.limited BYTES …`` is ``anatomy …`` in a process that may have so much memory."""

from __future__ import annotations

import sys

from process_anatomy.command.program import main
from process_anatomy.command.statuses import FAILED


def run(arguments: list[str]) -> int:
    """Run the command; gives its exit status.

    Args:
        arguments: bytes of address space, 0 where there is no limit or the system has none, and a command line.
    """
    memory = int(arguments[0])
    if memory and sys.platform != "win32":
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    try:
        return main(arguments[1:])
    except MemoryError:
        print("anatomy: it needs more memory than it may have; --memory allows more", file=sys.stderr)
        return FAILED


if __name__ == "__main__":
    sys.exit(run(sys.argv[1:]))
