"""Pages compressed as Windows does: plain Xpress (LZ77), and LZ4.

Sources: MS-XCA, "Xpress Compression Algorithm", 2.3 (plain LZ77); the LZ4 block format, with its rules for the end of a
block.
"""

from __future__ import annotations

import struct

SHORTEST = 3
"""Bytes of the shortest match of Xpress."""
WINDOW = 1 << 13
"""How far back a match of Xpress may lie."""
FLAGS = 32
"""Flags of Xpress that are kept together."""
LZ4_SHORTEST, LZ4_TAIL, LZ4_LAST_MATCH = 4, 5, 12
"""Bytes of the shortest match of LZ4; that are literals at the end of a block; from where on no match begins."""


def _match(data: bytes, here: int, before: int | None, shortest: int, window: int, end: int) -> int:
    """Length of the match with what lies before, 0 where there is none that counts."""
    if before is None or here - before > window or data[before : before + shortest] != data[here : here + shortest]:
        return 0
    length = shortest
    while here + length < end and data[before + length] == data[here + length]:
        length += 1
    return length if here + shortest <= end else 0


class _Xpress:
    """Output in the making: flags, and where the half octet of a length is still free."""

    def __init__(self) -> None:
        self.out = bytearray(4)
        self.flags_at = self.flags = self.count = 0
        self.half: int | None = None

    def flag(self, value: int) -> None:
        """Say what comes next: 0 a literal, 1 a match; called when it is written."""
        self.flags, self.count = self.flags << 1 | value, self.count + 1
        if self.count == FLAGS:
            struct.pack_into("<I", self.out, self.flags_at, self.flags)
            self.flags_at, self.flags, self.count = len(self.out), 0, 0
            self.out += bytes(4)

    def match(self, distance: int, length: int) -> None:
        """Write a match."""
        rest = length - SHORTEST
        self.out += struct.pack("<H", distance - 1 << 3 | min(rest, 7))
        if rest < 7:
            return
        half = min(rest - 7, 15)
        if self.half is None:
            self.half = len(self.out)
            self.out.append(half)
        else:
            self.out[self.half] |= half << 4
            self.half = None
        if half < 15:
            return
        if rest - 22 < 255:
            self.out.append(rest - 22)
        else:
            self.out += struct.pack("<BH", 255, rest)

    def finished(self) -> bytes:
        """All of it; flags that nothing follows are set."""
        left = FLAGS - self.count
        struct.pack_into("<I", self.out, self.flags_at, self.flags << left | (1 << left) - 1)
        return bytes(self.out)


def xpress(data: bytes) -> bytes:
    """Data compressed with plain LZ77 (COMPRESSION_FORMAT_XPRESS)."""
    made, seen, here = _Xpress(), dict[bytes, int](), 0
    while here < len(data):
        key = data[here : here + SHORTEST]
        before = seen.get(key)
        length = _match(data, here, before, SHORTEST, WINDOW, len(data))
        if length and before is not None:
            made.match(here - before, length)
        else:
            length = 1
            made.out.append(data[here])
        made.flag(int(length > 1))
        for place in range(here, here + length):
            seen[data[place : place + SHORTEST]] = place
        here += length
    return made.finished()


def _long(length: int) -> bytes:
    """What a length adds behind the four bits that it has in the token."""
    if length < 15:
        return b""
    full, rest = divmod(length - 15, 255)
    return b"\xff" * full + bytes([rest])


def lz4(data: bytes) -> bytes:
    """Data compressed as one LZ4 block."""
    out, seen = bytearray(), dict[bytes, int]()
    here = start = 0
    while here < len(data) - LZ4_LAST_MATCH:
        key = data[here : here + LZ4_SHORTEST]
        before = seen.get(key)
        length = _match(data, here, before, LZ4_SHORTEST, 0xFFFF, len(data) - LZ4_TAIL)
        seen[key] = here
        if not length or before is None:
            here += 1
            continue
        literals, more = data[start:here], length - LZ4_SHORTEST
        out.append(min(len(literals), 15) << 4 | min(more, 15))
        out += _long(len(literals)) + literals + struct.pack("<H", here - before) + _long(more)
        here = start = here + length
    literals = data[start:]
    out.append(min(len(literals), 15) << 4)
    out += _long(len(literals)) + literals
    return bytes(out)
