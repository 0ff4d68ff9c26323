"""The user half of a process: program and libraries, PEB, parameters, stacks, heap, and pages in every state."""

from __future__ import annotations

from collections.abc import Mapping

from process_anatomy.forge.address_space.sections import Sections
from process_anatomy.forge.ground.actors import ALL, PAGED_OUT, Actor, Scenario
from process_anatomy.forge.ground.generations import hot_patches, one_desktop, version_of
from process_anatomy.forge.ground.paths import SYSTEM32, then_path
from process_anatomy.forge.memory.entries import PROTECTION_SHIFT, Entries
from process_anatomy.forge.memory.frames import COPY_ON_WRITE, NO_EXECUTE, PAGE, USER_CODE, USER_DATA, USER_READ
from process_anatomy.forge.memory.page_tables import Space
from process_anatomy.forge.memory.protections import (
    EXECUTE_READ,
    EXECUTE_READ_WRITE,
    GUARD,
    NO_ACCESS,
    READ_ONLY,
    READ_WRITE,
)
from process_anatomy.forge.objects.object_manager import ObjectManager
from process_anatomy.forge.parts.region import Region
from process_anatomy.forge.parts.user_half import UserHalf
from process_anatomy.forge.pe.headers import BITS_32
from process_anatomy.forge.program.blocks import ParameterBlock, loader_lists, process_block, thread_block
from process_anatomy.forge.program.environment import environment
from process_anatomy.forge.program.images import Images, patch_path, tell_patches
from process_anatomy.forge.program.wow64 import (
    FIRST_TEB,
    NATIVE_LIBRARIES,
    SMALL_TEB,
    TEB_PAGES,
    small_half,
    small_libraries,
)
from process_anatomy.forge.security.contexts import CONTEXTS, Context
from process_anatomy.forge.security.older import context_for
from process_anatomy.forge.traces.odd_pages import odd_pages
from process_anatomy.forge.traces.table import change_memory, told_modules
from structs.peb import PEB

SHARED_PAGE = 0x7FFE0000
LIBRARIES = ("ntdll.dll", "kernel32.dll", "KernelBase.dll")
OLD_LIBRARIES = ("ntdll.dll", "kernel32.dll", "advapi32.dll")
"""What every program has loaded, since Windows 7 and before."""
GUARD_CODE = bytes.fromhex("48ffe0cccccccccc") * 8
"""Code that dispatches checked calls, as the kernel maps it behind the end of images."""
LOCALE = "\\Windows\\System32\\locale.nls"
LOCALE_PAGES = 0xA9
LOW_AREAS = 0x10, 0x100
"""First 2 MB pages for blocks and stacks, and for the rest, of processes whose memory is trimmed, and of 32-bit ones:
all of it lies in the lowest gigabyte, as without high-entropy address randomisation, so that few page tables are
needed."""


class UserHalves:
    """Builds user halves.

    Attributes:
        images: what they map.
        shared_frame: frame of _KUSER_SHARED_DATA.
    """

    def __init__(
        self, objects: ObjectManager, sections: Sections, entries: Entries, scenario: Scenario,
        contexts: Mapping[str, Context] = CONTEXTS,
    ) -> None:  # fmt: skip
        self.build, self.dice = objects.build, objects.dice
        self.sections, self.entries, self.scenario, self.contexts = sections, entries, scenario, contexts
        self.narrow = objects.build.pointer_size == 4
        self.shared_frame = objects.kernel.memory.take()
        self.shared_page_2 = SHARED_PAGE + PAGE * self.dice.between(1, 14)
        self.images = Images(self.build, sections, self.dice)
        if hot_patches(self.build):
            self.extension_frame = objects.kernel.memory.take(GUARD_CODE)

    def make(self, actor: Actor, space: Space, first_tid: int) -> UserHalf:
        """Fill the user half of a process."""
        user, whole = UserHalf(), actor.memory == ALL
        if actor.memory != PAGED_OUT:  # the one page that all share is in memory as long as tables that map it are
            space.map(SHARED_PAGE, self.shared_frame, USER_READ)
        usual = LIBRARIES if version_of(self.build) >= (6, 1) else OLD_LIBRARIES
        names: tuple[str, ...] = NATIVE_LIBRARIES if actor.wow64 else usual
        names += actor.libraries
        libraries = [self.images.at(SYSTEM32 + name, library=True) for name in names]
        program = self.images.at(actor.path, bits=BITS_32 if actor.wow64 else None)
        user.modules = [program, *libraries]
        if hot_patches(self.build):
            user.modules += [self.images.at(patch_path(name), library=True) for name in actor.patches]
        user.unlisted = [self.images.at(path, library=True) for path in (actor.unlisted,) if path]
        add = user.regions.append
        add(Region(SHARED_PAGE, PAGE, READ_ONLY, "shared data", commit=1, mem_commit=True))
        if version_of(self.build) >= (6, 3):
            add(Region(self.shared_page_2, PAGE, READ_ONLY, "hypervisor shared data", commit=1, mem_commit=True))
        small = small_libraries(self.images) if actor.wow64 else []
        for module in [*user.modules, *small, *user.unlisted]:
            add(module.region(self.dice.between(2, 16)))
        for module in [*user.modules[:2], *user.modules[4:], *small, *user.unlisted] if whole else []:
            for page, frame in module.section.frames.items():
                if page or not (actor.headless and module is program):
                    rights = USER_CODE if module.program.is_code(page * PAGE) else USER_READ
                    space.map(module.base + page * PAGE, frame, rights | COPY_ON_WRITE)
                    user.note(module.base + page * PAGE, "valid", module.name, space.memory.pages[frame])
            if module.extension:
                space.map(module.end, self.extension_frame, USER_CODE | COPY_ON_WRITE)
                user.note(module.end, "valid", f"behind {module.name}", space.memory.pages[self.extension_frame])
        if whole and not actor.wow64 and not self.narrow:
            area = (self.dice.between(0x10, 0xFF) << 32) + (self.dice.below(0x400) << 21)
            zone = (self.dice.between(0x100, 0x1FF) << 32) + (self.dice.below(0x400) << 21)
        else:
            area, zone = (self.dice.between(first, first + 0x60) << 21 for first in LOW_AREAS)
        user.zone = zone
        self._thread_area(actor, space, user, area, first_tid)
        if whole:
            self._mapped_files(actor, space, user, zone)
        self._heap(actor, space, user, zone + 0x100000)
        if actor.wow64 and actor.memory != PAGED_OUT:
            user.small = small_half(
                self.build, self.dice, actor, space, user, [program, *small], zone + 0x500000, first_tid
            )
        add(Region(zone + 0x200000, 0x100000, READ_WRITE, "heap", commit=self.dice.between(3, 40)))
        add(Region(zone + 0x400000, 0x20000, NO_ACCESS, "reserved"))
        if actor.odd_pages:
            user.odd_pages = odd_pages(user, space)
        change_memory(actor, user, space, self.sections)
        if actor.large_page:
            size = 1 << space.mode.large_shift
            self._large_page(space, user, zone + 0x600000 + size - 1 & -size)
        for number in range(actor.extra_regions):
            start = zone + 0x1000000 + 0x20000 * number
            add(Region(start, 0x10000, READ_WRITE, "private", commit=self.dice.between(1, 16)))
        if actor.memory == PAGED_OUT:
            shift = space.mode.swap_shift
            ranges = [(region.start >> shift, region.start + region.size - 1 >> shift) for region in user.regions]
            for part in sorted({part for first, last in ranges for part in range(first, last + 1)}):
                swapped = self.entries.pagefile(0, self.dice.between(0x1000, 0xFFFF), READ_WRITE)
                space.page_out(part << shift, self.entries.stored(swapped))
        return user

    def _thread_area(self, actor: Actor, space: Space, user: UserHalf, area: int, first_tid: int) -> None:
        """PEB, TEBs and stacks: one region for the blocks, one for each stack behind it."""
        first_teb, pages = FIRST_TEB[actor.wow64], TEB_PAGES[actor.wow64]
        commit = first_teb + pages * actor.threads
        long = one_desktop(self.build)
        user.regions.append(Region(area, 0x200000, READ_WRITE, "PEB and TEBs", commit=commit, long=long))
        user.peb = area + PAGE * self.dice.between(1, 0x80)
        assert self.build[PEB].sizeof <= PAGE
        if actor.memory != PAGED_OUT:
            space.put(user.peb)
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
                space.put(teb, content[:PAGE])
                # the second halves of most others are not in memory, which keeps the image small
                if len(content) > PAGE and (index == 0 or actor.wow64):
                    space.put(teb + PAGE, content[PAGE:])
            commit = self.dice.between(3, 9)
            user.regions.append(Region(stack, size, READ_WRITE, "stack", commit=commit))
        guard = area + 0x200000 + 0x100000 * actor.threads
        user.regions.append(Region(guard, 0x3000, GUARD | READ_WRITE, "guarded", commit=3))
        if actor.memory != ALL:
            return
        top = user.stacks[0][0] - PAGE
        frame = space.put(top, b"STACK-PAGE " + bytes([self.dice.bits(8) for _ in range(64)]))
        user.note(top, "valid", "stack", space.memory.pages[frame])
        space.entry(guard, self.entries.stored((GUARD | READ_WRITE) << PROTECTION_SHIFT))
        user.note(guard, "guard-demand-zero", "guard page")

    def _mapped_files(self, actor: Actor, space: Space, user: UserHalf, zone: int) -> None:
        add = user.regions.append
        shared = self.sections.shared_memory(16, b"SHARED-PAGE " + actor.name.encode())
        add(Region(zone + 0x10000, 0x10000, READ_WRITE, "shared memory", shared))
        space.map(zone + 0x10000, shared.frames[0], USER_DATA)
        user.note(zone + 0x10000, "valid", "shared memory", space.memory.pages[shared.frames[0]])
        read_only = self.sections.shared_memory(4, b"READ-ONLY SHARED-PAGE " + actor.name.encode())
        add(Region(zone + 0x20000, 0x4000, READ_ONLY, "shared memory", read_only))
        add(Region(zone + 0x30000, 0x2000, EXECUTE_READ, "generated code", commit=2, mem_commit=True))
        frame = space.put(zone + 0x30000, b"\x48\x8b\xc4\xc3" + b"\xcc" * 60, USER_CODE)
        user.note(zone + 0x30000, "valid", "generated code", space.memory.pages[frame])
        if actor.injected:
            add(Region(zone + 0x40000, 0x4000, EXECUTE_READ_WRITE, "injected", commit=4, mem_commit=True))
            code = b"\xfc\x48\x83\xe4\xf0\xe8\x00\x00\x00\x00 this is practice, not a program \x90\x90\xc3"
            frame = space.put(zone + 0x40000, code, USER_DATA & ~NO_EXECUTE)
            user.note(zone + 0x40000, "valid", "injected", space.memory.pages[frame])
        if actor.compiles:
            at = zone + 0x48000
            add(Region(at, 0x4000, EXECUTE_READ_WRITE, "compiled code", commit=4, mem_commit=True))
            frame = space.put(at, b"\x55\x48\x8b\xec\x48\x83\xec\x20\xc9\xc3" * 40, USER_DATA & ~NO_EXECUTE)
            user.note(at, "valid", "compiled code", space.memory.pages[frame])
        contents = [f"NLS-PAGE-{index} ".encode() * 20 for index in range(3)]
        locale = self.sections.data(LOCALE, LOCALE_PAGES, contents)
        start = zone + 0x50000
        add(Region(start, LOCALE_PAGES * PAGE, READ_ONLY, "locale.nls", locale))
        space.map(start, locale.frames[0], USER_READ)
        user.note(start, "valid", LOCALE, space.memory.pages[locale.frames[0]])
        size = space.mode.entry_size
        space.entry(start + PAGE, self.entries.stored(self.entries.prototype(locale.prototypes + size)))
        user.note(start + PAGE, "prototype-valid", LOCALE, space.memory.pages[locale.frames[1]])
        space.entry(start + 2 * PAGE, self.entries.stored(self.entries.prototype_by_vad(READ_ONLY)))
        user.note(start + 2 * PAGE, "prototype-vad-transition", LOCALE, space.memory.pages[locale.frames[2]])
        space.entry(start + 3 * PAGE, self.entries.stored(self.entries.prototype(locale.prototypes + 3 * size)))
        user.note(start + 3 * PAGE, "prototype-not-resident", LOCALE)

    def _heap(self, actor: Actor, space: Space, user: UserHalf, heap: int) -> None:
        """The default heap: parameters, environment and loader data lie in it, then pages in other states."""
        user.heap = heap
        user.regions.append(Region(heap, 0x100000, READ_WRITE, "heap", commit=self.dice.between(16, 64)))
        if actor.memory == PAGED_OUT:
            return
        if actor.memory == ALL:
            space.put(heap, bytes(16) + (0xFFEEFFEE).to_bytes(4, "little"))
        context = context_for(self.build, actor.context, self.contexts)
        identified = self.scenario.identity is not None
        at_home = context.person if identified or one_desktop(self.build) else actor.session == 1
        folder = f"C:\\Users\\{context.logon.account}\\" if identified else self.scenario.home
        home = then_path(self.build, folder)
        user.current_directory = home if at_home else "C:\\Windows\\system32\\"
        quoted = f'"{actor.path}"' if " " in actor.path else actor.path
        user.command_line = f"{quoted} {actor.arguments}".rstrip()
        user.environment = environment(self.build, context, self.scenario.computer)
        block = ParameterBlock(heap + 0x16F0, actor, user.command_line, user.current_directory, user.environment)
        written = block.build(self.build)
        lists_at = (block.address + len(written) + 0x4F) & -16
        user.listed = told_modules(actor, user)
        tell_patches(user.listed, actor.patches)
        user.ldr, data = loader_lists(self.build, lists_at, user.listed)
        end = lists_at + len(data)
        for page in range(heap + PAGE, end, PAGE):
            space.put(page)
        space.write(block.address, written)
        space.write(lists_at, data)
        first, user.parameters = user.modules[0], block.address
        user.heaps = [heap, heap + 0x100000]
        peb = process_block(self.build, user.peb, first.base, user.ldr, block.address, user.heaps, actor, self.build)
        space.write(user.peb, peb)
        user.note(user.peb, "valid", "PEB", space.memory.pages[space.mapped[user.peb // PAGE]])
        if actor.memory != ALL:
            return
        rest = heap + 0x20000
        frame = space.memory.take(b"TRANSITION-PAGE " + bytes([self.dice.bits(8) for _ in range(64)]))
        space.entry(rest, self.entries.stored(self.entries.transition(frame, READ_WRITE)))
        user.note(rest, "transition", "heap", space.memory.pages[frame])
        space.entry(rest + PAGE, self.entries.stored(READ_WRITE << PROTECTION_SHIFT))
        user.note(rest + PAGE, "demand-zero", "heap")
        swapped = self.dice.between(0x1000, 0xFFFF)
        space.entry(rest + 2 * PAGE, self.entries.stored(self.entries.pagefile(0, swapped, READ_WRITE)))
        user.note(rest + 2 * PAGE, "pagefile", f"pagefile 0 page {swapped:#x}")
        user.note(rest + 3 * PAGE, "vad-demand-zero", "heap")

    def _large_page(self, space: Space, user: UserHalf, address: int) -> None:
        first = space.memory.take_large()
        space.map_large(address, first, USER_DATA)
        pages = space.mode.large_frames
        region = Region(
            address, pages * PAGE, READ_WRITE, "large page", kind=5, commit=pages, mem_commit=True
        )  # fmt: skip
        user.regions.append(region)
        for page in (0, 0x137):
            space.write(address + page * PAGE, f"LARGE-PAGE-{page} ".encode() + b"L" * 200)
            user.note(address + page * PAGE, "large", "2 MB page", space.memory.pages[first + page])
