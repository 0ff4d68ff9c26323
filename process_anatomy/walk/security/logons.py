"""Logon sessions: one authentication of one account each, as the kernel keeps them."""

from __future__ import annotations

from dataclasses import dataclass

from process_anatomy.absent import NOT_APPLICABLE, Absent
from process_anatomy.kernel.identify import Kernel
from process_anatomy.memory.view import addresses_of
from structs.token import LOGON_SESSION


@dataclass(frozen=True, slots=True)
class LogonSession:
    r"""The logon session that a token refers to.  Every fact may be :class:`~process_anatomy.absent.Absent`.

    Attributes:
        address: of the _SEP_LOGON_SESSION_REFERENCES.
        logon_id: the session's number.
        linked: number of the other half of a split (UAC) logon, not applicable without one.
        account: ``authority\account``.
        references: tokens and others that refer to it.
        shared_claims: address of the claims that the session's tokens share, 0 without any.
    """

    address: int
    logon_id: int | Absent
    linked: int | Absent
    account: str | Absent
    references: int | Absent
    shared_claims: int | Absent


def logon_sessions(kernel: Kernel, addresses: list[int]) -> dict[int, LogonSession]:
    """The logon session at each address that can be one, by its address."""
    different = [p for p in dict.fromkeys(addresses) if p >= kernel.system_start]
    if LOGON_SESSION not in kernel.build:
        return {}
    found = kernel.view.records(LOGON_SESSION, addresses_of(different))
    columns = zip(
        different,
        found.values("LogonId"),
        [NOT_APPLICABLE if linked == 0 else linked for linked in found.values("BuddyLogonId")],
        [
            _account(authority, account)
            for authority, account in zip(found.texts("AuthorityName"), found.texts("AccountName"), strict=True)
        ],
        found.values("ReferenceCount"),
        found.values("SharedClaimAttributes"),
        strict=True,
    )
    return {row[0]: LogonSession(*row) for row in columns}


def _account(*names: str | Absent) -> str | Absent:
    r"""``authority\account``, of what both strings hold."""
    texts = [name for name in names if isinstance(name, str)]
    if len(texts) < len(names):
        return next(name for name in names if isinstance(name, Absent))
    return "\\".join(text for text in texts if text) or NOT_APPLICABLE
