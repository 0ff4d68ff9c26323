"""Command lines: what each PEB says that the process was started with, read through the process's own tables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from process_anatomy.absent import NOT_APPLICABLE, Absent, Kind
from process_anatomy.kernel.identify import KERNEL_HALF, Kernel
from process_anatomy.memory.address_space import AddressSpace
from process_anatomy.memory.view import View, addresses_of, unreadable
from process_anatomy.walk.processes import Process
from structs.peb import PEB, PROCESS_PARAMETERS


@dataclass(frozen=True, slots=True)
class CommandLine:
    """What a process was started with, as its PEB tells it: user memory, which the process itself can change.

    Attributes:
        image_path: path of the program.
        text: command line.
    """

    image_path: str | Absent
    text: str | Absent


def command_lines(kernel: Kernel, processes: Sequence[Process]) -> list[CommandLine]:
    """The command line of each process; not applicable for a process without a PEB."""
    found: list[CommandLine] = []
    space = kernel.space
    if not isinstance(space, AddressSpace):
        gone = Absent(Kind.NOT_IN_DUMP, "the process's own memory is not in a small dump")
        return [CommandLine(gone, gone)] * len(processes)
    pebs = addresses_of([p.peb if isinstance(p.peb, int) and p.peb < KERNEL_HALF else 0 for p in processes])
    roots = addresses_of([p.dtb if isinstance(p.dtb, int) else 0 for p in processes])
    place = kernel.build[PEB].place("ProcessParameters")
    data, there = space.read_many(pebs + np.uint64(place.offset), place.size, roots)
    pointers = data.view(f"<u{place.size}").reshape(-1).tolist()
    for process, peb, pointer, readable in zip(processes, pebs.tolist(), pointers, there.tolist(), strict=True):
        if not isinstance(process.peb, int):
            found.append(CommandLine(process.peb, process.peb))
        elif not peb or not isinstance(process.dtb, int):
            gone = Absent(Kind.IMPLAUSIBLE, f"no PEB at {process.peb:#x}")
            found.append(CommandLine(gone, gone))
        else:
            own = AddressSpace(space.memory, process.dtb, space.mode)
            found.append(_read(View(own, kernel.build), peb + place.offset, pointer if readable else None))
    return found


def _read(view: View, at: int, parameters: int | None) -> CommandLine:
    if parameters is None:
        gone = unreadable(view.space, at, view.space.pointer_size)
        return CommandLine(gone, gone)
    if not 0 < parameters < KERNEL_HALF:
        gone = NOT_APPLICABLE if parameters == 0 else Absent(Kind.IMPLAUSIBLE, f"parameters at {parameters:#x}")
        return CommandLine(gone, gone)
    records = view.records(PROCESS_PARAMETERS, addresses_of([parameters]))
    texts = [
        value if isinstance(value, Absent) else view.string(_address(value.Buffer, parameters), value.Length)
        for value in (records.values("ImagePathName")[0], records.values("CommandLine")[0])
    ]
    return CommandLine(*texts)


def _address(buffer: int, parameters: int) -> int:
    """Strings of parameters that were not yet normalised are told by their offset, not their address."""
    return parameters + buffer if 0 < buffer < 0x10000 else buffer
