"""Every part of a security context, read back from the raw pages and held against the answer key.

The reader here shares nothing with the engine: it walks page tables with struct and parses with the layouts.
"""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timezone
from typing import Any

import pytest

from process_anatomy.forge import Image, forge
from structs import builds
from structs.attributes import (
    CLAIM_ATTRIBUTES_COLLECTION,
    SECURITY_ATTRIBUTE,
    SECURITY_ATTRIBUTE_VALUE,
    SECURITY_ATTRIBUTES_INFORMATION,
)
from structs.eprocess import EPROCESS
from structs.ethread import ETHREAD
from structs.layout import Layout
from structs.object import OBJECT_HEADER, POOL_HEADER
from structs.token import ACL, LOGON_SESSION, LOWBOX_NUMBER_ENTRY, SID, SID_AND_ATTRIBUTES, TOKEN

PAGE = 0x1000
ADDRESS = 0x000FFFFFFFFFF000
BUILDS = ["x64-9600-16384", "x64-17763-0", "x64-22621-382", "x64-26100-1742"]
NEVER = 0x7FFFFFFFFFFFFFFF
EPOCH = 11_644_473_600


class Reader:
    """An image's kernel memory by virtual address."""

    def __init__(self, name: str) -> None:
        self.build = builds.load(name)
        self.image: Image = forge(build=name)
        self.truth = self.image.truth

    def frame(self, address: int) -> tuple[int, int]:
        """Frame of an address and place in it; four levels, 2 MB pages too."""
        table = self.truth["dtb"] // PAGE
        for shift in (39, 30, 21, 12):
            (entry,) = struct.unpack_from("<Q", self.image.physical[table], 8 * (address >> shift & 511))
            assert entry & 1, f"{address:#x} is not mapped"
            table = (entry & ADDRESS) // PAGE
            if shift == 21 and entry & 0x80:
                table += address >> 12 & 511
                break
        return table, address % PAGE

    def read(self, address: int, size: int) -> bytes:
        data = b""
        while len(data) < size:
            frame, skip = self.frame(address + len(data))
            data += self.image.physical[frame][skip : skip + size - len(data)]
        return data

    def parse(self, layout: Layout, address: int) -> Any:
        structure = self.build[layout]
        return structure.struct.parse(self.read(address, structure.sizeof))

    def number(self, address: int) -> int:
        return int.from_bytes(self.read(address, 8), "little")

    def text(self, counted: Any) -> str:
        return self.read(counted.Buffer, counted.Length).decode("utf-16-le")

    def tag(self, block: int) -> bytes:
        """The pool tag of a block."""
        tag: int = self.parse(POOL_HEADER, block - self.build[POOL_HEADER].sizeof).PoolTag
        return tag.to_bytes(4, "little")

    def sid(self, address: int) -> str:
        revision, count = self.read(address, 2)
        authority = int.from_bytes(self.read(address + 2, 6), "big")
        parts = struct.unpack(f"<{count}I", self.read(address + self.build[SID].offset("SubAuthority"), 4 * count))
        return "-".join(map(str, ["S", revision, authority, *parts]))

    def groups(self, address: int, count: int) -> list[dict[str, Any]]:
        step = self.build[SID_AND_ATTRIBUTES].sizeof
        entries = [self.parse(SID_AND_ATTRIBUTES, address + step * index) for index in range(count)]
        return [{"attributes": entry.Attributes, "sid": self.sid(entry.Sid)} for entry in entries]

    def dacl(self, address: int) -> list[dict[str, Any]]:
        head = self.parse(ACL, address)
        assert head.AclRevision == 2
        entries, at = [], address + self.build[ACL].sizeof
        for _ in range(head.AceCount):
            kind, flags, size, mask = struct.unpack("<BBHI", self.read(at, 8))
            assert size == 8 + 8 + 4 * self.read(at + 9, 1)[0]
            entries.append({"flags": flags, "mask": mask, "sid": self.sid(at + 8), "type": kind})
            at += size
        assert at == address + head.AclSize
        return entries

    def members(self, head: int) -> Iterator[int]:
        """The links of a closed list, each proved from behind."""
        here, before = self.number(head), head
        while here != head:
            assert self.number(here + 8) == before
            assert self.tag(here) == b"SeAt"
            yield here
            here, before = self.number(here), here
        assert self.number(head + 8) == before

    def attributes(self, address: int) -> list[dict[str, Any]]:
        structure = self.build[SECURITY_ATTRIBUTES_INFORMATION]
        information = self.parse(SECURITY_ATTRIBUTES_INFORMATION, address)
        assert self.tag(address) == b"SeAt"
        assert information.WorkingSecurityAttributeCount == 0
        assert not [*self.members(address + structure.offset("WorkingSecurityAttributesList"))]
        found = [*map(self.attribute, self.members(address + structure.offset("SecurityAttributesList")))]
        assert information.SecurityAttributeCount == len(found)
        return found

    def attribute(self, address: int) -> dict[str, Any]:
        structure = self.build[SECURITY_ATTRIBUTE]
        attribute = self.parse(SECURITY_ATTRIBUTE, address)
        assert (attribute.Reserved, attribute.WorkingValueCount) == (0, 0)
        assert not [*self.members(address + structure.offset("WorkingValues"))]
        blocks = [*self.members(address + structure.offset("Values"))]
        assert attribute.ValueCount == len(blocks)
        return {
            "flags": attribute.Flags,
            "name": self.text(attribute.Name),
            "type": attribute.ValueType,
            "values": [self.value(attribute.ValueType, block) for block in blocks],
        }

    def value(self, kind: int, block: int) -> Any:
        at = block + self.build[SECURITY_ATTRIBUTE_VALUE].offset("Value")
        first = self.read(at, 8)
        if kind in (1, 2):
            return int.from_bytes(first, "little", signed=kind == 1)
        if kind == 3:
            return self.counted(at)
        if kind == 4:
            return {"name": self.counted(at + 8), "version": int.from_bytes(first, "little")}
        if kind == 6:
            return {0: False, 1: True}[int.from_bytes(first, "little")]
        assert kind in (5, 16)
        address, length = struct.unpack("<QI", self.read(at, 12))
        if kind == 5:
            assert length == 8 + 4 * self.read(address + 1, 1)[0]
            return self.sid(address)
        return self.read(address, length).hex()

    def counted(self, at: int) -> str:
        length, room, padding, buffer = struct.unpack("<HHIQ", self.read(at, 16))
        assert (room, padding) == (length + 2, 0)
        whole = self.read(buffer, room).decode("utf-16-le")
        assert whole[-1] == "\0"
        return whole[:-1]

    def claims(self, address: int) -> dict[str, Any] | None:
        if address == 0:
            return None
        found = self.parse(CLAIM_ATTRIBUTES_COLLECTION, address)
        kinds = {
            "user": found.pUserSecurityAttributes,
            "device": found.pDeviceSecurityAttributes,
            "restricted_user": found.pRestrictedUserSecurityAttributes,
            "restricted_device": found.pRestrictedDeviceSecurityAttributes,
        }
        return {kind: self.attributes(where) if where else [] for kind, where in kinds.items()} | {
            "device_groups": self.groups(found.pDeviceGroups, found.DeviceGroupsCount),
            "restricted_device_groups": self.groups(
                found.pRestrictedDeviceGroups, found.RestrictedDeviceGroupsCount
            ),
        }  # fmt: skip

    def token(self, address: int) -> dict[str, Any]:
        """What the bytes of a token say, in the words of the answer key."""
        raw = self.parse(TOKEN, address)
        sids = self.groups(raw.UserAndGroups, raw.UserAndGroupCount)
        session = self.parse(LOGON_SESSION, raw.LogonSession)
        lowbox = self.parse(LOWBOX_NUMBER_ENTRY, raw.LowboxNumberEntry) if raw.LowboxNumberEntry else None
        package = self.sid(raw.Package) if raw.Package else None
        if lowbox:
            assert self.sid(lowbox.PackageSid) == package
            assert lowbox.ReferenceCount == 1
        assert raw.TokenInUse == (raw.TokenType == 1)
        assert session.LogonId == raw.AuthenticationId
        dynamic = self.number(address + self.build[TOKEN].offset("PrimaryGroup") + 8)
        assert (self.tag(dynamic), dynamic) == (b"SeTd", raw.PrimaryGroup)
        assert raw.DefaultDacl == dynamic + 8 + 4 * self.read(dynamic + 1, 1)[0]
        expires = raw.ExpirationTime
        return {
            "account": self.text(session.AccountName),
            "audit_policy": raw.AuditPolicy.hex() if any(raw.AuditPolicy) else None,
            "authentication_id": raw.AuthenticationId,
            "authority": self.text(session.AuthorityName),
            "capabilities": self.groups(raw.Capabilities, raw.CapabilityCount),
            "claims": self.claims(raw.pClaimAttributes),
            "default_dacl": self.dacl(raw.DefaultDacl),
            "expiration_time": None if expires == NEVER else expires // 10_000_000 - EPOCH,
            "impersonation_level": raw.ImpersonationLevel,
            "integrity": sids[raw.IntegrityLevelIndex]["sid"],
            "integrity_index": raw.IntegrityLevelIndex,
            "lowbox_number": lowbox.LowboxNumber if lowbox else None,
            "mandatory_policy": raw.MandatoryPolicy,
            "modified_id": raw.ModifiedId,
            "origin_authentication_id": raw.OriginatingLogonSession,
            "owner": sids[raw.DefaultOwnerIndex]["sid"],
            "package": package,
            "parent_token_id": raw.ParentTokenId,
            "primary_group": self.sid(raw.PrimaryGroup),
            "privileges": {
                "enabled": raw.PrivilegesEnabled,
                "enabled_by_default": raw.PrivilegesEnabledByDefault,
                "present": raw.PrivilegesPresent,
            },
            "restricted_sids": self.groups(raw.RestrictedSids, raw.RestrictedSidCount),
            "security_attributes": self.attributes(raw.pSecurityAttributes),
            "session_id": raw.SessionId,
            "sids": sids,
            "source": raw.TokenSourceName.rstrip(b"\0").decode(),
            "source_identifier": raw.TokenSourceIdentifier,
            "token_flags": raw.TokenFlags,
            "token_id": raw.TokenId,
            "trust_sid": self.sid(raw.TrustLevelSid) if raw.TrustLevelSid else None,
            "type": {1: "Primary", 2: "Impersonation"}[raw.TokenType],
            "user": sids[0]["sid"],
        }

    def sessions(self) -> dict[int, Any]:
        """Logon sessions by their addresses, from the hash table."""
        table, found = self.number(self.truth["symbols"]["SepLogonSessions"]), {}
        for bucket in range(16):
            here = self.number(table + 8 * bucket)
            while here:
                found[here] = self.parse(LOGON_SESSION, here)
                assert found[here].LogonId % 16 == bucket
                here = found[here].Next
        return found


@pytest.fixture(scope="module", params=BUILDS)
def reader(request: pytest.FixtureRequest) -> Reader:
    return Reader(request.param)


def every_token(truth: dict[str, Any]) -> list[dict[str, Any]]:
    threads = [thread for process in truth["processes"] for thread in process["threads"]]
    return [p["token"] for p in truth["processes"]] + [
        t["impersonation_token"] for t in threads if t["impersonation_token"]
    ]


def test_every_token_says_what_the_answer_key_says(reader: Reader) -> None:
    names = {"elevation_type", "privilege_names", "pa", "va"}
    for token in every_token(reader.truth):
        found = reader.token(token["va"])
        if found["expiration_time"] is not None:
            found["expiration_time"] = instant(found["expiration_time"])
        assert found == {name: value for name, value in token.items() if name not in names}
        frame, skip = reader.frame(token["va"])
        assert token["pa"] == frame * PAGE + skip
        header = token["va"] - reader.build[OBJECT_HEADER].offset("Body")
        assert reader.tag(header) == b"Toke"


def instant(seconds: int) -> str:
    return f"{datetime.fromtimestamp(seconds, timezone.utc):%Y-%m-%dT%H:%M:%SZ}"


def test_processes_and_threads_lead_to_their_tokens(reader: Reader) -> None:
    """The Token field's low bits count references; ImpersonationData's hold the level and the third bit."""
    for process in reader.truth["processes"]:
        raw = reader.parse(EPROCESS, process["eprocess"])
        assert raw.Token & ~15 == process["token"]["va"]
        assert raw.OwnerProcessId == (process["creator"] if reader.build.number >= 10240 else 0)
        for thread in process["threads"]:
            raw = reader.parse(ETHREAD, thread["ethread"])
            assert raw.ImpersonationData == thread["impersonation_data"]
            bits = reader.build[ETHREAD].bits
            assert sum(raw[name] << bits[name][1] for name in bits) == thread["cross_thread_flags"]
            token = thread["impersonation_token"]
            assert bool(token) == bool(raw.ActiveImpersonationInfo)
            if token:
                assert raw.ImpersonationData & ~7 == token["va"]
                assert raw.ImpersonationData & 3 == thread["impersonation_level"] == token["impersonation_level"]
                assert bool(raw.ImpersonationData & 4) == thread["effective_only"]
            else:
                assert (thread["impersonation_level"], thread["effective_only"]) == (None, None)


def test_logon_sessions_are_in_their_buckets_and_count_their_tokens(reader: Reader) -> None:
    found, tokens = reader.sessions(), every_token(reader.truth)
    assert found.keys() == {session["va"] for session in reader.truth["logon_sessions"]}
    used = Counter(token["authentication_id"] for token in tokens)
    for session in reader.truth["logon_sessions"]:
        raw = found[session["va"]]
        assert reader.text(raw.AccountName) == session["account"]
        assert reader.text(raw.AuthorityName) == session["authority"]
        assert (raw.LogonId, raw.BuddyLogonId) == (session["luid"], session["buddy_luid"])
        assert (raw.ReferenceCount, raw.Flags) == (session["reference_count"], session["flags"])
        assert raw.Token == session["token"]
        assert raw.ReferenceCount > used[raw.LogonId] > 0
        assert bool(raw.Token) == bool(raw.BuddyLogonId)
        if raw.Token:
            assert reader.parse(TOKEN, raw.Token).AuthenticationId == raw.LogonId


def test_numbers_are_given_once_and_grow_after_the_logon(reader: Reader) -> None:
    tokens = every_token(reader.truth)
    numbers = [token[name] for token in tokens for name in ("token_id", "modified_id")]
    assert len({*numbers}) == len(numbers)
    assert all(t["token_id"] > t["authentication_id"] for t in tokens if t["authentication_id"] >= 0x1000)
    unique = [a["values"][1] for t in tokens for a in t["security_attributes"] if a["name"] == "TSA://ProcUnique"]
    assert unique == sorted({*unique})


def test_the_cast_shows_every_kind_of_token(image: Image) -> None:
    """The parts that only one kind of token has, each with its process."""
    cast = {process["pid"]: process for process in image.truth["processes"]}
    tokens = {pid: process["token"] for pid, process in cast.items()}
    assert {pid: t["trust_sid"] for pid, t in tokens.items() if t["trust_sid"]} == {
        **dict.fromkeys((388, 512, 588, 596, 716), "S-1-19-512-8192"),
        728: "S-1-19-512-4096",
    }
    administrators = {pid for pid, t in tokens.items() if t["owner"] == "S-1-5-32-544"}
    assert administrators == {pid for pid, t in tokens.items() if t["user"] == "S-1-5-18"} | {5740}
    restricted = {pid: [sid["sid"] for sid in t["restricted_sids"]] for pid, t in tokens.items()}
    assert {pid for pid, sids in restricted.items() if sids} == {1332, 6276}
    assert restricted[6276] == ["S-1-5-12", "S-1-1-0"]
    assert {*restricted[1332]} > {"S-1-5-33", "S-1-1-0"}
    flags = {0x8: {1332}, 0x40: {4812}, 0x400: {4476}, 0x1000: {4180}, 0x4000: {6044}, 0x8000: {4304}}
    flags |= {0x10: {1332, 6276}, 0x10000: {6420}, 0x80000: {6420}}
    for flag, pids in flags.items():
        assert {pid for pid, t in tokens.items() if t["token_flags"] & flag} == pids, f"{flag:#x}"
    assert [pid for pid, t in tokens.items() if t["audit_policy"] or t["expiration_time"] or t["claims"]] == [4304]
    assert {a["type"] for a in tokens[4304]["security_attributes"]} == {1, 2, 4, 5, 6, 16}
    assert [a["name"] for a in tokens[6044]["security_attributes"]] == [
        "WIN://SYSAPPID", "WIN://PKG", "WIN://PKGHOSTID", "TSA://ProcUnique",
    ]  # fmt: skip
    assert tokens[6044]["lowbox_number"] == 1
    claims = tokens[4304]["claims"]
    assert [c["values"] for c in claims["user"] + claims["device"]] == [["Forensics"], [3], [True]]


def test_the_cast_shows_how_contexts_come_about(image: Image) -> None:
    """The cases that a look at parents and tokens must tell apart."""
    cast = {process["pid"]: process for process in image.truth["processes"]}
    explorer, bob, invoice, setup = (cast[pid] for pid in (3920, 6612, 6808, 4812))
    limited = explorer["token"]["authentication_id"]
    assert explorer["ppid"] not in cast
    assert cast[5212]["token"]["authentication_id"] == limited
    for pid in (6044, 6276, 4812):
        assert cast[pid]["token"]["parent_token_id"] == explorer["token"]["token_id"]
    assert (bob["ppid"], bob["token"]["origin_authentication_id"], bob["token"]["source"]) == (3920, limited, "seclogo")
    assert bob["token"]["authentication_id"] != limited
    assert cast[6044]["ppid"] == 868 != explorer["pid"]
    assert cast[868]["ppid"] == cast[1332]["ppid"] == cast[4304]["ppid"] == 716
    parent = cast[invoice["ppid"]]
    assert (parent["session"], parent["token"]["user"]) == (0, "S-1-5-18")
    assert (invoice["session"], invoice["token"]["session_id"]) == (1, 1)
    assert invoice["token"]["authentication_id"] == limited
    assert {pid: p["creator"] for pid, p in cast.items() if p["creator"] != p["ppid"]} == {
        **dict.fromkeys((4180, 5740, 6612), 1480),
        6808: 5212,
    }
    assert cast[setup["ppid"]]["create_time"] > setup["create_time"]
    impersonating = {
        (p["pid"], t["impersonation_level"], t["impersonation_token"]["elevation_type"], t["effective_only"])
        for p in image.truth["processes"]
        for t in p["threads"]
        if t["impersonation_token"]
    }
    assert impersonating == {(728, 1, 3, True), (868, 2, 2, False)}
    assert [t["impersonation_data"] & 7 for t in cast[1236]["threads"] if t["impersonation_data"]] == [2]


def test_memory_that_is_paged_out_leaves_no_user_half(image: Image) -> None:
    """Of such a process the root table is all there is, and its entries say where the rest lies."""
    states = Counter(p["memory"] for p in image.truth["processes"] if "memory" in p)
    assert states == {"all": 14, "trimmed": 4, "paged out": 9}
    for process in image.truth["processes"]:
        root = struct.unpack("<512Q", image.physical[process["dtb"] // PAGE])
        if process.get("memory") == "paged out":
            assert any(root[:256])
            assert not any(entry & 0xC01 for entry in root[:256])
            assert "command_line" not in process
        elif process.get("memory") == "trimmed":
            assert process["command_line"]
            assert [page["note"] for page in process["pages"]] == ["PEB"]
