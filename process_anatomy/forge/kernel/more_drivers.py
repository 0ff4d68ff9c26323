"""Drivers that a machine loads beside those that every image has."""

from __future__ import annotations

from process_anatomy.forge.ground.dice import Dice
from process_anatomy.forge.pe.headers import (
    BITS_32,
    BITS_64,
    CODE,
    DATA,
    OLD_FASHIONED,
    RANDOMISED,
    READ_ONLY,
    Program,
    Section,
)
from structs.layout import Build

FOLDER = "\\SystemRoot\\System32\\drivers\\"
VISTA, SEVEN, EIGHT, TEN = 6000, 7600, 9200, 10240
MORE_DRIVERS = (
    ("CLFS.SYS", 0x6A000, VISTA), ("tm.sys", 0x27000, TEN), ("PSHED.dll", 0x1A000, VISTA), ("BOOTVID.dll", 0xB000, 0),
    ("FLTMGR.SYS", 0x73000, 0), ("msrpc.sys", 0x62000, VISTA), ("ksecdd.sys", 0x2C000, 0),
    ("werkernel.sys", 0x11000, 9600), ("cng.sys", 0xBD000, SEVEN), ("Wdf01000.sys", 0xD3000, VISTA),
    ("WDFLDR.SYS", 0x13000, VISTA), ("WppRecorder.sys", 0x11000, 9600), ("acpiex.sys", 0x26000, EIGHT),
    ("WMILIB.SYS", 0xC000, 0), ("msisadrv.sys", 0xB000, VISTA), ("pci.sys", 0x71000, 0),
    ("vdrvroot.sys", 0x15000, SEVEN), ("pdc.sys", 0x2F000, EIGHT), ("CEA.sys", 0x19000, EIGHT),
    ("partmgr.sys", 0x31000, 0), ("spaceport.sys", 0xAA000, EIGHT), ("volmgr.sys", 0x1A000, VISTA),
    ("volmgrx.sys", 0x63000, VISTA), ("mountmgr.sys", 0x1E000, 0), ("storahci.sys", 0x32000, EIGHT),
    ("storport.sys", 0xB1000, 3790), ("stornvme.sys", 0x2E000, 9600), ("fileinfo.sys", 0x1C000, VISTA),
    ("Wof.sys", 0x3F000, 9600), ("Fs_Rec.sys", 0xD000, 0), ("ndis.sys", 0x170000, 0), ("NETIO.SYS", 0x98000, VISTA),
    ("ksecpkg.sys", 0x32000, SEVEN), ("fwpkclnt.sys", 0x7A000, VISTA), ("volsnap.sys", 0x6D000, 0),
    ("mup.sys", 0x25000, 0), ("disk.sys", 0x1C000, 0), ("CLASSPNP.SYS", 0x6D000, 0), ("cdrom.sys", 0x30000, 0),
    ("Null.SYS", 0xA000, 0), ("Beep.SYS", 0xA000, 0), ("dxgkrnl.sys", 0x3A4000, VISTA),
    ("watchdog.sys", 0x17000, VISTA),
    ("BasicDisplay.sys", 0x16000, EIGHT), ("Npfs.SYS", 0x1C000, 0), ("Msfs.SYS", 0x10000, 0),
    ("tdx.sys", 0x22000, VISTA), ("TDI.SYS", 0x10000, 0), ("netbt.sys", 0x5B000, 0), ("rdbss.sys", 0x7B000, 0),
    ("csc.sys", 0x92000, VISTA), ("nsiproxy.sys", 0x13000, VISTA), ("dfsc.sys", 0x2C000, VISTA),
    ("HTTP.sys", 0x186000, 0), ("srvnet.sys", 0x55000, VISTA), ("srv2.sys", 0xC7000, VISTA),
    ("mrxsmb.sys", 0x97000, 0), ("mrxsmb20.sys", 0x46000, VISTA), ("luafv.sys", 0x29000, VISTA),
    ("usbhub3.sys", 0xA9000, EIGHT), ("USBXHCI.SYS", 0xA0000, EIGHT), ("mouclass.sys", 0x13000, 0),
    ("kbdclass.sys", 0x14000, 0), ("HDAudBus.sys", 0x2D000, VISTA),
)  # fmt: skip
"""Name, bytes in memory, and the first build of Windows with it."""
GAPS = 0x40
"""Most pages of 64 KB between two drivers."""


def more_drivers(build: Build) -> list[tuple[str, str, int]]:
    """Name, folder and size of those that this Windows has."""
    return [(name, FOLDER, size) for name, size, first in MORE_DRIVERS if build.number >= first]


def next_base(base: int, size: int, dice: Dice) -> int:
    """Where a driver lies behind one that lies at ``base``."""
    return (base + size + 0xFFFF & ~0xFFFF) + (dice.below(GAPS) << 16)


def header(build: Build, base: int, size: int, entry: int, timestamp: int) -> bytes:
    """The first page of a driver in memory."""
    narrow = build.pointer_size == 4
    data, resources = size // 0x1000 * 0xC00 & ~0xFFF, size - 0x1000
    sections = (
        Section(".text", 0x1000, data, CODE),
        Section(".data", data, resources, DATA),
        Section(".rsrc", resources, size, READ_ONLY),
    )
    program = Program(
        size, entry, tuple(part for part in sections if part.end > part.start), timestamp, 0, {}, library=False,
        native=True, mitigations=OLD_FASHIONED if build.number < VISTA else RANDOMISED,
        bits=BITS_32 if narrow else BITS_64,
    )  # fmt: skip
    return program.headers(base)
