"""Processes: the active list followed both ways, every _EPROCESS on it read in one batch."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from process_anatomy.absent import NOT_APPLICABLE, Absent, Kind
from process_anatomy.errors import RequestError
from process_anatomy.filetime import written
from process_anatomy.kernel.identify import Kernel
from process_anatomy.kernel.lists import DIRECTIONS, follow
from process_anatomy.memory.small_dump import SmallDump
from process_anatomy.memory.view import addresses_of, as_name, unreadable
from process_anatomy.walk.processes.contradictions import contradictions, lacking, odd_id, wrong_headers
from structs.eprocess import EPROCESS
from structs.handle import HANDLE_TABLE
from structs.object import OBJECT_NAME_INFORMATION
from structs.session import MM_SESSION_SPACE, PSP_SESSION_SPACE_SESSION_ID

NOT_READ = frozenset(kind for kind in Kind if kind.lost)
"""Absences that a row tells as problems: the fact may exist, but could not be had.

What a build does not have is no problem of a row.
"""
PROTECTED_TYPES = {1: "ProtectedLight", 2: "Protected"}
"""_PS_PROTECTED_TYPE by value, without its prefix."""
PROTECTED_SIGNERS = {
    0: "None",
    1: "Authenticode",
    2: "CodeGen",
    3: "Antimalware",
    4: "Lsa",
    5: "Windows",
    6: "WinTcb",
    7: "WinSystem",
    8: "App",
}
"""_PS_PROTECTED_SIGNER by value, without its prefix."""


@dataclass(frozen=True, slots=True)
class Process:
    """One process, as its _EPROCESS tells it.  Every fact may be :class:`~process_anatomy.absent.Absent`.

    Attributes:
        address: of the _EPROCESS.
        pid: process id.
        ppid: process id of the parent (InheritedFromUniqueProcessId).
        name: ImageFileName, at most 15 characters.
        threads: ActiveThreads.
        handles: handles in use.
        session: session id, not applicable outside sessions.
        wow64: whether it is a 32-bit process on 64-bit Windows.
        create_time: FILETIME.
        exit_time: FILETIME, not applicable while it runs.
        dtb: physical address of its page-table root.
        peb: address of its PEB, not applicable without one.
        vad_root: address of the root VAD, 0 without one.
        token: address of its primary token.
        protection: (type, signer) of a protected process, or (0, 0).
        minimal: whether it is a minimal process.
        image_path: object name of the executable, as audited at creation.
        seen_by: directions of the active list that reached it.
        problems: what is odd or could not be read, one line each.
        pico: whether it is a pico process: a minimal one in which a program of another system runs (WSL 1's Linux).
        sequence: counts the processes that were made since Windows started (SequenceNumber).
    """

    address: int
    pid: int | Absent
    ppid: int | Absent
    name: str | Absent
    threads: int | Absent
    handles: int | Absent
    session: int | Absent
    wow64: bool | Absent
    create_time: int | Absent
    exit_time: int | Absent
    dtb: int | Absent
    peb: int | Absent
    vad_root: int | Absent
    token: int | Absent
    protection: tuple[int, int] | Absent
    minimal: bool | Absent
    image_path: str | Absent
    seen_by: tuple[str, ...]
    problems: tuple[str, ...]
    pico: bool | Absent = False
    sequence: int | Absent = NOT_APPLICABLE

    @property
    def lives(self) -> bool:
        """Whether it has not ended; a process whose exit time cannot be read may have."""
        return isinstance(self.exit_time, Absent) and self.exit_time.kind is Kind.NOT_APPLICABLE

    @property
    def own_space(self) -> bool:
        """Whether its user space is a program's: no minimal process's, nor, before there were those, without a PEB."""
        if isinstance(self.minimal, Absent) and self.minimal.kind is Kind.NOT_IN_BUILD:
            return isinstance(self.peb, int)
        return self.minimal is False

    @property
    def runs_program(self) -> bool:
        """Whether it has not ended and runs a program, so that it has a program, a VAD tree, a token and handles."""
        alive = isinstance(self.exit_time, Absent) and self.exit_time.kind is Kind.NOT_APPLICABLE
        return alive and self.own_space and isinstance(self.peb, int)

    @property
    def protection_name(self) -> str | Absent:
        """Type and signer of a protected process, not applicable for others."""
        if isinstance(self.protection, Absent):
            return self.protection
        kind, signer = self.protection
        if kind == 0:
            return NOT_APPLICABLE
        return f"{PROTECTED_TYPES.get(kind, str(kind))}-{PROTECTED_SIGNERS.get(signer, str(signer))}"


@dataclass(frozen=True, slots=True)
class ProcessTable:
    """Every process found.

    Attributes:
        rows: in the order of the active list.
        problems: what was wrong with the list itself, one line each.
        broken: directions of the list that ended before it closed.
        cut: the list may hold more processes than these: neither direction closed, or the image holds only a piece.
    """

    rows: tuple[Process, ...]
    problems: tuple[str, ...]
    broken: tuple[str, ...] = ()
    cut: bool = False

    def select(self, pids: frozenset[int]) -> ProcessTable:
        """Only the processes with these ids; all of them where none is named.

        Raises:
            RequestError: no process has one of the ids.
        """
        if not pids:
            return self
        missing = sorted(pids - {row.pid for row in self.rows if isinstance(row.pid, int)})
        if missing:
            raise RequestError(
                f"no process has id {', '.join(map(str, missing))} (windows.anatomy.processes lists them)"
            )
        return replace(self, rows=tuple(row for row in self.rows if row.pid in pids))


def processes(kernel: Kernel) -> ProcessTable:
    """Every process that the active list reaches, in either direction."""
    structure = kernel.build[EPROCESS]
    links = structure.offset("ActiveProcessLinks")
    ring = follow(kernel.space, kernel.system + links, lambda link: _implausible(kernel, link, links))
    entries = [link for link in ring.links if not kernel.inside(link)]
    seen = [ring.seen_by[link] for link in entries]
    headless = not any(kernel.inside(link) for link in ring.links)
    small = isinstance(kernel.space, SmallDump)
    cut = small or headless or len(ring.broken) == len(DIRECTIONS)
    if headless:
        ring.problems.append("the list does not pass its head in the kernel's image, so part of it may be cut off")
    if small:  # it never holds the whole list, so an end is nothing to report
        ring.problems.clear()
        ring.notes.clear()
        ring.broken.clear()
    notes = [ring.notes.get(link, []) for link in entries]
    rows = read_processes(kernel, [link - links for link in entries], seen, notes)
    return ProcessTable(tuple(rows), tuple(ring.problems), tuple(ring.broken), cut)


def _implausible(kernel: Kernel, link: int, links: int) -> str:
    """Why no process can have its link at this address; empty where one can, or where it is the list's head."""
    if kernel.inside(link):
        return ""
    if link % kernel.space.pointer_size or link < kernel.system_start:
        return "is no kernel address"
    structure = kernel.build[EPROCESS]
    base = link - links
    facts = {}
    for name in ("UniqueProcessId", "DirectoryTableBase"):
        place = structure.place(name)
        data = kernel.space.read(base + place.offset, place.size)
        facts[name] = None if data is None else int.from_bytes(data, "little")
    if facts["UniqueProcessId"] is None and facts["DirectoryTableBase"] is None:
        return f"cannot be read: {kernel.space.why(link, 16) or 'its process is not there'}"
    pid, dtb = facts["UniqueProcessId"], facts["DirectoryTableBase"]
    if pid is not None and odd_id(pid) and not _linked(kernel, link):
        return f"is no process: id {pid:#x}"
    if dtb is not None and not 0 < kernel.root_in(dtb) < 1 << 52:
        return f"is no process: page-table root {dtb:#x}"
    return ""


def _linked(kernel: Kernel, link: int) -> bool:
    """Whether both neighbours of a link point back to it: then it is an entry, whatever its process says."""
    size = kernel.space.pointer_size
    following, before = kernel.view.pointer(link), kernel.view.pointer(link + size)
    if following is None or before is None:
        return False
    return kernel.view.pointer(following + size) == link and kernel.view.pointer(before) == link


def read_processes(
    kernel: Kernel, addresses: list[int], seen: list[tuple[str, ...]], notes: list[list[str]]
) -> list[Process]:
    """Read the _EPROCESS at each address, all in one batch, with what it points at."""
    records = kernel.view.records(EPROCESS, addresses_of(addresses))
    get = records.values
    dtb = get("DirectoryTableBase")
    tables = kernel.view.records(HANDLE_TABLE, records.array("ObjectTable"))
    handles = [_pointed(p, c) for p, c in zip(get("ObjectTable"), tables.values("HandleCount"), strict=True)]
    owners = [_pointed(p, c) for p, c in zip(get("ObjectTable"), tables.values("UniqueProcessId"), strict=True)]
    names = [_name(value) for value in get("ImageFileName")]
    types, signers = get("ProtectionType"), get("ProtectionSigner")
    paths = _image_paths(kernel, get("SeAuditProcessCreationInfo"))
    columns: dict[str, list[Any]] = {
        "pid": get("UniqueProcessId"),
        "ppid": get("InheritedFromUniqueProcessId"),
        "name": names,
        "threads": get("ActiveThreads"),
        "handles": handles,
        "session": _sessions(kernel, get("Session"), dtb),
        "wow64": _wow64(kernel, get("WoW64Process")),
        "create_time": [written(v) for v in get("CreateTime")],
        "exit_time": [NOT_APPLICABLE if v == 0 else written(v) for v in get("ExitTime")],
        "dtb": [v if isinstance(v, Absent) else kernel.root_in(v) for v in dtb],
        "peb": [_peb(kernel, value) for value in get("Peb")],
        "vad_root": get("VadRoot"),
        "token": [v if isinstance(v, Absent) else v & ~kernel.build.fast_ref for v in get("Token")],
        "protection": [t if isinstance(t, Absent) else (t, s) for t, s in zip(types, signers, strict=True)],
        "minimal": [v if isinstance(v, Absent) else v != 0 for v in get("Minimal")],
        "pico": [v if isinstance(v, Absent) else v != 0 for v in get("PicoContext")],
        "image_path": paths,
    }
    necessary = {
        "VAD tree": columns["vad_root"],
        "handle table": get("ObjectTable"),
        "token": columns["token"],
        "program": get("SectionBaseAddress"),
    }
    sequences = get("SequenceNumber")  # its absence is nobody's problem: it only helps to order processes
    headers = wrong_headers(records)
    rows = []
    for row, address in enumerate(addresses):
        facts = {name: column[row] for name, column in columns.items()}
        problems = notes[row] + [
            f"{name}: {value}" for name, value in facts.items() if isinstance(value, Absent) and value.kind in NOT_READ
        ]
        problems += contradictions(facts, owners[row], necessary["program"][row])
        problems += [headers[row]] if headers[row] else []
        process = Process(
            address=address, seen_by=seen[row], problems=tuple(problems), sequence=sequences[row], **facts
        )
        if process.runs_program:
            process = replace(process, problems=(*process.problems, *lacking(necessary, row)))
        rows.append(process)
    return rows


def _wow64(kernel: Kernel, pointers: list[int | Absent]) -> list[bool | Absent]:
    """Whether each is a 32-bit process on a 64-bit Windows; on a 32-bit Windows there is no such thing."""
    if kernel.build.pointer_size == 4:
        return [False] * len(pointers)
    return [v if isinstance(v, Absent) else v != 0 for v in pointers]


def _peb(kernel: Kernel, value: int | Absent) -> int | Absent:
    """The address of a PEB, which lies in user space."""
    if isinstance(value, int) and value >= kernel.system_start:
        return Absent(Kind.IMPLAUSIBLE, f"a PEB at {value:#x}, which is no user address")
    return NOT_APPLICABLE if value == 0 else value


def _pointed(pointer: int | Absent, value: Any) -> Any:
    """What a pointer leads to: not applicable where it is zero, absent as the pointer itself is."""
    if isinstance(pointer, Absent):
        return pointer
    return value if pointer else NOT_APPLICABLE


def _name(value: bytes | Absent) -> str | Absent:
    """ImageFileName up to its first zero; what is not ASCII is shown as replaced."""
    return value if isinstance(value, Absent) else value.split(b"\0", 1)[0].decode("ascii", "replace")


def _sessions(kernel: Kernel, pointers: list[int | Absent], roots: list[int | Absent]) -> list[int | Absent]:
    """Session ids; session space is looked up through the process's own page tables, then the kernel's."""
    if MM_SESSION_SPACE in kernel.build:
        place = kernel.build[MM_SESSION_SPACE].place("SessionId")
        offset, size = place.offset, place.size
    else:
        offset, size = PSP_SESSION_SPACE_SESSION_ID, 4
    where = addresses_of([p + offset if isinstance(p, int) and p else 0 for p in pointers])
    tables = addresses_of([kernel.root_in(r) if isinstance(r, int) else 0 for r in roots])
    data, there = kernel.read_in_process(where, size, tables)
    values = data.view(f"<u{size}").reshape(-1).tolist()
    found: list[int | Absent] = []
    for row, pointer in enumerate(pointers):
        if isinstance(pointer, Absent):
            found.append(pointer)
        elif pointer == 0:
            found.append(NOT_APPLICABLE)
        elif pointer < kernel.system_start:
            found.append(Absent(Kind.IMPLAUSIBLE, f"session space at {pointer:#x}, which is no kernel address"))
        elif there[row]:
            found.append(values[row])
        else:
            found.append(unreadable(kernel.space, pointer + offset, size))
    return found


def _image_paths(kernel: Kernel, pointers: list[int | Absent]) -> list[str | Absent]:
    """Object names of the executables, from what each process was audited with."""
    names = kernel.view.records(
        OBJECT_NAME_INFORMATION, addresses_of([p if isinstance(p, int) else 0 for p in pointers])
    )
    found: list[str | Absent] = []
    for pointer, name in zip(pointers, names.texts("Name"), strict=True):
        if isinstance(pointer, Absent):
            found.append(pointer)
        elif pointer == 0:
            found.append(NOT_APPLICABLE)
        else:
            found.append(NOT_APPLICABLE if name == "" else as_name(name))
    return found
