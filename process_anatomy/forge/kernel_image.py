"""The kernel in memory: headers, exports, debug record and the globals that lead to everything else.

Only the pages that hold something are there, as in a machine that has run for a while: the code has been
paged out or was never asked for, and a reader must not rely on it.
"""

from __future__ import annotations

import hashlib
import json
import struct
from importlib.resources import files

from process_anatomy.forge import pe
from process_anatomy.forge.dice import Dice
from process_anatomy.forge.memory import KERNEL_CODE, KERNEL_DATA, PAGE, WRITE, Space
from structs.debugger import KDBG_TAG, KDDEBUGGER_DATA64
from structs.eprocess import EPROCESS
from structs.ethread import ETHREAD
from structs.layout import Build

SIZE_OF_IMAGE = 0x1047000
DEBUG_RVA, EXPORT_RVA = 0x2A540, 0x1A4000
SECTIONS = (
    pe.Section(".rdata", 0x1000, 0x130000, pe.READ_ONLY),
    pe.Section(".pdata", 0x130000, 0x1A4000, pe.READ_ONLY),
    pe.Section(".edata", 0x1A4000, 0x1C0000, pe.READ_ONLY),
    pe.Section(".text", 0x200000, 0x680000, pe.CODE),
    pe.Section("POOLCODE", 0x680000, 0x681000, pe.CODE),
    pe.Section("PAGE", 0x681000, 0xBF0000, pe.CODE),
    pe.Section(".data", 0xC00000, 0xD1D000, pe.DATA),
    pe.Section("ALMOSTRO", 0xD1D000, 0xE10000, pe.DATA),
    pe.Section("INIT", 0xE10000, 0xF00000, pe.CODE),
    pe.Section(".rsrc", 0x1000000, 0x1040000, pe.READ_ONLY),
    pe.Section(".reloc", 0x1040000, SIZE_OF_IMAGE, pe.READ_ONLY),
)

PUBLISHED = {
    "IopInvalidDeviceRequest": 0x34B710,
    "KdDebuggerDataBlock": 0xC020D0,
    "NtBuildNumber": 0xC0CA10,
    "MmUnloadedDrivers": 0xC13438,
    "PsLoadedModuleList": 0xC134B0,
    "PsActiveProcessHead": 0xC37EA0,
    "MmPhysicalMemoryBlock": 0xD1DAC0,
    "PsInitialSystemProcess": 0xD1DA20,
    "MmPfnDatabase": 0xD1DB18,
    "KeBootTime": 0xD1DD58,
    "ObHeaderCookie": 0xD1DD88,
    "ObpRootDirectoryObject": 0xC3F718,
    "ObTypeIndexTable": 0xD1E6B0,
}
"""Relative addresses in the kernel with PDB 124AFA5A0ED90D9463D80C1E6881B168-1, public facts; other tools know
them by that GUID.  The forge uses them for every build."""

OWN = {
    "MmProtectToValue": 0x1F0C0,
    "NtBuildLab": 0x20100,
    "NtBuildLabEx": 0x20180,
    "NtBuildGUID": 0x20200,
    "ObpInfoMaskToOffset": 0x20300,
    "KdVersionBlock": 0xC0B3C0,
    "PsLoadedModuleResource": 0xC13520,
    "HandleTableListHead": 0xD40120,
    "PspCidTable": 0xD40340,
    "SepLogonSessions": 0xD40388,
    "CmpHiveListHead": 0xD40400,
    "PsProcessType": 0xD41010,
    "PsThreadType": 0xD41028,
    "PsJobType": 0xD41040,
    "SeTokenObjectType": 0xD41058,
    "IoFileObjectType": 0xD41070,
    "ExEventObjectType": 0xD41088,
    "ExSemaphoreObjectType": 0xD410A0,
    "MmSectionObjectType": 0xD410B8,
    "CmKeyObjectType": 0xD410D0,
    "LpcPortObjectType": 0xD410E8,
    "MmSystemRangeStart": 0xD41100,
    "MmHighestUserAddress": 0xD41108,
    "MmUserProbeAddress": 0xD41110,
    "KeNumberProcessors": 0xD41118,
    "InitSafeBootMode": 0xD41120,
    "NtGlobalFlag": 0xD41128,
    "KdDebuggerEnabled": 0xD41130,
    "KdDebuggerNotPresent": 0xD41131,
    "PsUILanguageComitted": 0xD41138,
    "Mm64BitPhysicalAddress": 0xD4113C,
    "CmNtCSDVersion": 0xD41140,
}
"""Places that the forge chose where no public fact is at hand; the forged symbol table agrees."""

CODE_EXPORTS = [
    "ExAllocatePool2",
    "ExAllocatePoolWithTag",
    "ExFreePoolWithTag",
    "IoCreateDevice",
    "IoGetCurrentProcess",
    "KeAttachProcess",
    "KeBugCheck",
    "KeBugCheckEx",
    "KeQueryPerformanceCounter",
    "KeStackAttachProcess",
    "MmGetPhysicalAddress",
    "MmGetSystemRoutineAddress",
    "MmIsAddressValid",
    "NtClose",
    "NtCreateFile",
    "NtOpenProcess",
    "NtQuerySystemInformation",
    "ObOpenObjectByPointer",
    "ObReferenceObjectByHandle",
    "PsGetCurrentProcessId",
    "PsGetProcessId",
    "PsGetProcessImageFileName",
    "PsGetProcessPeb",
    "PsGetProcessSectionBaseAddress",
    "PsGetProcessSessionId",
    "PsGetThreadProcess",
    "PsLookupProcessByProcessId",
    "PsLookupThreadByThreadId",
    "PsReferencePrimaryToken",
    "PsSetCreateProcessNotifyRoutine",
    "RtlGetVersion",
    "SeCaptureSubjectContext",
    "SePrivilegeCheck",
    "SeQueryInformationToken",
    "ZwOpenProcess",
    "ZwQuerySystemInformation",
]
HIDDEN = {
    "PsActiveProcessHead", "KdDebuggerDataBlock", "KdVersionBlock", "MmProtectToValue", "ObHeaderCookie",
    "ObTypeIndexTable", "PspCidTable", "HandleTableListHead", "SepLogonSessions", "IopInvalidDeviceRequest",
    "MmPfnDatabase", "MmPhysicalMemoryBlock", "MmUnloadedDrivers", "KeBootTime", "CmpHiveListHead",
    "ObpRootDirectoryObject", "NtBuildLabEx", "ObpInfoMaskToOffset", "CmNtCSDVersion",
}  # fmt: skip
"""Globals that the kernel does not export."""

DEBUGGER_DATA_SIZE = 0x380
DEBUGGER_POINTERS = {
    0x0C0: "MmPfnDatabase",
    0x1C8: "MmHighestUserAddress",
    0x1D0: "MmSystemRangeStart",
    0x1D8: "MmUserProbeAddress",
    0x208: "NtBuildLab",
    0x268: "CmNtCSDVersion",
    0x270: "MmPhysicalMemoryBlock",
}
"""Further pointers of the debugger's data block (Microsoft's wdbgexts.h), by their place."""

PROTECT_TO_VALUE = tuple(
    value | (0 if value == 1 else modifier)
    for modifier in (0, 0x200, 0x100, 0x400)
    for value in (0x01, 0x02, 0x10, 0x20, 0x04, 0x08, 0x40, 0x80)
)
"""MmProtectToValue: a VAD's protection index to PAGE_ constants; 24 stands for no access at all."""

RESIDENT_CODE = (0x1000, 0x210000, 0x34B000, 0x4C7000, 0x680000, 0x8A2000, 0xA0F000)
"""Pages of code that are in memory: a kernel that runs has some in every stretch of 2 MB."""

LAB = "{number}.1.amd64fre.forge_release.230101-0000"


def _optional_headers(mask: int) -> int:
    """Bytes of the optional headers that an object header's InfoMask announces."""
    sizes = (0x20, 0x20, 0x10, 0x20, 0x10, 0x10, 0x20, 0x04)
    return sum(size for bit, size in enumerate(sizes) if mask >> bit & 1) & 0xFF


def pdb_of(build: Build) -> tuple[str, int]:
    """GUID and age of a PDB that is known to have exactly this layout; else made from the build's name."""
    known = json.loads(files("structs").joinpath("offsets", "pdbs.json").read_text("utf-8"))
    for pdb, (name, proved, *_) in sorted(known.items()):
        if name == build.name and proved:
            guid, age = pdb.split("-")
            return guid, int(age)
    return hashlib.sha256(build.name.encode()).hexdigest()[:32].upper(), 1


class KernelImage:
    """The kernel's image: where it is, and the door to its globals.

    Attributes:
        base: where it is mapped.
        guid: GUID of its PDB, 32 capital hexadecimal digits.
        age: age of its PDB.
        rvas: global to its address relative to the base.
    """

    name = "ntoskrnl.exe"
    size = SIZE_OF_IMAGE

    def __init__(self, build: Build, space: Space, dice: Dice) -> None:
        self.build, self.space = build, space
        self.base = 0xFFFFF80000000000 | dice.between(1, 7) << 32 | dice.between(1, 0x7F0) << 21
        self.guid, self.age = pdb_of(build)
        self.rvas = PUBLISHED | OWN
        self.timestamp = 0x62000000 | dice.bits(24)
        self.checksum = 0xB00000 | dice.bits(20)
        self.entry = 0xA0F010
        self.lab = LAB.format(number=build.number)
        exported = {name: rva for name, rva in self.rvas.items() if name not in HIDDEN}
        exported |= {name: 0x210000 + 0x4A0 * place for place, name in enumerate(CODE_EXPORTS)}
        exports = pe.exports(self.name, EXPORT_RVA, exported, self.timestamp)
        debug = pe.debug(DEBUG_RVA, self.guid, self.age, "ntkrnlmp.pdb", self.timestamp)
        image = pe.Program(
            SIZE_OF_IMAGE, self.entry, SECTIONS, self.timestamp, self.checksum,
            {pe.EXPORT_DIRECTORY: (EXPORT_RVA, len(exports)), pe.DEBUG_DIRECTORY: (DEBUG_RVA, 28)},
            native=True,
        )  # fmt: skip
        self.program = image
        self.write(0, image.headers(self.base))
        self.write(EXPORT_RVA, exports)
        self.write(DEBUG_RVA, debug)
        for rva in RESIDENT_CODE:
            self.write(rva, bytes(dice.bits(8) for _ in range(0x200)) + b"\xcc" * 0xE00)
        self.store("MmProtectToValue", struct.pack("<32I", *PROTECT_TO_VALUE))
        self.store("ObpInfoMaskToOffset", bytes(map(_optional_headers, range(256))))
        self.store("NtBuildLab", self.lab.encode() + b"\0")
        self.store("NtBuildLabEx", self.lab.encode() + b"\0")
        self.store("NtBuildGUID", bytes.fromhex(self.guid))
        self.store("NtBuildNumber", struct.pack("<I", 0xF0000000 | build.number))
        self.store("MmSystemRangeStart", struct.pack("<Q", 0xFFFF800000000000))
        self.store("MmHighestUserAddress", struct.pack("<Q", 0x7FFFFFFEFFFF))
        self.store("MmUserProbeAddress", struct.pack("<Q", 0x7FFFFFFF0000))
        self.store("KeNumberProcessors", struct.pack("<I", 2))
        self.store("CmpHiveListHead", struct.pack("<QQ", *(2 * (self.address("CmpHiveListHead"),))))

    def address(self, name: str) -> int:
        """Virtual address of a global."""
        return self.base + self.rvas[name]

    def write(self, rva: int, data: bytes) -> None:
        """Write at a relative address; the pages come into being."""
        for page in range(rva // PAGE, (rva + len(data) + PAGE - 1) // PAGE):
            address = self.base + page * PAGE
            if address // PAGE not in self.space.mapped:
                self.space.map(address, self.space.memory.take(), self._rights(page * PAGE))
        self.space.write(self.base + rva, data)

    def _rights(self, rva: int) -> int:
        section = next((s for s in SECTIONS if s.start <= rva < s.end), None)
        if section is None or section.characteristics == pe.READ_ONLY:
            return KERNEL_DATA & ~WRITE
        return KERNEL_CODE if section.characteristics == pe.CODE else KERNEL_DATA

    def store(self, name: str, data: bytes) -> None:
        """Give a global its value."""
        self.write(self.rvas[name], data)

    def point(self, name: str, address: int) -> None:
        """Let a global point to an address."""
        self.store(name, struct.pack("<Q", address))

    def write_debugger_data(self) -> None:
        """KdDebuggerDataBlock (not encoded) and KdVersionBlock."""
        process, thread = self.build[EPROCESS], self.build[ETHREAD]
        block = self.address("KdDebuggerDataBlock")
        data = KDDEBUGGER_DATA64.build(
            {
                "Flink": block,
                "Blink": block,
                "OwnerTag": KDBG_TAG,
                "Size": DEBUGGER_DATA_SIZE,
                "KernBase": self.base,
                "PsLoadedModuleList": self.address("PsLoadedModuleList"),
                "PsActiveProcessHead": self.address("PsActiveProcessHead"),
                "PspCidTable": self.address("PspCidTable"),
                "OffsetKThreadTeb": thread.offset("Teb"),
                "OffsetKThreadApcProcess": thread.offset("ApcStateProcess"),
                "SizeEProcess": process.sizeof,
                "OffsetEprocessPeb": process.offset("Peb"),
                "OffsetEprocessParentCID": process.offset("InheritedFromUniqueProcessId"),
                "OffsetEprocessDirectoryTableBase": process.offset("DirectoryTableBase"),
                "SizePrcb": 0xBF00,
                "OffsetPrcbCurrentThread": 8,
                "SizeEThread": thread.sizeof,
            }
        )
        whole = bytearray(bytes(data).ljust(DEBUGGER_DATA_SIZE, b"\0"))
        for place, name in DEBUGGER_POINTERS.items():
            struct.pack_into("<Q", whole, place, self.address(name))
        self.store("KdDebuggerDataBlock", bytes(whole))
        version = struct.pack("<HHBBHHBBBBH", 0xF, self.build.number, 6, 0, 0x47, 0x8664, 12, 3, 0x2E, 0, 0)
        version += struct.pack("<QQQ", self.base, self.address("PsLoadedModuleList"), block)
        self.store("KdVersionBlock", version)
