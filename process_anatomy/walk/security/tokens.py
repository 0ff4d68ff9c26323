"""Tokens: the security context of each process, and of each thread that acts for a client, read in batches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from process_anatomy.absent import NOT_APPLICABLE, Absent, Kind, reasons
from process_anatomy.kernel.identify import Kernel
from process_anatomy.memory.view import addresses_of
from process_anatomy.walk.processes.listed import NOT_READ, Process
from process_anatomy.walk.security.acls import Acl
from process_anatomy.walk.security.logons import LogonSession
from process_anatomy.walk.security.sid_arrays import SidArray
from process_anatomy.walk.security.sids import sid_name
from process_anatomy.walk.security.token_facts import (
    IMPERSONATION,
    IMPERSONATION_LEVELS,
    LOWBOX,
    PRIMARY,
    RESTRICTED,
    TOKEN_TYPES,
    WRITE_RESTRICTED,
    token_facts,
)
from process_anatomy.walk.threads.listed import Thread
from structs.token import TOKEN

SHARED = "the same token object"
NAMED = 8
"""Processes with the same token that are named; of more, how many there are."""
"""How the problem of a token begins that another process has too."""


@dataclass(frozen=True, slots=True)
class Token:
    r"""The token of a process or thread.  Every fact may be :class:`~process_anatomy.absent.Absent`.

    Attributes:
        process: whose token it is.
        thread: the thread that impersonates with it; ``None`` for a process's primary token.
        address: of the _TOKEN.
        token_id: number of this token alone.
        authentication_id: logon session.
        user: SID of the user.
        account: ``authority\account`` of the logon session.
        integrity: name of the integrity level.
        elevation: ``default``, ``full`` or ``limited``.
        linked_session: number of the other half of a split (UAC) logon, not applicable without one.
        session: terminal session id.
        token_type: ``Primary`` or ``Impersonation``.
        level: how far an impersonation token may act, not applicable for a primary one.
        sids: user and groups with their attributes, the user first.
        restricted: restricting SIDs with their attributes.
        capabilities: capability SIDs with their attributes.
        present: privileges that the token has, a bit each.
        enabled: privileges that count now.
        default: privileges that counted at creation.
        privileges_listed: the token lists the privileges that it has (before Windows Vista), and keeps no bit for each
            that there is.
        privilege_problems: what is odd about that list or could not be read of it, one line each.
        flags: TokenFlags.
        flag_names: names of the set flags; bits without a known name as one number.
        source: name of the component that made it.
        source_identifier: number that this component gave itself.
        origin: logon session that asked for the logon, not applicable where none did.
        parent_token_id: token that it was made from, not applicable for an original.
        modified_id: changes whenever the token does.
        expires: FILETIME, not applicable where it never does.
        owner: SID that owns what it makes.
        primary_group: SID of the primary group.
        dacl: access list that it gives to what it makes, not applicable without one.
        mandatory_policy: names of what the integrity level forbids.
        virtualization: ``enabled``, ``allowed`` or ``no``: UAC file and registry virtualization.
        ui_access: may drive the windows of processes with a higher integrity level.
        package: SID of the AppContainer package, not applicable outside one.
        lowbox_number: number of the AppContainer in its session, not applicable outside one.
        trust: SID of the trust level, not applicable without one.
        attribute_count: number of security attributes.
        attributes_at: address of its security attributes, 0 without any.
        claims_at: address of its claims, 0 without any.
        audit_policy: per-user audit policy in words, ``none`` where the user has none.
        logon: the logon session's record, not applicable without one.
        problems: what is odd or could not be read, one line each.
    """

    process: Process
    thread: Thread | None
    address: int | Absent
    token_id: int | Absent
    authentication_id: int | Absent
    user: str | Absent
    account: str | Absent
    integrity: str | Absent
    elevation: str | Absent
    linked_session: int | Absent
    session: int | Absent
    token_type: str | Absent
    level: str | Absent
    sids: SidArray | Absent
    restricted: SidArray | Absent
    capabilities: SidArray | Absent
    present: int | Absent
    enabled: int | Absent
    default: int | Absent
    privileges_listed: bool
    privilege_problems: tuple[str, ...]
    flags: int | Absent
    flag_names: str | Absent
    source: str | Absent
    source_identifier: int | Absent
    origin: int | Absent
    parent_token_id: int | Absent
    modified_id: int | Absent
    expires: int | Absent
    owner: str | Absent
    primary_group: str | Absent
    dacl: Acl | Absent
    mandatory_policy: str | Absent
    virtualization: str | Absent
    ui_access: bool | Absent
    package: str | Absent
    lowbox_number: int | Absent
    trust: str | Absent
    attribute_count: int | Absent
    attributes_at: int | Absent
    claims_at: int | Absent
    audit_policy: str | Absent
    logon: LogonSession | Absent
    problems: tuple[str, ...]

    @property
    def tid(self) -> int | Absent:
        """Id of the thread that impersonates, not applicable for a primary token."""
        return self.thread.tid if self.thread else NOT_APPLICABLE

    @property
    def user_name(self) -> str | Absent:
        """The well-known name of the user's SID, else the account of the logon session."""
        if isinstance(self.user, Absent):
            return self.user
        return sid_name(self.user) or self.account

    @property
    def groups(self) -> int | Absent:
        """Number of user and group SIDs."""
        return self.sids if isinstance(self.sids, Absent) else len(self.sids)

    @property
    def privilege_summary(self) -> str | Absent:
        """How many privileges the token has, and how many of them count now."""
        if isinstance(self.present, Absent):
            return self.present
        if isinstance(self.enabled, Absent):
            return self.enabled
        return f"{self.present.bit_count()} present, {self.enabled.bit_count()} enabled"


FACTS = [f.name for f in fields(Token) if f.name not in ("process", "thread", "address", "problems")]
"""What a token tells, by name."""


def tokens(kernel: Kernel, processes: Sequence[Process], threads: Sequence[Thread] = ()) -> list[Token]:
    """The primary token of each process, each followed by the tokens that its threads impersonate with.

    A process has a row even where its token cannot be read; a thread only where it impersonates, or where
    that cannot be told.
    """
    acting: dict[int, list[Thread]] = {}
    for each in threads:
        if isinstance(each.client_token, int) or each.client_token.kind in NOT_READ:
            acting.setdefault(each.process.address, []).append(each)
    holders: list[tuple[Process, Thread | None, int | Absent]] = []
    for process in processes:
        holders.append((process, None, process.token))
        holders += [(process, thread, thread.client_token) for thread in acting.get(process.address, ())]
    where = [pointer if isinstance(pointer, int) and pointer >= kernel.system_start else 0 for _, _, pointer in holders]
    columns = token_facts(kernel, kernel.view.records(TOKEN, addresses_of(where)))
    shared = _shared(holders, columns["token_type"])
    rows: list[Token] = []
    for row, (process, thread, pointer) in enumerate(holders):
        gone = _no_token(pointer, columns["token_type"][row], kernel)
        facts: dict[str, Any] = (
            {name: column[row] for name, column in columns.items()}
            if gone is None
            else dict.fromkeys(FACTS, gone) | {"privileges_listed": False, "privilege_problems": ()}
        )
        if thread is None and gone is None:
            facts["level"] = NOT_APPLICABLE
        problems = _problems(facts, thread) if gone is None else [str(gone)] if gone.kind in NOT_READ else []
        if isinstance(pointer, int) and thread is None and len(shared.get(pointer, ())) > 1:
            others = _some(
                [pid for pid in shared[pointer][: NAMED + 1] if pid != process.pid], len(shared[pointer]) - 1
            )
            problems.append(f"{SHARED} as process {others}, although each process gets its own")
        rows.append(Token(process=process, thread=thread, address=pointer, problems=tuple(problems), **facts))
    return rows


def _some(pids: Sequence[int | Absent], count: int) -> str:
    """The first few of some processes, and how many more there are."""
    named = pids[:NAMED]
    more = count - len(named)
    return ", ".join(map(str, named)) + (f" and {more} more" if more > 0 else "")


def _shared(
    holders: Sequence[tuple[Process, Thread | None, int | Absent]], kinds: Sequence[str | Absent]
) -> dict[int, list[int | Absent]]:
    """Token address to the processes that have it as their primary token; where no token is, nobody shares one."""
    found: dict[int, list[int | Absent]] = {}
    for (process, thread, pointer), kind in zip(holders, kinds, strict=True):
        if thread is None and isinstance(pointer, int) and isinstance(kind, str):
            found.setdefault(pointer, []).append(process.pid)
    return found


def _no_token(pointer: int | Absent, kind: Any, kernel: Kernel) -> Absent | None:
    """Why there is no token at a pointer; ``None`` where one is."""
    if isinstance(pointer, Absent):
        return pointer
    if pointer == 0:
        return Absent(Kind.NOT_APPLICABLE, "the process has no token")
    if pointer < kernel.system_start:
        return Absent(Kind.IMPLAUSIBLE, f"no token at {pointer:#x}: that is no kernel address")
    if isinstance(kind, Absent):
        return kind if kind.kind is Kind.IMPLAUSIBLE else None
    return None


def _differ(stated: int | Absent, other: int | Absent) -> bool:
    """Whether two numbers are known and not the same."""
    return isinstance(stated, int) and isinstance(other, int) and stated != other


def _problems(facts: Mapping[str, Any], thread: Thread | None) -> list[str]:
    """What is odd about a token, or could not be read of it."""
    lost = ((name, value) for name, value in facts.items() if isinstance(value, Absent) and value.kind in NOT_READ)
    found = [*reasons(lost), *facts["privilege_problems"]]
    logon, number = facts["logon"], facts["authentication_id"]
    if isinstance(logon, LogonSession) and _differ(logon.logon_id, number):
        found.append(f"its logon session is {logon.logon_id:#x}, not the one that it names")
    wanted = TOKEN_TYPES[PRIMARY if thread is None else IMPERSONATION]
    if isinstance(facts["token_type"], str) and facts["token_type"] != wanted:
        found.append(f"it is of type {facts['token_type']}, not {wanted}")
    if thread is not None:
        found += thread.problems
        allowed = IMPERSONATION_LEVELS.get(thread.level) if isinstance(thread.level, int) else None
        if (
            allowed
            and isinstance(facts["level"], str)
            and list(IMPERSONATION_LEVELS.values()).index(facts["level"])
            < list(IMPERSONATION_LEVELS.values()).index(allowed)
        ):
            found.append(f"the thread acts at level {allowed}, which is more than the token allows")
    present, enabled = facts["present"], facts["enabled"]
    # enabled by default without being present is no contradiction: filtering a token leaves those bits
    if isinstance(present, int) and isinstance(enabled, int) and enabled & ~present:
        found.append("privileges are enabled that the token does not have")
    if isinstance(facts["dacl"], Acl):
        found += [f"default access list: {problem}" for problem in facts["dacl"].problems]
    source = facts["source"]
    if isinstance(source, str) and (not source or not source.isascii() or not source.isprintable()):
        found.append(f"its source is called {source!r}, though whoever makes a token names itself")
    flags, package = facts["flags"], facts["package"]
    if isinstance(flags, int) and flags & LOWBOX and package == NOT_APPLICABLE:
        found.append("flagged as an AppContainer's, but without a package")
    if isinstance(flags, int) and not flags & LOWBOX and isinstance(package, str):
        found.append("has a package, but is not flagged as an AppContainer's")
    restricted = facts["restricted"]
    if isinstance(flags, int) and isinstance(restricted, tuple):
        if restricted and not flags & (RESTRICTED | WRITE_RESTRICTED):
            found.append("has restricting SIDs, but is not flagged as restricted")
        if not restricted and flags & RESTRICTED:
            found.append("flagged as restricted, but without restricting SIDs")
    return found
