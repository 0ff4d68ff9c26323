"""The user half of a process: program and libraries, PEB, parameters, stacks, heap, and pages in every state."""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field, replace
from typing import Any

from process_anatomy.forge.address_space import sections as sec
from process_anatomy.forge.address_space.sections import Section, Sections
from process_anatomy.forge.address_space.vads import Region
from process_anatomy.forge.cast.lab import ALL, PAGED_OUT, SYSTEM32, Actor
from process_anatomy.forge.cast.older import context_for, then_path
from process_anatomy.forge.ground.generations import one_desktop, processors, version_of
from process_anatomy.forge.memory.frames import COPY_ON_WRITE, NO_EXECUTE, PAGE, USER_CODE, USER_DATA, USER_READ
from process_anatomy.forge.memory.page_tables import PROTECTION_SHIFT, Entries, Space
from process_anatomy.forge.objects.object_manager import ObjectManager
from process_anatomy.forge.pe import headers as pe
from process_anatomy.forge.pe.contents import SIGNATURE, contents
from process_anatomy.forge.processes.csr import LIBRARY as SUBSYSTEM_LIBRARY
from process_anatomy.forge.processes.csr import SERVER as SUBSYSTEM
from process_anatomy.forge.program.blocks import ParameterBlock, loader_lists, process_block, thread_block
from process_anatomy.forge.program.wow64 import (
    FIRST_TEB,
    LIBRARY_STEPS,
    LIBRARY_TOP,
    NATIVE_LIBRARIES,
    PROGRAM_BASE,
    SMALL_TEB,
    TEB_PAGES,
    SmallHalf,
    small_half,
    small_libraries,
)  # fmt: skip
from process_anatomy.forge.traces.misfits import loaded, shape
from process_anatomy.forge.traces.odd_pages import odd_pages
from structs.peb import PEB

SHARED_PAGE = 0x7FFE0000
FIRST_SWIZZLED_BUILD, FIRST_NEW_PAGEFILE_BUILD = 15063, 17763
LIBRARIES = ("ntdll.dll", "kernel32.dll", "KernelBase.dll")
OLD_LIBRARIES = ("ntdll.dll", "kernel32.dll", "advapi32.dll")
"""What every program has loaded, since Windows 7 and before."""
LOCALE = "\\Windows\\System32\\locale.nls"
LOCALE_PAGES = 0xA9
LOW_AREAS = 0x10, 0x100
"""First 2 MB pages for blocks and stacks, and for the rest, of processes whose memory is trimmed, and of 32-bit ones:
all of it lies in the lowest gigabyte, as without high-entropy address randomisation, so that few page tables are
needed."""
TOPS = {True: (0x7FF800000000, 0x600, 0x7FF600000000, 0x1000), False: (0x7FEF0000000, 8, 0x13F000000, 0x100)}
"""Whether user space has 128 TB (since Windows 8.1) or 8 to: where the highest library may lie, by how many steps of
16 MB above, where programs lie, and by how many megabytes above."""


@dataclass(frozen=True)
class Module:
    """An image and where it is mapped in this boot."""

    name: str
    path: str
    base: int
    section: Section

    @property
    def program(self) -> pe.Program:
        """What its headers say."""
        assert self.section.image is not None
        return self.section.image

    def facts(self) -> dict[str, Any]:
        """The module as the loader's lists show it."""
        return {
            "base": self.base,
            "checksum": self.program.checksum,
            "entry": self.base + self.program.entry,
            "file": self.section.file,
            "name": self.name,
            "path": self.path,
            "size": self.program.size,
            "timestamp": self.program.timestamp,
        }


@dataclass
class UserSpace:
    """What a process got: the truth of its user half."""

    peb: int = 0
    tebs: list[int] = field(default_factory=list)
    stacks: list[tuple[int, int]] = field(default_factory=list)
    heap: int = 0
    heaps: list[int] = field(default_factory=list)
    ldr: int = 0
    modules: list[Module] = field(default_factory=list)
    unlisted: list[Module] = field(default_factory=list)
    listed: list[dict[str, Any]] = field(default_factory=list)
    parameters: int = 0
    regions: list[Region] = field(default_factory=list)
    pages: list[dict[str, Any]] = field(default_factory=list)
    odd_pages: list[dict[str, Any]] = field(default_factory=list)
    command_line: str = ""
    current_directory: str = ""
    environment: dict[str, str] = field(default_factory=dict)
    small: SmallHalf | None = None


class Users:
    """Builds user halves; images keep their base for the whole boot, as address randomisation does."""

    def __init__(self, objects: ObjectManager, sections: Sections, computer: str, entries: Entries) -> None:
        self.objects, self.sections, self.computer = objects, sections, computer
        self.build, self.dice = objects.build, objects.dice
        self.entries, self.narrow = entries, objects.build.pointer_size == 4
        self.bits = 8 * self.build.pointer_size
        self._program_steps = 0
        self.shared_frame = objects.kernel.memory.take()
        self.shared_page_2 = SHARED_PAGE + PAGE * self.dice.between(1, 14)
        self._images: dict[str, Module] = {}
        self._small_library_top = LIBRARY_TOP + (self.dice.below(LIBRARY_STEPS) << 16)
        top, steps, self._programs, self._program_steps = TOPS[version_of(self.build) >= (6, 3)]
        self._library_top = top + (self.dice.below(steps) << 24) + (self.dice.below(0x80) << 21)

    def module(self, path: str, library: bool = False, bits: int | None = None) -> Module:
        """The image at a path, where it is mapped in this boot; ``bits`` of its addresses, where not the kernel's."""
        bits = bits or self.bits
        if path not in self._images:
            parts: tuple[pe.Section, ...] = pe.DLL_SECTIONS if library else pe.EXE_SECTIONS
            if bits == pe.BITS_32:
                parts = pe.without_exception_table(parts)
            size = parts[-1].end
            if library and bits == pe.BITS_32:
                base = self._small_library_top
                self._small_library_top -= size + (self.dice.between(1, 9) << 16)
            elif bits == pe.BITS_32:
                base = PROGRAM_BASE
            elif library:
                base = self._library_top
                self._library_top -= size + (self.dice.between(1, 9) << 16)
            else:
                base = self._programs + (self.dice.below(self._program_steps) << 20)
                base += self.dice.below(0xB) << 16
            entry, timestamp = 0x1000 + 16 * self.dice.between(1, 0x400), 0x60000000 | self.dice.bits(28)
            program = pe.Program(size, entry, parts, timestamp, self.dice.bits(19), {}, library, bits=bits)
            if not library:
                rdata, rsrc = (next(part.start for part in parts if part.name == name) for name in (".rdata", ".rsrc"))
                held = contents(path, rdata, rsrc, timestamp, bits)
                windows = path.lower().startswith("c:\\windows\\")
                program = replace(
                    program, directories=held.directories, pages=held.pages, facts=held.facts, rich=held.rich,
                    mitigations=pe.RANDOMISED if windows else pe.OLD_FASHIONED, overlay=SIGNATURE if windows else 0,
                )  # fmt: skip
            section = self.sections.image(path[2:], program, base)
            self._images[path] = Module(path.rpartition("\\")[2], path, base, section)
        return self._images[path]

    def make(self, actor: Actor, space: Space, first_tid: int) -> UserSpace:
        """Fill the user half of a process."""
        user, whole = UserSpace(), actor.memory == ALL
        if whole:
            space.map(SHARED_PAGE, self.shared_frame, USER_READ)
        usual = LIBRARIES if version_of(self.build) >= (6, 1) else OLD_LIBRARIES
        names: tuple[str, ...] = NATIVE_LIBRARIES if actor.wow64 else usual
        names += (SUBSYSTEM_LIBRARY,) if actor.name == SUBSYSTEM else ()
        libraries = [self.module(SYSTEM32 + name, library=True) for name in names]
        program = self.module(actor.path, bits=pe.BITS_32 if actor.wow64 else self.bits)
        user.modules = [program, *libraries]
        user.unlisted = [self.module(path, library=True) for path in (actor.unlisted,) if path]
        add = user.regions.append
        add(Region(SHARED_PAGE, PAGE, sec.READ_ONLY, "shared data", commit=1, mem_commit=True))
        if version_of(self.build) >= (6, 3):
            add(Region(self.shared_page_2, PAGE, sec.READ_ONLY, "hypervisor shared data", commit=1, mem_commit=True))
        small = small_libraries(self) if actor.wow64 else []
        for module in [*user.modules, *small, *user.unlisted]:
            commit = self.dice.between(2, 16)
            add(
                Region(module.base, module.program.size, sec.EXECUTE_WRITE_COPY, module.name, module.section, 2, commit)
            )
        for module in [*user.modules[:2], *user.modules[4:], *small, *user.unlisted] if whole else []:
            for page, frame in module.section.frames.items():
                if page or not (actor.headless and module is program):
                    space.map(module.base + page * PAGE, frame, USER_READ | COPY_ON_WRITE)
                    self.note(user, module.base + page * PAGE, "valid", module.name, frame)
        if whole and not actor.wow64 and not self.narrow:
            area = (self.dice.between(0x10, 0xFF) << 32) + (self.dice.below(0x400) << 21)
            zone = (self.dice.between(0x100, 0x1FF) << 32) + (self.dice.below(0x400) << 21)
        else:
            area, zone = (self.dice.between(first, first + 0x60) << 21 for first in LOW_AREAS)
        self._thread_area(actor, space, user, area, first_tid)
        if whole:
            self._mapped_files(actor, space, user, zone)
        self._heap(actor, space, user, zone + 0x100000)
        if actor.wow64 and actor.memory != PAGED_OUT:
            user.small = small_half(self, actor, space, user, [program, *small], zone + 0x500000, first_tid)
        add(Region(zone + 0x200000, 0x100000, sec.READ_WRITE, "heap", commit=self.dice.between(3, 40)))
        add(Region(zone + 0x400000, 0x20000, sec.NO_ACCESS, "reserved"))
        if actor.odd_pages:
            user.odd_pages = odd_pages(space, user, zone)
        shape(actor, self.sections, space, user, zone)
        if actor.large_page:
            size = 1 << space.mode.large_shift
            self._large_page(space, user, zone + 0x600000 + size - 1 & -size)
        for number in range(actor.extra_regions):
            start = zone + 0x1000000 + 0x20000 * number
            add(Region(start, 0x10000, sec.READ_WRITE, "private", commit=self.dice.between(1, 16)))
        if actor.memory == PAGED_OUT:
            shift = space.mode.swap_shift
            ranges = [(region.start >> shift, region.start + region.size - 1 >> shift) for region in user.regions]
            for part in sorted({part for first, last in ranges for part in range(first, last + 1)}):
                swapped = self.entries.pagefile(0, self.dice.between(0x1000, 0xFFFF), sec.READ_WRITE)
                space.page_out(part << shift, self.entries.stored(swapped))
        return user

    def note(self, user: UserSpace, address: int, state: str, note: str, frame: int | None) -> None:
        """Add a page to the truth: how it lies there and what it holds."""
        content = None if frame is None else bytes(self.objects.kernel.memory.pages[frame])
        if state == "demand-zero":
            content = bytes(PAGE)
        user.pages.append(
            {
                "crc32": None if content is None else zlib.crc32(content),
                "head": None if content is None else content[:16].hex(),
                "note": note,
                "state": state,
                "va": address,
            }
        )

    def private(self, space: Space, address: int, content: bytes = b"", flags: int = USER_DATA) -> int:
        """Map one private page; gives its frame."""
        frame = space.memory.take(content)
        space.map(address, frame, flags)
        return frame

    def _thread_area(self, actor: Actor, space: Space, user: UserSpace, area: int, first_tid: int) -> None:
        """PEB, TEBs and stacks: one region for the blocks, one for each stack behind it."""
        first_teb, pages = FIRST_TEB[actor.wow64], TEB_PAGES[actor.wow64]
        commit = first_teb + pages * actor.threads
        long = one_desktop(self.build)
        user.regions.append(Region(area, 0x200000, sec.READ_WRITE, "PEB and TEBs", commit=commit, long=long))
        user.peb = area + PAGE * self.dice.between(1, 0x80)
        assert self.build[PEB].sizeof <= PAGE
        if actor.memory != PAGED_OUT:
            self.private(space, user.peb)
        ended = {plan.thread for plan in actor.plans if plan.ended is not None}
        for index in range(actor.threads):
            stack = area + 0x200000 + 0x100000 * index
            size = 0x80000 if index else 0x100000
            base = stack + size
            user.stacks.append((base, base - 0x3000))
            teb = user.peb + PAGE * (first_teb + pages * index)
            user.tebs.append(teb)
            if index in ended:
                continue  # its TEB and its stack went with it
            if actor.memory == ALL:
                tid = first_tid + 4 * index
                small = teb + SMALL_TEB if actor.wow64 else 0
                content = thread_block(self.build, teb, user.peb, user.stacks[-1], stack, actor.pid, tid, small)
                self.private(space, teb, content[:PAGE])
                # the second halves of most others are not in memory, which keeps the image small
                if len(content) > PAGE and (index == 0 or actor.wow64):
                    self.private(space, teb + PAGE, content[PAGE:])
            commit = self.dice.between(3, 9)
            user.regions.append(Region(stack, size, sec.READ_WRITE, "stack", commit=commit))
        guard = area + 0x200000 + 0x100000 * actor.threads
        user.regions.append(Region(guard, 0x3000, sec.GUARD | sec.READ_WRITE, "guarded", commit=3))
        if actor.memory != ALL:
            return
        top = user.stacks[0][0] - PAGE
        frame = self.private(space, top, b"STACK-PAGE " + bytes([self.dice.bits(8) for _ in range(64)]))
        self.note(user, top, "valid", "stack", frame)
        space.entry(guard, self.entries.stored((sec.GUARD | sec.READ_WRITE) << PROTECTION_SHIFT))
        self.note(user, guard, "guard-demand-zero", "guard page", None)

    def _mapped_files(self, actor: Actor, space: Space, user: UserSpace, zone: int) -> None:
        add = user.regions.append
        shared = self.sections.shared_memory(16, b"SHARED-PAGE " + actor.name.encode())
        add(Region(zone + 0x10000, 0x10000, sec.READ_WRITE, "shared memory", shared))
        space.map(zone + 0x10000, shared.frames[0], USER_DATA)
        self.note(user, zone + 0x10000, "valid", "shared memory", shared.frames[0])
        read_only = self.sections.shared_memory(4, b"READ-ONLY SHARED-PAGE " + actor.name.encode())
        add(Region(zone + 0x20000, 0x4000, sec.READ_ONLY, "shared memory", read_only))
        add(Region(zone + 0x30000, 0x2000, sec.EXECUTE_READ, "generated code", commit=2, mem_commit=True))
        frame = self.private(space, zone + 0x30000, b"\x48\x8b\xc4\xc3" + b"\xcc" * 60, USER_CODE)
        self.note(user, zone + 0x30000, "valid", "generated code", frame)
        if actor.injected:
            add(Region(zone + 0x40000, 0x4000, sec.EXECUTE_READ_WRITE, "injected", commit=4, mem_commit=True))
            code = b"\xfc\x48\x83\xe4\xf0\xe8\x00\x00\x00\x00 this is practice, not a program \x90\x90\xc3"
            frame = self.private(space, zone + 0x40000, code, USER_DATA & ~NO_EXECUTE)
            self.note(user, zone + 0x40000, "valid", "injected", frame)
        contents = [f"NLS-PAGE-{index} ".encode() * 20 for index in range(3)]
        locale = self.sections.data(LOCALE, LOCALE_PAGES, contents)
        start = zone + 0x50000
        add(Region(start, LOCALE_PAGES * PAGE, sec.READ_ONLY, "locale.nls", locale))
        space.map(start, locale.frames[0], USER_READ)
        self.note(user, start, "valid", LOCALE, locale.frames[0])
        size = space.mode.entry_size
        space.entry(start + PAGE, self.entries.stored(self.entries.prototype(locale.prototypes + size)))
        self.note(user, start + PAGE, "prototype-valid", LOCALE, locale.frames[1])
        space.entry(start + 2 * PAGE, self.entries.stored(self.entries.prototype_by_vad(sec.READ_ONLY)))
        self.note(user, start + 2 * PAGE, "prototype-vad-transition", LOCALE, locale.frames[2])
        space.entry(start + 3 * PAGE, self.entries.stored(self.entries.prototype(locale.prototypes + 3 * size)))
        self.note(user, start + 3 * PAGE, "prototype-not-resident", LOCALE, None)

    def _heap(self, actor: Actor, space: Space, user: UserSpace, heap: int) -> None:
        """The default heap: parameters, environment and loader data lie in it, then pages in other states."""
        user.heap = heap
        user.regions.append(Region(heap, 0x100000, sec.READ_WRITE, "heap", commit=self.dice.between(16, 64)))
        if actor.memory == PAGED_OUT:
            return
        if actor.memory == ALL:
            self.private(space, heap, bytes(16) + (0xFFEEFFEE).to_bytes(4, "little"))
        at_home = actor.session == 1 if not one_desktop(self.build) else context_for(self.build, actor.context).person
        home = then_path(self.build, "C:\\Users\\student\\")
        user.current_directory = home if at_home else "C:\\Windows\\system32\\"
        quoted = f'"{actor.path}"' if " " in actor.path else actor.path
        user.command_line = f"{quoted} {actor.arguments}".rstrip()
        user.environment = self._environment(actor)
        block = ParameterBlock(heap + 0x16F0, actor, user.command_line, user.current_directory, user.environment)
        written = block.build(self.build)
        lists_at = (block.address + len(written) + 0x4F) & -16
        user.listed = loaded(actor, user)
        user.ldr, data = loader_lists(self.build, lists_at, user.listed)
        end = lists_at + len(data)
        for page in range(heap + PAGE, end, PAGE):
            self.private(space, page)
        space.write(block.address, written)
        space.write(lists_at, data)
        first, user.parameters = user.modules[0], block.address
        user.heaps = [heap, heap + 0x100000]
        peb = process_block(self.build, user.peb, first.base, user.ldr, block.address, user.heaps, actor, self.build)
        space.write(user.peb, peb)
        self.note(user, user.peb, "valid", "PEB", space.mapped[user.peb // PAGE])
        if actor.memory != ALL:
            return
        rest = heap + 0x20000
        frame = space.memory.take(b"TRANSITION-PAGE " + bytes([self.dice.bits(8) for _ in range(64)]))
        space.entry(rest, self.entries.stored(self.entries.transition(frame, sec.READ_WRITE)))
        self.note(user, rest, "transition", "heap", frame)
        space.entry(rest + PAGE, self.entries.stored(sec.READ_WRITE << PROTECTION_SHIFT))
        self.note(user, rest + PAGE, "demand-zero", "heap", None)
        swapped = self.dice.between(0x1000, 0xFFFF)
        space.entry(rest + 2 * PAGE, self.entries.stored(self.entries.pagefile(0, swapped, sec.READ_WRITE)))
        self.note(user, rest + 2 * PAGE, "pagefile", f"pagefile 0 page {swapped:#x}", None)
        self.note(user, rest + 3 * PAGE, "vad-demand-zero", "heap", None)

    def _large_page(self, space: Space, user: UserSpace, address: int) -> None:
        first = space.memory.take_large()
        space.map_large(address, first, USER_DATA)
        pages = space.mode.large_frames
        region = Region(
            address, pages * PAGE, sec.READ_WRITE, "large page", kind=5, commit=pages, mem_commit=True
        )  # fmt: skip
        user.regions.append(region)
        for page in (0, 0x137):
            space.write(address + page * PAGE, f"LARGE-PAGE-{page} ".encode() + b"L" * 200)
            self.note(user, address + page * PAGE, "large", "2 MB page", first + page)

    def _environment(self, actor: Actor) -> dict[str, str]:
        context = context_for(self.build, actor.context)
        logon, person = context.logon, context.person
        profile = (
            then_path(self.build, f"C:\\Users\\{logon.account}")
            if person
            else "C:\\Windows\\system32\\config\\systemprofile"
        )
        temporary = profile + then_path(self.build, "\\AppData\\Local\\Temp") if person else "C:\\Windows\\TEMP"
        return {
            "ALLUSERSPROFILE": "C:\\ProgramData",
            "COMPUTERNAME": self.computer,
            "ComSpec": "C:\\Windows\\system32\\cmd.exe",
            "NUMBER_OF_PROCESSORS": str(processors(self.build)),
            "OS": "Windows_NT",
            "Path": "C:\\Windows\\system32;C:\\Windows;C:\\Windows\\System32\\Wbem",
            "PATHEXT": ".COM;.EXE;.BAT;.CMD;.VBS;.JS",
            "PROCESSOR_ARCHITECTURE": "x86" if self.narrow else "AMD64",
            "SystemDrive": "C:",
            "SystemRoot": "C:\\Windows",
            "TEMP": temporary,
            "TMP": temporary,
            "USERDOMAIN": logon.authority if person else "WORKGROUP",
            "USERNAME": logon.account if person else f"{self.computer}$",
            "USERPROFILE": profile,
            "windir": "C:\\Windows",
        }
