"""PEBs: what processes keep of themselves in their own (user) address space, read through their own page tables.

The kernel keeps its own record of a process in system address space, where the same address means the same for
everybody.  A PEB is an address in one process only: each is read through the page-table root of its process, and
what the same address holds in another process is looked up beside it.  User code can change all of it, so what it
says is compared with what the kernel keeps.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from process_anatomy.absent import NOT_APPLICABLE, Absent, Kind
from process_anatomy.kernel.identify import Kernel
from process_anatomy.memory.fragments import Fragments
from process_anatomy.memory.space import Space
from process_anatomy.memory.view import Records, View, addresses_of, unreadable
from process_anatomy.walk.processes.listed import NOT_READ, Process
from process_anatomy.walk.program.peb_checks import Owner, contradictions
from process_anatomy.walk.program.small_pebs import small_pebs
from structs import builds
from structs.eprocess import EPROCESS
from structs.layout import Build
from structs.peb import PEB, PROCESS_PARAMETERS

FLAGS = (
    "ImageUsesLargePages",
    "IsProtectedProcess",
    "IsImageDynamicallyRelocated",
    "SkipPatchingUser32Forwarders",
    "IsPackagedProcess",
    "IsAppContainer",
    "IsProtectedProcessLight",
    "IsLongPathAwareProcess",
    "ProcessInJob",
    "ProcessInitializing",
    "ProcessUsingVEH",
    "ProcessUsingVCH",
    "ProcessUsingFTH",
    "ProcessImagesHotPatched",
)
"""Bit-fields of a PEB that tell something of the process, by Windows' names."""
BATCH = 1 << 22
"""Octets of lists of heaps that are read at once."""
HEAP_LIMIT = 1 << 12
"""Heaps of one process at the most; a list that claims more is cut off there."""
OFFSET_LIMIT = 0x10000
"""Below it, the Buffer of a parameter string is its offset from the parameters, not an address."""
COMPARED = 0x40
"""Bytes of a PEB that are looked up in another process as well."""
POINTERS = {
    "image_base": "ImageBaseAddress",
    "ldr": "Ldr",
    "heap": "ProcessHeap",
    "api_set_map": "ApiSetMap",
    "shared_memory": "ReadOnlySharedMemoryBase",
    "shim_data": "pShimData",
}
NUMBERS = {
    "nt_global_flag": "NtGlobalFlag",
    "heap_count": "NumberOfHeaps",
    "subsystem": "ImageSubsystem",
    "session": "SessionId",
}
STRINGS = {
    "image_path": "ImagePathName",
    "command_line": "CommandLine",
    "current_directory": "CurrentDirectory",
    "window_title": "WindowTitle",
    "desktop": "DesktopInfo",
    "shell_info": "ShellInfo",
}
"""Facts of a row, and the fields that hold them."""
PARAMETER_FACTS = (*STRINGS, "environment", "environment_size")
FACTS = (
    *POINTERS,
    *NUMBERS,
    "being_debugged",
    "flags",
    "os_version",
    "service_pack",
    "parameters",
    "heaps",
    *PARAMETER_FACTS,
)


@dataclass(frozen=True, slots=True)
class Peb:
    """One PEB.  Every fact may be :class:`~process_anatomy.absent.Absent`.

    Attributes:
        process: whose it is.
        bits: those of the kernel's pointers, or 32 for the second one of a 32-bit process on 64-bit Windows.
        address: user address, not applicable for a process without one.
        root: physical address of the page-table root that it was read through.
        elsewhere: another process and what the same address holds there: ``nothing``, ``something else`` or
            ``the same``; ``None`` where no other process was looked at.
        image_base: where it says that the program is mapped.
        ldr: address of the loader's data.
        heap: address of the default heap.
        api_set_map: address of the map of API sets.
        shared_memory: address of the memory shared with the Windows subsystem.
        shim_data: address of the data of compatibility shims.
        nt_global_flag: debugging aids that are switched on, as Windows' mask.
        heap_count: heaps it counts.
        subsystem: what the program is for.
        session: session it was started in.
        being_debugged: whether it says that a debugger is attached.
        flags: names of the bits that are set, comma separated, or ``none``.
        os_version: the Windows that it tells the program of.
        service_pack: its service pack in words, not applicable where it names none.
        parameters: address of the process parameters.
        heaps: addresses of all heaps.
        image_path: path of the program.
        command_line: command line.
        current_directory: current directory.
        window_title: title for the first window.
        desktop: window station and desktop.
        shell_info: what the shell passed on.
        environment: address of the environment block.
        environment_size: bytes of the environment block.
        problems: what is odd or could not be read, one line each.
        hot_patch_context: where the kernel keeps which of its images were hot-patched, not applicable for none.
    """

    process: Process
    bits: int
    address: int | Absent
    root: int | Absent
    elsewhere: tuple[Process, str] | None
    image_base: int | Absent
    ldr: int | Absent
    heap: int | Absent
    api_set_map: int | Absent
    shared_memory: int | Absent
    shim_data: int | Absent
    nt_global_flag: int | Absent
    heap_count: int | Absent
    subsystem: int | Absent
    session: int | Absent
    being_debugged: bool | Absent
    flags: str | Absent
    os_version: str | Absent
    service_pack: str | Absent
    parameters: int | Absent
    heaps: tuple[int, ...] | Absent
    image_path: str | Absent
    command_line: str | Absent
    current_directory: str | Absent
    window_title: str | Absent
    desktop: str | Absent
    shell_info: str | Absent
    environment: int | Absent
    environment_size: int | Absent
    problems: tuple[str, ...]
    hot_patch_context: int | Absent = NOT_APPLICABLE


def pebs(kernel: Kernel, processes: Sequence[Process], everyone: Sequence[Process] = ()) -> list[Peb]:
    """The PEBs of these processes: one row for each process, and one more for each 32-bit PEB.

    Args:
        kernel: whose memory.
        processes: whose PEBs.
        everyone: processes among which another is looked for, to tell what the same address holds there.
    """
    records = kernel.view.records(EPROCESS, addresses_of([process.address for process in processes]))
    sections, ports = records.values("SectionBaseAddress"), records.values("DebugPort")
    patched = [NOT_APPLICABLE if context == 0 else context for context in records.values("MmHotPatchContext")]
    native = [
        Owner(process, process.peb, section, port, context)
        for process, section, port, context in zip(processes, sections, ports, patched, strict=True)
    ]
    second = {
        index: Owner(processes[index], address, sections[index], ports[index])
        for index, address in small_pebs(kernel, processes, records.values("WoW64Process")).items()
    }
    rows = _read(kernel, kernel.build, native, everyone)
    if not second:
        return rows
    build = builds.wow64(kernel.number)
    more = dict(zip(second, _read(kernel, build, list(second.values()), everyone), strict=True))
    return [row for index, first in enumerate(rows) for row in ((first, more[index]) if index in more else (first,))]


def _read(kernel: Kernel, build: Build, owners: Sequence[Owner], everyone: Sequence[Process]) -> list[Peb]:
    """The PEBs of these owners in the layout of a build, all in one batch, each through its own root."""
    space, bits = kernel.space, 8 * build.pointer_size
    view = View(space, build)
    wheres = [_where(owner) for owner in owners]
    addresses = addresses_of([where if isinstance(where, int) else 0 for where in wheres])
    roots = addresses_of([o.process.dtb if isinstance(o.process.dtb, int) else 0 for o in owners])
    records = view.records(PEB, addresses, roots)
    flags = [(name, records.values(name)) for name in FLAGS if name in records.structure]
    columns: dict[str, list[Any]] = {
        **{fact: [_pointer(space, v) for v in records.values(field)] for fact, field in POINTERS.items()},
        **{fact: records.values(field) for fact, field in NUMBERS.items()},
        "being_debugged": [v if isinstance(v, Absent) else v != 0 for v in records.values("BeingDebugged")],
        "flags": [_names([(name, values[row]) for name, values in flags]) for row in range(len(owners))],
        "os_version": [
            _version(parts)
            for parts in zip(*map(records.values, ("OSMajorVersion", "OSMinorVersion", "OSBuildNumber")), strict=True)
        ],
        "service_pack": [NOT_APPLICABLE if words == "" else words for words in records.texts("CSDVersion")],
        "parameters": [
            Absent(Kind.IMPLAUSIBLE, "its PEB names no process parameters") if value == 0 else _pointer(space, value)
            for value in records.values("ProcessParameters")
        ],
    }
    columns["heaps"] = _heaps(records, columns["heap_count"])
    places = addresses_of([at if isinstance(at, int) else 0 for at in columns["parameters"]])
    parameters = view.records(PROCESS_PARAMETERS, places, roots)
    columns |= _strings(view, parameters, columns["parameters"])
    for fact, field in (("environment", "Environment"), ("environment_size", "EnvironmentSize")):
        columns[fact] = [
            at if isinstance(at, Absent) else _pointer(space, value)
            for at, value in zip(columns["parameters"], parameters.values(field), strict=True)
        ]
    others = _elsewhere(space, owners, addresses, everyone)
    rows = []
    for row, (owner, where) in enumerate(zip(owners, wheres, strict=True)):
        if isinstance(where, Absent):
            rows.append(_without(owner, bits, where))
            continue
        facts = {name: column[row] for name, column in columns.items()}
        if facts["environment"] == NOT_APPLICABLE and isinstance(facts["environment_size"], int):
            size = facts["environment_size"]
            facts["environment"] = Absent(Kind.IMPLAUSIBLE, f"an environment of {size} bytes without an address")
        problems = (*_unread(facts), *contradictions(kernel, View(records.space_of(row), build), owner, facts))
        context = owner.hot_patch
        if isinstance(context, Absent) and context.kind in NOT_READ:
            problems = (*problems, f"hot-patch context: {context}")
        own_facts = {"problems": problems, "hot_patch_context": context, **facts}
        rows.append(Peb(owner.process, bits, where, int(roots[row]), others[row], **own_facts))
    return rows


def _where(owner: Owner) -> int | Absent:
    if isinstance(owner.process.dtb, Absent) and isinstance(owner.address, int):
        return owner.process.dtb
    return owner.address


def _without(owner: Owner, bits: int, gone: Absent) -> Peb:
    """The row of a process without a PEB that could be read."""
    facts: dict[str, Any] = dict.fromkeys(FACTS, gone)
    problems = (f"the PEB: {gone}",) if gone.kind in NOT_READ else ()
    if isinstance(owner.hot_patch, Absent) and owner.hot_patch.kind in NOT_READ:
        problems = (*problems, f"hot-patch context: {owner.hot_patch}")
    facts |= {"problems": problems, "hot_patch_context": owner.hot_patch}
    return Peb(owner.process, bits, owner.address, owner.process.dtb, None, **facts)


def _pointer(space: Space, value: int | Absent) -> int | Absent:
    """A pointer of a PEB: zero is none, and one into the kernel's half cannot be."""
    if isinstance(value, Absent) or 0 < value < space.system_start:
        return value
    return Absent(Kind.IMPLAUSIBLE, f"{value:#x} is no user address") if value else NOT_APPLICABLE


def _names(bits: Sequence[tuple[str, Any]]) -> str | Absent:
    gone = next((value for _, value in bits if isinstance(value, Absent)), None)
    return gone if gone is not None else ",".join(name for name, value in bits if value) or "none"


def _version(parts: tuple[Any, ...]) -> str | Absent:
    gone = next((part for part in parts if isinstance(part, Absent)), None)
    return gone if gone is not None else ".".join(map(str, parts))


def _heaps(records: Records, counts: Sequence[Any]) -> list[tuple[int, ...] | Absent]:
    """The addresses of all heaps of each PEB; lists of one length are read at once."""
    space, width = records.space, records.structure.build.pointer_size
    lists = records.values("ProcessHeaps")
    found = [_no_heaps(space, at, count) for at, count in zip(lists, counts, strict=True)]
    by_count: dict[int, list[int]] = {}
    for row, count in enumerate(counts):
        if found[row] is None:
            by_count.setdefault(count, []).append(row)
    for count, rows in by_count.items():
        step = max(1, BATCH // (count * width))
        for part in (rows[first : first + step] for first in range(0, len(rows), step)):
            where = addresses_of([lists[row] for row in part])
            data, there = space.read_many(where, count * width, None if records.roots is None else records.roots[part])
            for row, heaps, readable in zip(part, data.view(f"<u{width}").tolist(), there.tolist(), strict=True):
                gone = None if readable else unreadable(records.space_of(row), lists[row], count * width)
                found[row] = tuple(heaps) if gone is None else gone
    return [NOT_APPLICABLE if heaps is None else heaps for heaps in found]


def _no_heaps(space: Space, at: int | Absent, count: int | Absent) -> tuple[int, ...] | Absent | None:
    """Why there is no list of heaps to be read; ``None`` where there is one."""
    if isinstance(at, Absent):
        return at
    if isinstance(count, Absent):
        return count
    if not at or not count:
        return NOT_APPLICABLE
    if count > HEAP_LIMIT or at >= space.system_start:
        return Absent(Kind.IMPLAUSIBLE, f"a list of {count} heaps at {at:#x}")
    return None


def _strings(view: View, parameters: Records, at: Sequence[Any]) -> dict[str, list[Any]]:
    """The strings of the parameters, by fact; parameters that were not normalised yet tell offsets, not addresses."""
    found = {fact: parameters.values(field) for fact, field in STRINGS.items()}
    asked: list[tuple[str, int]] = []
    for fact, values in found.items():
        for row, value in enumerate(values):
            if isinstance(at[row], Absent):
                values[row] = at[row]
            elif not isinstance(value, Absent):
                asked.append((fact, row))
    told = [found[fact][row] for fact, row in asked]
    buffers = [
        one.Buffer + at[row] if 0 < one.Buffer < OFFSET_LIMIT else one.Buffer
        for one, (_, row) in zip(told, asked, strict=True)
    ]
    roots = None if parameters.roots is None else parameters.roots[[row for _, row in asked]]
    texts = view.strings(buffers, [one.Length for one in told], roots=roots)
    for (fact, row), text in zip(asked, texts, strict=True):
        found[fact][row] = text
    return found


def _elsewhere(
    space: Space, owners: Sequence[Owner], addresses: Any, everyone: Sequence[Process]
) -> list[tuple[Process, str] | None]:
    """What the address of each PEB holds in the next process that has one; a small dump holds one process's memory."""
    if isinstance(space, Fragments):
        return [None] * len(owners)
    able = [p for p in everyone if isinstance(p.dtb, int) and isinstance(p.peb, int)]
    others: list[Process | None] = []
    following = {p.address: able[(index + 1) % len(able)] for index, p in enumerate(able)}
    for owner in owners:
        other = following.get(owner.process.address)
        others.append(other if other is not None and other.dtb != owner.process.dtb else None)
    there = addresses_of([p.dtb if p is not None and isinstance(p.dtb, int) else 0 for p in others])
    here = addresses_of([o.process.dtb if isinstance(o.process.dtb, int) else 0 for o in owners])
    theirs, readable = space.read_many(addresses, COMPARED, there)
    own, _ = space.read_many(addresses, COMPARED, here)
    same = (own == theirs).all(axis=1)
    words = ["nothing" if not r else "the same" if s else "something else" for r, s in zip(readable, same, strict=True)]
    return [None if other is None else (other, word) for other, word in zip(others, words, strict=True)]


def _unread(facts: dict[str, Any]) -> Iterator[str]:
    """What could not be read, in one line where it is all of the PEB or all of its parameters."""
    gone = {name: v for name, v in facts.items() if isinstance(v, Absent) and v.kind in NOT_READ}
    direct = [name for name in FACTS if name not in PARAMETER_FACTS]
    if all(name in gone for name in direct if name != "heaps"):
        yield f"the PEB: {gone[direct[0]]}"
        return
    yield from (f"{name}: {gone[name]}" for name in direct if name in gone)
    if "parameters" in gone:
        return
    if all(name in gone for name in PARAMETER_FACTS):
        yield f"the parameters: {gone[PARAMETER_FACTS[0]]}"
        return
    yield from (f"{name}: {gone[name]}" for name in PARAMETER_FACTS if name in gone)
