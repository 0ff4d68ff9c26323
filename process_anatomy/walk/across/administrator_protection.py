"""Elevation under Administrator Protection: another account's logon, that Appinfo brings to an asker who is weaker.

Nothing in memory names the call.  A process is said to be made so only where its account, its logon, its parent and
whom the kernel notes as its creator agree; one sign against it that can be read, and it is judged as any other.

Source: Microsoft Learn, Administrator protection; :mod:`process_anatomy.walk.security.managed` for the account.
"""

from __future__ import annotations

from collections.abc import Iterator

from process_anatomy.absent import Absent
from process_anatomy.walk.processes.kin import Relative
from process_anatomy.walk.security.managed import FIRST_BUILD, against
from process_anatomy.walk.security.tokens import Token

HOST, SYSTEM_USER = "svchost.exe", "S-1-5-18"
"""What the service that elevates (Appinfo) runs in, and as whom."""
PEOPLE = ("S-1-5-21-", "S-1-12-1-", "S-1-11-")
WEAKER = {"untrusted", "low", "medium", "medium-plus"}


def contradictions(
    token: Token, above: Token, maker: Token | None, creator: Relative, parent: Relative, number: int
) -> Iterator[str]:
    """What speaks against an elevation under Administrator Protection, each as a clause; none where all signs agree.

    Args:
        token: the primary token of the process, of an account that is named so.
        above: its parent's.
        maker: its creator's, if there is one.
        creator: who asked for it.
        parent: whom it names as its parent.
        number: build number of the Windows that runs.
    """
    if number < FIRST_BUILD:
        yield "this Windows has no Administrator Protection"
    yield from against(token)
    if isinstance(above.user, Absent) or not above.user.startswith(PEOPLE) or above.user == token.user:
        yield "its parent acts as no other person"
    if above.integrity not in WEAKER:
        yield f"its parent has integrity {above.integrity}, and need not ask"
    if isinstance(token.session, int) and isinstance(above.session, int) and token.session != above.session:
        yield f"it is in session {token.session}, its parent in {above.session}"
    if isinstance(token.authentication_id, Absent) or token.authentication_id == above.authentication_id:
        yield "it has no logon session of its own"
    if _of_one_machine(token, above) and str(token.user).rpartition("-")[0] != str(above.user).rpartition("-")[0]:
        yield "its SID is not of the machine that its account is said to be of"
    made = creator.process
    if made is None or maker is None or not isinstance(creator.pid, int) or creator.pid == parent.pid:
        yield "no service asked for it"
    elif not isinstance(made.name, str) or made.name.lower() != HOST or made.session != 0 or maker.user != SYSTEM_USER:
        yield f"{made.name} ({creator.pid}) asked for it, which is not the service that elevates"


def _of_one_machine(token: Token, above: Token) -> bool:
    """Whether both accounts are said to be of the same machine or domain."""
    if not isinstance(token.account, str) or not isinstance(above.account, str):
        return False
    return token.account.rpartition("\\")[0].lower() == above.account.rpartition("\\")[0].lower()
