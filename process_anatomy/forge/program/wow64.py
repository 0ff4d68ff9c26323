"""The 32-bit half of a WOW64 process: second PEB, parameters, loader's lists, libraries from SysWOW64.

Sources: "Running 32-bit Applications" and "WOW64 Implementation Details" (learn.microsoft.com/windows/win32/winprog64):
the 64-bit loader loads ntdll.dll and wow64.dll, which load the 32-bit ntdll.dll; 32-bit system libraries lie in
SysWOW64; a 32-bit program is told another processor architecture than a 64-bit one.
"""

from __future__ import annotations

from process_anatomy.forge.ground.actors import Actor
from process_anatomy.forge.ground.dice import Dice
from process_anatomy.forge.ground.generations import version_of
from process_anatomy.forge.memory.frames import PAGE
from process_anatomy.forge.memory.page_tables import Space
from process_anatomy.forge.memory.protections import READ_WRITE
from process_anatomy.forge.parts.module import Module
from process_anatomy.forge.parts.region import Region
from process_anatomy.forge.parts.user_half import SmallHalf, UserHalf
from process_anatomy.forge.pe.headers import BITS_32
from process_anatomy.forge.program.blocks import ParameterBlock, loader_lists, process_block, thread_block
from process_anatomy.forge.program.images import Images
from structs import builds
from structs.layout import Build
from structs.peb import PEB

NATIVE_LIBRARIES = ("ntdll.dll", "wow64.dll")
"""What the 64-bit loader of a 32-bit process lists behind the program."""
SYSWOW64 = "C:\\Windows\\SysWOW64\\"
SMALL_LIBRARIES = ("ntdll.dll", "kernel32.dll")
FIRST_TEB = {False: 1, True: 2}
"""Pages from the PEB to the first TEB: a 32-bit PEB may lie on the page behind the 64-bit one."""
TEB_PAGES = {False: 2, True: 3}
"""Pages of a thread's blocks: a 32-bit TEB follows the 64-bit one."""
FIRST_BEHIND = (6, 2)
"""Version since which the 32-bit PEB lies on the page behind the 64-bit one; up to Windows 7 on the one before."""
SMALL_TEB = 2 * PAGE
"""From a thread's 64-bit TEB to its 32-bit one."""
STACKS, STACK_SIZE = 0x400000, 0x100000
"""From the 32-bit heap to the first 32-bit stack, and from one to the next."""
HEAP_SIZE = 0x100000
ARCHITECTURE = {"PROCESSOR_ARCHITECTURE": "x86", "PROCESSOR_ARCHITEW6432": "AMD64"}


def small_libraries(images: Images) -> list[Module]:
    """The 32-bit libraries of every WOW64 process, where they are mapped in this boot."""
    return [images.at(SYSWOW64 + name, library=True, bits=BITS_32) for name in SMALL_LIBRARIES]


def small_half(
    kernel: Build,
    dice: Dice,
    actor: Actor,
    space: Space,
    user: UserHalf,
    modules: list[Module],
    heap: int,
    first_tid: int,
) -> SmallHalf:
    """Write the 32-bit half of a process whose 64-bit half is there.

    Args:
        kernel: the build that runs.
        dice: decides how much is committed.
        actor: whose process.
        space: its page tables.
        user: its user half.
        modules: what the 32-bit loader lists.
        heap: start of a free range below 4 GB.
        first_tid: id of its first thread.
    """
    build = builds.wow64(kernel.number)
    before = version_of(kernel) < FIRST_BEHIND
    at, heaps = user.peb + (-PAGE if before else PAGE), [heap]
    assert build[PEB].sizeof <= PAGE
    assert heap + HEAP_SIZE < 1 << 32
    user.regions.append(Region(heap, HEAP_SIZE, READ_WRITE, "32-bit heap", commit=dice.between(8, 32)))
    environment = dict(sorted((user.environment | ARCHITECTURE).items(), key=lambda pair: pair[0].upper()))
    block = ParameterBlock(heap + 0x1280, actor, user.command_line, user.current_directory, environment)
    written = block.build(build)
    lists_at = (block.address + len(written) + 0x4F) & -16
    ldr, data = loader_lists(build, lists_at, [module.facts() for module in modules])
    for page in range(heap + PAGE, lists_at + len(data), PAGE):
        space.put(page)
    space.write(block.address, written)
    space.write(lists_at, data)
    content = process_block(build, at, modules[0].base, ldr, block.address, heaps, actor, kernel)
    frame = space.put(at, content)
    user.note(at, "valid", "32-bit PEB", space.memory.pages[frame])
    tebs = [teb + SMALL_TEB for teb in user.tebs]
    for index, teb in enumerate(tebs):
        low = heap + STACKS + STACK_SIZE * index
        base = low + STACK_SIZE
        user.regions.append(Region(low, STACK_SIZE, READ_WRITE, "32-bit stack", commit=4))
        tid = first_tid + 4 * index
        space.put(teb, thread_block(build, teb, at, (base, base - 0x2000), low, actor.pid, tid)[:PAGE])
    return SmallHalf(at, ldr, heaps, modules, environment, tebs)
