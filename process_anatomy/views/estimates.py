"""Which rows show a field that lies where only the layout of another kernel has it, and what they then say.

A layout that was not made for the kernel at hand is mended by what is known of that kernel, so that of most fields the
place is known after all (see :mod:`structs.mending`).  A row is estimated only where it shows one of the others: the
columns of a view name the fields that they come from, and the view those that lead to its rows.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from process_anatomy.absent import Absent
from process_anatomy.views.declaration import EXPLANATION, Row, View

if TYPE_CHECKING:
    from process_anatomy.notes.explainer import Explainer
    from process_anatomy.walk.across.tables import Tables

NAMED = re.compile(r"(_[A-Z][A-Z0-9_]+)\.([A-Za-z]\w*(?:\.\w+)*(?:, [A-Za-z]\w*(?:\.\w+)*)*)")
"""Fields of a structure, as sources name them: ``_EPROCESS.VadRoot, VadCount``."""


def named_fields(source: str) -> frozenset[tuple[str, str]]:
    """The declared fields that a text names, each with the structure that declares it; bits by their unit's name too.

    What it names of structures that are not declared (those of the processor, of executables) is left out.
    """
    from structs.families import LAYOUTS, PART_OF

    found: set[tuple[str, str]] = set()
    for structure, names in NAMED.findall(source):
        for owner in {structure, PART_OF.get(structure, structure)} & LAYOUTS.keys():
            layout = LAYOUTS[owner]
            for path in names.split(", "):
                found.update((owner, field) for field in layout.fields if _means(path, field, layout.paths(field)))
    return frozenset(found)


def _means(path: str, field: str, paths: tuple[str, ...]) -> bool:
    """Whether a source's name of a field, or of what holds it, is that of a declared one."""
    last = path.rpartition(".")[2]
    return last == field or any(path in (each, each.partition(".")[0]) or each.endswith(f".{path}") for each in paths)


def marked(view: View, tables: Tables, explain: Explainer, rows: Iterator[Row]) -> Iterator[Row]:
    """The rows of a view, those that are estimated with a sentence more in their explanation.

    Args:
        view: whose rows.
        tables: of the image, whose layout is estimated.
        explain: as the request has it.
        rows: of the view.
    """
    by_column = {column.name: named_fields(column.source) for column in view.columns}
    guessed = {each for fields in by_column.values() for each in fields if tables.guessed(*each)}
    suspects = [name for name, fields in by_column.items() if fields & guessed]
    all_of_them = view.through is None or any(tables.guessed(*each) for each in named_fields(view.through))
    for depth, cells in rows:
        text = cells[EXPLANATION]
        estimated = text and (all_of_them or any(_shows(cells[name]) for name in suspects))
        yield depth, cells | {EXPLANATION: text + explain.estimated} if estimated else cells


def _shows(value: object) -> bool:
    return value is not None and not isinstance(value, Absent)
