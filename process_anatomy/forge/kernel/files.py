"""Names of the kernel's file: as it was built, as it is installed, and where the list of modules says it lies.

Source: "Windows Internals" (ntoskrnl.exe for one processor, ntkrnlmp.exe for several; ntkrnlpa.exe and ntkrpamp.exe
with physical address extension); ntkrla57.exe, for page tables of five levels, is loaded as ntoskrnl.exe.
"""

from __future__ import annotations

from process_anatomy.forge.ground.generations import processors, version_of
from process_anatomy.forge.memory.modes import LA57, PAE, Mode
from structs.layout import Build


def kernel_file(build: Build, mode: Mode) -> str:
    """Name, without ending, that the kernel's file was built under; its symbols have it too."""
    if mode is LA57:
        return "ntkrla57"
    if mode.is_long:
        return "ntkrnlmp"
    if processors(build) == 1:
        return "ntkrnlpa" if mode is PAE else "ntoskrnl"
    return "ntkrpamp" if mode is PAE else "ntkrnlmp"


def installed_as(build: Build, mode: Mode) -> str:
    """Name of the kernel's file on disk: set-up gives the kernels for several processors those of one."""
    return "ntkrnlpa.exe" if mode is PAE else "ntoskrnl.exe"


def kernel_folder(build: Build) -> str:
    """The folder that the kernel was loaded from, as the list of modules has it."""
    return "\\WINDOWS\\system32\\" if version_of(build) < (6, 0) else "\\SystemRoot\\system32\\"
