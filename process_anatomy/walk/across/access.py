"""Who can touch whom: handles that give power over another process, and the ways from low integrity to high.

A handle to a process, to one of its threads, to a token or to the section of its program lets the holder do what the
granted rights say, whatever the access lists would say now.  Each such handle is a step; a way is the fewest steps
that lead from a process to one of a higher integrity level.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from process_anatomy.absent import Absent
from process_anatomy.kernel.identify import Kernel
from process_anatomy.kernel.objects import object_types
from process_anatomy.memory.view import addresses_of
from process_anatomy.walk.handles.opened import Handle, Handles, handles
from process_anatomy.walk.handles.rights import all_rights
from process_anatomy.walk.processes.listed import Process, read_processes
from process_anatomy.walk.security.acls import RIGHTS
from process_anatomy.walk.security.sids import INTEGRITY_LEVELS, sid_name
from process_anatomy.walk.security.token_facts import token_facts
from process_anatomy.walk.security.tokens import Token, tokens
from structs.eprocess import EPROCESS
from structs.token import TOKEN

PROCESS, THREAD, TOKENS, SECTIONS = "Process", "Thread", "Token", "Section"
WAY = "way"
"""Kind of a row that tells a way of one step or more up to a higher integrity level."""
NEW_LIST, NEW_OWNER = 0x40000, 0x80000
"""WRITE_DAC and WRITE_OWNER: whoever may change the access list may have everything."""
POWERS = {
    PROCESS: 0x2 | 0x20 | 0x40 | 0x80 | 0x200 | NEW_LIST | NEW_OWNER,
    THREAD: 0x10 | 0x80 | 0x100 | 0x200 | NEW_LIST | NEW_OWNER,
    TOKENS: 0x1 | 0x2 | 0x4 | NEW_LIST | NEW_OWNER,
    SECTIONS: 0x2,
}
"""Rights that give power, by type: code, memory, handles or children of a process; what a thread does next and for
whom; a token's identity; what stands in a program's memory."""
READ_MEMORY, QUERY = 0x10, 0x400 | 0x1000
"""PROCESS_VM_READ, and PROCESS_QUERY_INFORMATION or PROCESS_QUERY_LIMITED_INFORMATION, which a reader needs beside it.

Reading is power over one process alone: lsass.exe keeps secrets of everybody who logged on.  Source: MITRE ATT&CK
T1003.001.
"""
KEEPER = "lsass.exe"
READING = "PROCESS_VM_READ"
OF_ITSELF = frozenset({PROCESS, THREAD, TOKENS})
DOUBT = "the target may have the same to itself, so that the page of the handle table may be its own"
RANKS = {name: rank for rank, name in enumerate(name for _, name in sorted(INTEGRITY_LEVELS.items()))}
"""Integrity levels, lowest first."""


@dataclass(frozen=True, slots=True)
class Side:
    """One end of an access: a process, or a token that is held.

    Attributes:
        process: the process; ``None`` for a token of which none is known to be its owner.
        label: the process or the token, for a sentence.
        user: SID of the user.
        user_name: its name, else the account of the logon session.
        integrity: integrity level.
    """

    process: Process | None
    label: str
    user: str | Absent
    user_name: str | Absent
    integrity: str | Absent

    @property
    def rank(self) -> int:
        """The integrity level as a number that can be compared, -1 where it is not known."""
        return RANKS.get(self.integrity, -1) if isinstance(self.integrity, str) else -1


@dataclass(frozen=True, slots=True)
class Step:
    """One handle that gives power.

    Attributes:
        handle: the handle.
        holder: who has it.
        target: whom it gives power over; for a token, whose identity.
        powers: names of the rights that give it.
        problems: what is odd, one line each.
        doubted: the handle may be its target's own.
    """

    handle: Handle
    holder: Side
    target: Side
    powers: tuple[str, ...]
    problems: tuple[str, ...]
    doubted: bool = False

    @property
    def kind(self) -> str:
        """Type of the object: ``Process``, ``Thread``, ``Token`` or ``Section``."""
        return str(self.handle.type)

    @property
    def steers(self) -> bool:
        """Whether it lets the holder do more than read the target's memory."""
        return self.powers != (READING,) and not self.doubted

    @property
    def reads_secrets(self) -> bool:
        """Whether it lets the holder read the memory of the process that keeps secrets of everybody who logged on."""
        return self.kind == PROCESS and READING in self.powers and not self.doubted

    @property
    def upwards(self) -> bool:
        """Whether the holder can steer a target whose integrity level is above its own."""
        return self.steers and self.holder.rank >= 0 and self.target.rank > self.holder.rank


@dataclass(frozen=True, slots=True)
class Way:
    """The fewest steps from a process to one of a higher integrity level.

    Attributes:
        steps: in order; the holder of each is the target of the one before.
    """

    steps: tuple[Step, ...]

    @property
    def start(self) -> Side:
        """Where it begins."""
        return self.steps[0].holder

    @property
    def end(self) -> Side:
        """Where it leads."""
        return self.steps[-1].target

    @property
    def text(self) -> str:
        """Every step with the rights that it takes."""
        return self.start.label + "".join(f" -[{','.join(s.powers)}]-> {s.target.label}" for s in self.steps)


@dataclass(frozen=True, slots=True)
class AccessTable:
    """Who can touch whom.

    Attributes:
        steps: every handle that gives power over another process.
        ways: for each process and each higher integrity level that it can reach, the shortest way.
        problems: what was wrong with a handle table, one line each.
    """

    steps: tuple[Step, ...]
    ways: tuple[Way, ...]
    problems: tuple[str, ...]


def access(kernel: Kernel, processes: Sequence[Process]) -> AccessTable:
    """Who can touch whom, of all these processes: a way can lead through any of them.

    Processes that only a handle leads to are targets too, and said to be missing from the active list.
    """
    known = object_types(kernel)
    wanted = frozenset(POWERS) & {row.name for row in known.rows.values()}
    found = handles(kernel, processes, wanted) if wanted else Handles((), (), known.problems)
    keepers = {p.address for p in processes if isinstance(p.name, str) and p.name.lower() == KEEPER}
    rows = [row for row in found.rows if isinstance(row.type, str) and row.access & _mask(row, keepers)]
    unlisted = _unlisted(kernel, processes, rows)
    own = tokens(kernel, [*processes, *unlisted])
    sides = {token.process.address: _side(token) for token in own}
    held = _held(kernel, rows, own)
    programs = _programs(kernel, processes)
    led = [(row, _targets(row, sides, held, programs)) for row in rows]
    lost = sum(not targets and row.type in (PROCESS, THREAD) for row, targets in led)
    odd = (
        (f"{lost} handles that give power are not shown, because whom they lead to could not be told",) if lost else ()
    )
    steps = [
        Step(row, sides[row.process.address], target, _powers(row, keepers), row.problems)
        for row, targets in led
        for target in targets
        if target.process is not row.process
    ]
    untold = {p.address for p, table in zip(processes, found.tables, strict=False) if table.problems or not table.found}
    steps = _doubted(rows, steps, untold)
    ways = _ways([step for step in steps if step.steers])
    return AccessTable(tuple(steps), tuple(ways), (*found.problems, *odd))


def _doubted(rows: Sequence[Handle], steps: Sequence[Step], untold: Collection[int]) -> list[Step]:
    """The steps, those marked as another's that their target has to itself, all kinds of them.

    A page of a handle table is soon another process's once its own has ended.  Then the one seems to hold what the
    other holds of itself: its process, its threads and its token, with the same rights, or nothing tells what the
    other holds; and nothing of itself.

    Args:
        rows: all handles that give power, those of a process to itself too.
        steps: what they let their holders do to others.
        untold: addresses of the processes of whose handles none, or not all, could be read.
    """
    own: dict[int, set[tuple[int, int]]] = {}
    for row in rows:
        own.setdefault(row.process.address, set()).add((row.object, row.access))
    alike: dict[tuple[int, int], set[str]] = {}
    for step in steps:
        target = step.target.process
        if target is None:
            continue
        if target.address in untold or (step.handle.object, step.handle.access) in own.get(target.address, ()):
            alike.setdefault((_start(step), target.address), set()).add(step.kind)
    with_own = {row.process.address for row in rows if row.target.process == row.process.address}
    mixed = {pair for pair, kinds in alike.items() if kinds >= OF_ITSELF and pair[0] not in with_own}
    return [
        replace(step, doubted=True, problems=(*step.problems, DOUBT))
        if step.target.process is not None and (_start(step), step.target.process.address) in mixed
        else step
        for step in steps
    ]


def _side(token: Token) -> Side:
    """A process as one end."""
    process = token.process
    name = process.name if isinstance(process.name, str) and process.name else "process"
    where = "" if process.seen_by else "; missing from the active list"
    return Side(process, f"{name} ({process.pid}{where})", token.user, token.user_name, token.integrity)


def _unlisted(kernel: Kernel, processes: Sequence[Process], rows: Sequence[Handle]) -> list[Process]:
    """The processes that only handles lead to."""
    listed = {process.address for process in processes}
    at = {row.target.process for row in rows if isinstance(row.target.process, int)}
    wanted = sorted(address for address in at - listed if isinstance(address, int))
    return read_processes(kernel, wanted, [()] * len(wanted), [[] for _ in wanted])


def _mask(row: Handle, keepers: Collection[int]) -> int:
    """The rights of a handle that give power, by what it leads to."""
    mask = POWERS[str(row.type)]
    reads = row.type == PROCESS and row.target.process in keepers and row.access & QUERY
    return mask | READ_MEMORY if reads else mask


def _powers(row: Handle, keepers: Collection[int]) -> tuple[str, ...]:
    """Names of the rights that give power."""
    names = {**all_rights()[str(row.type)].bits, **RIGHTS}
    return tuple(name for bit, name in names.items() if row.access & _mask(row, keepers) & bit)


def _targets(
    row: Handle, sides: Mapping[int, Side], held: Mapping[int, Side], programs: Mapping[int, list[Process]]
) -> list[Side]:
    """Whom a handle gives power over."""
    if row.type == TOKENS:
        return [held[row.object]]
    if row.type == SECTIONS:
        return [sides[process.address] for process in programs.get(row.object, ())]
    at = row.target.process
    return [sides[at]] if isinstance(at, int) and at in sides else []


def _held(kernel: Kernel, rows: Sequence[Handle], own: Sequence[Token]) -> dict[int, Side]:
    """The tokens that handles lead to, by address; a primary token with the process that it belongs to."""
    wanted = sorted({row.object for row in rows if row.type == TOKENS})
    facts = token_facts(kernel, kernel.view.records(TOKEN, addresses_of(wanted)))
    owners = {token.address: token.process for token in own if isinstance(token.address, int)}
    found: dict[int, Side] = {}
    for row, at in enumerate(wanted):
        user, account, owner = facts["user"][row], facts["account"][row], owners.get(at)
        name = account if isinstance(user, Absent) else sid_name(user) or account
        who = next((v for v in (name, user) if isinstance(v, str) and v), "an unknown user")
        whose = f", {owner.name} ({owner.pid})" if owner is not None else ""
        found[at] = Side(owner, f"the token of {who}{whose}", user, name, facts["integrity"][row])
    return found


def _programs(kernel: Kernel, processes: Sequence[Process]) -> dict[int, list[Process]]:
    """Section object to the processes whose program it is."""
    records = kernel.view.records(EPROCESS, addresses_of([p.address for p in processes]))
    found: dict[int, list[Process]] = {}
    for process, section in zip(processes, records.array("SectionObject").tolist(), strict=True):
        if section >= kernel.system_start:
            found.setdefault(section, []).append(process)
    return found


def _ways(steps: Sequence[Step]) -> list[Way]:
    """The shortest ways up: from all goals of a level backwards, so that each step is looked at once for a level."""
    into: dict[int, list[Step]] = {}
    for step in steps:
        into.setdefault(_goal(step), []).append(step)
    ways: list[Way] = []
    for level in sorted({step.target.rank for step in steps if step.target.rank >= 0}):
        first: dict[int, Step] = {}
        wave = sorted({_goal(step) for step in steps if step.target.rank == level})
        reached = set(wave)
        while wave:
            following: list[int] = []
            for step in (step for goal in wave for step in into.get(goal, ())):
                at = _start(step)
                if at not in reached:
                    reached.add(at)
                    first[at] = step
                    following.append(at)
            wave = following
        ways += [_way(step, first) for step in first.values() if 0 <= step.holder.rank < level]
    return sorted(ways, key=lambda way: (way.start.rank, _start(way.steps[0]), way.end.rank))


def _way(step: Step, first: Mapping[int, Step]) -> Way:
    """The way that begins with a step."""
    chain = [step]
    while (following := first.get(_goal(chain[-1]))) is not None:
        chain.append(following)
    return Way(tuple(chain))


def _start(step: Step) -> int:
    """The process that a step begins at."""
    return step.handle.process.address


def _goal(step: Step) -> int:
    """What a step leads to: a process; or a token, from which no step goes on."""
    return -step.handle.object if step.kind == TOKENS or step.target.process is None else step.target.process.address
