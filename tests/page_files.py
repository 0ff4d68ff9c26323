"""Forged images with page files, made once and shared by the tests of a session."""

from __future__ import annotations

import zlib
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from process_anatomy.forge import LAB, Image, forge, write_page_files, write_raw
from process_anatomy.kernel.identify import Kernel, identify
from process_anatomy.memory.address_space import AddressSpace
from process_anatomy.memory.page_files import PageFiles
from process_anatomy.memory.physical import MappedMemory, Run
from structs import builds
from structs.page_entry import MMPTE_SOFTWARE
from tests.compression import ACTORS, MASK
from tests.walk.damaged import Frames, memory_of, mode_of

PAGE = 0x1000
SHARE = 0.4
BOTH = "x64-19041-3324"
"""The build whose image has a compression store as well."""


@cache
def filed(build: str) -> Image:
    """An image 40 % of whose private pages are in page files, and of one build 40 % of the others in the store."""
    software = builds.load(build)
    flips = build.startswith("x64") and MMPTE_SOFTWARE in software and "SwizzleBit" in software[MMPTE_SOFTWARE]
    cast = tuple(actor for actor in LAB.cast if actor.pid in ACTORS)
    compressed = SHARE if build == BOTH else 0
    scenario = replace(LAB, cast=cast, paged=SHARE, compressed=compressed, invalid_pte_mask=MASK if flips else 0)
    return forge(scenario, 7, build)


def written(build: str, folder: Path) -> tuple[Path, Path]:
    """The image and the folder of its page files, written anew."""
    image = filed(build)
    write_raw(image, folder / "image.raw")
    write_page_files(image, folder / "page files")
    return folder / "image.raw", folder / "page files"


def pages(image: Image) -> list[dict[str, Any]]:
    """The truth of each page in a page file: where it is, in which file, its checksum, and its process's root."""
    roots = {process["pid"]: process["dtb"] for process in image.truth["processes"]}
    return [page | {"dtb": roots[page["pid"]]} for page in image.truth["in_page_files"]]


def contents(image: Image) -> dict[int, bytes]:
    """Number to octets of each page file; the first is shortened to the pages that have any content."""
    found: dict[int, bytes] = {}
    for file in image.page_files:
        octets = bytearray(PAGE * (max(file.content) + 1))
        for number, content in file.content.items():
            octets[PAGE * number : PAGE * (number + 1)] = content
        found[file.number] = bytes(octets)
    return found


def given(image: Image, files: dict[int, bytes], frames: Frames | None = None) -> Kernel:
    """The kernel of an image, or of what is left of it, whose memory has these page files."""
    memory: Any = memory_of(image.physical if frames is None else frames, image.memory_size)
    held: Any = {
        number: MappedMemory(np.frombuffer(octets, dtype=np.uint8), [Run(0, len(octets), 0)])
        for number, octets in files.items()
    }
    return identify(PageFiles(memory, held), image.truth["dtb"], mode=mode_of(image))


def read(kernel: Kernel, page: dict[str, Any]) -> tuple[int | None, str]:
    """Checksum of a page as it is read, ``None`` where it is not, and why."""
    assert isinstance(kernel.space, AddressSpace)
    space = kernel.space.through(page["dtb"])
    data = space.read(page["va"], PAGE)
    return None if data is None else zlib.crc32(data), space.why(page["va"])
