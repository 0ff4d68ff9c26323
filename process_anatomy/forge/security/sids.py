"""Security identifiers as bytes, and arrays of them with the SIDs behind, as they share an allocation in Windows."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from process_anatomy.forge.ground.records import record
from structs.layout import Build
from structs.token import SID, SID_AND_ATTRIBUTES

Groups = tuple[tuple[str, int], ...]
"""(SID, attributes) each, in the order of the array."""


def sid_bytes(build: Build, written: str) -> bytes:
    """A SID's bytes."""
    revision, authority, *parts = (int(part) for part in written.split("-")[1:])
    head = record(
        build,
        SID,
        Revision=revision,
        SubAuthorityCount=len(parts),
        IdentifierAuthority=authority.to_bytes(6, "big"),
    )
    return head[: build[SID].offset("SubAuthority")] + struct.pack(f"<{len(parts)}I", *parts)


def group_facts(groups: Groups) -> list[dict[str, Any]]:
    """An array as the answer key shows it."""
    return [{"attributes": attributes, "sid": sid} for sid, attributes in groups]


@dataclass(frozen=True)
class SidBlock:
    """Arrays of SIDs one behind the other, then every SID once.

    Attributes:
        data: the bytes.
        arrays: address of each array, zero for an empty one.
        sids: SID to its address.
    """

    data: bytes
    arrays: list[int]
    sids: dict[str, int]


def sid_block(build: Build, lists: Sequence[Groups], singles: Iterable[str], at: int = 0) -> SidBlock:
    """Lay out arrays and SIDs as they are at the address ``at``; their size is the same everywhere.

    Args:
        build: whose places.
        lists: the arrays.
        singles: further SIDs that only pointers name.
        at: address of the first byte.
    """
    pair = build[SID_AND_ATTRIBUTES].sizeof
    arrays, here = [], at
    for groups in lists:
        arrays.append(here if groups else 0)
        here += pair * len(groups)
    blob, sids = b"", {}
    for sid in [*(sid for groups in lists for sid, _ in groups), *singles]:
        if sid not in sids:
            sids[sid] = here + len(blob)
            blob += sid_bytes(build, sid)
    entries = [
        record(build, SID_AND_ATTRIBUTES, Sid=sids[sid], Attributes=attributes)
        for groups in lists
        for sid, attributes in groups
    ]
    return SidBlock(b"".join(entries) + blob, arrays, sids)
