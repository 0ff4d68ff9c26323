"""The forge's only source of chance: the same seed gives the same image on every machine and Python."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")
MASK = (1 << 64) - 1


class Dice:
    """Seeded chance (the SplitMix64 generator), independent of the standard library's versions."""

    def __init__(self, seed: int) -> None:
        self._state = seed & MASK

    def bits(self, count: int) -> int:
        """A number of ``count`` random bits, at most 64."""
        self._state = (self._state + 0x9E3779B97F4A7C15) & MASK
        mixed = self._state
        mixed = ((mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9) & MASK
        mixed = ((mixed ^ (mixed >> 27)) * 0x94D049BB133111EB) & MASK
        return (mixed ^ (mixed >> 31)) >> (64 - count)

    def below(self, limit: int) -> int:
        """A number from 0 to ``limit`` - 1."""
        return self.bits(64) % limit

    def between(self, low: int, high: int) -> int:
        """A number from ``low`` to ``high``, both included."""
        return low + self.below(high - low + 1)

    def pick(self, choices: Sequence[T]) -> T:
        """One of the choices."""
        return choices[self.below(len(choices))]

    def shuffle(self, items: list[T]) -> None:
        """Put a list into random order, in place."""
        for index in range(len(items) - 1, 0, -1):
            other = self.below(index + 1)
            items[index], items[other] = items[other], items[index]
