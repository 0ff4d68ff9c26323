"""Layers over files whose pages are packed: hibernation files, and DumpIt's compressed crash dumps."""

from __future__ import annotations

import collections
import mmap
from collections.abc import Iterable
from functools import partial
from typing import TYPE_CHECKING, Any

from volatility3.framework import constants, exceptions, interfaces
from volatility3.framework.configuration import requirements
from volatility3.framework.layers.physical import FileLayer

from process_anatomy.volatility.layers import CutOffLayer, file_bytes, on_top, peek
from structs.file_marks import ZDMP_SIGNATURE
from structs.hibernation import LINK, RESUMED, WRITTEN

if TYPE_CHECKING:
    from process_anatomy.memory.packed import Packed
    from process_anatomy.memory.physical import PageReader

PAGE = 0x1000
MARKS = WRITTEN | frozenset(RESUMED) | {LINK}


class PackedLayer(interfaces.layers.TranslationLayerInterface):
    """Pages that are unpacked when they are read.

    Attributes:
        packed: the pages.
        lost: bytes that the file's header promises and the file does not hold.
        doubts: what whoever reads it has to know, one line each.
    """

    provides = {"type": "physical"}
    _direct_metadata = collections.ChainMap(
        {"os": "Windows"}, interfaces.layers.TranslationLayerInterface._direct_metadata
    )
    packed: Packed
    lost: int
    doubts: tuple[str, ...]
    words: str
    """What such a file is called."""

    def __init__(
        self,
        context: interfaces.context.ContextInterface,
        config_path: str,
        name: str,
        metadata: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(context=context, config_path=config_path, name=name, metadata=metadata)
        self._base: str = self.config["base_layer"]
        self._load()

    @classmethod
    def begins(cls, file: FileLayer) -> bool:
        """Whether a file has this form."""
        raise NotImplementedError

    def _load(self) -> None:
        """Find the pages.

        Raises:
            PackedError: the file cannot be read.
        """
        raise NotImplementedError

    @classmethod
    def get_requirements(cls) -> list[interfaces.configuration.RequirementInterface]:
        """The layer of the file."""
        return [requirements.TranslationLayerRequirement(name="base_layer", optional=False)]

    @property
    def dependencies(self) -> list[str]:
        """The layer of the file."""
        return [self._base]

    @property
    def minimum_address(self) -> int:
        """The lowest address that there is."""
        return int(self.packed.pages[0]) * PAGE

    @property
    def maximum_address(self) -> int:
        """The highest address that there is."""
        return self.packed.end - 1

    def mapping(
        self, offset: int, length: int, ignore_errors: bool = False
    ) -> Iterable[tuple[int, int, int, int, str]]:
        """Address, bytes, and place and bytes of the block in the file, of each stretch that lies in one block."""
        place, end = offset, offset + max(length, 1)
        blocks = self.packed.blocks
        for page, count, block in self.packed.pieces(offset // PAGE, -(-end // PAGE)):
            start, stop = max(page * PAGE, offset), min((page + count) * PAGE, end)
            if start > place and not ignore_errors:
                break
            yield start, stop - start, int(blocks.offset[block]), int(blocks.size[block]), self._base
            place = stop
        if place < end and not ignore_errors:
            raise exceptions.InvalidAddressException(self.name, place, f"the file does not hold {place:#x}")

    def is_valid(self, offset: int, length: int = 1) -> bool:
        """Whether the file holds all of these bytes, and they can be unpacked."""
        try:
            self.read(offset, length)
        except exceptions.InvalidAddressException:
            return False
        return True

    def read(self, offset: int, length: int, pad: bool = False) -> bytes:
        """Bytes at an address; with ``pad``, zeros where there are none.

        Raises:
            InvalidAddressException: they are not all there, and the message says why.
        """
        parts, place, end = [], offset, offset + length
        while place < end:
            page, start = divmod(place, PAGE)
            take = min(end - place, PAGE - start)
            found = self.packed.page(page) if page >= 0 else "there is no such address"
            if isinstance(found, str):
                if not pad:
                    raise exceptions.InvalidAddressException(self.name, place, f"no memory at {place:#x}: {found}")
                found = bytes(PAGE)
            parts.append(found[start : start + take])
            place += take
        return b"".join(parts)


class HibernationLayer(PackedLayer):
    """The memory in a hibernation file."""

    @classmethod
    def begins(cls, file: FileLayer) -> bool:
        """Whether a file is a hibernation file."""
        if (peek(file, 0, 4) or b"").upper() not in MARKS:
            return False
        from process_anatomy.memory.hibernation import is_hibernation

        return is_hibernation(reader(file))

    def _load(self) -> None:
        from process_anatomy.memory.hibernation import read_hibernation

        file = self.context.layers[self._base]
        found = read_hibernation(reader(file), file.maximum_address + 1)
        self.packed, self.lost, self.doubts = found.packed, found.lost, found.doubts
        self.words = f"hibernation file of {found.windows}"


class CompressedDumpLayer(PackedLayer):
    """The crash dump in a compressed one; addresses are places in the crash dump."""

    words = "compressed crash dump"

    @classmethod
    def begins(cls, file: FileLayer) -> bool:
        """Whether a file is a compressed crash dump."""
        return peek(file, 0, len(ZDMP_SIGNATURE)) == ZDMP_SIGNATURE

    def _load(self) -> None:
        from process_anatomy.memory.zdmp import read_zdmp

        file = self.context.layers[self._base]
        found = read_zdmp(reader(file), file.maximum_address + 1)
        self.packed, self.lost, self.doubts = found.packed, 0, found.doubts


FORMS: tuple[type[PackedLayer], ...] = (HibernationLayer, CompressedDumpLayer)


class PackedStacker(interfaces.automagic.StackerLayerInterface):
    """Stacks these layers on files of their forms."""

    stack_order = 10
    exclusion_list = ["mac", "linux"]

    @classmethod
    def stack(
        cls,
        context: interfaces.context.ContextInterface,
        layer_name: str,
        progress_callback: constants.ProgressCallback = None,
    ) -> interfaces.layers.DataLayerInterface | None:
        """The layer, a stand-in where the file is none that can be read, ``None`` where it has no such form."""
        file = context.layers[layer_name]
        kind = form_of(file) if isinstance(file, FileLayer) else None
        if kind is None:
            return None
        from process_anatomy.memory.packed import PackedError

        try:
            return on_top(context, layer_name, kind)
        except PackedError:
            return on_top(context, layer_name, CutOffLayer)  # why, is found again when somebody asks


def form_of(file: FileLayer) -> type[PackedLayer] | None:
    """The layer for a file whose pages are packed, ``None`` where it has no such form."""
    return next((kind for kind in FORMS if kind.begins(file)), None)


def packed_below(context: interfaces.context.ContextInterface, name: str) -> PackedLayer | None:
    """The layer of packed pages that a layer is or stands on, ``None`` where there is none."""
    layer = context.layers[name]
    while not isinstance(layer, PackedLayer) and layer.dependencies:
        layer = context.layers[layer.dependencies[0]]
    return layer if isinstance(layer, PackedLayer) else None


def packed_error(context: interfaces.context.ContextInterface, file: FileLayer) -> str:
    """Why a file whose pages are packed cannot be read; empty where it can, or where it has no such form."""
    from process_anatomy.memory.packed import PackedError

    kind = form_of(file)
    try:
        if kind is not None:
            on_top(context, file.name, kind)
    except PackedError as error:
        return str(error)
    return ""


def reader(file: interfaces.layers.DataLayerInterface) -> PageReader:
    """Gives bytes of a file: from its pages in memory where it is a plain one, else through the layer."""
    data = file_bytes(file, 0)
    if not isinstance(data, mmap.mmap):
        return partial(peek, file)
    end = len(data)

    def read(address: int, size: int) -> bytes | None:
        return data[address : address + size] if address >= 0 and address + size <= end else None

    return read
