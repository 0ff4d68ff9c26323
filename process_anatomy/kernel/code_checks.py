"""What the kernel's own code says of what is found by search: the types of objects, and the current thread."""

from __future__ import annotations

from collections.abc import Iterator

from process_anatomy.absent import Absent
from process_anatomy.kernel.image import KernelImage
from process_anatomy.kernel.kernel import Kernel
from process_anatomy.kernel.objects import INDEXED, object_types, type_field
from process_anatomy.kernel.observations import Check
from process_anatomy.kernel.type_code import FUNCTION, type_code
from process_anatomy.kernel.values import Read
from structs.accessors import CURRENT_THREAD, CURRENT_THREAD_GETTERS
from structs.object import OBJECT_HEADER, OBJECT_TYPE

SEGMENT = {8: "gs", 4: "fs"}
"""Bytes of an address to the segment register by which a kernel finds what it keeps of the processor."""


def _check(name: str, structure: str, field: str, equal: bool | None, told: str, address: int) -> Check:
    """One statement of the kernel's code; ``equal`` is ``None`` where it says nothing."""
    counts = int(equal is True), int(equal is False), int(equal is None)
    return Check(name, structure, field, "system", *counts, address if equal is False else None, told=told)


def type_checks(kernel: Kernel) -> Iterator[Check]:
    """Where the kernel's function finds the type of an object, against where the search found it."""
    code = type_code(kernel)
    if code is None or type_field(kernel) != INDEXED:
        return
    header, types = OBJECT_HEADER.name, OBJECT_TYPE.name
    if code.table is None:
        led = f"leads out of the kernel, to {code.outside:#x}" if code.outside is not None else "is of another form"
        silent = f"{FUNCTION} {led}" if code.outside is not None else f"{FUNCTION} {led}, or cannot be read"
        yield _check("kernel-types", types, "Index", None, silent, code.address)
        return
    structure, found = kernel.build[OBJECT_HEADER], object_types(kernel)
    body = structure.offset("Body")
    at = body + code.index
    agrees = at == structure.offset(INDEXED) and code.header in (0, body)
    yield _check("kernel-code", header, INDEXED, agrees, f"{FUNCTION} reads {at:#x}", code.address)
    told = f"{FUNCTION} reads the table of types at {code.table:#x}"
    if isinstance(found.table, Absent):
        yield _check("kernel-types", types, "Index", None, f"{told}: the search found none", code.address)
    else:
        words = "equal" if found.table == code.table else f"another than the search found, {found.table:#x}"
        yield _check("kernel-types", types, "Index", found.table == code.table, f"{told}: {words}", code.address)
    yield from _cookie_check(kernel, code.cookie, found.cookie, code.address)


def _cookie_check(kernel: Kernel, place: int | None, found: int | Absent | None, address: int) -> Iterator[Check]:
    """The byte that the function reads, against what headers are mixed with."""
    header = OBJECT_HEADER.name
    if place is None:
        if not isinstance(found, Absent):
            words = f"{FUNCTION} reads no cookie: " + (
                "equal" if found is None else f"headers are mixed with {found:#x}"
            )
            yield _check("kernel-cookie", header, INDEXED, found is None, words, address)
        return
    data = kernel.space.read(place, 1)
    told = f"{FUNCTION} reads the cookie at {place:#x}"
    if data is None or isinstance(found, Absent):
        why = "which cannot be read" if data is None else "the search found none"
        yield _check("kernel-cookie", header, INDEXED, None, f"{told}: {why}", address)
        return
    equal = data[0] == (found or 0)
    words = "equal" if equal else f"{data[0]:#x}, but headers are mixed with {found or 0:#x}"
    yield _check("kernel-cookie", header, INDEXED, equal, f"{told}: {words}", address)


def thread_checks(kernel: Kernel) -> Iterator[Check]:
    """Where the kernel's functions look for the thread that a processor runs."""
    try:
        image: KernelImage = kernel.image
    except ValueError:
        return
    found = {name: image.export(name) for name in CURRENT_THREAD_GETTERS}
    if not any(found.values()):
        return
    from process_anatomy.kernel.functions import followed  # the disassembler takes a while to load

    width = kernel.space.pointer_size
    for name, address in found.items():
        if address is None:
            continue
        value = followed(kernel.space, address, range(kernel.base, kernel.base + kernel.size)).value
        simple = isinstance(value, Read) and value.base == "processor" and not value.through and value.mask is None
        if isinstance(value, Read) and simple:
            told = f"{name} reads {SEGMENT[width]}:{value.offset:#x}"
            yield _check(
                "kernel-thread", "_KPCR", "CurrentThread", value.offset == CURRENT_THREAD[width], told, address
            )
        else:
            told = f"{name} is of another form, or cannot be read"
            yield _check("kernel-thread", "_KPCR", "CurrentThread", None, told, address)
