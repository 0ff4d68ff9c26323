"""Objects whose type is known without their headers: processes that a list holds, and the thread of a crash.

A small dump holds few headers and hardly ever the table of types; what a handle leads to may still be known, because
another view has the very object.
"""

from __future__ import annotations

from collections.abc import Sequence

from process_anatomy.kernel.identify import Kernel
from process_anatomy.walk.processes.listed import Process, processes


def known_objects(kernel: Kernel, given: Sequence[Process] = ()) -> dict[int, str]:
    """Address to the name of the type.

    Args:
        kernel: whose memory.
        given: processes that are known beside those of the active list.
    """
    listed = kernel.once("listed processes", lambda found: processes(found).rows)
    # what one bad link led to is no witness: a process that was read has its id
    certain = [process for process in (*listed, *given) if isinstance(process.pid, int)]
    found = {process.token: "Token" for process in certain if isinstance(process.token, int) and process.token}
    found |= {process.address: "Process" for process in certain}
    if kernel.crash is not None:
        found |= {kernel.crash.process: "Process", kernel.crash.thread: "Thread"}
    return found
