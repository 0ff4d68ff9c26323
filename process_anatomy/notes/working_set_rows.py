"""Which note belongs to a row of working sets, and the facts that fill it in.

As :mod:`process_anatomy.notes.process_rows`: pure functions; the words are in the notes.
"""

from __future__ import annotations

from process_anatomy.absent import Absent, Kind
from process_anatomy.kernel.identify import SYSTEM_PID
from process_anatomy.notes.process_rows import count, who, word
from process_anatomy.walk.address_space.working_sets import SAME, WorkingSet

NONE = "none"


def working_set_note(row: WorkingSet) -> tuple[str, dict[str, object]]:
    """The note of a process's working set."""
    facts = who(row.process) | {
        "size": count(row.size, "page"),
        "peak": count(row.peak, "page"),
        "leaf": count(row.leaf_size, "page"),
        "resident": count(row.resident, "page"),
        "large": count(row.large, "page"),
        "transition": count(row.transition, "page"),
        "trimmed": NONE if row.transition == 0 else count(row.transition, "page"),
        "left": NONE if row.resident == 0 else count(row.resident, "page"),
        "compressed": count(row.compressed, "page"),
        "tables": count(row.tables, "page table"),
        "address": f"{row.list_address:#x}" if isinstance(row.list_address, int) else "no address",
        "entries": count(row.entries, "entry"),
        "through": word(row.through_another),
    }
    return f"working-set-row/{_kind(row)}", facts


def _kind(row: WorkingSet) -> str:
    process = row.process
    if isinstance(row.resident, Absent):
        return "small-dump" if row.resident.kind is Kind.NOT_IN_DUMP else "unreadable"
    if process.pid == SYSTEM_PID:
        return "system"
    if isinstance(process.exit_time, int):
        return "exited"
    if isinstance(row.through_another, str) and row.through_another != SAME:
        return "own-list"
    if process.minimal is True:
        return "minimal"
    if row.resident == 0 and (isinstance(row.large, Absent) or row.large == 0):
        return "nothing-resident"
    return "resident"
