"""A layout at an address: the one door from bytes to structures.

Single structures go through construct, many through the numpy dtype of the same declaration.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import construct
import numpy as np
import numpy.typing as npt

from process_anatomy.absent import Absent, Kind
from process_anatomy.memory.address_space import AddressSpace
from process_anatomy.memory.fragments import Fragments
from process_anatomy.memory.space import Addresses, Mask, Octets, Space
from structs.layout import Build, Layout, MissingField, Structure

STRING_LIMIT = 0xFFFE
"""The longest _UNICODE_STRING, in bytes."""
FEW = 8
"""Structures that are read one by one rather than in a batch."""
TEXT_LIMIT = 1 << 27
"""Bytes of all strings together that are asked for at once; half a million handles have names of 100 MB."""
BATCH = 1 << 24
"""Bytes of strings that are read in one step."""
SURPLUS = "strings overlap: the image has no room for all of them"
CLEARED = 2
"""Characters of a string that are all zeros, at the least, before it is taken for memory that was cleared."""
SHORT_TEXT = 128
"""Bytes of a string that are read in one step with all other strings."""

Value = Any
"""What one field of one record holds: an int, bytes, a mapping of a nested structure, or :class:`Absent`."""


def addresses_of(values: Sequence[int]) -> Addresses:
    """Addresses as an array; numbers that are no addresses become 0, where nothing is ever mapped."""
    return np.array([v if 0 <= v < 1 << 64 else 0 for v in values], dtype=np.uint64)


def _read_few(space: AddressSpace, addresses: Addresses, size: int) -> tuple[Octets, Mask]:
    """The same as a batch, one by one: the space remembers its pages, and a batch costs the same whatever its size."""
    parts = [space.read(at, size) if at else None for at in addresses.tolist()]
    octets = np.frombuffer(b"".join(part or bytes(size) for part in parts), dtype=np.uint8).reshape(-1, size).copy()
    return octets, np.array([part is not None for part in parts], dtype=np.bool_)


SHOWN = 16
"""Characters that are shown of what is no name."""


class Records:
    """The same structure at many addresses.

    Attributes:
        structure: the layout bound to the build.
        addresses: where each record starts, shape (n,).
        data: the numpy records, shape (n,); zero where nothing could be read.
        whole: shape (n,), whether every byte of the record could be read.
        roots: page-table root that each record is read through, shape (n,), where they differ.
    """

    def __init__(
        self, space: Space, structure: Structure, addresses: Addresses, roots: Addresses | None = None
    ) -> None:
        self.space = space
        self.structure = structure
        self.addresses = addresses
        self.roots = roots
        data, self.whole = self._read_many(addresses, structure.sizeof)
        for row in np.flatnonzero(~self.whole & (addresses != 0)).tolist():
            space = self.space_of(row)
            first, last = int(addresses[row]), int(addresses[row]) + structure.sizeof - 1
            if space.read(first, 1) is None and space.read(last, 1) is None:
                continue
            for place in structure.places.values():  # each field that is there, whatever is missing around it
                part = space.read(int(addresses[row]) + place.offset, place.size) or bytes(place.size)
                data[row, place.offset : place.offset + place.size] = np.frombuffer(part, dtype=np.uint8)
        self.data: npt.NDArray[np.void] = data.reshape(-1).view(structure.dtype)

    def __len__(self) -> int:
        return len(self.addresses)

    def _read_many(self, addresses: Addresses, size: int) -> tuple[Octets, Mask]:
        """Octets at an address for each record, through its own page tables."""
        if self.roots is None and isinstance(self.space, AddressSpace) and len(addresses) <= FEW:
            return _read_few(self.space, addresses, size)
        return self.space.read_many(addresses, size, self.roots)

    def space_of(self, row: int) -> Space:
        """The space that a record was read from."""
        return self.space if self.roots is None else self.space.through(int(self.roots[row]))

    def array(self, field: str) -> npt.NDArray[Any]:
        """One field of all records as numbers, 0 where it could not be read or the build lacks it."""
        if field not in self.structure:
            return np.zeros(len(self), dtype=np.uint64)
        return self.structure.column(self.data, field)

    def values(self, field: str) -> list[Value]:
        """One field of all records; :class:`Absent` where it could not be read or the build lacks it."""
        if field not in self.structure:
            missing = MissingField(self.structure.name, field, self.structure.build.name)
            return [Absent(Kind.NOT_IN_BUILD, str(missing))] * len(self)
        column = self.structure.column(self.data, field)
        values: list[Value] = column.tolist()
        if column.dtype.names is not None:
            values = [construct.Container(zip(column.dtype.names, value, strict=True)) for value in values]
        elif column.dtype.kind == "V":
            values = [value.tobytes() for value in column]
        for row, gone in self._gone(field).items():
            values[row] = gone
        return values

    def units(self, field: str) -> list[Value]:
        """The whole storage unit that a bit-field shares with others, as :meth:`values` gives a field."""
        unit = self.structure.bits[field][0]
        whole: list[Value] = self.data[unit].tolist()
        for row, gone in self._gone(field).items():
            whole[row] = gone
        return whole

    def _gone(self, field: str) -> dict[int, Absent]:
        """Why a field could not be read, of the records where it could not."""
        found: dict[int, Absent] = {}
        place = self.structure.place(field)
        for row in np.flatnonzero(~self.whole).tolist():
            address, space = int(self.addresses[row]) + place.offset, self.space_of(row)
            if space.read(address, place.size) is None:
                found[row] = unreadable(space, address, place.size)
        return found

    def texts(self, field: str) -> list[str | Absent]:
        """The characters of a _UNICODE_STRING of all records; :class:`Absent` where they could not be read."""
        if field not in self.structure:
            return self.values(field)
        column = self.structure.column(self.data, field)
        view = View(self.space, self.structure.build)
        found = view.strings(column["Buffer"].tolist(), column["Length"].tolist(), roots=self.roots)
        for row, gone in self._gone(field).items():
            found[row] = gone
        return found


def as_name(text: str | Absent) -> str | Absent:
    """A text that is to be a file's name; absent where no file can have such a name, so that it is something else's.

    Source: "Naming Files, Paths, and Namespaces" of the Windows documentation: no control characters; that other
    characters are odd proves nothing.
    """
    if isinstance(text, str) and min(text, default=" ") < " ":
        return Absent(Kind.IMPLAUSIBLE, f"no name of a file: {text[:SHOWN]!a}")
    return text


def unreadable(space: Space, address: int, size: int) -> Absent:
    """An absent value for bytes that could not be read, saying where and why."""
    kind = Kind.NOT_IN_DUMP if isinstance(space, Fragments) else Kind.UNREADABLE
    return Absent(kind, f"{address:#x}: {space.why(address, size) or 'not readable'}")


def _text(address: int, text: str) -> str | Absent:
    """A string; absent where it is nothing but zeros, as where memory was cleared."""
    if len(text) < CLEARED or text.strip("\0"):
        return text
    return Absent(Kind.IMPLAUSIBLE, f"{address:#x}: all {len(text)} characters of a string are zeros")


class View:
    """Structures of one build in one space.

    Args:
        space: where the bytes are.
        build: what they mean.
    """

    def __init__(self, space: Space, build: Build) -> None:
        self.space = space
        self.build = build

    def records(self, layout: Layout, addresses: Addresses, roots: Addresses | None = None) -> Records:
        """The structure at each address, of user memory each through its own process's page-table root.

        Raises:
            structs.layout.MissingField: the build has no such structure.
        """
        return Records(self.space, self.build[layout], addresses, roots)

    def parse(self, layout: Layout, address: int) -> dict[str, Value]:
        """One structure, read with construct: field name to value, in the order of the declaration.

        A field that cannot be read, or that this build does not have, is :class:`Absent`.

        Raises:
            structs.layout.MissingField: the build has no such structure.
        """
        structure = self.build[layout]
        data = self.space.read(address, structure.sizeof)
        if data is not None:
            whole = structure.struct.parse(data)
            found: dict[str, Value] = {name: whole[name] for name in structure.places}
        else:
            found = self._partly(structure, address)
        for name in layout.fields:
            if name not in found:
                found[name] = Absent(Kind.NOT_IN_BUILD, str(MissingField(layout.name, name, self.build.name)))
        return {name: found[name] for name in layout.fields}

    def _partly(self, structure: Structure, address: int) -> dict[str, Value]:
        """Field by field, for a structure that is not there as a whole."""
        buffer = bytearray(structure.sizeof)
        gone: dict[str, Absent] = {}
        for name, place in structure.places.items():
            data = self.space.read(address + place.offset, place.size)
            if data is None:
                gone[name] = unreadable(self.space, address + place.offset, place.size)
            else:
                buffer[place.offset : place.offset + place.size] = data
        whole = structure.struct.parse(bytes(buffer))
        return {name: gone.get(name, whole[name]) for name in structure.places}

    def pointer(self, address: int) -> int | None:
        """The pointer at an address, or ``None`` where it cannot be read."""
        data = self.space.read(address, self.build.pointer_size)
        return None if data is None else int.from_bytes(data, "little")

    def string(self, buffer: int, length: int, space: Space | None = None) -> str | Absent:
        """The characters of a _UNICODE_STRING.

        Args:
            buffer: address of the characters.
            length: bytes, as the structure says.
            space: where the characters are, if not in this view's space.
        """
        where = space or self.space
        if length == 0:
            return ""
        if length % 2 or length > STRING_LIMIT or buffer == 0:
            return Absent(Kind.IMPLAUSIBLE, f"a string of {length} bytes at {buffer:#x}")
        data = where.read(buffer, length)
        if data is None:
            return unreadable(where, buffer, length)
        return _text(buffer, data.decode("utf-16-le", "replace"))

    def strings(
        self,
        buffers: Sequence[int],
        lengths: Sequence[int],
        encoding: str = "utf-16-le",
        roots: Addresses | None = None,
    ) -> list[str | Absent]:
        """The characters of many strings, the short ones in one batch, the others in one for each length; each once.

        Args:
            buffers: address of each string's characters.
            lengths: bytes of each.
            encoding: how characters are kept: ``utf-16-le``, or ``latin-1`` with one byte each.
            roots: page-table root that each is read through, where they lie in several processes.
        """
        width = 2 if encoding == "utf-16-le" else 1
        asked = list(zip(buffers, lengths, [0] * len(buffers) if roots is None else roots.tolist(), strict=True))
        known: dict[tuple[int, int, int], str | Absent] = {}
        by_size: dict[int, list[tuple[int, int, int]]] = {}
        for one in dict.fromkeys(asked):
            buffer, length, _ = one
            if length == 0:
                known[one] = ""
            elif length % width or length > STRING_LIMIT or buffer == 0:
                known[one] = Absent(Kind.IMPLAUSIBLE, f"a string of {length} bytes at {buffer:#x}")
            else:
                by_size.setdefault(max(length, SHORT_TEXT), []).append(one)
        room = min(self.space.room, TEXT_LIMIT)
        near: dict[int, list[tuple[int, int, int]]] = {}  # short ones too near the end of what is there, once more
        for sizes in (by_size, near):
            for size in sorted(sizes):  # the short ones first: long ones may overlap, and claim more than there is
                wanted = sizes[size][: room // size]
                room -= size * len(wanted)
                known |= dict.fromkeys(sizes[size][len(wanted) :], Absent(Kind.IMPLAUSIBLE, SURPLUS))
                for one, octets in self._octets(wanted, size, roots is not None):
                    if octets is None and size > one[1]:
                        near.setdefault(one[1], []).append(one)
                    else:
                        known[one] = self._decoded(one, octets, encoding)
        return [known[one] for one in asked]

    def _octets(
        self, wanted: Sequence[tuple[int, int, int]], size: int, rooted: bool
    ) -> Iterator[tuple[tuple[int, int, int], bytes | None]]:
        """So many octets at each place (address, bytes, root)."""
        step = max(1, BATCH // size)
        for first in range(0, len(wanted), step):
            part = wanted[first : first + step]
            places = addresses_of([buffer for buffer, _, _ in part])
            roots = addresses_of([root for _, _, root in part]) if rooted else None
            data, there = self.space.read_many(places, size, roots)
            for one, octets, readable in zip(part, data, there.tolist(), strict=True):
                yield one, octets.tobytes() if readable else None

    def _decoded(self, one: tuple[int, int, int], octets: bytes | None, encoding: str) -> str | Absent:
        buffer, length, root = one
        if octets is not None:
            return _text(buffer, octets[:length].decode(encoding, "replace"))
        space = self.space
        if root:
            space = space.through(root)
        return unreadable(space, buffer, length)
