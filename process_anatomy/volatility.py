"""The seam to Volatility: its layers become physical memory, its options become questions, our rows its cells.

The only module of the engine that imports volatility3.  It also holds two layers of our own: one for small
memory dumps, which no stock layer reads, and one that stands in where no stock layer recognises an image, so
that our plugins can say in one line what is wrong with it.
"""

from __future__ import annotations

import collections
import itertools
import logging
import mmap
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlparse
from urllib.request import url2pathname

from volatility3.framework import constants, exceptions, interfaces, renderers
from volatility3.framework.configuration import requirements
from volatility3.framework.layers import intel, linear, segmented
from volatility3.framework.layers.physical import FileLayer
from volatility3.framework.renderers import format_hints

from process_anatomy.absent import Absent, Kind
from process_anatomy.errors import Error, ImageError, NotWindows, NotYet, RequestError
from process_anatomy.filetime import moment

if TYPE_CHECKING:
    from process_anatomy.kernel.identify import Kernel
    from process_anatomy.memory.physical import PhysicalMemory, Run
    from process_anatomy.notes.explainer import Explainer
    from process_anatomy.walk.processes import Process
    from process_anatomy.walk.tokens import Token
    from structs.layout import Build

log = logging.getLogger("volatility3.plugins.windows.anatomy")

ARCHITECTURES = ["Intel32", "Intel64", "process-anatomy"]
"""What our plugins accept; the last is the mark of our own layers, which no stock plugin asks for."""
DUMP_TYPE_OFFSET = {b"PAGEDU64": 0xF98, b"PAGEDUMP": 0xF88}
TRIAGE = 4
LINUX_BANNER = b"Linux version "
BANNER_SEARCH = 1 << 28
UNPACKED_LIMIT = 1 << 26
"""Bytes that are looked at of a file that Volatility unpacks on the way."""


class PluginError(Error, SystemExit):
    """Ends a plugin with one line on standard error and exit status 1."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.code = message


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
            return _on_top(context, layer_name, SmallDumpLayer)
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
        return _on_top(context, layer_name, UnrecognisedLayer)


def _on_top(
    context: interfaces.context.ContextInterface, below: str, kind: type[segmented.SegmentedLayer]
) -> segmented.SegmentedLayer:
    name = context.layers.free_layer_name(kind.__name__)
    context.config[interfaces.configuration.path_join(name, "base_layer")] = below
    return kind(context, name, name)


def dump_type(layer: interfaces.layers.DataLayerInterface) -> int | None:
    """The dump type in a crash dump's header, or ``None`` where there is no such header."""
    head = _peek(layer, 0, 8)
    if head not in DUMP_TYPE_OFFSET:
        return None
    found = _peek(layer, DUMP_TYPE_OFFSET[head], 4)
    return None if found is None else int.from_bytes(found, "little")


def _peek(layer: interfaces.layers.DataLayerInterface, offset: int, size: int) -> bytes | None:
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
            if mapped[:64] == _peek(layer, 0, min(64, size)):
                return mapped
    return layer.read(0, min(size, most)) if size > 0 else b""


def physical_memory(context: interfaces.context.ContextInterface, name: str) -> PhysicalMemory:
    """Physical memory over a layer: a mapped file where its bytes lie in one, else a page cache."""
    import numpy as np

    from process_anatomy.memory.physical import CachedMemory, MappedMemory

    layer = context.layers[name]
    below, runs = _file_runs(context, name)
    if below is not None and runs is not None:
        mapped = file_bytes(below)
        if isinstance(mapped, mmap.mmap):
            return MappedMemory(np.frombuffer(mapped, dtype=np.uint8), runs, _releaser(mapped))

    def page(address: int, size: int) -> bytes | None:
        return _peek(layer, address, size)

    return CachedMemory(page, layer.maximum_address + 1)


def _releaser(mapped: mmap.mmap) -> Callable[[], None] | None:
    """What gives the pages of a mapped file back, where the system can do that; they stay in its cache."""
    advice = getattr(mmap, "MADV_DONTNEED", None)
    if advice is None:
        return None
    return lambda: mapped.madvise(advice)


def _file_runs(context: interfaces.context.ContextInterface, name: str) -> tuple[FileLayer | None, list[Run] | None]:
    """The file under a layer and which of its ranges are which addresses, where bytes are mapped one to one."""
    from process_anatomy.memory.physical import Run

    layer = context.layers[name]
    if isinstance(layer, FileLayer):
        return layer, [Run(0, layer.maximum_address + 1, 0)]
    if not isinstance(layer, linear.LinearlyMappedLayer):
        return None, None
    runs: list[Run] = []
    bases: set[str] = set()
    for start, length, offset, mapped, base in layer.mapping(0, layer.maximum_address + 1, ignore_errors=True):
        if length != mapped:
            return None, None
        bases.add(base)
        runs.append(Run(start, length, offset))
    if len(bases) != 1:
        return None, None
    file, below = _file_runs(context, bases.pop())
    if file is None or below is None or len(below) != 1:
        return None, None
    shift = below[0].offset - below[0].start
    return file, [Run(start, length, offset + shift) for start, length, offset in runs]


def open_kernel(context: interfaces.context.ContextInterface, name: str, isf: str | None = None) -> Kernel:
    """The kernel in the image behind a layer.

    Args:
        context: Volatility's context.
        name: the layer that the plugin was given.
        isf: path of the user's own symbol table, if there is one.

    Raises:
        ImageError: the image cannot be analysed; the message says why in one line.
        RequestError: the symbol table cannot be used.
    """
    layer = context.layers[name]
    own = read_isf(isf) if isf else None
    if isinstance(layer, SmallDumpLayer):
        from process_anatomy.kernel.small_dump import open_small_dump

        return open_small_dump(layer.dump, own)
    if isinstance(layer, UnrecognisedLayer):
        raise NotWindows(unrecognised(context, layer.config["base_layer"]))
    if layer.metadata.get("architecture") != "Intel64":
        raise NotYet("this is Windows for x86 (32-bit), which is not supported yet (x64 is)")
    from process_anatomy.kernel.identify import identify

    memory = physical_memory(context, layer.config["memory_layer"])
    return identify(memory, int(layer.config["page_map_offset"]), own)


def open_path(path: str | os.PathLike[str], isf: str | None = None) -> Kernel:
    """The kernel in an image file: Volatility's stackers find the layers, as for a plugin.

    Raises:
        ImageError: the file is missing or cannot be analysed.
        RequestError: the symbol table cannot be used.
    """
    import volatility3.framework.layers
    from volatility3 import framework
    from volatility3.framework import automagic, contexts
    from volatility3.framework.automagic.stacker import LayerStacker

    file = Path(path)
    if not file.is_file():
        raise ImageError(f"{safe_text(str(file))} is not a file")
    context = contexts.Context()
    automagic.available(context)  # loads every stacker
    framework.import_files(volatility3.framework.layers, True)
    context.config["image.location"] = file.absolute().as_uri()
    context.add_layer(FileLayer(context, "image", "image"))
    stackers = sorted(
        (
            stacker
            for stacker in framework.class_subclasses(interfaces.automagic.StackerLayerInterface)
            if "windows" not in stacker.exclusion_list
        ),
        key=lambda stacker: stacker.stack_order,
    )
    return open_kernel(context, LayerStacker.stack_layer(context, "image", stackers)[0], isf)


def read_isf(path: str) -> Build:
    """A layout from a Volatility symbol table file, packed or not.

    Raises:
        RequestError: the file is missing or is not a Windows kernel's symbol table.
    """
    import json
    import lzma

    from structs import builds
    from structs.layout import LayoutError

    try:
        with lzma.open(path) if path.endswith(".xz") else open(path, "rb") as file:
            return builds.from_isf(json.load(file), os.path.basename(path))
    except (OSError, ValueError, EOFError, RecursionError, lzma.LZMAError, LayoutError) as error:
        raise RequestError(f"cannot use the symbol table {path}: {error}") from None


def unrecognised(context: interfaces.context.ContextInterface, name: str) -> str:
    """What an image looks like in which no page tables of Windows were found, in one line."""
    layer = context.layers[name]
    while not isinstance(layer, FileLayer) and layer.dependencies:
        layer = context.layers[layer.dependencies[0]]
    data = file_bytes(layer)
    if not len(data):
        return "the file is empty"
    head = bytes(data[:4096])
    kind = dump_type(layer)
    if kind == TRIAGE:
        from process_anatomy.memory.small_dump import SmallDump, SmallDumpError

        try:
            SmallDump(data)
        except SmallDumpError as error:
            return str(error)
    if kind is not None:
        return f"this is a Windows crash dump of type {kind} that cannot be read: truncated, or without page tables"
    for magic, name_of in KNOWN_STARTS.items():
        if head.startswith(magic):
            return f"this is {name_of}, not a memory image"
    tried = "no page tables of Windows were found in it (searched: file headers, page tables that map themselves)"
    if not any(head) and not any(bytes(data[: 1 << 20])):
        tried += "; it starts with nothing but zeros"
    if all(byte in TEXT for byte in head):
        return f"this looks like a text file, not a memory image; {tried}"
    search = data.find if isinstance(data, (bytes, mmap.mmap)) else bytes(data).find
    if search(LINUX_BANNER, 0, BANNER_SEARCH) >= 0:
        return f"this holds a Linux kernel, not Windows; {tried}"
    return f"not a Windows memory image, or a truncated one of {len(data)} bytes: {tried}"


TEXT = frozenset(b"\t\n\r\f") | frozenset(range(32, 127)) | frozenset(range(128, 256))
KNOWN_STARTS = {
    b"MDMP": "a user-mode minidump (one process's memory)",
    b"MZ": "an executable",
    b"PK\x03\x04": "a ZIP archive",
    b"%PDF": "a PDF document",
    b"\x89PNG": "a picture",
    b"HIBR": "a hibernation file",
    b"hibr": "a hibernation file",
    b"wake": "a hibernation file",
}


class ImageRequirement(requirements.TranslationLayerRequirement):
    """The image; says in one line what Volatility's own message leaves out when the file cannot be one."""

    def unsatisfied(
        self, context: interfaces.context.ContextInterface, config_path: str
    ) -> dict[str, interfaces.configuration.RequirementInterface]:
        """As every layer requirement.

        Raises:
            SystemExit: the file is a directory, or may not be read (automagic swallows all but this).
        """
        path = local_path(context.config.get("automagic.LayerStacker.single_location", None) or "")
        if os.path.isdir(path):
            raise SystemExit(f"windows.anatomy: {safe_text(path)} is a directory, not a memory image")
        if path and os.path.exists(path) and not os.access(path, os.R_OK):
            raise SystemExit(f"windows.anatomy: {safe_text(path)} may not be read")
        missing: dict[str, interfaces.configuration.RequirementInterface] = super().unsatisfied(context, config_path)
        return missing


class IdListRequirement(requirements.ListRequirement):
    """Process ids: several after one option, comma separated, or the option repeated."""

    def unsatisfied(
        self, context: interfaces.context.ContextInterface, config_path: str
    ) -> dict[str, interfaces.configuration.RequirementInterface]:
        """Nothing: any list will do, and malformed ids are told in one line when they are used."""
        path = interfaces.configuration.path_join(config_path, self.name)
        if context.config.get(path, None) is None:
            context.config[path] = []
        return {}


def process_ids(given: Sequence[str | int] | str | int | None) -> frozenset[int]:
    """The process ids that the user asked for.

    Raises:
        RequestError: one of them is no number.
    """
    if given is None:
        return frozenset()
    values = [given] if isinstance(given, (str, int)) else list(given)
    ids: set[int] = set()
    for value in repeated_option("--pid", values):
        for part in str(value).split(","):
            if not part.strip():
                continue
            try:
                ids.add(int(part, 0))
            except ValueError:
                raise RequestError(f"--pid takes process ids, not {safe_text(part)!r}") from None
    return frozenset(ids)


def repeated_option(option: str, given: list[str | int]) -> list[str | int]:
    """What an option was given altogether, where the command line repeats it.

    Volatility's parser keeps only the last use of an option; the earlier ones are taken from the command
    line, but only if its last use is the one that arrived here.
    """
    uses: list[list[str]] = []
    for word in sys.argv[1:]:
        name, equals, value = word.partition("=")
        if name == option:
            uses.append([value] if equals else [])
        elif uses and not word.startswith("-"):
            uses[-1].append(word)
        elif uses and word.startswith("-"):
            uses.append([])
    uses = [use for use in uses if use]
    if uses and uses[-1] == [str(value) for value in given]:
        return [value for use in uses for value in use]
    return given


def integer(option: str, given: str) -> int:
    """A number from an option, decimal or with 0x.

    Raises:
        RequestError: it is none.
    """
    try:
        return int(given, 0)
    except ValueError:
        raise RequestError(f"{option} takes a number, not {safe_text(given)!r}") from None


def safe_text(text: str) -> str:
    """Text with every character that a terminal or a table would act on shown as an escape."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


FILE_NAME_LIMIT = 64
"""Characters of a name from memory that go into a file's name."""


def safe_file_name(start: str, name: object, ending: str) -> str:
    """A name for a file of ours that holds a name from memory, of which only harmless characters are kept."""
    kept = "".join(c if c.isascii() and (c.isalnum() or c in "-.") else "_" for c in str(name or "")[:FILE_NAME_LIMIT])
    return f"{start}.{kept.strip('.') or 'unnamed'}.{ending}"


ABSENT_VALUES: dict[Kind, type[interfaces.renderers.BaseAbsentValue]] = {
    Kind.UNREADABLE: renderers.UnreadableValue,
    Kind.NOT_APPLICABLE: renderers.NotApplicableValue,
    Kind.NOT_IN_BUILD: renderers.NotAvailableValue,
    Kind.NOT_IN_DUMP: renderers.NotAvailableValue,
    Kind.IMPLAUSIBLE: renderers.UnparsableValue,
    Kind.NOT_PROVED: renderers.NotAvailableValue,
}
"""Kind of absence to Volatility's own absent value."""


class Column(NamedTuple):
    """A column of a plugin: its name and Volatility's type."""

    name: str
    type: Any


def cell(value: Any, kind: Any) -> Any:
    """A value as Volatility's grid wants it for a column of a type."""
    if isinstance(value, Absent):
        return ABSENT_VALUES[value.kind]()
    if value is None:
        return renderers.NotApplicableValue()
    if kind is str:
        return safe_text(str(value))
    if kind is datetime:
        return moment(value) or renderers.UnparsableValue()
    return kind(value)


MASK_48 = (1 << 48) - 1


def short_address(address: Any) -> Any:
    """A kernel address as the stock process plugins print it: without its upper 16 bits."""
    return address & MASK_48 if isinstance(address, int) else address


class Anatomy:
    """What our plugins have in common: options, opening the image, one line for errors, rows to cells.

    A plugin derives from this and from Volatility's ``PluginInterface``, names its ``columns`` and yields
    ``(depth, row)`` from ``rows``.
    """

    _required_framework_version = (2, 0, 0)
    columns: tuple[Column, ...] = ()
    context: interfaces.context.ContextInterface
    config: Any
    _progress_callback: Any

    @classmethod
    def get_requirements(cls) -> list[interfaces.configuration.RequirementInterface]:
        """The options that every plugin over an image has."""
        return [
            ImageRequirement(name="primary", description="Memory layer of the kernel", architectures=ARCHITECTURES),
            IdListRequirement(
                name="pid", element_type=str, description="Process ids to show: 4,88 or repeated", optional=True
            ),
            explain_requirement(),
            requirements.StringRequirement(
                name="isf", description="Take the layout from this Volatility symbol table", optional=True
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

        Raises:
            RequestError: the user asked for a process that there is not.
        """
        from process_anatomy.walk.processes import processes

        table = processes(kernel)
        self.report(table.problems)
        return table.rows, table.select(process_ids(self.config["pid"])).rows

    def report(self, problems: Sequence[str]) -> None:
        """Warn of what was wrong with a list or a tree as a whole."""
        for problem in problems:
            log.warning(safe_text(problem))

    def progress(self, percent: float, text: str) -> None:
        """Tell the user how far the work is, the way Volatility does."""
        if self._progress_callback is not None:
            self._progress_callback(percent, text)

    def run(self) -> renderers.TreeGrid:
        """Volatility's entry point.

        Raises:
            PluginError: nothing can be produced; one line says why.
        """
        from process_anatomy.memory.small_dump import SmallDumpError
        from structs.layout import LayoutError

        try:
            self.progress(0, "Identifying the Windows kernel")
            kernel = open_kernel(self.context, self.config["primary"], self.config.get("isf", None))
            for line in kernel.evidence:
                log.info(line)
            if kernel.build.estimated:
                log.warning(f"The layout is estimated: {kernel.build.origin}")
            self.progress(20, "Walking")
            rows = self.rows(kernel)
            first = list(itertools.islice(rows, 1))  # the walk is done and can fail only before its first row
            self.progress(100, "Done")
        except (Error, LayoutError, SmallDumpError) as error:
            raise PluginError(f"{type(self).__module__.removeprefix('volatility3.plugins.')}: {error}") from None
        return grid(self.columns, itertools.chain(first, rows))


def explain_requirement() -> interfaces.configuration.RequirementInterface:
    """The option that says how much each row explains."""
    return requirements.ChoiceRequirement(
        name="explain",
        choices=["off", "brief", "full", "analogy"],
        default="brief",
        description="How much each row explains about itself",
        optional=True,
    )


def grid(columns: Sequence[Column], rows: Iterable[tuple[int, Sequence[Any]]]) -> renderers.TreeGrid:
    """Rows as Volatility's grid."""
    kinds = [column.type for column in columns]
    cells = ((depth, tuple(map(cell, row, kinds))) for depth, row in rows)
    return renderers.TreeGrid([(column.name, column.type) for column in columns], cells)


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
    "PluginError",
    "cell",
    "explain_requirement",
    "format_hints",
    "grid",
    "integer",
    "open_kernel",
    "safe_file_name",
    "safe_text",
    "short_address",
    "stock_privilege_descriptions",
]
