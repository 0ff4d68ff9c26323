"""One structure, field by field, as a debugger's ``dt`` shows it."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

from process_anatomy.absent import Absent, Kind
from process_anatomy.errors import RequestError
from process_anatomy.filetime import moment_text
from process_anatomy.kernel.identify import Kernel
from process_anatomy.memory.space import Space
from process_anatomy.memory.view import View, unreadable
from process_anatomy.walk.processes.listed import Process
from structs.families import LAYOUTS
from structs.field_types import LITTLE_ENDIAN, LITTLE_ENDIAN_SIGNED, FieldType, ListEntry, UnicodeString
from structs.layout import Build, MissingField, Place
from structs.members import Asked, Member, UnknownName, asked, members, types_of
from structs.places import PROVED

CONTAINERS = ("_EPROCESS", "_ETHREAD", "_TOKEN", "_PEB")
"""Structures whose parts are structures of a process as well, for instance _EPROCESS.Pcb its _KPROCESS."""
SHOWN = {ListEntry.name: ListEntry, UnicodeString.name: UnicodeString}
"""Structures that are shown as a value."""
LONGEST = 1 << 12
"""Octets of one field that are read at the most."""
PLAIN = re.compile(r"(?P<kind>[uif])(?P<bits>8|16|32|64)(?P<rest>\[.*|)")
WORDS = {"u": "UInt", "i": "Int", "f": "Float"}


@dataclass(frozen=True, slots=True)
class FieldRow:
    """One field of one structure, in memory or of the layout alone.

    Attributes:
        structure: name of the structure.
        what: what it is, in one line; empty where it is not declared.
        address: of the structure, ``None`` where only the layout is shown.
        system_start: where system address space begins.
        member: the field.
        type: as symbols have it, bit-fields with their position.
        value: number, bytes, nested fields or :class:`~process_anatomy.absent.Absent`; ``None`` where there is none to
            show: without an address, and of a structure within this one.
        text: the value for a reader: numbers in both notations, times as times, strings as strings.
        meaning: one line; empty where the field is not declared.
        proved: the image's memory proves that the field lies there.
    """

    structure: str
    what: str
    address: int | None
    system_start: int
    member: Member
    type: str
    value: Any
    text: str
    meaning: str
    proved: bool = False

    @property
    def source(self) -> str:
        """What its place rests on; empty without a place."""
        return PROVED if self.proved and self.member.doubtful else self.member.source

    @property
    def guessed(self) -> bool:
        """Whether that is nothing better than the layout of another kernel."""
        return self.member.doubtful and not self.proved

    @property
    def field(self) -> str:
        """Its name."""
        return self.member.field

    @property
    def place(self) -> Place | None:
        """Where the build keeps it, ``None`` where this build does not have it."""
        return self.member.place

    @property
    def symbol(self) -> str:
        """The whole name as a debugger takes it; empty where symbols do not have it."""
        return f"{self.structure}.{self.member.path}" if self.member.path else ""

    @property
    def here(self) -> int | None:
        """The address of the field, ``None`` where only the layout is shown, or the build does not have it."""
        return None if self.address is None or self.place is None else self.address + self.place.offset

    @property
    def in_system_space(self) -> bool:
        """Whether the structure lies in system address space, else in the process's own."""
        return self.address is not None and self.address >= self.system_start

    @property
    def readable(self) -> bool:
        """Whether nothing stood in the way of its value."""
        return not isinstance(self.value, Absent)

    @property
    def problem(self) -> str:
        """Why there is no value; empty where there is."""
        return "" if self.readable else str(self.value)


def structure_named(build: Build, name: str) -> Asked:
    """The structure of a name, and the member where one follows a dot; case and a leading underscore do not matter.

    Raises:
        RequestError: there is none.
    """
    try:
        return asked(build, name)
    except UnknownName as error:
        raise RequestError(str(error)) from None


def has_own(build: Build, structure: str) -> bool:
    """Whether a process has a structure of this kind that is found from it."""
    return structure in OWN or _part(build, structure) is not None


def of_process(kernel: Kernel, process: Process, structure: str, address: int | None) -> tuple[View, int]:
    """Where a structure is to be read: at a given address, or where the process keeps its own.

    Args:
        kernel: the kernel.
        process: through whose page tables user addresses are read.
        structure: its name.
        address: its address, or ``None`` for the process's own.

    Raises:
        RequestError: the process has no such structure, or it cannot be found from the process.
    """
    space = kernel.space
    bits = 8 * kernel.build.pointer_size
    if address is not None and not 0 <= address < 1 << bits:
        raise RequestError(f"{address:#x} is no address: addresses have {bits} bits")
    if address is None:
        address = _own(kernel, process, structure)
    if address < kernel.system_start and isinstance(process.dtb, int):
        space = space.through(process.dtb)
    return View(space, kernel.build), address


def _own(kernel: Kernel, process: Process, structure: str) -> int:
    """The address of the structure of this kind that belongs to a process, following its pointers."""
    if structure == "_ETHREAD" and kernel.crash and process.address == kernel.crash.process:
        return kernel.crash.thread  # the thread that ran, not the first of the list
    chain, part = OWN.get(structure), _part(kernel.build, structure)
    if chain is None and part is not None:
        return _own(kernel, process, part[0]) + part[1]
    if chain is None:
        raise RequestError(f"{structure} does not belong to one process: say where with --address")
    here = process.address
    view = View(kernel.space, kernel.build)
    for owner, name, back in chain:
        found = view.parse(LAYOUTS[owner], here)[name]
        if hasattr(found, "Flink"):
            head = here + kernel.build[LAYOUTS[owner]].offset(name)
            found = found.Flink
            if found == head:
                raise RequestError(f"process {process.pid} has no {structure}: its list is empty")
        if isinstance(found, Absent):
            raise RequestError(f"process {process.pid} does not lead to its {structure}: {found}")
        here = found & ~kernel.build.fast_ref if LAYOUTS[owner].fields[name].type.name == "_EX_FAST_REF" else found
        if here == 0:
            raise RequestError(f"process {process.pid} has no {structure}: {owner}.{name} is zero")
        if back:
            here -= kernel.build[LAYOUTS[structure]].offset(back)
        if here < kernel.system_start:
            view, here = of_process(kernel, process, structure, here)
    return here


def _part(build: Build, structure: str) -> tuple[str, int] | None:
    """The structure of a process that has this one as a part, and where; ``None`` where none has, or it has several."""
    found: list[tuple[str, int]] = []
    for owner in CONTAINERS:
        fields = types_of(build).get(owner, {"fields": {}})["fields"].values()
        if any(member["type"] == structure for member in fields):
            inside = members(build, Asked(owner))
            found += [(owner, each.place.offset) for each in inside if each.type == structure and each.place]
    return found[0] if len(found) == 1 else None


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


def fields(
    view: View, want: Asked, address: int | None, depth: int = 0, proved: frozenset[tuple[str, str]] = frozenset()
) -> Iterator[FieldRow]:
    """The fields of a structure, in the order that they have in memory.

    Args:
        view: where it lies, and the layout in use.
        want: the structure, or the member whose fields are wanted.
        address: of the structure, ``None`` for the layout alone.
        depth: levels of nested structures that are opened.
        proved: structure and name of each field that the image's memory proves to lie where the layout has it.

    Raises:
        RequestError: the build has no such structure.
    """
    build = view.build
    try:
        found = members(build, want, depth)
    except MissingField as error:
        raise RequestError(str(error)) from None
    layout = LAYOUTS.get(want.structure)
    declared = view.parse(layout, address) if layout is not None and layout in build and address is not None else {}
    for member in found:
        meaning, shown = "", ""
        if layout is not None and member.declared:
            meaning, shown = layout.fields[member.field].meaning, layout.fields[member.field].type.name
        if member.place is None:
            value: Any = Absent(Kind.NOT_IN_BUILD, str(MissingField(want.structure, member.field, build.name)))
        elif address is None:
            value = None
        elif member.declared:
            value = declared[member.field]
        else:
            value, shown = _value(view.space, build, member.type, member.place, address), _shown(member.type)
        kind = _type(build, member, shown)
        text = "" if value is None else value_text(view, shown, value)
        what = layout.meaning if layout is not None else ""
        start = view.space.system_start
        sure = member.declared and (want.structure, member.field) in proved
        yield FieldRow(want.structure, what, address, start, member, kind, value, text, meaning, sure)


def _shown(kind: str) -> str:
    return kind if kind in SHOWN else ""


def _value(space: Space, build: Build, kind: str, place: Place, address: int) -> Any:
    """What a field holds that no declaration reads: number, octets, link or string; ``None`` of larger structures."""
    nested = kind in types_of(build)
    number = place.size in LITTLE_ENDIAN and "[" not in kind
    if nested and not number and kind not in SHOWN:
        ends = (address + place.offset, address + place.offset + place.size - 1)
        gone = all(space.read(end, 1) is None for end in ends)
        return unreadable(space, ends[0], 1) if gone else None
    size = min(place.size, LONGEST)
    data = space.read(address + place.offset, size)
    if data is None:
        return unreadable(space, address + place.offset, size)
    form: FieldType | None = SHOWN.get(kind)
    if form is not None and form.fits(place.size, build.pointer_size):
        found = form.construct(place.size, build.pointer_size).parse(data)
        return SimpleNamespace(**{name: found[name] for name in found if not name.startswith("_")})
    if place.bit is not None:
        return int.from_bytes(data, "little") >> place.bit & ((1 << (place.bits or 0)) - 1)
    if not number:
        return data
    if kind in ("f32", "f64"):
        return struct.unpack("<f" if place.size == 4 else "<d", data)[0]
    signed = kind.startswith("i")
    return (LITTLE_ENDIAN_SIGNED if signed else LITTLE_ENDIAN)[place.size].parse(data)


def _type(build: Build, member: Member, shown: str) -> str:
    """The type as symbols have it; that of the declaration where they do not have the field."""
    name = type_text(member.type) or shown
    place = member.place
    if place is None or place.bit is None or place.bits is None:
        if not member.type and place is not None and shown in ("UInt", "Int", "Bytes"):
            return f"Bytes[{place.size}]" if shown == "Bytes" else f"{shown}{8 * place.size}"
        return name
    last = place.bit + place.bits - 1
    if not PLAIN.fullmatch(member.type):
        name = name or f"UInt{8 * place.size}"
    return f"{name} bit {place.bit}" if place.bits == 1 else f"{name} bits {place.bit}-{last}"


def type_text(kind: str) -> str:
    """The name of a type for a reader, from the way that the facts write it."""
    plain = PLAIN.fullmatch(kind)
    if plain:
        return f"{WORDS[plain['kind']]}{plain['bits']}{plain['rest']}"
    if kind.startswith("enum:"):
        return f"enum {kind.removeprefix('enum:') or '<unnamed>'}"
    if "." in kind:
        return "<unnamed>" + kind[len(kind.rstrip("*[]0123456789")) :]
    return kind


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
    if isinstance(value, float):
        return repr(value)
    if kind == "_UNICODE_STRING":
        text = view.string(value.Buffer, value.Length)
        return f"{text} (Length {value.Length}, MaximumLength {value.MaximumLength}, Buffer {value.Buffer:#x})"
    return f"Flink {value.Flink:#x}, Blink {value.Blink:#x}"


def _bytes_text(value: bytes) -> str:
    text = value.split(b"\0", 1)[0]
    if len(text) > 1 and all(32 <= octet < 127 for octet in text) and not value[len(text) :].strip(b"\0"):
        return text.decode("ascii")
    return value[:32].hex(" ") + (" ..." if len(value) > 32 else "")
