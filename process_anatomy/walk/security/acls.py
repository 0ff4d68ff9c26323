"""Access control lists in memory, decoded entry by entry, and written the way Windows writes them (SDDL).

Source: [MS-DTYP] 2.4.4 (ACE), 2.4.5 (ACL) and 2.5.1 (security descriptor definition language).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from construct import Int8ul, Int16ul, Int32ul, Struct

from process_anatomy.absent import NOT_APPLICABLE, Absent, Kind
from process_anatomy.kernel.identify import Kernel
from process_anatomy.memory.space import Addresses, distinct
from process_anatomy.memory.view import unreadable
from process_anatomy.walk.security.sid_arrays import SUB_AUTHORITY_LIMIT, parse_sid
from structs.token import ACL

REVISIONS = (2, 3, 4)
ACE = Struct("AceType" / Int8ul, "AceFlags" / Int8ul, "AceSize" / Int16ul, "Mask" / Int32ul)
"""What every entry that grants or denies starts with; the SID follows."""
REMEMBERED = 1 << 10
"""Entries, and SIDs in them, that are remembered: most lists of a machine grant much the same to the same people."""
SID_OFFSET = ACE.sizeof()

ACE_TYPES = {0: "ALLOWED", 1: "DENIED", 2: "AUDIT", 9: "ALLOWED_CALLBACK", 10: "DENIED_CALLBACK"}
"""AceType by value, those whose SID follows the mask."""
SDDL_TYPES = {0: "A", 1: "D", 2: "AU", 9: "XA", 10: "XD"}
ACE_FLAGS = {
    0x1: "OBJECT_INHERIT",
    0x2: "CONTAINER_INHERIT",
    0x4: "NO_PROPAGATE_INHERIT",
    0x8: "INHERIT_ONLY",
    0x10: "INHERITED",
    0x40: "SUCCESSFUL_ACCESS",
    0x80: "FAILED_ACCESS",
}
SDDL_FLAGS = {0x1: "OI", 0x2: "CI", 0x4: "NP", 0x8: "IO", 0x10: "ID", 0x40: "SA", 0x80: "FA"}
RIGHTS = {
    0x80000000: "GENERIC_READ",
    0x40000000: "GENERIC_WRITE",
    0x20000000: "GENERIC_EXECUTE",
    0x10000000: "GENERIC_ALL",
    0x02000000: "MAXIMUM_ALLOWED",
    0x01000000: "ACCESS_SYSTEM_SECURITY",
    0x00100000: "SYNCHRONIZE",
    0x00080000: "WRITE_OWNER",
    0x00040000: "WRITE_DAC",
    0x00020000: "READ_CONTROL",
    0x00010000: "DELETE",
}
"""Rights that mean the same for every kind of object; the others depend on what the list will protect."""
SDDL_RIGHTS = {
    0x80000000: "GR",
    0x40000000: "GW",
    0x20000000: "GX",
    0x10000000: "GA",
    0x00080000: "WO",
    0x00040000: "WD",
    0x00020000: "RC",
    0x00010000: "SD",
}
SDDL_SIDS = {
    "S-1-1-0": "WD",
    "S-1-3-0": "CO",
    "S-1-3-4": "OW",
    "S-1-5-4": "IU",
    "S-1-5-6": "SU",
    "S-1-5-11": "AU",
    "S-1-5-12": "RC",
    "S-1-5-18": "SY",
    "S-1-5-19": "LS",
    "S-1-5-20": "NS",
    "S-1-5-32-544": "BA",
    "S-1-5-32-545": "BU",
    "S-1-5-32-546": "BG",
    "S-1-5-33": "WR",
    "S-1-15-2-1": "AC",
}


@dataclass(frozen=True, slots=True)
class Ace:
    """One entry of an access control list.

    Attributes:
        address: where the entry starts.
        type: AceType.
        flags: AceFlags.
        mask: access mask.
        sid: whom it is about.
    """

    address: int
    type: int
    flags: int
    mask: int
    sid: str | Absent

    @property
    def type_name(self) -> str:
        """The type's name without its prefix and suffix, or its number."""
        return ACE_TYPES.get(self.type, str(self.type))

    @property
    def flag_names(self) -> str:
        """The set flags, comma separated."""
        return _names(self.flags, ACE_FLAGS)

    @property
    def rights(self) -> str:
        """The rights that do not depend on the kind of object, comma separated; the other bits as one number."""
        return _names(self.mask, RIGHTS)

    @property
    def sddl(self) -> str:
        """The entry in Windows' own notation."""
        flags = "".join(name for bit, name in SDDL_FLAGS.items() if self.flags & bit)
        known = self.mask & ~sum(SDDL_RIGHTS) == 0
        mask = "".join(name for bit, name in SDDL_RIGHTS.items() if self.mask & bit) if known else f"{self.mask:#x}"
        sid = "?" if isinstance(self.sid, Absent) else SDDL_SIDS.get(self.sid, self.sid)
        return f"({SDDL_TYPES.get(self.type, str(self.type))};{flags};{mask};;;{sid})"


def _names(value: int, table: dict[int, str]) -> str:
    names = [name for bit, name in table.items() if value & bit]
    rest = value & ~sum(table)
    return ",".join([*names, f"{rest:#x}"] if rest else names)


@dataclass(frozen=True, slots=True)
class Acl:
    """An access control list.

    Attributes:
        address: of the _ACL.
        entries: those that could be decoded, in order.
        problems: why some could not, one line each.
    """

    address: int
    entries: tuple[Ace, ...]
    problems: tuple[str, ...]

    @property
    def sddl(self) -> str:
        """The list in Windows' own notation, as a discretionary one; ``(...)`` stands for entries not decoded."""
        return "D:" + "".join(entry.sddl for entry in self.entries) + ("(...)" if self.problems else "")


def read_acls(kernel: Kernel, pointers: Addresses) -> list[Acl | Absent]:
    """The access control list at each address; not applicable for a pointer of 0."""
    structure = kernel.build[ACL]
    different, back = distinct(pointers)
    heads = kernel.view.records(ACL, different)
    sizes = heads.array("AclSize").astype(np.int64)
    found: list[Acl | Absent] = [NOT_APPLICABLE] * len(different)
    contents: dict[int, bytes] = {}
    for size in set(sizes.tolist()):
        rows = np.flatnonzero((sizes == size) & heads.whole)
        if size >= structure.sizeof and rows.size:
            data, there = kernel.space.read_many(different[rows], size)
            contents |= {row: data[i].tobytes() for i, row in enumerate(rows.tolist()) if there[i]}
    revisions, counts = heads.values("AclRevision"), heads.values("AceCount")
    for row, pointer in enumerate(different.tolist()):
        if pointer == 0:
            continue
        size, revision, count = int(sizes[row]), revisions[row], counts[row]
        if isinstance(revision, Absent) or isinstance(count, Absent):
            found[row] = revision if isinstance(revision, Absent) else count
        elif revision not in REVISIONS or size < structure.sizeof:
            found[row] = Absent(Kind.IMPLAUSIBLE, f"no access list at {pointer:#x}: revision {revision}, {size} bytes")
        elif row not in contents:
            found[row] = unreadable(kernel.space, pointer, size)
        else:
            found[row] = _parse(pointer, contents[row], structure.sizeof, count)
    return [found[row] for row in back.tolist()]


def _parse(address: int, data: bytes, here: int, count: int) -> Acl:
    """The entries of a list's bytes; each must lie inside the list."""
    entries: list[Ace] = []
    problems: list[str] = []
    for number in range(count):
        if here + SID_OFFSET > len(data):
            problems.append(f"entry {number + 1} of {count} lies outside the access list")
            break
        kind, flags, size, mask = _head(data[here : here + SID_OFFSET])
        if size < 4 or here + size > len(data):
            problems.append(f"entry {number + 1} of {count} has {size} bytes, which do not fit the access list")
            break
        if kind in ACE_TYPES and size >= SID_OFFSET:
            sid = _sid(data[here + SID_OFFSET : here + size])
            entries.append(Ace(address + here, kind, flags, mask, sid))
            if isinstance(sid, Absent):
                problems.append(f"entry {number + 1} of {count}: {sid}")
        else:
            problems.append(f"entry {number + 1} of {count} is of type {kind}, which is not decoded")
        here += size
    if not problems and _entry(data[here:]):
        problems.append(f"it counts {count} entries, but behind them stands another")
    return Acl(address, tuple(entries), tuple(problems))


def _entry(data: bytes) -> bool:
    """Whether these bytes, behind the entries that are counted, begin with one more: its size is its SID's."""
    if len(data) < SID_OFFSET:
        return False
    kind, _, size, _ = _head(data[:SID_OFFSET])
    sid = data[SID_OFFSET:size]
    return kind in ACE_TYPES and len(sid) >= 8 and len(sid) == 8 + 4 * sid[1] and isinstance(_sid(sid), str)


@lru_cache(maxsize=REMEMBERED)
def _head(data: bytes) -> tuple[int, int, int, int]:
    """What an entry begins with: AceType, AceFlags, AceSize and Mask."""
    ace = ACE.parse(data)
    return ace.AceType, ace.AceFlags, ace.AceSize, ace.Mask


@lru_cache(maxsize=REMEMBERED)
def _sid(data: bytes) -> str | Absent:
    if len(data) < 8 or data[0] != 1 or data[1] > SUB_AUTHORITY_LIMIT or len(data) < 8 + 4 * data[1]:
        return Absent(Kind.IMPLAUSIBLE, "no SID follows the access mask")
    return parse_sid(data[: 8 + 4 * data[1]])
