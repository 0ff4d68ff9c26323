"""Pages that the memory manager compressed: each gives exactly 4,096 bytes, or a reason.

Source: MS-XCA, "Xpress Compression Algorithm", 2.3 and 2.4 (plain LZ77); the LZ4 block format.
"""

from __future__ import annotations

from collections.abc import Callable

from process_anatomy.memory.physical import PAGE

Decompress = Callable[[bytes], "bytes | str"]
"""Compressed bytes of one page to its bytes, or to the reason why there are none."""


def xpress(data: bytes) -> bytes | str:
    """A page that was compressed with plain LZ77 (COMPRESSION_FORMAT_XPRESS).

    The library is asked for no more than a page, so that nothing can grow without end.
    """
    try:
        from pyfwnt import lzxpress_decompress
    except ImportError:
        return "the library libfwnt-python, which decompresses it, is not installed"
    try:
        page: bytes = lzxpress_decompress(data, PAGE)
    except (OSError, ValueError, MemoryError) as error:
        return f"its {len(data)} bytes are not compressed with Xpress ({str(error).rpartition(': ')[2].rstrip('.')})"
    return _whole(page, len(data))


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
    return _whole(page, len(data))


def _whole(page: bytes, size: int) -> bytes | str:
    if len(page) != PAGE:
        return f"its {size} bytes give {len(page)} and not {PAGE} when they are decompressed"
    return page
