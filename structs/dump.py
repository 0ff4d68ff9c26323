"""The 64-bit crash dump file: its header, and the parts of a small ("triage") dump.

These are places in a file, not in memory, and the debuggers rely on them: they do not change between
builds, so they are here and not in ``offsets/``.
Source: Microsoft's public debugger interface (ntiodump.h); checked against dumps of Windows 8.1 to 11.
"""

from __future__ import annotations

import numpy as np
from construct import Bytes, Const, Int32ul, Int64ul, Padding, Struct

from structs.file_marks import SIGNATURE, VALID_DUMP64
from structs.machines import ARM64, IA64, X64, X86

USER_SIGNATURE = b"MDMP"
"""First four bytes of a user-mode minidump, another format altogether."""
TRIAGE_VALID = b"TRGD"
"""Written last, at ValidOffset: the small dump is whole."""

SUMMARY_SIGNATURES = frozenset({b"SDMP", b"FDMP"})
"""First four bytes of the header of a bitmap of pages (_SUMMARY_DUMP): of a kernel and of a full dump."""
SUMMARY_VALID = b"DUMP"
"""The second four."""
SUMMARY_DUMP = Struct(
    "Signature" / Bytes(4),
    "ValidDump" / Bytes(4),
    "DumpOptions" / Int32ul,
    Padding(0x20 - 0xC),
    "HeaderSize" / Int64ul,  # where the first page of memory lies in the file
    "Pages" / Int64ul,  # pages that the file holds
    "BitmapSize" / Int64ul,  # bits of the bitmap, which follows: one for each page frame of the machine
)
"""_SUMMARY_DUMP, after the header of a bitmap dump: the same in 32-bit dumps."""
DUMP_TYPE_OFFSET32 = 0xF88
"""Where a 32-bit dump header keeps its DumpType."""
DUMP_TYPE_OFFSET64 = 0xF98
"""Where DUMP_HEADER64 keeps it."""

MACHINES = {machine.number: machine.name for machine in (X86, IA64, X64, ARM64)}
"""MachineImageType to the processor's name."""

TRIAGE_OFFSET = 0x2000
"""Where the triage header follows the dump header."""

DUMP_HEADER64 = Struct(
    "Signature" / Const(SIGNATURE),
    "ValidDump" / Const(VALID_DUMP64),
    "MajorVersion" / Int32ul,  # 15: a free (retail) kernel, 12: a checked one
    "MinorVersion" / Int32ul,  # the build number
    "DirectoryTableBase" / Int64ul,  # page-table root of the process that was running
    "PfnDataBase" / Int64ul,  # address of the page frame database
    "PsLoadedModuleList" / Int64ul,  # address of the head of the list of kernel modules
    "PsActiveProcessHead" / Int64ul,  # address of the head of the list of processes
    "MachineImageType" / Int32ul,  # processor, numbered as in a PE header
    "NumberProcessors" / Int32ul,  # processors in use
    "BugCheckCode" / Int32ul,  # why the system stopped
    Padding(4),
    "BugCheckParameters" / Int64ul[4],  # what the code says about it
    "VersionUser" / Bytes(32),
    "KdDebuggerDataBlock" / Int64ul,  # address of KDDEBUGGER_DATA64 in memory
    "PhysicalMemoryBlock" / Bytes(0x2C0),  # runs of physical memory; nothing in a small dump
    "ContextRecord" / Bytes(3000),  # registers of the thread that was running
    "Exception" / Bytes(0x98),  # the exception, where there was one
    "DumpType" / Int32ul,  # see DUMP_TYPES
    Padding(4),
    "RequiredDumpSpace" / Int64ul,  # bytes the dump was expected to take
    "SystemTime" / Int64ul,  # FILETIME of the crash (UTC)
    "Comment" / Bytes(128),
    "SystemUpTime" / Int64ul,  # 100-nanosecond units since the start of the system
    "MiniDumpFields" / Int32ul,  # which parts of the triage header were written
    "SecondaryDataState" / Int32ul,
    "ProductType" / Int32ul,  # 1 workstation, 2 domain controller, 3 server
    "SuiteMask" / Int32ul,
    Padding(TRIAGE_OFFSET - 0x1048),
)

TRIAGE_DUMP64 = Struct(
    "ServicePackBuild" / Int32ul,
    "SizeOfDump" / Int32ul,  # bytes of the small dump; secondary data of drivers may follow
    "ValidOffset" / Int32ul,  # of TRIAGE_VALID
    "ContextOffset" / Int32ul,  # of the registers
    "ExceptionOffset" / Int32ul,  # of the exception
    "MmOffset" / Int32ul,  # of the memory manager's counters
    "UnloadedDriversOffset" / Int32ul,  # of the drivers that were unloaded before
    "PrcbOffset" / Int32ul,  # of the processor's _KPRCB
    "ProcessOffset" / Int32ul,  # of the _EPROCESS whose address space was in use
    "ThreadOffset" / Int32ul,  # of the _ETHREAD that was running
    "CallStackOffset" / Int32ul,  # of the stack's bytes
    "SizeOfCallStack" / Int32ul,
    "DriverListOffset" / Int32ul,  # of the first DUMP_DRIVER_ENTRY64
    "DriverCount" / Int32ul,
    "StringPoolOffset" / Int32ul,  # of the drivers' names
    "StringPoolSize" / Int32ul,
    "BrokenDriverOffset" / Int32ul,
    "TriageOptions" / Int32ul,
    "TopOfStack" / Int64ul,  # address of the stack's first byte in the file, its lowest address
    Padding(0x10),  # Itanium's backing store
    "DataPageAddress" / Int64ul,  # address of one more page
    "DataPageOffset" / Int32ul,
    "DataPageSize" / Int32ul,
    "DebuggerDataOffset" / Int32ul,  # of KDDEBUGGER_DATA64
    "DebuggerDataSize" / Int32ul,
    "DataBlocksOffset" / Int32ul,  # of the first TRIAGE_DATA_BLOCK
    "DataBlocksCount" / Int32ul,
)

TRIAGE_DATA_BLOCK = Struct(
    "Address" / Int64ul,  # where the bytes were in memory
    "Offset" / Int32ul,  # where they are in the file
    "Size" / Int32ul,
)
TRIAGE_DATA_BLOCKS = np.dtype([("Address", "<u8"), ("Offset", "<u4"), ("Size", "<u4")])
"""TRIAGE_DATA_BLOCK for thousands at once."""

DUMP_DRIVER_ENTRY64 = Struct(
    "DriverNameOffset" / Int32ul,  # of its DUMP_STRING in the file
    Padding(4),
    Padding(0x30),  # of the kernel's _LDR_DATA_TABLE_ENTRY; mostly not filled in, or with leftovers
    "DllBase" / Int64ul,  # where the driver was loaded
    Padding(8),
    "SizeOfImage" / Int32ul,
    Padding(0x78 - 0x44),
    "CheckSum" / Int32ul,  # from its PE header
    Padding(4),
    "TimeDateStamp" / Int32ul,  # from its PE header
    Padding(4),
)

DUMP_STRING = Struct(
    "Length" / Int32ul,  # characters, whatever the public header says; two bytes each follow
)
