"""Portable Executable headers, exports and debug records, as the loader leaves them in memory: PE32+ and PE32.

Source: "PE Format", learn.microsoft.com/windows/win32/debug/pe-format (COFF file header, optional header).
"""

from __future__ import annotations

import hashlib
import struct
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from structs.machines import X64, X86

CODE, DATA, READ_ONLY = 0x60000020, 0xC0000040, 0x40000040
EXPORT_DIRECTORY, DEBUG_DIRECTORY = 0, 6
DEBUG_TYPE_CODEVIEW = 2
RANDOMISED, OLD_FASHIONED = 0x4160, 0x8100
"""DllCharacteristics: with address randomisation and control flow guard, and without."""
BITS_64, BITS_32 = 64, 32
MACHINES = {BITS_64: X64.number, BITS_32: X86.number}
MAGICS = {BITS_64: 0x20B, BITS_32: 0x10B}
CHARACTERISTICS = {BITS_64: 0x22, BITS_32: 0x102}
"""Executable, and for addresses beyond 2 GB (PE32+) or a 32-bit machine (PE32)."""
LIBRARY = 0x2000


@dataclass(frozen=True)
class Section:
    """One part of an image: name, first and last address relative to the base, characteristics."""

    name: str
    start: int
    end: int
    characteristics: int


@dataclass(frozen=True)
class Program:
    """What an image's headers say.

    Attributes:
        size: bytes in memory.
        entry: entry point relative to the base.
        sections: its parts.
        timestamp: time stamp of the image.
        checksum: check sum of the file.
        directories: data-directory index to (relative address, size).
        library: a DLL or a kernel rather than a program.
        native: runs without a subsystem.
        mitigations: DllCharacteristics.
        pages: number of a page to its bytes, for pages besides the header that hold something.
        facts: what a tool should find in them.
        bits: :data:`BITS_64` for PE32+, :data:`BITS_32` for PE32.
        overlay: bytes of the file behind its last section.
        rich: the Rich header between stub and PE header, empty for none.
    """

    size: int
    entry: int
    sections: tuple[Section, ...]
    timestamp: int
    checksum: int
    directories: Mapping[int, tuple[int, int]]
    library: bool = True
    native: bool = False
    mitigations: int = RANDOMISED
    pages: Mapping[int, bytes] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)
    bits: int = BITS_64
    overlay: int = 0
    rich: bytes = b""

    @property
    def file_end(self) -> int:
        """Where the last section ends in the file."""
        return 0x600 + sum(part.end - part.start for part in self.sections)

    def is_code(self, at: int) -> bool:
        """Whether a relative address lies in a part that is code."""
        return any(part.start <= at < part.end and part.characteristics == CODE for part in self.sections)

    def headers(self, base: int) -> bytes:
        """The first page of the image, loaded at ``base``."""
        dos = b"MZ" + struct.pack("<HHHHHHH", 0x90, 3, 0, 4, 0, 0xFFFF, 0)
        dos = dos.ljust(0x18, b"\0") + struct.pack("<H", 0x40)
        dos = dos.ljust(0x3C, b"\0") + struct.pack("<I", 0x80 + len(self.rich))
        stub = b"\x0e\x1f\xba\x0e\x00\xb4\x09\xcd\x21\xb8\x01\x4c\xcd\x21This program cannot be run in DOS mode.\r\r\n$"
        characteristics = CHARACTERISTICS[self.bits] | (LIBRARY if self.library else 0)
        narrow = self.bits == BITS_32
        optional_size = 0xE0 if narrow else 0xF0
        file_header = struct.pack(
            "<HHIIIHH", MACHINES[self.bits], len(self.sections), self.timestamp, 0, 0, optional_size, characteristics
        )
        code = sum(s.end - s.start for s in self.sections if s.characteristics == CODE)
        data = sum(s.end - s.start for s in self.sections if s.characteristics != CODE)
        first_code = next((s.start for s in self.sections if s.characteristics == CODE), 0x1000)
        optional = struct.pack("<HBBIIIII", MAGICS[self.bits], 14, 30, code, data, 0, self.entry, first_code)
        if narrow:  # PE32 tells where the data begin, and has half the room for the base
            first_data = next((s.start for s in self.sections if s.characteristics != CODE), 0)
            optional += struct.pack("<II", first_data, base)
        else:
            optional += struct.pack("<Q", base)
        optional += struct.pack("<II", 0x1000, 0x200)
        optional += struct.pack("<HHHHHHI", 10, 0, 10, 0, 10, 0, 0)
        optional += struct.pack("<IIIHH", self.size, 0x600, self.checksum, 1 if self.native else 2, self.mitigations)
        optional += struct.pack("<IIIIII" if narrow else "<QQQQII", 0x80000, 0x2000, 0x100000, 0x1000, 0, 16)
        for index in range(16):
            optional += struct.pack("<II", *self.directories.get(index, (0, 0)))
        raw = 0x600
        table = b""
        for part in self.sections:
            length = part.end - part.start
            table += part.name.encode().ljust(8, b"\0")
            table += struct.pack("<IIIIIIHHI", length, part.start, length, raw, 0, 0, 0, 0, part.characteristics)
            raw += length
        whole = (dos + stub).ljust(0x80, b"\0") + self.rich + b"PE\0\0" + file_header + optional + table
        assert len(whole) <= 0x600
        return whole


def rich(tools: Mapping[int, int], key: int) -> tuple[bytes, str]:
    """A Rich header and the MD5 of what it says.

    Args:
        tools: product id and build of each tool (the id in the upper half) to how many objects it made.
        key: what the header is masked with; real linkers take a check sum.
    """
    clear = struct.pack("<IIII", 0x536E6144, 0, 0, 0)  # "DanS"
    clear += b"".join(struct.pack("<II", tool, count) for tool, count in tools.items())
    masked = b"".join(struct.pack("<I", word ^ key) for (word,) in struct.iter_unpack("<I", clear))
    whole = masked + b"Rich" + struct.pack("<I", key)
    return whole.ljust(-(-len(whole) // 16) * 16, b"\0"), hashlib.md5(clear, usedforsecurity=False).hexdigest()


def exports(image_name: str, at: int, names: Mapping[str, int], timestamp: int) -> bytes:
    """An export directory with its tables, to be placed at the relative address ``at``.

    Args:
        image_name: name that the directory gives the image.
        at: relative address of the directory.
        names: exported name to its relative address.
        timestamp: time stamp of the directory.
    """
    ordered = sorted(names, key=str.encode)
    count = len(ordered)
    functions = at + 40
    name_table = functions + 4 * count
    ordinals = name_table + 4 * count
    strings = ordinals + 2 * count
    blob = image_name.encode() + b"\0"
    places = []
    for name in ordered:
        places.append(strings + len(blob))
        blob += name.encode() + b"\0"
    directory = struct.pack(
        "<IIHHIIIIIII", 0, timestamp, 0, 0, strings, 1, count, count, functions, name_table, ordinals
    )
    return (
        directory
        + b"".join(struct.pack("<I", names[name]) for name in ordered)
        + b"".join(struct.pack("<I", place) for place in places)
        + b"".join(struct.pack("<H", index) for index in range(count))
        + blob
    )


def debug(at: int, guid: str, age: int, pdb: str, timestamp: int) -> bytes:
    """A debug directory with one CodeView record behind it, to be placed at the relative address ``at``."""
    record = b"RSDS" + uuid.UUID(guid).bytes_le + struct.pack("<I", age) + pdb.encode() + b"\0"
    return struct.pack("<IIHHIIII", 0, timestamp, 0, 0, DEBUG_TYPE_CODEVIEW, len(record), at + 28, at + 28) + record


DLL_SECTIONS = (
    Section(".text", 0x1000, 0x120000, CODE),
    Section(".rdata", 0x120000, 0x170000, READ_ONLY),
    Section(".data", 0x170000, 0x17C000, DATA),
    Section(".pdata", 0x17C000, 0x18C000, READ_ONLY),
    Section(".rsrc", 0x18C000, 0x1FF000, READ_ONLY),
    Section(".reloc", 0x1FF000, 0x200000, READ_ONLY),
)
EXE_SECTIONS = (
    Section(".text", 0x1000, 0x19000, CODE),
    Section(".rdata", 0x19000, 0x23000, READ_ONLY),
    Section(".data", 0x23000, 0x26000, DATA),
    Section(".pdata", 0x26000, 0x28000, READ_ONLY),
    Section(".rsrc", 0x28000, 0x37000, READ_ONLY),
    Section(".reloc", 0x37000, 0x38000, READ_ONLY),
)


def without_exception_table(sections: tuple[Section, ...]) -> tuple[Section, ...]:
    """The parts of the 32-bit flavour: x86 code has no table of functions (.pdata), so what precedes it takes its room.

    Source: "PE Format", learn.microsoft.com/windows/win32/debug/pe-format (The .pdata Section).
    """
    left: list[Section] = []
    for part in sections:
        if part.name == ".pdata":
            left[-1] = replace(left[-1], end=part.end)
        else:
            left.append(part)
    return tuple(left)
