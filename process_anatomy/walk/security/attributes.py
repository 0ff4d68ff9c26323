"""Security attributes and claims of tokens: lists of lists, followed for all tokens at once and proved before use.

The attribute's own layout is in no public symbols (see :mod:`structs.attributes`), so nothing of it is
believed that the memory does not bear out: both list directions agree and close after as many entries as
the count says, the name is a string of printable characters, type and flags are ones that there are, and
the values are as many as the attribute counts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from process_anatomy.absent import Absent, Kind
from process_anatomy.kernel.identify import Kernel
from process_anatomy.kernel.lists import Ring, follow_heads
from process_anatomy.memory.view import addresses_of, unreadable
from process_anatomy.walk.security.logons import LogonSession
from process_anatomy.walk.security.sid_arrays import SidArray, parse_sid, read_sid_arrays
from process_anatomy.walk.security.token_facts import flag_text
from process_anatomy.walk.security.tokens import Token
from structs.attributes import (
    CLAIM_ATTRIBUTES_COLLECTION,
    SECURITY_ATTRIBUTE,
    SECURITY_ATTRIBUTE_VALUE,
    SECURITY_ATTRIBUTES_INFORMATION,
)

ATTRIBUTE_LIMIT = 1024
"""Attributes of one collection, and values of one attribute, at the most ([MS-RAA] 2.2.2.9: the same bounds)."""
NAME_LIMIT = 512
"""Bytes of an attribute's name at the most."""
OCTET_LIMIT = 1 << 16

INTEGER, UNSIGNED, STRING, FQBN, SID_VALUE, BOOLEAN, OCTETS = 1, 2, 3, 4, 5, 6, 0x10
VALUE_TYPES = {
    INTEGER: "INT64",
    UNSIGNED: "UINT64",
    STRING: "STRING",
    FQBN: "FQBN",
    SID_VALUE: "SID",
    BOOLEAN: "BOOLEAN",
    OCTETS: "OCTET_STRING",
}
"""TOKEN_SECURITY_ATTRIBUTE_TYPE_* by value (winnt.h, CLAIM_SECURITY_ATTRIBUTE_TYPE_*)."""
ATTRIBUTE_FLAGS = {
    0x1: "NON_INHERITABLE",
    0x2: "VALUE_CASE_SENSITIVE",
    0x4: "USE_FOR_DENY_ONLY",
    0x8: "DISABLED_BY_DEFAULT",
    0x10: "DISABLED",
    0x20: "MANDATORY",
    0x40: "COMPARE_IGNORE",
}
"""CLAIM_SECURITY_ATTRIBUTE_* by bit (winnt.h); the upper 16 bits are free for applications."""
CUSTOM_FLAGS = 0xFFFF0000

SECURITY_ATTRIBUTE_KIND = "security attribute"
CLAIM_KINDS = {
    "pUserSecurityAttributes": "user claim",
    "pDeviceSecurityAttributes": "device claim",
    "pRestrictedUserSecurityAttributes": "restricted user claim",
    "pRestrictedDeviceSecurityAttributes": "restricted device claim",
}
"""Field of the claims' collection to what its attributes are."""
DEVICE_GROUPS = {
    "device group": ("pDeviceGroups", "DeviceGroupsCount"),
    "restricted device group": ("pRestrictedDeviceGroups", "RestrictedDeviceGroupsCount"),
}
"""What the SIDs are to the fields of the claims' collection that hold them."""

Value = int | bool | str | bytes | Absent


@dataclass(frozen=True, slots=True)
class Attribute:
    """One security attribute or claim of a token.

    Attributes:
        token: whose.
        kind: ``security attribute``, or which claim.
        address: of the attribute, 0 where none could be reached.
        name: for instance ``WIN://SYSAPPID``.
        type: type of its values by name.
        flags: set flags by name.
        values: in order; numbers, texts, SIDs as text, octets as bytes, FQBNs as ``name, version``.
        shared: the logon session holds it for all its tokens.
        problems: what is not proved or could not be read, one line each.
    """

    token: Token
    kind: str
    address: int
    name: str | Absent
    type: str | Absent
    flags: str | Absent
    values: tuple[Value, ...]
    shared: bool
    problems: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Claims:
    """What the collections of some tokens hold.

    Attributes:
        attributes: security attributes and claims, in the order of the tokens.
        device_groups: (token, what the SIDs are, the SIDs), only where there are any.
    """

    attributes: tuple[Attribute, ...]
    device_groups: tuple[tuple[Token, str, SidArray | Absent], ...]


def claims(kernel: Kernel, tokens: Sequence[Token]) -> Claims:
    """The security attributes and claims of these tokens, and the groups of their devices."""
    if SECURITY_ATTRIBUTES_INFORMATION not in kernel.build:
        return Claims((), ())
    sources: list[tuple[Token, str, int, bool]] = [
        (token, SECURITY_ATTRIBUTE_KIND, token.attributes_at, False)
        for token in tokens
        if isinstance(token.attributes_at, int) and token.attributes_at
    ]
    groups: list[tuple[Token, str, SidArray | Absent]] = []
    holders = [holder for token in tokens for holder in _collections(token)]
    if CLAIM_ATTRIBUTES_COLLECTION in kernel.build and holders:
        records = kernel.view.records(CLAIM_ATTRIBUTES_COLLECTION, addresses_of([at for _, at, _ in holders]))
        for field, kind in CLAIM_KINDS.items():
            pointers = records.values(field)
            sources += [
                (token, kind, pointer, shared)
                for (token, _, shared), pointer in zip(holders, pointers, strict=True)
                if isinstance(pointer, int) and pointer
            ]
        for kind, (field, count) in DEVICE_GROUPS.items():
            arrays = read_sid_arrays(
                kernel, records.array(field).astype(np.uint64), records.array(count).astype(np.uint64)
            )
            groups += [
                (token, kind, array) for (token, _, _), array in zip(holders, arrays, strict=True) if array != ()
            ]
    order = {id(token): number for number, token in enumerate(tokens)}
    sources.sort(key=lambda source: order[id(source[0])])
    groups.sort(key=lambda group: order[id(group[0])])
    return Claims(tuple(_read(kernel, sources)), tuple(groups))


def _collections(token: Token) -> list[tuple[Token, int, bool]]:
    """Where a token's claims are: its own, or those that its logon session shares."""
    if isinstance(token.claims_at, int) and token.claims_at:
        return [(token, token.claims_at, False)]
    shared = token.logon.shared_claims if isinstance(token.logon, LogonSession) else 0
    return [(token, shared, True)] if isinstance(shared, int) and shared else []


def _read(kernel: Kernel, sources: Sequence[tuple[Token, str, int, bool]]) -> list[Attribute]:
    """Every attribute of every collection; one row with the reason where a collection cannot be followed."""
    heads = kernel.view.records(SECURITY_ATTRIBUTES_INFORMATION, addresses_of([at for _, _, at, _ in sources]))
    head = np.uint64(kernel.build[SECURITY_ATTRIBUTES_INFORMATION].offset("SecurityAttributesList"))
    counts = heads.values("SecurityAttributeCount")
    plausible = np.array([isinstance(n, int) and 0 <= n <= ATTRIBUTE_LIMIT for n in counts], dtype=np.bool_)
    rings = follow_heads(kernel.space, np.where(plausible, heads.addresses + head, np.uint64(0)), ATTRIBUTE_LIMIT)
    links = [link if link >= kernel.system_start else 0 for ring in rings for link in ring.links]
    found = iter(_attributes(kernel, links))
    rows: list[Attribute] = []
    for (token, kind, at, shared), count, ring in zip(sources, counts, rings, strict=True):
        problem = _unproved(count, ring)
        if problem:
            rows.append(_missing(token, kind, at, shared, problem))
        rows += [Attribute(token=token, kind=kind, shared=shared, **next(found)) for _ in ring.links]
    return rows


def _unproved(count: int | Absent, ring: Ring) -> str:
    """Why a collection's list is not what its layout says; empty where it is."""
    if isinstance(count, Absent):
        return str(count)
    if count > ATTRIBUTE_LIMIT:
        return f"not proved in this build: a collection of {count} attributes"
    if ring.problems:
        return f"not proved in this build: {ring.problems[0]}"
    if any(ring.notes.values()):
        return "not proved in this build: the entries of the list do not point back to each other"
    if count != len(ring.links):
        return f"not proved in this build: {len(ring.links)} attributes where {count} are counted"
    return ""


def _missing(token: Token, kind: str, at: int, shared: bool, problem: str) -> Attribute:
    gone = Absent(Kind.NOT_PROVED, problem)
    return Attribute(token, kind, at, gone, gone, gone, (), shared, (problem,))


def _attributes(kernel: Kernel, addresses: Sequence[int]) -> list[dict[str, Any]]:
    """What is at each address, as far as it proves to be an attribute."""
    records = kernel.view.records(SECURITY_ATTRIBUTE, addresses_of(addresses))
    names, types, flags = records.values("Name"), records.values("ValueType"), records.values("Flags")
    counts, reserved = records.values("ValueCount"), records.values("Reserved")
    texts = [name if isinstance(name, Absent) else _name(kernel, name) for name in names]
    proofs = [_doubt(*facts) for facts in zip(texts, types, reserved, flags, counts, strict=True)]
    head = np.uint64(kernel.build[SECURITY_ATTRIBUTE].offset("Values"))
    good = np.array([not proof for proof in proofs], dtype=np.bool_)
    rings = follow_heads(kernel.space, np.where(good, records.addresses + head, np.uint64(0)), ATTRIBUTE_LIMIT)
    values = _values(kernel, rings, types)
    rows = []
    for row, address in enumerate(addresses):
        problems = [proofs[row]] if proofs[row] else []
        if good[row] and (rings[row].problems or len(rings[row].links) != counts[row]):
            what = rings[row].problems[:1] or [f"{len(rings[row].links)} values where {counts[row]} are counted"]
            problems.append(f"not proved in this build: {what[0]}")
        problems += [str(value) for value in values[row] if isinstance(value, Absent)]
        gone = Absent(Kind.NOT_PROVED, proofs[row])
        rows.append(
            {
                "address": address,
                "name": texts[row] if good[row] else gone,
                "type": VALUE_TYPES[types[row]] if good[row] else gone,
                "flags": flag_text(flags[row], ATTRIBUTE_FLAGS) if good[row] else gone,
                "values": tuple(values[row]),
                "problems": tuple(dict.fromkeys(problems)),
            }
        )
    return rows


def _name(kernel: Kernel, name: Any) -> str | Absent:
    if not 0 < name.Length <= NAME_LIMIT or name.Length > name.MaximumLength:
        return Absent(Kind.NOT_PROVED, f"not proved in this build: a name of {name.Length} bytes")
    return kernel.view.string(name.Buffer, name.Length)


def _doubt(name: str | Absent, kind: Any, reserved: Any, flags: Any, count: Any) -> str:
    """Why this is not taken for an attribute; empty where it is."""
    for fact in (name, kind, reserved, flags, count):
        if isinstance(fact, Absent):
            return str(fact)
    if not str(name).isprintable():
        return "not proved in this build: the name has characters that cannot be printed"
    if kind not in VALUE_TYPES:
        return f"not proved in this build: there is no value type {kind}"
    if reserved or flags & ~(sum(ATTRIBUTE_FLAGS) | CUSTOM_FLAGS):
        return f"not proved in this build: flags {flags:#x}, reserved {reserved:#x}"
    if count > ATTRIBUTE_LIMIT:
        return f"not proved in this build: {count} values"
    return ""


def _values(kernel: Kernel, rings: Sequence[Ring], types: Sequence[Any]) -> list[list[Value]]:
    """The decoded values of each attribute."""
    links = [link if link >= kernel.system_start else 0 for ring in rings for link in ring.links]
    octets = iter(kernel.view.records(SECURITY_ATTRIBUTE_VALUE, addresses_of(links)).values("Value"))
    return [[_value(kernel, kind, next(octets)) for _ in ring.links] for ring, kind in zip(rings, types, strict=True)]


def _value(kernel: Kernel, kind: int, octets: bytes | Absent) -> Value:
    """One value: a number in place, or what its pointer leads to."""
    if isinstance(octets, Absent):
        return octets
    pointer = kernel.space.pointer_size
    if kind in (INTEGER, UNSIGNED, BOOLEAN):
        number = int.from_bytes(octets[:8], "little", signed=kind == INTEGER)
        if kind != BOOLEAN:
            return number
        return bool(number) if number in (0, 1) else Absent(Kind.NOT_PROVED, f"not proved: a boolean of {number}")
    if kind in (STRING, FQBN):
        start = 8 if kind == FQBN else 0
        length = int.from_bytes(octets[start : start + 2], "little")
        text = kernel.view.string(int.from_bytes(octets[start + pointer : start + 2 * pointer], "little"), length)
        if kind == STRING or isinstance(text, Absent):
            return text
        return f"{text}, version {_version(int.from_bytes(octets[:8], 'little'))}"
    at, size = int.from_bytes(octets[:pointer], "little"), int.from_bytes(octets[pointer : pointer + 4], "little")
    if size > OCTET_LIMIT:
        return Absent(Kind.NOT_PROVED, f"not proved in this build: a value of {size} bytes")
    data = kernel.space.read(at, size) if size else b""
    if data is None:
        return unreadable(kernel.space, at, size)
    if kind == OCTETS:
        return data
    if len(data) < 8 or data[0] != 1 or len(data) != 8 + 4 * data[1]:
        return Absent(Kind.NOT_PROVED, f"not proved in this build: no SID at {at:#x}")
    return parse_sid(data)


def _version(number: int) -> str:
    """The four parts of a fully qualified binary name's version."""
    return ".".join(str(number >> shift & 0xFFFF) for shift in (48, 32, 16, 0))
