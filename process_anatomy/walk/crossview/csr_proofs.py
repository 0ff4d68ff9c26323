"""Which fields of a CSR_PROCESS the memory proves to lie where the layout says, for no public symbols describe it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

from process_anatomy.absent import Absent, Kind
from process_anatomy.memory.view import Records
from process_anatomy.walk.crossview.csr_threads import CsrThread, CsrThreads

FACTS = {
    "nt_session": "NtSession",
    "client_port": "ClientPort",
    "view_base": "ClientViewBase",
    "view_bounds": "ClientViewBounds",
    "handle": "ProcessHandle",
    "sequence": "SequenceNumber",
    "flags": "Flags",
    "debug_flags": "DebugFlags",
    "references": "ReferenceCount",
    "group_id": "ProcessGroupId",
    "group_sequence": "ProcessGroupSequence",
    "last_message": "LastMessageSequence",
    "outstanding": "NumOutstandingMessages",
    "shutdown_level": "ShutdownLevel",
    "shutdown_flags": "ShutdownFlags",
    "luid": "Luid",
}
"""Facts of a row that need a proof, and the fields that hold them."""
BETWEEN_LISTS_AND_HANDLE = ("nt_session", "client_port", "view_base", "view_bounds")
BETWEEN_SEQUENCE_AND_LUID = tuple(list(FACTS)[6:-1])
HANDLES = range(4, 1 << 26, 4)
"""Numbers that a handle can have."""
MOST = 3, 4
"""The part of the nodes that has to bear out a field's place; one damaged node proves nothing against it."""


def _most(answers: Sequence[bool]) -> bool:
    """Whether nearly all of at least two answers are yes."""
    return len(answers) > 1 and sum(answers) * MOST[1] >= len(answers) * MOST[0]


def proved_facts(
    records: Records, lists: Sequence[CsrThreads], logons: Sequence[int | Absent], own: int
) -> frozenset[str]:
    """The facts whose fields the memory proves to lie where the layout says.

    The threads' list is proved by its links, the process handle by csrss.exe's own and by what a handle can be, the
    sequence number by growing along the ring, the logon session by the processes' tokens.  What lies between two
    proved fields is taken as proved with them, for the order of the fields is published.
    """
    proved: set[str] = set()
    addresses = records.addresses.tolist()
    threads = _most(
        [
            not problems and all(thread.node == node for thread in own)
            for node, (own, problems) in zip(addresses, lists, strict=True)
        ]
    )
    handles = records.values("ProcessHandle")
    if handles[0] == own and (len(handles) == 1 or _most([handle in HANDLES for handle in handles[1:]])):
        proved.add("handle")
        proved.update(BETWEEN_LISTS_AND_HANDLE if threads else ())
    numbers = [number for number in records.values("SequenceNumber") if isinstance(number, int)]
    grows = [0 < before < after for before, after in pairwise(numbers)]
    if _most(grows):
        proved.add("sequence")
    luids = records.values("Luid")
    if _most([luid == logon for luid, logon in zip(luids, logons, strict=True) if isinstance(logon, int)]):
        proved.add("luid")
    if {"sequence", "luid"} <= proved:
        proved.update(BETWEEN_SEQUENCE_AND_LUID)
    return frozenset(proved)


def without_handle(thread: CsrThread) -> CsrThread:
    """A thread of a list whose layout is proved only as far as its links and ids."""
    return replace(thread, handle=not_proved("ThreadHandle"), flags=not_proved("Flags"))


def not_proved(field: str) -> Absent:
    """The absence of a field whose place is not proved."""
    return Absent(Kind.NOT_PROVED, "where it lies is not proved on this memory")
