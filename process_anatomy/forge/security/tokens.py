"""Tokens in the paged pool: the structure, then its SID arrays and SIDs in the same allocation, as in Windows.

The primary group and the default access list, which a program may change, lie in a block of their own (the
dynamic part, pool tag SeTd); security attributes, trust levels and AppContainer numbers are objects apart.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from process_anatomy.forge.ground.clock import filetime, written_time
from process_anatomy.forge.ground.generations import has_integrity
from process_anatomy.forge.ground.records import pointers, record, text
from process_anatomy.forge.objects.object_manager import ObjectManager
from process_anatomy.forge.security import attributes as sa
from process_anatomy.forge.security import contexts as security
from process_anatomy.forge.security.acl import acl_bytes, default_dacl
from process_anatomy.forge.security.attributes import Attribute, AttributeLists
from process_anatomy.forge.security.contexts import Context, Logon
from process_anatomy.forge.security.older import context_for
from process_anatomy.forge.security.sids import group_facts, sid_block, sid_bytes
from structs.token import LOGON_SESSION, LOWBOX_NUMBER_ENTRY, LUID_AND_ATTRIBUTES, TOKEN

BUCKETS = 16
NEVER = 0x7FFFFFFFFFFFFFFF
PRIMARY, IMPERSONATION = 1, 2
SESSION_FIELDS = {
    "account": "AccountName", "authority": "AuthorityName", "buddy_luid": "BuddyLogonId", "flags": "Flags",
    "reference_count": "ReferenceCount", "token": "Token",
}  # fmt: skip
"""What the truth says of a logon session, and the field that has it."""
UNIQUE_PROCESS, UNIQUE_KIND = "TSA://ProcUnique", 101
"""The attribute by which Windows tells a user's processes apart, and the first of its two numbers."""
TOLD_AT_THE_END = 1
"""Flag of a logon session (SEP_LOGON_SESSION_TERMINATION_NOTIFY): LSASS wants to hear when it has no token left."""
BY_DEFAULT, ENABLED = 1, 2
"""Attributes of a privilege where a token has an array of them."""


class Tokens:
    """Makes tokens and the logon sessions that they belong to.

    Attributes:
        sessions: facts of the logon sessions, one for each in use.
        contexts: what kinds of token there are.
    """

    def __init__(
        self, objects: ObjectManager, boot_time: int, contexts: Mapping[str, Context] = security.CONTEXTS
    ) -> None:
        self.objects, self.boot_time, self.contexts = objects, boot_time, contexts
        self.build, self.kernel, self.pool = objects.build, objects.kernel, objects.paged
        self.attributes = AttributeLists(objects)
        self.sessions: list[dict[str, Any]] = []
        self._logons: dict[int, dict[str, Any]] = {}
        self._first: dict[str, int] = {}
        self._sources: dict[str, int] = {"*SYSTEM*": 0}
        self._trust: dict[str, int] = {}
        self._lowboxes = 0
        self._luid = 0x4E00
        self._unique = 0x1F4A00

    @property
    def has_sessions(self) -> bool:
        """Where logon sessions lie and what they hold is known of this build."""
        return LOGON_SESSION in self.build

    def _keeps(self, field: str) -> bool:
        """Whether logon sessions keep something."""
        return self.has_sessions and field in self.build[LOGON_SESSION]

    def next_luid(self) -> int:
        """A locally unique id: they only grow."""
        self._luid += self.objects.dice.between(1, 0x400)
        return self._luid

    def _session(self, logon: Logon) -> dict[str, Any]:
        """A logon session; what it says is written when all of its tokens are known."""
        if logon.luid not in self._logons:
            facts: dict[str, Any] = {
                "account": logon.account,
                "authority": logon.authority,
                "buddy_luid": logon.buddy,
                "flags": TOLD_AT_THE_END if logon.luid >= security.FIRST_LUID else 0,
                "luid": logon.luid,
                "reference_count": self.objects.dice.between(1, 9),
                "token": 0,
                "va": self.pool.allocate(self.build[LOGON_SESSION].sizeof, b"SeLs") if self.has_sessions else 0,
            }
            facts |= {name: None for name, field in SESSION_FIELDS.items() if not self._keeps(field)}
            self._logons[logon.luid] = facts
            self.sessions.append(facts)
            self._luid = max(self._luid, logon.luid)
        return self._logons[logon.luid]

    def make(self, name: str, session_id: int | None, protection: int = 0, level: int | None = None) -> dict[str, Any]:
        """A token; gives its facts, ``va`` among them.

        Args:
            name: key of the contexts.
            session_id: terminal session.
            protection: of the process that gets it as its primary token.
            level: how far an impersonation token may act; ``None`` makes a primary token.
        """
        context = context_for(self.build, name, self.contexts)
        listed = self._privilege_array(context)
        size = self.build[TOKEN].sizeof + len(listed)
        lists = [((context.user, 0), *context.groups), context.restricted, context.capabilities]
        singles = [context.package] if context.package else []
        behind = len(sid_block(self.build, lists, singles).data)
        address = self.objects.reserve("Token", size + behind, b"Toke", paged=True, quota=False)
        block = sid_block(self.build, lists, singles, address + size)
        attributes = self._attributes(context) if level is None else context.attributes
        trust = security.TRUST_LEVELS.get(protection)
        values = self._identity(context) | {
            "SessionId": session_id or 0,
            "TokenType": PRIMARY if level is None else IMPERSONATION,
            "TokenInUse": int(level is None),
            "ImpersonationLevel": level or 0,
            "UserAndGroupCount": len(lists[0]),
            "RestrictedSidCount": len(context.restricted),
            "CapabilityCount": len(context.capabilities),
            "Package": block.sids.get(context.package or "", 0),
            "pSecurityAttributes": self.attributes.put(attributes) if "pSecurityAttributes" in self.build[TOKEN] else 0,
            "TrustLevelSid": self._trust_level(trust) if trust else 0,
            "PrivilegeCount": len(context.present),
            "Privileges": address + self.build[TOKEN].sizeof,
            **dict(zip(("UserAndGroups", "RestrictedSids", "Capabilities"), block.arrays, strict=True)),
        }
        if context.claims and self.attributes.has_claims:
            values["TokenFlags"] |= security.OWN_CLAIMS
            values["pClaimAttributes"] = self.attributes.put_claims(context.claims)
        lowbox, values["LowboxNumberEntry"] = self._lowbox(context.package)
        dynamic = self._dynamic_part(context)
        values |= {"PrimaryGroup": dynamic, "DefaultDacl": dynamic + len(sid_bytes(self.build, context.primary_group))}
        data = record(self.build, TOKEN, DynamicPart=dynamic, **values)
        self.kernel.write(address, data + listed + block.data)
        if level is None:
            self._first.setdefault(name, values["TokenId"])
            session = self._logons[context.logon.luid]
            if session["token"] is not None:
                session["token"] = session["token"] or address * bool(context.logon.buddy)
        policy = b""
        if context.audit:
            kept = "AuditPolicy" if "AuditPolicy" in self.build[TOKEN] else "AuditCategories"
            policy = context.audit.ljust(self.build[TOKEN].place(kept).size, b"\0")
        return self._facts(context, values) | {
            "audit_policy": policy.hex() if context.audit else None,
            "fast_ref": address | self.objects.dice.between(1, 2 * self.build.pointer_size - 1),
            "lowbox_number": lowbox,
            "pa": self.kernel.physical(address),
            "security_attributes": [attribute.facts() for attribute in attributes],
            "trust_sid": trust,
            "va": address,
        }

    def _privilege_array(self, context: Context) -> bytes:
        """Before Windows Vista: the privileges one by one, in the token's own allocation."""
        if "Privileges" not in self.build[TOKEN]:
            return b""
        defaults = context.defaults or context.enabled
        entries = b"".join(
            record(
                self.build,
                LUID_AND_ATTRIBUTES,
                Luid=security.PRIVILEGES[name],
                Attributes=BY_DEFAULT * (name in defaults) | ENABLED * (name in context.enabled),
            )
            for name in sorted(context.present, key=security.PRIVILEGES.__getitem__)
        )
        return entries.ljust(len(entries) + 7 & -8, b"\0")

    def _identity(self, context: Context) -> dict[str, Any]:
        """The fields that say who made the token, for whom, and what it may do."""
        if context.source not in self._sources:
            self._sources[context.source] = self.next_luid()
        session = self._session(context.logon)
        if session["reference_count"] is not None:
            session["reference_count"] += 1
        parent = 0
        if context.made_from:
            parent = self._first[context.made_from]
        elif context.restricted:
            parent = self.next_luid()  # of a token that is no more
        return {
            "TokenSourceName": context.source.encode(),
            "TokenSourceIdentifier": self._sources[context.source],
            "TokenId": self.next_luid(),
            "AuthenticationId": context.logon.luid,
            "ParentTokenId": parent,
            "ExpirationTime": NEVER if context.expires is None else filetime(self.boot_time + context.expires),
            "ModifiedId": self.next_luid(),
            "PrivilegesPresent": security.bits(context.present),
            "PrivilegesEnabled": security.bits(context.enabled),
            "PrivilegesEnabledByDefault": security.bits(context.defaults or context.enabled),
            "AuditPolicy": context.audit,
            "AuditCategories": int.from_bytes(context.audit[:8], "little"),
            "DefaultOwnerIndex": context.owner_index,
            "TokenFlags": context.flags,
            "IntegrityLevelIndex": len(context.groups),
            "MandatoryPolicy": context.mandatory_policy,
            "LogonSession": session["va"],
            "OriginatingLogonSession": context.origin,
        }

    def _attributes(self, context: Context) -> tuple[Attribute, ...]:
        """A primary token's security attributes: where a person works, each process has a number of its own."""
        if not (context.interactive or context.person) or "pSecurityAttributes" not in self.build[TOKEN]:
            return context.attributes
        self._unique += self.objects.dice.between(1, 0x200)
        number = Attribute(
            UNIQUE_PROCESS, sa.UINT64, (UNIQUE_KIND, self._unique), sa.NON_INHERITABLE | sa.COMPARE_IGNORE
        )
        return (*context.attributes, number)

    def _dynamic_part(self, context: Context) -> int:
        """The primary group's SID and the default access list behind it."""
        return self.pool.put(
            sid_bytes(self.build, context.primary_group) + acl_bytes(self.build, default_dacl(context)), b"SeTd"
        )

    def _trust_level(self, sid: str) -> int:
        """A trust level's SID; all tokens of the level share it."""
        if sid not in self._trust:
            self._trust[sid] = self.pool.put(sid_bytes(self.build, sid), b"SeSi")
        return self._trust[sid]

    def _lowbox(self, package: str | None) -> tuple[int | None, int]:
        """The number of an AppContainer and the entry that holds it, with the package's SID behind."""
        if package is None:
            return None, 0
        self._lowboxes += 1
        size = self.build[LOWBOX_NUMBER_ENTRY].sizeof
        sid = sid_bytes(self.build, package)
        address = self.pool.allocate(size + len(sid), b"SeLb")
        data = record(
            self.build,
            LOWBOX_NUMBER_ENTRY,
            ReferenceCount=1,
            PackageSid=address + size,
            LowboxNumber=self._lowboxes,
        )
        self.kernel.write(address, data + sid)
        return self._lowboxes, address

    def _facts(self, context: Context, values: dict[str, Any]) -> dict[str, Any]:
        """The part of the answer key that the context and the fields decide."""
        defaults = context.defaults or context.enabled
        words = (("present", context.present), ("enabled", context.enabled), ("default", defaults))
        sids = ((context.user, 0), *context.groups)
        leveled = has_integrity(self.build)
        return {
            "account": context.logon.account,
            "authentication_id": context.logon.luid,
            "authority": context.logon.authority,
            "capabilities": group_facts(context.capabilities),
            "claims": context.claims.facts() if context.claims and self.attributes.has_claims else None,
            "default_dacl": [entry.facts() for entry in default_dacl(context)],
            "elevation_type": context.elevation if leveled else None,
            "expiration_time": None if context.expires is None else written_time(self.boot_time + context.expires),
            "impersonation_level": values["ImpersonationLevel"],
            "integrity": sids[-1][0] if leveled else None,
            "integrity_index": values["IntegrityLevelIndex"] if leveled else -1,
            "mandatory_policy": context.mandatory_policy if leveled else None,
            "modified_id": values["ModifiedId"],
            "origin_authentication_id": context.origin,
            "owner": context.owner,
            "package": context.package,
            "parent_token_id": values["ParentTokenId"],
            "primary_group": context.primary_group,
            "privilege_names": {
                name: ",".join(word for word, names in words if name in names) for name in sorted(context.present)
            },
            "privileges": {
                "enabled": values["PrivilegesEnabled"],
                "enabled_by_default": values["PrivilegesEnabledByDefault"],
                "present": values["PrivilegesPresent"],
            },
            "restricted_sids": group_facts(context.restricted),
            "session_id": values["SessionId"],
            "sids": group_facts(sids),
            "source": context.source,
            "source_identifier": values["TokenSourceIdentifier"],
            "token_flags": values["TokenFlags"],
            "token_id": values["TokenId"],
            "type": "Primary" if values["TokenType"] == PRIMARY else "Impersonation",
            "user": context.user,
        }

    def write_sessions(self) -> None:
        """The logon sessions and their hash table: a bucket for the low bits of the session's number."""
        if not self.has_sessions:
            self.sessions.clear()
            return
        buckets = [0] * BUCKETS
        for session in self.sessions:
            bucket = session["luid"] % BUCKETS
            data = record(
                self.build,
                LOGON_SESSION,
                Next=buckets[bucket],
                LogonId=session["luid"],
                BuddyLogonId=session["buddy_luid"] or 0,
                ReferenceCount=session["reference_count"],
                Flags=session["flags"],
                Token=session["token"] or 0,
                **{
                    field: text(session[name], self.pool.string(session[name]))
                    for field, name in (("AccountName", "account"), ("AuthorityName", "authority"))
                    if self._keeps(field)
                },
            )
            self.kernel.write(session["va"], data)
            buckets[bucket] = session["va"]
        table = self.pool.put(pointers(self.build, *buckets), b"SeLs")
        self.objects.image.point("SepLogonSessions", table)
