"""How a field's bytes are read: the types that declarations name, each once for construct and once for numpy."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import construct
import numpy as np
import numpy.typing as npt

LITTLE_ENDIAN = {1: construct.Int8ul, 2: construct.Int16ul, 4: construct.Int32ul, 8: construct.Int64ul}
LITTLE_ENDIAN_SIGNED = {1: construct.Int8sl, 2: construct.Int16sl, 4: construct.Int32sl, 8: construct.Int64sl}


@dataclass(frozen=True, slots=True)
class FieldType:
    """How a field's bytes are read: once for construct, once for numpy.

    Attributes:
        name: the type as a debugger would show it.
        construct: (size in bytes, pointer size) to a fixed-size construct.
        dtype: (size in bytes, pointer size) to a numpy dtype of the same bytes.
        fits: (size in bytes, pointer size) to whether bytes of that size can be read so.
    """

    name: str
    construct: Callable[[int, int], Any]
    dtype: Callable[[int, int], npt.DTypeLike]
    fits: Callable[[int, int], bool]


def _unicode_string(pointer: int) -> Any:
    parts = ["Length" / construct.Int16ul, "MaximumLength" / construct.Int16ul]
    if pointer == 8:
        parts.append(construct.Padding(4))
    return construct.Struct(*parts, "Buffer" / LITTLE_ENDIAN[pointer])


def _integer(name: str, constructs: Mapping[int, Any], letter: str, fits: Callable[[int, int], bool]) -> FieldType:
    return FieldType(name, lambda size, _: constructs[size], lambda size, _: f"<{letter}{size}", fits)


def _any_integer(size: int, pointer: int) -> bool:
    return size in LITTLE_ENDIAN


def _pointer_wide(size: int, pointer: int) -> bool:
    return size == pointer


def _two_pointers(size: int, pointer: int) -> bool:
    return size == 2 * pointer


UInt = _integer("UInt", LITTLE_ENDIAN, "u", _any_integer)
Int = _integer("Int", LITTLE_ENDIAN_SIGNED, "i", _any_integer)
Pointer = _integer("Pointer", LITTLE_ENDIAN, "u", _pointer_wide)
FastRef = _integer("_EX_FAST_REF", LITTLE_ENDIAN, "u", _pointer_wide)
FileTime = _integer("FILETIME", LITTLE_ENDIAN, "u", lambda size, _: size == 8)
Luid = _integer("_LUID", LITTLE_ENDIAN, "u", lambda size, _: size == 8)
Bytes = FieldType(
    "Bytes", lambda size, _: construct.Bytes(size), lambda size, _: f"V{size}", lambda size, _: 0 < size <= 4096
)
Words = FieldType(Bytes.name, Bytes.construct, Bytes.dtype, Bytes.fits)
"""Several numbers as wide as a pointer, as bytes."""
ListEntry = FieldType(
    "_LIST_ENTRY",
    lambda _, pointer: construct.Struct("Flink" / LITTLE_ENDIAN[pointer], "Blink" / LITTLE_ENDIAN[pointer]),
    lambda _, pointer: [("Flink", f"<u{pointer}"), ("Blink", f"<u{pointer}")],
    _two_pointers,
)
UnicodeString = FieldType(
    "_UNICODE_STRING",
    lambda _, pointer: _unicode_string(pointer),
    lambda _, pointer: np.dtype(
        {
            "names": ["Length", "MaximumLength", "Buffer"],
            "formats": ["<u2", "<u2", f"<u{pointer}"],
            "offsets": [0, 2, pointer],
            "itemsize": 2 * pointer,
        }
    ),
    _two_pointers,
)
