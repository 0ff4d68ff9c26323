"""Which processes of an image are asked about, those that the active list does not hold among them."""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING

from process_anatomy.absent import Absent
from process_anatomy.memory.address_space import AddressSpace

if TYPE_CHECKING:
    from process_anatomy.kernel.identify import Kernel
    from process_anatomy.walk.crossview.crossings import CrossTable
    from process_anatomy.walk.processes.kin import Kin
    from process_anatomy.walk.processes.listed import Process, ProcessTable

UNLISTED = "it is not on the list of active processes; other views see it"
"""Problem of a hidden process, in the rows that tell problems of processes."""


class Chosen:
    """Some processes of an image, each list that they are chosen from walked when it is first asked for, and once.

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
        from process_anatomy.walk.processes.listed import processes

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
        from process_anatomy.walk.crossview.client_ids import beside_the_list

        return self.kernel.once("beside the list", lambda kernel: beside_the_list(kernel, self.listed))

    @cached_property
    def everyone(self) -> ProcessTable:
        """Every process of the image, the unlisted ones last; each of these says so."""
        hidden = (replace(row, problems=(*row.problems, UNLISTED)) for row in self.unlisted)
        return replace(self.listed, rows=(*self.listed.rows, *hidden))

    @cached_property
    def processes(self) -> tuple[Process, ...]:
        """The processes that are asked about.

        Raises:
            RequestError: no process has one of the ids.
        """
        return self.everyone.select(self.pids).rows

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
        from process_anatomy.walk.processes.kin import Kin

        return Kin(self.everyone.rows, self.everyone.cut)

    @cached_property
    def system_root(self) -> str | Absent:
        """The Windows folder, with its drive."""
        from process_anatomy.walk.processes.system_root import system_root

        return system_root(self.kernel)

    @cached_property
    def silos(self) -> dict[int, int | Absent]:
        """The container that each process of the image is in, by the process's address."""
        from process_anatomy.walk.processes.system_root import silos

        return silos(self.kernel, self.everyone.rows)

    @cached_property
    def crossings(self) -> CrossTable:
        """Which views see each process.

        Raises:
            RequestError: the image is a small dump, which has one process.
        """
        from process_anatomy.walk.crossview.crossings import crossview

        return crossview(self.kernel, self.listed)
