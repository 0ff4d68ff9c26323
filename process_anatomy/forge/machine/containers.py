"""The same memory in several wrappings: raw, LiME, ELF core, crash dumps of several kinds, hibernation file, VMware's.

Only frames in use are written; the rest are holes in the file, which read as zeros.  The bitmap dump leaves
them out altogether, so it is the smallest.
"""

from __future__ import annotations

import errno
import os
import struct
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from shutil import rmtree
from tempfile import TemporaryFile, mkdtemp
from typing import BinaryIO

from process_anatomy.forge.machine.hibernation import write_hibernation
from process_anatomy.forge.machine.vmware import write_state, write_vmem
from process_anatomy.forge.memory.compressors import lznt1
from process_anatomy.forge.memory.frames import PAGE
from process_anatomy.forge.parts.image import Image
from structs import zdmp
from structs.file_marks import ZDMP_SIGNATURE
from structs.machines import X64

ELF_HEADER, ELF_PROGRAM = struct.Struct("<16sHHIQQQIHHHHHH"), struct.Struct("<IIQQQQQQ")
ELF_64, ELF_LITTLE, ELF_CORE, ELF_X64, ELF_LOAD = 2, 1, 4, 62, 1
LIME_MAGIC = 0x4C694D45
FULL_DUMP, BITMAP_DUMP, KERNEL_DUMP = 1, 5, 6
HEADER_SIZES = {8: 0x2000, 4: 0x1000}
"""Bytes of an address to those of the header."""
BITMAP_AT = 0x38
ZDMP_BLOCK = 1 << 16
"""Bytes of the crash dump in each block of a compressed one."""


def write_raw(image: Image, path: Path) -> None:
    """Every byte of memory at its own address; holes are zeros."""
    with path.open("wb") as file:
        _write_frames(image, file, 0, image.memory_size // PAGE, 0)
        file.truncate(image.memory_size)


def write_lime(image: Image, path: Path) -> None:
    """A LiME file: one range for each run of memory."""
    with path.open("wb") as file:
        at = 0
        for first, count in image.runs:
            start = first * PAGE
            file.seek(at)
            file.write(struct.pack("<IIQQQ", LIME_MAGIC, 1, start, start + count * PAGE - 1, 0))
            _write_frames(image, file, first, count, at + 32)
            at += 32 + count * PAGE
        file.truncate(at)


@contextmanager
def whole(path: Path) -> Iterator[Path]:
    """A file that takes its place when all of it is written; a link that lies there is replaced and not followed."""
    folder = Path(mkdtemp(prefix=f".{path.name}.", dir=path.parent))
    try:
        yield folder / path.name
        os.replace(folder / path.name, path)
    finally:
        rmtree(folder, ignore_errors=True)


def write_page_files(image: Image, folder: Path) -> list[Path]:
    """The page files that belong to an image, each under the name that they are collected with; gives the files."""
    if folder.is_symlink():
        raise NotADirectoryError(errno.ENOTDIR, "it is a link", str(folder))
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for page_file in image.page_files:
        written.append(folder / page_file.name)
        with whole(written[-1]) as made, made.open("wb") as file:
            for number, content in sorted(page_file.content.items()):
                file.seek(number * PAGE)
                file.write(content)
            file.truncate(page_file.pages * PAGE)
    return written


def write_crash_dump(image: Image, path: Path) -> None:
    """A complete crash dump: a header, then every run of memory."""
    with path.open("wb") as file:
        _crash_dump(image, file)


def _crash_dump(image: Image, file: BinaryIO) -> int:
    """Write a complete crash dump; gives its bytes."""
    at = HEADER_SIZES[image.pointer_size]
    pages = sum(count for _, count in image.runs)
    file.write(_header(image, FULL_DUMP, at + pages * PAGE))
    for first, count in image.runs:
        _write_frames(image, file, first, count, at)
        at += count * PAGE
    file.truncate(at)
    return at


def write_zdmp(image: Image, path: Path) -> None:
    """A complete crash dump as DumpIt compresses it, block by block."""
    with TemporaryFile() as dump, path.open("wb") as file:
        size = _crash_dump(image, dump)
        head = zdmp.HEADER.build(
            {
                "Signature": ZDMP_SIGNATURE,
                "Version": zdmp.VERSION,
                "FileSize": size,
                "BlockSize": ZDMP_BLOCK,
                "DataType": zdmp.COMPRESSED,
                "CompressionFormat": zdmp.LZNT1,
            }
        )
        file.write(head.ljust(zdmp.FIRST_BLOCK, b"\0"))
        dump.seek(0)
        empty, nothing = lznt1(bytes(ZDMP_BLOCK)), bytes(ZDMP_BLOCK)
        while content := dump.read(ZDMP_BLOCK):
            content = content.ljust(ZDMP_BLOCK, b"\0")
            packed = empty if content == nothing else lznt1(content)
            packed = content if len(packed) >= len(content) else packed
            crc = zlib.crc32(packed)
            file.write(
                zdmp.BLOCK_HEADER.build({"Signature": zdmp.BLOCK_SIGNATURE, "DataSize": len(packed), "Crc32": crc})
            )
            file.write(packed)


def write_elf(image: Image, path: Path) -> None:
    """An ELF core of the physical memory: a program header for each run, as QEMU and libvirt write of a machine.

    Source: "Tool Interface Standard: Executable and Linking Format"; the order of fields is that of elf.h (Elf64_Ehdr,
    Elf64_Phdr).
    """
    table = ELF_HEADER.size
    at = (table + ELF_PROGRAM.size * len(image.runs) + PAGE - 1) & -PAGE
    ident = b"\x7fELF" + bytes((ELF_64, ELF_LITTLE, 1)) + bytes(9)
    with path.open("wb") as file:
        file.write(
            ELF_HEADER.pack(
                ident, ELF_CORE, ELF_X64, 1, 0, table, 0, 0, table, ELF_PROGRAM.size, len(image.runs), 0, 0, 0
            )
        )
        places = []
        for first, count in image.runs:
            file.write(ELF_PROGRAM.pack(ELF_LOAD, 0, at, 0, first * PAGE, count * PAGE, count * PAGE, 0))
            places.append(at)
            at += count * PAGE
        for (first, count), place in zip(image.runs, places, strict=True):
            _write_frames(image, file, first, count, place)
        file.truncate(at)


def write_bitmap_dump(image: Image, path: Path) -> None:
    """A bitmap crash dump: a header, a bit for each frame, then the frames that are in use.

    Windows calls it one of active memory where it leaves out what is not in use, as here.
    """
    _write_bitmap(image, path, BITMAP_DUMP, b"FDMPDUMP", sorted(image.physical))


def write_kernel_dump(image: Image, path: Path) -> None:
    """A kernel dump, as Windows also writes it of a system that goes on running: a bitmap, without the user half."""
    frames = sorted(image.physical.keys() - image.user_frames)
    _write_bitmap(image, path, KERNEL_DUMP, b"SDMPDUMP", frames)


def _write_bitmap(image: Image, path: Path, kind: int, signature: bytes, frames: list[int]) -> None:
    """A bitmap dump of a type that holds these frames."""
    header = HEADER_SIZES[image.pointer_size]
    bits = image.memory_size // PAGE
    bitmap = bytearray((bits + 7) // 8)
    for frame in frames:
        bitmap[frame // 8] |= 1 << frame % 8
    size = (header + BITMAP_AT + len(bitmap) + PAGE - 1) & -PAGE
    pages = len(frames)
    with path.open("wb") as file:
        file.write(_header(image, kind, size + pages * PAGE))
        file.write(signature + struct.pack("<I", 0) + bytes(0x14) + struct.pack("<QQQ", size, pages, bits))
        file.write(bytes(bitmap).ljust(size - header - BITMAP_AT, b"\0"))
        for frame in frames:
            file.write(image.physical[frame])


FORMATS: dict[str, tuple[str, Callable[[Image, Path], None]]] = {
    "bitmap": (".dmp", write_bitmap_dump),
    "crash": (".dmp", write_crash_dump),
    "elf": (".elf", write_elf),
    "hibernation": (".sys", write_hibernation),
    "kernel": (".dmp", write_kernel_dump),
    "lime": (".lime", write_lime),
    "raw": (".raw", write_raw),
    "vmware": (".vmem", write_vmem),
    "zdmp": (".zdmp", write_zdmp),
}
"""Name of a format to its file ending and writer."""
COMPANIONS: dict[str, tuple[str, Callable[[Image, Path], None]]] = {"vmware": (".vmsn", write_state)}
"""Name of a format to the ending and writer of the file that belongs beside the image, under the same name."""


def _write_frames(image: Image, file: BinaryIO, first: int, count: int, at: int) -> None:
    for frame in sorted(image.physical):
        if first <= frame < first + count:
            file.seek(at + (frame - first) * PAGE)
            file.write(image.physical[frame])


def _header(image: Image, kind: int, size: int) -> bytes:
    """The dump's header; what is not said is filled with ``PAGE`` as Windows does."""
    header = bytearray(b"PAGE" * (HEADER_SIZES[image.pointer_size] // 4))
    if image.pointer_size == 4:
        return _narrow_header(image, header, kind, size)
    symbols = image.truth["symbols"]
    struct.pack_into("<4s4sII", header, 0, b"PAGE", b"DU64", 15, image.truth["build"])
    struct.pack_into(
        "<QQQQ", header, 0x10, image.truth["dtb"], image.truth["pfn_database"],
        symbols["PsLoadedModuleList"], symbols["PsActiveProcessHead"],
    )  # fmt: skip
    struct.pack_into("<III", header, 0x30, X64.number, 2, 0xE2)
    struct.pack_into("<QQQQ", header, 0x40, 0, 0, 0, 0)
    header[0x60:0x80] = bytes(32)
    struct.pack_into("<Q", header, 0x80, symbols["KdDebuggerDataBlock"])
    struct.pack_into("<IIQ", header, 0x88, len(image.runs), 0, sum(count for _, count in image.runs))
    for index, (first, count) in enumerate(image.runs):
        struct.pack_into("<QQ", header, 0x98 + 16 * index, first, count)
    header[0x348:0xF00] = bytes(0xF00 - 0x348)
    header[0xF00:0xF98] = bytes(0x98)
    struct.pack_into("<I", header, 0xF98, kind)
    struct.pack_into("<QQ", header, 0xFA0, size, image.system_time)
    header[0xFB0:0x1030] = b"a practice image, forged".ljust(0x80, b"\0")
    struct.pack_into("<QIIII", header, 0x1030, image.uptime, 0, 0, 1, 0x110)
    struct.pack_into("<I", header, 0x1048, 0)
    return bytes(header)


def _narrow_header(image: Image, header: bytearray, kind: int, size: int) -> bytes:
    """_DUMP_HEADER, of 32-bit Windows."""
    truth = image.truth
    symbols = truth["symbols"]
    struct.pack_into("<4s4sII", header, 0, b"PAGE", b"DUMP", 15, truth["build"])
    struct.pack_into(
        "<IIII", header, 0x10, truth["dtb"], truth["pfn_database"], symbols["PsLoadedModuleList"],
        symbols["PsActiveProcessHead"],
    )  # fmt: skip
    struct.pack_into("<IIIIIII", header, 0x20, 0x14C, truth["number_of_processors"], 0xE2, 0, 0, 0, 0)
    header[0x3C:0x5C] = bytes(32)
    struct.pack_into("<BBHI", header, 0x5C, int(truth["pae"]), 0, 0, symbols["KdDebuggerDataBlock"])
    struct.pack_into("<II", header, 0x64, len(image.runs), sum(count for _, count in image.runs))
    for index, (first, count) in enumerate(image.runs):
        struct.pack_into("<II", header, 0x6C + 8 * index, first, count)
    header[0x320:0x820] = bytes(0x500)
    header[0x820:0x8A0] = b"a practice image, forged".ljust(0x80, b"\0")
    struct.pack_into("<IIIIIIQ", header, 0xF88, kind, 0, 0, 1, 0x110, 0, size)
    struct.pack_into("<QQ", header, 0xFB8, image.uptime, image.system_time)
    return bytes(header)
