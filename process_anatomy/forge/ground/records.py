"""From a declaration and values to bytes, with zero for whatever is not said."""

from __future__ import annotations

import struct
from typing import Any

from structs.layout import Build, Layout


def record(build: Build, layout: Layout, **values: Any) -> bytes:
    """The bytes of one structure; fields that the build does not have are left out.

    Args:
        build: whose places.
        layout: the declaration.
        **values: field values by their Windows names.

    Raises:
        KeyError: the declaration has no such field.
    """
    structure = build[layout]
    content = structure.struct.parse(bytes(structure.sizeof))
    for name, value in values.items():
        if name not in layout.fields:
            raise KeyError(f"{layout.name} declares no {name}")
        if name in structure:
            whole = isinstance(value, bytes)
            content[name] = value.ljust(structure.place(name).size, b"\0") if whole else value
    return bytes(structure.struct.build(content))


def pointers(build: Build, *values: int) -> bytes:
    """Addresses one behind the other, as wide as the build has them."""
    return struct.pack(f"<{len(values)}{'Q' if build.pointer_size == 8 else 'I'}", *values)


def counted(build: Build, characters: str, address: int) -> bytes:
    """A _UNICODE_STRING whose characters lie at an address."""
    parts = text(characters, address)
    lengths = struct.pack("<HH", parts["Length"], parts["MaximumLength"])
    return lengths.ljust(build.pointer_size, b"\0") + pointers(build, parts["Buffer"])


def link(forward: int, backward: int) -> dict[str, int]:
    """A list entry."""
    return {"Flink": forward, "Blink": backward}


def waiting(build: Build, layout: Layout, address: int, kind: int) -> dict[str, Any]:
    """What a dispatcher object that nobody waits for begins with: its kind, and lists that are empty."""
    inside = build[layout]
    empty = ("HeaderWaitListHead", "ProfileListHead", "MutantListHead")
    heads = {name: address + inside.offset(name) for name in empty if name in inside}
    return {"HeaderType": kind} | {name: link(head, head) for name, head in heads.items()}


def ring(members: list[int]) -> dict[int, dict[str, int]]:
    """Each member's list entry in a ring of list entries, by the member's address."""
    count = len(members)
    return {member: link(members[(i + 1) % count], members[i - 1]) for i, member in enumerate(members)}


def signed(value: int) -> int:
    """A 32-bit status as the signed number that the declarations use."""
    return value - (1 << 32) if value >> 31 else value


def text(characters: str, address: int) -> dict[str, int]:
    """A counted string whose characters lie at an address."""
    length = 2 * len(characters)
    return {"Length": length, "MaximumLength": length + 2 if length else 0, "Buffer": address if length else 0}


def utf16(characters: str) -> bytes:
    """A string's characters as Windows keeps them, with a closing zero."""
    return (characters + "\0").encode("utf-16-le")
