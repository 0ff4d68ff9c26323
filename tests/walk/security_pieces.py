"""Pieces of security structures made by hand, for walks over memory that holds nothing else."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence

from hypothesis import strategies as st

from process_anatomy.kernel.identify import Kernel
from process_anatomy.memory.view import View
from structs import builds
from tests.memory.patchwork import Patchwork

BUILD = builds.load("x64-19041-0")
POOL = 0xFFFF_A000_0000_0000
"""Where the pieces lie: a kernel address."""

sub_authorities = st.lists(st.integers(0, (1 << 32) - 1), max_size=15)
authorities = st.integers(0, (1 << 48) - 1)
sids = st.builds(lambda top, rest: "-".join(["S", "1", str(top), *map(str, rest)]), authorities, sub_authorities)
"""SIDs as text."""


def kernel_over(pieces: Mapping[int, bytes]) -> Kernel:
    """A kernel whose memory is these pieces."""
    return Kernel(View(Patchwork(pieces), BUILD), BUILD.number, 0, 0, None, 0)


def sid_bytes(text: str) -> bytes:
    """A SID as Windows stores it."""
    top, *rest = map(int, text.split("-")[2:])
    return bytes([1, len(rest)]) + top.to_bytes(6, "big") + struct.pack(f"<{len(rest)}I", *rest)


def ace_bytes(kind: int, flags: int, mask: int, sid: str) -> bytes:
    """An entry of an access control list."""
    body = struct.pack("<I", mask) + sid_bytes(sid)
    return struct.pack("<BBH", kind, flags, 4 + len(body)) + body


def acl_bytes(entries: Sequence[bytes], revision: int = 2, spare: int = 0) -> bytes:
    """An access control list with unused room behind its entries."""
    body = b"".join(entries)
    return struct.pack("<BBHHH", revision, 0, 8 + len(body) + spare, len(entries), 0) + body + bytes(spare)


def utf16(text: str) -> bytes:
    """Characters as Windows stores them."""
    return text.encode("utf-16-le")
