"""Functions of ntdll.dll that ask the kernel: their code, and the export directory that names them.

Source: the entry stubs of x64 ntdll.dll as every disassembler shows them (number of the service in eax, the test of
KUSER_SHARED_DATA.SystemCall, syscall or int 2Eh); "PE Format", learn.microsoft.com/windows/win32/debug/pe-format.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from process_anatomy.forge.pe import headers as pe

STUBS = 0x9E000
"""Relative address of the page that the stubs lie in."""
STUB_SIZE = 32
SERVICES = {
    "Close": 0x0F,
    "MapViewOfSection": 0x28,
    "ManageHotPatch": 0x10B,
    "ProtectVirtualMemory": 0x50,
    "QueryVirtualMemory": 0x23,
}
"""Services that the forged ntdll.dll exports, each by both prefixes, and their numbers."""
PREFIXES = "Nt", "Zw"
BEFORE = bytes.fromhex("0f1f840000000000")
"""What stands before and behind each stub: a long instruction that does nothing."""


@dataclass(frozen=True)
class SystemCalls:
    """Pages of a library that exports system calls.

    Attributes:
        directories: data-directory index to (relative address, size).
        pages: number of the page in the image to its bytes.
    """

    directories: dict[int, tuple[int, int]]
    pages: dict[int, bytes]


def stub(number: int) -> bytes:
    """The code of one function that asks for a service."""
    code = bytes.fromhex("4c8bd1b8") + struct.pack("<I", number) + bytes.fromhex("f604250803fe7f0175030f05c3cd2ec3")
    return (code + BEFORE).ljust(STUB_SIZE, b"\xcc")


def place_of(service: str) -> int:
    """Relative address of the function that asks for a service."""
    return STUBS + STUB_SIZE * (1 + sorted(SERVICES).index(service))


def system_calls(name: str, rdata: int, timestamp: int) -> SystemCalls:
    """The pages of a library of that name, its export directory at the relative address ``rdata``."""
    code = BEFORE.rjust(STUB_SIZE, b"\xcc") + b"".join(stub(SERVICES[service]) for service in sorted(SERVICES))
    names = {prefix + service: place_of(service) for service in SERVICES for prefix in PREFIXES}
    directory = pe.exports(name, rdata, names, timestamp)
    return SystemCalls({pe.EXPORT_DIRECTORY: (rdata, len(directory))}, {STUBS >> 12: code, rdata >> 12: directory})
