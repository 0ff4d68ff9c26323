"""Where the second PEB of a 32-bit process on 64-bit Windows lies."""

from __future__ import annotations

from collections.abc import Sequence

from process_anatomy.absent import Absent, Kind
from process_anatomy.kernel.identify import Kernel
from process_anatomy.memory.space import Addresses
from process_anatomy.memory.view import addresses_of, unreadable
from process_anatomy.walk.processes.listed import Process
from structs.peb import EWOW64PROCESS, WOW64_PROCESS


def small_pebs(kernel: Kernel, processes: Sequence[Process], pointers: list[int | Absent]) -> dict[int, int | Absent]:
    """The addresses of 32-bit PEBs, by the row of the process, for processes whose WoW64Process leads to one.

    WoW64Process is the PEB's address itself from Windows 7 to 8.1, and that of a kernel structure elsewhere.
    """
    found: dict[int, int | Absent] = {
        row: pointer
        for row, pointer in enumerate(pointers)
        if isinstance(pointer, int) and 0 < pointer < kernel.system_start
    }
    rows = [row for row, pointer in enumerate(pointers) if isinstance(pointer, int) and pointer >= kernel.system_start]
    where = addresses_of(
        [pointer for pointer in pointers if isinstance(pointer, int) and pointer >= kernel.system_start]
    )
    layout, field = (EWOW64PROCESS, "Peb") if EWOW64PROCESS in kernel.build else (WOW64_PROCESS, "Wow64")
    # the 32-bit PEB is the first word of every such structure that is known
    known = layout in kernel.build
    values = kernel.view.records(layout, where).values(field) if known else _words(kernel, where)
    found |= dict(zip(rows, values, strict=True))
    return {row: _address_of(found[row], f"process {processes[row].pid}") for row in sorted(found)}


def _words(kernel: Kernel, where: Addresses) -> list[int | Absent]:
    """The pointer at each address."""
    size = kernel.build.pointer_size
    data, there = kernel.space.read_many(where, size)
    words = data.view(f"<u{size}").reshape(-1).tolist()
    return [
        word if readable else unreadable(kernel.space, address, size)
        for word, readable, address in zip(words, there.tolist(), where.tolist(), strict=True)
    ]


def _address_of(value: int | Absent, whose: str) -> int | Absent:
    if isinstance(value, Absent) or 0 < value < 1 << 32:
        return value
    return Absent(Kind.IMPLAUSIBLE, f"a 32-bit PEB of {whose} at {value:#x}")
