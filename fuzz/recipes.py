"""Damage as a few numbers: which seed, and which octets are others there.

A recipe is what stays of a case: the seed can be made again at any time, and the patches are small.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from random import Random
from zlib import crc32

CORPUS = Path(__file__).parent / "corpus"
ODD = (0, 1, 2, 3, 4, 7, 8, 0x7F, 0x80, 0xFF, 0xFFF, 0x1000, 0x7FFF, 0x8000, 0xFFFE, 0xFFFF, 0x7FFFFFFF, 0x80000000,
       0xFFFFFFFF, 1 << 47, (1 << 47) - 1, 0xFFFF800000000000, (1 << 63) - 1, 1 << 63, (1 << 64) - 1)  # fmt: skip
"""Numbers that break what counts, adds or compares."""
PAGE = 0x1000
MOST = 6
"""Changes of one case at the most."""


@dataclass(frozen=True)
class Recipe:
    """One case.

    Attributes:
        target: who reads it.
        seed: which of the target's seeds is damaged.
        patches: place and octets (hex) that stand there instead, in order.
        size: octets that are left of the seed; all where it is -1.
        told: what went wrong when it was found, in a line.
    """

    target: str
    seed: str
    patches: tuple[tuple[int, str], ...] = ()
    size: int = -1
    told: str = field(default="", compare=False)

    def applied(self, data: bytes) -> bytes:
        """The seed with this damage."""
        octets = bytearray(data)
        for at, new in self.patches:
            piece = bytes.fromhex(new)[: max(0, len(octets) - at)]
            octets[at : at + len(piece)] = piece
        return bytes(octets if self.size < 0 else octets[: self.size])

    def save(self, folder: Path = CORPUS) -> Path:
        """Keep it among the cases that are replayed."""
        text = json.dumps(asdict(self), indent=1) + "\n"
        path = folder / f"{self.target}-{crc32(text.encode()):08x}.json"
        path.write_text(text, "utf-8")
        return path


def load(path: Path) -> Recipe:
    """A case that was kept."""
    told = json.loads(path.read_text("utf-8"))
    patches = tuple((int(at), str(new)) for at, new in told.pop("patches"))
    return Recipe(**told, patches=patches)


def kept() -> list[Path]:
    """Every case that was kept."""
    return sorted(CORPUS.glob("*.json"))


def drawn(dice: Random, data: bytes, places: Sequence[int]) -> tuple[tuple[tuple[int, str], ...], int]:
    """Damage by lot, and how much is left: bits, words, stretches and words of elsewhere, odd numbers, an early end.

    Args:
        dice: who draws.
        data: what is damaged.
        places: where it hurts most, for instance where structures lie; every other change falls on one of them.
    """
    patches = []
    for _ in range(dice.randint(1, MOST)):
        at = dice.choice(places) if places and dice.random() < 0.7 else dice.randrange(max(1, len(data)))
        width = dice.choice((1, 2, 4, 8))
        old = int.from_bytes(data[at : at + width], "little")
        match dice.randrange(8):
            case 0:  # a bit
                new = (old ^ 1 << dice.randrange(8 * width)).to_bytes(width, "little")
            case 1 | 2:  # an odd number: huge counts and lengths, nothing at all
                new = (dice.choice(ODD) & ((1 << 8 * width) - 1)).to_bytes(width, "little")
            case 3:  # words that stand elsewhere: pointers to another of the kind, cycles, shared branches
                other = dice.choice(places) if places else dice.randrange(max(1, len(data)))
                new = data[other : other + 8]
            case 4:  # one word for another
                new = data[at + 8 : at + 16] + data[at : at + 8]
            case 5:  # a little more or less: structures that overlap
                new = ((old + dice.choice((-16, -8, -1, 1, 8, 16, PAGE))) & ((1 << 8 * width) - 1)).to_bytes(
                    width, "little"
                )
            case 6:  # a stretch of another place
                other = dice.randrange(max(1, len(data)))
                new = data[other : other + dice.choice((16, 64, 256))]
            case _:  # octets without any order
                new = dice.randbytes(dice.choice((1, 4, 16)))
        patches.append((at, new.hex()))
    return tuple(patches), dice.randrange(len(data) + 1) if dice.random() < 0.05 else -1


def words_of(data: bytes) -> list[int]:
    """Places of words that are not zero, of which pointers, counts and lengths are some."""
    whole = len(data) // 8
    return [8 * n for n, word in enumerate(struct.unpack_from(f"<{whole}Q", data)) if word]
