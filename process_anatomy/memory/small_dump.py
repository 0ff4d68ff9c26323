"""A Windows small memory dump: one process, one thread, and the fragments of memory round them.

A small ("triage") dump has no page tables.  What it holds of memory is a table of data blocks by
virtual address, and five records that it keeps by name: the _EPROCESS and _ETHREAD that were running,
the _KPRCB of their processor, the stack, and the debugger's block of addresses (KDBG).  Together they
are a :class:`~process_anatomy.memory.space.Space` that is mostly holes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from process_anatomy.memory.fragments import Fragment, Fragments
from process_anatomy.memory.small_dump_file import SmallDumpError, SmallDumpFile
from structs.dump import MACHINES, TRIAGE_DATA_BLOCKS
from structs.file_marks import SIGNATURE

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["SmallDump", "SmallDumpError"]

MAX_BLOCKS = 1 << 16
KERNEL_RANGE = range(0xFFFF_8000_0000_0000, 1 << 64)
UNWRITTEN = SIGNATURE * 2


class SmallDump(Fragments):
    """A 64-bit (x64) small dump, and a space over the fragments of memory that it holds.

    Args:
        data: the whole file: ``bytes``, an ``mmap`` or a ``memoryview``.

    Attributes:
        header: the dump header (``structs.dump.DUMP_HEADER64``), parsed.
        triage: the triage header (``structs.dump.TRIAGE_DUMP64``), parsed.
        debugger: KDDEBUGGER_DATA64, parsed.
        build_number: the kernel's build number.
        machine: name of the processor family, ``x64``.
        processors: number of processors.
        bugcheck_code: why the system stopped.
        bugcheck_parameters: its four parameters.
        system_time: FILETIME of the crash (UTC).
        uptime: 100-nanosecond units since the system started, ``None`` where the dump does not say.
        directory_table_base: page-table root that was in use.
        kernel_base: where the kernel was loaded.
        ps_active_process_head: address of the head of the list of processes.
        ps_loaded_module_list: address of the head of the list of kernel modules.
        prcb: the _KPRCB of the processor that wrote the dump.
        process: the _EPROCESS whose address space was in use.
        process_address: its virtual address.
        process_proved: whether the record confirms its address: a list head in it points at itself.
        thread: the _ETHREAD that was running.
        thread_address: its virtual address.
        thread_proved: as ``process_proved``.
        stack: the addresses of the stack that the dump holds.
        drivers: kernel modules in the order of the dump, the kernel first.
        complete: whether the mark that the writer sets last is there.
        fragments: what the dump holds of memory, sorted by address, no address twice.
        overlaps: how many of the dump's records lie at least partly over another.
        problems: what was wrong with the file and was left out, in words.

    Raises:
        SmallDumpError: the file is not a small dump, is one of another processor, is truncated, or its
            own records do not lie in it.
    """

    def __init__(self, data: Any) -> None:
        file = SmallDumpFile(data)
        self.problems, self.complete = file.problems, file.complete
        self.header, self.triage, self.debugger = file.header, file.triage, file.debugger
        header, triage = self.header, self.triage
        self.build_number: int = header.MinorVersion
        self.machine: str = MACHINES[header.MachineImageType]
        self.processors: int = header.NumberProcessors
        self.bugcheck_code: int = header.BugCheckCode
        self.bugcheck_parameters: tuple[int, ...] = tuple(header.BugCheckParameters)
        self.system_time: int = header.SystemTime
        unwritten = int.from_bytes(UNWRITTEN, "little")
        self.uptime: int | None = None if header.SystemUpTime == unwritten else header.SystemUpTime
        self.directory_table_base: int = header.DirectoryTableBase
        self.ps_active_process_head: int = header.PsActiveProcessHead
        self.ps_loaded_module_list: int = header.PsLoadedModuleList
        self.kernel_base: int = self.debugger.KernBase
        self.prcb = file.record("processor (_KPRCB)", triage.PrcbOffset, self.debugger.SizePrcb)
        self.process = file.record("process (_EPROCESS)", triage.ProcessOffset, self.debugger.SizeEProcess)
        self.thread = file.record("thread (_ETHREAD)", triage.ThreadOffset, self.debugger.SizeEThread)
        self.thread_address = _pointer(
            self.prcb, self.debugger.OffsetPrcbCurrentThread, "current thread", len(self.thread)
        )
        self.process_address = _pointer(
            self.thread, self.debugger.OffsetKThreadApcProcess, "thread's process", len(self.process)
        )
        self.process_proved = _points_at_itself(self.process, self.process_address)
        self.thread_proved = _points_at_itself(self.thread, self.thread_address)
        for name, proved in (("process", self.process_proved), ("thread", self.thread_proved)):
            if not proved:
                self.problems.append(f"nothing in the {name}'s record confirms its address")
        self.stack = range(triage.TopOfStack, min(triage.TopOfStack + triage.SizeOfCallStack, 1 << 64))
        self.drivers = file.drivers()

        sources = sorted(self._sources(file))
        place = self.debugger.OffsetEprocessDirectoryTableBase
        roots = self.directory_table_base, int.from_bytes(self.process[place : place + 8], "little")
        super().__init__(file.view, sources, frozenset(self.root_in(root) for root in roots if root))
        self._compare(sources)

    def _sources(self, file: SmallDumpFile) -> Iterable[Fragment]:
        """Every stretch of memory that the dump names and that lies in the file, in no order."""
        triage = self.triage
        named = [
            Fragment(self.process_address, triage.ProcessOffset, len(self.process)),
            Fragment(self.thread_address, triage.ThreadOffset, len(self.thread)),
            Fragment(self.header.KdDebuggerDataBlock, triage.DebuggerDataOffset, triage.DebuggerDataSize),
            Fragment(triage.TopOfStack, triage.CallStackOffset, triage.SizeOfCallStack),
            Fragment(triage.DataPageAddress, triage.DataPageOffset, triage.DataPageSize),
        ]
        wrong = 0
        for fragment in named:
            if fragment.address + fragment.size > 1 << 64:
                wrong += 1
            elif fragment.size and fragment.address:
                yield fragment
        count = min(triage.DataBlocksCount, MAX_BLOCKS)
        if count < triage.DataBlocksCount:
            self.problems.append(f"{triage.DataBlocksCount} data blocks are listed, only {count} are read")
        blocks = np.frombuffer(file.view, TRIAGE_DATA_BLOCKS, count, triage.DataBlocksOffset) if count else ()
        left, excess = len(file.view), 0
        for block in blocks:
            fragment = Fragment(int(block["Address"]), int(block["Offset"]), int(block["Size"]))
            if not file.inside(fragment.offset, fragment.size) or fragment.address + fragment.size > 1 << 64:
                wrong += 1
            elif fragment.size > left:
                excess += 1
            elif fragment.size:
                left -= fragment.size
                yield fragment
        if wrong:
            self.problems.append(f"{wrong} stretches of memory leave the file or the address space")
        if excess:
            self.problems.append(f"{excess} data blocks claim more bytes than the file has")

    def _compare(self, sources: list[Fragment]) -> None:
        """Note where two of the dump's records disagree about the same memory."""
        different = 0
        end = 0
        for fragment in sources:
            if fragment.address < end:
                stored = bytes(self._view[fragment.offset : fragment.offset + fragment.size])
                different += self.read(fragment.address, fragment.size) != stored
            end = max(end, fragment.address + fragment.size)
        if different:
            self.problems.append(f"{different} stretches of memory are in the dump twice and differ")


def _pointer(record: bytes, offset: int, name: str, size: int) -> int:
    if offset + 8 > len(record):
        raise SmallDumpError(f"the pointer to the {name} lies outside its record, at {offset:#x}")
    address = int.from_bytes(record[offset : offset + 8], "little")
    if address not in KERNEL_RANGE or address % 8 or address + size > 1 << 64:
        raise SmallDumpError(f"the pointer to the {name} is {address:#x}, no kernel address")
    return address


def _points_at_itself(record: bytes, address: int) -> bool:
    """Whether an empty list head in a record confirms the record's address."""
    words = np.frombuffer(record, dtype="<u8", count=len(record) // 8)
    places = np.uint64(address) + np.arange(len(words), dtype=np.uint64) * np.uint64(8)
    return bool((words == places).any())
