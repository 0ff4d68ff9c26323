"""Processors that Windows' files, dumps and layouts are for.

Source: Microsoft Learn, PE Format, Machine Types (IMAGE_FILE_MACHINE_*).
"""

from __future__ import annotations

from typing import NamedTuple


class Machine(NamedTuple):
    """A processor.

    Attributes:
        number: IMAGE_FILE_MACHINE_*, as the headers of files and dumps have it.
        name: as layouts and rows name it.
        pointer_size: bytes of an address.
    """

    number: int
    name: str
    pointer_size: int


X86 = Machine(0x014C, "x86", 4)
ARM = Machine(0x01C4, "ARM", 4)
IA64 = Machine(0x0200, "IA64", 8)
X64 = Machine(0x8664, "x64", 8)
ARM64 = Machine(0xAA64, "ARM64", 8)
ARM64EC = Machine(0xA641, "ARM64EC", 8)
ARM64X = Machine(0xA64E, "ARM64X", 8)

KERNELS = {machine.name: machine for machine in (X64, X86)}
"""Those that layouts of kernels ship for, by name."""
BY_POINTER_SIZE = {machine.pointer_size: machine for machine in KERNELS.values()}
"""The same by the size of a pointer, which tells them apart."""
