"""From a layer of Volatility to physical memory, and from there to the kernel in it."""

from __future__ import annotations

import mmap
import os
import weakref
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from volatility3.framework import interfaces
from volatility3.framework.layers import intel, linear
from volatility3.framework.layers.physical import FileLayer

from process_anatomy.errors import ImageError, NotWindows, NotYet, RequestError
from process_anatomy.views.shown import safe_text
from process_anatomy.volatility.declining import arm64, declined, unrecognised
from process_anatomy.volatility.formats import doubts
from process_anatomy.volatility.layers import SmallDumpLayer, UnrecognisedLayer, file_bytes, holes, peek
from process_anatomy.volatility.packed import PAGE, PackedLayer
from process_anatomy.volatility.page_files import attach, with_page_files

if TYPE_CHECKING:
    from process_anatomy.kernel.identify import Kernel
    from process_anatomy.memory.paging import Mode
    from process_anatomy.memory.physical import PhysicalMemory, Run
    from structs.layout import Build

FIVE_LEVELS = (
    "the page tables have five levels (LA57), which no layer of Volatility's reads: they are read by ours, and stock"
    " plugins cannot read this image"
)


def physical_memory(context: interfaces.context.ContextInterface, name: str) -> PhysicalMemory:
    """Physical memory over a layer: a mapped file where its bytes lie in one, else a page cache."""
    import numpy as np

    from process_anatomy.memory.packed import PackedMemory
    from process_anatomy.memory.physical import CachedMemory, MappedMemory
    from process_anatomy.memory.resident import releaser

    layer = context.layers[name]
    if isinstance(layer, PackedLayer):
        return PackedMemory(layer.packed, lost=layer.lost)
    below, runs = _file_runs(context, name)
    if isinstance(below, PackedLayer) and runs is not None and not any(number % PAGE for run in runs for number in run):
        return PackedMemory(below.packed, runs)
    if isinstance(below, FileLayer) and runs is not None:
        mapped = file_bytes(below)
        if isinstance(mapped, mmap.mmap):
            return MappedMemory(np.frombuffer(mapped, dtype=np.uint8), runs, releaser(mapped), holes(below))

    def page(address: int, size: int) -> bytes | None:
        return peek(layer, address, size)

    return CachedMemory(page, layer.maximum_address + 1)


def _file_runs(
    context: interfaces.context.ContextInterface, name: str
) -> tuple[FileLayer | PackedLayer | None, list[Run] | None]:
    """The file under a layer and which of its ranges are which addresses, where bytes are mapped one to one."""
    from process_anatomy.memory.physical import Run

    layer = context.layers[name]
    if isinstance(layer, (FileLayer, PackedLayer)):
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


def open_kernel(
    context: interfaces.context.ContextInterface,
    name: str,
    isf: str | None = None,
    dtb: int | None = None,
    page_files: str | None = None,
) -> Kernel:
    """The kernel in the image behind a layer.

    Where Volatility found no page tables, or none that lead to a kernel, they are searched for.

    Args:
        context: Volatility's context.
        name: the layer that the plugin was given.
        isf: path of the user's own symbol table, if there is one.
        dtb: physical address of the kernel's page tables, if the user says it.
        page_files: folder of the page files that belong to the image, if the user says it.

    Raises:
        ImageError: the image cannot be analysed; the message says why in one line.
        RequestError: the symbol table or a page file cannot be used, or there is no kernel where the user says.
    """
    from process_anatomy.kernel.choice import other_kernel

    own = read_isf(isf) if isf else None
    try:
        kernel, given = _opened(context, name, own, dtb)
    except NotWindows as error:
        missing = [doubt for doubt in doubts(context, name) if doubt not in str(error)]
        raise NotWindows("; ".join([str(error), *missing])) from None
    kernel = attach(kernel, given, page_files)
    other = other_kernel(kernel, own) if own else ""
    told = (
        *kernel.doubts,
        *doubts(context, name),
        *([other] if other else ()),
        *([FIVE_LEVELS] if has_five_levels(kernel) else ()),
    )
    return replace(kernel, doubts=told) if told else kernel


def has_five_levels(kernel: Kernel) -> bool:
    """Whether its page tables have five levels."""
    from process_anatomy.memory.paging import LA57

    return getattr(kernel.space, "mode", None) is LA57


def _opened(
    context: interfaces.context.ContextInterface, name: str, own: Build | None, dtb: int | None
) -> tuple[Kernel, dict[int, str]]:
    """The kernel, read with the user's own layout where that fits, and the names of page files given by number.

    Raises:
        ImageError: the image cannot be analysed.
        RequestError: there is no kernel where the user says.
    """
    layer = context.layers[name]
    if isinstance(layer, SmallDumpLayer):
        from process_anatomy.kernel.small_dump import open_small_dump

        return open_small_dump(layer.dump, own), {}
    from process_anatomy.kernel.identify import identify
    from process_anatomy.kernel.root_search import find_kernel, kernel_at

    unknown = isinstance(layer, UnrecognisedLayer)
    below = layer.config["base_layer" if unknown else "memory_layer"]
    marked = declined(context, below) if unknown else None
    if marked is not None and dtb is None:
        raise marked
    memory, given = with_page_files(
        context, layer, physical_memory(context, below), lambda file: physical_memory(context, file)
    )
    if dtb is not None:
        said = kernel_at(memory, dtb, own)
        if said is None:
            raise marked or RequestError(f"--dtb: the page tables at {dtb:#x} lead to no Windows kernel")
        return said, given
    if unknown:
        found = find_kernel(memory, own)
        if found is None:
            raise unrecognised(context, below, memory)
        return found, given
    try:
        return identify(memory, int(layer.config["page_map_offset"]), own, mode_of(layer)), given
    except ImageError as error:
        found = find_kernel(memory, own, int(layer.config["page_map_offset"]))
        if found is None:
            raise arm64(memory) or error from None
        return found, given


def mode_of(layer: interfaces.layers.DataLayerInterface) -> Mode:
    """The format of the page tables that a layer of Volatility's reads.

    Raises:
        NotYet: it is of a processor that is not supported.
    """
    from process_anatomy.memory.paging import PAE, X64, X86

    for kind, mode in ((intel.Intel32e, X64), (intel.IntelPAE, PAE), (intel.Intel, X86)):
        if isinstance(layer, kind):
            return mode
    raise NotYet(f"page tables of {safe_text(type(layer).__name__)} are not supported (x86 and x64 are)")


def open_path(
    path: str | os.PathLike[str],
    isf: str | None = None,
    dtb: int | None = None,
    page_files: str | os.PathLike[str] | None = None,
) -> Kernel:
    """The kernel in an image file: Volatility's stackers find the layers, as for a plugin.

    Raises:
        ImageError: the file is missing or cannot be analysed.
        RequestError: the symbol table or a page file cannot be used.
    """
    import volatility3.framework.layers
    from volatility3 import framework
    from volatility3.framework import automagic, contexts
    from volatility3.framework.automagic.stacker import LayerStacker

    from process_anatomy.memory.page_files import PageFiles
    from process_anatomy.memory.physical import CachedMemory

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
    try:
        layer = LayerStacker.stack_layer(context, "image", stackers)[0]
        kernel = open_kernel(context, layer, isf, dtb, None if page_files is None else os.fspath(page_files))
    except BaseException:
        _close(context)
        raise
    memory = getattr(kernel.space, "memory", None)
    memory = memory.memory if isinstance(memory, PageFiles) else memory
    if isinstance(memory, CachedMemory):
        weakref.finalize(memory, _let_go, context)
    else:  # the file is mapped, nobody reads it through the layer any more
        _let_go(context)
    return kernel


def _let_go(context: interfaces.context.ContextInterface) -> None:
    """Close an image's files, and drop what Volatility's caches keep of the layers, which would live for ever there."""
    _close(context)
    for kind in {kind for name in context.layers for kind in type(context.layers[name]).__mro__}:
        for method in vars(kind).values():
            clear = getattr(getattr(method, "fget", method), "cache_clear", None)
            if clear is not None:
                clear()


def _close(context: interfaces.context.ContextInterface) -> None:
    """Close an image's files: that of its memory, and those that Volatility found beside it."""
    for name in context.layers:
        if isinstance(context.layers[name], FileLayer):
            context.layers[name].destroy()


ISF_LIMIT = 1 << 28
"""Bytes of a symbol table, unpacked; those of kernels have some 10 MB."""


def read_isf(path: str) -> Build:
    """A layout from a Volatility symbol table file, packed or not.

    Raises:
        RequestError: the file is missing or is not a Windows kernel's symbol table.
    """
    import json
    import lzma

    from structs.isf import from_isf
    from structs.layout import LayoutError

    try:
        with lzma.open(path) if path.endswith(".xz") else open(path, "rb") as file:
            text = file.read(ISF_LIMIT + 1)
        if len(text) > ISF_LIMIT:
            raise ValueError(f"it has more than {ISF_LIMIT:,} bytes")
        return from_isf(json.loads(text), os.path.basename(path))
    except (OSError, ValueError, EOFError, RecursionError, lzma.LZMAError, LayoutError) as error:
        raise RequestError(f"cannot use the symbol table {path}: {error}") from None
