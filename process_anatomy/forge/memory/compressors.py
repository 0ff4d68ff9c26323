"""Memory compressed as Windows does: plain Xpress (LZ77), Xpress with Huffman codes, LZNT1, and LZ4.

Sources: MS-XCA, "Xpress Compression Algorithm", 2.1 (LZ77 with Huffman codes), 2.3 (plain LZ77), 2.5 (LZNT1); the LZ4
block format, with its rules for the end of a block.
"""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Iterator
from functools import lru_cache
from heapq import heapify, heappop, heappush

SHORTEST = 3
"""Bytes of the shortest match of Xpress."""
WINDOW = 1 << 13
"""How far back a match of Xpress may lie."""
FLAGS = 32
"""Flags of Xpress that are kept together."""
FAR, SYMBOLS, LONGEST_CODE, END = (1 << 16) - 1, 512, 15, 256
"""With Huffman codes: how far back a match may lie; symbols; bits of the longest code; the symbol that ends a block."""
LZNT1_CHUNK = 1 << 12
"""Bytes that LZNT1 compresses by themselves."""
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


def _tokens(data: bytes, window: int) -> Iterator[tuple[int, int]]:
    """Literals, as themselves with 0, and matches: how far back, and how long."""
    seen, here = dict[bytes, int](), 0
    while here < len(data):
        key = data[here : here + SHORTEST]
        before = seen.get(key)
        length = _match(data, here, before, SHORTEST, window, len(data))
        if length and before is not None:
            yield here - before, length
        else:
            length = 1
            yield data[here], 0
        for place in range(here, here + length):
            seen[data[place : place + SHORTEST]] = place
        here += length


def xpress(data: bytes) -> bytes:
    """Data compressed with plain LZ77 (COMPRESSION_FORMAT_XPRESS)."""
    made = _Xpress()
    for what, length in _tokens(data, WINDOW):
        if length:
            made.match(what, length)
        else:
            made.out.append(what)
        made.flag(int(length > 0))
    return made.finished()


def _code_lengths(counts: Counter[int]) -> dict[int, int]:
    """Bits of each symbol's Huffman code, none longer than :data:`LONGEST_CODE`."""
    while True:
        lengths = dict.fromkeys(counts, 0)
        pending = [(count, symbol, [symbol]) for symbol, count in counts.items()]
        heapify(pending)
        while len(pending) > 1:
            (one, first, left), (other, _, right) = heappop(pending), heappop(pending)
            for symbol in left + right:
                lengths[symbol] += 1
            heappush(pending, (one + other, first, left + right))
        if max(lengths.values()) <= LONGEST_CODE:
            return {symbol: max(length, 1) for symbol, length in lengths.items()}
        counts = Counter({symbol: count // 2 + 1 for symbol, count in counts.items()})


class _Bits:
    """Bits in words of 16, the highest first; octets between them lie behind the two words that a reader holds."""

    def __init__(self, table: bytes) -> None:
        self.out = bytearray(table + bytes(4))
        self.places = [len(table), len(table) + 2]
        self.value = self.count = 0

    def put(self, value: int, count: int) -> None:
        """Write the lowest bits of a value."""
        self.value, self.count = self.value << count | value, self.count + count
        while self.count > 16:  # a reader takes the next word only when it needs more than it has
            self.count -= 16
            struct.pack_into("<H", self.out, self.places[0], self.value >> self.count)
            self.value &= (1 << self.count) - 1
            self.places = [self.places[1], len(self.out)]
            self.out += bytes(2)

    def finished(self) -> bytes:
        """All of it."""
        struct.pack_into("<H", self.out, self.places[0], self.value << 16 - self.count)
        return bytes(self.out)


def xpress_huffman(data: bytes) -> bytes:
    """At most 64 KB compressed with LZ77 and Huffman codes (COMPRESSION_FORMAT_XPRESS_HUFF)."""
    tokens = list(_tokens(data, FAR))
    symbols = [
        END + (min(length - SHORTEST, 15) | what.bit_length() - 1 << 4) if length else what for what, length in tokens
    ]
    lengths = _code_lengths(Counter([*symbols, END]))
    codes, code, before = dict[int, int](), 0, 0
    for symbol in sorted(lengths, key=lambda symbol: (lengths[symbol], symbol)):
        code <<= lengths[symbol] - before
        codes[symbol], before, code = code, lengths[symbol], code + 1
    made = _Bits(bytes(lengths.get(at, 0) | lengths.get(at + 1, 0) << 4 for at in range(0, SYMBOLS, 2)))
    for symbol, (what, length) in zip(symbols, tokens, strict=True):
        made.put(codes[symbol], lengths[symbol])
        if not length:
            continue
        rest = length - SHORTEST
        if rest >= 15:
            made.out += bytes([rest - 15]) if rest - 15 < 255 else struct.pack("<BH", 255, rest)
        bits = what.bit_length() - 1
        made.put(what - (1 << bits), bits)
    made.put(codes[END], lengths[END])
    return made.finished()


def lznt1(data: bytes) -> bytes:
    """Data compressed with LZNT1 (COMPRESSION_FORMAT_LZNT1): chunks of 4,096 bytes, each for itself."""
    out = bytearray()
    for at in range(0, len(data), LZNT1_CHUNK):
        chunk = data[at : at + LZNT1_CHUNK]
        packed = _lznt1_chunk(chunk)
        whole = len(packed) >= len(chunk)
        out += struct.pack("<H", (0x3000 if whole else 0xB000) | len(chunk if whole else packed) - 1)
        out += chunk if whole else packed
    return bytes(out)


@lru_cache(maxsize=4)  # most of them are empty
def _lznt1_chunk(chunk: bytes) -> bytes:
    """Groups of eight literals and matches behind an octet of flags; the further on, the more bits has a distance."""
    out, seen, here = bytearray(), dict[bytes, int](), 0
    flags_at, count = 0, 8
    while here < len(chunk):
        if count == 8:
            flags_at, count = len(out), 0
            out.append(0)
        before = seen.get(chunk[here : here + SHORTEST])
        bits = 12 - max(0, (here - 1).bit_length() - 4)
        end = min(len(chunk), here + (1 << bits) - 1 + SHORTEST)
        length = _match(chunk, here, before, SHORTEST, LZNT1_CHUNK, end)
        if length and before is not None:
            out[flags_at] |= 1 << count
            out += struct.pack("<H", here - before - 1 << bits | length - SHORTEST)
        else:
            length = 1
            out.append(chunk[here])
        for place in range(here, here + length):
            seen[chunk[place : place + SHORTEST]] = place
        here, count = here + length, count + 1
    return bytes(out)


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
