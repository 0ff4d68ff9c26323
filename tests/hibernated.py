"""Small memories of many kinds of pages, for files that pack them."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from random import Random
from unittest.mock import patch

from process_anatomy.forge import Image
from process_anatomy.forge.machine import hibernation
from process_anatomy.forge.memory.compressors import xpress, xpress_huffman
from structs.hibernation import HEADER_SINCE

PAGE = 0x1000
BUILDS = [(build, {8: "x64", 4: "x86"}[size]) for size, since in HEADER_SINCE.items() for build in since]
"""The first build of each generation of hibernation files, and its processor."""
IN_ROWS = [(build, arch) for build, arch in BUILDS if build >= 9200]
"""Those since Windows 8."""


def small(build: int = 22621, arch: str = "x64", frames: int = 270) -> Image:
    """A memory in which some pages are empty, some repeat themselves, and some are like noise."""
    dice = Random(7)
    kinds: list[Callable[[int], bytes]] = [
        lambda frame: bytes(PAGE),
        lambda frame: frame.to_bytes(4, "little") * (PAGE // 4),
        lambda frame: (b"page %d of memory; " % frame * PAGE)[:PAGE],
        lambda frame: dice.randbytes(64) + bytes(PAGE - 64),
        lambda frame: dice.randbytes(PAGE),
    ]
    numbers = sorted(dice.sample(range(1, 0x2000), frames // 2)) + list(range(0x3000, 0x3000 + frames // 2))
    pages = {frame: kinds[dice.choices(range(5), [4, 4, 4, 4, 1])[0]](frame) for frame in numbers}
    pages |= {frame: dice.randbytes(PAGE) for frame in numbers[-16:]}  # sets that no method makes smaller
    truth = {"build": build, "arch": arch}
    return Image(pages, [(0, 0x4000)], 0x4000 * PAGE, truth, {}, 133_450_000_000_000_000, 1)


ONCE = {"xpress": cache(xpress), "xpress_huffman": cache(xpress_huffman)}
"""The forge's compressors, which are slow, asked once for the same pages in files of every generation."""


def write(image: Image, path: Path) -> None:
    """A hibernation file, as the forge writes it."""
    with patch.multiple(hibernation, **ONCE):
        hibernation.write_hibernation(image, path)


def reader(data: bytes) -> Callable[[int, int], bytes | None]:
    """Reads a file's bytes, as a layer does."""
    return lambda address, size: data[address : address + size] if address + size <= len(data) else None
