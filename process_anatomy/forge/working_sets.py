"""Working sets: counters that agree with the page tables, and the list that they lead to.

Where a build keeps a list of entries (up to Windows 10 1607) it lies at one address in every process, in the part
of system space that is the process's own; later builds have a small structure in the nonpaged pool.
"""

from __future__ import annotations

import struct
from typing import Any

from process_anatomy.forge.memory import KERNEL_DATA, LARGE, PAGE, TRANSITION, VALID, Space
from process_anatomy.forge.objects import ObjectManager
from process_anatomy.forge.processes import Process
from process_anatomy.forge.records import record
from structs.eprocess import EPROCESS
from structs.layout import Build
from structs.working_set import (
    FIRST_BUILD_WITHOUT_ENTRIES,
    FIRST_SPLIT_BUILD,
    MMWSL,
    MMWSL_FULL,
    WSLE_DIRECT,
    WSLE_SIZE,
    WSLE_VALID,
)

LIST_ADDRESS = 0xFFFFF58010804000
"""Where builds 9600 to 10586 keep it; 14393 keeps it at a place that was not published, here at the same."""
ENTRIES_ADDRESS = 0xFFFFF58010806000
SMALLEST, LARGEST = 50, 345
"""Limits that Windows gives to ordinary processes, as seen in real dumps."""
INSTANCE_SIZE = 0x28
ROOT_SHIFT = 39
OWN_ENTRY = LIST_ADDRESS >> ROOT_SHIFT & 511
"""The root table's entry that is the process's own."""


def lists_entries(build: Build) -> bool:
    """Whether a build keeps a list with an entry for each page."""
    return build.number < FIRST_BUILD_WITHOUT_ENTRIES


class WorkingSets:
    """Writes them when everything else is done: the page tables decide the counters."""

    def __init__(self, objects: ObjectManager) -> None:
        self.objects, self.build, self.kernel = objects, objects.build, objects.kernel

    def write(self, process: Process) -> dict[str, Any]:
        """Counters and list of a process, after its user half is complete; gives the truth."""
        space = process.space
        resident, large, transition, tables = user_half(space)
        facts: dict[str, Any] = {
            "large": 512 * len(large),
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
        if lists_entries(self.build):
            known = "WorkingSetLeafSize" in self.build[EPROCESS]  # before it the list has a shape that is not declared
            self._list(space, resident if known else None)
            facts |= {"list": LIST_ADDRESS, "own_space": True, "list_entries": len(resident) if known else None}
        else:
            facts["list"] = self.objects.nonpaged.put(bytes(INSTANCE_SIZE), b"MmWs")
        return self._store(process, facts)

    def _list(self, space: Space, resident: list[int] | None) -> None:
        """The list and its entries, with some free ones between them, as after trimming; or an empty page."""
        space.map(LIST_ADDRESS, space.memory.take(), KERNEL_DATA)
        if resident is None:
            return
        entries = []
        for number, address in enumerate(resident):
            entries += [address | WSLE_VALID | WSLE_DIRECT] + [number << 1] * (number % 5 == 4)
        data = struct.pack(f"<{len(entries)}Q", *entries)
        for page in range(0, max(len(data), 1), PAGE):
            space.map(ENTRIES_ADDRESS + page, space.memory.take(), KERNEL_DATA)
        space.write(ENTRIES_ADDRESS, data)
        header = record(
            self.build,
            MMWSL_FULL if self.build.number >= FIRST_SPLIT_BUILD else MMWSL,
            LastEntry=max(len(entries) - 1, 0),
            LastInitializedWsle=-(-max(len(data), 1) // PAGE) * PAGE // WSLE_SIZE - 1,
            WsleSize=WSLE_SIZE,
            Wsle=ENTRIES_ADDRESS,
        )
        space.write(LIST_ADDRESS, header)

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
    """Addresses of valid, large and transition pages of the user half, and how many tables map it."""
    valid: list[int] = []
    large: list[int] = []
    transition: list[int] = []
    tables = 0
    pending = [(0, space.root, ROOT_SHIFT)]
    while pending:
        base, table, shift = pending.pop()
        tables += 1
        entries = struct.unpack("<512Q", space.memory.pages[table])
        for index, entry in enumerate(entries[:256] if shift == ROOT_SHIFT else entries):
            address = base | index << shift
            if shift == 12 and entry & VALID:
                valid.append(address)
            elif shift == 12 and entry & TRANSITION and not entry & 0x400:
                transition.append(address)
            elif shift == 21 and entry & VALID and entry & LARGE:
                large.append(address)
            elif shift > 12 and entry & VALID:
                pending.append((address, (entry & 0xFFFFFFFFFF000) // PAGE, shift - 9))
    return sorted(valid), sorted(large), sorted(transition), tables
