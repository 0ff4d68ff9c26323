"""The instructions of the small functions by which drivers ask for a field, as a compiler of the kernel writes them."""

from __future__ import annotations

import struct

from structs.accessors import ACCESSORS, CURRENT_THREAD, CURRENT_THREAD_GETTERS, Accessor
from structs.ethread import ETHREAD
from structs.layout import Build, Place
from structs.object import OBJECT_HEADER

STEP = 0x30
"""Bytes from one function to the next; padding between them."""
ADMINISTRATOR, OLD_ADMINISTRATOR = 0x4000, 0x08
"""Bit of TokenFlags that SeTokenIsAdmin tests; and where TokenFlags is one byte, before Windows Vista."""
FLAG_BITS = {"SeTokenIsRestricted": 4, "SeTokenIsWriteRestricted": 3}
"""Bits of TokenFlags that these functions test."""
LOADS = {1: b"\x8a", 2: b"\x0f\xb7", 4: b"\x8b", 8: b"\x48\x8b"}
"""The load of so many bytes, in front of its operand."""


def functions(build: Build) -> dict[str, bytes]:
    """The code of each function whose field a layout has, by its name."""
    return {
        each.function: _current(each, place, build) if each.steps else _code(each, place, build.pointer_size)
        for each in ACCESSORS
        if (place := build.place(each.layout.name, each.field))
    }


def thread_getters(width: int) -> dict[str, bytes]:
    """The code of each function that gives the current thread, by its name."""
    start = struct.pack("<I", CURRENT_THREAD[width])
    code = b"\x65\x48\x8b\x04\x25" + start if width == 8 else b"\x64\xa1" + start
    return dict.fromkeys(CURRENT_THREAD_GETTERS, code + b"\xc3")


def type_getter(build: Build, at: int, table: int, cookie: int | None) -> bytes:
    """ObGetObjectType: the type whose number the header in front of an object holds.

    Args:
        build: for the header's places; it holds the number (since Windows 7).
        at: where the function begins.
        table: address of ObTypeIndexTable.
        cookie: address of ObHeaderCookie; ``None`` where numbers are not mixed with it (before Windows 10).
    """
    header = build[OBJECT_HEADER]
    body = header.offset("Body")
    front, index = struct.pack("<b", -body), struct.pack("<b", header.offset("TypeIndex") - body)
    if build.pointer_size == 4:
        code = b"\x8b\xff\x55\x8b\xec\x8b\x45\x08"
        code += b"\x8d\x48" + front + b"\x0f\xb6\x40" + index if cookie else b"\x0f\xb6\x48" + index
        if cookie:
            code += b"\xc1\xe9\x08\x0f\xb6\xc9\x33\xc8\x0f\xb6\x05" + struct.pack("<I", cookie) + b"\x33\xc8"
        return code + b"\x8b\x04\x8d" + struct.pack("<I", table) + b"\x5d\xc2\x04\x00"
    code = b"\x48\x8d\x41" + front + b"\x0f\xb6\x49" + index if cookie else b"\x0f\xb6\x41" + index
    if cookie:
        code += b"\x48\xc1\xe8\x08\x0f\xb6\xc0\x48\x33\xc1"
        code += b"\x0f\xb6\x0d" + struct.pack("<i", cookie - at - len(code) - 7) + b"\x48\x33\xc1"
    code += b"\x48\x8d\x0d" + struct.pack("<i", table - at - len(code) - 7)
    return code + b"\x48\x8b\x04\xc1\xc3"


def _current(each: Accessor, place: Place, build: Build) -> bytes:
    """A function that asks what the processor runs: the current thread, or the process that it acts in."""
    wide = b"\x48" if build.pointer_size == 8 else b""
    start = struct.pack("<I", CURRENT_THREAD[build.pointer_size])
    code = b"\x65\x48\x8b\x04\x25" + start if wide else b"\x64\xa1" + start
    if each.steps > 1:
        code += wide + b"\x8b\x80" + struct.pack("<i", build[ETHREAD].offset("ApcStateProcess"))
    load = LOADS[min(place.size, build.pointer_size)]
    return code + load + b"\x80" + struct.pack("<i", place.offset) + b"\xc3"


def _code(each: Accessor, place: Place, width: int) -> bytes:
    """One function: its argument is in a register, of 32-bit code on the stack."""
    if each.function.startswith("SeQuery"):
        return _copied(place, width)
    operand = (b"\x81" if width == 8 else b"\x80") + struct.pack("<i", place.offset)  # [rcx + n], [eax + n]
    body = _body(each, place, width, operand)
    if width == 8:
        return body + b"\xc3"
    return b"\x8b\xff\x55\x8b\xec\x8b\x45\x08" + body + b"\x5d\xc2\x04\x00"


def _body(each: Accessor, place: Place, width: int, operand: bytes) -> bytes:
    if place.size not in LOADS:
        return b"\x48\x8d" + operand if width == 8 else b"\x05" + struct.pack("<i", place.offset)
    load = LOADS[min(place.size, width)] + operand
    if each.function == "SeTokenIsAdmin" and place.size == 1:
        return b"\xf6" + operand + bytes([OLD_ADMINISTRATOR]) + b"\x0f\x95\xc0"
    if each.function == "SeTokenIsAdmin":
        return b"\xf7" + operand + struct.pack("<I", ADMINISTRATOR) + b"\x0f\x95\xc0"
    if each.function in FLAG_BITS:
        return load + b"\xc1\xe8" + bytes([FLAG_BITS[each.function]]) + b"\x83\xe0\x01"
    if place.bits is not None and not each.part:
        if place.size == 1:
            return load + b"\xc0\xe8" + bytes([place.bit or 0]) + b"\x24" + bytes([(1 << place.bits) - 1])
        if place.size == 4 and place.bits < 7:
            return load + b"\xc1\xe8" + bytes([place.bit or 0]) + b"\x83\xe0" + bytes([(1 << place.bits) - 1])
        return b"\x33\xc0"
    if "Is" in each.function and not each.part:
        compare = b"\x83" if min(place.size, width) == 4 else b"\x48\x83"
        modrm = (b"\xb9" if width == 8 else b"\xb8") + operand[1:]
        return compare + modrm + b"\x00\x0f\x95\xc0"
    return load


def _copied(place: Place, width: int) -> bytes:
    """A function that writes eight bytes of the structure where its second argument points."""
    first, second = struct.pack("<i", place.offset), struct.pack("<i", place.offset + 4)
    if width == 8:
        return b"\x48\x8b\x81" + first + b"\x48\x89\x02\x33\xc0\xc3"
    frame = b"\x8b\xff\x55\x8b\xec\x8b\x4d\x08\x8b\x45\x0c"
    return frame + b"\x8b\x91" + first + b"\x89\x10\x8b\x91" + second + b"\x89\x50\x04\x33\xc0\x5d\xc2\x08\x00"
