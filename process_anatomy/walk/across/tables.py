"""Every table of an image, each walked when it is first asked for, and once.

A walk is loaded with its table, for a program that asks for one view should not load the walks of all.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING

from process_anatomy.walk.across.chosen import Chosen
from structs.members import DOUBTFUL
from structs.places import PROVED

if TYPE_CHECKING:
    from process_anatomy.kernel.objects import ObjectTypes
    from process_anatomy.kernel.selfproof import Proof
    from process_anatomy.walk.across.access import AccessTable
    from process_anatomy.walk.across.completeness import CompletenessTable
    from process_anatomy.walk.across.creation import Creation
    from process_anatomy.walk.across.holders import Holder
    from process_anatomy.walk.across.regions import RegionTable
    from process_anatomy.walk.across.starts import Starts
    from process_anatomy.walk.address_space.code import Code, Codes
    from process_anatomy.walk.address_space.pages import PageTable
    from process_anatomy.walk.address_space.sections import Section
    from process_anatomy.walk.address_space.vad_checks import Check
    from process_anatomy.walk.address_space.vads import VadTable
    from process_anatomy.walk.address_space.working_sets import WorkingSet
    from process_anatomy.walk.crossview.csr_processes import CsrTable
    from process_anatomy.walk.handles.opened import Handles
    from process_anatomy.walk.handles.tables import HandleTables
    from process_anatomy.walk.processes.listed import Process
    from process_anatomy.walk.program.drivers import DriverTable
    from process_anatomy.walk.program.environments import Variable
    from process_anatomy.walk.program.hooks import Hook
    from process_anatomy.walk.program.images import ImageTable
    from process_anatomy.walk.program.modules import ModuleTable
    from process_anatomy.walk.program.pebs import Peb
    from process_anatomy.walk.program.programs import Program
    from process_anatomy.walk.program.system_calls import ChangedCall
    from process_anatomy.walk.security.contexts import Security
    from process_anatomy.walk.security.tokens import Token
    from process_anatomy.walk.threads.listed import ThreadTable
    from process_anatomy.walk.threads.tebs import Teb


class Tables(Chosen):
    """The tables of some processes of an image: the one place that walks have their results from."""

    @cached_property
    def with_hidden(self) -> Tables:
        """The tables of the same processes with all hidden ones among them; what is walked already is not again.

        Where there are none, these are they.
        """
        if self.hidden:
            return self
        found = Tables(self.kernel, self.pids, hidden=True)
        for name in ("listed", "crossings"):
            if name in vars(self):
                setattr(found, name, getattr(self, name))
        if found.unlisted or self.left_out or self.unlisted:
            return found
        for name in ("listed", "crossings"):
            if name in vars(found):
                setattr(self, name, getattr(found, name))
        return self

    @cached_property
    def programs(self) -> dict[int, Program]:
        """The kernel's record of each chosen process's program, by the process's address."""
        from process_anatomy.walk.program.programs import programs

        return {row.process.address: row for row in programs(self.kernel, self.processes)}

    @cached_property
    def vads(self) -> VadTable:
        """The VAD trees of the chosen processes."""
        from process_anatomy.walk.address_space.vads import vads

        return vads(self.kernel, self.processes)

    @cached_property
    def regions(self) -> RegionTable:
        """What each VAD's range is used for, in the order of the VADs."""
        from process_anatomy.walk.across.regions import regions

        return regions(self.kernel, self.processes, self.vads.rows)

    @cached_property
    def sections(self) -> list[Section]:
        """The section behind each VAD, in the order of the VADs."""
        from process_anatomy.walk.address_space.sections import sections

        return sections(self.kernel, self.vads.rows)

    @cached_property
    def vad_checks(self) -> list[Check]:
        """What each VAD says of itself that can be checked, in the order of the VADs."""
        from process_anatomy.walk.address_space.vad_checks import checks

        return checks(self.kernel, self.vads.rows)

    @cached_property
    def modules(self) -> ModuleTable:
        """The modules of the chosen processes."""
        from process_anatomy.walk.program.modules import modules

        return modules(self.kernel, self.processes, self.vads)

    @cached_property
    def pages(self) -> PageTable:
        """The pages of the chosen processes, compared with their VADs."""
        from process_anatomy.walk.address_space.pages import pages

        return pages(self.kernel, self.processes, self.vads.rows, self.regions.rows, self.sections)

    @cached_property
    def compressed_pages(self) -> Mapping[int, int]:
        """How many pages of VADs are in the compression store, by the address of the node; empty without a store."""
        from process_anatomy.walk.address_space.compressed import has_store

        if not has_store(self.kernel):
            return {}
        return {row.vad.address: row.compressed for row in self.pages.rows if row.vad is not None and row.compressed}

    @cached_property
    def compressed_parts(self) -> list[tuple[str, ...]]:
        """Which parts of each PEB's surroundings were read from the compression store."""
        from process_anatomy.walk.program.compressed_parts import compressed_parts

        return compressed_parts(self.kernel, self.pebs)

    @cached_property
    def compressed_command_lines(self) -> frozenset[int]:
        """Addresses of the processes whose command line was read from the compression store, by what it lies in."""
        from process_anatomy.walk.program.compressed_parts import PARAMETERS

        parts = zip(self.pebs, self.compressed_parts, strict=True)
        return frozenset(
            peb.process.address for peb, some in parts if PARAMETERS in some and isinstance(peb.command_line, str)
        )

    def decompressed(self, process: Process, addresses: Sequence[int]) -> list[int]:
        """Those of some addresses of a process's own memory whose pages are in the compression store."""
        from process_anatomy.memory.view import addresses_of
        from process_anatomy.walk.address_space.compressed import compressed

        if not isinstance(process.dtb, int):
            return []
        own = [at for at in addresses if 0 < at < self.kernel.system_start]
        roots = addresses_of([process.dtb] * len(own))
        there = compressed(self.kernel, addresses_of(own), roots)
        return [at for at, stored in zip(own, there.tolist(), strict=True) if stored]

    @cached_property
    def working_sets(self) -> list[WorkingSet]:
        """The working sets of the chosen processes."""
        from process_anatomy.walk.address_space.working_sets import working_sets

        return working_sets(self.kernel, self.processes)

    @cached_property
    def codes(self) -> Codes:
        """What stands in the executable pages that no file gave, and how many of them could not be read."""
        from process_anatomy.walk.address_space.code import code

        return code(self.kernel, [row for row in self.pages.rows if row.own_code])

    @property
    def code(self) -> list[Code]:
        """What stands in the executable pages that no file gave."""
        return self.codes.rows

    @cached_property
    def changed_calls(self) -> list[ChangedCall]:
        """The system calls, of those that the loader asks with, that the chosen processes changed for themselves."""
        from process_anatomy.walk.program.system_calls import changed_calls

        return changed_calls(self.kernel, self.pages.rows, self.vads.rows)

    @cached_property
    def pebs(self) -> list[Peb]:
        """The PEBs of the chosen processes."""
        from process_anatomy.walk.program.pebs import pebs

        return pebs(self.kernel, self.processes, self.everyone.rows)

    @cached_property
    def environments(self) -> list[Variable]:
        """The environment variables of the chosen processes."""
        from process_anatomy.walk.program.environments import environments

        return list(environments(self.kernel, self.pebs))

    def images(self, module: str = "", every: bool = False) -> ImageTable:
        """The programs of the chosen processes as they lie in memory, or their modules.

        Args:
            module: modules of this file name, not the programs.
            every: all modules.
        """
        from process_anatomy.walk.program.images import images

        return images(self.kernel, self.processes, module, every, (self.vads, lambda: self.modules))

    @cached_property
    def programs_in_memory(self) -> ImageTable:
        """The programs of the chosen processes as they lie in memory."""
        return self.images()

    @property
    def types(self) -> ObjectTypes:
        """The types of objects."""
        from process_anatomy.kernel.objects import object_types

        return object_types(self.kernel)

    @cached_property
    def handle_tables(self) -> HandleTables:
        """The handle tables of the chosen processes."""
        from process_anatomy.walk.handles.tables import handle_tables

        return handle_tables(self.kernel, self.processes)

    def handles(self, types: frozenset[str] = frozenset()) -> Handles:
        """The open handles of the chosen processes.

        Args:
            types: of the objects that they lead to; all where none is named.

        Raises:
            RequestError: there is no such type.
        """
        from process_anatomy.walk.handles.opened import handles

        return handles(self.kernel, self.processes, types, self.handle_tables)

    @cached_property
    def debuggers(self) -> dict[int, tuple[Holder, ...]]:
        """Who holds the debug objects of the chosen processes, by the address of each, of all processes."""
        from process_anatomy.walk.across.holders import holders
        from process_anatomy.walk.handles.tables import handle_tables

        ports = {row.debug_port for row in self.programs.values() if isinstance(row.debug_port, int)} - {0}
        if not ports:
            return {}
        everyone = self.everyone.rows
        same = len(everyone) == len(self.processes)
        return holders(self.handle_tables if same else handle_tables(self.kernel, everyone), everyone, ports)

    @cached_property
    def access(self) -> AccessTable:
        """Who can touch whom, by the handles of every process of the image."""
        from process_anatomy.walk.across.access import access

        return access(self.kernel, self.everyone.rows)

    @cached_property
    def csrss(self) -> CsrTable:
        """What each csrss.exe keeps of the processes of its session."""
        from process_anatomy.walk.crossview.csr_processes import csrss

        return csrss(self.kernel, self.everyone.rows)

    @cached_property
    def drivers(self) -> DriverTable:
        """The drivers that are loaded."""
        from process_anatomy.walk.program.drivers import drivers

        return drivers(self.kernel)

    @cached_property
    def hooks(self) -> list[Hook]:
        """The functions of the kernel that lead out of it."""
        from process_anatomy.walk.program.hooks import hooks

        return hooks(self.kernel, self.drivers)

    @cached_property
    def threads(self) -> ThreadTable:
        """The threads of the chosen processes."""
        from process_anatomy.walk.threads.listed import threads

        return threads(self.kernel, self.processes)

    @cached_property
    def starts(self) -> list[Starts]:
        """Where the threads of the chosen processes start."""
        from process_anatomy.walk.across.starts import thread_starts
        from process_anatomy.walk.threads.facts import thread_facts

        facts = thread_facts(self.kernel, self.threads)
        return thread_starts(self.kernel, facts, self.vads, self.drivers)

    @cached_property
    def tebs(self) -> list[Teb]:
        """The TEBs of the threads of the chosen processes."""
        from process_anatomy.walk.threads.tebs import tebs

        return tebs(self.kernel, self.threads.rows)

    @cached_property
    def primary(self) -> dict[int, Token]:
        """The primary token of every process of the image, by the process's address."""
        from process_anatomy.walk.security.tokens import tokens

        return {token.process.address: token for token in tokens(self.kernel, self.everyone.rows)}

    @cached_property
    def tokens(self) -> list[Token]:
        """The tokens of the chosen processes, each followed by those that its threads impersonate with."""
        from process_anatomy.walk.security.tokens import tokens

        return tokens(self.kernel, self.processes, self.threads.rows)

    @cached_property
    def security(self) -> Security:
        """The security contexts of the chosen processes: tokens, claims, and the names of everybody in them."""
        from process_anatomy.walk.security.contexts import security

        whole = list(self.primary.values()) if self.pids else self.tokens
        return security(self.kernel, self.everyone.rows, self.tokens, whole)

    @cached_property
    def creations(self) -> list[Creation]:
        """How each chosen process was made."""
        from process_anatomy.walk.across.creation import creations

        primary = list(self.primary.values())
        everyone = self.everyone
        return list(creations(self.kernel, self.processes, everyone.rows, primary, self.pebs, everyone.cut))

    @cached_property
    def completeness(self) -> CompletenessTable:
        """How much of each chosen process could be read."""
        from process_anatomy.walk.across.completeness import completeness

        return completeness(self)

    @property
    def trust(self) -> Proof:
        """How far the layout fits the image, by all checks at a few objects; what every view goes by."""
        from process_anatomy.walk.across.selfcheck import trust

        return trust(self.kernel)

    def source(self, structure: str, field: str) -> str:
        """What the place of a field rests on, in words; of one that only a neighbour has, whether memory proves it."""
        said = self.kernel.build.source(structure, field)
        return PROVED if said in DOUBTFUL and (structure, field) in self.trust.proved else said

    def guessed(self, structure: str, field: str) -> bool:
        """Whether the layout has a field, at a place that rests on nothing better than the layout of another kernel."""
        return self.kernel.build.place(structure, field) is not None and self.source(structure, field) in DOUBTFUL

    @cached_property
    def proof(self) -> Proof:
        """How far the layout fits the image, by all checks."""
        from process_anatomy.walk.across.selfcheck import selfcheck

        return self.kernel.once("selfcheck", selfcheck)
