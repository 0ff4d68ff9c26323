"""An identified kernel: its address space, the layout that applies, and where its processes begin."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np

from process_anatomy.kernel.image import KernelImage, Pdb
from process_anatomy.memory.space import Addresses, Mask, Octets, Space
from process_anatomy.memory.view import View
from structs.kernel_files import KernelFile
from structs.layout import Build
from structs.mending import PARTIAL

Found = TypeVar("Found")
PID_LIMIT = 1 << 31
"""Process and thread ids are smaller: places in a table whose entries are counted in fours."""


@dataclass(frozen=True, slots=True)
class Crash:
    """What a crash dump says of the moment that it was written.

    Attributes:
        process: address of the _EPROCESS that was current.
        thread: address of the _ETHREAD that was current.
        time: FILETIME.
        bugcheck: bug check code.
        build: build number of the kernel.
    """

    process: int
    thread: int
    time: int
    bugcheck: int
    build: int


@dataclass(frozen=True)
class Kernel:
    """An identified Windows kernel.

    Attributes:
        view: its address space and the layout that applies.
        number: the build number that the memory states, for instance 19045; the layout's own may differ
            (19041) where builds share a kernel.
        base: address of the kernel image.
        size: bytes of address space the image takes.
        pdb: the kernel's PDB, if it could be read.
        system: address of the _EPROCESS that the active list is followed from: System's; the last one's where
            System cannot be read; in a small dump, that of the process that crashed.
        evidence: how it was found and what was checked, one line each.
        crash: the moment of the crash, for a small dump.
        file: the file of the kernel, exactly, where it is one that is known.
        code: what the kernel's own functions say of where fields lie (:class:`CodeWitness` each), where that
            was asked to choose the layout.
        doubts: what whoever reads its rows has to know of the file or of what they asked for, one line each.
    """

    view: View
    number: int
    base: int
    size: int
    pdb: Pdb | None
    system: int
    evidence: tuple[str, ...] = ()
    crash: Crash | None = None
    doubts: tuple[str, ...] = ()
    file: KernelFile | None = None
    code: tuple[Any, ...] | None = field(default=None, repr=False, compare=False)
    _found: dict[str, Any] = field(default_factory=dict, init=False, repr=False, compare=False)

    def once(self, name: str, find: Callable[[Kernel], Found]) -> Found:
        """What a search of this kernel gave, made the first time that somebody asks for it by this name."""
        if name not in self._found:
            self._found[name] = find(self)
        found: Found = self._found[name]
        return found

    @property
    def image(self) -> KernelImage:
        """The kernel's own image, its headers read once.

        Raises:
            ValueError: its first page is not there.
        """
        return self.once("image", lambda kernel: KernelImage(kernel.space, kernel.base))

    @property
    def build(self) -> Build:
        """The layout that applies."""
        return self.view.build

    @property
    def layout(self) -> str:
        """How sure the layout is, and the kernel's file where it is known."""
        sure = "estimated" if self.build.estimated else "exact"
        if PARTIAL in {source for told in self.build.sources.values() for source in told.values()}:
            sure = "partial facts"
        return f"{sure}, {self.file}" if self.file else sure

    @property
    def space(self) -> Space:
        """The kernel's address space."""
        return self.view.space

    def read_in_process(self, addresses: Addresses, size: int, roots: Addresses) -> tuple[Octets, Mask]:
        """Read ``size`` bytes at each address, each through its own process's tables, else through System's."""
        data, there = self.space.read_many(addresses, size, roots)
        if not there.all():
            rest = np.flatnonzero(~there)
            data[rest], there[rest] = self.space.read_many(addresses[rest], size)
        return data, there

    @property
    def system_start(self) -> int:
        """The lowest address of system space; below it lies what is a process's own."""
        return self.view.space.system_start

    def root_in(self, dtb: int) -> int:
        """The page-table root in a DirectoryTableBase, without the bits that are no part of the address."""
        return self.space.root_in(dtb)

    def inside(self, address: int) -> bool:
        """Whether an address lies in the kernel's image (a list head does, a process does not)."""
        return self.base <= address < self.base + self.size
