"""What handles lead to: the name and the meaning of an object, by its type, in batches."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from process_anatomy.absent import NOT_APPLICABLE, Absent, Kind
from process_anatomy.kernel.identify import Kernel
from process_anatomy.memory.space import Addresses
from process_anatomy.memory.view import Records, addresses_of
from process_anatomy.walk.handles.object_names import Name, files_named, keys_named, objects_named
from process_anatomy.walk.processes.contradictions import odd_id
from process_anatomy.walk.processes.listed import NOT_READ
from process_anatomy.walk.security.logons import logon_sessions
from process_anatomy.walk.security.sid_arrays import read_sids
from process_anatomy.walk.security.sids import sid_name
from process_anatomy.walk.security.token_facts import TOKEN_TYPES
from structs.eprocess import EPROCESS
from structs.ethread import ETHREAD
from structs.layout import Layout
from structs.object import OBJECT_SYMBOLIC_LINK
from structs.section import CONTROL_AREA, SECTION, SECTION_OBJECT, SEGMENT
from structs.token import SID_AND_ATTRIBUTES, TOKEN

LOWEST_LETTER = 0x20
"""Characters below control something, and stand in no usual name."""


@dataclass(frozen=True, slots=True)
class Target:
    """An object, as a handle to it is told.

    Attributes:
        name: as the stock plugins name it: a file with its device, a key below the registry's root, a process or
            thread by its ids, any other object by its own name; not applicable for one without.
        full: the whole of it: the path through the object directories, the key's full path, a process and its
            program, a token's user, a section's file.
        pid: process id, of a process or of a thread's process; not applicable for others.
        tid: thread id, of a thread.
        process: address of the _EPROCESS, of a process or of a thread's process.
        problems: what is odd or could not be read, one line each.
    """

    name: Name
    full: Name
    pid: int | Absent = NOT_APPLICABLE
    tid: int | Absent = NOT_APPLICABLE
    process: int | Absent = NOT_APPLICABLE
    problems: tuple[str, ...] = ()


NO_TARGET = Target(NOT_APPLICABLE, NOT_APPLICABLE)
Reader = Callable[[Kernel, Addresses], list[Target]]


def targets(kernel: Kernel, objects: Mapping[str, Addresses]) -> dict[int, Target]:
    """The objects, by address.

    Args:
        kernel: whose memory.
        objects: type name to the addresses of objects of that type, each once.
    """
    found: dict[int, Target] = {}
    others = [addresses for name, addresses in objects.items() if name not in READERS]
    for name, addresses in objects.items():
        if name in READERS:
            found |= zip(addresses.tolist(), READERS[name](kernel, addresses), strict=True)
    if others:
        addresses = np.concatenate(others)
        found |= zip(addresses.tolist(), _named(kernel, addresses), strict=True)
    return found


def _told(*values: Any) -> tuple[str, ...]:
    """Why facts could not be had, each reason once."""
    return tuple(dict.fromkeys(str(v) for v in values if isinstance(v, Absent) and v.kind in NOT_READ))


def _named(kernel: Kernel, addresses: Addresses) -> list[Target]:
    names, paths = objects_named(kernel, addresses)
    return [Target(name, path, problems=_told(name, path)) for name, path in zip(names, paths, strict=True)]


def _links(kernel: Kernel, addresses: Addresses) -> list[Target]:
    """Symbolic links, with what they stand for."""
    found = _named(kernel, addresses)
    if OBJECT_SYMBOLIC_LINK not in kernel.build:
        return found
    values = kernel.view.records(OBJECT_SYMBOLIC_LINK, addresses).values("LinkTarget")
    told = []
    for target, value in zip(found, values, strict=True):
        # since Windows 10 the field can hold a callback of the kernel instead of a name
        text = "" if isinstance(value, Absent) or not value.Buffer >= kernel.system_start else kernel.view.string(
            value.Buffer, value.Length
        )  # fmt: skip
        full = target.full if isinstance(target.full, str) else "(unnamed)"
        if isinstance(text, str) and text:
            told.append(replace(target, full=f"{full} -> {text}"))
        else:
            gone = value if isinstance(value, Absent) else text if isinstance(text, Absent) else None
            if gone is None and not value.Buffer:
                gone = Absent(Kind.IMPLAUSIBLE, "it has no name and no callback")
            lines = () if gone is None else (f"what it stands for: {gone}",)
            told.append(replace(target, problems=(*target.problems, *lines)))
    return told


def _files(kernel: Kernel, addresses: Addresses) -> list[Target]:
    names, problems = files_named(kernel, addresses)
    return [
        Target(name, name, problems=tuple(dict.fromkeys([*_told(name), *odd])))
        for name, odd in zip(names, problems, strict=True)
    ]


def _keys(kernel: Kernel, addresses: Addresses) -> list[Target]:
    found = []
    for path in keys_named(kernel, addresses):
        name = path if isinstance(path, Absent) else path.lstrip("\\").partition("\\")[2] or NOT_APPLICABLE
        odd = isinstance(path, str) and any(ord(letter) < LOWEST_LETTER for letter in path)
        lines = ("its path holds characters that cannot be typed",) if odd else ()
        found.append(Target(name, path, problems=(*_told(path), *lines)))
    return found


def _program(value: bytes | Absent) -> Name:
    """ImageFileName up to its first zero."""
    return value if isinstance(value, Absent) else value.split(b"\0", 1)[0].decode("ascii", "replace")


def _processes(kernel: Kernel, addresses: Addresses) -> list[Target]:
    records = kernel.view.records(EPROCESS, addresses)
    found = []
    for at, pid, data in zip(
        addresses.tolist(), records.values("UniqueProcessId"), records.values("ImageFileName"), strict=True
    ):
        program = _program(data)
        gone = next((v for v in (pid, program) if isinstance(v, Absent)), None)
        name: Name = gone if gone is not None else f"{program} Pid {pid}"
        full: Name = gone if gone is not None else f"{program} ({pid})"
        problems = [*_told(pid, program), *_odd_ids(process=pid)]
        found.append(Target(name, full, pid, process=at, problems=tuple(problems)))
    return found


def _threads(kernel: Kernel, addresses: Addresses) -> list[Target]:
    records = kernel.view.records(ETHREAD, addresses)
    owners = records.array("Process").astype(np.uint64)
    owners = np.where(owners >= np.uint64(kernel.system_start), owners, np.uint64(0))
    holders = kernel.view.records(EPROCESS, owners)
    programs = [_program(value) for value in holders.values("ImageFileName")]
    found = []
    for tid, pid, owner, program, other in zip(
        records.values("UniqueThread"), records.values("UniqueProcess"), owners.tolist(), programs,
        holders.values("UniqueProcessId"), strict=True,
    ):  # fmt: skip
        gone = next((v for v in (tid, pid) if isinstance(v, Absent)), None)
        name: Name = gone if gone is not None else f"Tid {tid} Pid {pid}"
        whose = program if isinstance(program, str) else "process"
        full: Name = gone if gone is not None else f"thread {tid} of {whose} ({pid})"
        process = owner or Absent(Kind.IMPLAUSIBLE, "the thread names no process")
        problems = [*_told(tid, pid, program, process), *_odd_ids(thread=tid, process=pid)]
        if owner and isinstance(other, int) and isinstance(pid, int) and other != pid:
            problems.append(f"the thread is of process {pid} by its id, but of process {other} by its owner")
        found.append(Target(name, full, pid, tid, process, tuple(problems)))
    return found


def _odd_ids(**ids: int | Absent) -> Iterator[str]:
    """Ids that no process and no thread has; those of idle ones are 0, and no handle leads to them."""
    for what, number in ids.items():
        if isinstance(number, int) and (odd_id(number) or not number):
            yield f"no {what} has the id {number:#x}"


def _tokens(kernel: Kernel, addresses: Addresses) -> list[Target]:
    """Tokens, by their user: a well-known name, else the account of the logon session."""
    names, _ = objects_named(kernel, addresses)
    records = kernel.view.records(TOKEN, addresses)
    first = kernel.view.records(SID_AND_ATTRIBUTES, records.array("UserAndGroups").astype(np.uint64))
    users = read_sids(kernel, first.array("Sid").astype(np.uint64))
    logons = records.array("LogonSession").tolist()
    sessions = logon_sessions(kernel, logons)
    found = []
    for own, kind, user, gone, logon in zip(
        names, records.values("TokenType"), users, first.values("Sid"), logons, strict=True
    ):
        sid = gone if isinstance(gone, Absent) else user
        kind_name = TOKEN_TYPES.get(kind, "") if isinstance(kind, int) else ""
        if not kind_name:
            odd = kind if isinstance(kind, Absent) else Absent(Kind.IMPLAUSIBLE, f"no token: its type would be {kind}")
            found.append(Target(own, odd, problems=_told(odd)))
            continue
        account = sessions[logon].account if logon in sessions else NOT_APPLICABLE
        who = sid if isinstance(sid, Absent) else sid_name(sid) or (account if isinstance(account, str) else "")
        full = who if isinstance(who, Absent) else f"{kind_name.lower()} token of {who or 'an unknown account'} ({sid})"
        found.append(Target(own, full, problems=_told(sid)))
    return found


def _sections(kernel: Kernel, addresses: Addresses) -> list[Target]:
    """Sections, by the file behind them; through segment and control area."""
    names, paths = objects_named(kernel, addresses)
    if SECTION in kernel.build:
        areas = kernel.view.records(SECTION, addresses).array("ControlArea").astype(np.uint64)
    else:
        areas = _through(kernel, SECTION_OBJECT, addresses, "Segment")
        areas = _through(kernel, SEGMENT, _kernel_only(kernel, areas), "ControlArea")
    remote = areas & np.uint64(3) != 0  # a file on another machine: the file object itself stands here
    area = kernel.view.records(CONTROL_AREA, _kernel_only(kernel, np.where(remote, np.uint64(0), areas)))
    pointers = np.where(
        remote, areas & ~np.uint64(3), area.array("FilePointer").astype(np.uint64) & ~np.uint64(kernel.build.fast_ref)
    )
    files, odd = files_named(kernel, _kernel_only(kernel, pointers))
    found = []
    for row, (name, path) in enumerate(zip(names, paths, strict=True)):
        problems = [*_told(name, path)]
        full: Name = path
        stated = int(areas[row])
        if stated and (stated < kernel.system_start or not (remote[row] or area.whole[row])):
            problems.append(f"what stands behind the section cannot be read at {stated:#x}")
        elif pointers[row]:
            problems += [*_told(files[row]), *odd[row]]
            file = files[row]
            if isinstance(file, str):
                full = f"{path}, {file}" if isinstance(path, str) else file
        elif stated and not isinstance(path, str):
            full = "memory that the page file backs"
        elif not stated and SECTION in kernel.build:
            problems.append("nothing stands behind the section: the address of its control area is zero")
        found.append(Target(name, full, problems=tuple(dict.fromkeys(problems))))
    return found


def _kernel_only(kernel: Kernel, pointers: Addresses) -> Addresses:
    only: Addresses = np.where(pointers >= np.uint64(kernel.system_start), pointers, np.uint64(0))
    return only


def _through(kernel: Kernel, layout: Layout, addresses: Addresses, field: str) -> Addresses:
    """A pointer of each structure; 0 where it cannot be read or the build has no such structure."""
    if layout not in kernel.build:
        return addresses_of([0] * len(addresses))
    records: Records = kernel.view.records(layout, addresses)
    return records.array(field).astype(np.uint64)


READERS: Mapping[str, Reader] = {
    "File": _files,
    "Key": _keys,
    "Process": _processes,
    "Thread": _threads,
    "Token": _tokens,
    "Section": _sections,
    "SymbolicLink": _links,
}
"""Types whose objects are told by more than their name in the object directories."""
