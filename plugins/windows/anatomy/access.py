"""The plugin windows.anatomy.access: who can touch whom."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from volatility3.framework import interfaces

from process_anatomy.volatility import Anatomy, Column, format_hints

if TYPE_CHECKING:
    from process_anatomy.kernel.identify import Kernel
    from process_anatomy.walk.across.access import Side


class Access(Anatomy, interfaces.plugins.PluginInterface):
    """Shows handles that give power over other processes, explained, and the shortest ways to higher integrity."""

    _version = (1, 0, 0)
    columns = (
        Column("PID", int),
        Column("Process", str),
        Column("Kind", str),
        Column("HandleValue", format_hints.Hex),
        Column("GrantedAccess", format_hints.Hex),
        Column("Powers", str),
        Column("TargetPID", int),
        Column("Target", str),
        Column("User", str),
        Column("Integrity", str),
        Column("TargetUser", str),
        Column("TargetIntegrity", str),
        Column("Upwards", bool),
        Column("Steps", int),
        Column("Way", str),
        Column("Problems", str),
        Column("Explanation", str),
    )

    def rows(self, kernel: Kernel) -> Iterator[tuple[int, Sequence[Any]]]:
        """The ways up first, then one row for each handle that gives power."""
        from process_anatomy.walk.across.access import WAY, access

        everyone, chosen = self.chosen(kernel)
        explain = self.explainer(kernel)
        found = access(kernel, everyone)
        self.report(found.problems)
        wanted = {process.address for process in chosen}

        def sides(holder: Side, target: Side) -> tuple[Any, ...]:
            return (
                target.process.pid if target.process else None,
                target.label,
                holder.user_name,
                holder.integrity,
                target.user_name,
                target.integrity,
            )

        for way in found.ways:
            first = way.steps[0].handle
            if first.process.address in wanted:
                yield (
                    0,
                    (
                        first.process.pid, first.process.name, WAY, first.value, first.access,
                        ",".join(way.steps[0].powers), *sides(way.start, way.end), True, len(way.steps), way.text, None,
                        explain.way(way),
                    ),
                )  # fmt: skip
        for step in found.steps:
            handle = step.handle
            if handle.process.address in wanted:
                yield (
                    0,
                    (
                        handle.process.pid, handle.process.name, step.kind.lower(), handle.value, handle.access,
                        ",".join(step.powers), *sides(step.holder, step.target), step.upwards, 1, None,
                        "; ".join(step.problems) or None, explain.step(step),
                    ),
                )  # fmt: skip
