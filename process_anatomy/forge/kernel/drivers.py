"""The list of what is loaded into the kernel: the kernel itself first, then drivers."""

from __future__ import annotations

from typing import Any

from process_anatomy.forge.ground.dice import Dice
from process_anatomy.forge.ground.generations import FIRST_WITH_ALL, version_of
from process_anatomy.forge.ground.records import pointers, record, ring, text
from process_anatomy.forge.kernel.files import kernel_folder
from process_anatomy.forge.kernel.image import KernelImage
from process_anatomy.forge.kernel.more_drivers import header, more_drivers, next_base
from process_anatomy.forge.memory.frames import KERNEL_DATA, WRITE
from process_anatomy.forge.memory.pool import Pool
from structs.peb import LDR_DATA_TABLE_ENTRY

SYSTEM_FOLDER = "\\SystemRoot\\system32\\"
DRIVERS = (
    ("hal.dll", "\\SystemRoot\\system32\\", 0x6000), ("kd.dll", "\\SystemRoot\\system32\\", 0xB000),
    ("CI.dll", "\\SystemRoot\\system32\\", 0xE9000), ("ACPI.sys", "\\SystemRoot\\System32\\drivers\\", 0xCC000),
    ("Ntfs.sys", "\\SystemRoot\\System32\\drivers\\", 0x2FD000),
    ("tcpip.sys", "\\SystemRoot\\System32\\drivers\\", 0x312000),
    ("afd.sys", "\\SystemRoot\\system32\\drivers\\", 0xA6000),
    ("win32k.sys", "\\SystemRoot\\System32\\", 0x9A000),
    ("win32kbase.sys", "\\SystemRoot\\System32\\", 0x2EA000),
)  # fmt: skip
NEW_DRIVERS = ("kd.dll", "win32kbase.sys")
"""Drivers that are left out where not the whole cast is forged: they had other names then."""


def load_drivers(kernel: KernelImage, pools: tuple[Pool, Pool], dice: Dice, many: bool = False) -> list[dict[str, Any]]:
    """Write PsLoadedModuleList; gives its entries' facts.

    Args:
        kernel: the first of the list, and where its head is.
        pools: non-paged, which holds the entries, and paged, which holds their names.
        dice: decides where drivers lie.
        many: of 64-bit Windows, as many drivers as a small machine loads, and the headers of all in memory; 32-bit
            system space, as it is laid out here, has no room for them.
    """
    build, places = kernel.build, kernel.places
    nonpaged, strings = pools
    folder = kernel_folder(build)
    whole = version_of(build) >= FIRST_WITH_ALL and kernel.space.mode.is_long
    drivers = [each for each in DRIVERS if whole or each[0] not in NEW_DRIVERS]
    many = many and kernel.space.mode.is_long
    few = len(drivers) + 1
    drivers += more_drivers(build) if many else []
    named = [(kernel.name, folder, kernel.size), *((n, f.replace(SYSTEM_FOLDER, folder), s) for n, f, s in drivers)]
    entries = [nonpaged.allocate(build[LDR_DATA_TABLE_ENTRY].sizeof, b"MmLd") for _ in named]
    links = ring([kernel.address("PsLoadedModuleList"), *entries])
    base, facts = kernel.base, []
    for number, (entry, (name, folder, size)) in enumerate(zip(entries, named, strict=True)):
        if number >= few:
            base = next_base(base, named[number - 1][2], dice)
        elif name != kernel.name:
            behind = places.first_driver if base == kernel.base else 0
            base = (behind or base) + (dice.between(*places.driver_steps) << 20)
        start = base + (kernel.entry if name == kernel.name else 0x1000 + 16 * dice.below(200))
        path = folder + (kernel.file if name == kernel.name else name)
        told = text(path, strings.string(path)), text(name, strings.string(name))
        stamp = kernel.timestamp if name == kernel.name else 0x60000000 | dice.bits(28)
        if many and name != kernel.name:
            page = header(build, base, size, start - base, stamp)
            kernel.space.map(base, kernel.space.memory.take(page), KERNEL_DATA & ~WRITE)
        data = record(
            build,
            LDR_DATA_TABLE_ENTRY,
            InLoadOrderLinks=links[entry],
            DllBase=base,
            EntryPoint=start,
            SizeOfImage=size,
            FullDllName=told[0],
            BaseDllName=told[1],
            TimeDateStamp=stamp,
        )
        kernel.space.write(entry, data)
        facts.append({"base": base, "entry": entry, "name": name, "path": path, "size": size})
    head = links[kernel.address("PsLoadedModuleList")]
    kernel.store("PsLoadedModuleList", pointers(build, *head.values()))
    return facts
