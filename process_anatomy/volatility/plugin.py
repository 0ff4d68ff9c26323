"""What our plugins are: a view of an image, asked through Volatility's command line and shown by its renderers."""

from __future__ import annotations

import itertools
import json
import logging
import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from importlib import import_module
from typing import TYPE_CHECKING, Any, ClassVar

from volatility3.framework import constants, interfaces, renderers

from process_anatomy.errors import Error
from process_anatomy.report import made
from process_anatomy.views.declaration import Request, View
from process_anatomy.views.problems import answer
from process_anatomy.views.shown import safe_text
from process_anatomy.volatility.cells import BITS, grid, safe_file_name
from process_anatomy.volatility.opening import open_kernel
from process_anatomy.volatility.options import (
    explain_requirement,
    given,
    image_requirements,
    integer,
    note_requirement,
    pid_requirement,
    process_ids,
    requirement,
    wide_requirement,
)
from process_anatomy.volatility.terminal import (
    COMMAND_LINE,
    SHELL,
    of_command_line,
    show_every_letter,
    tell_of_interruptions,
)
from process_anatomy.volatility.timeline import OverView, timeline
from process_anatomy.volatility.trust import MARK, NOT_TRUSTED, end_with, marked

if COMMAND_LINE in sys.modules:  # elsewhere nobody needs Volatility's command line
    import_module("process_anatomy.volatility.notes_renderer")

if TYPE_CHECKING:
    from process_anatomy.notes.own.matching import OwnNote

log = logging.getLogger("volatility3.plugins.windows.anatomy")


class PluginError(Error):
    """A plugin can produce nothing; the message is one line that says why."""


class CommandError(PluginError, SystemExit):
    """Ends ``vol`` with that line on standard error and exit status 1; nobody else is to be ended."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.code = message


class Anatomy(metaclass=OverView):
    """A plugin over a view: it derives from this and from Volatility's ``PluginInterface``, and names its view."""

    _required_framework_version = (2, 0, 0)
    view: ClassVar[View]
    _version: ClassVar[tuple[int, int, int]]
    open: type[interfaces.plugins.FileHandlerInterface]
    context: interfaces.context.ContextInterface
    config: Any
    _progress_callback: Any

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        cls._version = cls.view.version

    @classmethod
    def get_requirements(cls) -> list[interfaces.configuration.RequirementInterface]:
        """The image and what every plugin over one can be asked, then the view's own options."""
        own = [requirement(option) for option in cls.view.options]
        if not cls.view.of_image:
            return [*own, explain_requirement(), note_requirement(), wide_requirement()]
        image, *more = image_requirements()
        pids = [pid_requirement()] if cls.view.by_process else []
        return [image, *pids, explain_requirement(), note_requirement(), wide_requirement(), *more, *own]

    def run(self) -> renderers.TreeGrid:
        """Volatility's entry point.

        Raises:
            PluginError: nothing can be produced; one line says why.  Run by ``vol``, it ends that with status 1.
        """
        from process_anatomy.memory.small_dump import SmallDumpError
        from structs.layout import LayoutError

        by_command = of_command_line(self.open)
        if by_command or self.open.__module__.startswith(SHELL):
            show_every_letter()
        if by_command:
            tell_of_interruptions()
        try:
            request, doubt = self._request()
            rows = answer(self.view, request)
            if doubt:
                log.warning(safe_text(f"{MARK}: {doubt}"))
                rows = marked(rows, doubt)
                end_with(NOT_TRUSTED, self.open)
            first = list(itertools.islice(rows, 1))  # the walk is done and can fail only before its first row
            self._progress(100, "Done")
        except (Error, LayoutError, SmallDumpError) as error:
            kind = CommandError if by_command else PluginError
            raise kind(f"windows.anatomy.{self.view.name}: {safe_text(str(error))}") from None
        wide = bool(self.config.get("wide", False))
        return grid(self.view, itertools.chain(first, rows), bits_of(request), wide)

    def generate_timeline(self) -> Iterator[tuple[str, Any, datetime]]:
        """What Volatility's timeliner asks of plugins with times: which thing, what happened to it, and when.

        Raises:
            PluginError: nothing can be produced; one line says why.
        """
        from process_anatomy.memory.small_dump import SmallDumpError
        from structs.layout import LayoutError

        try:
            request, doubt = self._request(explain="off")
            yield from timeline(self.view, answer(self.view, request), MARK if doubt else "")
        except (Error, LayoutError, SmallDumpError) as error:
            raise PluginError(f"windows.anatomy.{self.view.name}: {safe_text(str(error))}") from None

    def _request(self, explain: str | None = None) -> tuple[Request, str]:
        """What was asked, and why the rows are not to be trusted, empty where they are.

        Args:
            explain: how much rows say of themselves; what the user asked for where it is left out.

        Raises:
            Error: the image cannot be analysed, or an option makes no sense.
        """
        from process_anatomy.notes.explainer import Explainer

        level = self.config["explain"] if explain is None else explain
        options = {option.name: given(option, self.config.get(option.name, None)) for option in self.view.options}
        if not self.view.of_image:
            nothing: Any = None
            return Request(nothing, Explainer(level, own=self._own_note()), options, self._report), ""
        from process_anatomy.walk.across.tables import Tables

        self._progress(0, "Identifying the Windows kernel")
        said = self.config.get("dtb", None)
        dtb = None if said is None else integer("--dtb", said)
        files = self.config.get("page_files", None)
        kernel = open_kernel(self.context, self.config["primary"], self.config.get("isf", None), dtb, files)
        for line in kernel.evidence:
            log.info(safe_text(line))
        self._report(kernel.doubts)
        if kernel.build.estimated:
            log.warning(safe_text(f"The layout is estimated: {kernel.build.origin}"))
        tables = Tables(kernel, process_ids(self.config["pid"]) if self.view.by_process else frozenset())
        doubt = self.view.doubt(tables) if self.view.doubt else tables.trust.reason
        self._progress(20, "Walking")
        request = Request(
            tables,
            Explainer(level, own=None if level == "off" else self._own_note()),
            options,
            self._report,
            self._progress,
            self._output,
            stock_privilege_descriptions,
            made,
        )
        return request, doubt

    def _own_note(self) -> OwnNote | None:
        """The reader's own note; where it cannot be used, that is told, and our own words are.

        Raises:
            OwnNoteError: it is the note itself that is asked about.
        """
        from process_anatomy.notes.own.matching import open_note, usable

        path = self.config.get("note", None)
        if path and self.config.get("check", None):
            return open_note(path)
        note, problem = usable(path)
        if problem:
            log.warning(safe_text(problem))
        return note

    def _report(self, problems: Iterable[str]) -> None:
        """Warn of what was wrong with a list or a tree as a whole."""
        for problem in problems:
            log.warning(safe_text(problem))

    def _progress(self, percent: float, text: str) -> None:
        """Tell the user how far the work is, the way Volatility does."""
        if self._progress_callback is not None:
            self._progress_callback(percent, text)

    @contextmanager
    def _output(self, start: str, name: object, ending: str) -> Iterator[Any]:
        """Open a file where the user wants files to be; one that cannot be finished leaves nothing there.

        Raises:
            OSError: it cannot be written.
        """
        file = self.open(safe_file_name(start, name, ending))
        try:
            yield file
            file.close()
        except BaseException:
            discard(file)
            raise


def bits_of(request: Request) -> int:
    """Bits of an address that the page tables of the image translate, at least those of a stock layer for x64."""
    space = None if request.tables is None else request.tables.kernel.space
    return max(BITS, getattr(getattr(space, "mode", None), "bits", BITS))


def discard(file: Any) -> None:
    """Give a file of Volatility's command line up: closed in the usual way it would get its name, whatever is in it."""
    below, path = getattr(file, "_file", None), getattr(file, "_name", None)
    if below is None or path is None:
        return
    with suppress(OSError):
        below.close()
    with suppress(OSError):
        os.unlink(path)


def stock_privilege_descriptions() -> dict[int, str]:
    """Privilege value to the description that stock ``windows.privileges`` prints; empty where it ships none."""
    for folder in (os.path.join(path, "windows") for path in constants.PLUGINS_PATH):
        path = os.path.join(folder, "sids_and_privileges.json")
        if os.path.isfile(path):
            with open(path, encoding="utf-8") as file:
                return {int(value): entry[1] for value, entry in json.load(file).get("privileges", {}).items()}
    return {}
