"""Stock plugins over an image that is opened once: a second opinion on what ours say, with a symbol table at hand."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import volatility3.symbols
from volatility3.framework import automagic, constants, contexts, exceptions, interfaces, plugins

from process_anatomy.errors import ImageError

Rows = list[dict[str, Any]]
"""Rows by column: numbers, texts and times; ``None`` where Volatility has no value."""


class Cloned(contexts.Context):
    """A context that remembers its clones: Volatility leaves the image open in the one that it stacks layers in."""

    def __init__(self) -> None:
        super().__init__()
        self.clones: list[Any] = []

    def clone(self) -> Any:
        """A copy with layers of its own."""
        found = super().clone()
        self.clones.append(found)
        return found


class Stock:
    """Stock Volatility on one image, as :func:`stock` gives it."""

    def __init__(self, image: Path) -> None:
        self._image = image
        self._context = Cloned()
        self._context.config["automagic.LayerStacker.single_location"] = image.absolute().as_uri()
        self._magics = automagic.available(self._context)

    def rows(self, plugin: str, pids: Iterable[int] = ()) -> Rows:
        """The rows of a plugin.

        Args:
            plugin: its module, as ``windows.pslist``.
            pids: processes that it is asked about, where it can be; all where none is named.

        Raises:
            ImageError: Volatility cannot read the image, or the plugin cannot run on it.
        """
        try:
            return self._run(_plugin(plugin), list(pids))
        except (exceptions.VolatilityException, ImportError) as error:
            raise ImageError(f"stock {plugin} cannot read {self._image.name}: {error}") from None

    def close(self) -> None:
        """Close the image: in the layers that plugins read, and in those that Volatility tried them with."""
        for context in (self._context, *self._context.clones):
            for name in list(context.layers):
                context.layers[name].destroy()

    def _run(self, kind: Any, pids: list[int]) -> Rows:
        context = self._context
        place = f"plugins.{kind.__name__}"
        if context.modules:
            context.config[f"{place}.kernel"] = next(iter(context.modules))
        if any(requirement.name == "pid" for requirement in kind.get_requirements()):
            context.config[f"{place}.pid"] = pids
        magics = automagic.choose_automagic(self._magics, kind)
        grid = plugins.construct_plugin(context, magics, kind, "plugins", None, None).run()
        rows: Rows = []
        names = [column.name for column in grid.columns]

        def visit(node: Any, rows: Rows) -> Rows:
            rows.append({name: _plain(value) for name, value in zip(names, node.values, strict=True)})
            return rows

        grid.populate(visit, rows)
        return rows


def _plain(value: Any) -> Any:
    if isinstance(value, interfaces.renderers.BaseAbsentValue):
        return None
    if isinstance(value, (bool, int, str, datetime)):
        return int(value) if isinstance(value, int) and not isinstance(value, bool) else value
    return str(value)


def _plugin(name: str) -> Any:
    """The class of a plugin, by its module's name."""
    module = import_module(f"volatility3.plugins.{name}")
    for each in vars(module).values():
        own = isinstance(each, type) and each.__module__ == module.__name__ and not each.__name__.startswith("_")
        if own and issubclass(each, interfaces.plugins.PluginInterface):
            return each
    raise ImportError(f"{name} holds no plugin")


@contextmanager
def stock(image: Path, symbols: Path) -> Iterator[Stock]:
    """Stock Volatility on one image: offline, with these symbol tables first, and with a cache of its own.

    Its settings are of the whole process while this lasts, and what they were afterwards.

    Args:
        image: the image.
        symbols: folder of symbol tables, which lie in it as ``windows/PDB/GUID-AGE.json.xz``.
    """
    kept = constants.CACHE_PATH, constants.OFFLINE, list(volatility3.symbols.__path__)
    logger = logging.getLogger("volatility3")
    level = logger.level
    with TemporaryDirectory(prefix="vol-cache-") as cache, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        constants.CACHE_PATH, constants.OFFLINE = cache, True
        volatility3.symbols.__path__ = [str(symbols.absolute()), *constants.SYMBOL_BASEPATHS]
        logger.setLevel(logging.CRITICAL)
        source = Stock(image)
        try:
            yield source
        finally:
            source.close()
            constants.CACHE_PATH, constants.OFFLINE, volatility3.symbols.__path__ = kept
            logger.setLevel(level)
