"""Working sets: counters that agree with the page tables, and the list that they lead to.

Where a build keeps a list of entries (up to Windows 10 1607) it lies at one address in every process, in the part
of system space that is the process's own; later builds have a small structure in the nonpaged pool.
"""

from __future__ import annotations

from typing import Any

from process_anatomy.forge.ground.records import pointers, record
from process_anatomy.forge.memory.frames import KERNEL_DATA, LARGE, PAGE, PROTOTYPE, TRANSITION, VALID
from process_anatomy.forge.memory.modes import PAE
from process_anatomy.forge.memory.page_tables import Space
from process_anatomy.forge.memory.system_space import SystemSpace
from process_anatomy.forge.objects.object_manager import ObjectManager
from process_anatomy.forge.parts.process import Process
from structs.eprocess import EPROCESS
from structs.layout import Layout
from structs.working_set import (
    FIRST_SPLIT_BUILD,
    MMWSL,
    MMWSL_2600,
    MMWSL_6000,
    MMWSL_9200,
    MMWSL_FULL,
    WSLE_DIRECT,
    WSLE_VALID,
)

ENTRIES_BEHIND_LIST = 0x2000
SMALLEST, LARGEST = 50, 345
"""Limits that Windows gives to ordinary processes, as seen in real dumps."""
INSTANCE_SIZE = 0x28
OLD_SHAPES = ((9200, MMWSL_9200), (6000, MMWSL_6000), (0, MMWSL_2600))
"""First build numbers of the shapes of the list before the Update of Windows 8.1, newest first."""


class WorkingSets:
    """Writes them when everything else is done: the page tables decide the counters."""

    def __init__(self, objects: ObjectManager, places: SystemSpace) -> None:
        self.objects, self.build, self.kernel = objects, objects.build, objects.kernel
        self.address = places.working_set_list

    @property
    def own_addresses(self) -> list[int]:
        """Addresses of system space whose contents are the process's own."""
        return [self.address] if self.address else []

    def write(self, process: Process) -> dict[str, Any]:
        """Counters and list of a process, after its user half is complete; gives the truth."""
        space = process.space
        resident, large, transition, tables = user_half(space)
        facts: dict[str, Any] = {
            "large": space.mode.large_frames * len(large),
            "list": 0,
            "list_entries": None,
            "own_space": False,
            "page_tables": tables,
            "resident": len(resident),
            "size": 0,
            "transition": len(transition),
        }
        if not process.alive:  # its working set was given up with its address space
            return self._store(process, facts | {"leaf": 0, "peak": 300, "faults": 900})
        facts |= {"leaf": len(resident), "size": len(resident) + tables}
        facts |= {"peak": len(resident) + len(transition), "faults": 3 * len(resident) + len(transition)}
        if self.address:
            self._list(space, resident)
            facts |= {"list": self.address, "own_space": True, "list_entries": len(resident)}
        else:
            facts["list"] = self.objects.nonpaged.put(bytes(INSTANCE_SIZE), b"MmWs")
        return self._store(process, facts)

    def _shape(self) -> Layout:
        """The layout of the list in this build."""
        if "WorkingSetLeafSize" in self.build[EPROCESS]:
            return MMWSL_FULL if self.build.number >= FIRST_SPLIT_BUILD else MMWSL
        return next(shape for first, shape in OLD_SHAPES if self.build.number >= first)

    def _list(self, space: Space, resident: list[int]) -> None:
        """The list and its entries, with some free ones between them, as after trimming."""
        space.map(self.address, space.memory.take(), KERNEL_DATA)
        size = self.build.pointer_size
        entries = []
        for number, address in enumerate(resident):
            entries += [address | WSLE_VALID | WSLE_DIRECT] + [number << 1] * (number % 5 == 4)
        data = pointers(self.build, *entries)
        for page in range(0, max(len(data), 1), PAGE):
            space.map(self.address + ENTRIES_BEHIND_LIST + page, space.memory.take(), KERNEL_DATA)
        space.write(self.address + ENTRIES_BEHIND_LIST, data)
        shape = self._shape()
        header = record(
            self.build,
            shape,
            LastEntry=max(len(entries) - 1, 0),
            LastInitializedWsle=-(-max(len(data), 1) // PAGE) * PAGE // size - 1,
            **({"WsleSize": size} if "WsleSize" in shape.fields else {}),
            Wsle=self.address + ENTRIES_BEHIND_LIST,
        )
        space.write(self.address, header)

    def _store(self, process: Process, facts: dict[str, Any]) -> dict[str, Any]:
        values = {
            "WorkingSetSize": facts["size"],
            "WorkingSetLeafSize": facts["leaf"],
            "PeakWorkingSetSize": facts["peak"],
            "MinimumWorkingSetSize": SMALLEST,
            "MaximumWorkingSetSize": LARGEST,
            "PageFaultCount": facts["faults"],
            "VmWorkingSetList": facts["list"],
        }
        structure = self.build[EPROCESS]
        for name, value in values.items():
            if name not in structure:
                continue
            place = structure.place(name)
            self.kernel.write(process.eprocess + place.offset, value.to_bytes(place.size, "little"))
        return dict(sorted(facts.items()))


def user_half(space: Space) -> tuple[list[int], list[int], list[int], int]:
    """Addresses of valid, large and transition pages of the user half, and how many pages of tables map it."""
    valid: list[int] = []
    large: list[int] = []
    transition: list[int] = []
    mode = space.mode
    last, large_depth = len(mode.shifts) - 1, mode.shifts.index(mode.large_shift)
    tables = 0 if mode is PAE else 1  # with PAE, the roots of many processes share a page
    for address, depth, entry in space.user_half():
        if depth == last and entry & VALID:
            valid.append(address)
        elif depth == last and entry & TRANSITION and not entry & PROTOTYPE:
            transition.append(address)
        elif depth == large_depth and entry & VALID and entry & LARGE:
            large.append(address)
        elif depth < last and entry & VALID:
            tables += 1
    return sorted(valid), sorted(large), sorted(transition), tables
