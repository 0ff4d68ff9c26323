"""Who holds handles to objects of which only the address is known, such as the debug object of a process.

Source: _EPROCESS.DebugPort and the handle tables; whoever debugs a process has a handle to its debug object
(NtCreateDebugObject), for events are waited for and answered through that.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import NamedTuple

import numpy as np

from process_anatomy.walk.handles.rights import rights_text
from process_anatomy.walk.handles.tables import HandleTables
from process_anatomy.walk.processes.listed import Process

DEBUG_OBJECT = "DebugObject"


class Holder(NamedTuple):
    """A handle to an object.

    Attributes:
        process: whose it is.
        value: the number that the process knows it by.
        access: GrantedAccess.
    """

    process: Process
    value: int
    access: int

    @property
    def rights(self) -> str:
        """What the holder may do with a debug object, by name."""
        return rights_text(DEBUG_OBJECT, self.access)


def holders(
    found: HandleTables, processes: Sequence[Process], objects: Collection[int]
) -> dict[int, tuple[Holder, ...]]:
    """The handles to some objects, by the address of each; objects that no handle leads to are left out.

    Args:
        found: the handle tables of the processes.
        processes: whose these are.
        objects: addresses of the bodies of objects.
    """
    entries = found.entries
    kept = np.flatnonzero(np.isin(entries.object, np.array(sorted(objects), dtype=np.uint64)))
    rows: dict[int, list[Holder]] = {}
    for place in kept.tolist():
        holder = Holder(processes[int(entries.owner[place])], int(entries.value[place]), int(entries.access[place]))
        rows.setdefault(int(entries.object[place]), []).append(holder)
    return {address: tuple(row) for address, row in rows.items()}
