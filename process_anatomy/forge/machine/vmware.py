"""VMware's pair: memory in a ``.vmem``, and a snapshot's state beside it (``.vmsn``), which says where it belongs.

A state file has groups, and a group has tags: flags, a name, indices, data.  Of the groups only ``memory`` is written,
with the tags that place regions: what else a snapshot holds is of the virtual machine's devices.

Source: how Volatility 3 reads such files (``framework/layers/vmware.py``, class VmwareLayer).
"""

from __future__ import annotations

import struct
from pathlib import Path

from process_anatomy.forge.memory.frames import PAGE
from process_anatomy.forge.parts.image import Image

STATE_MAGIC = 0xBED2BED2
"""The third of four forms, which all place regions alike."""
STATE_HEADER, STATE_GROUP, NUMBER = struct.Struct("<III"), struct.Struct("<64sQQ"), struct.Struct("<I")
FORM = 8
INDEX_SHIFT = 6
"""The upper two bits of a tag's flags say how many indices it has, the lower six how many bytes of data."""
END = bytes(2)
"""A tag without flags and name ends a group."""


def write_vmem(image: Image, path: Path) -> None:
    """The regions of memory behind each other, without the holes between them; what is not in use is zero."""
    with path.open("wb") as file:
        at = 0
        for first, count in image.runs:
            for frame in sorted(image.physical):
                if first <= frame < first + count:
                    file.seek((at + frame - first) * PAGE)
                    file.write(image.physical[frame])
            at += count
        file.truncate(at * PAGE)


def write_state(image: Image, path: Path) -> None:
    """The state beside a ``.vmem``: of each region its first page in memory and in the file, and how many it has."""
    tags = _tag("regionsCount", len(image.runs))
    at = 0
    for index, (first, count) in enumerate(image.runs):
        tags += _tag("regionPPN", first, index) + _tag("regionPageNum", at, index) + _tag("regionSize", count, index)
        at += count
    tags += END
    place = STATE_HEADER.size + STATE_GROUP.size
    group = STATE_GROUP.pack(b"memory", place, len(tags))
    path.write_bytes(STATE_HEADER.pack(STATE_MAGIC, FORM, 1) + group + tags)


def _tag(name: str, value: int, *indices: int) -> bytes:
    flags = len(indices) << INDEX_SHIFT | NUMBER.size
    return bytes((flags, len(name))) + name.encode() + b"".join(map(NUMBER.pack, (*indices, value)))
