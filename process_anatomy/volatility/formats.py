"""Layers over image files that the stock ones do not read, or not well: bitmap dumps, 32-bit cores, cut LiME."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from volatility3.framework import constants, interfaces
from volatility3.framework.layers import crash, lime, segmented
from volatility3.framework.layers.physical import FileLayer

from process_anatomy.volatility.layers import CutOffLayer, dump_type, on_top, peek
from process_anatomy.volatility.packed import CompressedDumpLayer, PackedLayer
from structs.file_marks import DUMP_TYPE_BITMAP_FULL, DUMP_TYPES_AS_BITMAP, VALID_DUMP32

if TYPE_CHECKING:
    from process_anatomy.memory.physical import Run

PAGE = 0x1000


class _BitmapDump:
    """A dump that has the form of a full bitmap dump, whatever the type in its header."""

    supported_dumptypes = sorted({DUMP_TYPE_BITMAP_FULL} | DUMP_TYPES_AS_BITMAP)
    name: str
    config: Any
    context: interfaces.context.ContextInterface
    headerpages: int
    _segments: list[tuple[int, int, int, int]]

    def _load_segments(self) -> None:
        from process_anatomy.memory.image_files import bitmap_runs

        file = self.context.layers[self.config["base_layer"]]
        self._segments = _segments(bitmap_runs(partial(peek, file), self.headerpages * PAGE))
        if not self._segments:
            raise crash.WindowsCrashDumpFormatException(self.name, "no bitmap of pages follows the header")


class BitmapDump32Layer(_BitmapDump, crash.WindowsCrashDump32Layer):
    """A 32-bit bitmap dump."""


class BitmapDump64Layer(_BitmapDump, crash.WindowsCrashDump64Layer):
    """A 64-bit bitmap dump; Windows writes one where dumps are set to "automatic"."""


class BitmapDumpStacker(interfaces.automagic.StackerLayerInterface):
    """Stacks these before Volatility's own layer, which asks for bit by bit and never ends on some cut files."""

    stack_order = crash.WindowsCrashDumpStacker.stack_order - 1
    exclusion_list = ["mac", "linux"]

    @classmethod
    def stack(
        cls,
        context: interfaces.context.ContextInterface,
        layer_name: str,
        progress_callback: constants.ProgressCallback = None,
    ) -> interfaces.layers.DataLayerInterface | None:
        """The layer, a stand-in where the dump is cut off before its first page, ``None`` where the file is no such."""
        file = context.layers[layer_name]
        if (
            not isinstance(file, (FileLayer, CompressedDumpLayer))
            or dump_type(file) not in BitmapDump64Layer.supported_dumptypes
        ):
            return None
        wide = peek(file, 4, 4) != VALID_DUMP32
        try:
            return on_top(context, layer_name, BitmapDump64Layer if wide else BitmapDump32Layer)
        except crash.WindowsCrashDumpFormatException:
            return on_top(context, layer_name, CutOffLayer)


class Elf32Layer(segmented.SegmentedLayer):
    """A core file of a 32-bit machine's memory."""

    provides = {"type": "physical"}

    def _load_segments(self) -> None:
        from process_anatomy.memory.image_files import elf32_runs

        self._segments = _segments(elf32_runs(partial(peek, self.context.layers[self.config["base_layer"]])))


class LimePartLayer(lime.LimeLayer):
    """A LiME file up to where its ranges end.

    Attributes:
        tail: bytes after the last range.
    """

    tail: int

    def _load_segments(self) -> None:
        from process_anatomy.memory.image_files import lime_runs

        base = self.context.layers[self.config["base_layer"]]
        runs, self.tail = lime_runs(partial(peek, base), base.maximum_address + 1)
        self._segments = _segments(runs)


def _segments(runs: list[Run]) -> list[tuple[int, int, int, int]]:
    return [(run.start, run.offset, run.length, run.length) for run in runs]


class FormatsStacker(interfaces.automagic.StackerLayerInterface):
    """Stacks these layers on files that no stock layer took."""

    stack_order = 12
    exclusion_list = ["mac", "linux"]

    @classmethod
    def stack(
        cls,
        context: interfaces.context.ContextInterface,
        layer_name: str,
        progress_callback: constants.ProgressCallback = None,
    ) -> interfaces.layers.DataLayerInterface | None:
        """The layer, or ``None`` where the file has none of these forms."""
        base = context.layers[layer_name]
        kind = _form(base) if isinstance(base, FileLayer) else None
        if kind is None:
            return None
        made = on_top(context, layer_name, kind)
        return made if made.maximum_address else None


def _form(file: FileLayer) -> type[segmented.SegmentedLayer] | None:
    """The layer for a file by its first bytes, ``None`` where there is none."""
    from process_anatomy.memory.image_files import ELF_START, LIME_START

    head = peek(file, 0, 8) or b""
    if head.startswith(ELF_START):
        return Elf32Layer
    return LimePartLayer if head.startswith(LIME_START) else None


def doubts(context: interfaces.context.ContextInterface, name: str) -> tuple[str, ...]:
    """What the layers below one left out of the file, one line each."""
    found: list[str] = []
    layer = context.layers[name]
    while True:
        if isinstance(layer, PackedLayer):
            found += layer.doubts
        if isinstance(layer, LimePartLayer) and layer.tail:
            found.append(
                f"the LiME file has {layer.tail:,} bytes after its last range that are not read: no range starts there"
            )
        if not layer.dependencies:
            return tuple(found)
        layer = context.layers[layer.dependencies[0]]
