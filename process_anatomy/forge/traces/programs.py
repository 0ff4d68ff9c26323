"""Traces in the pages of a program: put in, emptied, overwritten, or mapped from no file."""

from __future__ import annotations

from dataclasses import replace

from process_anatomy.forge.address_space.sections import Sections
from process_anatomy.forge.memory.frames import DIRTY, NO_EXECUTE, PAGE, USER_CODE, USER_DATA, USER_READ
from process_anatomy.forge.memory.page_tables import Space
from process_anatomy.forge.memory.protections import EXECUTE_READ, EXECUTE_READ_WRITE, EXECUTE_WRITE_COPY
from process_anatomy.forge.parts.module import Module
from process_anatomy.forge.parts.region import Region
from process_anatomy.forge.parts.user_half import UserHalf
from process_anatomy.forge.pe.system_calls import SERVICES, STUBS, place_of, stub
from process_anatomy.forge.traces.trace import Victim
from structs.peb import PEB

COPY, NAMELESS, ANSWER = 0xB00000, 0xC00000, 0xD00000
"""Where traces lie behind the beginning of the process's zone of private memory."""
NOT_SUPPORTED = bytes.fromhex("b8bb0000c0c3")
"""mov eax, STATUS_NOT_SUPPORTED and ret: what the loader takes for an image without patches."""
NEW_TIME = 0x65432100
"""Time stamp of the program that was put in."""


def copy_image(user: UserHalf, space: Space, _: Sections) -> None:
    """A program in private memory."""
    at = user.zone + COPY
    user.regions.append(Region(at, 8 * PAGE, EXECUTE_READ_WRITE, "copied image", commit=8, mem_commit=True))
    space.map(at, space.memory.take(_foreign(user.modules[0], at)), USER_DATA & ~NO_EXECUTE)


def empty_program(user: UserHalf, space: Space, _: Sections) -> None:
    """Private memory with another program where the program was mapped."""
    program = user.modules[0]
    user.regions[:] = [region for region in user.regions if region.start != program.base]
    size = program.program.size
    user.regions.append(Region(program.base, size, EXECUTE_READ_WRITE, "put in", commit=size // PAGE, mem_commit=True))
    for page in program.section.frames:
        space.entry(program.base + page * PAGE, 0)
        del space.mapped[program.base // PAGE + page]
    user.pages[:] = [page for page in user.pages if not program.base <= page["va"] < program.base + size]
    space.map(program.base, space.memory.take(_foreign(program, program.base)), USER_DATA & ~NO_EXECUTE)


def overwrite_program(user: UserHalf, space: Space, _: Sections) -> None:
    """Another header and other code in the program's own pages."""
    program = user.modules[0]
    space.map(program.base, space.memory.take(_foreign(program, program.base)), USER_READ | DIRTY)
    space.map(program.base + PAGE, space.memory.take(b"\x55\x48\x8b\xec PUT IN"), USER_CODE | DIRTY)


def blind_loader(user: UserHalf, space: Space, _: Sections) -> None:
    """The functions with which the loader asks about the program answer for it: one at once, one by way of new code."""
    ntdll = user.modules[1]
    code = bytearray(ntdll.program.pages[STUBS // PAGE].ljust(PAGE, b"\0"))
    asks, patches = (place_of(service) - STUBS for service in ("QueryVirtualMemory", "ManageHotPatch"))
    answer, at = user.zone + ANSWER, ntdll.base + STUBS
    code[asks - 8 : asks] = answer.to_bytes(8, "little")
    code[asks : asks + 8] = bytes.fromhex("ff25f2ffffff9090")  # jmp by the address in front of it
    code[patches : patches + 6] = NOT_SUPPORTED
    space.map(at, space.memory.take(bytes(code)), USER_CODE | DIRTY)
    user.pages[:] = [page for page in user.pages if page["va"] != at]
    user.regions.append(Region(answer, PAGE, EXECUTE_READ, "answers for the kernel", commit=1, mem_commit=True))
    asked = bytes.fromhex("4983f80e7506") + NOT_SUPPORTED + stub(SERVICES["QueryVirtualMemory"])
    space.map(answer, space.memory.take(asked), USER_CODE)


def map_nameless(user: UserHalf, _: Space, sections: Sections) -> None:
    """An image behind which there is no file."""
    at = user.zone + NAMELESS
    nameless = sections.image_without_file(user.modules[0].program, at)
    user.regions.append(Region(at, 16 * PAGE, EXECUTE_WRITE_COPY, "without a file", nameless, 2, 4))


def move_program(victim: Victim) -> None:
    """The PEB names a library as the program."""
    user = victim.process.user
    victim.set_field(victim.process.space, PEB, user.peb, "ImageBaseAddress", user.modules[1].base)


def _foreign(program: Module, base: int) -> bytes:
    """The header of another program."""
    return replace(program.program, timestamp=NEW_TIME, entry=program.program.entry ^ 0x10).headers(base)
