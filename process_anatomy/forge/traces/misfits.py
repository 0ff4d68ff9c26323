"""What does not fit together: traces of tampering, one by one, in records that are otherwise as they should be.

Each misfit changes one thing after the fact, as an intruder would, and names the rules that should find it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from process_anatomy.forge.address_space import sections as sec
from process_anatomy.forge.address_space.vads import Region
from process_anatomy.forge.cast.lab import INJECTED, NOWHERE
from process_anatomy.forge.ground.clock import filetime
from process_anatomy.forge.ground.generations import has_integrity
from process_anatomy.forge.ground.records import counted, pointers, utf16
from process_anatomy.forge.memory.frames import DIRTY, NO_EXECUTE, PAGE, USER_CODE, USER_DATA, USER_READ
from process_anatomy.forge.memory.page_tables import X86, Mode, Space
from structs.eprocess import EPROCESS
from structs.handle import HANDLE_TABLE
from structs.layout import Build
from structs.peb import LDR_DATA_TABLE_ENTRY, PEB, PEB_LDR_DATA, PROCESS_PARAMETERS
from structs.token import TOKEN

if TYPE_CHECKING:
    from process_anatomy.forge.cast.lab import Actor, ThreadPlan
    from process_anatomy.forge.processes.table import Process
    from process_anatomy.forge.program.user_half import Module, UserSpace

OTHER_FILE = "other file"
RULES: dict[str, tuple[str, ...]] = {
    "copied image": ("injected-image",),
    "emptied program": ("hollowed-program", "injected-image", "module-without-image", "thread-in-private-memory"),
    "overwritten program": ("hollowed-program", "patched-code"),
    "moved program": ("hollowed-program",),
    "image without a file": ("image-without-file", "unlisted-module"),
    "half-listed library": ("half-listed-module",),
    "listed library": ("module-without-image",),
    "mistold library": ("mistold-module",),
    "false path": ("false-peb",),
    OTHER_FILE: ("other-program",),
    "short name": ("renamed",),
    "stolen token": ("shared-token",),
    "forged privileges": ("impossible-privileges",),
    "forged flags": ("inconsistent-token",),
    "silent debugger": ("hidden-debugger",),
    "false end": ("ended-but-running",),
    "foreign handle table": ("smear",),
}
"""Each misfit, and the rules that find it in the process that has it."""
ODDITIES: dict[str, tuple[str, ...]] = {
    "injected": ("injected-code",),
    "odd_pages": ("beyond-vad", "uncovered-code", "patched-code"),
    "unlisted": ("unlisted-module",),
    "debugged": ("debugged",),
}
"""Other attributes of an actor that rules find."""
MAIN_VIEWS = {"forward", "backward", "cid", "scan"}
"""Views from which nothing but tampering takes a process."""
NEED_CREATOR = {"chosen-parent", "raised-integrity"}
"""Rules that judge by who asked for a process."""
NEED_PROTECTION = {"weak-protection", "foreign-protection"}
"""Rules about protected processes."""
NEED_VISTA = {"power-over-higher", "raised-integrity", "foreign-impersonation", "wrong-session"}
"""Rules that compare integrity levels, and rules about what only administrators had not, or not all, before Vista."""
NEED_EXECUTE_BIT = {"beyond-vad", "patched-code"}
"""Rules about pages that the page tables let run, which plain 32-bit page tables do not tell."""
COPY, NAMELESS = 0xB00000, 0xC00000
"""Where misfits lie behind the beginning of the process's zone of private memory."""
ELSEWHERE = 0xC00000
"""Where nothing is mapped behind the default heap."""
NEW_TIME = 0x65432100
"""Time stamp of the program that was put in."""
LOW_BOX = 0x4000
FORGED_PRIVILEGES = 1 << 7 | 1 << 20
"""SeTcbPrivilege and SeDebugPrivilege."""
FALSE_PATH = "C:\\Windows\\System32\\wuauclt.exe"
OTHER_FOLDER = "\\Device\\HarddiskVolume3\\Windows\\Temp\\"


def unknowable(build: Build, mode: Mode, creator_kept: bool) -> frozenset[str]:
    """The rules that nothing can be told by in this Windows.

    Args:
        build: its layout.
        mode: its page tables.
        creator_kept: it keeps who asked for a process.
    """
    lacks = (
        (NEED_CREATOR, not creator_kept),
        (NEED_PROTECTION, "ProtectionType" not in build[EPROCESS]),
        (NEED_VISTA, not has_integrity(build)),
        (NEED_EXECUTE_BIT, mode is X86),
    )
    return frozenset().union(*(rules for rules, lacking in lacks if lacking))


def findings(actor: Actor, unknowable: frozenset[str]) -> list[str]:
    """The rules that must find something in this actor's process, those of information apart.

    Args:
        actor: whose process.
        unknowable: rules that nothing can be told by in this Windows.
    """
    rules = [rule for name in actor.misfits for rule in RULES[name]]
    rules += [rule for plan in actor.plans for rule in _threads(actor, plan)]
    if actor.ended is None and actor.hidden:
        rules.append("hidden-process")
    elif actor.ended is None and MAIN_VIEWS & {*actor.unseen_by}:
        rules.append("half-hidden-process")
    rules += [rule for name, told in ODDITIES.items() if getattr(actor, name) for rule in told]
    return sorted({*rules, *actor.findings} - unknowable)


def _threads(actor: Actor, plan: ThreadPlan) -> Iterator[str]:
    """The rules that find something in a thread."""
    if plan.ended is not None:
        return
    if plan.starts_in == INJECTED:
        yield "thread-in-private-memory"
    if plan.starts_in == NOWHERE:
        yield "thread-outside-drivers" if actor.minimal else "thread-outside-images"
    if "HideFromDebugger" in plan.flags:
        yield "thread-hidden-from-debugger"


def shape(actor: Actor, sections: sec.Sections, space: Space, user: UserSpace, zone: int) -> None:
    """Misfits of the user half, before its VAD tree is made."""
    program = user.modules[0]
    if "copied image" in actor.misfits:
        user.regions.append(
            Region(zone + COPY, 8 * PAGE, sec.EXECUTE_READ_WRITE, "copied image", commit=8, mem_commit=True)
        )
        space.map(zone + COPY, space.memory.take(_foreign(program, zone + COPY)), USER_DATA & ~NO_EXECUTE)
    if "emptied program" in actor.misfits:
        user.regions[:] = [region for region in user.regions if region.start != program.base]
        size = program.program.size
        user.regions.append(
            Region(program.base, size, sec.EXECUTE_READ_WRITE, "put in", commit=size // PAGE, mem_commit=True)
        )
        for page in program.section.frames:
            space.entry(program.base + page * PAGE, 0)
            del space.mapped[program.base // PAGE + page]
        user.pages[:] = [page for page in user.pages if not program.base <= page["va"] < program.base + size]
        space.map(program.base, space.memory.take(_foreign(program, program.base)), USER_DATA & ~NO_EXECUTE)
    if "overwritten program" in actor.misfits:
        space.map(program.base, space.memory.take(_foreign(program, program.base)), USER_READ | DIRTY)
        space.map(program.base + PAGE, space.memory.take(b"\x55\x48\x8b\xec PUT IN"), USER_CODE | DIRTY)
    if "image without a file" in actor.misfits:
        nameless = sections.image_without_file(program.program, zone + NAMELESS)
        user.regions.append(
            Region(zone + NAMELESS, 16 * PAGE, sec.EXECUTE_WRITE_COPY, "without a file", nameless, 2, 4)
        )


def _foreign(program: Module, base: int) -> bytes:
    """The header of another program."""
    return replace(program.program, timestamp=NEW_TIME, entry=program.program.entry ^ 0x10).headers(base)


def loaded(actor: Actor, user: UserSpace) -> list[dict[str, Any]]:
    """The modules as the loader's lists tell them."""
    told = [module.facts() for module in user.modules]
    if "listed library" in actor.misfits:
        told.append(
            {**told[-1], "base": user.heap + ELSEWHERE, "name": "printui.dll", "path": "C:\\Windows\\printui.dll"}
        )
        told[-1]["entry"] = told[-1]["base"] + 0x1000
    if "mistold library" in actor.misfits:
        told[-1]["timestamp"] ^= 0x1000
        told[-1]["path"] = "C:\\ProgramData\\" + told[-1]["name"]
        told[1]["size"] += 0x10000
    return told


def write(build: Build, process: Process, system: Process, boot_time: int) -> None:
    """Misfits of the records, once all of them are written.

    Args:
        build: where the fields are.
        process: whose records.
        system: whose token is stolen, and whose space the kernel's records are in.
        boot_time: seconds since 1970 (UTC) when the system started.
    """
    own, kernel, user = process.space, system.space, process.user
    pid = process.actor.pid

    def set_field(space: Space, layout: Any, address: int, field: str, value: int) -> None:
        place = build[layout].place(field)
        space.write(address + place.offset, value.to_bytes(place.size, "little"))

    for misfit in process.actor.misfits:
        if misfit == "moved program":
            set_field(own, PEB, user.peb, "ImageBaseAddress", user.modules[1].base)
        elif misfit == "silent debugger":
            set_field(own, PEB, user.peb, "BeingDebugged", 0)
        elif misfit == "half-listed library":
            _unlink(build, own, user)
        elif misfit == "false path":
            room = user.heap + 0x200
            own.write(room, utf16(FALSE_PATH))
            place = build[PROCESS_PARAMETERS].place("ImagePathName")
            own.write(user.parameters + place.offset, counted(build, FALSE_PATH, room))
        elif misfit == "short name":
            place = build[EPROCESS].place("ImageFileName")
            kernel.write(process.eprocess + place.offset, b"svchost.exe".ljust(place.size, b"\0"))
        elif misfit == "false end":
            set_field(kernel, EPROCESS, process.eprocess, "ExitTime", filetime(boot_time + process.actor.started + 9))
        elif misfit == "foreign handle table":
            set_field(kernel, HANDLE_TABLE, process.table, "UniqueProcessId", pid + 8)
        elif misfit == "forged flags":
            set_field(kernel, TOKEN, process.token["va"], "TokenFlags", process.token["token_flags"] | LOW_BOX)


def before(processes: list[Process], build: Build) -> None:
    """Misfits of tokens: one that is stolen, and privileges that were written into one."""
    for process in processes:
        if "stolen token" in process.actor.misfits:
            process.token = processes[0].token
        if "forged privileges" in process.actor.misfits:
            place = build[TOKEN].place("PrivilegesEnabled")
            enabled = process.token["privileges"]["enabled"] | FORGED_PRIVILEGES
            processes[0].space.write(process.token["va"] + place.offset, enabled.to_bytes(place.size, "little"))
            process.token["privileges"]["enabled"] = enabled


def _unlink(build: Build, space: Space, user: UserSpace) -> None:
    """Take the second module out of the list in memory order, and leave it in the others."""
    order = "InMemoryOrder"
    entry = build[LDR_DATA_TABLE_ENTRY]
    head = user.ldr + build[PEB_LDR_DATA].offset(f"{order}ModuleList")
    first = user.ldr + (build[PEB_LDR_DATA].sizeof + 15 & -16)
    step = entry.sizeof + 15 & -16
    links = [head, *(first + step * number + entry.offset(f"{order}Links") for number in range(len(user.modules)))]
    victim = 3
    before, after = links[victim - 1], links[(victim + 1) % len(links)]
    space.write(before, pointers(build, after))
    space.write(after + build.pointer_size, pointers(build, before))
    space.write(links[victim], pointers(build, links[victim], links[victim]))
