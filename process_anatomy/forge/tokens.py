"""Tokens in the paged pool: the structure, then its SID arrays and SIDs in the same allocation, as in Windows."""

from __future__ import annotations

import struct
from typing import Any

from process_anatomy.forge import security
from process_anatomy.forge.objects import ObjectManager
from process_anatomy.forge.records import record, text
from process_anatomy.forge.security import Context, Logon
from structs.token import LOGON_SESSION, SID, SID_AND_ATTRIBUTES, TOKEN

BUCKETS = 16
NEVER = 0x7FFFFFFFFFFFFFFF


class Tokens:
    """Makes tokens and the logon sessions that they belong to.

    Attributes:
        sessions: facts of the logon sessions, one for each in use.
    """

    def __init__(self, objects: ObjectManager) -> None:
        self.objects = objects
        self.build = objects.build
        self.sessions: list[dict[str, Any]] = []
        self._addresses: dict[int, int] = {}
        self._luid = 0x4E00

    def next_luid(self) -> int:
        """A locally unique id: they only grow."""
        self._luid += self.objects.dice.between(1, 0x400)
        return self._luid

    def sid(self, written: str) -> bytes:
        """A SID's bytes."""
        revision, authority, *parts = (int(part) for part in written.split("-")[1:])
        head = record(
            self.build,
            SID,
            Revision=revision,
            SubAuthorityCount=len(parts),
            IdentifierAuthority=authority.to_bytes(6, "big"),
        )
        return head[: self.build[SID].offset("SubAuthority")] + struct.pack(f"<{len(parts)}I", *parts)

    def _session(self, logon: Logon) -> int:
        if logon.luid not in self._addresses:
            pool = self.objects.paged
            data = record(
                self.build,
                LOGON_SESSION,
                LogonId=logon.luid,
                BuddyLogonId=logon.buddy,
                ReferenceCount=self.objects.dice.between(2, 40),
                AccountName=text(logon.account, pool.string(logon.account)),
                AuthorityName=text(logon.authority, pool.string(logon.authority)),
            )
            address = pool.put(data, b"SeLs")
            self._addresses[logon.luid] = address
            self.sessions.append(
                {
                    "account": logon.account,
                    "authority": logon.authority,
                    "buddy_luid": logon.buddy,
                    "luid": logon.luid,
                    "va": address,
                }
            )
        return self._addresses[logon.luid]

    def make(self, context: Context, session_id: int | None, parent: int = 0) -> dict[str, Any]:
        """A primary token; gives its facts, ``va`` among them."""
        objects, dice = self.objects, self.objects.dice
        size = self.build[TOKEN].sizeof
        sids = [(context.user, 0), *context.groups]
        lists = [sids, list(context.capabilities)]
        singles = [context.package] if context.package else []
        pair = self.build[SID_AND_ATTRIBUTES].sizeof
        blob_at = size + pair * sum(map(len, lists))
        blob, where = b"", {}
        for name in [sid for part in lists for sid, _ in part] + singles:
            if name not in where:
                where[name] = blob_at + len(blob)
                blob += self.sid(name)
        token = objects.reserve("Token", blob_at + len(blob), b"Toke", paged=True, quota=False)
        arrays = b"".join(
            record(self.build, SID_AND_ATTRIBUTES, Sid=token + where[sid], Attributes=attributes)
            for part in lists
            for sid, attributes in part
        )
        defaults = context.defaults or context.enabled
        token_id = self.next_luid()
        data = record(
            self.build,
            TOKEN,
            TokenSourceName=context.source.encode(),
            TokenId=token_id,
            AuthenticationId=context.logon.luid,
            ParentTokenId=parent,
            ExpirationTime=NEVER,
            ModifiedId=self.next_luid(),
            PrivilegesPresent=security.bits(context.present),
            PrivilegesEnabled=security.bits(context.enabled),
            PrivilegesEnabledByDefault=security.bits(defaults),
            SessionId=session_id or 0,
            UserAndGroupCount=len(sids),
            UserAndGroups=token + size,
            PrimaryGroup=token + where.get(context.primary_group, where[context.user]),
            TokenType=1,
            TokenFlags=context.flags,
            TokenInUse=1,
            IntegrityLevelIndex=len(sids) - 1,
            MandatoryPolicy=context.mandatory_policy,
            LogonSession=self._session(context.logon),
            OriginatingLogonSession=0 if context.logon.luid < 0x1000 else 0x3E7,
            Package=token + where[context.package] if context.package else 0,
            Capabilities=token + size + pair * len(sids) if context.capabilities else 0,
            CapabilityCount=len(context.capabilities),
        )
        objects.kernel.write(token, data + arrays + blob)
        return {
            "account": context.logon.account,
            "authentication_id": context.logon.luid,
            "authority": context.logon.authority,
            "capabilities": [{"attributes": a, "sid": sid} for sid, a in context.capabilities],
            "elevation_type": context.elevation,
            "impersonation_level": 0,
            "integrity": sids[-1][0],
            "integrity_index": len(sids) - 1,
            "mandatory_policy": context.mandatory_policy,
            "origin_authentication_id": 0 if context.logon.luid < 0x1000 else 0x3E7,
            "pa": objects.kernel.physical(token),
            "package": context.package,
            "parent_token_id": parent,
            "privilege_names": {
                name: ",".join(
                    word
                    for word, names in (
                        ("present", context.present),
                        ("enabled", context.enabled),
                        ("default", defaults),
                    )
                    if name in names
                )
                for name in sorted(context.present)
            },
            "privileges": {
                "enabled": security.bits(context.enabled),
                "enabled_by_default": security.bits(defaults),
                "present": security.bits(context.present),
            },
            "restricted_sids": [],
            "security_attributes": [],
            "session_id": session_id or 0,
            "sids": [{"attributes": attributes, "sid": sid} for sid, attributes in sids],
            "source": context.source,
            "token_flags": context.flags,
            "token_id": token_id,
            "trust_sid": None,
            "type": "Primary",
            "user": context.user,
            "va": token,
            "fast_ref": token | dice.between(1, 15),
        }

    def write_sessions(self) -> None:
        """The hash table of logon sessions: a bucket for the low bits of the session's number."""
        buckets = [0] * BUCKETS
        kernel = self.objects.kernel
        following = self.build[LOGON_SESSION].offset("Next")
        for session in self.sessions:
            bucket = session["luid"] % BUCKETS
            kernel.write(session["va"] + following, struct.pack("<Q", buckets[bucket]))
            buckets[bucket] = session["va"]
        table = self.objects.paged.put(struct.pack(f"<{BUCKETS}Q", *buckets), b"SeLs")
        self.objects.image.point("SepLogonSessions", table)
