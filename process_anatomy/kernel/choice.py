"""Which layout a kernel is read through: the one that facts name, else the one that fits its memory best."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import takewhile

from process_anatomy.kernel.accessors import CodeWitness, code_checks, heard
from process_anatomy.kernel.debugger_block import DebuggerBlock, debugger_block
from process_anatomy.kernel.image import KernelImage, Pdb
from process_anatomy.kernel.kernel import Kernel
from process_anatomy.kernel.selfproof import SOME, Proof, debugger_checks, prove
from process_anatomy.kernel.version import Version, version
from process_anatomy.memory import paging
from process_anatomy.memory.address_space import AddressSpace
from structs import builds, kernel_files
from structs.debugger import statements
from structs.kernel_files import KernelFile
from structs.layout import Build
from structs.machines import BY_POINTER_SIZE


@dataclass(frozen=True)
class Servicing:
    """What is known of a kernel's build; what takes a search is looked for when it is asked for.

    Attributes:
        space: the kernel's address space.
        image: its image, ``None`` where its first page is not there.
        number: the build number that the memory states.
        pdb: the kernel's PDB, if it could be read.
        given_block: the debugger block, where it was found before.
    """

    space: AddressSpace
    image: KernelImage | None
    number: int | None
    pdb: Pdb | None
    given_block: DebuggerBlock | None = None

    @property
    def arch(self) -> str:
        """Of the processor, as layouts name it."""
        return BY_POINTER_SIZE[self.space.pointer_size].name

    @cached_property
    def block(self) -> DebuggerBlock | None:
        """The debugger block."""
        if self.given_block is not None or self.image is None:
            return self.given_block
        return debugger_block(self.space, self.image)

    @cached_property
    def file(self) -> KernelFile | None:
        """The kernel's file: by the marks of its header, else by its PDB."""
        by_pdb = None if self.pdb is None else kernel_files.by_pdb(self.pdb.guid, self.pdb.age)
        if self.image is None:
            return by_pdb
        return kernel_files.by_stamp(self.image.timestamp, self.image.size) or by_pdb

    @cached_property
    def five_levels(self) -> bool:
        """Whether it is the kernel for page tables of five levels, of which no layouts are published."""
        named = self.image is not None and self.image.is_for_five_levels
        return self.space.mode is paging.LA57 or named or (self.file is not None and self.file.five_levels)

    @cached_property
    def code(self) -> tuple[CodeWitness, ...]:
        """What the kernel's own functions say of where fields lie."""
        return () if self.image is None else tuple(heard(self.image))

    @cached_property
    def by_pdb(self) -> Build | None:
        """The layout that the facts name for the PDB; where it cannot be read, for the PDB of the kernel's file."""
        if self.pdb is not None:
            return builds.by_pdb(self.pdb.guid, self.pdb.age)
        if self.file is None or not self.file.pdb:
            return None
        guid, _, age = self.file.pdb.partition("-")
        build = builds.by_pdb(guid, int(age))
        return build and replace(build, origin=f"{build.origin}, which the file's {self.file.known_by} name")

    @cached_property
    def version(self) -> Version:
        """The servicing level."""
        return version(self.space, self.image, self.block, self.number, self.file)

    def evidence(self) -> list[str]:
        """What is known of the kernel's file, one line, none where it is not one that is known."""
        if self.file is None:
            return []
        other = None if self.pdb is None else kernel_files.by_pdb(self.pdb.guid, self.pdb.age)
        doubt = f"; its PDB is of another file, {other}" if other and not other.same_as(self.file) else ""
        return [f"kernel file {self.file} by its {self.file.known_by}{doubt}"]

    @cached_property
    def by_revision(self) -> Build | None:
        """The layout of the revision that the image states; estimated where the facts or the witnesses leave doubt."""
        said = self.version
        if self.number is None or said.revision is None:
            return None
        build = builds.by_number(self.arch, self.number, said.revision)
        if build is None:
            return None
        origin = f"{build.origin} by {said.told_by}" + (f"; {said.doubt}" if said.doubt else "")
        doubtful = bool(said.doubt)
        if self.by_pdb is not None and self.by_pdb.estimated and not self._only_pae_differs(self.by_pdb):
            origin, doubtful = f"{origin}; facts of its PDB differ from every layout known", True
        if self.five_levels:
            origin, doubtful = f"{origin}, of the kernel for page tables of four levels", True
        return replace(build, estimated=build.estimated or doubtful, origin=origin)

    def _only_pae_differs(self, build: Build) -> bool:
        """Whether what differs of a layout is that it was made of a kernel without PAE, which can be told.

        See :func:`structs.builds.with_entries`.
        """
        return self.space.mode is paging.PAE and builds.without_pae(build)


def certain(servicing: Servicing, isf: Build | None) -> Iterator[Build]:
    """Layouts that facts name for this very kernel: the user's own, by PDB, by revision."""
    if isf is not None:
        yield isf
    if servicing.by_pdb is not None and not servicing.by_pdb.estimated:
        yield servicing.by_pdb
        return
    if servicing.by_revision is not None and not servicing.by_revision.estimated:
        yield servicing.by_revision


def likely(servicing: Servicing) -> Iterator[Build]:
    """Layouts of the kernel's build number, likeliest first, each different one once; all estimated."""
    found: list[Build] = []
    if servicing.by_pdb is not None:
        found.append(servicing.by_pdb)
    if servicing.by_revision is not None:
        found.append(servicing.by_revision)
    if servicing.number is not None:
        stated = builds.by_number(servicing.arch, servicing.number)
        if stated is not None:
            found.append(stated)
            nearest = builds.nearest(servicing.arch, stated.number)
            same = takewhile(lambda build: build.number == stated.number, nearest)  # each is read from its file
            found += [replace(build, origin=stated.origin) for build in same]
    yield from different(found)


def others(servicing: Servicing) -> Iterator[Build]:
    """Layouts of all builds, the nearest first; all estimated."""
    found = builds.agreeing(builds.nearest(servicing.arch, servicing.number or 0), servicing.file)
    if servicing.number is not None:
        return different(found)
    words = "the build number cannot be read; of all builds the layout of {} fits the memory best"
    return different(replace(build, origin=words.format(build.number)) for build in found)


def different(found: Sequence[Build] | Iterator[Build]) -> Iterator[Build]:
    """Each layout that differs from those before it in something that is declared; estimated."""
    seen: set[str] = set()
    for build in found:
        shape = json.dumps(
            [build.sizes, {name: sorted(places.items()) for name, places in build.places.items()}],
            sort_keys=True,
            default=repr,
        )
        if shape not in seen:
            seen.add(shape)
            yield replace(build, estimated=True)


def best(fitting: Sequence[Kernel], servicing: Servicing) -> Kernel:
    """Of kernels through several layouts, the one that its code and then its memory fit best; the first of equals."""
    if len(fitting) == 1:
        return fitting[0]

    def misfit(kernel: Kernel) -> tuple[int, int, int, int]:
        against = sum(check.failed for check in code_checks(servicing.code, kernel.build))
        proof = proof_of(kernel, servicing)
        failed = sum(check.failed for check in proof.checks if check.id != "debugger-size")
        sizes = sum(check.failed for check in proof.checks if check.id == "debugger-size")
        return against, len(proof.wrong), failed, sizes

    return min(fitting, key=misfit)


def other_kernel(kernel: Kernel, isf: Build) -> str:
    """What to tell the user whose symbol table is of another kernel than the image's; empty where it is of this one.

    A table that leads to no process was not used: the layout is another.

    Args:
        kernel: of the image.
        isf: the layout from the user's symbol table.
    """
    used = kernel.build.name == isf.name and not kernel.build.number
    pdb = f"{kernel.pdb.name} {kernel.pdb.guid}-{kernel.pdb.age}" if kernel.pdb else f"build {kernel.number}"
    if used and (not isf.pdb or kernel.pdb is None or isf.pdb.endswith(f"{kernel.pdb.guid}-{kernel.pdb.age}")):
        return ""
    of = f"{isf.name}, of the kernel {isf.pdb}," if isf.pdb else isf.name
    if used:
        return f"--isf {of} is not of this image's kernel, {pdb}: where the two differ, what is told is wrong"
    return f"--isf {of} does not fit this image's kernel, {pdb}: layout {kernel.build.name} is used instead"


def proof_of(kernel: Kernel, servicing: Servicing) -> Proof:
    """What its processes and its debugger block say of a kernel's layout."""
    proof = prove(kernel, SOME)
    if servicing.block is None:
        return proof
    said = statements(servicing.block.values, kernel.build)
    return replace(proof, checks=(*proof.checks, *debugger_checks(said, servicing.block.address)))
