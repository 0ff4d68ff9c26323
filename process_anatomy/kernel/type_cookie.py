"""The secret byte that the type indexes of object headers are mixed with, since Windows 10.

It is what known objects agree on: System, and the types, which are objects of the type Type.  Where too few of them can
be read, it is the byte that the kernel's own code reads, if objects bear it out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from process_anatomy.absent import Absent, Kind
from process_anatomy.kernel.kernel import Kernel
from process_anatomy.kernel.observations import active_links
from process_anatomy.kernel.type_code import FUNCTION, type_code
from process_anatomy.memory.view import addresses_of
from structs.eprocess import EPROCESS
from structs.object import OBJECT_HEADER

MORE = 16
"""Further processes that are asked whether they bear out the byte that the kernel's code reads."""
Witness = tuple[int, int, int]
"""A type index as a header holds it, what it stands for, and the byte of the header's address."""


def type_cookie(kernel: Kernel, types: Mapping[str, tuple[int, int]]) -> tuple[int | Absent | None, str]:
    """What type indexes are mixed with, ``None`` where with nothing; and a doubt about it, in words.

    Args:
        kernel: the kernel.
        types: name to index and address of the types that could be read.
    """
    if not types:
        gone = "no object type could be read, so what the type index of a header stands for cannot be told"
        return Absent(Kind.UNREADABLE, gone), ""
    known = [(kernel.system, types["Process"][0])] if "Process" in types else []
    known += [(address, types["Type"][0]) for _, address in types.values()] if "Type" in types else []
    witnesses = _witnesses(kernel, known)
    if not witnesses:
        gone = "no object is readable whose type is known, so type indexes cannot be told"
        return _by_code(kernel, types, witnesses, Absent(Kind.UNREADABLE, gone))
    plain = sum(stored == expected for stored, expected, _ in witnesses)
    cookie, count = Counter(stored ^ expected ^ byte for stored, expected, byte in witnesses).most_common(1)[0]
    agreed = max(plain, count)
    doubt = "" if agreed == len(witnesses) else f"{agreed} of {len(witnesses)} known objects bear out the type cookie"
    if 2 * agreed <= len(witnesses):
        odd = f"only {agreed} of {len(witnesses)} known objects agree on a type cookie"
        return _by_code(kernel, types, witnesses, Absent(Kind.IMPLAUSIBLE, odd))
    return (None if plain >= count else cookie), doubt


def _witnesses(kernel: Kernel, known: list[tuple[int, int]]) -> list[Witness]:
    """What the headers of objects hold, by the address of each and the index of its type; of those that can be read."""
    structure = kernel.build[OBJECT_HEADER]
    headers = addresses_of([body - structure.offset("Body") for body, _ in known])
    place = structure.place("TypeIndex")
    data, there = kernel.space.read_many(headers + place.offset, place.size)
    return [
        (int(stored[0]), expected, header >> 8 & 0xFF)
        for stored, readable, header, (_, expected) in zip(data, there, headers.tolist(), known, strict=True)
        if readable
    ]


def _by_code(
    kernel: Kernel, types: Mapping[str, tuple[int, int]], witnesses: list[Witness], gone: Absent
) -> tuple[int | Absent, str]:
    """The byte that the kernel's code reads, where objects bear it out; else why there is none."""
    code = type_code(kernel)
    data = None if code is None or code.cookie is None else kernel.space.read(code.cookie, 1)
    if data is None or "Process" not in types:
        return gone, ""
    inside = kernel.build[EPROCESS].offset("ActiveProcessLinks")
    links = active_links(kernel, kernel.system + inside, MORE)
    asked = [*witnesses, *_witnesses(kernel, [(link - inside, types["Process"][0]) for link in links])]
    agreed = sum(stored ^ expected ^ byte == data[0] for stored, expected, byte in asked)
    if not agreed:
        return gone, ""
    told = f"the type cookie is the one that the kernel's own {FUNCTION} reads, which {agreed} of {len(asked)}"
    return data[0], f"{told} known objects bear out ({gone.reason})"
