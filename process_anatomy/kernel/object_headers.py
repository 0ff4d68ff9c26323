"""The headers in front of objects, and the optional headers in front of those.

Since Windows 7 a mask says which optional headers there are; they stand in a fixed order, so that the mask tells where
each begins.  Before that the header holds, for each of them, how many bytes back it begins, and a flag for the one
that tells the creator, which is next to the header.
Source: Russinovich, Solomon and Ionescu, "Windows Internals", part 1 (6th edition), chapter 3 (Object Manager); the
fields as the kernels' symbols have them.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from process_anatomy.kernel.identify import Kernel
from process_anatomy.memory.space import Addresses
from process_anatomy.memory.view import Records, Value
from structs.layout import Layout
from structs.object import (
    OBJECT_HEADER,
    OBJECT_HEADER_AUDIT_INFO,
    OBJECT_HEADER_CREATOR_INFO,
    OBJECT_HEADER_EXTENDED_INFO,
    OBJECT_HEADER_HANDLE_INFO,
    OBJECT_HEADER_NAME_INFO,
    OBJECT_HEADER_PROCESS_INFO,
    OBJECT_HEADER_QUOTA_INFO,
)

OPTIONAL_HEADERS: tuple[Layout, ...] = (
    OBJECT_HEADER_CREATOR_INFO,
    OBJECT_HEADER_NAME_INFO,
    OBJECT_HEADER_HANDLE_INFO,
    OBJECT_HEADER_QUOTA_INFO,
    OBJECT_HEADER_PROCESS_INFO,
    OBJECT_HEADER_AUDIT_INFO,
    OBJECT_HEADER_EXTENDED_INFO,
)
"""By bit of InfoMask, lowest first: the lower its bit, the closer it stands to the header."""
DISTANCES = {
    OBJECT_HEADER_NAME_INFO.name: "NameInfoOffset",
    OBJECT_HEADER_HANDLE_INFO.name: "HandleInfoOffset",
    OBJECT_HEADER_QUOTA_INFO.name: "QuotaInfoOffset",
}
"""Optional header to the field that tells how far back it begins, in headers without a mask."""
CREATOR_FLAG = 0x4
"""Flag of headers without a mask: the creator's header stands right before (OB_FLAG_CREATOR_INFO)."""

Indexes = npt.NDArray[np.int64]


class Headers:
    """The headers of many objects, whatever their types.

    Attributes:
        bodies: address of each object, shape (n,), as given.
        possible: shape (n,), whether an object can lie there: in system space, at a multiple of a pointer's size.
        addresses: address of each header, shape (n,); 0 where ``bodies`` holds no kernel address.
        records: the headers, as read.
        info_mask: InfoMask of each, shape (n,); 0 where it could not be read or where headers have none.
    """

    def __init__(self, kernel: Kernel, bodies: Addresses) -> None:
        self.kernel = kernel
        self.bodies = bodies
        self.structure = kernel.build[OBJECT_HEADER]
        body = np.uint64(self.structure.offset("Body"))
        self.possible = (bodies >= np.uint64(kernel.system_start) + body) & (
            bodies % np.uint64(kernel.build.pointer_size) == 0
        )
        self.addresses: Addresses = np.where(self.possible, bodies - body, np.uint64(0))
        self.records: Records = kernel.view.records(OBJECT_HEADER, self.addresses)
        self.info_mask: Indexes = self.records.array("InfoMask").astype(np.int64)

    def __len__(self) -> int:
        return len(self.bodies)

    def parts(self) -> list[Value]:
        """What tells whether each object has a name in front of its header; absent where it cannot be read."""
        return self.records.values("InfoMask" if "InfoMask" in self.structure else "NameInfoOffset")

    def optional(self, layout: Layout) -> Addresses:
        """Where the optional header of this layout stands, shape (n,); 0 for objects without it."""
        if layout not in self.kernel.build or layout not in OPTIONAL_HEADERS:
            return np.zeros(len(self), dtype=np.uint64)
        if "InfoMask" in self.structure:
            bit = OPTIONAL_HEADERS.index(layout)
            back = self._front(bit)[self.info_mask]
            has = self.info_mask >> bit & 1 != 0
        elif layout is OBJECT_HEADER_CREATOR_INFO:
            has = self.records.array("Flags") & CREATOR_FLAG != 0
            back = np.full(len(self), self.kernel.build[layout].sizeof, dtype=np.int64)
        else:
            back = self.records.array(DISTANCES.get(layout.name, "")).astype(np.int64)
            has = back != 0
        places: Addresses = np.where(has & (self.addresses != 0), self.addresses - back.astype(np.uint64), np.uint64(0))
        return places

    def _front(self, last: int) -> Indexes:
        """By InfoMask: bytes of the optional headers up to that of bit ``last``."""
        sizes = [self.kernel.build[layout].sizeof if layout in self.kernel.build else 0 for layout in OPTIONAL_HEADERS]
        masks = np.arange(256)
        front: Indexes = sum(
            ((masks >> bit & 1) * size for bit, size in enumerate(sizes[: last + 1])), np.zeros(256, dtype=np.int64)
        )
        return front
