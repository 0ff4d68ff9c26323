"""The names under which a note may speak of what is explained here: titles, ids, and what else people write."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache

from process_anatomy.notes.library import Library, default

NAMED = ("component", "term", "privilege", "protection", "vad-type", "integrity", "elevation")
"""Families whose notes are matched by a heading or a row; where two have one name, the first of these has it."""
BY_ID = (*NAMED, "thread-state", "wait-reason", "page-state", "token-flag", "mitigation", "finding", "object-right")
"""Families whose notes are matched by the id alone as well."""
ALIASES: Mapping[str, tuple[str, ...]] = {
    "component/private-address-space": ("virtual address space", "address space"),
    "component/executable-program": ("executable", "program", "executable image"),
    "component/open-handles": ("handle", "handle table"),
    "component/process-id": ("pid", "process identifier"),
    "component/threads": ("thread",),
    "term/access-token": ("token",),
    "term/sid": ("security id",),
    "term/integrity-level": ("integrity", "mandatory integrity control"),
    "term/vad": ("vads", "virtual address descriptors"),
    "term/vad-tree": ("tree of vads", "virtual address descriptor tree"),
    "term/vad-node": ("node of the vad tree", "vad nodes"),
    "term/eprocess": ("executive process", "_eprocess"),
    "term/ethread": ("executive thread", "_ethread"),
    "term/csr-process": ("csr process",),
    "term/create-process": ("creating a process", "process creation", "creating processes"),
    "term/create-process-as-user": ("creating a process as another user",),
    "term/default-dacl": ("default dacl",),
    "term/process-address-space": ("user address space", "process address space"),
    "term/system-address-space": ("kernel address space", "system space"),
    "term/uac-virtualization": ("user account control virtualization",),
    "term/restricted-token": ("restricted sid",),
    "term/appcontainer": ("app container", "lowbox"),
}
"""Id to what it is called beside its title."""
ANALOGIES: Mapping[str, tuple[str, ...]] = {
    "component/private-address-space": ("land", "ground", "territory"),
    "component/executable-program": ("manifesto", "contract"),
    "component/open-handles": ("informant", "blackmailed informant"),
    "component/security-context": ("tattoo",),
    "component/process-id": ("name",),
    "component/threads": ("goon", "muscle"),
}
"""Id to what it is called in the analogy that our notes tell too."""
DEFINITIONS = frozenset({"definition", "overview", "what is it", "summary", "purpose"})
"""Headings of a section that says what the whole note is about."""
LEADING = re.compile(
    r"^(?:(?:a|an|the|its|each|every|some|at least one|one or more|(?:list|set|table|kind) of|open|of)\s+)+"
)
LETTERS = re.compile(r"[^\w$:/.]+")


def plain_name(text: str) -> str:
    """A name as it is compared: without case, marks, articles, and the endings of plurals."""
    words = LETTERS.sub(" ", text.casefold()).strip()
    words = LEADING.sub("", words)
    return " ".join(_one(word) for word in words.split())


def _one(word: str) -> str:
    """A word in the singular, as far as dropping an s makes it so."""
    if word.endswith("ies") and len(word) > 4:
        return word[:-3] + "y"
    if word.endswith(("sses", "xes")):
        return word[:-2]
    return word[:-1] if word.endswith("s") and not word.endswith(("ss", "us", "is")) and len(word) > 3 else word


def _forms(title: str) -> tuple[str, ...]:
    """A title, without what stands in brackets, and that alone."""
    inside = re.findall(r"\(([^()]+)\)", title)
    outside = re.sub(r"\s*\([^()]*\)\s*", " ", title)
    return (title, outside, *inside)


@cache
def term_names() -> Mapping[str, str]:
    """Each name, as it is compared, to the id of its note."""
    library = default()
    found: dict[str, str] = {}
    for family in BY_ID:
        for key in library.ids(f"{family}/"):
            tail = key.partition("/")[2]
            names = (key, tail, *(_titles(library, key) if family in NAMED else ()), *ALIASES.get(key, ()))
            for name in names:
                found.setdefault(plain_name(name), key)
    return found


def _titles(library: Library, key: str) -> tuple[str, ...]:
    return _forms(library[key].title)


def term_of(heading: str) -> str:
    """The id of what a heading or a first cell names; empty where nothing here has that name."""
    names = term_names()
    return next((names[plain] for plain in map(plain_name, _forms(heading)) if plain in names), "")


def analogy_of(name: str) -> str:
    """The id of what a name in an analogy stands for; empty where the analogy is another than ours."""
    words = plain_name(name)
    for key, names in ANALOGIES.items():
        if any(words == each or words.startswith(f"{each} ") for each in names):
            return key
    return ""


def block_of(name: str) -> str:
    """The id that a block id stands for: ``vad-node`` for ``term/vad-node``, ``vad-row-private`` for one of a row.

    Obsidian allows letters, digits and hyphens alone, so that hyphens may stand for the slash and underscores.
    """
    return _block_ids().get(name.casefold().replace("_", "-"), "")


@cache
def _block_ids() -> Mapping[str, str]:
    library = default()
    found: dict[str, str] = {}
    for key in library.ids():
        found.setdefault(re.sub(r"[^a-z0-9-]+", "-", key.casefold()), key)
    for family in BY_ID:
        for key in library.ids(f"{family}/"):
            found.setdefault(re.sub(r"[^a-z0-9-]+", "-", key.partition("/")[2].casefold()), key)
    return found
