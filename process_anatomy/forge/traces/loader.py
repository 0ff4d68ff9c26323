"""Traces in what a process tells of itself: the loader's lists, the parameters, the sign of a debugger."""

from __future__ import annotations

from typing import Any

from process_anatomy.forge.ground.records import counted, pointers, utf16
from process_anatomy.forge.parts.user_half import UserHalf
from process_anatomy.forge.traces.trace import Victim
from structs.peb import LDR_DATA_TABLE_ENTRY, PEB, PEB_LDR_DATA, PROCESS_PARAMETERS

ELSEWHERE = 0xC00000
"""Where nothing is mapped behind the default heap."""
ROOM = 0x200
"""Where a false path lies behind the beginning of the default heap."""
FALSE_PATH = "C:\\Windows\\System32\\wuauclt.exe"


def list_library(user: UserHalf, told: list[dict[str, Any]]) -> None:
    """A library that is nowhere."""
    told.append({**told[-1], "base": user.heap + ELSEWHERE, "name": "printui.dll", "path": "C:\\Windows\\printui.dll"})
    told[-1]["entry"] = told[-1]["base"] + 0x1000


def mistell_library(_: UserHalf, told: list[dict[str, Any]]) -> None:
    """A library of another time and place, and one of another size."""
    told[-1]["timestamp"] ^= 0x1000
    told[-1]["path"] = "C:\\ProgramData\\" + told[-1]["name"]
    told[1]["size"] += 0x10000


def half_list_library(victim: Victim) -> None:
    """Take the second module out of the list in memory order, and leave it in the others."""
    build, space, user = victim.build, victim.process.space, victim.process.user
    order = "InMemoryOrder"
    entry = build[LDR_DATA_TABLE_ENTRY]
    head = user.ldr + build[PEB_LDR_DATA].offset(f"{order}ModuleList")
    first = user.ldr + (build[PEB_LDR_DATA].sizeof + 15 & -16)
    step = entry.sizeof + 15 & -16
    links = [head, *(first + step * number + entry.offset(f"{order}Links") for number in range(len(user.modules)))]
    taken = 3
    before, after = links[taken - 1], links[(taken + 1) % len(links)]
    space.write(before, pointers(build, after))
    space.write(after + build.pointer_size, pointers(build, before))
    space.write(links[taken], pointers(build, links[taken], links[taken]))


def tell_false_path(victim: Victim) -> None:
    """The parameters name another program."""
    space, user = victim.process.space, victim.process.user
    room = user.heap + ROOM
    space.write(room, utf16(FALSE_PATH))
    place = victim.build[PROCESS_PARAMETERS].place("ImagePathName")
    space.write(user.parameters + place.offset, counted(victim.build, FALSE_PATH, room))


def silence_debugger(victim: Victim) -> None:
    """The PEB says that nobody debugs."""
    victim.set_field(victim.process.space, PEB, victim.process.user.peb, "BeingDebugged", 0)
