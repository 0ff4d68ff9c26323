"""A Windows small memory dump: one process, one thread, and the fragments of memory round them.

A small ("triage") dump has no page tables.  What it holds of memory is a table of data blocks by
virtual address, and five records that it keeps by name: the _EPROCESS and _ETHREAD that were running,
the _KPRCB of their processor, the stack, and the debugger's block of addresses (KDBG).  Together they
are a :class:`~process_anatomy.memory.space.Space` that is mostly holes.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from construct import ConstructError

from process_anatomy.memory.space import SYSTEM_START
from structs import builds
from structs.debugger import KDBG_TAG, KDDEBUGGER_DATA64, statements
from structs.dump import (
    DUMP_DRIVER_ENTRY64,
    DUMP_HEADER64,
    DUMP_STRING,
    DUMP_TYPE_OFFSET32,
    DUMP_TYPE_OFFSET64,
    DUMP_TYPE_TRIAGE,
    DUMP_TYPES,
    MACHINE_AMD64,
    MACHINES,
    SIGNATURE,
    TRIAGE_DATA_BLOCK,
    TRIAGE_DATA_BLOCKS,
    TRIAGE_DUMP64,
    TRIAGE_OFFSET,
    TRIAGE_VALID,
    USER_SIGNATURE,
    VALID_DUMP32,
    VALID_DUMP64,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from process_anatomy.memory.space import Addresses, Mask, Octets
    from structs.layout import Build

NOT_HERE = "not in a small dump"
MAX_DRIVERS = 4096
MAX_NAME = 520
MAX_BLOCKS = 1 << 16
KERNEL_RANGE = range(0xFFFF_8000_0000_0000, 1 << 64)
UNWRITTEN = SIGNATURE * 2


class SmallDumpError(ValueError):
    """The file is not a small dump that can be read; the message is one line for a reader."""


class Fragment(NamedTuple):
    """Bytes of memory that the dump holds.

    Attributes:
        address: virtual address of the first byte.
        offset: where it is in the file.
        size: number of bytes.
    """

    address: int
    offset: int
    size: int


@dataclass(frozen=True, slots=True)
class Driver:
    """A kernel module that was loaded.

    Attributes:
        name: file name or path, as the dump has it; empty where it cannot be read.
        base: where it was loaded.
        size: bytes of its image.
        timestamp: TimeDateStamp of its PE header (often a hash and no time).
        checksum: CheckSum of its PE header.
    """

    name: str
    base: int
    size: int
    timestamp: int
    checksum: int


def is_small_dump(data: Any) -> bool:
    """Whether a file says that it is a small kernel dump, of whatever processor (see :class:`SmallDump`)."""
    start = bytes(memoryview(data)[: TRIAGE_OFFSET // 2])
    if start[:4] != SIGNATURE:
        return False
    place = {VALID_DUMP64: DUMP_TYPE_OFFSET64, VALID_DUMP32: DUMP_TYPE_OFFSET32}.get(start[4:8])
    return place is not None and int.from_bytes(start[place : place + 4], "little") == DUMP_TYPE_TRIAGE


class SmallDump:
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

    pointer_size = 8
    system_start = SYSTEM_START[8]

    def __init__(self, data: Any) -> None:
        self._view = memoryview(data).cast("B")
        self.problems: list[str] = []
        self.header = self._header()
        self.triage = self._triage()
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
        self.complete = self._part(triage.ValidOffset, len(TRIAGE_VALID)) == TRIAGE_VALID
        if not self.complete:
            self.problems.append("the mark of a whole dump is missing: writing it was cut short")

        self.debugger = self._debugger()
        self.kernel_base: int = self.debugger.KernBase
        self.prcb = self._record("processor (_KPRCB)", triage.PrcbOffset, self.debugger.SizePrcb)
        self.process = self._record("process (_EPROCESS)", triage.ProcessOffset, self.debugger.SizeEProcess)
        self.thread = self._record("thread (_ETHREAD)", triage.ThreadOffset, self.debugger.SizeEThread)
        self.thread_address = self._pointer(
            self.prcb, self.debugger.OffsetPrcbCurrentThread, "current thread", len(self.thread)
        )
        self.process_address = self._pointer(
            self.thread, self.debugger.OffsetKThreadApcProcess, "thread's process", len(self.process)
        )
        self.process_proved = _points_at_itself(self.process, self.process_address)
        self.thread_proved = _points_at_itself(self.thread, self.thread_address)
        for name, proved in (("process", self.process_proved), ("thread", self.thread_proved)):
            if not proved:
                self.problems.append(f"nothing in the {name}'s record confirms its address")
        self.stack = range(triage.TopOfStack, min(triage.TopOfStack + triage.SizeOfCallStack, 1 << 64))
        self.drivers = self._drivers()

        sources = sorted(self._sources())
        self.fragments, self.overlaps = _without_overlaps(sources)
        self._index()
        self._compare(sources)

    # the file

    def _part(self, offset: int, size: int) -> bytes:
        """Bytes of the file, fewer than ``size`` where it ends."""
        return bytes(self._view[offset : offset + size])

    def _inside(self, offset: int, size: int) -> bool:
        return offset >= TRIAGE_OFFSET and offset + size <= len(self._view)

    def _header(self) -> Any:
        start = self._part(0, 8)
        if start[:4] == USER_SIGNATURE:
            raise SmallDumpError("not a kernel dump: a user-mode minidump (MDMP)")
        if start[:4] != SIGNATURE or start[4:] not in (VALID_DUMP64, VALID_DUMP32):
            raise SmallDumpError("not a Windows crash dump: it does not begin with PAGEDU64")
        if start[4:] == VALID_DUMP32:
            kind = int.from_bytes(self._part(DUMP_TYPE_OFFSET32, 4), "little")
            raise SmallDumpError(f"32-bit {DUMP_TYPES.get(kind, 'crash')} dump, not supported")
        if len(self._view) < TRIAGE_OFFSET:
            raise SmallDumpError(f"truncated: the file ends at {len(self._view):#x}, within the dump header")
        try:
            header = DUMP_HEADER64.parse(self._part(0, TRIAGE_OFFSET))
        except ConstructError as error:
            raise SmallDumpError(f"the dump header cannot be read: {error}") from None
        kind, machine = header.DumpType, header.MachineImageType
        if kind != DUMP_TYPE_TRIAGE:
            raise SmallDumpError(f"not a small dump: a {DUMP_TYPES.get(kind, 'crash')} dump (type {kind})")
        if machine != MACHINE_AMD64:
            raise SmallDumpError(f"{MACHINES.get(machine, f'machine {machine:#06x}')} small dump, not supported")
        return header

    def _triage(self) -> Any:
        size = TRIAGE_DUMP64.sizeof()
        if not self._inside(TRIAGE_OFFSET, size):
            raise SmallDumpError(f"truncated: the file ends at {len(self._view):#x}, within the triage header")
        triage = TRIAGE_DUMP64.parse(self._part(TRIAGE_OFFSET, size))
        if triage.SizeOfDump > len(self._view):
            raise SmallDumpError(f"truncated: {len(self._view)} bytes, the dump has {triage.SizeOfDump}")
        tables = (
            ("stack", triage.CallStackOffset, triage.SizeOfCallStack),
            ("list of drivers", triage.DriverListOffset, triage.DriverCount * DUMP_DRIVER_ENTRY64.sizeof()),
            ("drivers' names", triage.StringPoolOffset, triage.StringPoolSize),
            ("table of data blocks", triage.DataBlocksOffset, triage.DataBlocksCount * TRIAGE_DATA_BLOCK.sizeof()),
            ("extra page", triage.DataPageOffset, triage.DataPageSize),
            ("debugger block (KDBG)", triage.DebuggerDataOffset, triage.DebuggerDataSize),
        )
        for name, offset, size in tables:
            if size and not self._inside(offset, size):
                raise SmallDumpError(f"the {name} ({size} bytes at {offset:#x}) is not within the file")
        return triage

    def _debugger(self) -> Any:
        offset, size = self.triage.DebuggerDataOffset, self.triage.DebuggerDataSize
        if size < KDDEBUGGER_DATA64.sizeof():
            raise SmallDumpError(f"the debugger block (KDBG) has only {size} bytes")
        debugger = KDDEBUGGER_DATA64.parse(self._part(offset, KDDEBUGGER_DATA64.sizeof()))
        if debugger.OwnerTag != KDBG_TAG:
            raise SmallDumpError(f"the debugger block at {offset:#x} is not marked KDBG but {debugger.OwnerTag!r}")
        for name in ("PsActiveProcessHead", "PsLoadedModuleList"):
            if debugger[name] != self.header[name]:
                self.problems.append(f"{name}: {self.header[name]:#x} in the header, {debugger[name]:#x} in KDBG")
        return debugger

    def _record(self, name: str, offset: int, size: int) -> bytes:
        """A record that the dump keeps by name, shortened to where the next one begins."""
        if not size or not self._inside(offset, size):
            raise SmallDumpError(f"the {name} ({size} bytes at {offset:#x}) is not within the file")
        triage = self.triage
        others = (triage.PrcbOffset, triage.ProcessOffset, triage.ThreadOffset)
        end = min((other for other in others if other > offset), default=offset + size)
        if end < offset + size:
            self.problems.append(f"the {name} has {end - offset} bytes instead of {size}")
        return self._part(offset, min(size, end - offset))

    def _pointer(self, record: bytes, offset: int, name: str, size: int) -> int:
        if offset + 8 > len(record):
            raise SmallDumpError(f"the pointer to the {name} lies outside its record, at {offset:#x}")
        address = int.from_bytes(record[offset : offset + 8], "little")
        if address not in KERNEL_RANGE or address % 8 or address + size > 1 << 64:
            raise SmallDumpError(f"the pointer to the {name} is {address:#x}, no kernel address")
        return address

    def _drivers(self) -> list[Driver]:
        count, start = self.triage.DriverCount, self.triage.DriverListOffset
        if count > MAX_DRIVERS:
            self.problems.append(f"{count} drivers are listed, only {MAX_DRIVERS} are read")
        size = DUMP_DRIVER_ENTRY64.sizeof()
        drivers, unnamed = [], 0
        for offset in range(start, start + min(count, MAX_DRIVERS) * size, size):
            entry = DUMP_DRIVER_ENTRY64.parse(self._part(offset, size))
            name = self._name(entry.DriverNameOffset)
            unnamed += not name
            drivers.append(Driver(name, entry.DllBase, entry.SizeOfImage, entry.TimeDateStamp, entry.CheckSum))
        if unnamed:
            self.problems.append(f"{unnamed} drivers have no name that can be read")
        return drivers

    def _name(self, offset: int) -> str:
        prefix = DUMP_STRING.sizeof()
        if not self._inside(offset, prefix):
            return ""
        length = 2 * DUMP_STRING.parse(self._part(offset, prefix)).Length
        if length > 2 * MAX_NAME or not self._inside(offset + prefix, length):
            return ""
        return self._part(offset + prefix, length).decode("utf-16-le", "replace").partition("\0")[0]

    # the memory

    def _sources(self) -> Iterable[Fragment]:
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
        blocks = np.frombuffer(self._view, TRIAGE_DATA_BLOCKS, count, triage.DataBlocksOffset) if count else ()
        left, excess = len(self._view), 0
        for block in blocks:
            fragment = Fragment(int(block["Address"]), int(block["Offset"]), int(block["Size"]))
            if not self._inside(fragment.offset, fragment.size) or fragment.address + fragment.size > 1 << 64:
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

    def _index(self) -> None:
        """Prepare look-up: fragments, and the stretches that adjoining fragments make together."""
        self._octets: Octets = np.frombuffer(self._view, dtype=np.uint8)
        self._starts: Addresses = np.array([f.address for f in self.fragments], dtype=np.uint64)
        self._offsets = np.array([f.offset for f in self.fragments], dtype=np.int64)
        self._sizes = np.array([f.size for f in self.fragments], dtype=np.int64)
        self._firsts = [f.address for f in self.fragments]
        stretches: list[list[int]] = []
        for address, _, size in self.fragments:
            if stretches and stretches[-1][1] == address:
                stretches[-1][1] += size
            else:
                stretches.append([address, address + size])
        self._stretches = [start for start, _ in stretches]
        self._ends = [end for _, end in stretches]

    def _compare(self, sources: list[Fragment]) -> None:
        """Note where two of the dump's records disagree about the same memory."""
        different = 0
        end = 0
        for fragment in sources:
            if fragment.address < end:
                different += self.read(fragment.address, fragment.size) != self._part(fragment.offset, fragment.size)
            end = max(end, fragment.address + fragment.size)
        if different:
            self.problems.append(f"{different} stretches of memory are in the dump twice and differ")

    def reach(self, address: int) -> int:
        """How many bytes the dump holds from an address on without a hole."""
        which = bisect_right(self._stretches, address) - 1
        return max(0, self._ends[which] - address) if which >= 0 else 0

    def read(self, address: int, size: int) -> bytes | None:
        """Read ``size`` bytes at one address, or ``None`` where not all of them are there."""
        if size <= 0:
            return b"" if size == 0 else None
        if self.reach(address) < size:
            return None
        parts: list[bytes] = []
        which = bisect_right(self._firsts, address) - 1
        while size:
            start, offset, length = self.fragments[which]
            inside = address - start
            take = min(size, length - inside)
            parts.append(self._part(offset + inside, take))
            address, size, which = address + take, size - take, which + 1
        return b"".join(parts)

    def read_many(self, addresses: Addresses, size: int) -> tuple[Octets, Mask]:
        """Read ``size`` bytes at each address.

        Returns:
            The bytes, shape (n, size), zero where nothing could be read; and shape (n,), whether all
            ``size`` bytes of the record were there.
        """
        addresses = np.asarray(addresses, dtype=np.uint64)
        count = len(addresses)
        octets = np.zeros((count, size), dtype=np.uint8)
        if not count or not size:
            return octets, np.ones(count, dtype=np.bool_)
        whole = np.zeros(count, dtype=np.bool_)
        if not self.fragments:
            return octets, whole
        which = np.searchsorted(self._starts, addresses, side="right") - 1
        inside = (addresses - self._starts[which]).astype(np.uint64)
        held = (which >= 0) & (inside < self._sizes[which].astype(np.uint64))
        left = np.where(held, self._sizes[which] - inside.astype(np.int64), 0)
        single = left >= size
        if size <= len(self._octets):
            windows = np.lib.stride_tricks.sliding_window_view(self._octets, size)
            octets[single] = windows[self._offsets[which[single]] + inside[single].astype(np.int64)]
        whole[single] = True
        following = np.minimum(which + 1, len(self._starts) - 1)
        distance = self._starts[following] - addresses  # wraps where the following one lies below
        for row in np.flatnonzero(~single & (held | (distance < np.uint64(size)))).tolist():
            whole[row] = self._pieces(int(addresses[row]), octets[row])
        return octets, whole

    def _pieces(self, address: int, row: Octets) -> bool:
        """Fill one record from every fragment that it touches; whether it is whole."""
        last = address + len(row)
        which = max(bisect_right(self._firsts, address) - 1, 0)
        filled = 0
        while which < len(self.fragments) and self._firsts[which] < last:
            start, offset, length = self.fragments[which]
            low, high = max(start, address), min(start + length, last)
            if low < high:
                row[low - address : high - address] = self._octets[offset + low - start : offset + high - start]
                filled += high - low
            which += 1
        return filled == len(row)

    def why(self, address: int, size: int = 1) -> str:
        """In words, why the bytes at an address cannot be read; empty where they can."""
        if not 0 <= address < 1 << 64 or size < 0 or address + size > 1 << 64:
            return "not an address"
        return "" if self.reach(address) >= size else NOT_HERE


def _points_at_itself(record: bytes, address: int) -> bool:
    """Whether an empty list head in a record confirms the record's address."""
    words = np.frombuffer(record, dtype="<u8", count=len(record) // 8)
    places = np.uint64(address) + np.arange(len(words), dtype=np.uint64) * np.uint64(8)
    return bool((words == places).any())


def _without_overlaps(sources: list[Fragment]) -> tuple[list[Fragment], int]:
    """Sorted fragments with no address twice, and how many had to be cut or left out.

    Of two that hold the same memory the one that starts first keeps it.
    """
    kept: list[Fragment] = []
    overlaps = 0
    end = 0
    for address, offset, size in sources:
        known = min(max(end - address, 0), size)
        overlaps += known > 0
        if known < size:
            kept.append(Fragment(address + known, offset + known, size - known))
            end = address + size
    return kept, overlaps


def disagreements(dump: SmallDump, build: Build) -> list[str]:
    """What the dump's debugger block says against a layout, in words; empty where the two agree."""
    return [str(said) for said in statements(dump.debugger, build) if not said.agrees]


def matching_build(dump: SmallDump) -> Build:
    """The layout that fits the dump's kernel, chosen by build number and proved by its debugger block.

    A build number has several layouts where servicing changed the kernel's structures.  The block gives
    the sizes of _EPROCESS and _ETHREAD and the places of five fields, and only layouts that agree with all
    of them are taken.  Where several agree and are the same in every declared structure, nothing is left
    to guess; where they differ, the newest is taken and marked as estimated.

    Raises:
        structs.layout.LayoutError: no layout ships for x64 at all.
    """
    number = dump.build_number
    chosen = builds.by_number(dump.machine, number)
    if chosen is not None:
        same = [build for build in builds.nearest(dump.machine, chosen.number) if build.number == chosen.number]
        fitting = [build for build in [chosen, *same] if not disagreements(dump, build)]
        if fitting:
            best = fitting[0]
            if all(build.sizes == best.sizes and build.places == best.places for build in fitting):
                origin = f"build number {number}, sizes confirmed by the dump's debugger block"
                return replace(best, estimated=False, origin=origin)
            origin = f"build number {number}, newest of the layouts that the dump's debugger block allows"
            return replace(best, estimated=True, origin=origin)
        origin = f"build number {number}, but the dump's debugger block disagrees: {disagreements(dump, chosen)[0]}"
        return replace(chosen, estimated=True, origin=origin)
    candidates = list(builds.nearest(dump.machine, number))
    fit = next((build for build in candidates if not disagreements(dump, build)), None)
    if fit is not None:
        origin = f"build {number} is not known; build {fit.number} agrees with the dump's debugger block"
        return replace(fit, estimated=True, origin=origin)
    origin = f"{candidates[0].origin}, and the dump's debugger block disagrees with every layout known"
    return replace(candidates[0], origin=origin)
