"""The plugin windows.anatomy.tokens: the tokens of processes and of threads that act for a client."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from volatility3.framework import interfaces

from process_anatomy.volatility import Anatomy, Column, format_hints, short_address

if TYPE_CHECKING:
    from process_anatomy.kernel.identify import Kernel


class Tokens(Anatomy, interfaces.plugins.PluginInterface):
    """Lists the token of each process and impersonating thread, explained: user, integrity, elevation, logon."""

    _version = (2, 0, 0)
    columns = (
        Column("PID", int),
        Column("TID", int),
        Column("Process", str),
        Column("Offset", format_hints.Hex),
        Column("TokenId", format_hints.Hex),
        Column("AuthenticationId", format_hints.Hex),
        Column("User", str),
        Column("UserName", str),
        Column("Account", str),
        Column("Integrity", str),
        Column("Elevation", str),
        Column("SessionId", int),
        Column("TokenType", str),
        Column("ImpersonationLevel", str),
        Column("Groups", int),
        Column("Privileges", str),
        Column("Flags", str),
        Column("Virtualization", str),
        Column("UIAccess", bool),
        Column("RestrictedSids", int),
        Column("Package", str),
        Column("PackageName", str),
        Column("LowboxNumber", int),
        Column("Capabilities", int),
        Column("SecurityAttributes", int),
        Column("Claims", int),
        Column("TrustLevel", str),
        Column("Owner", str),
        Column("PrimaryGroup", str),
        Column("DefaultDacl", str),
        Column("MandatoryPolicy", str),
        Column("AuditPolicy", str),
        Column("Source", str),
        Column("SourceIdentifier", format_hints.Hex),
        Column("ParentTokenId", format_hints.Hex),
        Column("ModifiedId", format_hints.Hex),
        Column("OriginatingLogonSession", format_hints.Hex),
        Column("LinkedLogonSession", format_hints.Hex),
        Column("LogonReferences", int),
        Column("ExpirationTime", datetime),
        Column("Problems", str),
        Column("Explanation", str),
    )

    def rows(self, kernel: Kernel) -> Iterator[tuple[int, Sequence[Any]]]:
        """One row for each primary token, followed by those of the process's threads."""
        from process_anatomy.absent import Absent
        from process_anatomy.walk.security.attributes import SECURITY_ATTRIBUTE_KIND

        found = self.security(kernel)
        explain = self.explainer(kernel)
        claims = [attribute.token for attribute in found.claims.attributes if attribute.kind != SECURITY_ATTRIBUTE_KIND]

        def named(sid: str | Absent) -> str | Absent | None:
            return sid if isinstance(sid, Absent) else found.names.name(sid) or None

        def counted(array: tuple[Any, ...] | Absent) -> int | Absent:
            return array if isinstance(array, Absent) else len(array)

        for row in found.tokens:
            yield (
                0,
                (
                    row.process.pid,
                    row.tid,
                    row.process.name,
                    short_address(row.address),
                    row.token_id,
                    row.authentication_id,
                    row.user,
                    named(row.user),
                    row.account,
                    row.integrity,
                    row.elevation,
                    row.session,
                    row.token_type,
                    row.level,
                    row.groups,
                    row.privilege_summary,
                    row.flag_names,
                    row.virtualization,
                    row.ui_access,
                    counted(row.restricted),
                    row.package,
                    named(row.package),
                    row.lowbox_number,
                    counted(row.capabilities),
                    row.attribute_count,
                    sum(token is row for token in claims),
                    named(row.trust),
                    row.owner,
                    row.primary_group,
                    row.dacl if isinstance(row.dacl, Absent) else row.dacl.sddl,
                    row.mandatory_policy,
                    row.audit_policy,
                    row.source,
                    row.source_identifier,
                    row.parent_token_id,
                    row.modified_id,
                    row.origin,
                    row.linked_session,
                    row.logon if isinstance(row.logon, Absent) else row.logon.references,
                    row.expires,
                    "; ".join(row.problems) or None,
                    explain.token(row),
                ),
            )
