"""Every table of an image, each walked when it is first asked for, and once."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

from process_anatomy.kernel.identify import Kernel
from process_anatomy.memory.address_space import AddressSpace
from process_anatomy.walk.across.access import AccessTable, access
from process_anatomy.walk.across.creation import Creation, creations
from process_anatomy.walk.across.regions import regions
from process_anatomy.walk.across.starts import Starts, thread_starts
from process_anatomy.walk.address_space.code import Code, code
from process_anatomy.walk.address_space.pages import PageTable, pages
from process_anatomy.walk.address_space.sections import sections
from process_anatomy.walk.address_space.vads import VadTable, vads
from process_anatomy.walk.crossview.crossings import CrossTable, crossview
from process_anatomy.walk.processes.kin import Kin
from process_anatomy.walk.processes.listed import Process, ProcessTable, processes
from process_anatomy.walk.program.drivers import DriverTable, drivers
from process_anatomy.walk.program.modules import ModuleTable, modules
from process_anatomy.walk.program.pebs import Peb, pebs
from process_anatomy.walk.program.programs import Program, programs
from process_anatomy.walk.security.tokens import Token, tokens
from process_anatomy.walk.threads.facts import thread_facts
from process_anatomy.walk.threads.listed import ThreadTable, threads

NO_USER_MEMORY = "the processes' own memory is not in a small dump"


class Tables:
    """The tables of some processes of an image.

    Args:
        kernel: whose memory.
        everyone: every process of the image.
        chosen: those that are asked about.
    """

    def __init__(self, kernel: Kernel, everyone: ProcessTable, chosen: Sequence[Process]) -> None:
        self.kernel, self.everyone, self.processes = kernel, everyone, tuple(chosen)

    @classmethod
    def of(cls, kernel: Kernel, pids: frozenset[int] = frozenset(), hidden: bool = True) -> Tables:
        """The tables of the processes with these ids, of all where none is named.

        Args:
            kernel: whose memory.
            pids: process ids.
            hidden: processes that the active list does not hold are among them; to find them takes all views, and
                one of these looks through all of physical memory.

        Raises:
            RequestError: no process has one of the ids.
        """
        listed = processes(kernel)
        if not hidden or not isinstance(kernel.space, AddressSpace):
            return cls(kernel, listed, listed.select(pids).rows)
        crossed = crossview(kernel, listed)
        everyone = crossed.beside(listed)
        tables = cls(kernel, everyone, everyone.select(pids).rows)
        tables.crossings = crossed
        return tables

    @property
    def number(self) -> int:
        """The build number that the memory states."""
        return self.kernel.number

    @property
    def whole(self) -> bool:
        """Whether the image holds the processes' own memory: a small dump does not."""
        return isinstance(self.kernel.space, AddressSpace)

    @cached_property
    def kin(self) -> Kin:
        """Who was whose parent."""
        return Kin(self.everyone.rows)

    @cached_property
    def programs(self) -> dict[int, Program]:
        """The kernel's record of each chosen process's program, by the process's address."""
        return {row.process.address: row for row in programs(self.kernel, self.processes)}

    @cached_property
    def vads(self) -> VadTable:
        """The VAD trees of the chosen processes."""
        return vads(self.kernel, self.processes)

    @cached_property
    def modules(self) -> ModuleTable:
        """The modules of the chosen processes."""
        if not self.whole:
            return ModuleTable((), (NO_USER_MEMORY,))
        return modules(self.kernel, self.processes, self.vads)

    @cached_property
    def pages(self) -> PageTable:
        """The pages of the chosen processes, compared with their VADs."""
        rows = self.vads.rows
        return pages(
            self.kernel, self.processes, rows, regions(self.kernel, self.processes, rows), sections(self.kernel, rows)
        )

    @cached_property
    def code(self) -> list[Code]:
        """What stands in the executable pages that no file gave."""
        return code(self.kernel, [row for row in self.pages.rows if row.own_code])

    @cached_property
    def pebs(self) -> list[Peb]:
        """The PEBs of the chosen processes."""
        return pebs(self.kernel, self.processes)

    @cached_property
    def access(self) -> AccessTable:
        """Who can touch whom, by the handles of every process of the image."""
        return access(self.kernel, self.everyone.rows)

    @cached_property
    def crossings(self) -> CrossTable:
        """Which views see each process; nothing of a small dump, which has one process."""
        return crossview(self.kernel, self.everyone) if self.whole else CrossTable((), (NO_USER_MEMORY,))

    @cached_property
    def drivers(self) -> DriverTable:
        """The drivers that are loaded."""
        return drivers(self.kernel)

    @cached_property
    def starts(self) -> list[Starts]:
        """Where the threads of the chosen processes start."""
        facts = thread_facts(self.kernel, self.threads)
        return thread_starts(self.kernel, facts, self.vads, self.drivers)

    @cached_property
    def threads(self) -> ThreadTable:
        """The threads of the chosen processes."""
        return threads(self.kernel, self.processes)

    @cached_property
    def primary(self) -> dict[int, Token]:
        """The primary token of every process of the image, by the process's address."""
        return {token.process.address: token for token in tokens(self.kernel, self.everyone.rows)}

    @cached_property
    def tokens(self) -> list[Token]:
        """The tokens of the chosen processes, each followed by those that its threads impersonate with."""
        return tokens(self.kernel, self.processes, self.threads.rows)

    @cached_property
    def creations(self) -> list[Creation]:
        """How each chosen process was made."""
        primary = list(self.primary.values())
        return list(creations(self.kernel, self.processes, self.everyone.rows, primary, self.pebs))
