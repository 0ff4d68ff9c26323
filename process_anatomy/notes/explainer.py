"""Explanations for the rows of one image."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple, ParamSpec

from process_anatomy.notes.library import Level, Library, default

Facts = Mapping[str, object]
P = ParamSpec("P")


class Told(NamedTuple):
    """What a row tells of itself, where that is more than one note.

    Attributes:
        key: id of the note.
        facts: what fills in its placeholders.
        before: words in front of it.
        after: words behind it, with the space that parts them.
        sober: more words behind these, which an analogy goes without.
        guessed: it tells of a field that lies where only the layout of another kernel has it, and says so.
    """

    key: str
    facts: Facts
    before: str = ""
    after: str = ""
    sober: str = ""
    guessed: bool = False


class Explainer:
    """Joins each row with its note: which note that is, and its facts, the functions of the ``*_rows`` modules say.

    Args:
        level: how much to say: ``off``, ``brief``, ``full`` or ``analogy``.
        library: the notes; those that ship with the suite if left out.
    """

    def __init__(self, level: str, library: Library | None = None) -> None:
        self.level = Level(level)
        self.library = default() if library is None else library

    @property
    def speaks(self) -> bool:
        """Whether rows say anything: what only explanations need is not looked up otherwise."""
        return self.level is not Level.OFF

    @property
    def estimated(self) -> str:
        """What is added to a row that shows a field which lies where only the layout of another kernel has it."""
        return " Layout estimated: " + self.library["term/estimated-layout"].brief

    def __call__(self, note: Callable[P, tuple[str, Facts] | Told], *facts: P.args, **more: P.kwargs) -> str | None:
        """The explanation of a row; ``None`` where nothing is to be said.

        Args:
            note: from a record to the id of its note and the facts that fill it in; not called where rows say nothing.
            facts: the record, and what else ``note`` takes.
            more: the same, by name.

        Raises:
            NoteError: there is no such note, or it asks for a fact that is not given.
        """
        if self.level is Level.OFF:
            return None
        told = note(*facts, **more)
        whole = told if isinstance(told, Told) else Told(*told)
        text = self.library.explain(whole.key, self.level, whole.facts)
        if whole.guessed and text:
            text += self.estimated
        sober = "" if self.level is Level.ANALOGY else whole.sober
        return whole.before + text + whole.after + sober or None
