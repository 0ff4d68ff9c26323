"""The largest tables of one image, written by processes side by side.

They are forked from the one that opened the image, so that all see the same processes of it, and each row is what it
would be in one run: only who writes it differs.  The rows of a view are split into blocks, and every so many blocks are
a stripe, which is written by whoever claims it first.  A process that dies costs nothing but time: what it has not
written is written by the one that forked it.
"""

from __future__ import annotations

import gc
import json
import multiprocessing
import os
import shutil
import signal
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

from process_anatomy.errors import Error
from process_anatomy.fleet.written import Written
from process_anatomy.views import view
from process_anatomy.views.declaration import Row, View
from process_anatomy.views.files import JOINERS, ROWS_AT_ONCE, WRITERS
from process_anatomy.views.flat import ROW, Origin, Place, Places, flat, flat_records
from process_anatomy.views.records import Record, records

if TYPE_CHECKING:
    from multiprocessing.context import ForkProcess

    from process_anatomy.views.image import Answer
    from process_anatomy.walk.across.tables import Tables

FORKS = sys.platform == "linux"
"""Elsewhere what libraries start before a fork may not live behind it."""
WORTH = 1 << 12
"""Ranges and handles below which nobody is forked: it would take longer than it saves."""
CLAIMED, DONE = "claimed", "done"
"""Endings of the names of what says that somebody writes a stripe, and that it is written."""
Ask = Callable[[str], "Answer"]
"""Gives the answer of a view, by its name."""


@dataclass(frozen=True, slots=True)
class Stripe:
    """A part of the rows of a view.

    Attributes:
        view: its name.
        number: of the stripe: its first block.
        of: how many stripes there are; after so many blocks comes the stripe's next.
    """

    view: str
    number: int
    of: int


@dataclass(slots=True)
class Wanted:
    """Passes on the rows of a stripe.

    Attributes:
        stripe: which.
        places: of the rows that were passed on and not asked for yet.
        count: rows that the view has, once all went by.
    """

    stripe: Stripe
    places: deque[Place] = field(default_factory=deque)
    count: int = 0

    def __call__(self, rows: Iterable[Row]) -> Iterator[Row]:
        """Those of some rows that are in the stripe."""
        counted = Places()
        for row in rows:
            place = counted.next(row[0])
            self.count += 1
            if place.row // ROWS_AT_ONCE % self.stripe.of == self.stripe.number:
                self.places.append(place)
                yield row

    def passed(self) -> Iterator[Place]:
        """The places of the rows, one for each that was passed on."""
        while True:
            yield self.places.popleft()


def processors() -> int:
    """How many processors this process may use."""
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1


def split(tables: Tables, names: Sequence[str], hands: int) -> list[Stripe]:
    """What of some views is worth to be written side by side, and can be: tables of what processes have.

    What rows conclude from an image as a whole is not: it is what takes long there, and every process would do it anew.
    """
    from process_anatomy.memory.address_space import AddressSpace

    parted, space = [name for name in names if _of_parts(view(name))], tables.kernel.space
    if hands < 2 or not FORKS or not parted:
        return []
    if not isinstance(space, AddressSpace) or not space.memory.forkable:
        return []
    size = max(len(tables.vads.rows), len(tables.handle_tables.entries.value))
    if size < WORTH:
        return []
    stripes = min(hands, -(-size // ROWS_AT_ONCE))
    return [Stripe(name, number, stripes) for name in parted for number in range(stripes)]


def _of_parts(view: View) -> bool:
    """Whether rows are of parts of a process, each told from its own structures."""
    return view.by_process and not view.whole and view.through is not None


class Hands:
    """Who writes stripes, and what they have written.

    Args:
        ask: gives answers of views.
        form: of the files.
        origin: of the rows.
        stripes: what there is to be written.
        folder: takes the files; is made.
    """

    def __init__(self, ask: Ask, form: str, origin: Origin, stripes: Sequence[Stripe], folder: Path) -> None:
        self._ask, self._form, self._origin, self._stripes, self._folder = ask, form, origin, stripes, folder
        self._helping: list[ForkProcess] = []

    @contextmanager
    def helping(self, number: int) -> Iterator[None]:
        """So many processes write stripes meanwhile; none of them is there afterwards."""
        self._folder.mkdir()
        gc.freeze()  # pages that all share are not written to for the sake of counting
        try:
            for _ in range(number if self._stripes else 0):
                one = multiprocessing.get_context("fork").Process(target=self._help, args=(os.getpid(),), daemon=True)
                self._helping.append(one)
                one.start()
            yield
        finally:
            for one in self._helping:
                if one.pid is not None:
                    one.kill()
                    one.join()
            gc.unfreeze()
            shutil.rmtree(self._folder, ignore_errors=True)

    def finish(self) -> None:
        """Write the stripes that nobody has claimed, and wait for those that others write."""
        with suppress(Error):  # told by who asks for the view
            self._work()
        for one in self._helping:
            one.join()

    def joined(self, name: str, file: Path) -> Written | None:
        """Make one file of the stripes of a view; ``None`` where one of them is not written.

        Raises:
            OSError: it cannot be written.
        """
        told = []
        for stripe in self._stripes:
            if stripe.view == name:
                if not (done := self._place(stripe, DONE)).is_file():
                    return None
                told.append(json.loads(done.read_text("utf-8")))
        if not told:
            return None
        parts = [self._part(name, number) for number in sorted(number for one in told for number in one["blocks"])]
        with file.open("xb") as out:
            JOINERS[self._form](parts, out)
        for part in parts:
            part.unlink()
        return Written(name, file.name, told[0]["rows"], tuple(told[0]["problems"]))

    def _help(self, parent: int) -> None:
        """What a process does that was forked for it: whatever ends it early is met again by who asks for the view."""
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # who forked it ends it
        with suppress(Exception):
            self._work(lambda: os.getppid() == parent)

    def _work(self, waited_for: Callable[[], bool] = lambda: True) -> None:
        for stripe in self._stripes:
            if not waited_for():
                return
            try:
                self._place(stripe, CLAIMED).touch(exist_ok=False)
            except FileExistsError:
                continue
            self._write(stripe)

    def _write(self, stripe: Stripe) -> None:
        """Write each block of a stripe to a file of its own, the first one even where there is no row."""
        answer, wanted = self._ask(stripe.view), Wanted(stripe)
        rows = records(answer.view, answer.rows(wanted))
        blocks = []
        for number, block in groupby(flat_records(answer.view, rows, self._origin, wanted.passed()), _block):
            self._write_block(answer.view, number, block)
            blocks.append(number)
        if not wanted.count and not stripe.number:
            self._write_block(answer.view, 0, ())
            blocks.append(0)
        told = {"rows": wanted.count, "blocks": blocks, "problems": answer.problems}
        written = self._place(stripe, "told")
        written.write_text(json.dumps(told), "utf-8")
        written.rename(self._place(stripe, DONE))

    def _write_block(self, view: View, number: int, rows: Iterable[Record]) -> None:
        with self._part(view.name, number).open("xb") as out:
            WRITERS[self._form](flat(view), rows, out)

    def _place(self, stripe: Stripe, ending: str) -> Path:
        return self._folder / f"{stripe.view}.{stripe.number}.{ending}"

    def _part(self, name: str, block: int) -> Path:
        return self._folder / f"{name}.{block}.{self._form}"


def _block(row: Record) -> int:
    """Which block a row is in."""
    number = row[ROW]
    assert isinstance(number, int)
    return number // ROWS_AT_ONCE
