"""The seam to Volatility: its layers become physical memory, its options become questions, our rows its cells.

The only package of the engine that imports volatility3.
"""

from __future__ import annotations

import itertools
import logging
import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from volatility3.framework import constants, interfaces, renderers
from volatility3.framework.configuration import requirements
from volatility3.framework.renderers import format_hints

from process_anatomy.errors import Error
from process_anatomy.volatility.cells import Column, cell, grid, safe_file_name, safe_text, short_address
from process_anatomy.volatility.layers import ARCHITECTURES
from process_anatomy.volatility.opening import open_kernel, open_path
from process_anatomy.volatility.options import (
    GivenListRequirement,
    ImageRequirement,
    explain_requirement,
    integer,
    names_given,
    process_ids,
    repeated_option,
)
from process_anatomy.volatility.trust import MARK, NOT_TRUSTED, end_with, marked

if TYPE_CHECKING:
    from process_anatomy.kernel.identify import Kernel
    from process_anatomy.notes.explainer import Explainer
    from process_anatomy.walk.processes.listed import Process
    from process_anatomy.walk.security.contexts import Security
    from process_anatomy.walk.security.tokens import Token

UNLISTED = "it is not on the list of active processes; other views see it"
"""Problem of a hidden process, in the rows that tell problems of processes."""
log = logging.getLogger("volatility3.plugins.windows.anatomy")


class PluginError(Error, SystemExit):
    """Ends a plugin with one line on standard error and exit status 1."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.code = message


class Anatomy:
    """What our plugins have in common: options, opening the image, one line for errors, rows to cells.

    A plugin derives from this and from Volatility's ``PluginInterface``, names its ``columns`` and yields
    ``(depth, row)`` from ``rows``.
    """

    _required_framework_version = (2, 0, 0)
    columns: tuple[Column, ...] = ()
    open: type[interfaces.plugins.FileHandlerInterface]
    context: interfaces.context.ContextInterface
    config: Any
    _progress_callback: Any

    @classmethod
    def get_requirements(cls) -> list[interfaces.configuration.RequirementInterface]:
        """The options that every plugin over an image has."""
        return [
            ImageRequirement(name="primary", description="Memory layer of the kernel", architectures=ARCHITECTURES),
            GivenListRequirement(
                name="pid", element_type=str, description="Process ids to show: 4,88 or repeated", optional=True
            ),
            explain_requirement(),
            requirements.StringRequirement(
                name="isf", description="Take the layout from this Volatility symbol table", optional=True
            ),
            requirements.StringRequirement(
                name="dtb", description="Physical address of the kernel's page tables", optional=True
            ),
        ]

    def rows(self, kernel: Kernel) -> Iterator[tuple[int, Sequence[Any]]]:
        """The rows of the plugin, each with its depth."""
        raise NotImplementedError

    def explainer(self, kernel: Kernel, processes: Sequence[Process] = (), tokens: Sequence[Token] = ()) -> Explainer:
        """The explanations at the level that the user asked for."""
        from process_anatomy.notes.explainer import Explainer

        return Explainer(self.config["explain"], processes, tokens, kernel.crash, kernel.build.estimated)

    def chosen(self, kernel: Kernel) -> tuple[Sequence[Process], Sequence[Process]]:
        """Every process of the image, and those that the user asked for.

        An id that the active list does not have is looked for by all other views, so that hidden processes can be
        taken apart as all others.

        Raises:
            RequestError: the user asked for a process that there is not.
        """
        from process_anatomy.memory.address_space import AddressSpace
        from process_anatomy.walk.processes.listed import processes

        table, pids = processes(kernel), process_ids(self.config["pid"])
        self.report(table.problems)
        if pids - {row.pid for row in table.rows} and isinstance(kernel.space, AddressSpace):
            from process_anatomy.walk.crossview.crossings import crossview

            self.progress(20, "Searching physical memory")
            hidden = crossview(kernel, table).beside(table).rows[len(table.rows) :]
            marked = (replace(row, problems=(*row.problems, UNLISTED)) for row in hidden)
            table = replace(table, rows=(*table.rows, *marked))
            self.report([f"process {row.pid}: {UNLISTED}" for row in hidden if row.pid in pids])
        return table.rows, table.select(pids).rows

    def security(self, kernel: Kernel) -> Security:
        """The security contexts of the processes that the user asked for; what was wrong with lists is told.

        Raises:
            RequestError: the user asked for a process that there is not.
        """
        from process_anatomy.walk.security.contexts import security

        everyone, chosen = self.chosen(kernel)
        self.progress(40, "Walking tokens")
        found = security(kernel, chosen, everyone)
        self.report(found.problems)
        return found

    def report(self, problems: Sequence[str]) -> None:
        """Warn of what was wrong with a list or a tree as a whole."""
        for problem in problems:
            log.warning(safe_text(problem))

    def progress(self, percent: float, text: str) -> None:
        """Tell the user how far the work is, the way Volatility does."""
        if self._progress_callback is not None:
            self._progress_callback(percent, text)

    def doubt(self, kernel: Kernel) -> str:
        """Why the rows are not to be trusted, in words; empty where they are."""
        from process_anatomy.kernel.selfproof import trust

        return trust(kernel).reason

    def run(self) -> renderers.TreeGrid:
        """Volatility's entry point.

        Raises:
            PluginError: nothing can be produced; one line says why.
        """
        from process_anatomy.memory.small_dump import SmallDumpError
        from structs.layout import LayoutError

        try:
            self.progress(0, "Identifying the Windows kernel")
            said = self.config.get("dtb", None)
            dtb = None if said is None else integer("--dtb", said)
            kernel = open_kernel(self.context, self.config["primary"], self.config.get("isf", None), dtb)
            for line in kernel.evidence:
                log.info(line)
            if kernel.build.estimated:
                log.warning(f"The layout is estimated: {kernel.build.origin}")
            doubt = self.doubt(kernel)
            self.progress(20, "Walking")
            rows = self.rows(kernel)
            if doubt:
                log.warning(f"{MARK}: {doubt}")
                rows = marked(self.columns, rows, doubt)
                end_with(NOT_TRUSTED, self.open)
            first = list(itertools.islice(rows, 1))  # the walk is done and can fail only before its first row
            self.progress(100, "Done")
        except (Error, LayoutError, SmallDumpError) as error:
            raise PluginError(f"{type(self).__module__.removeprefix('volatility3.plugins.')}: {error}") from None
        return grid(self.columns, itertools.chain(first, rows))


def stock_privilege_descriptions() -> dict[int, str]:
    """Privilege value to the description that stock ``windows.privileges`` prints; empty where it ships none."""
    import json

    for folder in (os.path.join(path, "windows") for path in constants.PLUGINS_PATH):
        path = os.path.join(folder, "sids_and_privileges.json")
        if os.path.isfile(path):
            with open(path, encoding="utf-8") as file:
                return {int(value): entry[1] for value, entry in json.load(file).get("privileges", {}).items()}
    return {}


__all__ = [
    "Anatomy",
    "Column",
    "GivenListRequirement",
    "PluginError",
    "cell",
    "explain_requirement",
    "format_hints",
    "grid",
    "integer",
    "names_given",
    "open_kernel",
    "open_path",
    "process_ids",
    "repeated_option",
    "safe_file_name",
    "safe_text",
    "short_address",
    "stock_privilege_descriptions",
]
