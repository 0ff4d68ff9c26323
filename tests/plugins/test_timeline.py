"""Stock ``timeliner.Timeliner`` runs our plugins with times, and what it writes are our rows."""

from __future__ import annotations

import gc
import importlib
import io
import warnings
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest
from volatility3.framework import automagic, contexts, interfaces, plugins
from volatility3.plugins.timeliner import Timeliner, TimeLinerInterface

from process_anatomy import open_image, views
from process_anatomy.views.declaration import Moment
from process_anatomy.volatility import Anatomy
from tests.conftest import SAMPLE

BODIES: dict[Path, dict[str, list[list[str]]]] = {}
TIMED = {"processes": "Processes", "threads": "Threads", "modules": "Modules"}


class Kept(io.BytesIO, interfaces.plugins.FileHandlerInterface):
    """A file in memory, whose content outlives its closing."""

    content: dict[str, bytes] = {}

    def __init__(self, name: str) -> None:
        io.BytesIO.__init__(self)
        interfaces.plugins.FileHandlerInterface.__init__(self, name)

    def close(self) -> None:
        if not self.closed:
            self.content[self.preferred_filename] = self.getvalue()
        super().close()


def plugin(name: str) -> type[Anatomy]:
    module = importlib.import_module(f"volatility3.plugins.windows.anatomy.{name}")
    (found,) = (kind for kind in vars(module).values() if isinstance(kind, type) and kind.__module__ == module.__name__)
    return found


def test_the_plugins_of_views_with_times_are_those_that_the_timeliner_finds() -> None:
    """By what their columns declare; a time that has not come yet has no place there."""
    timed = {
        view.name
        for view in views.views()
        if any(column.moment not in (None, Moment.EXPIRES) for column in view.columns)
    }
    assert timed == set(TIMED)
    for view in views.views():
        assert issubclass(plugin(view.name), TimeLinerInterface) == (view.name in timed), view.name


def body(image: Path) -> dict[str, list[list[str]]]:
    """Lines of the body file of stock timeliner over an image, by the class of the plugin."""
    if image not in BODIES:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ResourceWarning)  # what Volatility has opened is closed by nobody
            run(image)
            gc.collect()
        found = BODIES[image] = {}
        for line in Kept.content["volatility.body"].decode().splitlines():
            said = line.split("|")
            found.setdefault(said[1].partition(" - ")[0], []).append(said)
    return BODIES[image]


def run(image: Path) -> None:
    """Stock timeliner, as its command line has it, with our plugins alone."""
    for name in TIMED:
        plugin(name)
    context = contexts.Context()
    context.config["automagic.LayerStacker.single_location"] = image.as_uri()
    context.config["plugins.Timeliner.create-bodyfile"] = True
    context.config["plugins.Timeliner.plugin-filter"] = ["windows.anatomy"]
    chosen = automagic.choose_automagic(automagic.available(context), Timeliner)
    grid = plugins.construct_plugin(context, chosen, Timeliner, "plugins", lambda *_: None, Kept).run()
    grid.populate(lambda node, rows: rows, [])


@pytest.mark.parametrize(("name", "image"), [("processes", ""), ("threads", ""), ("modules", "win10-19041.raw")])
def test_stock_timeliner_has_every_time_of_our_rows(name: str, image: str, request: pytest.FixtureRequest) -> None:
    """Each thing once, by a name that no other has; times in the columns in which stock plugins have them.

    Loaders of forged images kept no times, so that modules are those of an image that we did not make.
    """
    path = request.getfixturevalue("foreign")(image) if image else SAMPLE
    view = views.view(name)
    made = [column.name for column in view.columns if column.moment in (Moment.CREATED, Moment.LOADED)]
    ended = [column.name for column in view.columns if column.moment is Moment.ENDED]
    seconds: list[tuple[int, int, int]] = []
    for row in open_image(path).view(name, explain="off"):
        times = [next((_seconds(row[each]) for each in names if row[each]), 0) for names in (made, ended)]
        if any(times):
            pid = row["PID"]
            assert isinstance(pid, int)
            seconds.append((pid, *times))
    lines = {line[1]: line for line in body(path)[TIMED[name]]}
    told = [
        (int(said.partition(" (")[2].partition(")")[0]), int(line[10]), int(line[8])) for said, line in lines.items()
    ]
    assert len(seconds) > 10
    assert sorted(told) == sorted(seconds)


def _seconds(time: Any) -> int:
    assert isinstance(time, datetime)
    assert time.tzinfo == timezone.utc
    return int(time.timestamp())
