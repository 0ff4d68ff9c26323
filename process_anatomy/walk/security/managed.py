"""Accounts that Windows manages for its administrators: what a token under Administrator Protection looks like.

Where Administrator Protection is switched on (a late update of Windows 11 24H2, off by default), consent no longer
hands out the stronger half of the asker's own logon.  Windows keeps an account of its own for each administrator,
local, with a profile of its own and a name that begins with ``ADMIN_``, and logs it on anew for each elevation: there
is no half that it could be linked to.

A name is easily borrowed: a token counts as such a one only where nothing that can be read of it speaks against it, and
how a process was made only where its relatives agree (:mod:`process_anatomy.walk.across.administrator_protection`).

Source: Microsoft Learn, Administrator protection; Windows Insider Program, "Administrator protection on Windows 11"
(system managed administrator account, ADMIN_ in what whoami says).
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from process_anatomy.absent import Absent
from process_anatomy.walk.security.tokens import Token

FIRST_BUILD = 26100
"""Build that Administrator Protection came to, in an update."""
ACCOUNT = re.compile(r"ADMIN_[A-Za-z0-9]{1,16}")
LOCAL, SYSTEM_LOGON = "S-1-5-21-", 0x3E7
"""How the SIDs of accounts begin that a machine or a domain has made; the logon session of the system."""
ADMINISTRATORS, ENABLED = "S-1-5-32-544", 0x4


def named_so(token: Token) -> bool:
    """Whether the account is named as the accounts that Windows manages."""
    return isinstance(token.account, str) and bool(ACCOUNT.fullmatch(token.account.rpartition("\\")[2]))


def against(token: Token) -> Iterator[str]:
    """What a token of an account of that name says against being one of Administrator Protection, each as a clause."""
    if isinstance(token.user, Absent):
        yield "who its user is cannot be read"
    elif not token.user.startswith(LOCAL):
        yield f"{token.user} is no account of a machine"
    if isinstance(token.integrity, str) and token.integrity != "high":
        yield f"its integrity is {token.integrity}"
    if isinstance(token.linked_session, int):
        yield f"its logon is linked to another half ({token.linked_session:#x})"
    if token.elevation == "limited":
        yield "its rights were taken away"
    if isinstance(token.origin, int) and token.origin != SYSTEM_LOGON:
        yield f"logon session {token.origin:#x} asked for its logon, not the system"
    if isinstance(token.sids, tuple) and not any(
        sid == ADMINISTRATORS and isinstance(mask, int) and mask & ENABLED for sid, mask in token.sids
    ):
        yield "it is no administrator's"


def managed(token: Token, number: int) -> bool:
    """Whether a token looks like one of Administrator Protection; what it has not told speaks for nothing.

    Args:
        token: the token.
        number: build number of the Windows that runs.
    """
    told = (token.integrity, token.origin, token.sids)
    known = not any(isinstance(fact, Absent) for fact in told)
    return number >= FIRST_BUILD and named_so(token) and known and not any(against(token))
