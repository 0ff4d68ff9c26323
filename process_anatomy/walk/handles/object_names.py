"""Names of objects: in the object directories, of files on devices, of open registry keys.

Chains (a directory in a directory, a key under a key) are followed for all objects at once, one step at a time.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from process_anatomy.absent import NOT_APPLICABLE, Absent, Kind
from process_anatomy.kernel.identify import Kernel
from process_anatomy.kernel.objects import object_headers
from process_anatomy.memory.space import Addresses, distinct
from process_anatomy.memory.view import Records, addresses_of
from structs.layout import Layout
from structs.object import DEVICE_OBJECT, OBJECT_HEADER_NAME_INFO
from structs.registry import CM_KEY_BODY, CM_KEY_CONTROL_BLOCK, CM_NAME_CONTROL_BLOCK
from structs.section import FILE_OBJECT

Name = str | Absent
DEPTH_LIMIT = 64
"""Directories inside one another at the most; Windows' own are five deep."""
KEY_DEPTH_LIMIT = 513
"""Keys below one another at the most: the registry allows 512 levels."""
ROOT_KEY = "\\REGISTRY"
"""Where every key's path begins."""
KEY_BODY = int.from_bytes(b"20yk", "little")
"""Type of every _CM_KEY_BODY."""
KEY_NAME_LIMIT = 512
"""Bytes of a key's name at the most: Windows allows 255 characters."""
PATH_LIMIT = 0x7FFF
"""Characters of a path at the most: as many as a _UNICODE_STRING has room for."""
SURPLUS = Absent(Kind.IMPLAUSIBLE, "paths are longer, all together, than the image has room for")
HIVE_ENTRY = 0x4
"""Flag of the topmost key of a hive (KEY_HIVE_ENTRY)."""
FILE_TYPE, DEVICE_TYPE = 5, 3


def objects_named(kernel: Kernel, bodies: Addresses) -> tuple[list[Name], list[Name]]:
    """The names of objects, and their paths through the object directories.

    Args:
        kernel: whose memory.
        bodies: address of each object.

    Returns:
        For each object its own name, not applicable for one without; and its path from the root directory, the same
        as the name where the object is in no directory.
    """
    different, back = distinct(bodies)
    names, above = _own_names(kernel, different)
    known: dict[int, tuple[Name, int]] = {}
    wave, _ = distinct(above[above != 0])
    for _ in range(DEPTH_LIMIT):
        if not len(wave):
            break
        directory = object_headers(kernel, wave).are("Directory").tolist()
        found, parents = _own_names(kernel, wave)
        for at, name, parent, real in zip(wave.tolist(), found, parents.tolist(), directory, strict=True):
            known[at] = (name, parent) if real else (Absent(Kind.IMPLAUSIBLE, f"{at:#x} is no directory"), 0)
        wave = addresses_of(sorted({p for p in parents.tolist() if p and p not in known}))
    paths = _Paths(kernel.space.room)
    whole = [
        name if isinstance(name, Absent) or not at else paths.told(_joined(_path(at, known, paths), name))
        for name, at in zip(names, above.tolist(), strict=True)
    ]
    return [names[row] for row in back.tolist()], [whole[row] for row in back.tolist()]


def _own_names(kernel: Kernel, bodies: Addresses) -> tuple[list[Name], Addresses]:
    """The name in front of each object, and the directory that it is in, 0 for none."""
    headers = object_headers(kernel, bodies)
    places = headers.optional(OBJECT_HEADER_NAME_INFO)
    if OBJECT_HEADER_NAME_INFO not in kernel.build:
        return [NOT_APPLICABLE] * len(bodies), np.zeros(len(bodies), dtype=np.uint64)
    rows = np.flatnonzero(places)
    records = kernel.view.records(OBJECT_HEADER_NAME_INFO, places[rows])
    found: list[Name] = [NOT_APPLICABLE] * len(bodies)
    if not headers.records.whole.all():  # an object whose header cannot be read may well have a name
        for row, mask in enumerate(headers.parts()):
            if isinstance(mask, Absent) and headers.addresses[row]:
                found[row] = mask
    for row, name in zip(rows.tolist(), _texts(kernel, records, "Name"), strict=True):
        found[row] = Absent(Kind.IMPLAUSIBLE, "its name has no characters") if name == "" else name
    above = np.zeros(len(bodies), dtype=np.uint64)
    above[rows] = records.array("Directory")
    return found, np.where(above >= np.uint64(kernel.system_start), above, np.uint64(0))


def _texts(kernel: Kernel, records: Records, field: str) -> list[Name]:
    """The characters of a _UNICODE_STRING of each record."""
    values = records.values(field)
    strings = kernel.view.strings(
        [0 if isinstance(v, Absent) else v.Buffer for v in values],
        [0 if isinstance(v, Absent) else v.Length for v in values],
    )
    return [v if isinstance(v, Absent) else s for v, s in zip(values, strings, strict=True)]


def _path(at: int, known: dict[int, tuple[Name, int]], paths: dict[int, Name]) -> Name:
    """The path of a directory, of those that were read."""
    chain: list[int] = []
    here = at
    while here and here not in paths and here not in chain and here in known and len(chain) < DEPTH_LIMIT:
        chain.append(here)
        here = known[here][1]
    if here and here not in paths:
        why = "loop" if here in chain else "go on for ever"
        paths[here] = Absent(Kind.IMPLAUSIBLE, f"the directories above {at:#x} {why}")
    path: Name = paths.get(here, "")
    for step in reversed(chain):
        name = known[step][0]
        if not known[step][1] and not here:  # the topmost: the root, called \, or a directory without a name
            path = "" if name == "\\" else f"(directory {step:#x})" if name == NOT_APPLICABLE else name
        else:
            path = _joined(path, name)
        paths[step] = path
        path = paths[step]
    return paths[at]


def _joined(above: Name, name: Name) -> Name:
    if isinstance(above, Absent):
        return above
    if isinstance(name, Absent):
        return name
    if len(above) + len(name) >= PATH_LIMIT:
        return Absent(Kind.IMPLAUSIBLE, f"a path of {len(above) + 1 + len(name)} characters")
    return f"{above}\\{name}"


class _Paths(dict[int, Name]):
    """Paths that were put together, by the address of what they lead to; all of them no longer than an image is.

    Args:
        room: characters that all of them together may have.
    """

    def __init__(self, room: int) -> None:
        super().__init__()
        self.room = room

    def __setitem__(self, at: int, path: Name) -> None:
        super().__setitem__(at, self.told(path))

    def told(self, path: Name) -> Name:
        """A path that nobody else leads to, where there is room for it."""
        if isinstance(path, Absent):
            return path
        self.room -= len(path)
        return path if self.room >= 0 else SURPLUS


def files_named(kernel: Kernel, objects: Addresses) -> tuple[list[Name], list[list[str]]]:
    r"""Names of files with their devices, ``\Device\HarddiskVolume3\Windows``, and what is odd about each.

    The device's name is that of the device object; where it has none, or cannot be read, the file's name alone is told.
    """
    different, back = distinct(objects)
    records = kernel.view.records(FILE_OBJECT, different)
    pointers = records.values("DeviceObject")
    devices = addresses_of([p if isinstance(p, int) and p >= kernel.system_start else 0 for p in pointers])
    own, _ = objects_named(kernel, devices)
    kinds = _values(kernel, DEVICE_OBJECT, devices, "Type")
    paths = _Paths(kernel.space.room)
    found: list[tuple[Name, list[str]]] = []
    for kind, pointer, device, sort, name in zip(
        records.values("Type"), pointers, own, kinds, _texts(kernel, records, "FileName"), strict=True
    ):
        problems: list[str] = []
        if isinstance(kind, int) and kind != FILE_TYPE:
            found.append((Absent(Kind.IMPLAUSIBLE, f"no file object: its type is {kind}"), problems))
            continue
        prefix = f"\\Device\\{device}" if isinstance(device, str) else ""
        if isinstance(pointer, Absent):
            problems.append(f"the file's device: {pointer}")
        elif pointer and pointer < kernel.system_start:
            problems.append(f"the file's device would be at {pointer:#x}, which is no kernel address")
        elif pointer and isinstance(sort, int) and sort != DEVICE_TYPE:
            problems.append(f"the file's device is none: its type is {sort}")
            prefix = ""
        elif isinstance(device, Absent) and device.kind is not Kind.NOT_APPLICABLE:
            problems.append(f"the name of the file's device: {device}")
        if isinstance(name, Absent):
            problems.append(f"the file's name: {name}")
        whole = paths.told(prefix + (name if isinstance(name, str) else ""))
        found.append((whole if whole != "" else _none(name), problems))
    return [found[row][0] for row in back.tolist()], [found[row][1] for row in back.tolist()]


def _none(name: Name) -> Absent:
    return name if isinstance(name, Absent) else NOT_APPLICABLE


def _values(kernel: Kernel, layout: Layout, addresses: Addresses, field: str) -> list[Any]:
    """One field of many structures; absent for all where the build has no such structure."""
    if layout not in kernel.build:
        return [Absent(Kind.NOT_IN_BUILD, f"{layout.name} is not in the layout of build {kernel.build.name}")] * len(
            addresses
        )
    return kernel.view.records(layout, addresses).values(field)


def keys_named(kernel: Kernel, objects: Addresses) -> list[Name]:
    r"""Full paths of open keys, ``\REGISTRY\MACHINE\SYSTEM``, through their control blocks.

    Since Windows 10 1607 the topmost key of a hive has a block of its own under the one that the hive is mounted at;
    its name is not part of the path.
    """
    lacking = [layout.name for layout in KEY_LAYOUTS if layout not in kernel.build]
    if lacking:
        gone = Absent(Kind.NOT_IN_BUILD, f"{lacking[0]} is not in the layout of build {kernel.build.name}")
        return [gone] * len(objects)
    bodies = kernel.view.records(CM_KEY_BODY, objects)
    starts = bodies.values("KeyControlBlock")
    split = "Trans" in kernel.build[CM_KEY_BODY]
    blocks = _control_blocks(kernel, [p for p in starts if isinstance(p, int)], split)
    paths = _Paths(kernel.space.room)
    found: list[Name] = []
    for kind, start in zip(bodies.values("Type"), starts, strict=True):
        if isinstance(kind, int) and kind != KEY_BODY:
            found.append(Absent(Kind.IMPLAUSIBLE, f"no open key: its type is {kind:#x}"))
        else:
            found.append(start if isinstance(start, Absent) else _rooted(_key_path(kernel, start, blocks, paths)))
    return found


def _rooted(path: Name) -> Name:
    """A key's path, which begins at the root of the registry."""
    if isinstance(path, Absent) or path == ROOT_KEY or path.startswith(ROOT_KEY + "\\"):
        return path
    return Absent(Kind.IMPLAUSIBLE, f"the keys above {path} end before {ROOT_KEY}, where every key begins")


KEY_LAYOUTS = (CM_KEY_BODY, CM_KEY_CONTROL_BLOCK, CM_NAME_CONTROL_BLOCK)
Block = tuple[Name | None, int | Absent]
"""A key's name, ``None`` where it does not count; and the block above, 0 at the top."""


def _control_blocks(kernel: Kernel, starts: Sequence[int], split: bool) -> dict[int, Block]:
    """Every key control block that these lead up to."""
    blocks: dict[int, Block] = {}
    wave = sorted({at for at in starts if at >= kernel.system_start})
    for _ in range(KEY_DEPTH_LIMIT):
        if not wave:
            break
        records = kernel.view.records(CM_KEY_CONTROL_BLOCK, addresses_of(wave))
        names = _block_names(kernel, records.array("NameBlock").astype(np.uint64))
        parents, flags = records.values("ParentKcb"), records.array("Flags").tolist()
        for at, name, parent, flag, place in zip(wave, names, parents, flags, records.values("NameBlock"), strict=True):
            entry = split and flag & HIVE_ENTRY and parent
            blocks[at] = (None if entry else place if isinstance(place, Absent) else name, parent)
        wave = sorted({p for p in parents if isinstance(p, int) and p >= kernel.system_start and p not in blocks})
    return blocks


def _block_names(kernel: Kernel, addresses: Addresses) -> list[Name]:
    """The names in these name blocks."""
    structure = kernel.build[CM_NAME_CONTROL_BLOCK]
    possible = np.where(addresses >= np.uint64(kernel.system_start), addresses, np.uint64(0))
    records = kernel.view.records(CM_NAME_CONTROL_BLOCK, possible)
    lengths, small = records.values("NameLength"), records.array("Compressed").tolist()
    places = [int(at) + structure.offset("Name") for at in addresses.tolist()]
    known = [length if isinstance(length, int) and length <= KEY_NAME_LIMIT else 0 for length in lengths]
    narrow = kernel.view.strings(places, [n if s else 0 for n, s in zip(known, small, strict=True)], "latin-1")
    wide = kernel.view.strings(places, [0 if s else n for n, s in zip(known, small, strict=True)])
    return [
        Absent(Kind.IMPLAUSIBLE, f"{at:#x} is no address of a key's name") if not good
        else length if isinstance(length, Absent)
        else Absent(Kind.IMPLAUSIBLE, f"the key's name at {at:#x} is empty") if length == 0
        else Absent(Kind.IMPLAUSIBLE, f"the key's name at {at:#x} has {length} bytes") if length > KEY_NAME_LIMIT
        else n if s else w
        for at, good, length, s, n, w in zip(
            addresses.tolist(), possible.tolist(), lengths, small, narrow, wide, strict=True
        )
    ]  # fmt: skip


def _key_path(kernel: Kernel, start: int, blocks: dict[int, Block], paths: dict[int, Name]) -> Name:
    """The path of a key, of the blocks that were read."""
    chain: list[int] = []
    here = start
    if not start:
        return Absent(Kind.IMPLAUSIBLE, "an open key without a key: the address of its control block is zero")
    while here and here not in paths:
        if here in chain:
            paths[start] = Absent(Kind.IMPLAUSIBLE, f"the keys above {start:#x} loop at {here:#x}")
            return paths[start]
        if here not in blocks:
            above = "is no address of a key" if here < kernel.system_start else "lies too many levels up"
            paths[start] = Absent(Kind.IMPLAUSIBLE, f"the keys above {start:#x}: {here:#x} {above}")
            return paths[start]
        chain.append(here)
        parent = blocks[here][1]
        if isinstance(parent, Absent):
            paths[start] = parent
            return paths[start]
        here = parent
    path: Name = paths.get(here, "")
    for step in reversed(chain):
        name = blocks[step][0]
        paths[step] = path if name is None else _joined(path, name)
        path = paths[step]
    return path
