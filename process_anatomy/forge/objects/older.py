"""Objects before Windows 8: handles that hold an address, headers that name their type and count back to others.

Sources: Windows Research Kernel (Microsoft's shared source of Server 2003 SP1), base/ntos/inc/ob.h and ex.h: the lowest
bit of a handle's first word says that nobody is changing it, the next ones that children inherit it and that closing
it is audited; protection from closing is a bit above the rights.
"""

from __future__ import annotations

from process_anatomy.forge.ground.records import record
from process_anatomy.forge.parts.handle import INHERITED, PROTECTED
from structs.handle import HANDLE_TABLE_ENTRY
from structs.layout import Build

OLD_TYPES = [
    "Type", "Directory", "SymbolicLink", "Token", "Process", "Thread", "Job", "DebugObject", "Event", "EventPair",
    "Mutant", "Callback", "Semaphore", "Timer", "Profile", "KeyedEvent", "WindowStation", "Desktop", "Section", "Key",
    "Port", "WaitablePort", "Adapter", "Controller", "Device", "Driver", "IoCompletion", "File", "WmiGuid",
]  # fmt: skip
"""Types of objects of XP and Server 2003, in the order of their making."""
FIRST_WITH_TYPE = {
    "UserApcReserve": (6, 1), "IoCompletionReserve": (6, 1), "Session": (6, 1), "IRTimer": (6, 2),
    "WaitCompletionPacket": (6, 2),
}  # fmt: skip
"""Type of objects to the version of Windows that brought it, where that is younger than Vista."""
QUOTA_SIZES = {8: 0x20, 4: 0x10}
"""Bytes of an address to those of the optional header with what an object costs."""
UNLOCKED = 1
PROTECT_FROM_CLOSE = 0x2000000
"""Bit above the rights: closing the handle is forbidden."""
NO_ENTRY = 0xFFFFFFFE
"""What the first entry of a page holds instead of a free one's successor: it is for additional information."""


def offsets_back(quota: int, name: int) -> dict[str, int]:
    """The fields of an object header that say how far in front of it optional headers begin.

    Args:
        quota: bytes of the header with what the object costs, zero for none; it comes first.
        name: bytes of the header with the object's name, zero for none.
    """
    return {"NameInfoOffset": name, "QuotaInfoOffset": quota and quota + name}


def old_entry(build: Build, pointer: int, access: int, attributes: int) -> bytes:
    """A handle: the object's address and flags, and the rights."""
    return record(
        build,
        HANDLE_TABLE_ENTRY,
        Object=pointer | UNLOCKED | attributes & INHERITED,
        GrantedAccess=access & 0x1FFFFFF | PROTECT_FROM_CLOSE * bool(attributes & PROTECTED),
    )


def old_free_entry(build: Build, following: int | None) -> bytes:
    """A free entry that leads to the next; ``None`` for the first of a page, which is never free."""
    return record(build, HANDLE_TABLE_ENTRY, GrantedAccess=NO_ENTRY if following is None else following)
