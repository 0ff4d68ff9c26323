"""Layers of our own: one for small memory dumps, which no stock layer reads, and a stand-in for what none knows.

Under the stand-in our plugins search for page tables themselves, and say in one line what is wrong with an image in
which there are none.
"""

from __future__ import annotations

import collections
import errno
import mmap
import os
from contextlib import suppress
from typing import Any, TypeVar
from urllib.parse import urlparse
from urllib.request import url2pathname

from volatility3.framework import constants, exceptions, interfaces
from volatility3.framework.layers import intel, segmented
from volatility3.framework.layers.physical import FileLayer

from process_anatomy.memory.resident import tell_of_files_that_are_cut_off

ARCHITECTURES = ["Intel32", "Intel64", "process-anatomy"]
"""What our plugins accept; the last is the mark of our own layers, which no stock plugin asks for."""
DUMP_TYPE_OFFSET = {b"PAGEDU64": 0xF98, b"PAGEDUMP": 0xF88}
TRIAGE = 4
HOLES = 1 << 16
"""Holes of a file that are asked for; what lies behind them is read."""
UNPACKED_LIMIT = 1 << 26
"""Bytes that are looked at of a file that Volatility unpacks on the way."""
Layer = TypeVar("Layer", bound=interfaces.layers.TranslationLayerInterface)


class SmallDumpLayer(segmented.SegmentedLayer):
    """A Windows small memory dump ("triage" dump): fragments of kernel memory by virtual address."""

    provides = {"type": "virtual"}
    _direct_metadata = collections.ChainMap(
        {"architecture": ARCHITECTURES[-1], "os": "Windows"}, segmented.SegmentedLayer._direct_metadata
    )

    def _load_segments(self) -> None:
        from process_anatomy.memory.small_dump import SmallDump

        self.dump = SmallDump(file_bytes(self.context.layers[self.config["base_layer"]]))
        self._segments = [(f.address, f.offset, f.size, f.size) for f in self.dump.fragments]


class UnrecognisedLayer(segmented.SegmentedLayer):
    """An image in which no stock layer found page tables of Windows."""

    provides = {"type": "physical"}
    _direct_metadata = collections.ChainMap(
        {"architecture": ARCHITECTURES[-1]}, segmented.SegmentedLayer._direct_metadata
    )

    def _load_segments(self) -> None:
        size = self.context.layers[self.config["base_layer"]].maximum_address + 1
        self._segments = [(0, 0, size, size)] if size > 0 else []


class CutOffLayer(UnrecognisedLayer):
    """A file that ends before the memory that it should hold, of which no stock layer is to try anything."""

    def _load_segments(self) -> None:
        self._segments = []


class FiveLevelLayer(UnrecognisedLayer):
    """An image with page tables of five levels, for which Volatility has no layer: no other stacker need look at it."""

    _direct_metadata = collections.ChainMap({"os": "Windows, five levels"}, UnrecognisedLayer._direct_metadata)


class SmallDumpStacker(interfaces.automagic.StackerLayerInterface):
    """Stacks :class:`SmallDumpLayer` on files that are small memory dumps."""

    stack_order = 10
    exclusion_list = ["mac", "linux"]

    @classmethod
    def stack(
        cls,
        context: interfaces.context.ContextInterface,
        layer_name: str,
        progress_callback: constants.ProgressCallback = None,
    ) -> interfaces.layers.DataLayerInterface | None:
        """The layer, or ``None`` where the file is no small dump that can be read."""
        base = context.layers[layer_name]
        if not isinstance(base, FileLayer) or dump_type(base) != TRIAGE:
            return None
        from process_anatomy.memory.small_dump import SmallDumpError

        try:
            return on_top(context, layer_name, SmallDumpLayer)
        except SmallDumpError:
            return None  # the stand-in repeats the attempt and says why


class UnrecognisedStacker(interfaces.automagic.StackerLayerInterface):
    """Stacks :class:`UnrecognisedLayer` where every other stacker has given up."""

    stack_order = 1000
    exclusion_list = ["mac", "linux"]

    @classmethod
    def stack(
        cls,
        context: interfaces.context.ContextInterface,
        layer_name: str,
        progress_callback: constants.ProgressCallback = None,
    ) -> interfaces.layers.DataLayerInterface | None:
        """The stand-in, or ``None`` where the image was recognised."""
        if isinstance(context.layers[layer_name], (intel.Intel, SmallDumpLayer, UnrecognisedLayer)):
            return None
        return on_top(context, layer_name, UnrecognisedLayer)


def on_top(context: interfaces.context.ContextInterface, below: str, kind: type[Layer]) -> Layer:
    """A layer of a kind over another."""
    name = context.layers.free_layer_name(kind.__name__)
    context.config[interfaces.configuration.path_join(name, "base_layer")] = below
    made: Layer = kind(context, name, name)
    return made


def dump_type(layer: interfaces.layers.DataLayerInterface) -> int | None:
    """The dump type in a crash dump's header, or ``None`` where there is no such header."""
    head = peek(layer, 0, 8)
    if head not in DUMP_TYPE_OFFSET:
        return None
    found = peek(layer, DUMP_TYPE_OFFSET[head], 4)
    return None if found is None else int.from_bytes(found, "little")


def peek(layer: interfaces.layers.DataLayerInterface, offset: int, size: int) -> bytes | None:
    """Some bytes of a layer, or ``None`` where not all of them are there."""
    try:
        return bytes(layer.read(offset, size))
    except exceptions.InvalidAddressException:
        return None


def local_path(location: str) -> str:
    """The path of a ``file:`` location, empty for every other."""
    url = urlparse(location)
    return url2pathname(url.path) if url.scheme == "file" else ""


def file_bytes(layer: interfaces.layers.DataLayerInterface, most: int = UNPACKED_LIMIT) -> Any:
    """The bytes of a file layer: mapped where it is a plain file, else read through the layer, at most ``most``.

    A file that Volatility unpacks on the way (``.gz``, ``.xz``) is told by its size and its first bytes.
    """
    size = layer.maximum_address + 1
    if isinstance(layer, FileLayer) and size > 0:
        path = local_path(layer.location)
        if path and os.path.isfile(path) and os.path.getsize(path) == size:
            with open(path, "rb") as file:
                mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
            if mapped[:64] == peek(layer, 0, min(64, size)):
                tell_of_files_that_are_cut_off()
                with suppress(AttributeError, OSError):  # else each page that is read may count as 2 MB of ours
                    mapped.madvise(mmap.MADV_NOHUGEPAGE)
                return mapped
    return layer.read(0, min(size, most)) if size > 0 else b""


def holes(layer: FileLayer) -> list[tuple[int, int]]:
    """Start and end (exclusive) of parts of a plain file that its file system keeps as zeros, without reading them.

    Source: lseek(2), SEEK_HOLE and SEEK_DATA; a system without them knows of none.
    """
    found: list[tuple[int, int]] = []
    path, at = local_path(layer.location), 0
    if not path or not hasattr(os, "SEEK_HOLE"):
        return []
    try:
        with open(path, "rb") as file:
            size = os.fstat(file.fileno()).st_size
            while len(found) < HOLES and (start := os.lseek(file.fileno(), at, os.SEEK_HOLE)) < size:
                at = _data_behind(file.fileno(), start, size)
                found.append((start, at))
    except OSError:
        pass  # what is not told is read
    return found


def _data_behind(descriptor: int, start: int, size: int) -> int:
    """Where data begins again behind the start of a hole; the file's end where it does not."""
    try:
        return os.lseek(descriptor, start, os.SEEK_DATA)
    except OSError as error:
        if error.errno == errno.ENXIO:
            return size
        raise
