"""One structure, field by field, as a debugger's ``dt`` shows it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from process_anatomy.absent import Absent
from process_anatomy.errors import RequestError
from process_anatomy.memory.view import View
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
        meaning: one line.
    """

    layout: Layout
    address: int
    field: str
    type: str
    place: Place | None
    value: Any
    meaning: str


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
        yield FieldRow(layout, address, name, _type(declared.type.name, place), place, found[name], declared.meaning)


def _position(place: Place | None) -> tuple[int, int]:
    return (place.offset, place.bit or 0) if place else (0, 0)


def _type(name: str, place: Place | None) -> str:
    if place is None or name not in ("UInt", "Int", "Bytes"):
        return name
    if place.bit is not None and place.bits is not None:
        last = place.bit + place.bits - 1
        return f"UInt{8 * place.size} bit {place.bit}" if place.bits == 1 else f"UInt{8 * place.size} bits {place.bit}-{last}"
    return f"Bytes[{place.size}]" if name == "Bytes" else f"{name}{8 * place.size}"


def value_text(value: Any) -> str:
    """A field's value for a reader: numbers in hexadecimal and decimal, bytes as text where they are text."""
    if isinstance(value, Absent):
        return str(value)
    if isinstance(value, (bytes, bytearray)):
        return _bytes_text(bytes(value))
    if isinstance(value, int):
        return f"{value:#x}" if -10 < value < 10 or value > 0xFFFF_FFFF else f"{value:#x} ({value})"
    inner = {name: v for name, v in value.items() if not name.startswith("_")}
    return ", ".join(f"{name} {value_text(v)}" for name, v in inner.items())


def _bytes_text(value: bytes) -> str:
    text = value.split(b"\0", 1)[0]
    if len(text) > 1 and all(32 <= octet < 127 for octet in text) and not value[len(text) :].strip(b"\0"):
        return text.decode("ascii")
    return value[:32].hex(" ") + (" ..." if len(value) > 32 else "")
