"""Creation: how each process was made, judged from its parent, its creator and whose token it got.

CreateProcess gives the new process a copy of its parent's token; CreateProcessAsUser, WithTokenW and
WithLogonW give it another.  Nothing in memory names the call, so every judgement comes with its evidence
and with how sure it is.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from process_anatomy.absent import NOT_APPLICABLE, Absent, Kind
from process_anatomy.kernel.identify import SYSTEM_PID, Kernel
from process_anatomy.memory.view import addresses_of
from process_anatomy.walk.across.administrator_protection import contradictions
from process_anatomy.walk.processes.contradictions import odd_id
from process_anatomy.walk.processes.kin import Kin, Relative
from process_anatomy.walk.processes.listed import NOT_READ, Process
from process_anatomy.walk.program.peb_checks import other_program
from process_anatomy.walk.program.pebs import Peb, pebs
from process_anatomy.walk.security.managed import managed, named_so
from process_anatomy.walk.security.sids import INTEGRITY_AUTHORITY, INTEGRITY_LEVELS
from process_anatomy.walk.security.token_facts import LOWBOX, RESTRICTED, WRITE_RESTRICTED
from process_anatomy.walk.security.tokens import SHARED, Token
from structs.eprocess import EPROCESS

FIRST_CREATOR_BUILD = 10240
"""Build since which OwnerProcessId names the process that asked for the creation.

Seen in small dumps of Windows 10: the parent's id of ordinary processes, and of an elevated one the id of
the service that elevates.  Windows 8.1 keeps the console's host there.
"""
OWNER_FLAGS = 0x3
ASSIGN_PRIMARY_TOKEN, IMPERSONATE = 1 << 3, 1 << 29
"""Privileges, one of which a process needs to start another with a foreign token."""
SECONDARY_LOGON = "seclogo"
"""Source name of tokens that the secondary logon service made (runas, CreateProcessWithLogonW)."""
SERVICE_LOGONS = frozenset({0x3E4, 0x3E5, 0x3E7})
"""Logon sessions of network service, local service and the system: they ask for the logons of all others."""
LEVELS = tuple(INTEGRITY_LEVELS.values())

CUT = "the list of processes is cut, and it may be in the part that is missing"
"""Why a parent that is not found need not have ended."""

HIGH, MEDIUM, LOW = "high", "medium", "low"
"""How sure a judgement is: only this fits; this is the usual way; others fit as well."""


@dataclass(frozen=True, slots=True)
class Creation:
    """How one process was made.

    Attributes:
        process: the process.
        token: its primary token.
        parent: whom it names as its parent.
        creator: who asked for it, where the build keeps that.
        parent_token: the parent's primary token, if there is one.
        method: ``kernel``, ``create-process``, ``restricted``, ``as-user``, ``with-logon``, ``service``,
            ``elevation``, ``administrator-protection``, ``app-container``, ``orphan``, ``reused-parent`` or
            ``unreadable``.
        confidence: ``high``, ``medium`` or ``low``.
        evidence: what the judgement rests on, one line each.
        changes: parts of the token that differ from the parent's; not applicable where they cannot be compared.
        peb: what its PEB says it was started with: user memory, which the process itself can change.
        problems: what does not fit, one line each.
    """

    process: Process
    token: Token
    parent: Relative
    creator: Relative
    parent_token: Token | None
    method: str
    confidence: str
    evidence: tuple[str, ...]
    changes: tuple[str, ...] | Absent
    peb: Peb
    problems: tuple[str, ...]


def creations(
    kernel: Kernel,
    processes: Sequence[Process],
    everyone: Sequence[Process],
    tokens: Sequence[Token],
    blocks: Sequence[Peb] | None = None,
    cut: bool = False,
) -> Iterator[Creation]:
    """How each process was made.

    Args:
        kernel: whose memory.
        processes: which to judge.
        everyone: every process of the image: parents and creators are looked up here.
        tokens: the primary tokens of everyone.
        blocks: the PEBs of these processes, where they have been read already.
        cut: there may be more processes, which the list did not reach.
    """
    known = Kin(everyone, cut)
    primary = {token.process.address: token for token in tokens if token.thread is None}
    by_id = {token.token_id: token for token in primary.values() if isinstance(token.token_id, int)}
    owners = _owners(kernel, processes)
    native = 8 * kernel.build.pointer_size
    natives = [peb for peb in (pebs(kernel, processes) if blocks is None else blocks) if peb.bits == native]
    for process, owner, peb in zip(processes, owners, natives, strict=True):
        parent = known.relative(process.ppid, process)
        creator = known.relative(owner, process)
        token = primary[process.address]
        above = primary.get(parent.process.address) if parent.process else None
        maker = primary.get(creator.process.address) if creator.process else None
        changes = _changes(token, above) if above else NOT_APPLICABLE
        different = changes if isinstance(changes, tuple) else ()
        case = _Case(
            process, token, parent, creator, above, maker, isinstance(changes, tuple), different, by_id, kernel.number
        )
        method, confidence, evidence = case.judge()
        yield Creation(
            process, token, parent, creator, above, method, confidence, tuple(evidence), changes, peb,
            tuple(case.problems(peb)),
        )  # fmt: skip


def _owners(kernel: Kernel, processes: Sequence[Process]) -> list[int | Absent]:
    """Who asked for each process, where the build keeps that."""
    if kernel.number < FIRST_CREATOR_BUILD:
        return [NOT_APPLICABLE] * len(processes)
    records = kernel.view.records(EPROCESS, addresses_of([process.address for process in processes]))
    return [
        value if isinstance(value, Absent) else _asker(process, value & ~OWNER_FLAGS)
        for process, value in zip(processes, records.values("OwnerProcessId"), strict=True)
    ]


def _asker(process: Process, pid: int) -> int | Absent:
    """The id of whom asked for a process; only of what the kernel itself made need there be nobody."""
    if odd_id(pid):
        return Absent(Kind.IMPLAUSIBLE, f"no process has the id {pid:#x} of whom asked for it")
    if not pid and process.runs_program and process.ppid != SYSTEM_PID:
        return Absent(Kind.IMPLAUSIBLE, "it names nobody who asked for it: that field is zero")
    return pid or NOT_APPLICABLE


def _changes(token: Token, other: Token) -> tuple[str, ...] | Absent:
    """The parts of a token that differ from another's; absent where neither user nor logon can be compared."""
    found: list[str] = []
    compared = 0
    for name, own, theirs in (
        ("user", token.user, other.user),
        ("logon session", token.authentication_id, other.authentication_id),
        ("session", token.session, other.session),
        ("integrity", token.integrity, other.integrity),
        ("elevation", token.elevation, other.elevation),
        ("groups", _counting(token), _counting(other)),
        ("restricting SIDs", token.restricted, other.restricted),
        ("privileges", token.present, other.present),
        ("AppContainer", token.package, other.package),
    ):
        if isinstance(own, Absent) and own.kind is not NOT_APPLICABLE.kind:
            continue
        if isinstance(theirs, Absent) and theirs.kind is not NOT_APPLICABLE.kind:
            continue
        compared += 1
        if own != theirs:
            found.append(name)
    user_or_logon = isinstance(token.user, str) and isinstance(other.user, str)
    return tuple(found) if compared and user_or_logon else NOT_APPLICABLE


def _counting(token: Token) -> frozenset[tuple[str, int | Absent]] | Absent:
    """The groups with how they count; without the integrity level, which is compared by itself."""
    if isinstance(token.sids, Absent):
        return token.sids
    return frozenset(
        (sid, mask) for sid, mask in token.sids[1:] if isinstance(sid, str) and not sid.startswith(INTEGRITY_AUTHORITY)
    )


@dataclass(frozen=True, slots=True)
class _Case:
    """One process and all that is known about those who may have made it."""

    process: Process
    token: Token
    parent: Relative
    creator: Relative
    above: Token | None
    maker: Token | None
    compared: bool
    changes: tuple[str, ...]
    by_id: dict[int, Token]
    number: int = 0

    def judge(self) -> tuple[str, str, list[str]]:
        """Method, confidence and evidence."""
        evidence = list(self._relatives())
        token = self.token
        if self.process.pid == SYSTEM_PID or self.parent.pid == SYSTEM_PID:
            evidence.append("the kernel's own process" if self.process.pid == SYSTEM_PID else "its parent is System")
            return "kernel", HIGH, evidence
        if isinstance(token.user, Absent):
            return "unreadable", LOW, [*evidence, f"its token cannot be read: {token.user}"]
        inherited = self.above is not None and self.above.package == token.package
        if isinstance(token.flags, int) and token.flags & LOWBOX and not inherited:
            return self._app_container(evidence)
        if self.parent.state == "newer":
            return "reused-parent", MEDIUM if self.parent.doubt else HIGH, evidence
        above = self.above
        if above is None or not self.compared:
            return "orphan", LOW, [*evidence, "there is no token of a parent to compare with"]
        evidence.append(
            f"differs from the parent's token in: {', '.join(self.changes)}"
            if self.changes
            else "same token contents as the parent"
        )
        if isinstance(token.parent_token_id, int) and token.parent_token_id in (above.token_id, above.parent_token_id):
            evidence.append(f"both tokens descend from token {token.parent_token_id:#x}")
        if self._services():
            return "service", HIGH, [*evidence, "the parent is services.exe of session 0, acting as the system"]
        if self._elevated(above):
            linked = f"its logon session {token.authentication_id:#x} is the one linked to the parent's"
            return "elevation", HIGH if self._made_by_other() else MEDIUM, [*evidence, linked]
        if named_so(token) and "user" in self.changes:
            against = next(contradictions(token, above, self.maker, self.creator, self.parent, self.number), None)
            if against is None:
                own = f"the system logged {token.account} on for it, in a logon session of its own, linked to none"
                sure = HIGH if managed(token, self.number) and token.linked_session == NOT_APPLICABLE else MEDIUM
                return "administrator-protection", sure, [*evidence, own]
            evidence.append(f"its account is named as those of Administrator Protection, but {against}")
        if not {"user", "logon session", "session", "AppContainer"} & set(self.changes):
            return self._same_logon(evidence)
        return self._other_token(evidence, above)

    def _unknown(self) -> str:
        """Why it cannot be said what became of the parent."""
        if self.parent.process:
            return "may have ended: the time of its end is none"
        return "cannot be read" if isinstance(self.parent.pid, Absent) else f"is not known: {CUT}"

    def _relatives(self) -> Iterator[str]:
        parent, creator = self.parent, self.creator
        dated = parent.process and all(isinstance(p.create_time, int) for p in (parent.process, self.process))
        alive = "is alive and older" if dated else "is alive; whether it is older cannot be told"
        words = {
            "alive": "is alive" if parent.doubt else alive,
            "ended": "has ended",
            "newer": "is newer than this process: the id was used again, the real parent has ended",
            "not found": "is not in the list of processes",
            "unknown": self._unknown(),
        }
        if parent.state in words:
            yield f"parent {_pid(parent)} {words[parent.state]}{f'; {parent.doubt}' if parent.doubt else ''}"
        if isinstance(creator.pid, int) and isinstance(parent.pid, int):
            if creator.pid == parent.pid:
                yield "the parent itself asked for the process"
            else:
                yield f"process {_pid(creator)} asked for it, not the parent"

    def _made_by_other(self) -> bool:
        """Whether both are known, and another process than the parent asked for it."""
        creator, parent = self.creator.pid, self.parent.pid
        return isinstance(creator, int) and isinstance(parent, int) and creator != parent

    def _app_container(self, evidence: list[str]) -> tuple[str, str, list[str]]:
        evidence.append(f"its token is an AppContainer's ({self.token.package})")
        source = self.by_id.get(self.token.parent_token_id) if isinstance(self.token.parent_token_id, int) else None
        if source is not None:
            who = f"{source.process.name} ({source.process.pid})"
            evidence.append(f"made from token {self.token.parent_token_id:#x} of {who}")
        packages = [self.token.package] + ([self.above.package] if self.above else [])
        unread = any(isinstance(package, Absent) and package.kind in NOT_READ for package in packages)
        return "app-container", LOW if unread else HIGH, evidence  # unread, it may be the container of its parent

    def _services(self) -> bool:
        """Whether the parent is the service control manager; a name alone would be easy to fake."""
        parent, above = self.parent.process, self.above
        return (
            parent is not None
            and above is not None
            and isinstance(parent.name, str)
            and parent.name.lower() == "services.exe"
            and parent.session == 0
            and above.user == "S-1-5-18"
            and (above.integrity == "system" or _without_levels(above))
        )

    def _elevated(self, above: Token) -> bool:
        return (
            self.token.elevation == "full"
            and above.elevation == "limited"
            and isinstance(above.linked_session, int)
            and above.linked_session == self.token.authentication_id
        )

    def _may_be_elevated(self, above: Token) -> bool:
        """Whether it is elevated, or what tells could not be read."""
        told = self.token.elevation, above.elevation, above.linked_session, self.token.authentication_id
        return self._elevated(above) or any(isinstance(fact, Absent) and fact.kind in NOT_READ for fact in told)

    def _same_logon(self, evidence: list[str]) -> tuple[str, str, list[str]]:
        """The parent's user and logon: its own token, or a weaker copy of it."""
        weaker = {"integrity", "restricting SIDs", "groups", "privileges", "elevation"} & set(self.changes)
        sure = HIGH if isinstance(self.creator.pid, int) and self.creator.pid == self.parent.pid else MEDIUM
        if not weaker or (weaker == {"privileges"} and not self._more_privileges()):
            if weaker:
                evidence.append("privileges were only taken away, which a process may do to itself")
            if self._made_by_other():
                evidence.append("a parent that did not ask for the process passes on its token all the same")
            return "create-process", sure, evidence
        if self._higher_than(self.above) or self._more_privileges():
            if self.token.ui_access is True:
                evidence.append("it may drive the windows of others (UIAccess), which the service that elevates grants")
                return "as-user", HIGH if self._made_by_other() else MEDIUM, evidence
            return "as-user", LOW, [*evidence, "it has more rights than the parent"]
        if isinstance(self.token.flags, int) and self.token.flags & (RESTRICTED | WRITE_RESTRICTED):
            evidence.append("its token is restricted")
        return "restricted", MEDIUM, evidence

    def _other_token(self, evidence: list[str], above: Token) -> tuple[str, str, list[str]]:
        """Another user, logon or session: somebody handed in a token."""
        token = self.token
        asker, who = (self.maker, "creator") if self.maker else (above, "parent")
        # the service accounts' own sessions ask for every logon, which says nothing
        askers = {other.authentication_id for other in (above, asker)} - SERVICE_LOGONS
        if isinstance(token.origin, int) and token.origin in askers:
            evidence.append(
                f"its logon was asked for by logon session {token.origin:#x}, the parent's or the creator's"
            )
            by_service = token.source == SECONDARY_LOGON
            if by_service:
                evidence.append("the secondary logon service made its token")
            return "with-logon", HIGH if by_service or self._made_by_other() else MEDIUM, evidence
        if _able(asker):
            evidence.append(f"the {who} has a privilege that this takes")
            return "as-user", MEDIUM, evidence
        if isinstance(asker.present, Absent):
            evidence.append(f"what privileges the {who} has is not known")
        else:
            evidence.append(f"the {who} has no privilege that this takes")
        return "as-user", LOW, evidence

    def _more_privileges(self) -> bool:
        own, theirs = self.token.present, self.above.present if self.above else 0
        return isinstance(own, int) and isinstance(theirs, int) and bool(own & ~theirs)

    def _higher_than(self, other: Token | None) -> bool:
        """Whether its integrity is above another token's."""
        if other is None or self.token.integrity not in LEVELS or other.integrity not in LEVELS:
            return False
        return LEVELS.index(str(self.token.integrity)) > LEVELS.index(str(other.integrity))

    def problems(self, peb: Peb) -> Iterator[str]:
        """What does not fit together."""
        yield from (line if line.startswith(SHARED) else f"its token: {line}" for line in self.token.problems)
        above = self.above
        if above:
            yield from (f"the token of its parent: {line}" for line in above.problems if not line.startswith(SHARED))
        if self.parent.state == "newer":
            yield "the parent's id belongs to a later process"
        if self._made_by_other() and self.maker and above:
            own, theirs = self.token.authentication_id, above.authentication_id
            same_as_maker = isinstance(own, int) and own == self.maker.authentication_id
            if same_as_maker and isinstance(theirs, int) and own != theirs:
                yield "the token is of its creator's logon, the parent is another's: the parent was chosen"
            elif self.maker.authentication_id not in SERVICE_LOGONS:
                yield f"process {_pid(self.creator)}, which is no service, asked for it: the parent was chosen"
        asker = self.maker or above
        if above and asker and self._higher_than(asker) and not self._may_be_elevated(above) and _unable(asker):
            yield f"higher integrity ({self.token.integrity}) than its creator could give"
        if isinstance(peb.command_line, Absent) and peb.command_line.kind in NOT_READ:
            yield f"command line: {peb.command_line}"
        created = self.process.create_time
        if isinstance(created, Absent) and created.kind in NOT_READ:
            yield f"time of its creation: {created}"
        yield from other_program(self.process, peb.image_path)


def _without_levels(token: Token) -> bool:
    """Whether a token is of a Windows that has no integrity levels (before Vista)."""
    return isinstance(token.integrity, Absent) and token.integrity.kind is Kind.NOT_IN_BUILD


def _able(token: Token) -> bool:
    """Whether a process with this token may start another one with a foreign token."""
    return isinstance(token.present, int) and bool(token.present & (ASSIGN_PRIMARY_TOKEN | IMPERSONATE))


def _unable(token: Token) -> bool:
    """Whether a process with this token is known not to be able to."""
    return isinstance(token.present, int) and not _able(token)


def _pid(relative: Relative) -> str:
    return f"{relative.process.name} ({relative.pid})" if relative.process else str(relative.pid)
