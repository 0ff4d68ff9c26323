"""An opened image: what its views say of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

from process_anatomy.errors import Error, RequestError
from process_anatomy.views import NAMES, view
from process_anatomy.views.declaration import Output, Request, Row, View
from process_anatomy.views.problems import answer
from process_anatomy.views.records import Record, records

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl
    import pyarrow as pa

    from process_anatomy.kernel.identify import Kernel
    from process_anatomy.notes.own.matching import OwnNote
    from process_anatomy.walk.across.tables import Tables


class Answer:
    """What a view says of an image; the rows are made anew each time they are iterated over, from tables kept once.

    Attributes:
        view: the view.
        problems: what was wrong with lists and trees as a whole, one line each; known once rows were asked for.
    """

    def __init__(self, view: View, request: Callable[[Callable[[Iterable[str]], None]], Request]) -> None:
        self.view = view
        self.problems: tuple[str, ...] = ()
        self._request = request

    def rows(self, wanted: Callable[[Iterable[Row]], Iterable[Row]] = iter) -> Iterator[Row]:
        """The rows as the view gives them, cells with the reason where there is no fact.

        Args:
            wanted: passes on those that are wanted, before anything but their cells is made; all where it is left out.

        Raises:
            Error: they cannot be produced; one line says why.
        """
        said: dict[str, None] = {}

        def report(problems: Iterable[str]) -> None:
            said.update(dict.fromkeys(problems))
            self.problems = tuple(said)

        return answer(self.view, self._request(report), wanted)

    def __iter__(self) -> Iterator[Record]:
        """The rows as records.

        Raises:
            Error: they cannot be produced; one line says why.
        """
        return records(self.view, self.rows())

    def to_arrow(self) -> pa.Table:
        """The rows as an Arrow table; what each column means, and its unit, is in the schema's metadata.

        Raises:
            RequestError: pyarrow is not installed.
            Error: the rows cannot be produced.
        """
        from process_anatomy.views.arrow import table

        return table(self.view, self)

    def to_pandas(self) -> pd.DataFrame:
        """The rows as a table of pandas, whose numbers are whole; see :mod:`process_anatomy.views.frames`.

        Raises:
            RequestError: pandas or pyarrow is not installed.
            Error: the rows cannot be produced.
        """
        from process_anatomy.views.frames import to_pandas

        return to_pandas(self.to_arrow())

    def to_polars(self) -> pl.DataFrame:
        """The rows as a table of polars; see :mod:`process_anatomy.views.frames`.

        Raises:
            RequestError: polars or pyarrow is not installed.
            Error: the rows cannot be produced.
        """
        from process_anatomy.views.frames import to_polars

        return to_polars(self.to_arrow())

    @property
    def doubt(self) -> str:
        """Why the rows are not to be trusted, since the layout does not fit the image; empty where they are."""
        tables = self._request(lambda _: None).tables
        if not self.view.of_image:
            return ""
        return self.view.doubt(tables) if self.view.doubt else tables.trust.reason

    def __repr__(self) -> str:
        return f"<view {self.view.name}: {self.view.title}>"

    def _repr_html_(self) -> str:
        """The first rows as a table, for Jupyter; why there are none, where they cannot be produced."""
        from process_anatomy.views import html

        try:
            shown = html.table(self.view, self, self.doubt)
        except Error as error:
            return html.facts(self.view.name, {"no rows": str(error)})
        return shown + html.lines(self.problems)


class Image:
    """An opened image: its kernel, and the views of it.

    Attributes:
        own: the reader's own note, as :func:`process_anatomy.notes.own.matching.open_note` gives it; its words are
            then told in the place of ours.

    Args:
        kernel: the Windows kernel in it.
        privilege_descriptions: gives what stock Volatility says of each privilege, by number.
        page: makes the page of the image, as :class:`process_anatomy.views.declaration.Request` has it.
    """

    def __init__(
        self,
        kernel: Kernel,
        privilege_descriptions: Callable[[], Mapping[int, str]] = dict,
        page: Callable[[Request], Any] | None = None,
    ) -> None:
        self.kernel = kernel
        self.own: OwnNote | None = None
        self._descriptions = privilege_descriptions
        self._page = page
        self._tables: dict[frozenset[int], Tables] = {}

    @property
    def views(self) -> tuple[str, ...]:
        """The names of the views."""
        return NAMES

    @cached_property
    def doubt(self) -> str:
        """Why no row is to be trusted, since the layout does not fit the image; empty where it does."""
        return self.tables().trust.reason

    def tables(self, pids: Iterable[int] = ()) -> Tables:
        """The tables of some processes, of all where none is named; views of the same processes share them."""
        from process_anatomy.walk.across.tables import Tables

        wanted = frozenset(pids)
        return self._tables.setdefault(wanted, Tables(self.kernel, wanted))

    def view(
        self,
        name: str,
        *,
        pid: int | Iterable[int] = (),
        explain: str = "brief",
        hidden: bool = False,
        output: Output | None = None,
        **options: Any,
    ) -> Answer:
        """What a view says of the image.

        Args:
            name: of the view, as :attr:`views` has it.
            pid: ids of processes; all where none is named.
            explain: how much each row explains about itself: ``off``, ``brief``, ``full`` or ``analogy``.
            hidden: rows of processes that the active list does not hold are among them, and say so; to find these
                takes a search through all of physical memory.  Else they are named in one line.
            output: opens a file to be written, where the view writes any; see
                :class:`process_anatomy.views.declaration.Request`.
            options: of the view, as its declaration names them.

        Raises:
            RequestError: there is no such view, level or option, or the view takes no process ids.
        """
        from process_anatomy.notes.explainer import Explainer
        from process_anatomy.notes.library import Level

        asked = view(name)
        known = {option.name: option.default for option in asked.options}
        if strange := sorted(options.keys() - known):
            raise RequestError(f"{name} has no option {strange[0]}; it has {', '.join(known) or 'none'}")
        if explain not in {level.value for level in Level}:
            raise RequestError(f"explain is one of {', '.join(level.value for level in Level)}, not {explain!r}")
        pids = frozenset([pid] if isinstance(pid, int) else pid)
        if pids and not asked.by_process:
            raise RequestError(f"{name} is not about single processes, so it takes no pid")
        for option in asked.options:
            if option.choices and option.name in options and options[option.name] not in option.choices:
                raise RequestError(f"{option.name} is one of {', '.join(option.choices)}")

        def request(report: Callable[[Iterable[str]], None]) -> Request:
            return Request(
                self.tables(pids).with_hidden if hidden else self.tables(pids),
                Explainer(explain, own=self.own),
                known | options,
                report,
                output=output,
                privilege_descriptions=self._descriptions,
                page=self._page,
            )

        return Answer(asked, request)

    def __repr__(self) -> str:
        return f"<image of {self._windows}>"

    @property
    def _windows(self) -> str:
        """Which Windows it is of, in words."""
        kernel = self.kernel
        return f"Windows build {kernel.number}, {kernel.build.name if kernel.file is None else kernel.file}"

    def _repr_html_(self) -> str:
        """What is known of it as a whole, as a table for Jupyter."""
        from process_anatomy.filetime import moment_text
        from process_anatomy.views import html
        from process_anatomy.walk.processes.captured import captured

        told = {
            "Windows": self._windows,
            "layout": f"{self.kernel.build.name}, {self.kernel.build.origin}",
            "verdict": f"do not trust: {self.doubt}" if self.doubt else "the layout fits the image",
            "captured": moment_text(captured(self.kernel)) or "not known",
            "processes": str(len(self.tables().listed.rows)),
            "views": ", ".join(self.views),
        }
        return html.facts("memory image", told) + html.lines(self.kernel.doubts)
