"""Where Windows lies, as the page says that the kernel shares with every process; and who is in a container.

Source: _KUSER_SHARED_DATA.NtSystemRoot, _EPROCESS.ServerSilo of the kernel's symbols.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from process_anatomy.absent import NOT_APPLICABLE, Absent, Kind
from process_anatomy.kernel.identify import Kernel
from process_anatomy.memory.view import addresses_of
from process_anatomy.walk.processes.listed import Process
from structs.eprocess import EPROCESS
from structs.shared_data import KUSER_SHARED_DATA, KUSER_SHARED_DATA_ADDRESS

FOLDER = re.compile(r"[A-Za-z]:(\\[^\\/:*?\"<>|\x00-\x1f]+)+\\?")
"""A folder's path with its drive."""


def system_root(kernel: Kernel) -> str | Absent:
    r"""The Windows folder with its drive, for instance ``C:\Windows``."""
    where = KUSER_SHARED_DATA_ADDRESS[kernel.space.pointer_size]
    (data,) = kernel.view.records(KUSER_SHARED_DATA, addresses_of([where])).values("NtSystemRoot")
    if isinstance(data, Absent):
        return data
    text = bytes(data).decode("utf-16-le", "replace").partition("\0")[0]
    if not FOLDER.fullmatch(text):
        return Absent(Kind.IMPLAUSIBLE, f"{text!a} is no folder")
    return text.rstrip("\\")


def silos(kernel: Kernel, processes: Sequence[Process]) -> dict[int, int | Absent]:
    """The server silo (container) that each process is in, by the process's address; not applicable outside any."""
    if "ServerSilo" not in kernel.build[EPROCESS]:
        gone = Absent(Kind.NOT_IN_BUILD, f"_EPROCESS.ServerSilo is not in the layout of build {kernel.build.name}")
        return {process.address: gone for process in processes}
    values = kernel.view.records(EPROCESS, addresses_of([p.address for p in processes])).values("ServerSilo")
    return {p.address: NOT_APPLICABLE if v == 0 else v for p, v in zip(processes, values, strict=True)}
