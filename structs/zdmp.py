"""The compressed crash dump that DumpIt writes (.zdmp): a header, and blocks of a crash dump.

Source: z2dmp, the tool of DumpIt's maker (Comae, now Magnet) that turns such files into crash dumps, published by it.
"""

from __future__ import annotations

from construct import Bytes, Int16ul, Int32ul, Int64ul, Struct

BLOCK_SIGNATURE = b"ZBLK"
VERSION = 0x100
"""1.0, the only one that is known."""
FIRST_BLOCK = 0x1000
"""Where the first block begins in the file."""
COMPRESSED, ENCRYPTED = 1, 2
"""Bits of DataType: what was done to the blocks."""
LZNT1 = 2
"""CompressionFormat, numbered as for RtlDecompressBuffer."""
HEADER = Struct(
    "Signature" / Bytes(4),
    "Version" / Int32ul,
    "FileSize" / Int64ul,  # bytes of the crash dump
    "BlockSize" / Int32ul,  # bytes of the crash dump that are in each block
    "DataType" / Int16ul,
    "CompressionFormat" / Int16ul,
)
BLOCK_HEADER = Struct(
    "Signature" / Bytes(4),
    "DataSize" / Int32ul,  # bytes that follow; as many as BlockSize where they are stored as they are
    "Crc32" / Int32ul,  # of these bytes
)
