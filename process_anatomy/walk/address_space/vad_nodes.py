"""What a node of a VAD tree says: its range, kind, protection and file, each in the words of every Windows alike.

Source: the kernel's symbols of each Windows (_MMVAD_SHORT, _MMVAD_FLAGS, MI_VAD_TYPE, _SUBSECTION, _CONTROL_AREA).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from process_anatomy.absent import NOT_APPLICABLE, Absent, Kind
from process_anatomy.kernel.identify import Kernel
from process_anatomy.memory.space import Addresses, Mask, distinct
from process_anatomy.memory.view import Records, as_name, unreadable
from process_anatomy.walk.address_space.vad_trees import is_splay_tree
from structs.object import POOL_HEADER
from structs.section import CONTROL_AREA, FILE_OBJECT, MMSECTION_FLAGS, SUBSECTION
from structs.vad import MMVAD

FILE_TYPE = 5
"""What every file object begins with (IO_TYPE_FILE)."""
PAGE_SHIFT = np.uint64(12)
HIGH_SHIFT = np.uint64(44)
SHORT_TAGS = {"VadS", "VadF"}
"""Pool tags of nodes that end with _MMVAD_SHORT: there is no section behind them."""
VAD_TYPES = (
    "VadNone",
    "VadDevicePhysicalMemory",
    "VadImageMap",
    "VadAwe",
    "VadWriteWatch",
    "VadLargePages",
    "VadRotatePhysical",
    "VadLargePageSection",
)
"""MI_VAD_TYPE by value."""
IMAGE_MAP = VAD_TYPES[2]
TYPE_BITS = {
    "PhysicalMapping": VAD_TYPES[1],
    "ImageMap": IMAGE_MAP,
    "UserPhysicalPages": VAD_TYPES[3],
    "WriteWatch": VAD_TYPES[4],
    "LargePages": VAD_TYPES[5],
}
"""Bits that say what VadType says since Windows Server 2003 SP1."""

PAGE_PROTECTIONS = (
    "PAGE_NOACCESS",
    "PAGE_READONLY",
    "PAGE_EXECUTE",
    "PAGE_EXECUTE_READ",
    "PAGE_READWRITE",
    "PAGE_WRITECOPY",
    "PAGE_EXECUTE_READWRITE",
    "PAGE_EXECUTE_WRITECOPY",
)
PROTECTION_MODIFIERS = ("", "PAGE_NOCACHE", "PAGE_GUARD", "PAGE_WRITECOMBINE")


def protection_name(index: int) -> str:
    """The protection that a five-bit index of the memory manager stands for.

    The three lower bits choose the protection, the two upper ones a modifier; no access has none.  This is
    what the kernel's own table (MmProtectToValue) says in every build.
    """
    base = PAGE_PROTECTIONS[index & 7]
    modifier = PROTECTION_MODIFIERS[index >> 3 & 3]
    return f"{base}|{modifier}" if modifier and index & 7 else base


PROTECTIONS = tuple(protection_name(index) for index in range(32))


NO_SECTION = Absent(Kind.IMPLAUSIBLE, "its node has no room for a section, though an image has one")
"""The file of an image behind whose node there is no section."""


def facts_of(kernel: Kernel, records: Records) -> list[list[Any]]:
    """What ``Vad`` has from ``start`` to ``extended``, a column each."""
    tags = _tags(kernel, records.addresses)
    types = _types(records)
    images = [kind == IMAGE_MAP for kind in types]
    return [
        _patch(records, _starts(records).tolist(), *_parts(records, "StartingVpn")),
        _patch(records, _ends(records).tolist(), *_parts(records, "EndingVpn")),
        tags,
        types,
        _named(records, "Protection", PROTECTIONS),
        _numbers(records, "CommitCharge"),
        _numbers(records, "PrivateMemory"),
        _patch(records, parents_of(records).tolist(), _parent(records)),
        _files(kernel, records, tags, images),
        (records.array("Enclave") & records.array("PrivateMemory") != 0).tolist(),
        _extended(kernel, records.addresses, images),
    ]


def user_ranges(kernel: Kernel, records: Records) -> Mask:
    """Whether the range of each node is one of user addresses; meaningless where it could not be read."""
    starts, ends = _starts(records), _ends(records)
    found: Mask = (starts <= ends) & (ends < np.uint64(kernel.system_start))
    return found


def parents_of(records: Records) -> Addresses:
    """The parent that each node names, without the bits of the balance; meaningless where it could not be read."""
    stated: Addresses = records.array(_parent(records)).astype(np.uint64)
    return stated if is_splay_tree(records.structure) else stated & ~np.uint64(0x3)


def _parent(records: Records) -> str:
    return "Parent" if is_splay_tree(records.structure) else "ParentValue"


def _patch(records: Records, values: list[Any], *names: str) -> list[Any]:
    """The values, replaced by the reason where one of the fields that they are made of could not be read."""
    for name in names:
        if not records.whole.all() or name not in records.structure:
            read = records.values(name)
            values = [r if isinstance(r, Absent) else v for r, v in zip(read, values, strict=True)]
    return values


def _starts(records: Records) -> Addresses:
    return _page(records, "StartingVpn")


def _ends(records: Records) -> Addresses:
    return _page(records, "EndingVpn") | np.uint64(0xFFF)


def _parts(records: Records, vpn: str) -> list[str]:
    """The fields of a page's number: one of 64 bits, or of 32 on x86, or two parts."""
    return [vpn, vpn + "High"] if vpn + "High" in records.structure else [vpn]


def _page(records: Records, vpn: str) -> Addresses:
    """Where the page of a number begins."""
    found = np.zeros(len(records), dtype=np.uint64)
    for name, shift in zip(_parts(records, vpn), (PAGE_SHIFT, HIGH_SHIFT), strict=False):
        found |= records.array(name).astype(np.uint64) << shift
    return found


def _types(records: Records) -> list[Any]:
    """MI_VAD_TYPE of each node by name, from the bits that said the same before there was a number for it."""
    if "VadType" in records.structure:
        return _named(records, "VadType", VAD_TYPES)
    kinds = np.zeros(len(records), dtype=np.int64)
    for bit, name in TYPE_BITS.items():
        kinds[records.array(bit) != 0] = VAD_TYPES.index(name)
    return _patch(records, [VAD_TYPES[kind] for kind in kinds.tolist()], *TYPE_BITS)


def _numbers(records: Records, field: str) -> list[Any]:
    return _patch(records, records.array(field).tolist(), field)


def _named(records: Records, field: str, names: tuple[str, ...]) -> list[Any]:
    values = [names[v] if v < len(names) else str(v) for v in records.array(field).tolist()]
    return _patch(records, values, field)


def _tags(kernel: Kernel, address: Addresses) -> list[Any]:
    """The pool tag in front of each node."""
    if POOL_HEADER not in kernel.build:
        return [Absent(Kind.NOT_IN_BUILD, f"_POOL_HEADER is not in the layout of build {kernel.build.name}")] * len(
            address
        )
    place = kernel.build[POOL_HEADER].place("PoolTag")
    where = address - np.uint64(kernel.build[POOL_HEADER].sizeof) + np.uint64(place.offset)
    data, there = kernel.space.read_many(where, place.size)
    tags, back = distinct(data.view(f"<u{place.size}").reshape(-1))  # a few, of however many nodes
    names = [tag.to_bytes(place.size, "little").decode("latin-1") for tag in tags.tolist()]
    found: list[Any] = [names[which] for which in back.tolist()]
    for row in np.flatnonzero(~there).tolist():
        found[row] = unreadable(kernel.space, int(where[row]), place.size)
    return found


def _files(kernel: Kernel, records: Records, tags: list[Any], images: list[bool]) -> list[Any]:
    """Names of mapped files: node, subsection, control area, file object, in four batches.

    Before Windows Vista the node points to the control area itself.  The pool tag tells which nodes have a section
    behind them; where it is not known, the private bit does.  An image always has one: a way to its file that breaks
    off before the control area says so is damage, and no absence of a file.
    """
    found: list[Any] = [NO_SECTION if image else NOT_APPLICABLE for image in images]
    mapped = (records.array("PrivateMemory") == 0).tolist()
    long = [tag not in SHORT_TAGS if isinstance(tag, str) else shared for tag, shared in zip(tags, mapped, strict=True)]
    rows = np.flatnonzero(np.array(long, dtype=np.bool_))
    if not len(rows):
        return found
    where = records.addresses[rows]
    steps = [(MMVAD, "Subsection"), (SUBSECTION, "ControlArea"), (CONTROL_AREA, "FilePointer")]
    if "ControlArea" in kernel.build[MMVAD]:
        steps = [(MMVAD, "ControlArea"), (CONTROL_AREA, "FilePointer")]
    for layout, name in steps:
        place = kernel.build[layout].place(name)
        unique, back = distinct(where)
        data, there = kernel.space.read_many(unique + np.uint64(place.offset), place.size)
        pointers = data.view(f"<u{place.size}").reshape(-1).astype(np.uint64)[back]
        for row, at in zip(rows[~there[back]].tolist(), where[~there[back]].tolist(), strict=True):
            found[row] = unreadable(kernel.space, at + place.offset, place.size)
        pointers &= ~np.uint64(kernel.build.fast_ref if name == "FilePointer" else 0)
        for row in rows[there[back] & (pointers == 0)].tolist():
            if name == "FilePointer":
                found[row] = NOT_APPLICABLE
            elif images[row]:
                found[row] = Absent(Kind.IMPLAUSIBLE, f"{layout.name}.{name} is zero, though an image has a section")
        if name == "FilePointer" and len(rows):
            wrong = there[back] & np.array(images, dtype=np.bool_)[rows] & ~_of_images(kernel, unique)[back]
            for row, at in zip(rows[wrong].tolist(), where[wrong].tolist(), strict=True):
                found[row] = Absent(Kind.IMPLAUSIBLE, f"what should be its control area, {at:#x}, is of no image")
            pointers[wrong] = 0
        going = there[back] & (pointers != 0)
        rows, where = rows[going], pointers[going]
    unique, back = distinct(where)
    objects = kernel.view.records(FILE_OBJECT, unique)
    names = [
        Absent(Kind.IMPLAUSIBLE, f"no file object is at {at:#x}")
        if isinstance(kind, int) and kind != FILE_TYPE
        else Absent(Kind.IMPLAUSIBLE, f"its file object at {at:#x} has no name")
        if text == ""
        else as_name(text)
        for kind, text, at in zip(objects.values("Type"), objects.texts("FileName"), unique.tolist(), strict=True)
    ]
    for row, which in zip(rows.tolist(), back.tolist(), strict=True):
        found[row] = names[which]
    return found


def _extended(kernel: Kernel, addresses: Addresses, images: list[bool]) -> list[Any]:
    """Whether pages behind the end of each image are mapped with it; no build before Windows 11 24H2 does that."""
    found: list[Any] = [NOT_APPLICABLE] * len(images)
    rows = np.flatnonzero(np.array(images, dtype=np.bool_))
    if len(rows) and "ImageMappingExtended" in kernel.build[MMVAD]:
        place = kernel.build[MMVAD].place("ImageMappingExtended")
        where = addresses[rows] + np.uint64(place.offset)
        data, there = kernel.space.read_many(where, place.size)
        bits = (data.view(f"<u{place.size}").reshape(-1) >> (place.bit or 0) & 1).tolist()
        for row, bit, readable, at in zip(rows.tolist(), bits, there.tolist(), where.tolist(), strict=True):
            found[row] = bit if readable else unreadable(kernel.space, at, place.size)
    return found


def _of_images(kernel: Kernel, areas: Addresses) -> npt.NDArray[np.bool_]:
    """Whether each control area says that its section is an image; what cannot be read says nothing against it."""
    if MMSECTION_FLAGS not in kernel.build:
        return np.ones(len(areas), dtype=np.bool_)
    flags = kernel.build[CONTROL_AREA].place("Flags")
    data, there = kernel.space.read_many(areas + np.uint64(flags.offset), flags.size)
    bit = kernel.build[MMSECTION_FLAGS].place("Image").bit or 0
    stated = data.view(f"<u{flags.size}").reshape(-1) >> bit & 1
    found: npt.NDArray[np.bool_] = ~there | (stated == 1)
    return found
