"""The security context: _TOKEN, security identifiers and logon sessions, all in system address space."""

from __future__ import annotations

from structs.field_types import Bytes, FileTime, Int, Luid, Pointer, UInt, UnicodeString
from structs.layout import Layout, at

TOKEN = Layout(
    "_TOKEN",
    "an access token: who a process or thread acts as, and what it may do",
    {
        "TokenSourceName": at(Bytes, "name of the component that made the token", "TokenSource.SourceName"),
        "TokenSourceIdentifier": at(Luid, "number that the source gave itself", "TokenSource.SourceIdentifier"),
        "TokenId": at(Luid, "number of this token alone"),
        "AuthenticationId": at(Luid, "logon session the token belongs to"),
        "ParentTokenId": at(Luid, "token this one was made from, zero for an original"),
        "ExpirationTime": at(FileTime, "when the token runs out"),
        "ModifiedId": at(Luid, "number that changes whenever the token is modified"),
        "PrivilegesPresent": at(UInt, "privileges the token has, a bit each", "Privileges.Present"),
        "PrivilegesEnabled": at(UInt, "privileges that count now, a bit each", "Privileges.Enabled"),
        "PrivilegesEnabledByDefault": at(
            UInt, "privileges that counted at creation, a bit each", "Privileges.EnabledByDefault"
        ),
        "PrivilegeCount": at(UInt, "number of privileges in the array (before Windows Vista)"),
        "Privileges": at(Pointer, "array of the privileges that the token has (before Windows Vista)"),
        "AuditCategories": at(
            UInt, "per-user audit policy before Windows Vista, four bits for each category", "AuditPolicy.Overlay"
        ),
        "AuditPolicy": at(
            Bytes,
            "per-user audit policy, four bits for each subcategory",
            "AuditPolicy.AdtTokenPolicy.PerUserPolicy",
            "AuditPolicy.PerUserPolicy",
        ),
        "SessionId": at(UInt, "terminal session of the token"),
        "UserAndGroupCount": at(UInt, "number of user and group SIDs"),
        "RestrictedSidCount": at(UInt, "number of restricting SIDs"),
        "DefaultOwnerIndex": at(UInt, "which SID owns new objects"),
        "UserAndGroups": at(Pointer, "array of SIDs: the user first, then the groups"),
        "RestrictedSids": at(Pointer, "array of restricting SIDs"),
        "PrimaryGroup": at(Pointer, "SID of the primary group"),
        "DynamicPart": at(Pointer, "block with what may be changed: primary group and default access list"),
        "DefaultDacl": at(Pointer, "access list given to new objects"),
        "TokenType": at(UInt, "1 primary, 2 impersonation"),
        "ImpersonationLevel": at(UInt, "how far an impersonation token may act"),
        "TokenFlags": at(UInt, "flags: restricted, filtered, virtualization, UIAccess, low box ..."),
        "TokenInUse": at(UInt, "1: a process uses it as its primary token"),
        "IntegrityLevelIndex": at(UInt, "which group SID carries the integrity level"),
        "MandatoryPolicy": at(UInt, "what the integrity level forbids"),
        "LogonSession": at(Pointer, "the logon session's record"),
        "OriginatingLogonSession": at(Luid, "logon session that asked for the logon"),
        "pSecurityAttributes": at(Pointer, "security attributes of the token"),
        "Package": at(Pointer, "AppContainer package SID"),
        "Capabilities": at(Pointer, "array of capability SIDs"),
        "CapabilityCount": at(UInt, "number of capability SIDs"),
        "LowboxNumberEntry": at(Pointer, "number of the AppContainer in its session"),
        "pClaimAttributes": at(Pointer, "claims about the user and the device, and the device's groups"),
        "TrustLevelSid": at(Pointer, "trust level of a protected process"),
    },
)

SID_AND_ATTRIBUTES = Layout(
    "_SID_AND_ATTRIBUTES",
    "a SID of a token and how it counts",
    {
        "Sid": at(Pointer, "address of the SID"),
        "Attributes": at(UInt, "mandatory, enabled, owner, deny-only, integrity, logon id ..."),
    },
)

LUID_AND_ATTRIBUTES = Layout(
    "_LUID_AND_ATTRIBUTES",
    "a privilege of a token and how it counts (before Windows Vista)",
    {
        "Luid": at(Luid, "number of the privilege"),
        "Attributes": at(UInt, "enabled by default, enabled ..."),
    },
)

SID = Layout(
    "_SID",
    "a security identifier: authority and sub-authorities",
    {
        "Revision": at(UInt, "always 1"),
        "SubAuthorityCount": at(UInt, "number of sub-authorities, at most 15"),
        "IdentifierAuthority": at(Bytes, "top authority, six bytes, highest first"),
        "SubAuthority": at(Bytes, "the first sub-authority; the others follow"),
    },
)

LOGON_SESSION = Layout(
    "_SEP_LOGON_SESSION_REFERENCES",
    "a logon session: one authentication of one account",
    {
        "Next": at(Pointer, "next session in the same hash bucket"),
        "LogonId": at(Luid, "the session's number: a token's authentication id"),
        "BuddyLogonId": at(Luid, "the linked session of a split (UAC) logon, else zero"),
        "ReferenceCount": at(Int, "tokens and others that refer to it"),
        "Flags": at(UInt, "session flags"),
        "Token": at(Pointer, "a token of the session, where the kernel keeps one"),
        "AccountName": at(UnicodeString, "name of the account"),
        "AuthorityName": at(UnicodeString, "domain or machine that vouches for the account"),
        "SharedClaimAttributes": at(Pointer, "claims that the tokens of the session share"),
    },
)

LOWBOX_NUMBER_ENTRY = Layout(
    "_SEP_LOWBOX_NUMBER_ENTRY",
    "an AppContainer that runs in a session, in system address space",
    {
        "ReferenceCount": at(Int, "tokens that refer to it"),
        "PackageSid": at(Pointer, "SID of the AppContainer package"),
        "LowboxNumber": at(UInt, "number of the AppContainer in its session"),
    },
)

ACL = Layout(
    "_ACL",
    "an access control list: a header, then its entries one behind the other",
    {
        "AclRevision": at(UInt, "2, or 4 with object entries"),
        "AclSize": at(UInt, "bytes of the whole list"),
        "AceCount": at(UInt, "number of entries"),
    },
)
