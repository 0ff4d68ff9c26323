"""Every table of an image, each walked when it is first asked for, and once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property

from process_anatomy.absent import Absent
from process_anatomy.kernel.identify import Kernel
from process_anatomy.kernel.objects import ObjectTypes, object_types
from process_anatomy.kernel.selfproof import Proof
from process_anatomy.memory.address_space import AddressSpace
from process_anatomy.memory.view import addresses_of
from process_anatomy.walk.across.access import AccessTable, access
from process_anatomy.walk.across.completeness import CompletenessTable, completeness
from process_anatomy.walk.across.creation import Creation, creations
from process_anatomy.walk.across.regions import RegionTable, regions
from process_anatomy.walk.across.selfcheck import selfcheck, trust
from process_anatomy.walk.across.starts import Starts, thread_starts
from process_anatomy.walk.address_space.code import Code, Codes, code
from process_anatomy.walk.address_space.compressed import compressed, has_store
from process_anatomy.walk.address_space.pages import PageTable, pages
from process_anatomy.walk.address_space.sections import Section, sections
from process_anatomy.walk.address_space.vad_checks import Check, checks
from process_anatomy.walk.address_space.vads import VadTable, vads
from process_anatomy.walk.address_space.working_sets import WorkingSet, working_sets
from process_anatomy.walk.crossview.crossings import CrossTable, crossview
from process_anatomy.walk.crossview.csr_processes import CsrTable, csrss
from process_anatomy.walk.crossview.sightings import beside_the_list
from process_anatomy.walk.handles.opened import Handles, handles
from process_anatomy.walk.handles.tables import HandleTables, handle_tables
from process_anatomy.walk.processes.kin import Kin
from process_anatomy.walk.processes.listed import Process, ProcessTable, processes
from process_anatomy.walk.processes.system_root import silos, system_root
from process_anatomy.walk.program.compressed_parts import PARAMETERS, compressed_parts
from process_anatomy.walk.program.drivers import DriverTable, drivers
from process_anatomy.walk.program.environments import Variable, environments
from process_anatomy.walk.program.hooks import Hook, hooks
from process_anatomy.walk.program.images import ImageTable, images
from process_anatomy.walk.program.modules import ModuleTable, modules
from process_anatomy.walk.program.pebs import Peb, pebs
from process_anatomy.walk.program.programs import Program, programs
from process_anatomy.walk.program.system_calls import ChangedCall, changed_calls
from process_anatomy.walk.security.contexts import Security, security
from process_anatomy.walk.security.tokens import Token, tokens
from process_anatomy.walk.threads.facts import thread_facts
from process_anatomy.walk.threads.listed import ThreadTable, threads
from process_anatomy.walk.threads.tebs import Teb, tebs
from structs.members import DOUBTFUL
from structs.places import PROVED

UNLISTED = "it is not on the list of active processes; other views see it"
"""Problem of a hidden process, in the rows that tell problems of processes."""


class Tables:
    """The tables of some processes of an image: the one place that walks have their results from.

    Args:
        kernel: whose memory.
        pids: of the processes that are asked about; all where none is named.
        hidden: all processes that the active list does not hold are among them; to find them takes all views, and one
            of these looks through all of physical memory.  Else only those of them that ``pids`` names are.
    """

    def __init__(self, kernel: Kernel, pids: frozenset[int] = frozenset(), hidden: bool = False) -> None:
        self.kernel, self.pids, self.hidden = kernel, pids, hidden

    @cached_property
    def listed(self) -> ProcessTable:
        """The active list."""
        return processes(self.kernel)

    @cached_property
    def searched(self) -> bool:
        """Whether processes that the active list does not hold are looked for, by all other views."""
        asked = self.hidden or bool(self.pids - {row.pid for row in self.listed.rows})
        return asked and self.whole

    @cached_property
    def unlisted(self) -> tuple[Process, ...]:
        """The processes that the active list does not hold and other views see; none where they are not looked for."""
        if not self.searched:
            return ()
        return self.crossings.beside(self.listed).rows[len(self.listed.rows) :]

    @cached_property
    def left_out(self) -> tuple[Process, ...]:
        """Processes without a row that the table of ids holds; none where all views are asked, or ids are named."""
        if self.pids or self.searched:
            return ()
        return self.kernel.once("beside the list", lambda kernel: beside_the_list(kernel, self.listed))

    @cached_property
    def everyone(self) -> ProcessTable:
        """Every process of the image, the unlisted ones last; each of these says so, unless all were asked for."""
        hidden = self.unlisted
        if not self.hidden:
            hidden = tuple(replace(row, problems=(*row.problems, UNLISTED)) for row in hidden)
        return replace(self.listed, rows=(*self.listed.rows, *hidden))

    @cached_property
    def processes(self) -> tuple[Process, ...]:
        """The processes that are asked about.

        Raises:
            RequestError: no process has one of the ids.
        """
        return self.everyone.select(self.pids).rows

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

    @property
    def number(self) -> int:
        """The build number that the memory states."""
        return self.kernel.number

    @property
    def whole(self) -> bool:
        """Whether the image is one of physical memory, all of it: a small dump holds pieces of one process."""
        return isinstance(self.kernel.space, AddressSpace)

    @cached_property
    def kin(self) -> Kin:
        """Who was whose parent."""
        return Kin(self.everyone.rows, self.everyone.cut)

    @cached_property
    def system_root(self) -> str | Absent:
        """The Windows folder, with its drive."""
        return system_root(self.kernel)

    @cached_property
    def silos(self) -> dict[int, int | Absent]:
        """The container that each process of the image is in, by the process's address."""
        return silos(self.kernel, self.everyone.rows)

    @cached_property
    def programs(self) -> dict[int, Program]:
        """The kernel's record of each chosen process's program, by the process's address."""
        return {row.process.address: row for row in programs(self.kernel, self.processes)}

    @cached_property
    def vads(self) -> VadTable:
        """The VAD trees of the chosen processes."""
        return vads(self.kernel, self.processes)

    @cached_property
    def regions(self) -> RegionTable:
        """What each VAD's range is used for, in the order of the VADs."""
        return regions(self.kernel, self.processes, self.vads.rows)

    @cached_property
    def sections(self) -> list[Section]:
        """The section behind each VAD, in the order of the VADs."""
        return sections(self.kernel, self.vads.rows)

    @cached_property
    def vad_checks(self) -> list[Check]:
        """What each VAD says of itself that can be checked, in the order of the VADs."""
        return checks(self.kernel, self.vads.rows)

    @cached_property
    def modules(self) -> ModuleTable:
        """The modules of the chosen processes."""
        return modules(self.kernel, self.processes, self.vads)

    @cached_property
    def pages(self) -> PageTable:
        """The pages of the chosen processes, compared with their VADs."""
        return pages(self.kernel, self.processes, self.vads.rows, self.regions.rows, self.sections)

    @cached_property
    def compressed_pages(self) -> Mapping[int, int]:
        """How many pages of VADs are in the compression store, by the address of the node; empty without a store."""
        if not has_store(self.kernel):
            return {}
        return {row.vad.address: row.compressed for row in self.pages.rows if row.vad is not None and row.compressed}

    @cached_property
    def compressed_parts(self) -> list[tuple[str, ...]]:
        """Which parts of each PEB's surroundings were read from the compression store."""
        return compressed_parts(self.kernel, self.pebs)

    @cached_property
    def compressed_command_lines(self) -> frozenset[int]:
        """Addresses of the processes whose command line was read from the compression store, by what it lies in."""
        parts = zip(self.pebs, self.compressed_parts, strict=True)
        return frozenset(
            peb.process.address for peb, some in parts if PARAMETERS in some and isinstance(peb.command_line, str)
        )

    def decompressed(self, process: Process, addresses: Sequence[int]) -> list[int]:
        """Those of some addresses of a process's own memory whose pages are in the compression store."""
        if not isinstance(process.dtb, int):
            return []
        own = [at for at in addresses if 0 < at < self.kernel.system_start]
        roots = addresses_of([process.dtb] * len(own))
        there = compressed(self.kernel, addresses_of(own), roots)
        return [at for at, stored in zip(own, there.tolist(), strict=True) if stored]

    @cached_property
    def working_sets(self) -> list[WorkingSet]:
        """The working sets of the chosen processes."""
        return working_sets(self.kernel, self.processes)

    @cached_property
    def codes(self) -> Codes:
        """What stands in the executable pages that no file gave, and how many of them could not be read."""
        return code(self.kernel, [row for row in self.pages.rows if row.own_code])

    @property
    def code(self) -> list[Code]:
        """What stands in the executable pages that no file gave."""
        return self.codes.rows

    @cached_property
    def changed_calls(self) -> list[ChangedCall]:
        """The system calls, of those that the loader asks with, that the chosen processes changed for themselves."""
        return changed_calls(self.kernel, self.pages.rows, self.vads.rows)

    @cached_property
    def pebs(self) -> list[Peb]:
        """The PEBs of the chosen processes."""
        return pebs(self.kernel, self.processes, self.everyone.rows)

    @cached_property
    def environments(self) -> list[Variable]:
        """The environment variables of the chosen processes."""
        return list(environments(self.kernel, self.pebs))

    def images(self, module: str = "", every: bool = False) -> ImageTable:
        """The programs of the chosen processes as they lie in memory, or their modules.

        Args:
            module: modules of this file name, not the programs.
            every: all modules.
        """
        return images(self.kernel, self.processes, module, every, (self.vads, lambda: self.modules))

    @cached_property
    def programs_in_memory(self) -> ImageTable:
        """The programs of the chosen processes as they lie in memory."""
        return self.images()

    @property
    def types(self) -> ObjectTypes:
        """The types of objects."""
        return object_types(self.kernel)

    @cached_property
    def handle_tables(self) -> HandleTables:
        """The handle tables of the chosen processes."""
        return handle_tables(self.kernel, self.processes)

    def handles(self, types: frozenset[str] = frozenset()) -> Handles:
        """The open handles of the chosen processes.

        Args:
            types: of the objects that they lead to; all where none is named.

        Raises:
            RequestError: there is no such type.
        """
        return handles(self.kernel, self.processes, types, self.handle_tables)

    @cached_property
    def access(self) -> AccessTable:
        """Who can touch whom, by the handles of every process of the image."""
        return access(self.kernel, self.everyone.rows)

    @cached_property
    def crossings(self) -> CrossTable:
        """Which views see each process.

        Raises:
            RequestError: the image is a small dump, which has one process.
        """
        return crossview(self.kernel, self.listed)

    @cached_property
    def csrss(self) -> CsrTable:
        """What each csrss.exe keeps of the processes of its session."""
        return csrss(self.kernel, self.everyone.rows)

    @cached_property
    def drivers(self) -> DriverTable:
        """The drivers that are loaded."""
        return drivers(self.kernel)

    @cached_property
    def hooks(self) -> list[Hook]:
        """The functions of the kernel that lead out of it."""
        return hooks(self.kernel, self.drivers)

    @cached_property
    def threads(self) -> ThreadTable:
        """The threads of the chosen processes."""
        return threads(self.kernel, self.processes)

    @cached_property
    def starts(self) -> list[Starts]:
        """Where the threads of the chosen processes start."""
        facts = thread_facts(self.kernel, self.threads)
        return thread_starts(self.kernel, facts, self.vads, self.drivers)

    @cached_property
    def tebs(self) -> list[Teb]:
        """The TEBs of the threads of the chosen processes."""
        return tebs(self.kernel, self.threads.rows)

    @cached_property
    def primary(self) -> dict[int, Token]:
        """The primary token of every process of the image, by the process's address."""
        return {token.process.address: token for token in tokens(self.kernel, self.everyone.rows)}

    @cached_property
    def tokens(self) -> list[Token]:
        """The tokens of the chosen processes, each followed by those that its threads impersonate with."""
        return tokens(self.kernel, self.processes, self.threads.rows)

    @cached_property
    def security(self) -> Security:
        """The security contexts of the chosen processes: tokens, claims, and the names of everybody in them."""
        whole = list(self.primary.values()) if self.pids else self.tokens
        return security(self.kernel, self.everyone.rows, self.tokens, whole)

    @cached_property
    def creations(self) -> list[Creation]:
        """How each chosen process was made."""
        primary = list(self.primary.values())
        everyone = self.everyone
        return list(creations(self.kernel, self.processes, everyone.rows, primary, self.pebs, everyone.cut))

    @cached_property
    def completeness(self) -> CompletenessTable:
        """How much of each chosen process could be read."""
        return completeness(self)

    @property
    def trust(self) -> Proof:
        """How far the layout fits the image, by all checks at a few objects; what every view goes by."""
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
        return self.kernel.once("selfcheck", selfcheck)
