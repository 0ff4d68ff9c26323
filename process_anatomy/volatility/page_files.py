"""Page files that the user gives: by number on Volatility's command line, or by name in a folder."""

from __future__ import annotations

import mmap
import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from volatility3.framework import interfaces

from process_anatomy.errors import RequestError
from process_anatomy.memory.page_file_names import FIRST, NUMBERED, SWAP, page_files_in
from process_anatomy.views.shown import safe_text
from process_anatomy.volatility.layers import local_path

if TYPE_CHECKING:
    from process_anatomy.kernel.identify import Kernel
    from process_anatomy.kernel.paging_files import PagingFile
    from process_anatomy.memory.page_files import PageFiles
    from process_anatomy.memory.physical import MappedMemory, PhysicalMemory

LOCATIONS = "automagic.WinSwapLayers.single_swap_locations"
"""Where Volatility keeps what was given with ``--single-swap-locations``."""


def mapped(path: str) -> MappedMemory:
    """The octets of a page file, which is opened to be read only.

    Raises:
        RequestError: it cannot be read.
    """
    import numpy as np

    from process_anatomy.memory.physical import MappedMemory, Run

    try:
        with open(path, "rb") as file:
            size = os.fstat(file.fileno()).st_size
            octets: Any = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) if size else b""
    except (OSError, ValueError) as error:
        raise RequestError(f"the page file {safe_text(path)} cannot be read: {safe_text(str(error))}") from None
    return MappedMemory(np.frombuffer(octets, dtype=np.uint8), [Run(0, size, 0)] if size else [])


def with_page_files(
    context: interfaces.context.ContextInterface,
    layer: interfaces.layers.DataLayerInterface,
    memory: PhysicalMemory,
    open_layer: Callable[[str], PhysicalMemory],
) -> tuple[PhysicalMemory, dict[int, str]]:
    """Memory with the page files that were given with ``--single-swap-locations``, and their names by number.

    The first is number 0, and so on.  Volatility makes layers of them where it found the page tables itself.

    Args:
        context: Volatility's context.
        layer: over the memory.
        memory: of the image.
        open_layer: gives the octets of a layer by its name.

    Raises:
        RequestError: one of them cannot be read.
    """
    from process_anatomy.memory.page_files import FILE_BITS, PageFiles

    layers = {number: layer.config.get(f"swap_layers.swap_layers{number}", None) for number in range(1 << FILE_BITS)}
    files = {number: open_layer(name) for number, name in layers.items() if name in context.layers}
    names = {number: context.layers[layers[number]].config.get("location", "") for number in files}
    if not files:
        given = list(context.config.get(LOCATIONS, None) or [])[: 1 << FILE_BITS]
        names = {number: location for number, location in enumerate(given) if location}
        files = {number: mapped(local_path(location) or location) for number, location in names.items()}
    if not files:
        return memory, {}
    return PageFiles(memory, files), {number: local_path(name) or name for number, name in names.items()}


def in_folder(folder: str) -> dict[str, str]:
    """The page files in a folder: name in small letters to path.

    Raises:
        RequestError: there are none, or it is no folder.
    """
    try:
        files = page_files_in(folder)
    except OSError as error:
        raise RequestError(
            f"--page-files: {safe_text(folder)} is no folder that can be read: {error.strerror}"
        ) from None
    if not files:
        raise RequestError(f"--page-files: {safe_text(folder)} holds no {FIRST}, pagefileN.sys or {SWAP}")
    return files


def numbered(files: Mapping[str, str], listed: Mapping[int, PagingFile]) -> tuple[dict[int, str], list[str]]:
    """Number to path of the page files of a folder, and what has to be said of how the numbers were found.

    ``pagefileN.sys`` is number N.  The others have the number that the kernel's own list gives their names; where that
    was not found, ``pagefile.sys`` is number 0, and ``swapfile.sys`` the first after those that are there.

    Args:
        files: names, in small letters, and paths.
        listed: the kernel's list, empty where it was not found.

    Raises:
        RequestError: two of them have the same number, or one has none that there can be.
    """
    from process_anatomy.memory.page_files import FILE_BITS

    found: dict[int, str] = {}
    told: list[str] = []

    def take(number: int, path: str) -> None:
        if number >= 1 << FILE_BITS:
            raise RequestError(f"--page-files: {safe_text(path)} has number {number}, and there are no more than 16")
        if number in found:
            both = f"{safe_text(found[number])} and {safe_text(path)}"
            raise RequestError(f"--page-files: {both} are both page file {number}")
        found[number] = path

    for name, path in files.items():
        if match := NUMBERED.fullmatch(name):
            take(int(match[1]), path)
    for name in (FIRST, SWAP):
        if name not in files:
            continue
        own = [number for number, one in sorted(listed.items()) if one.base_name == name]
        if own:
            take(own[0], files[name])
        elif listed:
            told.append(f"{files[name]} is not read: the kernel's list of page files has none of that name")
        else:
            number = 0 if name == FIRST else max(found, default=0) + 1
            told.append(f"{files[name]} is taken for page file {number}: the kernel's own list was not found")
            take(number, files[name])
    return found, told


def attach(kernel: Kernel, given: Mapping[int, str], folder: str | None) -> Kernel:
    """The kernel with the page files of a folder besides those given by number; all of them are checked.

    Args:
        kernel: the kernel; its memory has those that were given by number.
        given: their names, by number.
        folder: where the others are; ``None`` where none was named.

    Raises:
        RequestError: the folder has none, or one of them cannot be read or has the number of another.
    """
    from process_anatomy.kernel.page_file_checks import check_page_files
    from process_anatomy.kernel.paging_files import paging_files
    from process_anatomy.memory.page_files import PageFiles

    memory: PageFiles | Any = getattr(kernel.space, "memory", None)
    names, told = dict(given), list[str]()
    if folder is not None:
        if not isinstance(memory, PageFiles):
            raise RequestError("--page-files: an image of this kind has no entries that lead to page files")
        found, told = numbered(in_folder(folder), paging_files(kernel))
        if both := sorted(found.keys() & names.keys()):
            raise RequestError(f"--page-files: page file {both[0]} was given with --single-swap-locations too")
        memory.give({number: mapped(path) for number, path in found.items()})
        names |= found
    if not names:
        return kernel
    said = check_page_files(kernel, {number: str(Path(name)) for number, name in names.items()})
    evidence = (*kernel.evidence, *said.evidence)
    return replace(kernel, evidence=evidence, doubts=(*kernel.doubts, *told, *said.doubts))
