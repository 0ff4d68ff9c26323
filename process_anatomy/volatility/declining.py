"""Why a file is no image that can be read, in one line: what it is, or what was looked for in it and not found.

Nothing is said of a search that was not made: what a file is by its own mark is told at once; what it only looks like
is told when page tables were searched for in vain, for the tools that capture memory fill a page that they could not
read with whatever they like.
"""

from __future__ import annotations

import mmap
from typing import TYPE_CHECKING, Any

from volatility3.framework import interfaces
from volatility3.framework.layers import avml, crash
from volatility3.framework.layers.physical import FileLayer

from process_anatomy.errors import ImageError, NotWindows, NotYet
from process_anatomy.volatility.layers import TRIAGE, dump_type, file_bytes
from process_anatomy.volatility.packed import packed_below, packed_error
from structs.file_marks import DUMP_TYPE_BITMAP_FULL, DUMP_TYPE_FULL, DUMP_TYPES, DUMP_TYPES_AS_BITMAP

if TYPE_CHECKING:
    from process_anatomy.memory.physical import PhysicalMemory

TRIED = (
    "no page tables of Windows were found in it (searched: file headers, page tables that map themselves,"
    " the start block of processors, the process System)"
)
TEXT = frozenset(b"\t\n\r\f") | frozenset(range(32, 127)) | frozenset(range(128, 256))
TEXT_LOOKED_AT, FEWEST_LETTERS = 1 << 16, 3
"""Bytes of a file that must all be text before it is called one, and how many different ones; filler has one or two."""
BANNERS = {b"Linux version ": "Linux", b"Darwin Kernel Version ": "macOS"}
"""What a kernel says of itself, and of what system it is."""
BANNER_SEARCH = 1 << 28
READ_DUMPS = frozenset({DUMP_TYPE_FULL, DUMP_TYPE_BITMAP_FULL}) | DUMP_TYPES_AS_BITMAP
"""Types of crash dumps that hold physical memory in a form that is read."""
ARCHIVE = "; unpack it first"
MARKS = {
    b"MDMP": "a user-mode minidump (one process's memory)",
    b"PK\x03\x04": f"a ZIP archive{ARCHIVE}",
    b"Rar!\x1a\x07": f"a RAR archive{ARCHIVE}",
    b"7z\xbc\xaf\x27\x1c": f"a 7z archive{ARCHIVE}",
    b"MSCF\0\0\0\0": f"a cabinet archive{ARCHIVE}",
    b"\x28\xb5\x2f\xfd": f"a Zstandard archive{ARCHIVE}",
    b"\xfd7zXZ\0": f"an xz archive that cannot be unpacked as it is{ARCHIVE}",
    b"EVF\t\r\n\xff\0": "an EnCase (E01) image; export it as a raw one first",
    b"QFI\xfb": "a virtual disk (qcow2)",
    b"KDMV": "a virtual disk (VMDK)",
    b"vhdxfile": "a virtual disk (VHDX)",
    b"conectix": "a virtual disk (VHD)",
    b"%PDF-": "a PDF document",
    b"\x89PNG\r\n\x1a\n": "a picture",
}
"""First bytes that nothing but one kind of file has, and that kind."""
AVML = b"AVML\2\0\0\0"


def declined(context: interfaces.context.ContextInterface, name: str) -> ImageError | None:
    """Why a file is no image by its own mark, so that no search is made; ``None`` where nothing says so.

    Args:
        context: Volatility's context.
        name: the layer over the file, or one over that.
    """
    layer = file_below(context, name)
    data = file_bytes(layer)
    if not len(data):
        return NotWindows("the file is empty")
    head = bytes(data[:64])
    kind = dump_type(layer)
    if kind is not None:
        return _dump(kind, data)
    if packed_below(context, name) is not None:
        return None
    why = packed_error(context, layer)
    if why:
        return NotYet(why)
    if head.startswith(AVML):
        if not avml.HAS_SNAPPY:
            return NotYet("this is an AVML image, which is unpacked with the library snappy (libsnappy): install it")
        return NotWindows("this is an AVML image that cannot be read: damaged or truncated")
    for magic, name_of in MARKS.items():
        if head.startswith(magic):
            what, _, advice = name_of.partition("; ")
            return NotWindows(f"this is {what}, not a memory image" + (f"; {advice}" if advice else ""))
    return None


def _dump(kind: int, data: Any) -> ImageError | None:
    """Why a crash dump of a type is not read; ``None`` where it may be that the search finds something."""
    if kind in READ_DUMPS:
        return None
    if kind == TRIAGE:
        from process_anatomy.memory.small_dump import SmallDump, SmallDumpError

        try:
            SmallDump(data)
        except SmallDumpError as error:
            return NotWindows(str(error))
        return NotWindows("this is a small memory dump that cannot be read")
    return NotYet(f"this is {dump_words(kind)}, which is not supported")


def dump_words(kind: int) -> str:
    """What a crash dump of a type is called."""
    known = DUMP_TYPES.get(kind)
    return (
        f"a Windows crash dump of type {kind}: {known}" if known else f"a Windows crash dump of unknown type {kind:#x}"
    )


def unrecognised(context: interfaces.context.ContextInterface, name: str, memory: PhysicalMemory) -> ImageError:
    """What an image looks like in which a kernel of Windows was searched for in vain."""
    layer = file_below(context, name)
    data = file_bytes(layer)
    kind = dump_type(layer)
    other = arm64(memory)
    if other is not None:
        return other
    packed = packed_below(context, name)
    if packed is not None:
        why = "; ".join(packed.doubts) or TRIED
        return NotWindows(f"no kernel of Windows was found in this {packed.words}: {why}")
    if kind is not None:
        return NotWindows(f"this is {dump_words(kind)}; it cannot be read: {_why_not(context, name, memory)}")
    if bytes(data[:2]) == b"MZ":
        return NotWindows(f"this is an executable, not a memory image: {TRIED}")
    start = bytes(data[:TEXT_LOOKED_AT])
    if TEXT.issuperset(start) and len(set(start)) >= FEWEST_LETTERS:
        return NotWindows(f"this looks like a text file, not a memory image; {TRIED}")
    tried = TRIED
    if not any(bytes(data[: 1 << 20])):
        tried += "; it starts with nothing but zeros"
    search = data.find if isinstance(data, (bytes, mmap.mmap)) else bytes(data).find
    for banner, system in BANNERS.items():
        if search(banner, 0, BANNER_SEARCH) >= 0:
            return NotWindows(f"this holds a {system} kernel, not Windows; {tried}")
    return NotWindows(f"not a Windows memory image, or a truncated one of {len(data)} bytes: {tried}")


def _why_not(context: interfaces.context.ContextInterface, name: str, memory: PhysicalMemory) -> str:
    """Why a crash dump of a type that is read gave no kernel."""
    if not isinstance(context.layers[name], crash.WindowsCrashDump32Layer):
        return "its header, or the list of pages that follows it, is damaged or cut off"
    if memory.lost:
        return f"it is truncated: {memory.lost} bytes that its header promises are not in it"
    return TRIED


def arm64(memory: PhysicalMemory) -> NotYet | None:
    """What to say of Windows for ARM64, told by its kernel's header; ``None`` where there is none."""
    from process_anatomy.kernel.candidates import arm64_kernel

    where = arm64_kernel(memory)
    if where is None:
        return None
    place = f"its kernel is at physical address {where:#x}"
    return NotYet(f"this is Windows for ARM64 ({place}), which is not supported (x86 and x64 are)")


def file_below(context: interfaces.context.ContextInterface, name: str) -> FileLayer:
    """The file that a layer stands on."""
    layer = context.layers[name]
    while not isinstance(layer, FileLayer) and layer.dependencies:
        layer = context.layers[layer.dependencies[0]]
    return layer
