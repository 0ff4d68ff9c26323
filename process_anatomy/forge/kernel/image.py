"""The kernel in memory: headers, exports, debug record and the globals that lead to everything else.

Only the pages that hold something are there, as in a machine that has run for a while: the code has been
paged out or was never asked for, and a reader must not rely on it.
"""

from __future__ import annotations

import hashlib
import struct

from process_anatomy.forge.ground.dice import Dice
from process_anatomy.forge.ground.generations import DEBUGGER_SIZES, processors, service_pack, since, version_of
from process_anatomy.forge.ground.records import pointers
from process_anatomy.forge.kernel import accessors
from process_anatomy.forge.kernel.exports import CODE_EXPORTS
from process_anatomy.forge.kernel.files import installed_as, kernel_file
from process_anatomy.forge.kernel.memory_manager import NAMES, globals_of, with_data
from process_anatomy.forge.memory.frames import KERNEL_CODE, KERNEL_DATA, PAGE, WRITE
from process_anatomy.forge.memory.modes import LA57, PAE, Mode
from process_anatomy.forge.memory.page_tables import Space
from process_anatomy.forge.memory.protections import PROTECT_TO_VALUE
from process_anatomy.forge.memory.system_space import SystemSpace
from process_anatomy.forge.pe import headers as pe
from process_anatomy.forge.pe.contents import RESOURCES, resources
from structs import builds, kernel_files
from structs.debugger import KDBG_TAG, KDDEBUGGER_DATA64
from structs.eprocess import EPROCESS
from structs.ethread import ETHREAD
from structs.layout import Build
from structs.object import OBJECT_HEADER

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

NARROW_SIZE = 0x400000
NARROW_DEBUG_RVA, NARROW_EXPORT_RVA = 0x2A540, 0x390000
NARROW_SECTIONS = (
    pe.Section(".text", 0x1000, 0x160000, pe.CODE),
    pe.Section("POOLCODE", 0x160000, 0x163000, pe.CODE),
    pe.Section(".data", 0x163000, 0x1A0000, pe.DATA),
    pe.Section("PAGE", 0x1A0000, 0x390000, pe.CODE),
    pe.Section(".edata", 0x390000, 0x3A8000, pe.READ_ONLY),
    pe.Section("INIT", 0x3A8000, 0x3D0000, pe.CODE),
    pe.Section(".rsrc", 0x3D0000, 0x3E0000, pe.READ_ONLY),
    pe.Section(".reloc", 0x3E0000, NARROW_SIZE, pe.READ_ONLY),
)
NARROW_DATA, NARROW_STEP = 0x164000, 0x40
ROOM = {"KdDebuggerDataBlock": 0x400, "ObpInfoMaskToOffset": 0x100, "ObTypeIndexTable": 0x200, "ObpObjectTypes": 0x200,
        "MmProtectToValue": 0x80, "NtBuildLab": 0x80, "NtBuildLabEx": 0x80}  # fmt: skip
"""Bytes that some globals of an x86 kernel take; the others have room for a few addresses."""
NARROW_ONLY = ("MmNonPagedPoolStart", "MmPagedPoolStart", "MmSubsectionBase")
"""Globals by which entries of 32-bit page tables are understood."""

HIDDEN = {
    "PsActiveProcessHead", "KdDebuggerDataBlock", "KdVersionBlock", "MmProtectToValue", "ObHeaderCookie",
    "ObTypeIndexTable", "PspCidTable", "HandleTableListHead", "SepLogonSessions", "IopInvalidDeviceRequest",
    "MmPfnDatabase", "MmPhysicalMemoryBlock", "MmUnloadedDrivers", "KeBootTime", "CmpHiveListHead",
    "ObpRootDirectoryObject", "NtBuildLabEx", "ObpInfoMaskToOffset", "CmNtCSDVersion", "ObpObjectTypes",
    *NARROW_ONLY,
    *NAMES,
}  # fmt: skip
"""Globals that the kernel does not export."""

DEBUGGER_POINTERS = {
    0x098: "ObpRootDirectoryObject",
    0x0C0: "MmPfnDatabase",
    0x0D8: "MmSubsectionBase",
    0x110: "MmNonPagedPoolStart",
    0x120: "MmPagedPoolStart",
    0x1C8: "MmHighestUserAddress",
    0x1D0: "MmSystemRangeStart",
    0x1D8: "MmUserProbeAddress",
    0x208: "NtBuildLab",
    0x268: "CmNtCSDVersion",
    0x270: "MmPhysicalMemoryBlock",
}
"""Further pointers of the debugger's data block (Microsoft's wdbgexts.h), by their place."""

RESIDENT_CODE = (0x1000, 0x210000, 0x34B000, 0x4C7000, 0x680000, 0x8A2000, 0xA0F000)
"""Pages of code that are in memory: a kernel that runs has some in every stretch of 2 MB."""

ACCESSOR_CODE, NARROW_ACCESSOR_CODE = 0x34B200, 0x9F200
"""Where the small functions begin that give a field: in a page that is in memory."""
RESIDENT_NARROW_CODE = (0x1000, 0x9F000, 0x161000, 0x1B2000, 0x25B000, 0x3A9000)
LAB = {8: "{number}.1.amd64fre.forge_release.230101-0000", 4: "{number}.1.x86fre.forge_release.230101-0000"}
OLD_LAB = "{number}.forge_release.230101-0000"
"""NtBuildLab by the bytes of an address; before Windows Vista it did not name the processor."""
PAE_ENABLED = 0x36
"""Place of a bit in the debugger's data block: the kernel uses physical address extension."""
NARROW_PLACES = (0x098, 0x0D8, 0x110, 0x120)
"""Places of the debugger's data block that are forged for x86 alone."""
SIGN = 0xFFFFFFFF00000000
"""What extends a 32-bit address of the upper half with its sign."""


def pdb_of(build: Build, mode: Mode) -> tuple[str, int]:
    """GUID and age of a PDB that is known to have exactly this layout; else made from the build's name."""
    if mode is LA57:
        return five_level_pdb(build)
    return published_pdb(build) or (hashlib.sha256(build.name.encode()).hexdigest()[:32].upper(), 1)


def published_pdb(build: Build) -> tuple[str, int] | None:
    """GUID and age of a PDB that is known to have exactly this layout; ``None`` where none is known."""
    return next(builds.published_pdbs(build.name), None)


def five_level_pdb(build: Build) -> tuple[str, int]:
    """GUID and age of the PDB of the kernel for five levels that has the layout's version.

    Raises:
        ValueError: no such file is known.
    """
    _, number, revision = build.name.split("-")[:3]
    file = kernel_files.by_version(kernel_files.FIVE_LEVELS, int(number), int(revision))
    if file is None or not file.pdb:
        raise ValueError(f"no kernel for page tables of five levels is known of version {number}.{revision}")
    guid, _, age = file.pdb.partition("-")
    return guid, int(age)


def _narrow_places(build: Build) -> dict[str, int]:
    """Globals of an x86 kernel, packed into its data; those that its generation does not have are left out."""
    names = sorted({*PUBLISHED, *OWN, *NARROW_ONLY, "ObpObjectTypes"} - _absent(build))
    places, here = {}, NARROW_DATA
    for name in names:
        code = name == "IopInvalidDeviceRequest"
        places[name] = 0x1C000 if code else here
        here += 0 if code else ROOM.get(name, NARROW_STEP)
    return places


def _absent(build: Build) -> set[str]:
    """Globals that came later than a kernel, or went before it."""
    if "TypeIndex" not in build[OBJECT_HEADER]:
        return {"ObTypeIndexTable", "ObHeaderCookie", "ObpInfoMaskToOffset"}
    return {"ObpObjectTypes"} | (set() if version_of(build) >= (10, 0) else {"ObHeaderCookie"})


class KernelImage:
    """The kernel's image: where it is, and the door to its globals.

    Attributes:
        base: where it is mapped.
        guid: GUID of its PDB, 32 capital hexadecimal digits.
        age: age of its PDB.
        pdb: name of its PDB.
        rvas: global to its address relative to the base.
        absent: globals that stand at a place although this generation has none of the kind; no symbols tell of them.
        size: bytes of the image.
        file: name of its file on disk.
        functions: name of each small function that gives a field to where it begins.
    """

    name = "ntoskrnl.exe"

    def __init__(self, build: Build, space: Space, dice: Dice, places: SystemSpace, stores: bool = False) -> None:
        self.build, self.space, self.places = build, space, places
        narrow = not space.mode.is_long
        self.base = places.kernel_base()
        self.guid, self.age = pdb_of(build, space.mode)
        self.pdb = kernel_file(build, space.mode) + ".pdb"
        self.file = installed_as(build, space.mode) if narrow else self.name
        self.absent = _absent(build)
        self.rvas = _narrow_places(build) if narrow else PUBLISHED | OWN
        if not narrow and "ObpObjectTypes" not in self.absent:
            self.rvas = {**self.rvas, "ObpObjectTypes": self.rvas["ObTypeIndexTable"]}
        self.size = NARROW_SIZE if narrow else SIZE_OF_IMAGE
        self.sections: tuple[pe.Section, ...] = NARROW_SECTIONS if narrow else SECTIONS
        if stores:
            self.rvas = {**self.rvas, **globals_of(build).places}
            self.sections = with_data(self.sections, globals_of(build))
        self.timestamp = 0x62000000 | dice.bits(24)
        self.checksum = 0xB00000 | dice.bits(20)
        self.entry = 0x3A9010 if narrow else 0xA0F010
        lab = OLD_LAB if version_of(build) < (6, 0) else LAB[build.pointer_size]
        self.lab = lab.format(number=build.number)
        first_code = 0x3000 if narrow else 0x210000
        export_rva = NARROW_EXPORT_RVA if narrow else EXPORT_RVA
        debug_rva = NARROW_DEBUG_RVA if narrow else DEBUG_RVA
        exported = {name: rva for name, rva in self.rvas.items() if name not in HIDDEN}
        exported |= {name: first_code + 0x4A0 * place for place, name in enumerate(CODE_EXPORTS)}
        functions = self._accessors(narrow)
        exported |= {name: rva for name, (rva, _) in functions.items()}
        exports = pe.exports(self.name, export_rva, exported, self.timestamp)
        debug = pe.debug(debug_rva, self.guid, self.age, self.pdb, self.timestamp)
        directories = {pe.EXPORT_DIRECTORY: (export_rva, len(exports)), pe.DEBUG_DIRECTORY: (debug_rva, 28)}
        version = b"" if published_pdb(build) or version_of(build) >= (10, 0) else self._version()
        if version:
            directories[RESOURCES] = self._resources_at(), len(version)
        image = pe.Program(
            self.size, self.entry, self.sections, self.timestamp, self.checksum, directories,
            native=True, bits=8 * build.pointer_size,
        )  # fmt: skip
        self.program = image
        self.write(0, image.headers(self.base))
        self.write(export_rva, exports)
        self.write(debug_rva, debug)
        if version:
            self.write(self._resources_at(), version)
        for rva in RESIDENT_NARROW_CODE if narrow else RESIDENT_CODE:
            self.write(rva, bytes(dice.bits(8) for _ in range(0x200)) + b"\xcc" * 0xE00)
        for rva, code in functions.values():
            self.write(rva, code)
        self.functions = {name: self.base + rva for name, (rva, _) in functions.items()}
        self.store("MmProtectToValue", struct.pack("<32I", *PROTECT_TO_VALUE))
        if "ObpInfoMaskToOffset" not in self.absent:
            self.store("ObpInfoMaskToOffset", bytes(self.optional_headers(mask) & 0xFF for mask in range(256)))
        self.store("NtBuildLab", self.lab.encode() + b"\0")
        self.store("NtBuildLabEx", self.lab.encode() + b"\0")
        self.store("NtBuildGUID", bytes.fromhex(self.guid))
        self.store("NtBuildNumber", struct.pack("<I", 0xF0000000 | build.number))
        self.point("MmSystemRangeStart", places.system_start)
        self.point("MmHighestUserAddress", places.user_end - 1)
        self.point("MmUserProbeAddress", places.user_end)
        self.store("KeNumberProcessors", struct.pack("<I", processors(build)))
        if service_pack(build):
            self.store("CmNtCSDVersion", struct.pack("<I", service_pack(build) << 8))
        self.store("CmpHiveListHead", pointers(build, *(2 * (self.address("CmpHiveListHead"),))))

    def _accessors(self, narrow: bool) -> dict[str, tuple[int, bytes]]:
        """The place and the code of each small function that gives a field."""
        first = NARROW_ACCESSOR_CODE if narrow else ACCESSOR_CODE
        made = accessors.functions(self.build) | accessors.thread_getters(self.build.pointer_size)
        found = {name: (first + accessors.STEP * place, code) for place, (name, code) in enumerate(made.items())}
        if "ObTypeIndexTable" not in self.absent:
            rva = first + accessors.STEP * len(found)
            cookie = None if "ObHeaderCookie" in self.absent else self.address("ObHeaderCookie")
            code = accessors.type_getter(self.build, self.base + rva, self.address("ObTypeIndexTable"), cookie)
            found["ObGetObjectType"] = rva, code
        return found

    def _resources_at(self) -> int:
        return next(section.start for section in self.sections if section.name == ".rsrc")

    def _version(self) -> bytes:
        """The version resource, which tells the revision of a kernel whose PDB no facts know."""
        revision = int(self.build.name.split("-")[2])
        numbers = (*version_of(self.build), self.build.number, revision)
        said = {"FileVersion": ".".join(map(str, numbers)), "OriginalFilename": self.name}
        return resources(self._resources_at(), said, numbers)

    def address(self, name: str) -> int:
        """Virtual address of a global."""
        return self.base + self.rvas[name]

    def optional_headers(self, mask: int) -> int:
        """Bytes of the optional headers that an object header's InfoMask announces."""
        sizes = (0x20, 0x20, 0x10, 0x20, 0x10, 0x10, 0x20, 0x04)
        if self.build.pointer_size == 4:
            sizes = (0x10, 0x10, 0x08, 0x10, 0x08, 0x08, 0x10, 0x04)
        return sum(size for bit, size in enumerate(sizes) if mask >> bit & 1)

    def write(self, rva: int, data: bytes) -> None:
        """Write at a relative address; the pages come into being."""
        for page in range(rva // PAGE, (rva + len(data) + PAGE - 1) // PAGE):
            address = self.base + page * PAGE
            if address // PAGE not in self.space.mapped:
                self.space.map(address, self.space.memory.take(), self._rights(page * PAGE))
        self.space.write(self.base + rva, data)

    def _rights(self, rva: int) -> int:
        section = next((s for s in self.sections if s.start <= rva < s.end), None)
        if section is None or section.characteristics == pe.READ_ONLY:
            return KERNEL_DATA & ~WRITE
        return KERNEL_CODE if section.characteristics == pe.CODE else KERNEL_DATA

    def store(self, name: str, data: bytes) -> None:
        """Give a global its value."""
        self.write(self.rvas[name], data)

    def point(self, name: str, address: int) -> None:
        """Let a global point to an address."""
        self.store(name, pointers(self.build, address))

    def write_debugger_data(self) -> None:
        """KdDebuggerDataBlock (not encoded) and KdVersionBlock; a 32-bit kernel fills the upper halves with zeros."""
        process, thread = self.build[EPROCESS], self.build[ETHREAD]
        block = self.address("KdDebuggerDataBlock")
        narrow = not self.space.mode.is_long
        size = since(DEBUGGER_SIZES, self.build.number)
        data = KDDEBUGGER_DATA64.build(
            {
                "Flink": block << 32 | block if narrow else block,
                "Blink": 0 if narrow else block,
                "OwnerTag": KDBG_TAG,
                "Size": size,
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
        whole = bytearray(bytes(data).ljust(size, b"\0"))
        for place, name in DEBUGGER_POINTERS.items():
            if name in self.rvas and (narrow or place not in NARROW_PLACES):
                struct.pack_into("<Q", whole, place, self.address(name))
        if narrow:
            struct.pack_into("<H", whole, PAE_ENABLED, int(self.space.mode is PAE))
        self.store("KdDebuggerDataBlock", bytes(whole[:size]))
        machine = pe.MACHINES[8 * self.build.pointer_size]
        version = struct.pack("<HHBBHHBBBBH", 0xF, self.build.number, 6, 0, 0x47, machine, 12, 3, 0x2E, 0, 0)
        sign = SIGN if narrow else 0
        version += struct.pack("<QQQ", self.base | sign, self.address("PsLoadedModuleList") | sign, block | sign)
        self.store("KdVersionBlock", version)
