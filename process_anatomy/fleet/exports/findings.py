"""Findings as all forms that have a place for verdicts tell them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from process_anatomy.fleet.exports.source import Source
from process_anatomy.notes import default
from process_anatomy.views.findings import SEVERITIES
from process_anatomy.views.records import Record

PAGE = "docs/findings.md"


@dataclass(frozen=True, slots=True)
class Finding:
    """A row of the view ``findings``.

    Attributes:
        row: as the view has it.
        id: the same in every export of the image.
        title: of its rule.
        text: what was found, in one sentence.
        evidence: the facts that it rests on.
        problems: what could not be read of its process.
        severity: 0 for info up to 4 for critical.
    """

    row: Record
    id: str
    title: str
    text: str
    evidence: tuple[str, ...]
    problems: tuple[str, ...]
    severity: int

    @property
    def rule(self) -> str:
        """Its rule."""
        return str(self.row["Rule"])

    @property
    def technique(self) -> str | None:
        """Of MITRE ATT&CK, ``None`` where there is none."""
        found = self.row["Technique"]
        return found if isinstance(found, str) and found else None

    @property
    def techniques(self) -> tuple[str | None, str | None]:
        """The same as its readers part it: the technique, and which kind of it where that is said."""
        whole = self.technique
        main = whole.partition(".")[0] if whole else None
        return main, whole if whole != main else None


def findings(source: Source) -> Iterator[Finding]:
    """The findings of an image, the weightiest first."""
    library = default()
    for row in source.rows("findings"):
        evidence = tuple(_texts(row["Evidence"]))
        rule = str(row["Rule"])
        title = library[f"finding/{rule}"].title
        yield Finding(
            row,
            source.id("finding", rule, row["pid"], *evidence),
            title,
            str(row["Explanation"] or title),
            evidence,
            tuple(_texts(row["Problems"])),
            SEVERITIES.index(str(row["Severity"])),
        )


def _texts(value: Any) -> list[str]:
    return value if isinstance(value, list) else []
