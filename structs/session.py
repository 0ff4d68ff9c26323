"""Session space: what the processes of one logon's desktop share."""

from __future__ import annotations

from structs.field_types import ListEntry, UInt
from structs.layout import Layout, at

MM_SESSION_SPACE = Layout(
    "_MM_SESSION_SPACE",
    "the memory manager's record of a session",
    {
        "SessionId": at(UInt, "number of the session"),
        "ProcessList": at(ListEntry, "head of the list of processes of the session"),
    },
)

PSP_SESSION_SPACE_SESSION_ID = 8
"""Offset of the session id in _PSP_SESSION_SPACE, which replaced _MM_SESSION_SPACE in build 26100.

The kernel's symbols name the type without its members; that a four-byte id still lies here is public
knowledge (Volatility 3 reads it there as well).
"""
