"""Ranges of user space that lie at the same address in every process."""

from __future__ import annotations

from process_anatomy.memory.physical import PAGE

SHARED_DATA = 0x7FFE0000
"""User address of _KUSER_SHARED_DATA, the same in every process of every Windows."""
SHARED_DATA_END = 0x7FFEFFFF
SHARED_DATA_NAME = "KUSER_SHARED_DATA"
HYPERVISOR_PAGE_NAME = "hypervisor shared page"


def fixed_name(start: int, end: int) -> str:
    """The name of a range at an address that is the same in every process; empty elsewhere."""
    if start == SHARED_DATA and end in (SHARED_DATA + PAGE - 1, SHARED_DATA_END):  # the latter up to Windows 7
        return SHARED_DATA_NAME
    return HYPERVISOR_PAGE_NAME if SHARED_DATA < start <= end <= SHARED_DATA_END and end - start < PAGE else ""
