"""Security attributes and claims: named values that hang on a token, each in a block of paged pool of its own.

The shapes are those of :mod:`structs.attributes`.  Types and flags: CLAIM_SECURITY_ATTRIBUTE_V1 and
TOKEN_SECURITY_ATTRIBUTE_V1 of the Windows SDK and of [MS-DTYP] 2.4.10.1.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import Any

from process_anatomy.forge.ground.records import counted, link, pointers, record, ring, text, utf16
from process_anatomy.forge.objects.object_manager import ObjectManager
from process_anatomy.forge.security.sids import Groups, group_facts, sid_block, sid_bytes
from structs.attributes import (
    CLAIM_ATTRIBUTES_COLLECTION,
    SECURITY_ATTRIBUTE,
    SECURITY_ATTRIBUTE_VALUE,
    SECURITY_ATTRIBUTES_INFORMATION,
)

INT64, UINT64, STRING, FULLY_QUALIFIED, SID, BOOLEAN, OCTETS = 1, 2, 3, 4, 5, 6, 0x10
"""Types of values."""
NON_INHERITABLE, MANDATORY, COMPARE_IGNORE = 0x1, 0x20, 0x40
"""Flags of attributes."""
TAG = b"SeAt"
CLAIM_KINDS = {
    "user": "pUserSecurityAttributes",
    "device": "pDeviceSecurityAttributes",
    "restricted_user": "pRestrictedUserSecurityAttributes",
    "restricted_device": "pRestrictedDeviceSecurityAttributes",
}
"""Kind of claim to the field of the collection that leads to it."""


@dataclass(frozen=True)
class BinaryName:
    """A fully qualified binary name: publisher, product and file of a signed program, and its version."""

    version: int
    name: str


Value = bool | int | str | bytes | BinaryName
"""Strings serve for SIDs too."""


@dataclass(frozen=True)
class Attribute:
    """One security attribute or claim."""

    name: str
    type: int
    values: tuple[Value, ...]
    flags: int = 0

    def facts(self) -> dict[str, Any]:
        """The attribute as the answer key shows it: octets in hexadecimal digits."""
        return {
            "flags": self.flags,
            "name": self.name,
            "type": self.type,
            "values": [_written(value) for value in self.values],
        }


@dataclass(frozen=True)
class Claims:
    """What an authority claims about a user and the device that the user logged on from.

    Attributes:
        user: claims about the user.
        device: claims about the device.
        device_groups: (SID, attributes) of the device's groups.
    """

    user: tuple[Attribute, ...] = ()
    device: tuple[Attribute, ...] = ()
    device_groups: Groups = field(default=())

    def facts(self) -> dict[str, Any]:
        """The claims as the answer key shows them."""
        return {
            "device": [claim.facts() for claim in self.device],
            "device_groups": group_facts(self.device_groups),
            "restricted_device": [],
            "restricted_device_groups": [],
            "restricted_user": [],
            "user": [claim.facts() for claim in self.user],
        }


def _written(value: Value) -> Any:
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, BinaryName):
        return {"name": value.name, "version": value.version}
    return value


class AttributeLists:
    """Writes lists of attributes and claims."""

    def __init__(self, objects: ObjectManager) -> None:
        self.build, self.kernel, self.pool = objects.build, objects.kernel, objects.paged

    @property
    def has_claims(self) -> bool:
        """Tokens of this build can hold claims."""
        return CLAIM_ATTRIBUTES_COLLECTION in self.build

    def put(self, attributes: tuple[Attribute, ...]) -> int:
        """The collection of these attributes; gives its address."""
        structure = self.build[SECURITY_ATTRIBUTES_INFORMATION]
        address = self.pool.allocate(structure.sizeof, TAG)
        head = address + structure.offset("SecurityAttributesList")
        working = address + structure.offset("WorkingSecurityAttributesList")
        blocks = [self._room(SECURITY_ATTRIBUTE, utf16(attribute.name)) for attribute in attributes]
        links = ring([head, *blocks])
        data = record(
            self.build,
            SECURITY_ATTRIBUTES_INFORMATION,
            SecurityAttributeCount=len(attributes),
            SecurityAttributesList=links[head],
            WorkingSecurityAttributesList=link(working, working),
        )
        self.kernel.write(address, data)
        for block, attribute in zip(blocks, attributes, strict=True):
            self._attribute(block, attribute, links[block])
        return address

    def put_claims(self, claims: Claims) -> int:
        """The collection of claims; gives its address."""
        block = sid_block(self.build, [claims.device_groups], [])
        groups = self.pool.allocate(len(block.data), b"SeSa")
        self.kernel.write(groups, sid_block(self.build, [claims.device_groups], [], groups).data)
        kinds = {"user": claims.user, "device": claims.device}
        data = record(
            self.build,
            CLAIM_ATTRIBUTES_COLLECTION,
            DeviceGroupsCount=len(claims.device_groups),
            pDeviceGroups=groups,
            **{CLAIM_KINDS[kind]: self.put(attributes) for kind, attributes in kinds.items()},
        )
        return self.pool.put(data, TAG)

    def _room(self, layout: Any, behind: bytes) -> int:
        """A block for a structure, whose first field is its link, and the bytes behind it."""
        size = self.build[layout].sizeof
        address = self.pool.allocate(size + len(behind), TAG)
        self.kernel.write(address + size, behind)
        return address

    def _attribute(self, address: int, attribute: Attribute, links: dict[str, int]) -> None:
        structure = self.build[SECURITY_ATTRIBUTE]
        head, working = address + structure.offset("Values"), address + structure.offset("WorkingValues")
        stored = [self._stored(attribute.type, value) for value in attribute.values]
        blocks = [self._room(SECURITY_ATTRIBUTE_VALUE, behind) for behind, _ in stored]
        chain = ring([head, *blocks])
        data = record(
            self.build,
            SECURITY_ATTRIBUTE,
            Link=links,
            Name=text(attribute.name, address + structure.sizeof),
            ValueType=attribute.type,
            Flags=attribute.flags,
            ValueCount=len(attribute.values),
            Values=chain[head],
            WorkingValues=link(working, working),
        )
        self.kernel.write(address, data)
        size = self.build[SECURITY_ATTRIBUTE_VALUE].sizeof
        for block, (_, inline) in zip(blocks, stored, strict=True):
            content = inline(block + size)
            data = record(self.build, SECURITY_ATTRIBUTE_VALUE, Link=chain[block], Value=content)
            self.kernel.write(block, data)

    def _stored(self, kind: int, value: Value) -> tuple[bytes, Any]:
        """The bytes behind a value's structure, and a function of their address to the bytes inside it."""
        if isinstance(value, BinaryName):
            return utf16(value.name), lambda at: struct.pack("<Q", value.version) + counted(self.build, value.name, at)
        if isinstance(value, str) and kind == STRING:
            return utf16(value), lambda at: counted(self.build, value, at)
        if isinstance(value, (str, bytes)):
            behind = sid_bytes(self.build, value) if isinstance(value, str) else value
            return behind, lambda at: pointers(self.build, at) + struct.pack("<I", len(behind))
        return b"", lambda at: struct.pack("<q" if kind == INT64 else "<Q", int(value))
