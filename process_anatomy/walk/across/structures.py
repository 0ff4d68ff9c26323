"""One structure, field by field, as a debugger's ``dt`` shows it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from process_anatomy.absent import Absent
from process_anatomy.errors import RequestError
from process_anatomy.filetime import moment_text
from process_anatomy.kernel.identify import Kernel
from process_anatomy.memory.view import View
from process_anatomy.walk.processes.listed import Process
from structs.ethread import ETHREAD
from structs.families import LAYOUTS
from structs.layout import Layout, MissingField, Place


@dataclass(frozen=True, slots=True)
class FieldRow:
    """One field of one structure in memory.

    Attributes:
        layout: the structure.
        address: of the structure.
        field: name.
        type: as a debugger shows it, bit-fields with their position.
        place: where the build keeps it, ``None`` where this build does not have it.
        value: number, bytes, nested fields or :class:`~process_anatomy.absent.Absent`.
        text: the value for a reader: numbers in both notations, times as times, strings as strings.
        meaning: one line.
    """

    layout: Layout
    address: int
    system_start: int
    field: str
    type: str
    place: Place | None
    value: Any
    text: str
    meaning: str

    @property
    def in_system_space(self) -> bool:
        """Whether the structure lies in system address space, else in the process's own."""
        return self.address >= self.system_start

    @property
    def readable(self) -> bool:
        """Whether there is a value."""
        return not isinstance(self.value, Absent)

    @property
    def problem(self) -> str:
        """Why there is no value; empty where there is."""
        return "" if self.readable else str(self.value)


def layout_named(name: str) -> Layout:
    """The declared structure of a name; case and a leading underscore do not matter.

    Raises:
        RequestError: no structure of that name is declared.
    """
    wanted = name.strip().lstrip("_").lower()
    for declared, layout in LAYOUTS.items():
        if declared.lstrip("_").lower() == wanted:
            return layout
    known = ", ".join(sorted(LAYOUTS))
    raise RequestError(f"no structure is named {name!r}; known are {known}")


def of_process(kernel: Kernel, process: Process, layout: Layout, address: int | None) -> tuple[View, int]:
    """Where a structure is to be read: at a given address, or where the process keeps its own.

    Args:
        kernel: the kernel.
        process: through whose page tables user addresses are read.
        layout: the structure.
        address: its address, or ``None`` for the process's own.

    Raises:
        RequestError: the process has no such structure, or it cannot be found from the process.
    """
    space = kernel.space
    bits = 8 * kernel.build.pointer_size
    if address is not None and not 0 <= address < 1 << bits:
        raise RequestError(f"{address:#x} is no address: addresses have {bits} bits")
    if address is None and layout is ETHREAD and kernel.crash and process.address == kernel.crash.process:
        address = kernel.crash.thread  # the thread that ran, not the first of the list
    if address is None:
        address = _own(kernel, process, layout)
    if address < kernel.system_start and isinstance(process.dtb, int):
        space = space.through(process.dtb)
    return View(space, kernel.build), address


def _own(kernel: Kernel, process: Process, layout: Layout) -> int:
    """The address of the structure of this kind that belongs to a process, following its pointers."""
    chain = OWN.get(layout.name)
    if chain is None:
        raise RequestError(f"{layout.name} does not belong to one process: say where with --address")
    here = process.address
    view = View(kernel.space, kernel.build)
    for owner, name, back in chain:
        found = view.parse(LAYOUTS[owner], here)[name]
        if hasattr(found, "Flink"):
            head = here + kernel.build[LAYOUTS[owner]].offset(name)
            found = found.Flink
            if found == head:
                raise RequestError(f"process {process.pid} has no {layout.name}: its list is empty")
        if isinstance(found, Absent):
            raise RequestError(f"process {process.pid} does not lead to its {layout.name}: {found}")
        here = found & ~kernel.build.fast_ref if LAYOUTS[owner].fields[name].type.name == "_EX_FAST_REF" else found
        if here == 0:
            raise RequestError(f"process {process.pid} has no {layout.name}: {owner}.{name} is zero")
        if back:
            here -= kernel.build[LAYOUTS[layout.name]].offset(back)
        if here < kernel.system_start:
            view, here = of_process(kernel, process, layout, here)
    return here


OWN: dict[str, tuple[tuple[str, str, str], ...]] = {
    "_EPROCESS": (),
    "_TOKEN": (("_EPROCESS", "Token", ""),),
    "_SEP_LOGON_SESSION_REFERENCES": (("_EPROCESS", "Token", ""), ("_TOKEN", "LogonSession", "")),
    "_SID_AND_ATTRIBUTES": (("_EPROCESS", "Token", ""), ("_TOKEN", "UserAndGroups", "")),
    "_SID": (("_EPROCESS", "Token", ""), ("_TOKEN", "UserAndGroups", ""), ("_SID_AND_ATTRIBUTES", "Sid", "")),
    "_HANDLE_TABLE": (("_EPROCESS", "ObjectTable", ""),),
    "_MMVAD_SHORT": (("_EPROCESS", "VadRoot", ""),),
    "_MMVAD": (("_EPROCESS", "VadRoot", ""),),
    "_PEB": (("_EPROCESS", "Peb", ""),),
    "_RTL_USER_PROCESS_PARAMETERS": (("_EPROCESS", "Peb", ""), ("_PEB", "ProcessParameters", "")),
    "_PEB_LDR_DATA": (("_EPROCESS", "Peb", ""), ("_PEB", "Ldr", "")),
    "_ETHREAD": (("_EPROCESS", "ThreadListHead", "ThreadListEntry"),),
    "_MM_SESSION_SPACE": (("_EPROCESS", "Session", ""),),
    "_OBJECT_NAME_INFORMATION": (("_EPROCESS", "SeAuditProcessCreationInfo", ""),),
}
"""Structure to the way from a process to its own: owner, field, and the link's field where it is a list."""


def fields(view: View, layout: Layout, address: int) -> Iterator[FieldRow]:
    """The fields of a structure at an address, in the order that they have in memory.

    Raises:
        RequestError: the build has no such structure.
    """
    try:
        structure = view.build[layout]
    except MissingField as error:
        raise RequestError(str(error)) from None
    found = view.parse(layout, address)
    order = sorted(found, key=lambda name: (name not in structure, *_position(structure.places.get(name))))
    for name in order:
        place = structure.places.get(name)
        declared = layout.fields[name]
        value = found[name]
        text = value_text(view, declared.type.name, value)
        kind = _type(declared.type.name, place)
        yield FieldRow(layout, address, view.space.system_start, name, kind, place, value, text, declared.meaning)


def _position(place: Place | None) -> tuple[int, int]:
    return (place.offset, place.bit or 0) if place else (0, 0)


def _type(name: str, place: Place | None) -> str:
    if place is not None and place.bit and place.bits and name == "FILETIME":
        return f"{name} bits {place.bit}-{place.bit + place.bits - 1}"
    if place is None or name not in ("UInt", "Int", "Bytes"):
        return name
    if place.bit is not None and place.bits is not None:
        last = place.bit + place.bits - 1
        return (
            f"UInt{8 * place.size} bit {place.bit}"
            if place.bits == 1
            else f"UInt{8 * place.size} bits {place.bit}-{last}"
        )
    return f"Bytes[{place.size}]" if name == "Bytes" else f"{name}{8 * place.size}"


def value_text(view: View, kind: str, value: Any) -> str:
    """A field's value for a reader: numbers in both notations, times as times, strings as strings."""
    if isinstance(value, Absent):
        return str(value)
    if isinstance(value, (bytes, bytearray)):
        return _bytes_text(bytes(value))
    if isinstance(value, int):
        if kind == "FILETIME" and moment_text(value):
            return f"{value:#x} ({moment_text(value)})"
        return f"{value:#x}" if -10 < value < 10 or value > 0xFFFF_FFFF else f"{value:#x} ({value})"
    if kind == "_UNICODE_STRING":
        text = view.string(value.Buffer, value.Length)
        return f"{text} (Length {value.Length}, MaximumLength {value.MaximumLength}, Buffer {value.Buffer:#x})"
    return f"Flink {value.Flink:#x}, Blink {value.Blink:#x}"


def _bytes_text(value: bytes) -> str:
    text = value.split(b"\0", 1)[0]
    if len(text) > 1 and all(32 <= octet < 127 for octet in text) and not value[len(text) :].strip(b"\0"):
        return text.decode("ascii")
    return value[:32].hex(" ") + (" ..." if len(value) > 32 else "")
