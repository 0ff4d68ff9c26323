"""The file of a small memory dump: its headers and the records that it keeps by name, checked before they are used."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from construct import ConstructError

from structs.debugger import KDBG_TAG, KDDEBUGGER_DATA64
from structs.dump import (
    DUMP_DRIVER_ENTRY64,
    DUMP_HEADER64,
    DUMP_STRING,
    DUMP_TYPE_OFFSET32,
    DUMP_TYPE_OFFSET64,
    MACHINES,
    TRIAGE_DATA_BLOCK,
    TRIAGE_DUMP64,
    TRIAGE_OFFSET,
    TRIAGE_VALID,
    USER_SIGNATURE,
)
from structs.file_marks import DUMP_TYPE_TRIAGE, DUMP_TYPES, SIGNATURE, VALID_DUMP32, VALID_DUMP64
from structs.machines import X64

MAX_DRIVERS = 4096
MAX_NAME = 520


class SmallDumpError(ValueError):
    """The file is not a small dump that can be read; the message is one line for a reader."""


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


class SmallDumpFile:
    """The file of a 64-bit (x64) small dump.

    Args:
        data: the whole file: ``bytes``, an ``mmap`` or a ``memoryview``.

    Attributes:
        view: the whole file.
        problems: what was wrong with it and was left out, in words.
        header: the dump header (``structs.dump.DUMP_HEADER64``), parsed.
        triage: the triage header (``structs.dump.TRIAGE_DUMP64``), parsed.
        complete: whether the mark that the writer sets last is there.
        debugger: KDDEBUGGER_DATA64, parsed.

    Raises:
        SmallDumpError: the file is not a small dump, is one of another processor, is truncated, or its
            own records do not lie in it.
    """

    def __init__(self, data: Any) -> None:
        self.view = memoryview(data).cast("B")
        self.problems: list[str] = []
        self.header = self._header()
        self.triage = self._triage()
        self.complete = self.part(self.triage.ValidOffset, len(TRIAGE_VALID)) == TRIAGE_VALID
        if not self.complete:
            self.problems.append("the mark of a whole dump is missing: writing it was cut short")
        self.debugger = self._debugger()

    def part(self, offset: int, size: int) -> bytes:
        """Bytes of the file, fewer than ``size`` where it ends."""
        return bytes(self.view[offset : offset + size])

    def inside(self, offset: int, size: int) -> bool:
        """Whether a stretch lies in the file, behind the dump header."""
        return offset >= TRIAGE_OFFSET and offset + size <= len(self.view)

    def _header(self) -> Any:
        start = self.part(0, 8)
        if start[:4] == USER_SIGNATURE:
            raise SmallDumpError("not a kernel dump: a user-mode minidump (MDMP)")
        if start[:4] != SIGNATURE or start[4:] not in (VALID_DUMP64, VALID_DUMP32):
            raise SmallDumpError("not a Windows crash dump: it does not begin with PAGEDU64")
        if start[4:] == VALID_DUMP32:
            kind = int.from_bytes(self.part(DUMP_TYPE_OFFSET32, 4), "little")
            raise SmallDumpError(f"32-bit {DUMP_TYPES.get(kind, 'crash')} dump, not supported")
        if len(self.view) < TRIAGE_OFFSET:
            raise SmallDumpError(f"truncated: the file ends at {len(self.view):#x}, within the dump header")
        try:
            header = DUMP_HEADER64.parse(self.part(0, TRIAGE_OFFSET))
        except ConstructError as error:
            raise SmallDumpError(f"the dump header cannot be read: {error}") from None
        kind, machine = header.DumpType, header.MachineImageType
        if kind != DUMP_TYPE_TRIAGE:
            raise SmallDumpError(f"not a small dump: a {DUMP_TYPES.get(kind, 'crash')} dump (type {kind})")
        if machine != X64.number:
            raise SmallDumpError(f"{MACHINES.get(machine, f'machine {machine:#06x}')} small dump, not supported")
        return header

    def _triage(self) -> Any:
        size = TRIAGE_DUMP64.sizeof()
        if not self.inside(TRIAGE_OFFSET, size):
            raise SmallDumpError(f"truncated: the file ends at {len(self.view):#x}, within the triage header")
        triage = TRIAGE_DUMP64.parse(self.part(TRIAGE_OFFSET, size))
        if triage.SizeOfDump > len(self.view):
            raise SmallDumpError(f"truncated: {len(self.view)} bytes, the dump has {triage.SizeOfDump}")
        tables = (
            ("stack", triage.CallStackOffset, triage.SizeOfCallStack),
            ("list of drivers", triage.DriverListOffset, triage.DriverCount * DUMP_DRIVER_ENTRY64.sizeof()),
            ("drivers' names", triage.StringPoolOffset, triage.StringPoolSize),
            ("table of data blocks", triage.DataBlocksOffset, triage.DataBlocksCount * TRIAGE_DATA_BLOCK.sizeof()),
            ("extra page", triage.DataPageOffset, triage.DataPageSize),
            ("debugger block (KDBG)", triage.DebuggerDataOffset, triage.DebuggerDataSize),
        )
        for name, offset, size in tables:
            if size and not self.inside(offset, size):
                raise SmallDumpError(f"the {name} ({size} bytes at {offset:#x}) is not within the file")
        return triage

    def _debugger(self) -> Any:
        offset, size = self.triage.DebuggerDataOffset, self.triage.DebuggerDataSize
        if size < KDDEBUGGER_DATA64.sizeof():
            raise SmallDumpError(f"the debugger block (KDBG) has only {size} bytes")
        debugger = KDDEBUGGER_DATA64.parse(self.part(offset, KDDEBUGGER_DATA64.sizeof()))
        if debugger.OwnerTag != KDBG_TAG:
            raise SmallDumpError(f"the debugger block at {offset:#x} is not marked KDBG but {debugger.OwnerTag!r}")
        for name in ("PsActiveProcessHead", "PsLoadedModuleList"):
            if debugger[name] != self.header[name]:
                self.problems.append(f"{name}: {self.header[name]:#x} in the header, {debugger[name]:#x} in KDBG")
        return debugger

    def record(self, name: str, offset: int, size: int) -> bytes:
        """A record that the dump keeps by name, shortened to where the next one begins."""
        if not size or not self.inside(offset, size):
            raise SmallDumpError(f"the {name} ({size} bytes at {offset:#x}) is not within the file")
        triage = self.triage
        others = (triage.PrcbOffset, triage.ProcessOffset, triage.ThreadOffset)
        end = min((other for other in others if other > offset), default=offset + size)
        if end < offset + size:
            self.problems.append(f"the {name} has {end - offset} bytes instead of {size}")
        return self.part(offset, min(size, end - offset))

    def drivers(self) -> list[Driver]:
        """Kernel modules in the order of the dump, the kernel first."""
        count, start = self.triage.DriverCount, self.triage.DriverListOffset
        if count > MAX_DRIVERS:
            self.problems.append(f"{count} drivers are listed, only {MAX_DRIVERS} are read")
        size = DUMP_DRIVER_ENTRY64.sizeof()
        drivers, unnamed = [], 0
        for offset in range(start, start + min(count, MAX_DRIVERS) * size, size):
            entry = DUMP_DRIVER_ENTRY64.parse(self.part(offset, size))
            name = self._name(entry.DriverNameOffset)
            unnamed += not name
            drivers.append(Driver(name, entry.DllBase, entry.SizeOfImage, entry.TimeDateStamp, entry.CheckSum))
        if unnamed:
            self.problems.append(f"{unnamed} drivers have no name that can be read")
        return drivers

    def _name(self, offset: int) -> str:
        prefix = DUMP_STRING.sizeof()
        if not self.inside(offset, prefix):
            return ""
        length = 2 * DUMP_STRING.parse(self.part(offset, prefix)).Length
        if length > 2 * MAX_NAME or not self.inside(offset + prefix, length):
            return ""
        return self.part(offset + prefix, length).decode("utf-16-le", "replace").partition("\0")[0]
