"""_KDDEBUGGER_DATA64 ("KDBG"): the block of addresses that the kernel keeps for debuggers.

It does not change between builds (fields are only added at the end), so its places are here.
Source: Microsoft's public debugger interface (wdbgexts.h); the same in every Windows since XP.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from construct import Bytes, Default, Int16ul, Int32ul, Int64ul, Padding, Struct

from structs.eprocess import EPROCESS
from structs.ethread import ETHREAD
from structs.layout import Build, Layout

KDBG_TAG = b"KDBG"

KDDEBUGGER_DATA64 = Struct(
    "Flink" / Int64ul,
    "Blink" / Int64ul,
    "OwnerTag" / Bytes(4),
    "Size" / Int32ul,
    "KernBase" / Int64ul,
    Padding(0x48 - 0x20),
    "PsLoadedModuleList" / Int64ul,
    "PsActiveProcessHead" / Int64ul,
    "PspCidTable" / Int64ul,
    Padding(0x120 - 0x60),
    "MmPagedPoolStart" / Default(Int64ul, 0),
    Padding(0x208 - 0x128),
    "NtBuildLab" / Default(Int64ul, 0),
    Padding(0x268 - 0x210),
    "CmNtCSDVersion" / Default(Int64ul, 0),
    Padding(0x29A - 0x270),
    "OffsetKThreadTeb" / Int16ul,
    Padding(0x2A0 - 0x29C),
    "OffsetKThreadApcProcess" / Int16ul,
    Padding(0x2A8 - 0x2A2),
    "SizeEProcess" / Int16ul,
    "OffsetEprocessPeb" / Int16ul,
    "OffsetEprocessParentCID" / Int16ul,
    "OffsetEprocessDirectoryTableBase" / Int16ul,
    "SizePrcb" / Int16ul,
    Padding(2),
    "OffsetPrcbCurrentThread" / Int16ul,
    Padding(0x2C0 - 0x2B6),
    "SizeEThread" / Int16ul,
)


KDBG_SIZES: tuple[tuple[Layout, str], ...] = ((EPROCESS, "SizeEProcess"), (ETHREAD, "SizeEThread"))
"""Structures whose size the block states."""
KDBG_PLACES: tuple[tuple[Layout, str, str], ...] = (
    (EPROCESS, "Peb", "OffsetEprocessPeb"),
    (EPROCESS, "DirectoryTableBase", "OffsetEprocessDirectoryTableBase"),
    (EPROCESS, "InheritedFromUniqueProcessId", "OffsetEprocessParentCID"),
    (ETHREAD, "Teb", "OffsetKThreadTeb"),
    (ETHREAD, "ApcStateProcess", "OffsetKThreadApcProcess"),
)
"""Fields whose place the block states."""


class Statement(NamedTuple):
    """What the kernel's debugger block says of a layout.

    Attributes:
        structure: Windows name of the structure.
        field: the field whose place is stated; empty where the structure's size is.
        said: the block's number.
        known: the layout's, ``None`` where it has no such structure or field.
        later: other sizes that updates of the layout's build are known to have given the structure.
    """

    structure: str
    field: str
    said: int
    known: int | None
    later: tuple[int, ...] = ()

    @property
    def agrees(self) -> bool:
        """Whether both say the same, or the block says what is known of an update."""
        return self.said == self.known or self.updated

    @property
    def updated(self) -> bool:
        """Whether the block says what is known of an update that left every declared field in its place."""
        return self.said in self.later

    @property
    def contradicts(self) -> bool:
        """Whether they say different things: a layout without the field says nothing."""
        return self.known is not None and not self.agrees

    def __str__(self) -> str:
        if not self.field:
            return f"{self.structure} has {self.said} bytes, not {' or '.join(map(str, (self.known, *self.later)))}"
        known = "known" if self.known is None else f"{self.known:#x}"
        return f"{self.structure}.{self.field} lies at {self.said:#x}, not {known}"


def statements(block: Mapping[str, Any], build: Build) -> Iterator[Statement]:
    """What a debugger block says of a layout: sizes first; members that it lacks, or that are 0, say nothing."""
    for layout, member in KDBG_SIZES:
        if block.get(member):
            size, later = build.sizes.get(layout.name), build.later_sizes.get(layout.name, ())
            yield Statement(layout.name, "", block[member], size, later)
    for layout, field, member in KDBG_PLACES:
        if block.get(member):
            place = build.place(layout.name, field)
            yield Statement(layout.name, field, block[member], place.offset if place else None)
