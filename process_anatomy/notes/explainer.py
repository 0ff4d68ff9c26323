"""Explanations for the rows of one image."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, NamedTuple, ParamSpec

from process_anatomy.notes.library import Level, Library, Note, default

if TYPE_CHECKING:
    from process_anatomy.notes.own.matching import OwnNote, Quote

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
        own: the reader's own note, whose words stand in the place of what ours say in general.
    """

    def __init__(self, level: str, library: Library | None = None, own: OwnNote | None = None) -> None:
        self.level = Level(level)
        self.library = default() if library is None else library
        self.own = own
        self._quoted: set[str] = set()

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
        text, quoted = self._told(whole)
        if whole.guessed and text:
            text += self.estimated
        sober = "" if self.level is Level.ANALOGY else whole.sober
        return whole.before + text + whole.after + sober + quoted or None

    def _told(self, row: Told) -> tuple[str, str]:
        """The explanation of a row, and what stands behind all else: quoted words of the reader's note."""
        exact, quoted = self.theirs(row)
        if exact is not None:
            return exact, ""
        return self.library.explain(row.key, Level.BRIEF if quoted else self.level, row.facts), quoted

    def theirs(self, row: Told) -> tuple[str | None, str]:
        """The words of the reader's note for a row.

        Their words stand in the place of ours where they are about just such rows; else ours tell what is particular
        to the row, and theirs say the rest, once of each term where explanations are brief.

        Returns:
            What stands in the place of ours, ``None`` where nothing does; and what stands behind all else, with the
            space that parts it, empty where nothing does.
        """
        own = self.own
        if own is None:
            return None, ""
        from process_anatomy.notes.own.topics import topics

        exact = own.quote(row.key, self.level)
        if exact is not None:
            return exact._replace(words=_inserted(exact.words, row.facts)).cited, ""
        quoted = (own.quote(key, self.level) for key in topics(row.key, row.facts))
        quote = next((each for each in quoted if each is not None), None)
        if quote is None or (self.level is Level.BRIEF and quote.place in self._quoted):
            return None, ""
        self._quoted.add(quote.place)
        return None, f" {YOURS}: {quote.cited}"

    def general(self, note: Note, level: Level | None = None) -> Quote:
        """What is said of a term in general: the reader's words where their note has any, else ours.

        Args:
            note: ours.
            level: how much; what rows say where it is left out.

        Returns:
            The words, and where they are from; both empty where nothing is to be said.
        """
        from process_anatomy.notes.own.matching import Quote

        said = self.level if level is None else level
        theirs = None if self.own is None else self.own.quote(note.id, said)
        return theirs or Quote(note.text(said), "" if said is Level.OFF else note.source)


YOURS = "Your note"
"""Stands before words of the reader that follow ours."""
_PLACEHOLDER = re.compile(r"\{(\w+)\}")


def _inserted(words: str, facts: Facts) -> str:
    """The reader's words with facts in place of the placeholders that our note of the row has; other braces stay."""
    return _PLACEHOLDER.sub(lambda found: str(facts.get(found[1], found[0])), words)
