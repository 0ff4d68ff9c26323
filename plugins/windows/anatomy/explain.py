"""The plugin windows.anatomy.explain: the terms of the suite."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from volatility3.framework import interfaces, renderers
from volatility3.framework.configuration import requirements

from process_anatomy.errors import Error
from process_anatomy.volatility import Column, PluginError, explain_requirement, grid, safe_text


class Explain(interfaces.plugins.PluginInterface):
    """Explains the terms of the suite: purpose, analogy, and the command that shows each. Needs no image.

    --about narrows it down: a kind (component, term, privilege, protection, token-flag, group-attribute, column ...),
    a whole id (term/vad) or a word in a title; what nobody knows is answered with the list of kinds.
    """

    _required_framework_version = (2, 0, 0)
    _version = (1, 0, 0)
    columns = (
        Column("Term", str),
        Column("Kind", str),
        Column("Title", str),
        Column("Explanation", str),
        Column("Analogy", str),
        Column("Command", str),
        Column("Source", str),
    )

    @classmethod
    def get_requirements(cls) -> list[interfaces.configuration.RequirementInterface]:
        """What to explain, and how much of it."""
        return [
            requirements.StringRequirement(name="about", description="What to explain", optional=True),
            explain_requirement(),
        ]

    def run(self) -> renderers.TreeGrid:
        """Volatility's entry point.

        Raises:
            PluginError: no note is about what was asked for.
        """
        try:
            return grid(self.columns, list(self.rows()))
        except Error as error:
            raise PluginError(f"windows.anatomy.explain: {safe_text(str(error))}") from None

    def rows(self) -> Iterator[tuple[int, Sequence[Any]]]:
        """One row for each note."""
        from process_anatomy.notes import Level
        from process_anatomy.notes.explainer import about

        level = Level(self.config["explain"])
        for note in about(self.config.get("about", None)):
            kind, _, term = note.id.partition("/")
            text = note.text(Level.FULL if level is Level.BRIEF else level)
            yield 0, (term, kind, note.title, text or None, note.analogy or None, note.command or None, note.source)
