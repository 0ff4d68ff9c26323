"""Images of programs and libraries, each at one base for the whole boot, as address randomisation has it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from process_anatomy.forge.address_space.sections import Sections
from process_anatomy.forge.ground.dice import Dice
from process_anatomy.forge.ground.generations import hot_patches, version_of
from process_anatomy.forge.parts.module import Module
from process_anatomy.forge.pe import headers as pe
from process_anatomy.forge.pe.contents import SIGNATURE, contents
from process_anatomy.forge.pe.system_calls import system_calls
from structs.layout import Build

TOPS = {True: (0x7FF800000000, 0x600, 0x7FF600000000, 0x1000), False: (0x7FEF0000000, 8, 0x13F000000, 0x100)}
"""Whether user space has 128 TB (since Windows 8.1) or 8 to: where the highest library may lie, by how many steps of
16 MB above, where programs lie, and by how many megabytes above."""
PROGRAM_BASE = 0x400000
"""Where linkers have always put 32-bit programs; those without address randomisation stay there."""
LIBRARY_TOP, LIBRARY_STEPS = 0x76000000, 0x180
"""Lowest address of the highest 32-bit library, and how many steps of 64 KB it may lie above that."""

NATIVE_LAYER = "ntdll.dll"
"""The library through which every program asks the kernel."""
EXTENSIONS = {"KernelBase.dll": 2}
"""Pages behind the end of libraries that have not just one."""
APPLIED_FORWARD, PATCH_IMAGE = 3, 9
"""State of a library that was patched (_LDR_HOT_PATCH_STATE), and why its patch was loaded (_LDR_DLL_LOAD_REASON)."""


def patch_path(library: str) -> str:
    """Where Windows keeps the image that patches a library."""
    name = library.rpartition(".")[0].lower()
    folder = f"amd64_microsoft-windows-{name}_31bf3856ad364e35_10.0.26100.1742_none_4f1c2b7a9d106a1f"
    return f"C:\\Windows\\WinSxS\\{folder}\\{name}_hotpatch.dll"


def tell_patches(told: list[dict[str, Any]], patches: tuple[str, ...]) -> None:
    """What the loader's entries say of libraries that were patched while they were in use, and of the patches."""
    by_path = {facts["path"]: facts for facts in told}
    for facts in told:
        patch = by_path.get(patch_path(facts["name"])) if facts["name"] in patches else None
        if patch is not None:
            facts |= {"hot_patch": APPLIED_FORWARD, "patch_base": patch["base"]}
            patch["reason"] = PATCH_IMAGE


class Images:
    """Makes the images that processes map."""

    def __init__(self, build: Build, sections: Sections, dice: Dice) -> None:
        self.sections, self.dice = sections, dice
        self.bits, self.hot_patches = 8 * build.pointer_size, hot_patches(build)
        self._known: dict[str, Module] = {}
        self._small_library_top = LIBRARY_TOP + (dice.below(LIBRARY_STEPS) << 16)
        top, steps, self._programs, self._program_steps = TOPS[version_of(build) >= (6, 3)]
        self._library_top = top + (dice.below(steps) << 24) + (dice.below(0x80) << 21)

    def at(self, path: str, library: bool = False, bits: int | None = None) -> Module:
        """The image at a path, where it is mapped in this boot; ``bits`` of its addresses, where not the kernel's."""
        bits = bits or self.bits
        if path not in self._known:
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
            windows = path.lower().startswith("c:\\windows\\")
            name = path.rpartition("\\")[2]
            extended = self.hot_patches and windows and library and bits == pe.BITS_64
            if extended and name == NATIVE_LAYER:
                held_calls = system_calls(name, next(p.start for p in parts if p.name == ".rdata"), timestamp)
                program = replace(program, directories=held_calls.directories, pages=held_calls.pages)
            if not library:
                rdata, rsrc = (next(part.start for part in parts if part.name == name) for name in (".rdata", ".rsrc"))
                held = contents(path, rdata, rsrc, timestamp, bits)
                program = replace(
                    program, directories=held.directories, pages=held.pages, facts=held.facts, rich=held.rich,
                    mitigations=pe.RANDOMISED if windows else pe.OLD_FASHIONED, overlay=SIGNATURE if windows else 0,
                )  # fmt: skip
            section = self.sections.image(path[2:], program, base)
            extension = EXTENSIONS.get(name, 1) if extended else 0
            self._known[path] = Module(name, path, base, section, extension)
        return self._known[path]
