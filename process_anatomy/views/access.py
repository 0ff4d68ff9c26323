"""The view of who can touch whom."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from process_anatomy.absent import Absent
from process_anatomy.views.declaration import BOOLEAN, INTEGER, TEXT, TEXTS, Cells, Column, Request, Row, View

if TYPE_CHECKING:
    from process_anatomy.walk.across.access import Side, Step


def rows(request: Request) -> Iterator[Row]:
    """The ways up first, then one row for each handle that gives power."""
    from process_anatomy.notes.handle_rows import step_note, way_note
    from process_anatomy.walk.across.access import WAY

    tables, explain = request.tables, request.explain
    wanted = {process.address for process in request.chosen()}
    found = tables.access
    request.report(found.problems)
    for way in found.ways:
        first = way.steps[0]
        if first.handle.process.address in wanted:
            yield (
                0,
                _power(first, way.start, way.end)
                | {
                    "Kind": WAY,
                    "Upwards": True,
                    "Steps": len(way.steps),
                    "Way": way.text,
                    "Problems": (),
                    "Explanation": explain(way_note, way),
                },
            )
    for step in found.steps:
        if step.handle.process.address in wanted:
            yield (
                0,
                _power(step, step.holder, step.target)
                | {
                    "Kind": step.kind.lower(),
                    "Upwards": _upwards(step),
                    "Steps": 1,
                    "Way": None,
                    "Problems": step.problems,
                    "Explanation": explain(step_note, step),
                },
            )


def _upwards(step: Step) -> bool | Absent:
    """Whether the target is of higher integrity, or why that is not known."""
    levels = step.holder.integrity, step.target.integrity
    return next((level for level in levels if isinstance(level, Absent) and level.kind.lost), step.upwards)


def _power(step: Step, holder: Side, target: Side) -> Cells:
    """Whose handle it is that a row tells of, and between whom it stands."""
    handle = step.handle
    return {
        "PID": handle.process.pid,
        "Process": handle.process.name,
        "HandleValue": handle.value,
        "GrantedAccess": handle.access,
        "Powers": step.powers,
        "TargetPID": target.process.pid if target.process else None,
        "Target": target.label,
        "User": holder.user_name,
        "Integrity": holder.integrity,
        "TargetUser": target.user_name,
        "TargetIntegrity": target.integrity,
    }


VIEW = View(
    name="access",
    title="Shows handles that give power over other processes, explained, and the shortest ways to higher integrity.",
    component="open-handles",
    columns=(
        Column("PID", INTEGER, "the id of the process that has the power", "_EPROCESS.UniqueProcessId"),
        Column(
            "Process", TEXT, "the short name of its program, cut off after 14 characters", "_EPROCESS.ImageFileName"
        ),
        Column(
            "Kind",
            TEXT,
            "the type of the object that gives the power: process, thread, token, section; or way, the shortest way up",
            "_OBJECT_TYPE.Name; the search of the walk",
        ),
        Column(
            "HandleValue",
            INTEGER,
            "the handle, of a way the first one",
            "the place of the _HANDLE_TABLE_ENTRY in the table",
            hexadecimal=True,
        ),
        Column(
            "GrantedAccess",
            INTEGER,
            "what that handle allows, a bit each",
            "_HANDLE_TABLE_ENTRY.GrantedAccessBits",
            hexadecimal=True,
        ),
        Column(
            "Powers",
            TEXTS,
            "the rights among it that give power over the other process",
            "the Windows SDK headers; windows.anatomy.explain --about object-right",
            separator=",",
        ),
        Column(
            "TargetPID",
            INTEGER,
            "the id of the process that is in its power, or whose token it is",
            "_EPROCESS.UniqueProcessId of the target",
        ),
        Column(
            "Target", TEXT, "that process, or the token", "_EPROCESS.ImageFileName of the target, _TOKEN.UserAndGroups"
        ),
        Column("User", TEXT, "whom the holder acts as", "_TOKEN.UserAndGroups of the holder"),
        Column("Integrity", TEXT, "the holder's integrity level", "_TOKEN.IntegrityLevelIndex of the holder"),
        Column("TargetUser", TEXT, "whom the target acts as", "_TOKEN.UserAndGroups of the target"),
        Column("TargetIntegrity", TEXT, "the target's integrity level", "_TOKEN.IntegrityLevelIndex of the target"),
        Column("Upwards", BOOLEAN, "whether the target's integrity level is above the holder's", "both tokens"),
        Column("Steps", INTEGER, "how many handles it takes", "the search of the walk"),
        Column("Way", TEXT, "of a way, every step with the rights that it takes", "the search of the walk"),
        Column(
            "Problems",
            TEXTS,
            "what is odd about the handle that gives the power, or could not be read of its object",
            "the checks of the walk",
        ),
        Column(
            "Explanation", TEXT, "what the power is, and who has it as a rule", "the notes of windows.anatomy.explain"
        ),
    ),
    rows=rows,
    telling=("PID", "Process", "Integrity", "HandleValue", "Target", "TargetIntegrity", "Powers"),
    address="",
)
