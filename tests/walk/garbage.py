"""Memory that holds no process, of many kinds, behind a forged image and mapped in its kernel's space.

Where the kernel maps it, everything in it is "in place" as soon as one list of it is whole, which is what a search of
memory goes by.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt

from process_anatomy.forge import LAB, Image, forge
from process_anatomy.kernel.identify import Kernel, identify
from process_anatomy.memory.physical import MappedMemory, Run
from tests.walk.damaged import PAGE, mode_of

Octets = npt.NDArray[np.uint8]
MEGABYTE = 1 << 20
LARGE = 2 * MEGABYTE
SLOT = 0x1E4
"""Entry of the top page table that no forged image uses."""
MAPPED = 0xFFFF_0000_0000_0000 | SLOT << 39
"""Where the garbage lies in the kernel's space."""
UNITS = (0x40, 0x60, 0x70, 0x80)
"""Where objects begin in a pool block: behind its header, and more or fewer optional ones."""


def random(size: int, seed: int = 1) -> Octets:
    """Octets without any order."""
    return np.frombuffer(np.random.default_rng(seed).bytes(size), np.uint8)


def pool(size: int, seed: int = 1) -> Octets:
    """Pool blocks with all that a process is found by: kinds, tags, and lists that are whole."""
    dice = np.random.default_rng(seed)
    count = size // 8
    words = np.zeros(count, dtype=np.uint64)
    kind = dice.random(count)
    places = MAPPED + 16 * dice.integers(0, size // 16, count).astype(np.uint64)
    small = 4 * dice.integers(1, 40000, count).astype(np.uint64)
    pages = dice.integers(1, 0x8000, count).astype(np.uint64) << np.uint64(12)
    times = np.uint64(133_000_000_000_000_000) + dice.integers(0, 1 << 45, count).astype(np.uint64)
    names = np.array([int.from_bytes(n, "little") for n in (b"svchost.", b"lsass.ex", b"notepad.")], dtype=np.uint64)
    for low, high, value in (
        (0.0, 0.3, places),
        (0.3, 0.4, small),
        (0.4, 0.5, pages),
        (0.5, 0.58, times),
        (0.58, 0.66, names[dice.integers(0, 3, count)]),
    ):
        chosen = (kind >= low) & (kind < high)
        words[chosen] = value[chosen]
    heads = np.flatnonzero(dice.random(count // 2) < 0.1) * 2  # lists that are empty
    words[heads] = words[heads + 1] = MAPPED + 8 * heads.astype(np.uint64)
    pairs = np.flatnonzero(dice.random(count // 2) < 0.05) * 2  # lists of two
    pairs = dice.permutation(pairs[: len(pairs) // 2 * 2]).reshape(2, -1)
    for one, other in (pairs, pairs[::-1]):
        words[one] = words[one + 1] = MAPPED + 8 * other.astype(np.uint64)
    octets = words.view(np.uint8).reshape(-1, 0x200).copy()
    tags = np.frombuffer(b"ProcFileThreMmSt", np.uint8).reshape(-1, 4)
    octets[:, 0] = dice.choice([3, 0, 0x20], len(octets))
    octets[:, 1:4] = (0, 0x20, 2)
    octets[:, 4:8] = tags[dice.integers(0, len(tags), len(octets))]
    for unit in UNITS:
        octets[:, unit] = dice.choice([3, 3, 6, 0x83], len(octets))
        octets[:, unit + 1 : unit + 4] = 0
        octets[:, unit + 2] = dice.choice([0, 0x20, 0x0E, 0xB6, 0x10, 0xC8], len(octets))
    return octets.reshape(-1)


def page_tables(size: int, seed: int = 1) -> Octets:
    """Entries of page tables, of which every third is empty."""
    dice = np.random.default_rng(seed)
    frames = dice.integers(1, 0x8000, size // 8).astype(np.uint64) << np.uint64(12)
    bits = np.array([0, 0x63, 0x867], dtype=np.uint64)[dice.integers(0, 3, size // 8)]
    return (np.where(bits > 0, frames, np.uint64(0)) | bits).view(np.uint8)


def text(size: int, seed: int = 1) -> Octets:
    """Source text."""
    return _filled([path.read_bytes() for path in sorted(Path(np.__file__).parent.rglob("*.py"))[:200]], size, seed)


def code(size: int, seed: int = 1) -> Octets:
    """Programs: the interpreter, and libraries."""
    libraries = sorted(p for p in Path(np.__file__).parent.rglob("*") if p.suffix in (".so", ".pyd"))
    return _filled([path.read_bytes() for path in [Path(sys.executable).resolve(), *libraries[:20]]], size, seed)


def other_systems(size: int, seed: int = 1) -> Octets:
    """The memory of another machine with the same Windows."""
    return _filled([data for _, data in sorted(forge(LAB, 76 + seed).physical.items())], size, 0)


KINDS: tuple[Callable[..., Octets], ...] = (random, pool, page_tables, text, code, other_systems)


def _filled(parts: list[bytes], size: int, turns: int) -> Octets:
    """Pieces one behind the other, again and again, up to a size; each turn begins 4 KB and a bit later."""
    once = np.frombuffer(b"".join(parts), np.uint8)
    return np.resize(np.roll(once, -turns * 0x1010), size)


def surrounded(image: Image, octets: Octets) -> Kernel:
    """The kernel of a forged 64-bit image with more memory, which is all mapped in the kernel's space."""
    first = -(-image.memory_size // LARGE) * LARGE
    behind = first + -(-len(octets) // LARGE) * LARGE
    directories = -(-len(octets) // (1 << 30))
    memory = np.zeros(behind + (1 + directories) * PAGE, dtype=np.uint8)
    for frame, data in image.physical.items():
        memory[frame * PAGE : frame * PAGE + len(data)] = np.frombuffer(data, np.uint8)
    memory[first : first + len(octets)] = octets
    words = memory.view("<u8")
    for number in range(directories):
        words[behind // 8 + number] = behind + (1 + number) * PAGE | 0x63
    for number, at in enumerate(range(first, behind, LARGE)):
        words[(behind + PAGE) // 8 + number] = at | 0xE3
    for root in {image.truth["dtb"], *(p["dtb"] for p in image.truth["processes"])}:
        words[(root & ~0xFFF) // 8 + SLOT] = behind | 0x63
    return identify(MappedMemory(memory, [Run(0, len(memory), 0)]), image.truth["dtb"], mode=mode_of(image))
