"""Layers over files whose pages are packed: hibernation files."""

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

    def _load(self) -> None:
        """Find the pages."""
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

    words = "hibernation file"

    def _load(self) -> None:
        from process_anatomy.memory.hibernation import read_hibernation

        file = self.context.layers[self._base]
        found = read_hibernation(reader(file), file.maximum_address + 1)
        self.packed, self.lost, self.doubts = found.packed, found.lost, found.doubts


class HibernationStacker(interfaces.automagic.StackerLayerInterface):
    """Stacks :class:`HibernationLayer` on hibernation files."""

    stack_order = 10
    exclusion_list = ["mac", "linux"]

    @classmethod
    def stack(
        cls,
        context: interfaces.context.ContextInterface,
        layer_name: str,
        progress_callback: constants.ProgressCallback = None,
    ) -> interfaces.layers.DataLayerInterface | None:
        """The layer, a stand-in where the file is none that can be read, ``None`` where it is no such file."""
        file = context.layers[layer_name]
        if not isinstance(file, FileLayer) or not is_hibernation(file):
            return None
        from process_anatomy.memory.hibernation import HibernationError

        try:
            return on_top(context, layer_name, HibernationLayer)
        except HibernationError:
            return on_top(context, layer_name, CutOffLayer)  # what is said of it is found again when somebody asks


def is_hibernation(file: FileLayer) -> bool:
    """Whether a file is a hibernation file."""
    if (peek(file, 0, 4) or b"").upper() not in MARKS:
        return False
    from process_anatomy.memory import hibernation

    return hibernation.is_hibernation(reader(file))


def hibernation_error(file: FileLayer) -> str:
    """Why a hibernation file cannot be read; empty where it can."""
    from process_anatomy.memory.hibernation import HibernationError, read_hibernation

    try:
        read_hibernation(reader(file), file.maximum_address + 1)
    except HibernationError as error:
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
