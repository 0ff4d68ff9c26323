"""What stands in the pages of a forged program: imports, the debug record and the version resource."""

from __future__ import annotations

import hashlib
import struct
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from process_anatomy.forge.pe import headers as pe

IMPORTS, RESOURCES = 1, 2
"""Data directories, besides those of :mod:`process_anatomy.forge.pe.headers`."""
IMPORTED = {
    "KERNEL32.dll": ("CreateFileW", "ReadFile", "CloseHandle", "GetCommandLineW"),
    "USER32.dll": ("MessageBoxW",),
}
WINDOWS_VERSION = "10.0.22621.382"
LANGUAGE = 0x409
TOOLS = {0x0105_7A64: 12, 0x0104_7A64: 31, 0x0102_7A64: 1, 0x0001_0000: 9}
"""What a Rich header counts: compilers and linker by product and build, and imported functions."""
SIGNATURE = 0x2B38
"""Bytes of the signature of a signed file, behind its last section."""
Version = tuple[int, int, int, int]
WINDOWS: Version = 10, 0, 22621, 382
"""Of the files of a forged Windows, whatever its kernel is."""
VERSION_RESOURCE = 16
BOUND = {pe.BITS_64: 0x7FF800001000, pe.BITS_32: 0x77001000}
"""What the loader writes over the import address table; any address will do."""


@dataclass(frozen=True)
class Contents:
    """Pages of a program that hold something, and what that is.

    Attributes:
        directories: data-directory index to (relative address, size).
        pages: number of the page in the image to its bytes.
        facts: what a tool should find in them.
        rich: the Rich header.
    """

    directories: Mapping[int, tuple[int, int]]
    pages: Mapping[int, bytes]
    facts: Mapping[str, Any]
    rich: bytes


def contents(path: str, rdata: int, rsrc: int, timestamp: int, bits: int = pe.BITS_64) -> Contents:
    """The tables of a program.

    Args:
        path: of the program; its symbol file's GUID follows from it.
        rdata: relative address of the section that holds imports and the debug record.
        rsrc: relative address of the section that holds the resources.
        timestamp: of the program.
        bits: of its addresses.
    """
    name = path.rpartition("\\")[2]
    guid = str(uuid.uuid5(uuid.NAMESPACE_URL, path))
    pdb = f"D:\\build\\{name.rpartition('.')[0]}.pdb"
    company = "Microsoft Corporation" if path.lower().startswith("c:\\windows\\") else "Practice Software"
    version = {
        "CompanyName": company,
        "FileDescription": f"{name} for practice",
        "FileVersion": WINDOWS_VERSION,
        "OriginalFilename": name,
    }
    table, whole = _imports(rdata, bits)
    debug = pe.debug(rdata + len(whole), guid, 1, pdb, timestamp)
    held = resources(rsrc, version)
    directories = {
        IMPORTS: (rdata, table),
        RESOURCES: (rsrc, len(held)),
        pe.DEBUG_DIRECTORY: (rdata + len(whole), 28),
    }
    rich, rich_hash = pe.rich(TOOLS, timestamp | 1)
    hashed = ",".join(f"{dll[:-4]}.{name}".lower() for dll, names in IMPORTED.items() for name in names)
    facts = {
        "imphash": hashlib.md5(hashed.encode(), usedforsecurity=False).hexdigest(),
        "imports": sum(map(len, IMPORTED.values())),
        "pdb": pdb,
        "rich": rich_hash,
        "pdb_guid": guid.replace("-", "").upper(),
        "version": version,
    }
    return Contents(directories, {rdata >> 12: whole + debug, rsrc >> 12: held}, facts, rich)


def _imports(at: int, bits: int) -> tuple[int, bytes]:
    """Import descriptors with their tables and names; gives the descriptors' size too."""
    thunk, form = bits // 8, "<Q" if bits == pe.BITS_64 else "<I"
    table = 20 * (len(IMPORTED) + 1)
    thunks = sum(thunk * (len(names) + 1) for names in IMPORTED.values())
    strings_at = at + table + 2 * thunks
    strings = b""
    descriptors, lookups, addresses = b"", b"", b""
    for library, names in IMPORTED.items():
        descriptors += struct.pack(
            "<IIIII",
            at + table + len(lookups),
            0,
            0,
            strings_at + len(strings),
            at + table + thunks + len(addresses),
        )
        strings += library.encode() + b"\0"
        for name in names:
            lookups += struct.pack(form, strings_at + len(strings))
            addresses += struct.pack(form, BOUND[bits] + 0x10 * len(strings))
            strings += struct.pack("<H", 0) + name.encode() + b"\0"
        lookups += bytes(thunk)
        addresses += bytes(thunk)
    return table, (descriptors + bytes(20) + lookups + addresses + strings).ljust(0x400, b"\0")


def resources(at: int, version: Mapping[str, str], numbers: Version = WINDOWS) -> bytes:
    """A resource section with one version resource in one language.

    Args:
        at: relative address of the section.
        version: strings of the resource.
        numbers: of the file's version.
    """
    tree = b""
    for number, leads in ((VERSION_RESOURCE, 0x80000018), (1, 0x80000030), (LANGUAGE, 0x48)):
        tree += struct.pack("<IIHHHHII", 0, 0, 0, 0, 0, 1, number, leads)
    data = _version(version, numbers)
    return tree + struct.pack("<IIII", at + 0x58, len(data), 0, 0) + data


def _block(key: str, value: bytes, children: bytes = b"", text: bool = False) -> bytes:
    """One node of a version resource: length, value's length, type, key, value, children; each on four bytes."""
    head = (b"\0" * 6 + key.encode("utf-16-le") + b"\0\0").ljust(-(-(8 + 2 * len(key)) // 4) * 4, b"\0")
    whole = head + value
    if children:
        whole = whole.ljust(-(-len(whole) // 4) * 4, b"\0") + children
    return struct.pack("<HHH", len(whole), len(value) // 2 if text else len(value), int(text)) + whole[6:]


def _version(strings: Mapping[str, str], numbers: Version) -> bytes:
    parts = [_block(key, value.encode("utf-16-le") + b"\0\0", text=True) for key, value in strings.items()]
    table = _block(f"{LANGUAGE:04x}04b0", b"", b"".join(part.ljust(-(-len(part) // 4) * 4, b"\0") for part in parts))
    high, low = numbers[0] << 16 | numbers[1], numbers[2] << 16 | numbers[3]
    fixed = struct.pack("<IIIIII", 0xFEEF04BD, 0x10000, high, low, high, low)
    fixed += struct.pack("<IIIIIII", 0x3F, 0, 0x40004, 1, 0, 0, 0)
    return _block("VS_VERSION_INFO", fixed, _block("StringFileInfo", b"", table))
