"""The view of the tokens of processes and of threads that act for a client."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from process_anatomy.views.declaration import (
    ADDRESS,
    BOOLEAN,
    INTEGER,
    TEXT,
    TEXTS,
    TIME,
    Column,
    Moment,
    Option,
    Request,
    Row,
    View,
)
from process_anatomy.views.sources import ACCOUNTS, SIDS, TOKENS


def rows(request: Request) -> Iterator[Row]:
    """One row for each primary token, followed by those of the process's threads."""
    from process_anatomy.absent import Absent
    from process_anatomy.notes.security_rows import services_of, token_note
    from process_anatomy.walk.security.attributes import SECURITY_ATTRIBUTE_KIND

    explain, found = request.explain, request.security()
    claims = [attribute.token for attribute in found.claims.attributes if attribute.kind != SECURITY_ATTRIBUTE_KIND]

    def named(sid: str | Absent) -> str | Absent | None:
        return sid if isinstance(sid, Absent) else found.names.name(sid) or None

    def counted(array: tuple[Any, ...] | Absent) -> int | Absent:
        return array if isinstance(array, Absent) else len(array)

    for row in found.tokens:
        own = services_of(row) if explain.speaks else []
        services = [name for sid in own if (name := found.names.name(sid))]
        yield (
            0,
            {
                "PID": row.process.pid,
                "TID": row.tid,
                "Process": row.process.name,
                "Offset": row.address,
                "TokenId": row.token_id,
                "AuthenticationId": row.authentication_id,
                "User": row.user,
                "UserName": named(row.user),
                "Account": row.account,
                "Integrity": row.integrity,
                "Elevation": row.elevation,
                "SessionId": row.session,
                "TokenType": row.token_type,
                "ImpersonationLevel": row.level,
                "Groups": row.groups,
                "Privileges": row.privilege_summary,
                "Flags": row.flag_names,
                "Virtualization": row.virtualization,
                "UIAccess": row.ui_access,
                "RestrictedSids": counted(row.restricted),
                "Package": row.package,
                "PackageName": named(row.package),
                "LowboxNumber": row.lowbox_number,
                "Capabilities": counted(row.capabilities),
                "SecurityAttributes": row.attribute_count,
                "Claims": sum(token is row for token in claims),
                "TrustLevel": named(row.trust),
                "Owner": row.owner,
                "PrimaryGroup": row.primary_group,
                "DefaultDacl": row.dacl if isinstance(row.dacl, Absent) else row.dacl.sddl,
                "MandatoryPolicy": row.mandatory_policy,
                "AuditPolicy": row.audit_policy,
                "Source": row.source,
                "SourceIdentifier": row.source_identifier,
                "ParentTokenId": row.parent_token_id,
                "ModifiedId": row.modified_id,
                "OriginatingLogonSession": row.origin,
                "LinkedLogonSession": row.linked_session,
                "LogonReferences": row.logon if isinstance(row.logon, Absent) else row.logon.references,
                "ExpirationTime": row.expires,
                "Problems": row.problems,
                "Explanation": explain(token_note, row, request.tables.number, services),
            },
        )


VIEW = View(
    name="tokens",
    title="Lists the token of each process and impersonating thread, explained: user, integrity, elevation, logon.",
    component="security-context",
    version=(2, 0, 0),
    columns=(
        Column(
            "PID",
            INTEGER,
            "the id of the process whose token it is, or whose thread acts under it",
            "_EPROCESS.UniqueProcessId",
        ),
        Column(
            "TID",
            INTEGER,
            "the id of the thread that acts under this token; empty for the primary token of a process",
            "_ETHREAD.Cid",
        ),
        Column(
            "Process",
            TEXT,
            "the short name of the process that acts under the token, whole or with one thread",
            "_EPROCESS.ImageFileName",
        ),
        Column(
            "Offset",
            ADDRESS,
            "the virtual address of the token, in system address space",
            "_EPROCESS.Token, _ETHREAD.ClientSecurity; _TOKEN",
        ),
        Column("TokenId", INTEGER, "the number (LUID) of this one token", "_TOKEN.TokenId", hexadecimal=True),
        Column(
            "AuthenticationId",
            INTEGER,
            "the number (LUID) of the logon session that the token belongs to; 0x3e7 is Local System",
            "_TOKEN.AuthenticationId",
            hexadecimal=True,
        ),
        Column("User", TEXT, "the SID of the user, the first of the token's SIDs", "_TOKEN.UserAndGroups"),
        Column(
            "UserName",
            TEXT,
            "the name of the user's SID where it is well known or can be found in the image",
            f"_TOKEN.UserAndGroups; {ACCOUNTS}; Microsoft Learn, Well-known SIDs",
        ),
        Column(
            "Account",
            TEXT,
            "domain and account of the logon session as Lsass told the kernel",
            "_SEP_LOGON_SESSION_REFERENCES.AccountName, AuthorityName",
        ),
        Column(
            "Integrity",
            TEXT,
            "the integrity level: how far the process is trusted, before access lists are looked at",
            "_TOKEN.IntegrityLevelIndex",
        ),
        Column(
            "Elevation",
            TEXT,
            "whether the token is one half of an administrator's split logon, and which",
            "_TOKEN.LogonSession; _SEP_LOGON_SESSION_REFERENCES.BuddyLogonId, _TOKEN.TokenFlags",
        ),
        Column(
            "SessionId",
            INTEGER,
            "the terminal session that the token names, normally that of the process",
            "_TOKEN.SessionId",
        ),
        Column(
            "TokenType",
            TEXT,
            "primary for a process's token, impersonation for one that a thread borrows",
            "_TOKEN.TokenType",
        ),
        Column(
            "ImpersonationLevel",
            TEXT,
            "how far the thread may act for its client; empty for a primary token",
            "_TOKEN.ImpersonationLevel",
        ),
        Column(
            "Groups",
            INTEGER,
            "how many SIDs of the user and of groups the token has; windows.anatomy.groups lists them",
            "_TOKEN.UserAndGroups, UserAndGroupCount",
        ),
        Column(
            "Privileges",
            TEXT,
            "how many privileges the token holds, and how many of them are enabled",
            "_TOKEN.Privileges",
        ),
        Column(
            "Flags", TEXT, "the flags of the token: filtered, restricted, AppContainer and others", "_TOKEN.TokenFlags"
        ),
        Column(
            "Virtualization",
            TEXT,
            "whether writes to protected places are redirected: enabled, allowed, or no",
            "_TOKEN.TokenFlags (TOKEN_VIRTUALIZE_ENABLED, TOKEN_VIRTUALIZE_ALLOWED)",
        ),
        Column(
            "UIAccess",
            BOOLEAN,
            "whether it may send input to windows of higher-ranking programs",
            "_TOKEN.TokenFlags (TOKEN_UIACCESS)",
        ),
        Column(
            "RestrictedSids",
            INTEGER,
            "how many restricting SIDs the token has, against which access is checked as well",
            "_TOKEN.RestrictedSids, RestrictedSidCount",
        ),
        Column("Package", TEXT, "the package SID of an AppContainer; empty for any other token", "_TOKEN.Package"),
        Column(
            "PackageName",
            TEXT,
            "the name behind the package SID, where the image or the shipped list knows it",
            "_TOKEN.Package",
        ),
        Column(
            "LowboxNumber",
            INTEGER,
            "the number of the AppContainer within its session",
            "_TOKEN.LowboxNumberEntry; _SEP_LOWBOX_NUMBER_ENTRY.LowboxNumber",
        ),
        Column(
            "Capabilities",
            INTEGER,
            "how many capability SIDs an AppContainer's token has",
            "_TOKEN.Capabilities, CapabilityCount",
        ),
        Column(
            "SecurityAttributes",
            INTEGER,
            "how many security attributes the token has; windows.anatomy.claims lists them",
            "_TOKEN.pSecurityAttributes",
        ),
        Column(
            "Claims",
            INTEGER,
            "how many claims about user and device come with it, its own or its logon session's",
            "_TOKEN.pClaimAttributes, _SEP_LOGON_SESSION_REFERENCES.SharedClaimAttributes",
        ),
        Column(
            "TrustLevel",
            TEXT,
            "the name of the trust SID of a protected process; empty for others",
            "_TOKEN.TrustLevelSid",
        ),
        Column(
            "Owner",
            TEXT,
            "the SID that will own what the holder of the token makes",
            "_TOKEN.DefaultOwnerIndex, UserAndGroups",
        ),
        Column(
            "PrimaryGroup",
            TEXT,
            "the SID of the primary group that new objects get; Windows itself hardly uses it",
            "_TOKEN.PrimaryGroup",
        ),
        Column(
            "DefaultDacl",
            TEXT,
            "the access list that new objects get if nothing else gives them one, in Windows' notation (SDDL)",
            "_TOKEN.DefaultDacl; _ACL.AclRevision, AclSize, AceCount",
        ),
        Column(
            "MandatoryPolicy",
            TEXT,
            "what the integrity level forbids: writing to higher levels, and more",
            "_TOKEN.MandatoryPolicy",
        ),
        Column(
            "AuditPolicy",
            TEXT,
            "auditing that is set for this user alone, as numbered subcategories, before Windows Vista as categories;"
            " none for most",
            "_TOKEN.AuditPolicy",
        ),
        Column(
            "Source",
            TEXT,
            "the component that had the token made, for instance User32 or Advapi",
            "_TOKEN.TokenSource.SourceName",
        ),
        Column(
            "SourceIdentifier",
            INTEGER,
            "the number that this component gave itself",
            "_TOKEN.TokenSource.SourceIdentifier",
            hexadecimal=True,
        ),
        Column(
            "ParentTokenId",
            INTEGER,
            "the number of the token that this one was cut down from; empty for an original",
            "_TOKEN.ParentTokenId",
            hexadecimal=True,
        ),
        Column(
            "ModifiedId",
            INTEGER,
            "a number that changes whenever the token is changed",
            "_TOKEN.ModifiedId",
            hexadecimal=True,
        ),
        Column(
            "OriginatingLogonSession",
            INTEGER,
            "the logon session that asked for this logon with a name and a password",
            "_TOKEN.OriginatingLogonSession",
            hexadecimal=True,
        ),
        Column(
            "LinkedLogonSession",
            INTEGER,
            "the logon session of the other half of an administrator's split logon",
            "_TOKEN.LogonSession; _SEP_LOGON_SESSION_REFERENCES.BuddyLogonId",
            hexadecimal=True,
        ),
        Column(
            "LogonReferences",
            INTEGER,
            "how many tokens and others keep the logon session alive",
            "_TOKEN.LogonSession; _SEP_LOGON_SESSION_REFERENCES.ReferenceCount",
        ),
        Column(
            "ExpirationTime",
            TIME,
            "when the token would run out (UTC); empty for never, which is usual",
            "_TOKEN.ExpirationTime",
            moment=Moment.EXPIRES,
        ),
        Column(
            "Problems",
            TEXTS,
            "what could not be read of the token, its SIDs or its logon session, or contradicts the rest",
            "address space, reason for missing bytes; process_anatomy.walk.security.tokens",
        ),
        Column(
            "Explanation",
            TEXT,
            "who the process acts as and how strong it is, at the level that --explain asks for",
            "notes, token-row",
        ),
    ),
    rows=rows,
    telling=("PID", "Process", "TID", "UserName", "Integrity", "Elevation", "SessionId", "Privileges"),
    whole=True,
    options=(
        Option(
            "user", TEXT, "Only tokens of users with this in their name or SID", columns=("Account", "UserName", "User")
        ),
    ),
    thing="token",
    known_by=("TID", "User", "Account"),
    through=f"{TOKENS}; {SIDS}",
)
