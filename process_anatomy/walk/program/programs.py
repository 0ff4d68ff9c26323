"""Programs: the kernel's own record of what each process runs, which the process itself cannot change.

The PEB, the loader's lists and the header in memory tell the same once more, in memory that the process can write to.

Source: _EPROCESS.SectionBaseAddress and DebugPort; Windows Internals, part 1, chapter 3.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from process_anatomy.absent import NOT_APPLICABLE, Absent
from process_anatomy.kernel.identify import Kernel
from process_anatomy.memory.view import addresses_of
from process_anatomy.walk.processes.listed import Process
from structs.eprocess import EPROCESS


@dataclass(frozen=True, slots=True)
class Program:
    """What the kernel keeps of the program of one process.  Every fact may be absent.

    Attributes:
        process: the process.
        base: where the program was mapped (SectionBaseAddress), not applicable for a process without one.
        debug_port: address of the debug object, 0 while nobody debugs it.
    """

    process: Process
    base: int | Absent
    debug_port: int | Absent


def programs(kernel: Kernel, processes: Sequence[Process]) -> list[Program]:
    """The kernel's record of each of these processes, in their order, all in one batch."""
    records = kernel.view.records(EPROCESS, addresses_of([process.address for process in processes]))
    bases = [NOT_APPLICABLE if value == 0 else value for value in records.values("SectionBaseAddress")]
    return [Program(*row) for row in zip(processes, bases, records.values("DebugPort"), strict=True)]
