"""Completeness: which of the six components of each process could be read, and what stood in the way.

A component is told from what the kernel itself counts of it (VAD nodes, handles, threads) or from the size that it
states (pages of the program), beside what could be read.  An absence of evidence is no evidence where the component
was not there to be read.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Protocol, TypeVar

from process_anatomy.absent import Absent
from process_anatomy.errors import Error
from process_anatomy.kernel.identify import Kernel
from process_anatomy.memory.address_space import AddressSpace
from process_anatomy.memory.fragments import Fragments
from process_anatomy.memory.physical import PAGE
from process_anatomy.memory.view import addresses_of
from process_anatomy.walk.address_space.vads import Vad, VadTable
from process_anatomy.walk.address_space.working_sets import WorkingSet
from process_anatomy.walk.handles.tables import HandleTable, HandleTables
from process_anatomy.walk.processes.listed import NOT_READ, Process
from process_anatomy.walk.program.images import PROGRAM, Image, ImageTable
from process_anatomy.walk.program.modules import NO_LOADER, UNREADABLE, Module, ModuleTable
from process_anatomy.walk.program.pebs import Peb
from process_anatomy.walk.security.tokens import Token
from process_anatomy.walk.threads.listed import Thread, ThreadTable
from structs.eprocess import EPROCESS

ADDRESS_SPACE, EXECUTABLE, HANDLES = "AddressSpace", "Program", "Handles"
SECURITY, PROCESS_ID, THREADS = "SecurityContext", "ProcessId", "Threads"
COMPONENTS = (ADDRESS_SPACE, EXECUTABLE, HANDLES, SECURITY, PROCESS_ID, THREADS)
"""The note's six, by their column."""
WHOLE, PART, NOT, NONE = "whole", "part", "not", "none"
STATES = (WHOLE, PART, NOT, NONE)
"""Read whole, in part, not at all; or the process has no such thing."""
NOTHING_OF_IT = "the small dump holds nothing of its own memory"
Row = TypeVar("Row")


@dataclass(frozen=True, slots=True)
class Component:
    """One component of one process.

    Attributes:
        state: one of :data:`STATES`.
        found: how much was read: VAD nodes, pages of the program, handles, facts, threads.
        expected: how much there should be.
        obstacles: what stood in the way, one line each.
    """

    state: str
    found: int = 0
    expected: int = 0
    obstacles: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Completeness:
    """What could be read of one process.

    Attributes:
        process: the process.
        components: by the names in :data:`COMPONENTS`.
    """

    process: Process
    components: Mapping[str, Component]

    @property
    def obstacles(self) -> tuple[str, ...]:
        """What stood in the way of all components, each line with its component."""
        return tuple(f"{name}: {line}" for name, part in self.components.items() for line in part.obstacles)


@dataclass(frozen=True, slots=True)
class CompletenessTable:
    """What could be read of some processes.

    Attributes:
        rows: in the order of the processes.
        problems: what stood in the way of a component in all of them, one line each.
    """

    rows: tuple[Completeness, ...]
    problems: tuple[str, ...]


class Walks(Protocol):
    """The tables of some processes that tell how much of each could be read."""

    kernel: Kernel

    @property
    def processes(self) -> Sequence[Process]:
        """Those processes."""

    @property
    def vads(self) -> VadTable:
        """Their VAD trees."""

    @property
    def working_sets(self) -> Sequence[WorkingSet]:
        """Their working sets."""

    @property
    def pebs(self) -> Sequence[Peb]:
        """Their PEBs."""

    @property
    def programs_in_memory(self) -> ImageTable:
        """Their programs."""

    @property
    def modules(self) -> ModuleTable:
        """Their modules."""

    @property
    def handle_tables(self) -> HandleTables:
        """Their handle tables."""

    @property
    def tokens(self) -> Sequence[Token]:
        """Their tokens, those of their threads among them."""

    @property
    def threads(self) -> ThreadTable:
        """Their threads."""


def completeness(walks: Walks) -> CompletenessTable:
    """What could be read of some processes.

    Args:
        walks: the tables of these processes.
    """
    gone: dict[str, str] = {}
    told = [
        _walked(ADDRESS_SPACE, gone, lambda: _address_spaces(walks)),
        _walked(EXECUTABLE, gone, lambda: _programs(walks)),
        _walked(HANDLES, gone, lambda: [_handles(table) for table in walks.handle_tables.tables]),
        _walked(SECURITY, gone, lambda: _contexts(walks.tokens)),
        _walked(PROCESS_ID, gone, lambda: [_id(process) for process in walks.processes]),
        _walked(THREADS, gone, lambda: _threads(walks)),
    ]
    rows = []
    for number, process in enumerate(walks.processes):
        parts = {
            name: column[number] if column else Component(NOT, obstacles=(gone[name],))
            for name, column in zip(COMPONENTS, told, strict=True)
        }
        rows.append(Completeness(process, parts))
    return CompletenessTable(tuple(rows), tuple(f"{name}: {reason}" for name, reason in gone.items()))


def _walked(name: str, gone: dict[str, str], walk: Callable[[], list[Component]]) -> list[Component]:
    """A component of all processes; none, with the reason noted, where this image has no such walk."""
    try:
        return walk()
    except Error as error:
        gone[name] = str(error)
        return []


def _by_process(rows: Sequence[Row]) -> dict[int, list[Row]]:
    """Rows by the address of their process."""
    found: dict[int, list[Row]] = {}
    for row in rows:
        process: Process = row.process  # type: ignore[attr-defined]
        found.setdefault(process.address, []).append(row)
    return found


def _state(found: int, obstacles: Sequence[str]) -> str:
    return WHOLE if not obstacles else PART if found else NOT


def _address_spaces(walks: Walks) -> list[Component]:
    """The VAD trees, and whether the page tables and the pages are there."""
    kernel, processes, trees = walks.kernel, walks.processes, walks.vads
    nodes: dict[int, list[Vad]] = _by_process(trees.rows)
    kept: dict[int, WorkingSet] = {row.process.address: row for row in walks.working_sets}
    counts = kernel.view.records(EPROCESS, addresses_of([p.address for p in processes])).values("VadCount")
    found = []
    for process, count in zip(processes, counts, strict=True):
        own = nodes.get(process.address, [])
        read = [node for node in own if isinstance(node.start, int)]
        expected = max(count if isinstance(count, int) else 0, len(own))
        lost = expected - len(read)
        obstacles = [f"{lost} of {expected} VAD nodes could not be read"] if lost else []
        if isinstance(process.vad_root, Absent):
            obstacles.append(f"VAD root: {process.vad_root}")
        elif process.vad_root == 0 and process.runs_program:
            obstacles.append("it runs, but its VadRoot is zero")
        elif process.address in trees.broken and not lost:
            obstacles.append(trees.broken[process.address])
        if process.vad_root == 0 and not obstacles:
            found.append(Component(NONE))
            continue
        obstacles += _pages(kernel, process, kept[process.address], bool(own))
        found.append(Component(_state(len(read), obstacles), len(read), expected, tuple(obstacles)))
    return found


def _pages(kernel: Kernel, process: Process, kept: WorkingSet, ranges: bool) -> list[str]:
    """What keeps the contents of an address space from being read."""
    if isinstance(kernel.space, Fragments):
        held = (isinstance(process.dtb, int) and kernel.space.through(process.dtb).user_bytes) or 0
        return [f"the small dump holds {held} bytes of its own memory" if held else NOTHING_OF_IT]
    if not isinstance(kernel.space, AddressSpace):
        return []
    if isinstance(process.dtb, Absent) or kernel.space.memory.read(process.dtb, 8) is None:
        return [f"its page-table root ({process.dtb}) is not in the image"]
    resident = sum(value for value in (kept.resident, kept.large, kept.transition) if isinstance(value, int))
    if ranges and isinstance(kept.resident, int) and not resident:
        return ["none of its pages is in memory"]
    return []


def _programs(walks: Walks) -> list[Component]:
    """The program: PEB, the loader's lists, and the pages of the image."""
    blocks: dict[int, list[Peb]] = _by_process(walks.pebs)
    mapped: dict[int, list[Image]] = _by_process([i for i in walks.programs_in_memory.rows if i.role == PROGRAM])
    loaded: dict[int, list[Module]] = _by_process(walks.modules.rows)
    found = []
    for process in walks.processes:
        program = next(iter(mapped.get(process.address, [])), None)
        own = blocks.get(process.address, [])
        without = all(isinstance(b.address, Absent) and b.address.kind not in NOT_READ for b in own)
        if program is None and not process.runs_program and without:
            found.append(Component(NONE))
            continue
        obstacles: list[str] = []
        pages = missing = 0
        if program is None:
            obstacles.append("where the program is mapped cannot be told")
        else:
            pages, missing = -(-program.size // PAGE), program.missing
            if isinstance(program.facts, Absent):
                obstacles.append(f"its header: {program.facts}")
            if missing:
                obstacles.append(f"{missing} of {pages} pages of the program are not in memory")
        obstacles += _blocks(own, loaded.get(process.address, []))
        told = any(isinstance(block.image_base, int) for block in own)
        found.append(Component(_state(max(pages - missing, told), obstacles), pages - missing, pages, tuple(obstacles)))
    return found


def _blocks(blocks: Sequence[Peb], loaded: Sequence[Module]) -> list[str]:
    """What of PEB and loader's lists could not be read."""
    lines = []
    for block in blocks:
        bits = " (32-bit)" if block.bits == 32 else ""
        if isinstance(block.address, Absent):
            if block.address.kind in NOT_READ:
                lines.append(f"its PEB{bits}: {block.address}")
        else:
            lines += [f"its PEB{bits}: {what}" for what in _unread(block)]
    if any(row.state == NO_LOADER for row in loaded):
        lines.append("the loader's lists could not be read")
    unknown = sum(row.state == UNREADABLE for row in loaded)
    if unknown:
        lines.append(f"{unknown} of {len(loaded)} modules: whether they are mapped could not be told")
    return lines


def _unread(row: Any) -> list[str]:
    """Facts of a record that could not be read: how many, and why the first of them."""
    facts = [getattr(row, f.name) for f in fields(row) if f.name not in ("process", "thread", "problems")]
    gone = [fact for fact in facts if isinstance(fact, Absent) and fact.kind in NOT_READ]
    return [f"{len(gone)} of {len(facts)} facts could not be read ({gone[0]})"] if gone else []


def _handles(table: HandleTable) -> Component:
    """The handle table."""
    if isinstance(table.address, Absent):
        if table.address.kind not in NOT_READ:
            return Component(NONE)
        return Component(NOT, obstacles=(str(table.address),))
    obstacles = list(table.problems)
    # a count that is not the whole table's tells no loss by itself: more may be counted there than are in use
    believed = table.count if isinstance(table.count, int) and (table.exact or obstacles) else 0
    expected = max(believed, table.found)
    if expected > table.found:
        obstacles.insert(0, f"{expected - table.found} of {expected} handles could not be read")
    return Component(_state(table.found, obstacles), table.found, expected, tuple(obstacles))


def _contexts(known: Sequence[Token]) -> list[Component]:
    """The primary tokens, one of each process."""
    found = []
    for token in known:
        if token.thread is not None:
            continue
        facts = len(fields(Token)) - 3
        obstacles = _unread(token)
        if token.address == 0:
            none = Component(NOT, 0, facts, ("it runs, but its Token is zero",))
            found.append(none if token.process.runs_program else Component(NONE))
        elif isinstance(token.user, Absent) and isinstance(token.token_id, Absent):
            found.append(Component(NOT, 0, facts, tuple(obstacles)))
        else:
            found.append(Component(_state(1, obstacles), facts - _count(token), facts, tuple(obstacles)))
    return found


def _count(token: Token) -> int:
    values = (getattr(token, f.name) for f in fields(token))
    return sum(isinstance(value, Absent) and value.kind in NOT_READ for value in values)


def _id(process: Process) -> Component:
    """The process object itself: the id and what goes with it."""
    facts = {"process id": process.pid, "parent": process.ppid, "name": process.name, "created": process.create_time}
    obstacles = tuple(f"{name}: {v}" for name, v in facts.items() if isinstance(v, Absent) and v.kind in NOT_READ)
    read = len(facts) - len(obstacles)
    state = NOT if isinstance(process.pid, Absent) else _state(read, obstacles)
    return Component(state, read, len(facts), obstacles)


def _threads(walks: Walks) -> list[Component]:
    """The lists of threads, beside how many the process says it has."""
    table = walks.threads
    own: dict[int, list[Thread]] = _by_process(table.rows)
    found = []
    for process in walks.processes:
        rows = own.get(process.address, [])
        read = [row for row in rows if isinstance(row.tid, int)]
        active = process.threads if isinstance(process.threads, int) else 0
        ended = isinstance(process.exit_time, int)
        if ended and not rows:
            found.append(Component(NONE))
            continue
        expected = max(len(rows), 0 if ended else active)
        lost = expected - len(read)
        obstacles = [f"{lost} of {expected} threads could not be read"] if lost else []
        if isinstance(process.threads, Absent):
            obstacles.append(f"how many there are: {process.threads}")
        if walks.kernel.crash is not None:
            obstacles = ["of a small dump only the thread that ran is read"]
        else:
            start = f"threads of process {process.pid}: "
            obstacles += [line.removeprefix(start) for line in table.problems if line.startswith(start)]
        found.append(Component(_state(len(read), obstacles), len(read), expected, tuple(obstacles)))
    return found
