"""_KDDEBUGGER_DATA64 ("KDBG"): the block of addresses that the kernel keeps for debuggers.

It does not change between builds (fields are only added at the end), so its places are here.
Source: Microsoft's public debugger interface (wdbgexts.h); the same in every Windows since XP.
"""

from __future__ import annotations

from construct import Bytes, Int16ul, Int32ul, Int64ul, Padding, Struct

KDBG_TAG = b"KDBG"

KDDEBUGGER_DATA64 = Struct(
    "Flink" / Int64ul,
    "Blink" / Int64ul,
    "OwnerTag" / Bytes(4),
    "Size" / Int32ul,
    "KernBase" / Int64ul,
    Padding(0x48 - 0x20),
    "PsLoadedModuleList" / Int64ul,
    "PsActiveProcessHead" / Int64ul,
    "PspCidTable" / Int64ul,
    Padding(0x29A - 0x60),
    "OffsetKThreadTeb" / Int16ul,
    Padding(0x2A0 - 0x29C),
    "OffsetKThreadApcProcess" / Int16ul,
    Padding(0x2A8 - 0x2A2),
    "SizeEProcess" / Int16ul,
    "OffsetEprocessPeb" / Int16ul,
    "OffsetEprocessParentCID" / Int16ul,
    "OffsetEprocessDirectoryTableBase" / Int16ul,
    "SizePrcb" / Int16ul,
    Padding(2),
    "OffsetPrcbCurrentThread" / Int16ul,
    Padding(0x2C0 - 0x2B6),
    "SizeEThread" / Int16ul,
)
