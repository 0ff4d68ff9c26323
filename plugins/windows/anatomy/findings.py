"""The plugin windows.anatomy.findings: what does not fit together."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from volatility3.framework import interfaces
from volatility3.framework.configuration import requirements

from process_anatomy.volatility import Anatomy, Column, process_ids

if TYPE_CHECKING:
    from process_anatomy.kernel.identify import Kernel

SEVERITIES = ["info", "low", "medium", "high", "critical"]


class Findings(Anatomy, interfaces.plugins.PluginInterface):
    """Lists what does not fit together in each process, explained: evidence, innocent causes, ATT&CK technique."""

    _version = (1, 0, 0)
    columns = (
        Column("PID", int),
        Column("Process", str),
        Column("Rule", str),
        Column("Severity", str),
        Column("Evidence", str),
        Column("Technique", str),
        Column("Innocent", str),
        Column("Problems", str),
        Column("Explanation", str),
    )

    @classmethod
    def get_requirements(cls) -> list[interfaces.configuration.RequirementInterface]:
        """Those of every plugin, and which findings."""
        return [
            *super().get_requirements(),
            requirements.ChoiceRequirement(
                name="severity",
                choices=SEVERITIES,
                default="low",
                description="Least severity to show; info is what healthy systems show as well",
                optional=True,
            ),
            requirements.StringRequirement(
                name="rule", description="Rules to run, whatever their severity: one,another", optional=True
            ),
        ]

    def rows(self, kernel: Kernel) -> Iterator[tuple[int, Sequence[Any]]]:
        """One row for each finding, the weightiest first, then by process id."""
        from process_anatomy.findings import Severity, findings
        from process_anatomy.findings.hiding import HIDING
        from process_anatomy.walk.across.tables import Tables

        rules = [name.strip() for name in (self.config.get("rule", None) or "").split(",") if name.strip()]
        least = Severity.INFO if rules else Severity(SEVERITIES.index(self.config["severity"]))
        tables = Tables.of(kernel, process_ids(self.config["pid"]), not rules or bool(HIDING & set(rules)))
        self.report(tables.everyone.problems)
        explain = self.explainer(kernel)
        for row in findings(tables, least, rules):
            yield (
                0,
                (
                    row.process.pid if row.process is not None else None,
                    row.process.name if row.process is not None else None,
                    row.rule,
                    str(row.severity),
                    "; ".join(row.evidence),
                    explain.finding_technique(row) or None,
                    explain.finding_innocent(row),
                    "; ".join(row.process.problems) or None if row.process is not None else None,
                    explain.finding(row),
                ),
            )
