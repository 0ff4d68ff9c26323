"""What rules rest on: whether a table of a process is fit to conclude from, and the reason in words where it is not.

A table that was read in two states of memory, or in part, shows things that are not there and lacks others that are.
A rule that rests on such a table is not run for its process.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from functools import cached_property

from process_anatomy.absent import Absent
from process_anatomy.walk.across.tables import Tables
from process_anatomy.walk.processes.listed import NOT_READ


class Standing:
    """Which tables of which processes are broken; a table that is not asked for is not walked.

    Args:
        tables: of the processes to judge.
    """

    def __init__(self, tables: Tables) -> None:
        self.tables = tables

    @cached_property
    def vads(self) -> Mapping[int, str]:
        """VAD trees that nodes are missing in, or that cannot be as they were read."""
        return self.tables.vads.broken

    @cached_property
    def pages(self) -> Mapping[int, str]:
        """Page tables that loop or could not be read."""
        return self.tables.pages.broken

    @cached_property
    def modules(self) -> Mapping[int, str]:
        """Loaders' lists that are cut."""
        if not self.tables.whole:
            return {}
        return dict.fromkeys(self.tables.modules.cut, "its loader's lists could not be followed to their ends")

    @cached_property
    def threads(self) -> Mapping[int, str]:
        """Lists of threads that are cut or hold others'."""
        return self.tables.threads.broken

    @cached_property
    def handles(self) -> Mapping[int, str]:
        """Handle tables that could not be read whole, or are another's; all of them where no type can be told."""
        untold = self.tables.types.lacks("Process") if self.tables.whole else ""
        if untold:
            return dict.fromkeys((p.address for p in self.tables.processes), f"its handles have no types: {untold}")
        found = zip(self.tables.processes, self.tables.handle_tables.tables, strict=True)
        return {
            process.address: f"its handle table is broken: {table.problems[0]}"
            for process, table in found
            if table.problems
        }

    @cached_property
    def tokens(self) -> Mapping[int, str]:
        """Tokens that could not be read, of processes that run."""
        return {
            process.address: f"its token could not be read: {kind}"
            for process in self.tables.processes
            if process.lives
            and isinstance(kind := self.tables.primary[process.address].token_type, Absent)
            and kind.kind in NOT_READ
        }

    @cached_property
    def sessions(self) -> Mapping[int, str]:
        """Sessions that the session space and the token of a process tell differently."""
        return {
            process.address: f"its session is told in two ways: session space has {process.session}, its token {told}"
            for process in self.tables.everyone.rows
            if isinstance(process.session, int)
            and isinstance(told := self.tables.primary[process.address].session, int)
            and told != process.session
        }

    @cached_property
    def drivers(self) -> Mapping[int, str]:
        """The list of drivers, for the processes whose threads start in one: those without a program of their own."""
        if self.tables.drivers.whole or not self.tables.whole:
            return {}
        reason = f"the list of drivers is cut: {(*self.tables.drivers.problems, 'it does not close')[0]}"
        return {process.address: reason for process in self.tables.processes if not process.own_space}

    @cached_property
    def list(self) -> Mapping[int, str]:
        """The list of active processes: where it is cut, nobody is judged by who is on it."""
        listed = self.tables.listed
        if not listed.broken:
            return {}
        reason = f"the list of active processes is cut: {(*listed.problems, 'it does not close')[0]}"
        return {process.address: reason for process in self.tables.processes}

    @cached_property
    def misread(self) -> Mapping[str, str]:
        """Why a table tells nothing of any process, by its name; under :data:`EVERYTHING`, why no table does.

        The structures that it is read from do not lie where the layout has them.
        """
        found: dict[str, str] = {}
        for check in self.tables.trust.wrong:
            for table in next((read for start, read in READ_FROM.items() if check.id.startswith(start)), (EVERYTHING,)):
                found.setdefault(table, f"the layout does not fit this image: {check.about}")
        if not found and self.tables.trust.reason:
            found[EVERYTHING] = self.tables.trust.reason
        return found

    def reason(self, process: int, rests: Collection[str]) -> str | None:
        """Why nothing is concluded about a process from these tables; ``None`` where all of them are fit."""
        misread = next((self.misread[table] for table in (EVERYTHING, *rests) if table in self.misread), None)
        if misread is not None:
            return misread
        return next((words for table in rests if (words := FITNESS[table](self).get(process))), None)

    def reasons(self, process: int) -> tuple[str, ...]:
        """Everything that is broken of a process itself, each reason once."""
        own = (fit(self).get(process) for table, fit in FITNESS.items() if table != OF_THE_IMAGE)
        return tuple(dict.fromkeys(words for words in own if words))


EVERYTHING = ""
"""Stands for all tables where the layout of processes themselves is in doubt."""
READ_FROM = {"vad-": ("vads", "pages", "modules", "threads"), "handle-": ("handles",)}
"""How the checks of a layout begin whose failure spoils only some tables, and which; all others spoil everything."""
OF_THE_IMAGE = "list"
"""The table that all processes share."""
FITNESS: dict[str, Callable[[Standing], Mapping[int, str]]] = {
    "vads": lambda standing: standing.vads,
    "pages": lambda standing: standing.pages,
    "modules": lambda standing: standing.modules,
    "threads": lambda standing: standing.threads,
    "handles": lambda standing: standing.handles,
    "tokens": lambda standing: standing.tokens,
    "drivers": lambda standing: standing.drivers,
    "sessions": lambda standing: standing.sessions,
    "list": lambda standing: standing.list,
}
"""The tables that a rule may say that it rests on, each with the processes of which it is broken, and why."""
