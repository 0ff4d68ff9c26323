"""The library of notes: which explanation belongs to an id, and how it reads for given facts.

Notes are TOML files in the folder ``words``, one table for each note.  A file is read when one of its ids is
asked for, never before: a command that explains nothing parses nothing.
"""

from __future__ import annotations

import re
import string
import sys
from dataclasses import dataclass
from enum import Enum
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    if sys.version_info >= (3, 11):
        from importlib.resources.abc import Traversable
    else:
        from importlib.abc import Traversable

FAMILIES: dict[str, str] = {
    "component": "components",
    "term": "terms",
    "privilege": "privileges",
    "privilege-state": "privileges",
    "protection": "vads",
    "vad-type": "vads",
    "vad-row": "vads",
    "token-row": "tokens",
    "group-row": "groups",
    "group-attribute": "groups",
    "impersonation-level": "tokens",
    "mandatory-policy": "tokens",
    "attribute-row": "claims",
    "attribute": "claims",
    "claim-type": "claims",
    "claim-flag": "claims",
    "dacl-row": "dacls",
    "ace-type": "dacls",
    "ace-flag": "dacls",
    "access-right": "dacls",
    "creation-row": "creation",
    "confidence": "creation",
    "parent-state": "creation",
    "module-row": "modules",
    "load-reason": "modules",
    "hot-patch": "modules",
    "image-row": "images",
    "mitigation": "images",
    "integrity": "tokens",
    "elevation": "tokens",
    "token-flag": "tokens",
    "process-row": "processes",
    "field-row": "structures",
    "page-state": "pages",
    "page-row": "ranges",
    "region": "ranges",
    "peb-row": "peb",
    "environment-row": "peb",
    "teb-row": "peb",
    "global-flag": "peb",
    "thread-row": "threads",
    "thread-state": "threads",
    "wait-reason": "threads",
    "thread-flag": "threads",
    "start-kind": "threads",
    "csr-row": "csr",
    "csr-flag": "csr",
    "working-set-row": "working_sets",
    "finding": "findings",
    "severity": "severities",
    "crossview-row": "crossview",
    "absence": "crossview",
    "view": "crossview",
    "verdict": "crossview",
    "completeness-row": "completeness",
    "component-state": "completeness",
    "view-file": "files",
    "handle-row": "handles",
    "access-row": "handles",
    "object-right": "rights",
    "layout-check": "layouts",
    "check-outcome": "layouts",
    "layout-verdict": "layouts",
}
"""First part of an id to the file (without ``.toml``) that holds the notes of that family."""


class NoteError(LookupError):
    """A note is not there, or cannot be used as it is.

    Attributes:
        id: the note's id, or the file's name where a whole file cannot be used.
        placeholder: the placeholder for which there is no fact, else an empty string.
    """

    def __init__(self, key: str, reason: str, placeholder: str = "") -> None:
        self.id, self.placeholder = key, placeholder
        super().__init__(f"note {key}: {reason}")


class Words(str):
    """Words of ours where a fact would stand, such as "an unknown address".

    They get a capital where they begin a sentence.  A fact never does: a name is told as memory has it.
    """

    __slots__ = ()


class Level(Enum):
    """How much a row says about itself."""

    OFF = "off"
    BRIEF = "brief"
    FULL = "full"
    ANALOGY = "analogy"


@dataclass(frozen=True, slots=True)
class Note:
    """One explanation.

    Attributes:
        id: family and name, for instance ``term/vad``.
        title: a short name for people.
        brief: one sentence or phrase; row templates hold placeholders such as ``{process}``.
        full: a short paragraph, with the same placeholders; may be empty for a right.
        analogy: the same as a gang would see it; may be empty for a right.
        source: where the fact comes from.
        command: the command that shows it, for components and terms, else empty.
        innocent: what else than an attack gives the same picture, for findings.
        technique: the id of MITRE ATT&CK that a finding points to, where there is one.
        value: the number that Windows uses for it (a privilege, a type, a flag), where there is one.
    """

    id: str
    title: str
    brief: str
    full: str = ""
    analogy: str = ""
    source: str = ""
    command: str = ""
    innocent: str = ""
    technique: str = ""
    value: int | None = None

    def text(self, level: Level) -> str:
        """The text of a level, not yet filled in; the brief one where the note has none of that level."""
        if level is Level.OFF:
            return ""
        if level is Level.FULL:
            return self.full or self.brief
        if level is Level.ANALOGY:
            return self.analogy or self.brief
        return self.brief


_BEGINNING = re.compile(r"(?:^|[.!?] )\{(\w+)\}")


@cache
def _beginners(text: str) -> tuple[str, ...]:
    """The placeholders of a template that begin one of its sentences."""
    return tuple(_BEGINNING.findall(text))


def _fill(text: str, facts: Mapping[str, object]) -> str:
    """A template with its facts in place, as a sentence is written.

    Words of ours that begin a sentence get a capital, and after a fact that ends in a full stop, such as a name that
    the kernel cut there, the sentence gets no second one.
    """
    told = text.format_map(facts)
    if ".." not in told and not any(isinstance(facts[name], Words) for name in _beginners(text)):
        return told
    told, ended = "", False
    for literal, name, _, _ in string.Formatter().parse(text):
        told += literal[1:] if ended and literal.startswith(".") else literal
        if name is None:
            continue
        fact = str(facts[name])
        if isinstance(facts[name], Words) and (not told or told.endswith((". ", "! ", "? "))):
            fact = fact[:1].upper() + fact[1:]
        told, ended = told + fact, fact.endswith(".")
    return told


_TEXTS = frozenset({"title", "brief", "full", "analogy", "source", "command", "innocent", "technique"})
_NEEDED = frozenset({"title", "brief", "source"})


def _note(key: str, table: object) -> Note:
    """A checked note from its TOML table."""
    if not isinstance(table, dict):
        raise NoteError(key, "is not a table")
    if strange := sorted(table.keys() - _TEXTS - {"value"}):
        raise NoteError(key, f"has an unknown key {strange[0]}")
    if missing := sorted(_NEEDED - table.keys()):
        raise NoteError(key, f"has no {missing[0]}")
    for part in sorted(table.keys() & _TEXTS):
        if not isinstance(table[part], str):
            raise NoteError(key, f"{part} is not a string")
    value = table.get("value")
    if value is not None and type(value) is not int:
        raise NoteError(key, "value is not an integer")
    return Note(id=key, **table)


class Library:
    """Notes by id, read from TOML files when they are first needed.

    Args:
        folder: where the files are; the notes that ship with the suite if left out.
    """

    def __init__(self, folder: Traversable | None = None) -> None:
        self._folder = files(__package__).joinpath("words") if folder is None else folder
        self._files: dict[str, list[str]] = {}
        self._notes: dict[str, Note] = {}
        self._values: dict[str, dict[int, Note]] = {}

    def load(self, *families: str) -> None:
        """Read the files of these families now; of all families if none is named.

        Raises:
            NoteError: a family is not known, or its file is not a file of notes.
        """
        for family in families or FAMILIES:
            try:
                name = FAMILIES[family]
            except KeyError:
                raise NoteError(family, "is of no known family") from None
            if name not in self._files:
                notes = {key: _note(key, table) for key, table in self._parse(name).items()}
                for key in notes:
                    if FAMILIES.get(key.partition("/")[0]) != name:
                        raise NoteError(key, f"does not belong into {name}.toml")
                self._notes |= notes
                self._files[name] = list(notes)

    def __getitem__(self, key: str) -> Note:
        note = self._notes.get(key)
        if note is None:
            family = key.partition("/")[0]
            if family in FAMILIES:
                self.load(family)
                note = self._notes.get(key)
            if note is None:
                raise NoteError(key, "there is no such note")
        return note

    def explain(self, key: str, level: Level, facts: Mapping[str, object]) -> str:
        """The text of a note at a level, with facts in place of its placeholders.

        Facts are inserted as they are: braces in a file name stay braces.  Only :class:`Words` get a capital where
        they begin a sentence, and a fact that ends in a full stop takes none from the text.

        Args:
            key: the note's id.
            level: how much to say; ``Level.OFF`` says nothing.
            facts: placeholder to fact; more than the text needs is fine.

        Raises:
            NoteError: there is no such note, no fact for one of its placeholders, or the text is not a template.
        """
        if level is Level.OFF:
            return ""
        text = self[key].text(level)
        try:
            return _fill(text, facts)
        except KeyError as error:
            placeholder = str(error.args[0]) if error.args else ""
            raise NoteError(key, f"there is no fact for {{{placeholder}}}", placeholder) from None
        except (ValueError, IndexError, AttributeError) as error:  # a lone brace, {}, {process.name}
            raise NoteError(key, f"is not a template ({error})") from None

    def ids(self, prefix: str = "") -> Iterator[str]:
        """Every id that starts with ``prefix``, in the order of the files; reads only the files it needs."""
        family, slash, _ = prefix.partition("/")
        names = {
            name: known for known, name in FAMILIES.items() if (known == family if slash else known.startswith(family))
        }
        for name, known in names.items():
            self.load(known)
            yield from (key for key in self._files[name] if key.startswith(prefix))

    def by_value(self, family: str) -> Mapping[int, Note]:
        """The notes of a family by the number that Windows uses, for instance privileges by their LUID.

        Raises:
            NoteError: the family is not known.
        """
        if family not in self._values:
            self.load(family)
            notes = (self._notes[key] for key in self._files[FAMILIES[family]] if key.startswith(f"{family}/"))
            self._values[family] = {note.value: note for note in notes if note.value is not None}
        return self._values[family]

    def _parse(self, name: str) -> dict[str, Any]:
        if sys.version_info >= (3, 11):
            import tomllib
        else:
            import tomli as tomllib
        try:
            return tomllib.loads(self._folder.joinpath(f"{name}.toml").read_text("utf-8"))
        except OSError as error:
            raise NoteError(f"{name}.toml", f"cannot be read ({error.strerror})") from None
        except ValueError as error:  # bad TOML, bad UTF-8
            raise NoteError(f"{name}.toml", f"is not TOML ({error})") from None


@cache
def default() -> Library:
    """The notes that ship with the suite, shared by everybody who asks."""
    return Library()
