"""What a process object says that cannot be true, or not together: another's header, no parent, a half of a protection.

Source: Windows Internals, 7th edition, processes (which fields a process has before its first thread runs, and after
its last one); _DISPATCHER_HEADER and _PS_PROTECTION of the kernel's symbols.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from process_anatomy.absent import NOT_APPLICABLE, Absent
from process_anatomy.kernel.kernel import PID_LIMIT
from process_anatomy.memory.view import Records
from process_anatomy.walk.processes.objects_in_memory import LOCK_MASK, PROCESS

FIRST = frozenset({0, 4})
"""Ids of the processes that nobody started: Idle and System."""
NAME_LENGTH = 14
"""Characters of a program's name that every Windows keeps in its process."""
MANY = 3
"""Processes whose headers agree on their size, at the least, before another size is called odd."""


RENAMED, RUNS_ON = "its name is ", "it has an exit time, but counts "
"""How the problems begin of a program under another name, and of a process that ended and runs."""


def odd_id(pid: int) -> bool:
    """Whether Windows gives no process such an id."""
    return pid % 4 != 0 or pid >= PID_LIMIT


def wrong_headers(records: Records) -> list[str]:
    """For each process what its dispatcher header says that no process's does; empty where it may be one's."""
    types = records.values("HeaderType")
    sizes = records.values("HeaderSize")
    usual, votes = next(iter(Counter(v for v in sizes if isinstance(v, int)).most_common(1)), (0, 0))
    found = []
    for kind, size in zip(types, sizes, strict=True):
        line = ""
        if isinstance(kind, int) and kind & LOCK_MASK != PROCESS.number:
            line = f"its dispatcher header is of type {kind & LOCK_MASK}, a process's is of type {PROCESS.number}"
        elif isinstance(size, int) and votes >= MANY and size != usual:
            line = f"its dispatcher header states the size {size}, those of other processes {usual}"
        found.append(line)
    return found


def contradictions(facts: Mapping[str, Any], owner: Any, section: Any) -> Iterator[str]:
    """Facts of a process that cannot be true together, or that no process has.

    Args:
        facts: by the name of the attribute of :class:`~process_anatomy.walk.processes.listed.Process`.
        owner: id of the process that its handle table says that it belongs to.
        section: where the kernel mapped its program.
    """
    pid, created, ended = facts["pid"], facts["create_time"], facts["exit_time"]
    if isinstance(pid, int) and odd_id(pid):
        yield f"no process has the id {pid:#x}, but the list holds it"
    if isinstance(owner, int) and isinstance(pid, int) and owner != pid:
        yield f"its handle table says that it belongs to process {owner}"
    if isinstance(created, int) and isinstance(ended, int) and ended < created:
        yield "it ended before it was created"
    if isinstance(ended, int) and isinstance(facts["threads"], int) and facts["threads"]:
        yield f"{RUNS_ON}{facts['threads']} threads that run"
    if isinstance(pid, int) and pid not in FIRST and facts["ppid"] == 0:
        yield "it names no parent, though every process but the first has one"
    if isinstance(facts["ppid"], int) and odd_id(facts["ppid"]):
        yield f"no process has the id {facts['ppid']:#x}, which it names as its parent's"
    if facts["name"] == "":
        yield "it has no name"
    elif isinstance(facts["name"], str) and isinstance(facts["image_path"], str):
        program = facts["image_path"].rpartition("\\")[2]
        if program.isascii() and program[:NAME_LENGTH].lower() != facts["name"][:NAME_LENGTH].lower():
            yield f"{RENAMED}{facts['name']}, but it was made from {facts['image_path']}"
    runs = isinstance(facts["peb"], int) and _lives(ended) and facts["minimal"] is not True
    if runs and facts["image_path"] == NOT_APPLICABLE:
        yield "it runs, but names no program that it was made from"
    protection = facts["protection"]
    if isinstance(protection, tuple) and bool(protection[0]) != bool(protection[1]):
        yield f"its protection is half of one: type {protection[0]}, signer {protection[1]}"
    if _lives(ended) and facts["peb"] == NOT_APPLICABLE and isinstance(section, int) and section:
        yield f"it runs a program, mapped at {section:#x}, but has no PEB: that field is zero"


def _lives(ended: Any) -> bool:
    return isinstance(ended, Absent) and ended == NOT_APPLICABLE


def lacking(necessary: Mapping[str, Sequence[Any]], row: int) -> list[str]:
    """What a process that runs a program must have and does not: the field that leads there is zero."""
    return [f"it runs, but has no {what}: that field is zero" for what, values in necessary.items() if values[row] == 0]
