"""Names that the seed draws: of programs from lists, of people, machines and objects, and what fills placeholders."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TypeVar

from process_anatomy.forge.ground.dice import Dice
from process_anatomy.forge.ground.identity import Person
from process_anatomy.forge.scenarios.declared import Declared, Entry, Source

HOLE = re.compile(r"\{([a-z]+)\}")
T = TypeVar("T")


class Words:
    """Draws names.

    Args:
        declared: whose lists.
        dice: decides.
    """

    def __init__(self, declared: Declared, dice: Dice) -> None:
        self.declared, self.dice = declared, dice

    def word(self, names: str | tuple[str, ...], source: Source) -> str:
        """One of some words, or of a list of that name."""
        if isinstance(names, str):
            names = self.declared.words.get(names, (names,))
        if not names:
            raise source.error("there is no name to choose from")
        return self.fill(self.dice.pick(names))

    def several(self, items: Sequence[T], count: int) -> list[T]:
        """Some of the items, none twice before all have been drawn."""
        found: list[T] = []
        while items and len(found) < count:
            round_ = list(items)
            self.dice.shuffle(round_)
            found += round_[: count - len(found)]
        return found

    def fill(self, text: str, person: Person | None = None) -> str:
        """A text whose placeholders are filled: ``{user}``, ``{number}``, ``{hex}``, ``{version}``, lists of words."""

        def filler(hole: re.Match[str]) -> str:
            name = hole[1]
            if name == "user":
                return person.account if person else "Public"
            if name == "number":
                return str(self.dice.between(10, 99))
            if name == "hex":
                return f"{self.dice.bits(32):08x}"
            if name == "version":
                return f"{self.dice.between(1, 24)}.{self.dice.below(10)}.{self.dice.between(100, 9999)}"
            return self.fill(self.dice.pick(self.declared.words.get(name, (name,))), person)

        return HOLE.sub(filler, text)

    def entries(self, programs: str | tuple[Entry, ...], build: int, source: Source) -> list[Entry]:
        """The programs of a list that this Windows has."""
        known = self.declared.lists[programs] if isinstance(programs, str) else programs
        found = [entry for entry in known if entry.first <= build]
        if not found:
            raise source.error(f"none of these programs is in Windows of build {build}")
        return found
