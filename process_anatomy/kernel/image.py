"""Executables as they lie in memory: headers with pefile; of the kernel's also the exports, by binary search.

Export names are sorted, so a name is found by reading a few pages of the export table; the rest of the
image is never read, and pages of it that are missing do no harm.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from functools import cached_property

import pefile

from process_anatomy.memory.physical import PAGE
from process_anatomy.memory.space import Space
from structs import kernel_files
from structs.machines import ARM64, X64, X86

HEADER_BYTES = PAGE
WRITABLE = 0x80000000
"""IMAGE_SCN_MEM_WRITE."""
NAME_LIMIT = 256
SIZE_LIMIT = 1 << 26
"""No Windows kernel is larger; a header that says so is damaged."""
EXPORT_LIMIT = 1 << 16
CODE_VIEW = struct.Struct("<4s16sI")
CODE_VIEW_TYPE = 2
KERNEL_NAMES = {"ntoskrnl.exe", "ntkrnlmp.exe", "ntkrnlpa.exe", "ntkrpamp.exe", kernel_files.FIVE_LEVELS}
PEFILE_TROUBLE = (
    pefile.PEFormatError, ValueError, TypeError, AttributeError, LookupError, ArithmeticError, struct.error
)  # fmt: skip
"""What pefile raises over hostile bytes: its own error, and what its code runs into."""
MACHINES = {machine.number: machine.name for machine in (X64, X86, ARM64)}


@dataclass(frozen=True, slots=True)
class Pdb:
    """The symbol file that the linker named for an image.

    Attributes:
        name: file name.
        guid: 32 hexadecimal digits, capital letters.
        age: counts the times that the PDB was written.
        path: as the linker wrote it.
    """

    name: str
    guid: str
    age: int
    path: str = field(default="", compare=False)


def zero_ended(space: Space, address: int, limit: int = NAME_LIMIT) -> str:
    """A zero-ended text, read as far as its pages are there."""
    text = b""
    while len(text) < limit:
        part = space.read(address, min(64, 0x1000 - address % 0x1000))
        if part is None:
            break
        text += part
        if b"\0" in part:
            break
        address += len(part)
    return text.split(b"\0", 1)[0].decode("ascii", "replace")


class PeImage:
    """A PE image in memory.

    Args:
        space: where it lies.
        base: its first address.

    Raises:
        ValueError: there is no PE image at ``base``.
    """

    def __init__(self, space: Space, base: int) -> None:
        self.space = space
        self.base = base
        header = space.read(base, HEADER_BYTES)
        if header is None or header[:2] != b"MZ":
            raise ValueError(f"no image at {base:#x}")
        try:
            self.pe = pefile.PE(data=header, fast_load=True)
        except PEFILE_TROUBLE as error:
            raise ValueError(f"no image at {base:#x}: {error}") from None
        if getattr(self.pe, "OPTIONAL_HEADER", None) is None:
            raise ValueError(f"no image at {base:#x}: it has no optional header")

    @property
    def machine(self) -> str:
        """The processor it was made for: ``x64``, ``x86``, ``ARM64`` or the machine number."""
        number = self.pe.FILE_HEADER.Machine
        return MACHINES.get(number, f"{number:#x}")

    @property
    def size(self) -> int:
        """Bytes of address space it takes, as its header says, at most :data:`SIZE_LIMIT`."""
        return min(int(self.pe.OPTIONAL_HEADER.SizeOfImage), SIZE_LIMIT)

    @property
    def timestamp(self) -> int:
        """When it was linked, or a hash of its contents instead; together with the size it names the file."""
        return int(self.pe.FILE_HEADER.TimeDateStamp)

    @property
    def writable_pages(self) -> list[int]:
        """Offsets of the pages that its sections allow to be written, in order."""
        pages: set[int] = set()
        for section in self.pe.sections:
            if section.Characteristics & WRITABLE:
                end = min(section.VirtualAddress + section.Misc_VirtualSize, self.size)
                pages.update(range(section.VirtualAddress & -PAGE, end, PAGE))
        return sorted(pages)

    def directory(self, name: str) -> tuple[int, int]:
        """Relative address and size of a data directory, by pefile's name; zeros without one."""
        index = pefile.DIRECTORY_ENTRY[name]
        directories = self.pe.OPTIONAL_HEADER.DATA_DIRECTORY
        if index >= len(directories):
            return 0, 0
        return directories[index].VirtualAddress, directories[index].Size

    def structure(self, form: tuple[str, tuple[str, ...]], rva: int) -> pefile.Structure | None:
        """A structure in pefile's own format at an offset from the base."""
        structure = pefile.Structure(form)
        data = self.space.read(self.base + rva, structure.sizeof())
        if data is None:
            return None
        structure.__unpack__(data)
        return structure

    def text(self, rva: int) -> str:
        """A zero-ended name, read as far as its pages are there."""
        return zero_ended(self.space, self.base + rva)

    @cached_property
    def pdb(self) -> Pdb | None:
        """The PDB named in the debug directory, or ``None`` where it cannot be read."""
        rva, size = self.directory("IMAGE_DIRECTORY_ENTRY_DEBUG")
        for entry in range(min(size // 28, 16)):
            debug = self.structure(pefile.PE.__IMAGE_DEBUG_DIRECTORY_format__, rva + 28 * entry)
            if debug is None or debug.Type != CODE_VIEW_TYPE:
                continue
            data = self.space.read(self.base + debug.AddressOfRawData, CODE_VIEW.size)
            if data is None or not data.startswith(b"RSDS"):
                continue
            _, guid, age = CODE_VIEW.unpack(data)
            first, second, third = struct.unpack("<IHH", guid[:8])
            path = self.text(debug.AddressOfRawData + CODE_VIEW.size)
            guid_text = f"{first:08X}{second:04X}{third:04X}{guid[8:].hex().upper()}"
            return Pdb(path.rsplit("\\", 1)[-1], guid_text, age, path)
        return None


class KernelImage(PeImage):
    """The kernel's image, or one that may be it."""

    @cached_property
    def _exports(self) -> pefile.Structure | None:
        rva, size = self.directory("IMAGE_DIRECTORY_ENTRY_EXPORT")
        return self.structure(pefile.PE.__IMAGE_EXPORT_DIRECTORY_format__, rva) if rva and size else None

    @cached_property
    def export_name(self) -> str:
        """The file name in the export directory, empty where it cannot be read."""
        return self.text(self._exports.Name) if self._exports else ""

    def is_kernel(self) -> bool:
        """Whether it is the Windows kernel: by its export directory's name, its PDB's, or the marks of a known file."""
        if self.export_name:
            return self.export_name.lower() in KERNEL_NAMES
        if self.pdb is not None:
            return f"{self.pdb.name[:-4]}.exe".lower() in KERNEL_NAMES
        return kernel_files.by_stamp(self.timestamp, self.size) is not None

    @property
    def is_for_five_levels(self) -> bool:
        """Whether it says that it is the kernel for page tables of five levels: by any of the three."""
        named = self.export_name, f"{self.pdb.name[:-4]}.exe" if self.pdb else ""
        file = kernel_files.by_stamp(self.timestamp, self.size)
        return kernel_files.FIVE_LEVELS in map(str.lower, named) or (file is not None and file.five_levels)

    def export(self, name: str) -> int | None:
        """Address of an exported variable or function, or ``None`` where it is not found.

        Follows the export directory's sorted name table, as the loader does.
        """
        table = self._exports
        if table is None:
            return None
        low, high = 0, min(table.NumberOfNames, EXPORT_LIMIT)
        while low < high:
            middle = (low + high) // 2
            entry = self._number(table.AddressOfNames + 4 * middle, 4)
            if entry is None:
                return None
            found = self.text(entry)
            if found == name:
                ordinal = self._number(table.AddressOfNameOrdinals + 2 * middle, 2)
                target = None if ordinal is None else self._number(table.AddressOfFunctions + 4 * ordinal, 4)
                first, size = self.directory("IMAGE_DIRECTORY_ENTRY_EXPORT")
                if not target or (
                    size < self.size and first <= target < first + size
                ):  # none, or the name of another image's export
                    return None
                return self.base + target
            low, high = (middle + 1, high) if found < name else (low, middle)
        return None

    def _number(self, rva: int, size: int) -> int | None:
        data = self.space.read(self.base + rva, size)
        return None if data is None else int.from_bytes(data, "little")
