"""What Windows compressed: a page, or a block of pages, gives exactly the bytes that it should, or a reason.

Source: MS-XCA, "Xpress Compression Algorithm", 2.1 and 2.2 (LZ77 with Huffman codes), 2.3 and 2.4 (plain LZ77), 2.5
(LZNT1); the LZ4 block format.
"""

from __future__ import annotations

import struct
from collections.abc import Callable

from process_anatomy.memory.physical import PAGE

LONGEST_MATCH = 1 << 15
"""Bytes of a match of plain LZ77 that libfwnt takes at the most, or a few more."""
Decompress = Callable[[bytes], "bytes | str"]
"""Compressed bytes of one page to its bytes, or to the reason why there are none."""


def xpress(data: bytes, size: int = PAGE) -> bytes | str:
    """What was compressed with plain LZ77 (COMPRESSION_FORMAT_XPRESS): a page, or ``size`` bytes.

    The library is asked for no more than that, so that nothing can grow without end.  It declines matches that are
    longer than 32 KB, which blocks of mostly equal bytes have; such a block has few matches, and is unpacked here.
    """
    found = _whole(_by_library("lzxpress_decompress", "Xpress", data, size), len(data), size)
    if isinstance(found, str) and size > LONGEST_MATCH:
        try:
            long = _long_matches(data, size)
        except (IndexError, struct.error):
            return found
        return long if len(long) == size else found
    return found


def _long_matches(data: bytes, size: int) -> bytes:
    """At most ``size`` bytes that were compressed with plain LZ77, of which some match may be of any length.

    Raises:
        IndexError: the data ends within a match, or one reaches back before the start.
        struct.error: the data ends within a match.
    """
    out = bytearray()
    at, flags, left, half = 0, 0, 0, -1
    while len(out) < size and at < len(data):
        if left == 0:
            (flags,), left, at = struct.unpack_from("<I", data, at), 32, at + 4
        left -= 1
        if not flags >> left & 1:
            out.append(data[at])
            at += 1
            continue
        if at == len(data):
            break
        word = struct.unpack_from("<H", data, at)[0]
        at, distance, length = at + 2, (word >> 3) + 1, word & 7
        if length == 7:
            if half < 0:
                length, half, at = data[at] & 15, at, at + 1
            else:
                length, half = data[half] >> 4, -1
            if length == 15:
                length, at = data[at], at + 1
                if length == 255:
                    length, at = struct.unpack_from("<H", data, at)[0] - 22, at + 2
                    if length == -22:
                        length, at = struct.unpack_from("<I", data, at)[0] - 22, at + 4
                length += 15
            length += 7
        length = min(length + 3, size - len(out))
        if distance > len(out):
            raise IndexError("a match leads before the start")
        again = bytes(out[-distance:])
        out += (again * -(-length // distance))[:length]
    return bytes(out)


def xpress_huffman(data: bytes, size: int) -> bytes | str:
    """``size`` bytes that were compressed with LZ77 and Huffman codes (COMPRESSION_FORMAT_XPRESS_HUFF)."""
    return _whole(_by_library("lzxpress_huffman_decompress", "Xpress and Huffman codes", data, size), len(data), size)


def lznt1(data: bytes, size: int) -> bytes | str:
    """At most ``size`` bytes that were compressed with LZNT1 (COMPRESSION_FORMAT_LZNT1)."""
    return _by_library("lznt1_decompress", "LZNT1", data, size)


def _by_library(name: str, words: str, data: bytes, size: int) -> bytes | str:
    """What a function of libfwnt makes of data."""
    try:
        import pyfwnt
    except ImportError:
        return "the library libfwnt-python, which decompresses it, is not installed"
    try:
        found: bytes = getattr(pyfwnt, name)(data, size)
    except (OSError, ValueError, MemoryError) as error:
        return f"its {len(data)} bytes are not compressed with {words} ({str(error).rpartition(': ')[2].rstrip('.')})"
    return found


def lz4(data: bytes) -> bytes | str:
    """A page that was compressed as one LZ4 block."""
    try:
        from lz4.block import LZ4BlockError, decompress
    except ImportError:
        return "the library lz4, which decompresses it, is not installed"
    try:
        page: bytes = decompress(data, uncompressed_size=PAGE)
    except (LZ4BlockError, ValueError, MemoryError, OverflowError) as error:
        return f"its {len(data)} bytes are not compressed with LZ4 ({error})"
    return _whole(page, len(data), PAGE)


def _whole(found: bytes | str, size: int, wanted: int) -> bytes | str:
    if isinstance(found, bytes) and len(found) != wanted:
        return f"its {size} bytes give {len(found)} and not {wanted} when they are decompressed"
    return found
