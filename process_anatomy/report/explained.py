"""Explanations as templates and facts: the page has each template once and fills it in itself, at any level.

A fact that a cell of its row tells already is not stored again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from string import Formatter
from typing import TYPE_CHECKING, Any, ParamSpec

from process_anatomy.notes.explainer import Explainer, Facts, Told
from process_anatomy.notes.library import Level, Library, Note, Words
from process_anatomy.report.packing import Packed, choices, packed
from process_anatomy.views.declaration import Column
from process_anatomy.views.files import cell_text
from process_anatomy.views.records import Record

if TYPE_CHECKING:
    from process_anatomy.notes.own.matching import OwnNote

P = ParamSpec("P")
LEVELS = (Level.BRIEF, Level.FULL, Level.ANALOGY)


class Kept(str):
    """A row's explanation, not yet filled in, which remembers what it is made of.

    Attributes:
        told: the note, its facts, and the words around it.
    """

    told: Told

    def __add__(self, more: str) -> Kept:
        return kept(str.__add__(self, more), self.told._replace(after=self.told.after + more))


def kept(text: str, told: Told) -> Kept:
    """An explanation with what it was made of."""
    found = Kept(text)
    found.told = told
    return found


class Keeping(Explainer):
    """Explains each row with a template that remembers its note and its facts: the page fills it in.

    Of a reader's note, words about just such rows are the text of the row at any level; words about what it is an
    example of stand behind ours, once for each term of a view.

    Args:
        library: the notes.
        own: the reader's own note.
    """

    def __init__(self, library: Library, own: OwnNote | None = None) -> None:
        super().__init__(Level.BRIEF.value, library, own)

    def __call__(self, note: Callable[P, tuple[str, Facts] | Told], *facts: P.args, **more: P.kwargs) -> str | None:
        """As every explainer.

        Raises:
            NoteError: there is no such note.
        """
        told = note(*facts, **more)
        whole = told if isinstance(told, Told) else Told(*told)
        exact, quoted = self.theirs(whole)
        if exact is not None:
            return whole.before + exact + whole.after + whole.sober
        whole = whole._replace(sober=whole.sober + quoted)
        template = self.library[whole.key].brief
        if whole.guessed and template:
            whole = whole._replace(after=self.estimated + whole.after, guessed=False)
        text = whole.before + template + whole.after + whole.sober
        return kept(text, whole) if text else None


def placeholders(note: Note) -> list[str]:
    """The names that the templates of a note hold, at any level, in order."""
    parts = (part for level in LEVELS for part in Formatter().parse(note.text(level)))
    return list(dict.fromkeys(name for _, name, _, _ in parts if name))


def explanations(
    texts: Sequence[Any], rows: Sequence[Record], columns: Sequence[Column], library: Library
) -> tuple[Packed, Iterator[str]]:
    """The explanations of a view's rows, and the ids of the notes that they are made of.

    Args:
        texts: the explanations: each :class:`Kept`, plain text that no note made, or ``None``.
        rows: the rows that they belong to.
        columns: of the view.
        library: the notes.
    """
    keys = [text.told.key if isinstance(text, Kept) else "" for text in texts]
    groups: dict[str, list[int]] = {}
    for number, key in enumerate(keys):
        groups.setdefault(key, []).append(number)
    filled = {key: _filled(key, places, texts, rows, columns, library) for key, places in groups.items() if key}
    told = {
        "notes": packed(keys),
        "facts": filled,
        "before": packed([text.told.before if isinstance(text, Kept) else "" for text in texts]),
        "after": packed([text.told.after if isinstance(text, Kept) else "" for text in texts]),
        "sober": packed([text.told.sober if isinstance(text, Kept) else "" for text in texts]),
        "plain": packed([None if text is None or isinstance(text, Kept) else str(text) for text in texts]),
    }
    return told, iter(filled)


def _filled(
    key: str, places: Sequence[int], texts: Sequence[Any], rows: Sequence[Record], columns: Sequence[Column],
    library: Library,
) -> Mapping[str, Packed]:  # fmt: skip
    """Each placeholder of a note to its facts in the rows of that note, or to the column that tells them."""
    found = {}
    for name in placeholders(library[key]):
        facts = [texts[place].told.facts[name] for place in places]
        column = _column(facts, [rows[place] for place in places], columns)
        if column is None:
            found[name] = choices([_fact(fact) for fact in facts])
        else:
            found[name] = {"form": "column", "column": column}
    return found


def _fact(fact: object) -> Any:
    """A fact as a text; words of ours, which get a capital where they begin a sentence, as a list of one."""
    return [str(fact)] if isinstance(fact, Words) else str(fact)


def _column(facts: Sequence[object], rows: Sequence[Record], columns: Sequence[Column]) -> str | None:
    """The column whose cells, as text, are these facts; ``None`` where there is none."""
    if any(isinstance(fact, Words) for fact in facts):
        return None
    for column in columns:
        pairs = zip(facts, rows, strict=True)
        if all(row[column.name] is not None and _text(row[column.name], column) == str(fact) for fact, row in pairs):
            return column.name
    return None


def _text(value: Any, column: Column) -> str | None:
    """A cell as the page writes it into a sentence: only texts and numbers are."""
    return cell_text(value, column) if isinstance(value, (int, str)) and not isinstance(value, bool) else None
