"""The plugin windows.anatomy.selfcheck: how far the layout fits this image, field by field."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from volatility3.framework import interfaces

from process_anatomy.volatility import Anatomy, Column, format_hints

if TYPE_CHECKING:
    from process_anatomy.kernel.identify import Kernel


class SelfCheck(Anatomy, interfaces.plugins.PluginInterface):
    """Shows how far the structure layout fits this image: what must be true of it, and at how many objects it is.

    The first row is the verdict.
    """

    _version = (1, 0, 0)
    columns = (
        Column("Check", str),
        Column("Result", str),
        Column("Structure", str),
        Column("Field", str),
        Column("Place", format_hints.Hex),
        Column("Space", str),
        Column("Passed", int),
        Column("Failed", int),
        Column("Unreadable", int),
        Column("FirstFailure", format_hints.Hex),
        Column("Problems", str),
        Column("Explanation", str),
    )

    @classmethod
    def get_requirements(cls) -> list[interfaces.configuration.RequirementInterface]:
        """The options of all plugins but that for single processes: a layout fits all of them or none."""
        return [each for each in super().get_requirements() if each.name != "pid"]

    def doubt(self, kernel: Kernel) -> str:
        """Why the layout is not to be trusted, by all checks."""
        from process_anatomy.walk.across.selfcheck import selfcheck

        return kernel.once("selfcheck", selfcheck).reason

    def rows(self, kernel: Kernel) -> Iterator[tuple[int, Sequence[Any]]]:
        """The verdict, and below it one row for each check."""
        from process_anatomy.walk.across.selfcheck import selfcheck

        proof = kernel.once("selfcheck", selfcheck)
        explain = self.explainer(kernel)
        counts = (proof.passed, proof.failed, proof.unreadable)
        words = explain.proof(proof, kernel.build.name)
        yield 0, ("verdict", proof.verdict.value, None, None, None, None, *counts, None, None, words)
        places = kernel.build.places
        for check in proof.checks:
            place = places.get(check.structure, {}).get(check.field)
            yield (
                1,
                (
                    check.id,
                    check.outcome.value,
                    check.structure,
                    check.field or None,
                    place.offset if place else None,
                    check.space,
                    check.passed,
                    check.failed,
                    check.unreadable,
                    check.first,
                    check.problem or None,
                    explain.check(check),
                ),
            )
